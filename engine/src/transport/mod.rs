//! Layer 3: the flow table, ports, timers, UDP and TCP.

mod fifo;
pub mod flow;
pub mod flow_table;
pub mod ports;
pub mod random;
pub mod ready;
pub mod tag_index;
pub mod tcp;
pub mod timer_wheel;
pub mod udp;

use self::flow::FlowKey;
use self::tcp::{Prospect, Tcp};
use self::udp::{Claimed, Udp};
use crate::config::Config;
use crate::frame::{FramePool, Packet, PacketQueue};
use crate::internet::{Inbound, Output, Upper, icmp, protocol};
use crate::time::Instant;

/// The transport layer of one engine.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) tcp: Tcp,
    pub(crate) udp: Udp,
    /// The segments of the batch that is being processed.
    flows: Vec<Prospect>,
    /// The datagrams of the batch for ports that nobody has, by their places in it.
    unclaimed: Vec<u16>,
}

impl Transport {
    pub(crate) fn new(config: &Config, pool: FramePool) -> Self {
        Self {
            tcp: Tcp::new(config, pool.clone()),
            udp: Udp::new(config, pool),
            flows: Vec::with_capacity(config.batch),
            unclaimed: Vec::with_capacity(config.batch),
        }
    }

    /// A batch comes: its datagrams are taken as they come, each of its segments is named, then all are run.
    ///
    /// These are four passes, so that the memory of all flows is on its way while the first are processed.
    #[inline]
    pub(crate) fn begin_batch(&mut self) {
        self.flows.clear();
        self.unclaimed.clear();
        self.tcp.begin_batch();
    }

    /// Passes 2 to 4 over the segments that were named, and word to the senders of datagrams that nobody wants.
    pub(crate) fn input(&mut self, out: &mut Output<'_>, batch: &mut PacketQueue) {
        self.tcp.hash_batch(&mut self.flows);
        for flow in &mut self.flows {
            self.tcp.prefetch_connection(flow);
        }
        for flow in &self.flows {
            self.tcp.input(out, packet_of(batch, flow.packet), flow);
        }
        for &packet in &self.unclaimed {
            let packet = packet_of(batch, packet);
            out.internet
                .refuse(out.now, icmp::Refusal::PortUnreachable, packet, out.queue);
        }
        self.take_errors(out);
    }

    /// Hears what the internet layer was told, or has found out, of packets that were not delivered.
    fn take_errors(&mut self, out: &mut Output<'_>) {
        while let Some(error) = out.internet.pop_error() {
            self.on_icmp_error(&error, out.now);
        }
    }

    /// The network says that something of ours did not arrive. Anybody can say that, so each protocol checks what is quoted.
    fn on_icmp_error(&mut self, error: &icmp::Error, now: Instant) {
        let Some((local_port, remote_port)) = error.quoted.ports() else {
            return;
        };
        let key = FlowKey {
            local: error.quoted.src,
            remote: error.quoted.dst,
            local_port,
            remote_port,
        };
        match error.quoted.protocol {
            protocol::TCP => self.tcp.on_icmp_error(&key, error, now),
            _ => self.udp.on_icmp_error(&key, error),
        }
    }

    /// Runs timers, then sends what became due.
    pub(crate) fn run(&mut self, out: &mut Output<'_>) {
        self.take_errors(out);
        self.tcp.run_timers(out);
        self.tcp.output(out);
    }

    /// When [`Transport::run`] has something to do without anything happening outside.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.tcp.next_deadline()
    }
}

impl Upper for Transport {
    /// Pass 1: names the flow of a segment. A datagram needs no more than its socket, which is at
    /// hand, so that it is done with.
    #[inline(always)]
    fn take(&mut self, inbound: &Inbound, packet: &mut Packet) {
        if inbound.protocol == protocol::TCP {
            self.flows.push(self.tcp.classify(inbound));
        } else if self.udp.input(inbound, packet) == Claimed::ByNobody {
            self.unclaimed.push(inbound.packet);
        }
    }
}

#[inline]
fn packet_of(batch: &mut PacketQueue, index: u16) -> &mut Packet {
    batch
        .get_mut(usize::from(index))
        .expect("the internet layer lists packets of this batch")
}
