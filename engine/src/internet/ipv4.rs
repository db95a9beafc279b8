//! The IPv4 header (RFC 791) on the wire.

#[cfg(test)]
mod tests;

use crate::arch::checksum::Sum;
use crate::internet::address::Address;
use crate::internet::datagram::{Ecn, Fragment, Header, Malformed, Parsed};

/// The header without options, in octets.
pub const HEADER_LEN: usize = 20;
/// The largest datagram, header included, in octets.
pub const MAX_LEN: usize = 65_535;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;
/// 1.0.0.0, the first address after "this network" (RFC 1122 section 3.2.1.3).
const FIRST_HOST: u32 = 0x0100_0000;
/// 224.0.0.0, the first multicast address.
const FIRST_GROUP: u32 = 0xe000_0000;

/// Checks the header at the start of `bytes` and reads it; what follows the datagram is link padding.
///
/// `bytes` holds the headers at least; of the datagram and its padding `available` octets have arrived, here or elsewhere.
///
/// `trust_checksum` skips the header checksum, for a device that has verified it or a wire that cannot corrupt.
/// Options are checked for length and skipped.
///
/// # Errors
///
/// Why the datagram is to be discarded silently (RFC 1122 section 3.2.1).
#[inline]
pub fn parse(bytes: &[u8], available: usize, trust_checksum: bool) -> Result<Parsed, Malformed> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Malformed::Truncated)?;
    if header[0] >> 4 != 4 {
        return Err(Malformed::Version);
    }
    let header_len = header_len(header);
    let total_len = usize::from(u16_at(header, 2));
    if header_len < HEADER_LEN || header_len > total_len {
        return Err(Malformed::HeaderLength);
    }
    if total_len > available {
        return Err(Malformed::TotalLength);
    }
    let options = bytes.get(HEADER_LEN..header_len).ok_or(Malformed::Truncated)?;
    if !trust_checksum && !is_intact(header, options) {
        return Err(Malformed::Checksum);
    }
    let is_whole = u16_at(header, 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) == 0;
    let fragment = if is_whole {
        None
    } else {
        Some(fragment(header, header_len, total_len)?)
    };
    Ok(Parsed {
        src: src(header),
        dst: dst(header),
        protocol: header[9],
        hop_limit: header[8],
        dscp: header[1] >> 2,
        ecn: Ecn::from_traffic_class(header[1]),
        header_len,
        total_len,
        fragment,
    })
}

/// What nearly every datagram is. See [`parse_plain`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) src: [u8; 4],
    pub(super) dst: [u8; 4],
    pub(super) protocol: u8,
    pub(super) ecn: Ecn,
    pub(super) total_len: usize,
}

/// As [`parse`] for a datagram without options that is whole and comes from an ordinary host's address. `None` leaves every other, and
/// what is wrong with it, to [`parse`].
#[inline(always)]
pub(super) fn parse_plain(
    header: &[u8; HEADER_LEN],
    available: usize,
    trust_checksum: bool,
) -> Option<Plain> {
    let total_len = usize::from(u16_at(header, 2));
    let (src, dst) = (word_at(header, 12), word_at(header, 16));
    let is_plain = header[0] == 0x45
        && u16_at(header, 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) == 0
        && (HEADER_LEN..=available).contains(&total_len)
        && (FIRST_HOST..FIRST_GROUP).contains(&u32::from_be_bytes(src))
        && (trust_checksum || is_intact(header, &[]));
    is_plain.then(|| Plain {
        src,
        dst,
        protocol: header[9],
        ecn: Ecn::from_traffic_class(header[1]),
        total_len,
    })
}

#[inline]
fn is_intact(header: &[u8; HEADER_LEN], options: &[u8]) -> bool {
    let sum = Sum::zero().add_array(header);
    if options.is_empty() {
        sum.is_intact()
    } else {
        sum.add_bytes(options).is_intact()
    }
}

#[cold]
fn fragment(header: &[u8; HEADER_LEN], header_len: usize, total_len: usize) -> Result<Fragment, Malformed> {
    let (offset, more) = (fragment_offset(header), u16_at(header, 6) & MORE_FRAGMENTS != 0);
    if more && !(total_len - header_len).is_multiple_of(8) {
        return Err(Malformed::FragmentLength);
    }
    if usize::from(offset) + total_len > MAX_LEN {
        return Err(Malformed::FragmentOverrun);
    }
    Ok(Fragment {
        identification: u32::from(u16_at(header, 4)),
        offset,
        more,
    })
}

/// Writes `header` to the first [`HEADER_LEN`] octets of `out`, with its checksum.
///
/// The datagram is atomic: Don't Fragment is set and the identification, which then means nothing, is 0
/// (RFC 6864 section 4.1).
///
/// # Panics
///
/// When `out` is shorter than the header.
#[inline(always)]
pub fn emit(header: &Header, out: &mut [u8; HEADER_LEN]) {
    debug_assert!(header.src.is_v4() && header.dst.is_v4());
    debug_assert!(usize::from(header.payload_len) + HEADER_LEN <= MAX_LEN);
    let version_class = 0x4500 | u16::from(header.traffic_class());
    let total_len = header.payload_len + HEADER_LEN as u16;
    let limit_protocol = u16::from_be_bytes([header.hop_limit, header.protocol]);
    let (src, dst) = (header.src.v4_octets(), header.dst.v4_octets());
    let first = u32::from(version_class) << 16 | u32::from(total_len);
    // Summed and written as words from the fields: reading back what was just written in narrower pieces would stall.
    let checksum = Sum::zero()
        .add_u32(first)
        .add_u16(DONT_FRAGMENT)
        .add_u16(limit_protocol)
        .add_array(&src)
        .add_array(&dst)
        .finish();
    let third = u32::from(limit_protocol) << 16 | u32::from(checksum);
    out[..8].copy_from_slice(&(u64::from(first) << 32 | u64::from(DONT_FRAGMENT)).to_be_bytes());
    out[8..12].copy_from_slice(&third.to_be_bytes());
    out[12..16].copy_from_slice(&src);
    out[16..].copy_from_slice(&dst);
}

/// The length that the header gives itself, in octets: 0 to 60.
#[inline]
pub(super) fn header_len(header: &[u8; HEADER_LEN]) -> usize {
    usize::from(header[0] & 0x0f) * 4
}

/// Where the fragment begins, in octets.
#[inline]
pub(super) fn fragment_offset(header: &[u8; HEADER_LEN]) -> u16 {
    (u16_at(header, 6) & FRAGMENT_OFFSET) * 8
}

#[inline]
pub(super) fn src(header: &[u8; HEADER_LEN]) -> Address {
    Address::v4(word_at(header, 12))
}

#[inline]
pub(super) fn dst(header: &[u8; HEADER_LEN]) -> Address {
    Address::v4(word_at(header, 16))
}

/// Four octets in one piece: put together from single ones, they would be loaded singly.
#[inline]
fn word_at(header: &[u8; HEADER_LEN], offset: usize) -> [u8; 4] {
    *header[offset..].first_chunk().expect("inside the header")
}

#[inline]
pub(super) fn u16_at(header: &[u8; HEADER_LEN], offset: usize) -> u16 {
    u16::from_be_bytes([header[offset], header[offset + 1]])
}
