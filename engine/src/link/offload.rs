//! What senders leave to a device that offloads, made up for in a copy: transport checksums, and the lengths of virtual segments.

use core::ops::Range;

use crate::arch::checksum::Sum;

const IPV6_HEADER: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The transport header of an IP packet, which is no fragment, and what its checksum covers beside it.
struct Transport {
    protocol: u8,
    offset: usize,
    addresses: Range<usize>,
}

/// Computes the TCP or UDP checksum of an IP packet over the bytes that its IP header announces. Other packets and fragments
/// stay as they are.
pub(super) fn complete_checksum(packet: &mut [u8]) {
    let Some(transport) = locate_transport(packet) else {
        return;
    };
    let Some(field) = checksum_offset(transport.protocol).map(|offset| transport.offset + offset) else {
        return;
    };
    let end = announced_len(packet).min(packet.len());
    if field + 2 > end {
        return;
    }
    packet[field..field + 2].fill(0);
    let sum = Sum::zero()
        .add_bytes(&packet[transport.addresses])
        .add_u16(u16::from(transport.protocol))
        .add_u32((end - transport.offset) as u32)
        .add_bytes(&packet[transport.offset..end])
        .finish();
    // RFC 768: zero would say that there is none.
    let sum = if transport.protocol == UDP && sum == 0 {
        0xffff
    } else {
        sum
    };
    packet[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Makes the length fields of a virtual segment, and the checksum of its IPv4 header, those of one packet as long as it is. Without
/// effect above 65,535 bytes.
pub(super) fn correct_lengths(packet: &mut [u8]) {
    if let Ok(len) = u16::try_from(packet.len()) {
        set_lengths(packet, len);
    }
}

/// Makes the length fields of an IP packet of which `packet` holds the headers at least, and the checksum of its IPv4 header, those of
/// a packet of `len` bytes.
pub(super) fn set_lengths(packet: &mut [u8], len: u16) {
    let transport = locate_transport(packet);
    match packet.first().map(|first| first >> 4) {
        Some(4) if len >= 20 => {
            let header = usize::from(packet[0] & 0xf) * 4;
            packet[2..4].copy_from_slice(&len.to_be_bytes());
            packet[10..12].fill(0);
            let sum = Sum::zero().add_bytes(&packet[..header.min(len.into())]).finish();
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        Some(6) if usize::from(len) >= IPV6_HEADER => {
            packet[4..6].copy_from_slice(&(len - IPV6_HEADER as u16).to_be_bytes());
        }
        _ => return,
    }
    if let Some(Transport {
        protocol: UDP,
        offset,
        ..
    }) = transport
        && let Some(field) = packet.get_mut(offset + 4..offset + 6)
    {
        field.copy_from_slice(&(len - offset as u16).to_be_bytes());
    }
}

/// Bytes of the packet as its IP header says; it must have one.
fn announced_len(packet: &[u8]) -> usize {
    let field = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    if packet[0] >> 4 == 4 {
        field(2)
    } else {
        IPV6_HEADER + field(4)
    }
}

/// Where the checksum of a transport header is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChecksumField {
    /// Bytes of the packet before the first that the checksum covers.
    pub(super) start: usize,
    /// Bytes from there to the checksum.
    pub(super) offset: usize,
    /// TCP's; UDP's otherwise.
    pub(super) is_tcp: bool,
}

/// Writes the sum of the pseudo-header where the checksum belongs, for a device that adds the rest. `headers` are those of an IP packet,
/// which go up to the transport's at least; `behind` bytes follow. `None` when there is no such checksum.
pub(super) fn start_checksum(headers: &mut [u8], behind: usize) -> Option<ChecksumField> {
    let transport = locate_transport(headers)?;
    let field = ChecksumField {
        start: transport.offset,
        offset: checksum_offset(transport.protocol)?,
        is_tcp: transport.protocol == TCP,
    };
    let covered = (headers.len() + behind).checked_sub(field.start)?;
    let sum = Sum::zero()
        .add_bytes(&headers[transport.addresses])
        .add_u16(u16::from(transport.protocol))
        .add_u32(covered as u32)
        .finish();
    let at = field.start + field.offset;
    headers
        .get_mut(at..at + 2)?
        .copy_from_slice(&(!sum).to_be_bytes());
    Some(field)
}

/// Where the payload of a UDP datagram starts in an IP packet; `None` when it holds none, or a fragment.
pub(super) fn udp_payload_offset(packet: &[u8]) -> Option<usize> {
    locate_transport(packet)
        .filter(|transport| transport.protocol == UDP)
        .map(|transport| transport.offset + 8)
}

fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(16),
        UDP => Some(6),
        _ => None,
    }
}

fn locate_transport(packet: &[u8]) -> Option<Transport> {
    match packet.first()? >> 4 {
        4 => locate_behind_ipv4(packet),
        6 => locate_behind_ipv6(packet),
        _ => None,
    }
}

fn locate_behind_ipv4(packet: &[u8]) -> Option<Transport> {
    let header = packet.get(..20)?;
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    (!is_fragment).then(|| Transport {
        protocol: header[9],
        offset: usize::from(header[0] & 0xf) * 4,
        addresses: 12..20,
    })
}

/// Walks the extension headers of RFC 8200 that may stand in front of a whole transport header.
fn locate_behind_ipv6(packet: &[u8]) -> Option<Transport> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    let mut next_header = *packet.get(6)?;
    let mut offset = IPV6_HEADER;
    while matches!(next_header, HOP_BY_HOP | ROUTING | DESTINATION) {
        let extension = packet.get(offset..offset + 2)?;
        next_header = extension[0];
        offset += (usize::from(extension[1]) + 1) * 8;
    }
    (next_header != FRAGMENT && packet.len() >= IPV6_HEADER).then_some(Transport {
        protocol: next_header,
        offset,
        addresses: 8..IPV6_HEADER,
    })
}

#[cfg(test)]
#[path = "offload_tests.rs"]
pub(in crate::link) mod tests;
