//! A segment on its way in: what was parsed, and whose it is.

use super::Tcp;
use super::connection::Flags as Has;
use super::segment::Header;
use crate::arch::checksum::Sum;
use crate::frame::{Checksum, Packet};
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::datagram::Ecn;
use crate::internet::{Inbound, Output, protocol};
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

/// A parsed segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) header: Header,
    /// SEG.LEN without SYN and FIN.
    pub(super) text_len: u32,
    pub(super) key: &'a FlowKey,
    pub(super) hash: u64,
    /// A router met congestion (RFC 3168).
    pub(super) congested: bool,
}

/// What is known of a segment before its turn comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prospect {
    pub(crate) key: FlowKey,
    /// The connection whose tag matches; probably the right one. [`NO_CONNECTION`] when none does.
    pub(super) connection: u32,
    /// The half-open connection whose tag matches.
    half_open: Option<Flow>,
    hash: u64,
    /// How often the flow table had got a new key when `hash` was computed.
    rebuilds: u32,
    /// The packet's place in the batch.
    pub(crate) packet: u16,
    /// A router met congestion (RFC 3168).
    pub(super) congested: bool,
}

pub(super) const NO_CONNECTION: u32 = u32::MAX;

impl Arrival<'_> {
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
    /// Pass 1 of a batch: names the flow of a segment, and asks for its bucket.
    #[inline(always)]
    pub(crate) fn classify(&self, inbound: &Inbound) -> Prospect {
        let [a, b, c, d, ..] = inbound.lead;
        let key = FlowKey {
            local: inbound.destination,
            remote: inbound.source,
            local_port: u16::from_be_bytes([c, d]),
            remote_port: u16::from_be_bytes([a, b]),
        };
        let hash = key.hash(&self.flow_hasher);
        self.flows.prefetch(hash);
        Prospect {
            key,
            connection: NO_CONNECTION,
            half_open: None,
            hash,
            rebuilds: self.counters.flow_table_rebuilds as u32,
            packet: inbound.packet,
            congested: inbound.ecn == Ecn::CongestionExperienced,
        }
    }

    /// Pass 2: asks for the connection that the flow's tag points at, without looking at it.
    #[inline]
    pub(crate) fn prefetch_connection(&self, flow: &mut Prospect) {
        match self.flows.find(flow.hash, |_| true) {
            Some(Flow::Connection(index)) => {
                self.connections.prefetch(index);
                flow.connection = index;
            }
            half_open @ Some(_) => flow.half_open = half_open,
            None => self.time_wait.prefetch(&flow.key),
        }
    }

    /// Pass 3: runs a segment through the state machine.
    #[inline]
    pub(crate) fn input(&mut self, out: &mut Output<'_>, packet: &mut Packet, flow: &Prospect) {
        self.counters.segments_received += 1;
        if !self.take_predicted(out, packet, flow) {
            self.input_any(out, packet, flow);
        }
    }

    /// A segment of which nothing is known.
    #[inline(never)]
    fn input_any(&mut self, out: &mut Output<'_>, packet: &mut Packet, flow: &Prospect) {
        let offset = usize::from(packet.transport_offset);
        let segment = packet.contiguous().get(offset..).unwrap_or_default();
        let Ok(header) = Header::parse(segment) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        if packet.checksum == Checksum::InPacket && !is_intact(packet, &flow.key) {
            self.counters.dropped_checksum += 1;
            return;
        }
        if !header.options.sack.is_empty() {
            self.sack_blocks = header.sack_blocks(segment);
        }
        packet.strip_headers(offset + usize::from(header.header_len));
        let arrival = Arrival {
            header,
            text_len: packet.body_len() as u32,
            key: &flow.key,
            hash: self.current_hash(flow),
            congested: flow.congested,
        };
        if self.confirm(flow) {
            self.on_segment(out, flow.connection, &arrival, packet);
        } else {
            self.on_other_segment(out, flow.half_open, &arrival, packet);
        }
    }

    /// Whether pass 2 found the right connection, and it is still: earlier segments of the batch may have changed everything.
    #[inline]
    fn confirm(&self, flow: &Prospect) -> bool {
        flow.connection != NO_CONNECTION && {
            let connection = self.connections.get(flow.connection);
            connection.key == flow.key && !connection.flags.has(Has::DETACHED)
        }
    }

    /// The hash of the flow. A table that got a new key in the middle of the batch finds nothing by the old one's.
    #[inline]
    fn current_hash(&self, flow: &Prospect) -> u64 {
        if flow.rebuilds == self.counters.flow_table_rebuilds as u32 {
            flow.hash
        } else {
            self.flow_hash(&flow.key)
        }
    }

    fn on_other_segment(
        &mut self,
        out: &mut Output<'_>,
        half_open: Option<Flow>,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        // Whether pass 2 found the right one, and it is still there.
        if let Some(flow) = half_open.filter(|&flow| self.half_open.is(flow, arrival.key)) {
            return self.on_handshake_segment(out, flow, arrival, packet);
        }
        match self.find(arrival.key, arrival.hash) {
            Some(Flow::Connection(index)) => self.on_segment(out, index, arrival, packet),
            Some(flow) => self.on_handshake_segment(out, flow, arrival, packet),
            None => self.on_stray(out, arrival, packet),
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
    fn on_stray(&mut self, out: &mut Output<'_>, arrival: &Arrival<'_>, packet: &mut Packet) {
        if self.on_time_wait(out, arrival) {
            return;
        }
        match self.listeners.find(arrival.key) {
            Some(listener) if self.may_bring_cookie(out, arrival) => {
                self.on_cookie(out, listener, arrival, packet);
            }
            Some(listener) => self.on_listen(out, listener, arrival, None),
            None => self.reset_reply(out, arrival),
        }
    }
}

/// Whether the checksum over pseudo-header, header and text is right (RFC 9293 MUST-3).
pub(super) fn is_intact(packet: &Packet, key: &FlowKey) -> bool {
    let length = packet.len() - usize::from(packet.transport_offset);
    let sum = pseudo_header_sum(&key.remote, &key.local, protocol::TCP, length as u32);
    packet
        .parts_from(usize::from(packet.transport_offset))
        .fold(sum, Sum::add_bytes)
        .is_intact()
}
