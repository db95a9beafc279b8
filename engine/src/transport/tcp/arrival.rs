//! A segment on its way in: what was parsed, and whose it is.

use super::Tcp;
use super::connection::Flags as Has;
use super::segment::Header;
use crate::arch::checksum::Sum;
use crate::frame::{Checksum, Packet};
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::datagram::Ecn;
use crate::internet::{Inbound, Output, protocol};
use crate::transport::flow::{FlowKey, Tuple4};
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

/// What is known of a segment before its turn comes. 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prospect {
    hash: u64,
    name: Name,
    /// The flow whose tag matches; probably the right one.
    pub(super) flow: Option<Flow>,
    /// The packet's place in the batch.
    pub(crate) packet: u16,
    /// A router met congestion (RFC 3168).
    pub(super) congested: bool,
}

/// Between whom a segment of a batch is.
#[derive(Clone, Copy, Debug)]
enum Name {
    V4(Tuple4),
    /// Where the tuple is in [`Tcp::long_keys`].
    V6(u32),
}

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
    /// A batch of segments comes, which are hashed under the present key.
    #[inline]
    pub(crate) fn begin_batch(&mut self) {
        self.long_keys.clear();
        self.hashed_under = self.counters.flow_table_rebuilds;
    }

    /// Pass 1 of a batch: names the flow of a segment.
    #[inline(always)]
    pub(crate) fn classify(&mut self, inbound: &Inbound) -> Prospect {
        let [ports @ .., _, _, _, _] = inbound.lead;
        let name = if inbound.destination.is_v4() {
            let [source, destination] =
                [inbound.source, inbound.destination].map(|address| address.v4_octets());
            Name::V4(Tuple4::of_datagram(source, destination, ports))
        } else {
            self.name_long(inbound.source, inbound.destination, ports)
        };
        Prospect {
            hash: 0,
            name,
            flow: None,
            packet: inbound.packet,
            congested: inbound.ecn == Ecn::CongestionExperienced,
        }
    }

    /// The name of a segment of IPv6.
    #[inline(never)]
    fn name_long(&mut self, source: Address, destination: Address, [a, b, c, d]: [u8; 4]) -> Name {
        let key = FlowKey {
            local: destination,
            remote: source,
            local_port: u16::from_be_bytes([c, d]),
            remote_port: u16::from_be_bytes([a, b]),
        };
        self.long_keys.push(key);
        Name::V6(self.long_keys.len() as u32 - 1)
    }

    /// Pass 2: hashes the tuples, and asks for their buckets.
    #[inline]
    pub(crate) fn hash_batch(&mut self, flows: &mut [Prospect]) {
        self.counters.segments_received += flows.len() as u64;
        let tuple = |flow: &Prospect| match flow.name {
            Name::V4(tuple) => tuple.octets(),
            Name::V6(_) => [0; 12],
        };
        self.flow_hasher.hash_each_v4(flows, tuple, |flow, hash| {
            flow.hash = match flow.name {
                Name::V4(_) => hash,
                Name::V6(at) => self.flow_hash(&self.long_keys[at as usize]),
            };
            self.flows.prefetch(flow.hash);
        });
    }

    /// Pass 3: asks for the connection that the flow's tag points at, without looking at it.
    #[inline]
    pub(crate) fn prefetch_connection(&self, flow: &mut Prospect) {
        flow.flow = self.flows.find(flow.hash, |_| true);
        match flow.flow {
            Some(Flow::Connection(index)) => self.connections.prefetch(index),
            Some(_) => {}
            None => self.prefetch_waiting(flow),
        }
    }

    #[inline(never)]
    fn prefetch_waiting(&self, flow: &Prospect) {
        let is_v4 = matches!(flow.name, Name::V4(_));
        let hash = if self.counters.flow_table_rebuilds == 0 {
            flow.hash
        } else {
            self.time_wait.hash(&self.key_of(flow))
        };
        self.time_wait.prefetch(hash, is_v4);
    }

    /// The tuple of a segment of this batch.
    #[inline]
    pub(super) fn key_of(&self, flow: &Prospect) -> FlowKey {
        match flow.name {
            Name::V4(tuple) => tuple.to_key(),
            Name::V6(at) => self.long_keys[at as usize],
        }
    }

    /// Whether a segment of this batch has this tuple.
    #[inline(always)]
    pub(super) fn is_named(&self, flow: &Prospect, key: &FlowKey) -> bool {
        match flow.name {
            Name::V4(tuple) => tuple.is(key),
            Name::V6(at) => self.long_keys[at as usize] == *key,
        }
    }

    /// Pass 4: runs a segment through the state machine.
    #[inline]
    pub(crate) fn input(&mut self, out: &mut Output<'_>, packet: &mut Packet, flow: &Prospect) {
        if !self.take_predicted(out, packet, flow) {
            self.input_any(out, packet, flow);
        }
    }

    /// A segment of which nothing is known.
    #[inline(never)]
    fn input_any(&mut self, out: &mut Output<'_>, packet: &mut Packet, flow: &Prospect) {
        let key = self.key_of(flow);
        let offset = usize::from(packet.transport_offset);
        let segment = packet.contiguous().get(offset..).unwrap_or_default();
        let Ok(header) = Header::parse(segment) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        // Put together as soon as it is read, or all of it would be kept aside meanwhile.
        let mut arrival = Arrival {
            header,
            text_len: 0,
            key: &key,
            hash: flow.hash,
            congested: flow.congested,
        };
        if packet.checksum == Checksum::InPacket && !is_intact(packet, &key) {
            self.counters.dropped_checksum += 1;
            return;
        }
        if !arrival.header.options.sack.is_empty() {
            self.sack_blocks = arrival.header.sack_blocks(segment);
        }
        packet.strip_headers(offset + usize::from(arrival.header.header_len));
        arrival.text_len = packet.body_len() as u32;
        if self.hashed_under != self.counters.flow_table_rebuilds {
            // By the old key's hash, a table that got a new key in the middle of the batch finds nothing.
            arrival.hash = self.flow_hash(&key);
        }
        // Whether pass 3 found the right flow, and it is still: earlier segments of the batch may have changed everything.
        match flow.flow {
            Some(Flow::Connection(index)) if self.has_connection(index, &key) => {
                self.on_segment(out, index, &arrival, packet);
            }
            Some(flow) if self.half_open.is(flow, &key) => {
                self.on_handshake_segment(out, flow, &arrival, packet);
            }
            _ => self.on_other_segment(out, &arrival, packet),
        }
    }

    #[inline]
    fn has_connection(&self, index: u32, key: &FlowKey) -> bool {
        let connection = self.connections.get(index);
        connection.key == *key && !connection.flags.has(Has::DETACHED)
    }

    fn on_other_segment(&mut self, out: &mut Output<'_>, arrival: &Arrival<'_>, packet: &mut Packet) {
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
                self.on_cookie(out, listener, None, arrival, packet);
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
