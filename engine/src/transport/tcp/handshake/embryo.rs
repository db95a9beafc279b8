//! A connection before its first segment.

use super::super::Tcp;
use super::super::congestion::{Algorithm, Congestion};
use super::super::connection::{Connection, Deadline, Flags as Has, NO_LISTENER, NO_QUEUE, ticks};
use super::super::loss::Reordering;
use super::super::rtt::RttEstimator;
use super::super::seq::SeqNumber;
use super::super::state::State;
use super::syn::DEFAULT_MSS_V4;
use crate::config::TcpConfig;
use crate::internet::address::Address;
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use crate::transport::ready::Ready;
use crate::transport::timer_wheel::Link;

impl Tcp {
    /// Puts a connection that has sent and received nothing in a slot. `None` when there is no room.
    #[inline]
    pub(in crate::transport::tcp) fn conceive(
        &mut self,
        key: &FlowKey,
        hash: u64,
        iss: SeqNumber,
        ts_offset: u32,
        now: Instant,
    ) -> Option<u32> {
        let index = self.connections.insert(&self.embryo)?;
        let connection = self.connections.get_mut(index);
        connection.key = *key;
        connection.hash = hash;
        connection.ts_offset = ts_offset;
        connection.snd_una = iss;
        connection.snd_nxt = iss;
        connection.snd_max = iss;
        connection.rtt_started = now;
        connection.sent_at = ticks(now);
        Some(index)
    }
}

/// What all connections have in common before they are anybody's.
pub(in crate::transport::tcp) fn embryo(config: &TcpConfig) -> Connection {
    let zero = SeqNumber(0);
    Connection {
        key: FlowKey {
            local: Address::UNSPECIFIED,
            remote: Address::UNSPECIFIED,
            local_port: 0,
            remote_port: 0,
        },
        state: State::SynSent,
        snd_scale: 0,
        rcv_scale: 0,
        ready: Ready::NONE,
        generation: 0,
        rcv_limit: config.receive_buffer,
        hash: 0,
        ts_offset: 0,
        mss: DEFAULT_MSS_V4,
        listener: NO_LISTENER,
        flags: initial_flags(config),
        snd_una: zero,
        snd_nxt: zero,
        snd_max: zero,
        snd_wnd: 0,
        snd_wl1: zero,
        snd_wl2: zero,
        rcv_nxt: zero,
        rcv_edge: zero,
        rcv_acked: zero,
        ts_recent: 0,
        send: NO_QUEUE,
        receive: NO_QUEUE,
        congestion: Congestion::new(Algorithm::Cubic, DEFAULT_MSS_V4),
        retransmit_at: Deadline::NEVER,
        ack_at: Deadline::NEVER,
        quiet_at: Deadline::NEVER,
        traffic_class: 0,
        rtt: RttEstimator::new(),
        link: Link::default(),
        rtt_seq: zero,
        rtt_started: Instant::ZERO,
        loss: NO_QUEUE,
        early_fin: zero,
        max_snd_wnd: 0,
        rcv_buffered: 0,
        ts_recent_at: 0,
        sent_at: 0,
        challenged_at: 0,
        challenges: 0,
        reordering: Reordering::default(),
        retries: 0,
        quick_acks: config.quick_acks,
        error: None,
        destination: None,
    }
}

fn initial_flags(config: &TcpConfig) -> Has {
    let mut flags = Has::default();
    if config.no_delay {
        flags.set(Has::NO_DELAY);
    }
    flags
}
