//! What the layers above send: they build their packets in place, between [`Internet::begin`] and [`Internet::complete`].

use super::address::Address;
use super::checksum::pseudo_header_sum;
use super::datagram::{Ecn, Header};
use super::{Internet, ipv4, ipv6, protocol};
use crate::arch::checksum::Sum;
use crate::frame::{Checksum, Packet, PacketQueue};
use crate::time::Instant;

/// Where a layer above puts its packets, and the time at which it does.
#[derive(Debug)]
pub struct Output<'a> {
    /// The time of this poll.
    pub now: Instant,
    /// The layer that knows addresses and headers.
    pub internet: &'a mut Internet,
    /// What the device sends next.
    pub queue: &'a mut PacketQueue,
}

impl Internet {
    /// Starts a packet whose body is complete: writes its IP header, with the Diffserv field and the ECN codepoint of `traffic_class`, and
    /// gives `transport_len` bytes for the transport header behind it.
    #[inline]
    pub fn begin<'a>(
        &mut self,
        packet: &'a mut Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        transport_len: usize,
    ) -> &'a mut [u8] {
        let header = self.header_of(
            packet,
            source,
            destination,
            protocol,
            traffic_class,
            transport_len,
        );
        let is_v4 = source.is_v4();
        let network_len = if is_v4 { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
        packet.transport_offset = network_len as u16;
        let (network, transport) = packet
            .set_header_len(network_len + transport_len)
            .split_at_mut(network_len);
        if is_v4 {
            ipv4::emit(&header, network.first_chunk_mut().expect("as long as asked for"));
        } else {
            ipv6::emit(&header, network.first_chunk_mut().expect("as long as asked for"));
        }
        transport
    }

    /// As [`Internet::begin`] for a transport header whose length is known when the program is built, which `write` fills.
    ///
    /// A closure, so that each family has its own straight line of code to the end.
    #[inline(always)]
    pub fn begin_array<const LEN: usize>(
        &mut self,
        packet: &mut Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        write: impl FnOnce(&mut [u8; LEN]),
    ) {
        // The header is made in each branch, so that neither loads what only the other needs.
        if source.is_v4() {
            let header = self.header_of(packet, source, destination, protocol, traffic_class, LEN);
            packet.transport_offset = ipv4::HEADER_LEN as u16;
            let (network, transport) = packet.header_arrays();
            ipv4::emit(&header, network);
            write(transport);
        } else {
            let header = self.header_of(packet, source, destination, protocol, traffic_class, LEN);
            packet.transport_offset = ipv6::HEADER_LEN as u16;
            let (network, transport) = packet.header_arrays();
            ipv6::emit(&header, network);
            write(transport);
        }
    }

    #[inline(always)]
    pub(super) fn header_of(
        &mut self,
        packet: &Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        transport_len: usize,
    ) -> Header {
        self.counters.sent += 1;
        Header {
            src: *source,
            dst: *destination,
            protocol,
            hop_limit: self.hop_limit,
            dscp: traffic_class >> 2,
            ecn: Ecn::from_traffic_class(traffic_class),
            payload_len: (transport_len + packet.body_len()) as u16,
        }
    }

    /// Finishes a packet whose transport header is written with a checksum of zero, `checksum_at` bytes into it: computes it, or leaves that
    /// to a device that does.
    #[inline(always)]
    pub fn complete(
        &self,
        packet: &mut Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        checksum_at: usize,
    ) {
        if self.capabilities.computes_checksums {
            packet.checksum = Checksum::Offloaded;
        } else {
            compute_checksum(packet, source, destination, protocol, checksum_at);
        }
    }
}

fn compute_checksum(
    packet: &mut Packet,
    source: &Address,
    destination: &Address,
    protocol: u8,
    checksum_at: usize,
) {
    let offset = usize::from(packet.transport_offset);
    let sum = pseudo_header_sum(source, destination, protocol, (packet.len() - offset) as u32);
    let checksum = packet.parts_from(offset).fold(sum, Sum::add_bytes).finish();
    // A UDP checksum of zero would mean that there is none (RFC 768); all ones is the same number.
    let checksum = if checksum == 0 && protocol == protocol::UDP {
        0xffff
    } else {
        checksum
    };
    let at = offset + checksum_at;
    packet.header_mut()[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}
