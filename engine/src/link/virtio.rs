//! The header in front of packets that says what is left to do: `struct virtio_net_hdr` of the Virtio specification (section 5.1.6), as
//! TUN, TAP and packet sockets have it, in the byte order of the machine.

use super::offload;
use crate::frame::{Checksum, Packet};

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const CHECKSUM_IS_VALID: u8 = 2;

const NOT_SEGMENTED: u8 = 0;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP: u8 = 5;
/// The segments may carry congestion marks (RFC 3168), which says no more than that.
const WITH_ECN: u8 = 0x80;

/// What a received packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// One packet, or several TCP segments that were put together: one to whoever reads it.
    Packet(Checksum),
    /// UDP datagrams with so many bytes of payload each, the last maybe fewer, behind the headers of the first.
    Datagrams(u16),
    /// Segments of something that was not asked for.
    Unknown,
}

/// Reads the header of a received packet.
pub(super) fn parse(header: &[u8; HEADER_LEN]) -> Received {
    let segment = u16::from_ne_bytes([header[4], header[5]]);
    match header[1] & !WITH_ECN {
        NOT_SEGMENTED | TCP_V4 | TCP_V6 => Received::Packet(
            // Nothing has left this machine, or it was verified on the way in.
            if header[0] & (NEEDS_CHECKSUM | CHECKSUM_IS_VALID) != 0 {
                Checksum::Offloaded
            } else {
                Checksum::InPacket
            },
        ),
        UDP if segment > 0 => Received::Datagrams(segment),
        _ => Received::Unknown,
    }
}

/// Describes a packet that is to be sent, whose IP header starts `link_header` bytes into it, and starts the checksum that the device is to
/// complete. May be repeated. `None` when more is asked for than can be said: the headers of what is offloaded must be inline.
pub(super) fn describe(packet: &mut Packet, link_header: usize) -> Option<[u8; HEADER_LEN]> {
    let mut header = [0; HEADER_LEN];
    if packet.checksum == Checksum::InPacket {
        return (packet.segment_size == 0).then_some(header);
    }
    let (body_len, segment_size) = (packet.body_len(), packet.segment_size);
    let inline = packet.header_mut();
    let header_len = inline.len() as u16;
    let ip = inline.get_mut(link_header..)?;
    let (is_v4, field) = (ip.first()? >> 4 == 4, offload::start_checksum(ip, body_len)?);
    let mut set = |at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    set(6, (link_header + field.start) as u16);
    set(8, field.offset as u16);
    if segment_size > 0 && body_len > usize::from(segment_size) {
        set(2, header_len);
        set(4, segment_size);
        header[1] = match (field.is_tcp, is_v4) {
            (true, true) => TCP_V4,
            (true, false) => TCP_V6,
            (false, _) => UDP,
        };
    }
    header[0] = NEEDS_CHECKSUM;
    Some(header)
}
