//! What arrives: parsed, verified, classified in place, and handed to the layer above or answered here.

use super::address::Address;
use super::datagram::{Ecn, Malformed, Parsed};
use super::{Internet, icmp, ipv4, ipv6, protocol};
use crate::frame::{Checksum, Packet, PacketQueue};
use crate::time::Instant;

/// A packet of a batch that is for a transport protocol: which, and between whom.
#[derive(Clone, Copy, Debug)]
pub struct Inbound {
    /// Its place in the batch.
    pub packet: u16,
    /// What its payload is ([`protocol`]).
    pub protocol: u8,
    /// The explicit congestion notification that it carries.
    pub ecn: Ecn,
    /// Who sent it.
    pub source: Address,
    /// Which of our addresses it is for.
    pub destination: Address,
    /// The first octets of its payload; zeros when there are fewer.
    pub lead: [u8; 8],
}

/// The layer above, as this one sees it.
pub trait Upper {
    /// A packet is for a transport protocol, which takes it at once or gives it a turn when the whole batch was looked at.
    fn take(&mut self, inbound: &Inbound, packet: &mut Packet);
}

impl Internet {
    /// Parses and checks every packet of the batch and shows those for a transport protocol to `upper`, while all that was read of them is in
    /// registers. Requests of this layer are answered into `queue`. What is dropped is counted.
    #[inline]
    pub fn input(
        &mut self,
        now: Instant,
        batch: &mut PacketQueue,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        self.counters.received += batch.len() as u64;
        if self.interface.is_some() {
            return self.input_frames(now, batch, queue, upper);
        }
        let mut index = 0;
        for stretch in batch.as_mut_slices() {
            for packet in stretch {
                self.input_packet(now, index, packet, queue, upper);
                index += 1;
            }
        }
    }

    /// As [`Internet::input`] for packets in frames. A loop of its own, so that devices without frames do not pay for them.
    #[inline(never)]
    fn input_frames(
        &mut self,
        now: Instant,
        batch: &mut PacketQueue,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        for index in 0..batch.len() {
            let Some(packet) = batch.get_mut(index) else { break };
            if self.unframe(now, packet) {
                self.input_packet(now, index as u16, packet, queue, upper);
            }
        }
    }

    #[inline(always)]
    fn input_packet(
        &mut self,
        now: Instant,
        index: u16,
        packet: &mut Packet,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        if self.capabilities.verifies_checksums {
            packet.checksum = Checksum::Offloaded;
        }
        if let Some(item) = self.recognise(index, packet) {
            upper.take(&item, packet);
        } else {
            self.examine_for(now, index, packet, queue, upper);
        }
    }

    /// Apart from the common path, so that there the compiler knows the family.
    #[inline(never)]
    fn examine_for(
        &mut self,
        now: Instant,
        index: u16,
        packet: &mut Packet,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        if let Some(item) = self.examine(now, index, packet, queue) {
            upper.take(&item, packet);
        }
    }

    /// The common path: a plain IPv4 datagram of TCP or UDP for one of our addresses. `None` for all else.
    #[inline(always)]
    fn recognise(&self, index: u16, packet: &mut Packet) -> Option<Inbound> {
        const LEAD: usize = 8;
        let len = packet.len();
        let bytes = packet.chunk_at::<{ ipv4::HEADER_LEN + LEAD }>(0)?;
        let (header, lead) = bytes.split_first_chunk().expect("longer than a header");
        let lead = *lead.first_chunk::<LEAD>().expect("as long as asked for");
        let plain = ipv4::parse_plain(header, len, self.capabilities.verifies_checksums)?;
        let destination = Address::v4(plain.dst);
        if !matches!(plain.protocol, protocol::TCP | protocol::UDP) || !self.is_local(&destination) {
            return None;
        }
        if plain.total_len < len {
            packet.truncate(plain.total_len);
        }
        packet.transport_offset = ipv4::HEADER_LEN as u16;
        Some(Inbound {
            packet: index,
            protocol: plain.protocol,
            ecn: plain.ecn,
            source: Address::v4(plain.src),
            destination,
            lead,
        })
    }

    /// Any packet: parsed, classified, answered or counted.
    fn examine(
        &mut self,
        now: Instant,
        index: u16,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        match self.parse(packet) {
            Ok(parsed) => self.classify(now, index, parsed, packet, queue),
            Err(reason) => {
                self.counters.dropped_malformed[reason as usize] += 1;
                self.complain(now, packet, queue);
                None
            }
        }
    }

    pub(super) fn parse(&self, packet: &mut Packet) -> Result<Parsed, Malformed> {
        let (bytes, len) = (packet.contiguous(), packet.len());
        let parsed = match bytes.first().map(|first| first >> 4) {
            Some(4) => ipv4::parse(bytes, len, self.capabilities.verifies_checksums)?,
            Some(6) => ipv6::parse(bytes, len)?,
            Some(_) => return Err(Malformed::Version),
            None => return Err(Malformed::Truncated),
        };
        if parsed.total_len < len {
            packet.truncate(parsed.total_len);
        }
        Ok(parsed)
    }

    pub(super) fn classify(
        &mut self,
        now: Instant,
        index: u16,
        parsed: Parsed,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        if !self.is_local(&parsed.dst) {
            return self.classify_for_many(now, index, &parsed, packet, queue);
        }
        if !self.is_host(&parsed.src) {
            self.counters.dropped_source += 1;
            return None;
        }
        match &parsed.fragment {
            Some(fragment) => self.on_fragment(now, index, &parsed, fragment, packet, queue),
            None => self.deliver(now, index, &parsed, packet, queue),
        }
    }

    /// A whole datagram for us.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        index: u16,
        parsed: &Parsed,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        packet.transport_offset = parsed.header_len as u16;
        // Only its first fragment says what a datagram of IPv6 for a group is.
        if parsed.protocol != protocol::UDP && !self.is_local(&parsed.dst) {
            self.counters.dropped_not_ours += 1;
            return None;
        }
        match parsed.protocol {
            protocol::TCP | protocol::UDP => {}
            protocol::ICMP | protocol::ICMPV6 => {
                self.on_icmp(now, parsed, packet, queue);
                return None;
            }
            protocol::NO_NEXT_HEADER => return None,
            _ => {
                self.counters.dropped_protocol += 1;
                self.refuse(now, icmp::Refusal::ProtocolUnreachable, packet, queue);
                return None;
            }
        }
        Some(Inbound {
            packet: index,
            protocol: parsed.protocol,
            ecn: parsed.ecn,
            source: parsed.src,
            destination: parsed.dst,
            lead: lead_of(packet, parsed.header_len),
        })
    }
}

fn lead_of(packet: &Packet, offset: usize) -> [u8; 8] {
    let payload = packet.contiguous().get(offset..).unwrap_or_default();
    let mut lead = [0; 8];
    let known = payload.len().min(lead.len());
    lead[..known].copy_from_slice(&payload[..known]);
    lead
}
