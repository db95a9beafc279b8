//! Internet addresses of both families in one 16-byte form, IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2).

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MAPPED_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// An IPv4 or IPv6 address. IPv4 is held as `::ffff:a.b.c.d`, so that one comparison serves both families.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(align(4))] // copied and compared in whole words, wherever it lies
pub struct Address([u8; 16]);

impl Address {
    /// The address that stands for "any": all bits zero, which belongs to neither family's unicast space.
    pub const UNSPECIFIED: Self = Self([0; 16]);

    /// An IPv4 address from its four octets in network order.
    pub const fn v4(octets: [u8; 4]) -> Self {
        // As one number, because octets written singly stall whoever reads or copies the whole soon after; in the order in which they lie in
        // memory, so that nothing is swapped on the way.
        let address = u32::from_le_bytes(octets) as u128;
        Self((address << 96 | 0xffff << 80).to_le_bytes())
    }

    /// An IPv6 address from its sixteen octets in network order.
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.0.first_chunk() == Some(&MAPPED_PREFIX)
    }

    /// All sixteen octets; IPv4 addresses occupy the last four.
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// The last four octets: the whole of an IPv4 address.
    #[inline]
    pub const fn v4_octets(&self) -> [u8; 4] {
        // As one piece, or whoever wants a number puts it together from four.
        *self.0.last_chunk().expect("sixteen octets")
    }

    /// Whether this is an IPv4 or IPv6 multicast address (RFC 1112, RFC 4291 section 2.7).
    pub fn is_multicast(&self) -> bool {
        if self.is_v4() {
            self.0[12] & 0xf0 == 0xe0
        } else {
            self.0[0] == 0xff
        }
    }

    /// Whether this is the limited broadcast address 255.255.255.255 (RFC 919).
    pub fn is_limited_broadcast(&self) -> bool {
        self.is_v4() && self.v4_octets() == [255; 4]
    }

    /// Whether this is an IPv6 link-local unicast address, fe80::/10 (RFC 4291 section 2.5.6).
    pub fn is_link_local(&self) -> bool {
        self.0[0] == 0xfe && self.0[1] & 0xc0 == 0x80
    }

    /// Whether this never leaves a host: ::1 or an address of 127/8 (RFC 4291 section 2.5.3, RFC 1122 section 3.2.1.3 (g)).
    pub fn is_loopback(&self) -> bool {
        self.0 == 1_u128.to_be_bytes() || (self.is_v4() && self.0[12] == 127)
    }

    /// Whether this is "any" of either family: `::` or 0.0.0.0.
    pub fn is_unspecified(&self) -> bool {
        self.0 == [0; 16] || (self.is_v4() && self.v4_octets() == [0; 4])
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            Self::V4(Ipv4Addr::from(address.v4_octets()))
        } else {
            Self::V6(Ipv6Addr::from(address.0))
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}
