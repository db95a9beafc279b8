//! The IPv6 header and its extension headers (RFC 8200) on the wire.

pub(super) mod extension;
#[cfg(test)]
mod tests;

use crate::internet::address::Address;
use crate::internet::datagram::{Ecn, Header, Malformed, Parsed};
use crate::internet::icmp::ParameterProblem;
use crate::internet::protocol;
use extension::{Chain, Fault};

/// The fixed header, in octets.
pub const HEADER_LEN: usize = 40;
/// The smallest MTU that a link may have, in octets (RFC 8200 section 5).
pub const MIN_MTU: usize = 1_280;

/// Checks the headers at the start of `bytes` and reads them; what follows the datagram is link padding.
///
/// `bytes` holds the headers at least; of the datagram and its padding `available` octets have arrived, here or elsewhere.
///
/// Extension headers are walked up to a bound, and up to the fragment header of a datagram that is in fragments:
/// `protocol` is then what that header announces, and `header_len` ends with it.
///
/// # Errors
///
/// Why the datagram is to be discarded; [`parameter_problem`] has what its sender may be told.
#[inline]
pub fn parse(bytes: &[u8], available: usize) -> Result<Parsed, Malformed> {
    let (header, datagram, total_len) = delimit(bytes, available)?;
    let (src, dst) = (src(header), dst(header));
    if src.is_v4() || dst.is_v4() {
        return Err(Malformed::MappedAddress);
    }
    let chain = if extension::is_extension(header[6]) {
        Chain::check(header, datagram).map_err(|fault| fault.reason)?
    } else {
        Chain::empty(header)
    };
    let traffic_class = header[0] << 4 | header[1] >> 4;
    Ok(Parsed {
        src,
        dst,
        protocol: chain.protocol,
        hop_limit: header[7],
        dscp: traffic_class >> 2,
        ecn: Ecn::from_traffic_class(traffic_class),
        header_len: chain.header_len,
        total_len,
        fragment: chain.fragment,
    })
}

/// Whether a datagram has a fragment header, be it that of an atomic fragment.
pub(super) fn has_fragment_header(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk() else {
        return false;
    };
    let mut cursor = extension::Cursor::new(header, bytes);
    while let Ok(Some(extension)) = cursor.advance() {
        if extension.kind == protocol::FRAGMENT {
            return true;
        }
    }
    false
}

/// What the sender of a datagram that [`parse`] refused is to be told, if anything.
pub fn parameter_problem(bytes: &[u8]) -> Option<ParameterProblem> {
    let (header, datagram, _) = delimit(bytes, bytes.len()).ok()?;
    Chain::check(header, datagram)
        .err()
        .and_then(|Fault { problem, .. }| problem)
}

/// The fixed header, what of the datagram is contiguous, without padding, and the length of the whole.
#[inline]
fn delimit(bytes: &[u8], available: usize) -> Result<(&[u8; HEADER_LEN], &[u8], usize), Malformed> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Malformed::Truncated)?;
    if header[0] >> 4 != 6 {
        return Err(Malformed::Version);
    }
    let payload_len = payload_len(header);
    if payload_len == 0 && header[6] == protocol::HOP_BY_HOP {
        return Err(Malformed::Jumbogram);
    }
    let total_len = HEADER_LEN + payload_len;
    if total_len > available {
        return Err(Malformed::TotalLength);
    }
    Ok((header, &bytes[..total_len.min(bytes.len())], total_len))
}

/// Writes `header` to the first [`HEADER_LEN`] octets of `out`, with flow label 0.
///
/// # Panics
///
/// When `out` is shorter than the header.
#[inline]
pub fn emit(header: &Header, out: &mut [u8; HEADER_LEN]) {
    debug_assert!(!header.src.is_v4() && !header.dst.is_v4());
    let first_word = 6 << 28 | u32::from(header.traffic_class()) << 20;
    out[..4].copy_from_slice(&first_word.to_be_bytes());
    out[4..6].copy_from_slice(&header.payload_len.to_be_bytes());
    out[6] = header.protocol;
    out[7] = header.hop_limit;
    out[8..24].copy_from_slice(header.src.octets());
    out[24..].copy_from_slice(header.dst.octets());
}

/// What follows the fixed header, extension headers included, in octets.
#[inline]
pub(super) fn payload_len(header: &[u8; HEADER_LEN]) -> usize {
    usize::from(u16::from_be_bytes([header[4], header[5]]))
}

#[inline]
pub(super) fn src(header: &[u8; HEADER_LEN]) -> Address {
    address_at(header, 8)
}

#[inline]
pub(super) fn dst(header: &[u8; HEADER_LEN]) -> Address {
    address_at(header, 24)
}

#[inline]
fn address_at(header: &[u8; HEADER_LEN], offset: usize) -> Address {
    let mut octets = [0; 16];
    octets.copy_from_slice(&header[offset..offset + 16]);
    Address::v6(octets)
}
