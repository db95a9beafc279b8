//! A segment on its way in: what was parsed, and whose it is.

use super::Tcp;
use super::connection::Flags as Has;
use super::segment::Header;
use crate::arch::checksum::Sum;
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

/// What is known of a segment's flow before its turn comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prospect {
    key: FlowKey,
    hash: u64,
    /// How often the flow table had got a new key when `hash` was computed.
    rebuilds: u64,
    /// The connection whose tag matches; probably the right one.
    connection: Option<u32>,
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
    /// The flow that a packet belongs to. `None` when it is too short to have ports.
    #[inline]
    pub(crate) fn classify(&self, packet: &Packet, inbound: &Inbound) -> Option<Prospect> {
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
        Some(Prospect {
            key,
            hash,
            rebuilds: self.counters.flow_table_rebuilds,
            connection: None,
        })
    }

    /// Pass 1 of a batch: asks for the bucket of a flow.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, flow: &Prospect) {
        self.flows.prefetch(flow.hash);
    }

    /// Pass 2 of a batch: asks for the connection that the flow's tag points at, without looking at it.
    #[inline]
    pub(crate) fn prefetch_connection(&self, flow: &mut Prospect) {
        match self.flows.find(flow.hash, |_| true) {
            Some(Flow::Connection(index)) => {
                self.connections.prefetch(index);
                flow.connection = Some(index);
            }
            Some(_) => {}
            None => self.time_wait.prefetch(&flow.key),
        }
    }

    /// Pass 3: runs a segment through the state machine.
    #[inline]
    pub(crate) fn input(
        &mut self,
        out: &mut Output<'_>,
        packet: &mut Packet,
        inbound: &Inbound,
        flow: &Prospect,
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
            key: flow.key,
            hash: self.current_hash(flow),
            text_len,
        };
        match self.confirm(flow) {
            Some(index) => self.on_segment(out, index, &arrival, packet),
            None => self.on_other_segment(out, &arrival, packet),
        }
    }

    /// The connection that pass 2 found, if it is the right one still: earlier segments of the batch may have changed everything.
    #[inline]
    fn confirm(&self, flow: &Prospect) -> Option<u32> {
        let index = flow.connection?;
        let connection = self.connections.get(index);
        (connection.key == flow.key && !connection.flags.has(Has::DETACHED)).then_some(index)
    }

    /// The hash of the flow. A table that got a new key in the middle of the batch finds nothing by the old one's.
    #[inline]
    fn current_hash(&self, flow: &Prospect) -> u64 {
        if flow.rebuilds == self.counters.flow_table_rebuilds {
            flow.hash
        } else {
            self.flow_hash(&flow.key)
        }
    }

    fn on_other_segment(&mut self, out: &mut Output<'_>, arrival: &Arrival, packet: &mut Packet) {
        match self.find(&arrival.key, arrival.hash) {
            Some(Flow::Connection(index)) => self.on_segment(out, index, arrival, packet),
            Some(flow) => self.on_handshake_segment(out, flow, arrival, packet),
            None => self.on_stray(out, arrival),
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
        .fold(sum, Sum::add_bytes)
        .is_intact()
}
