//! The headers of fragments.

use crate::arch::checksum::Sum;
use crate::internet::datagram::{Fragment, Header};
use crate::internet::{ipv4, ipv6, protocol};

/// The IPv6 header with a fragment header, in octets.
pub(super) const IPV6_LEN: usize = ipv6::HEADER_LEN + 8;

/// Octets in front of the data of a fragment.
pub(super) const fn header_len(is_v4: bool) -> usize {
    if is_v4 { ipv4::HEADER_LEN } else { IPV6_LEN }
}

/// Writes the header of a fragment of `header.payload_len` octets to `out`, which is as long as [`header_len`] says.
pub(super) fn emit(header: &Header, fragment: &Fragment, out: &mut [u8]) {
    if header.src.is_v4() {
        emit_v4(
            header,
            fragment,
            out.first_chunk_mut().expect("as long as the header"),
        );
    } else {
        emit_v6(
            header,
            fragment,
            out.first_chunk_mut().expect("as long as the headers"),
        );
    }
}

fn emit_v4(header: &Header, fragment: &Fragment, out: &mut [u8; ipv4::HEADER_LEN]) {
    const MORE: u16 = 0x2000;
    ipv4::emit(header, out);
    let more = if fragment.more { MORE } else { 0 };
    out[4..6].copy_from_slice(&(fragment.identification as u16).to_be_bytes());
    out[6..8].copy_from_slice(&((fragment.offset / 8) | more).to_be_bytes());
    out[10..12].fill(0);
    let checksum = Sum::zero().add_array(out).finish();
    out[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn emit_v6(header: &Header, fragment: &Fragment, out: &mut [u8; IPV6_LEN]) {
    let announced = Header {
        protocol: protocol::FRAGMENT,
        payload_len: header.payload_len + 8,
        ..*header
    };
    let (fixed, extension) = out.split_first_chunk_mut().expect("longer than the fixed header");
    ipv6::emit(&announced, fixed);
    extension[..2].copy_from_slice(&[header.protocol, 0]);
    extension[2..4].copy_from_slice(&(fragment.offset | u16::from(fragment.more)).to_be_bytes());
    extension[4..].copy_from_slice(&fragment.identification.to_be_bytes());
}
