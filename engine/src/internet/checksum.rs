//! The pseudo-header that the checksums of transports cover.

#[cfg(test)]
mod tests;

use crate::arch::checksum::Sum;
use crate::internet::address::Address;

/// The sum of the pseudo-header of IPv4 (RFC 9293 section 3.1) or IPv6 (RFC 8200 section 8.1), to which the
/// transport's header and payload, `length` octets, are then added.
///
/// One form serves both families: the prefix of a mapped address adds only 0xFFFF, which is zero to this sum.
#[inline]
pub fn pseudo_header_sum(src: &Address, dst: &Address, protocol: u8, length: u32) -> Sum {
    Sum::zero()
        .add_bytes(src.octets())
        .add_bytes(dst.octets())
        .add_u32(length)
        .add_u32(u32::from(protocol))
}
