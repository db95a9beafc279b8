//! A segment on its way in: what was parsed, and whose it is.

use super::Tcp;
use super::segment::Header;
use crate::frame::{Checksum, Packet};
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::{Inbound, Output, protocol};
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

/// A parsed segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) header: Header,
    pub(super) key: FlowKey,
    pub(super) hash: u64,
    /// SEG.LEN without SYN and FIN.
    pub(super) text_len: u32,
}

impl Arrival {
    /// SEG.LEN: how much of the sequence space the segment takes.
    pub(super) fn sequence_len(&self) -> u32 {
        self.header.sequence_len(self.text_len)
    }

    /// The sequence number behind the segment.
    pub(super) fn end(&self) -> super::seq::SeqNumber {
        self.header.seq + self.sequence_len()
    }
}

impl Tcp {
    /// The flow that a packet belongs to and its hash. `None` when it is too short to have ports.
    #[inline]
    pub(crate) fn classify(&self, packet: &Packet, inbound: &Inbound) -> Option<(FlowKey, u64)> {
        let ports = packet
            .contiguous()
            .get(usize::from(packet.transport_offset)..)?
            .first_chunk::<4>()?;
        let key = FlowKey {
            local: inbound.destination,
            remote: inbound.source,
            local_port: u16::from_be_bytes([ports[2], ports[3]]),
            remote_port: u16::from_be_bytes([ports[0], ports[1]]),
        };
        let hash = key.hash(&self.flow_hasher);
        Some((key, hash))
    }

    /// Pass 1 of a batch: asks for the bucket of a flow.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, hash: u64) {
        self.flows.prefetch(hash);
    }

    /// Pass 2 of a batch: asks for the connection that the flow's tag points at.
    #[inline]
    pub(crate) fn prefetch_connection(&self, key: &FlowKey, hash: u64) {
        match self.flows.find(hash, |_| true) {
            Some(Flow::Connection(index)) => self.connections.prefetch(index),
            Some(_) => {}
            None => self.time_wait.prefetch(key),
        }
    }

    /// Pass 3: runs a segment through the state machine.
    #[inline]
    pub(crate) fn input(
        &mut self,
        out: &mut Output<'_>,
        packet: &mut Packet,
        inbound: &Inbound,
        key: FlowKey,
        hash: u64,
    ) {
        self.counters.segments_received += 1;
        let offset = usize::from(packet.transport_offset);
        let Ok(header) = Header::parse(&packet.contiguous()[offset..]) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        if packet.checksum == Checksum::InPacket && !is_intact(packet, inbound) {
            self.counters.dropped_checksum += 1;
            return;
        }
        packet.strip_headers(offset + usize::from(header.header_len));
        let text_len = packet.body_len() as u32;
        let arrival = Arrival {
            header,
            key,
            hash,
            text_len,
        };
        match self.find(&key, hash) {
            Some(Flow::Connection(index)) => self.on_segment(out, index, &arrival, packet),
            Some(flow) => self.on_handshake_segment(out, flow, &arrival, packet),
            None => self.on_stray(out, &arrival),
        }
    }

    /// The flow of a tuple, if there is one. One bucket read when there is none.
    #[inline]
    pub(super) fn find(&self, key: &FlowKey, hash: u64) -> Option<Flow> {
        self.flows.find(hash, |flow| match flow {
            Flow::Connection(index) => self.connections.get(index).key == *key,
            half_open => self.half_open.is(half_open, key),
        })
    }

    /// A segment that belongs to no connection: TIME_WAIT, a listener, or nobody (RFC 9293 sections 3.10.7.1 and 3.10.7.2).
    fn on_stray(&mut self, out: &mut Output<'_>, arrival: &Arrival) {
        if self.on_time_wait(out, arrival) {
            return;
        }
        match self.listeners.find(&arrival.key) {
            Some(listener) => self.on_listen(out, listener, arrival, None),
            None => self.reset_reply(out, arrival),
        }
    }
}

/// Whether the checksum over pseudo-header, header and text is right (RFC 9293 MUST-3).
fn is_intact(packet: &Packet, inbound: &Inbound) -> bool {
    let length = packet.len() - usize::from(packet.transport_offset);
    let sum = pseudo_header_sum(
        &inbound.source,
        &inbound.destination,
        protocol::TCP,
        length as u32,
    );
    packet
        .parts_from(usize::from(packet.transport_offset))
        .fold(sum, |sum, part| sum.add_bytes(part))
        .is_intact()
}
