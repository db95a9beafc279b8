//! Sequence numbers: points on a circle of 2^32 (RFC 9293 section 3.4).

use core::fmt;
use core::ops::{Add, AddAssign, Sub, SubAssign};

/// A sequence or acknowledgment number.
///
/// The order is that of the shorter way around the circle, so it is not transitive and there is no `Ord`. Of two
/// numbers exactly 2^31 apart, which no honest peer sends, each is both before and after the other, yet neither is
/// [`le`](Self::le) nor [`ge`](Self::ge) the other: `una < ack && ack <= nxt` is false and `ack > nxt` is true, so that
/// either way of writing a check refuses what an attacker made up.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// The signed number of octets from `origin` to `self`: negative when `self` lies before `origin`.
    ///
    /// `self - origin` is the same distance measured forward only.
    #[inline]
    pub const fn distance(self, origin: Self) -> i32 {
        self.0.wrapping_sub(origin.0).cast_signed()
    }

    /// Whether `self` lies before `other`.
    #[inline]
    pub const fn lt(self, other: Self) -> bool {
        self.distance(other) < 0
    }

    /// Whether `self` lies before `other` or is the same.
    #[inline]
    pub const fn le(self, other: Self) -> bool {
        !self.gt(other)
    }

    /// Whether `self` lies after `other`.
    #[inline]
    pub const fn gt(self, other: Self) -> bool {
        other.lt(self)
    }

    /// Whether `self` lies after `other` or is the same.
    #[inline]
    pub const fn ge(self, other: Self) -> bool {
        !self.lt(other)
    }

    /// Whether `start <= self < start + len`, for any `len`: an empty window holds nothing.
    #[inline]
    pub const fn in_window(self, start: Self, len: u32) -> bool {
        self.0.wrapping_sub(start.0) < len
    }

    /// The later of the two.
    #[inline]
    pub const fn max(self, other: Self) -> Self {
        if self.lt(other) { other } else { self }
    }

    /// The earlier of the two.
    #[inline]
    pub const fn min(self, other: Self) -> Self {
        if self.gt(other) { other } else { self }
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNumber {
    #[inline]
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

impl SubAssign<u32> for SeqNumber {
    #[inline]
    fn sub_assign(&mut self, octets: u32) {
        *self = *self - octets;
    }
}

/// The number of octets from `origin` forward to `self`, modulo 2^32: for lengths, where `origin` is known to be the
/// earlier one. [`SeqNumber::distance`] is signed.
impl Sub for SeqNumber {
    type Output = u32;

    #[inline]
    fn sub(self, origin: Self) -> u32 {
        self.0.wrapping_sub(origin.0)
    }
}

impl fmt::Debug for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
