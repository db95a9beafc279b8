//! Ethernet II (RFC 894, RFC 2464): addresses and headers of frames.

#[cfg(test)]
mod tests;

use core::fmt;

/// The header of a frame, in octets.
pub const HEADER_LEN: usize = 14;
/// The EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// The EtherType of ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// The EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// The tags of IEEE 802.1Q and 802.1ad.
const TAGGED: [u16; 2] = [0x8100, 0x88a8];

/// The hardware address of an Ethernet station (EUI-48).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether this names a group of stations; the broadcast address does.
    #[inline]
    pub const fn is_group(&self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether this names one station: it is neither a group nor all zeros.
    pub fn is_station(&self) -> bool {
        !self.is_group() && self.0 != [0; 6]
    }

    /// The group that an IPv4 multicast address maps to (RFC 1112 section 6.4).
    pub const fn ipv4_group([_, b, c, d]: [u8; 4]) -> Self {
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// The group that an IPv6 multicast address maps to (RFC 2464 section 7).
    pub const fn ipv6_group(address: &[u8; 16]) -> Self {
        Self([0x33, 0x33, address[12], address[13], address[14], address[15]])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The station or group that it is for.
    pub destination: MacAddress,
    /// The station that sent it.
    pub source: MacAddress,
    /// What it carries: [`IPV4`], [`ARP`] or [`IPV6`].
    pub ether_type: u16,
}

/// Why a frame is dropped. Each is a counter's name: `reason as usize` indexes an array of [`Refused::COUNT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Refused {
    /// Fewer octets than a header.
    #[error("shorter than an Ethernet header")]
    Runt,
    /// The sender is a group or nobody.
    #[error("from an address that is no station's")]
    Source,
    /// For another station.
    #[error("for another station")]
    NotOurs,
    /// A VLAN tag; untagged traffic is all that the engine takes part in.
    #[error("tagged for a VLAN")]
    Tagged,
    /// Neither IPv4 nor IPv6 nor ARP, or a frame with a length field (IEEE 802.3).
    #[error("unknown EtherType")]
    EtherType,
    /// An IP datagram for one host that was sent to all or to a group of stations (RFC 1122 section 3.3.6), which makes one host's traffic
    /// everybody's.
    #[error("datagram for one host in a frame for many")]
    Amplified,
}

impl Refused {
    /// How many reasons there are.
    pub const COUNT: usize = Self::Amplified as usize + 1;
}

impl Header {
    /// Reads the header at the start of `bytes`, if the frame is for the station `us` or for a group.
    ///
    /// # Errors
    /// Why the frame is to be dropped.
    #[inline]
    pub fn parse(bytes: &[u8], us: MacAddress) -> Result<Self, Refused> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(Refused::Runt)?;
        let &[a, b, c, d, e, f, g, h, i, j, k, l, m, n] = header;
        let header = Self {
            destination: MacAddress([a, b, c, d, e, f]),
            source: MacAddress([g, h, i, j, k, l]),
            ether_type: u16::from_be_bytes([m, n]),
        };
        if header.destination != us && !header.destination.is_group() {
            return Err(Refused::NotOurs);
        }
        if !header.source.is_station() {
            return Err(Refused::Source);
        }
        match header.ether_type {
            IPV4 | IPV6 | ARP => Ok(header),
            tag if TAGGED.contains(&tag) => Err(Refused::Tagged),
            _ => Err(Refused::EtherType),
        }
    }

    /// Writes the header.
    #[inline]
    pub fn emit(&self, out: &mut [u8; HEADER_LEN]) {
        out[..6].copy_from_slice(&self.destination.0);
        out[6..12].copy_from_slice(&self.source.0);
        out[12..].copy_from_slice(&self.ether_type.to_be_bytes());
    }
}
