//! How each engine is configured.

use std::ops::RangeInclusive;

use handfast::config::{AddressBlock, Config, Congestion};
use handfast::frame::PoolConfig;
use handfast::time::Duration;

use super::{CROSSED_PORT, address};
use crate::random::Random;

/// One host.
#[derive(Clone, Debug)]
pub struct HostPlan {
    /// Seed of the engine's secret.
    pub secret: u64,
    /// Octets of the largest IP packet.
    pub mtu: u32,
    /// Slots of its pool.
    pub pool: PoolConfig,
    /// Where its local ports come from.
    pub ports: RangeInclusive<u16>,
    /// Drawn values of the engine's knobs.
    pub send_buffer: u32,
    /// Octets that it takes before the application reads.
    pub receive_buffer: u32,
    /// Pieces in each queue.
    pub queue_pieces: u32,
    /// Packets in a batch, and in the transmit queue.
    pub batch: usize,
    /// RFC 7323's timestamps.
    pub timestamps: bool,
    /// RFC 7323's window scale.
    pub window_scaling: bool,
    /// RFC 2018's selective acknowledgments.
    pub sack: bool,
    /// The congestion control.
    pub congestion: Congestion,
    /// How long acknowledgments wait.
    pub delayed_ack: Duration,
    /// Handshakes at a time.
    pub half_open: u32,
}

impl HostPlan {
    pub(super) fn draw(random: &mut Random) -> Self {
        Self {
            secret: random.next(),
            mtu: random.pick(&[1_280, 1_500, 1_500, 1_500, 4_000, 9_000]),
            pool: PoolConfig {
                small_slots: random.pick(&[128, 512, 2_048]),
                large_slots: random.pick(&[8, 32]),
                loans: 8,
                guaranteed_percent: 10,
            },
            ports: 1024..=65_535,
            send_buffer: random.scaled(1_000..=262_144) as u32,
            receive_buffer: random.scaled(1_000..=262_144) as u32,
            queue_pieces: random.pick(&[16, 64, 1_024]),
            batch: random.pick(&[1, 4, 64, 64]),
            timestamps: random.percent(80),
            window_scaling: random.percent(80),
            sack: random.percent(80),
            congestion: random.pick(&[
                Congestion::Cubic,
                Congestion::Cubic,
                Congestion::NewReno,
                Congestion::Fixed(64 << 10),
            ]),
            delayed_ack: random.millis(0..=200),
            half_open: random.pick(&[2, 16, 256]),
        }
    }

    /// Connections that both ends open meet only if both come from the port that the other goes to.
    pub(super) fn have_one_port(&mut self) {
        self.ports = CROSSED_PORT..=CROSSED_PORT;
    }

    pub(crate) fn config(&self, host: usize) -> Config {
        let mut secret = [0; 32];
        for (word, bytes) in (0u64..).zip(secret.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&(self.secret ^ word.wrapping_mul(0x1234_5678_9abc_def1)).to_le_bytes());
        }
        let addresses = [false, true].map(|v6| AddressBlock::single(address(host, v6)));
        let mut config = Config::new(secret, addresses);
        config.ephemeral_ports = self.ports.clone();
        config.destinations = 64;
        config.batch = self.batch;
        config.transmit_queue = self.batch.max(2);
        config.udp.sockets = 4;
        let tcp = &mut config.tcp;
        tcp.connections = 128;
        tcp.half_open = self.half_open;
        tcp.send_buffer = self.send_buffer;
        tcp.receive_buffer = self.receive_buffer;
        tcp.queue_pieces = self.queue_pieces;
        tcp.time_wait_entries = 4_096;
        tcp.time_wait_presize = 0;
        tcp.timestamps = self.timestamps;
        tcp.window_scaling = self.window_scaling;
        tcp.sack = self.sack;
        tcp.congestion = self.congestion;
        tcp.delayed_ack = self.delayed_ack;
        config
    }
}
