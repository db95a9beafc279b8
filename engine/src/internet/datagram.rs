//! What both versions of IP say about a datagram: the header as parsed, the header to emit, and why one is refused.

use core::ops::Range;

use crate::internet::address::Address;

/// A datagram whose headers have been found sound. Lengths and offsets are in octets from the start of the IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// The source address.
    pub src: Address,
    /// The destination address.
    pub dst: Address,
    /// What the payload is ([`protocol`](super::protocol)); for IPv6 what the last extension header announces.
    pub protocol: u8,
    /// Time to live or hop limit as received. A host accepts any (RFC 1122 section 3.2.1.7).
    pub hop_limit: u8,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: u8,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: Ecn,
    /// The headers with options and extension headers: where the payload begins.
    pub header_len: usize,
    /// Headers and payload, without what the link may have padded.
    pub total_len: usize,
    /// `None` for a whole datagram, IPv6's atomic fragments (RFC 6946) among them.
    pub fragment: Option<Fragment>,
}

impl Parsed {
    /// Where the payload lies.
    pub fn payload(&self) -> Range<usize> {
        self.header_len..self.total_len
    }
}

/// Which part of its datagram a fragment carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// What the fragments of one datagram have in common; 16 bits wide in IPv4.
    pub identification: u32,
    /// Where this part begins in the fragmentable part of the datagram, in octets: a multiple of 8.
    pub offset: u16,
    /// Whether parts follow.
    pub more: bool,
}

/// The ECN field of a datagram (RFC 3168 section 5).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Ecn {
    /// The transport does not take part.
    #[default]
    NotCapable = 0b00,
    /// ECN-capable, codepoint ECT(1).
    Capable1 = 0b01,
    /// ECN-capable, codepoint ECT(0).
    Capable0 = 0b10,
    /// A router met congestion.
    CongestionExperienced = 0b11,
}

impl Ecn {
    /// The field in the two low bits of a traffic class.
    pub const fn from_traffic_class(traffic_class: u8) -> Self {
        match traffic_class & 0b11 {
            0b00 => Self::NotCapable,
            0b01 => Self::Capable1,
            0b10 => Self::Capable0,
            _ => Self::CongestionExperienced,
        }
    }
}

/// The header of a datagram to send, always whole: it is neither a fragment nor to be fragmented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The source address.
    pub src: Address,
    /// The destination address, of the family of `src`.
    pub dst: Address,
    /// What the payload is ([`protocol`](super::protocol)).
    pub protocol: u8,
    /// Time to live or hop limit, 1 to 255.
    pub hop_limit: u8,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: u8,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: Ecn,
    /// Octets after the header: at most 65,515 for IPv4, 65,535 for IPv6.
    pub payload_len: u16,
}

impl Header {
    /// DSCP and ECN in their common octet.
    pub(super) const fn traffic_class(&self) -> u8 {
        self.dscp << 2 | self.ecn as u8
    }
}

/// Why a datagram is refused. Each is a counter's name: `reason as usize` indexes an array of [`Malformed::COUNT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than the fixed header.
    #[error("shorter than an IP header")]
    Truncated,
    /// The version is not that of the parser.
    #[error("wrong IP version")]
    Version,
    /// The IPv4 header length is below 20 octets or beyond the total length.
    #[error("impossible header length")]
    HeaderLength,
    /// The datagram claims more octets than arrived.
    #[error("total length beyond the octets received")]
    TotalLength,
    /// The IPv4 header checksum is wrong.
    #[error("wrong IPv4 header checksum")]
    Checksum,
    /// A fragment that is not the last does not end at a multiple of 8 octets.
    #[error("length of a fragment not a multiple of 8")]
    FragmentLength,
    /// A fragment would end beyond the largest datagram (the ping of death).
    #[error("fragment beyond the largest datagram")]
    FragmentOverrun,
    /// An IPv6 header with an IPv4-mapped address, which no wire may carry: here it would pass for an IPv4 datagram.
    #[error("IPv4-mapped address in an IPv6 header")]
    MappedAddress,
    /// An IPv6 payload length of zero with hop-by-hop options: a jumbogram (RFC 2675), which is not supported.
    #[error("jumbogram")]
    Jumbogram,
    /// An IPv6 extension header, or an option in it, reaches beyond what holds it.
    #[error("extension header cut short")]
    ExtensionTruncated,
    /// More IPv6 extension headers than anybody needs.
    #[error("too many extension headers")]
    TooManyExtensions,
    /// IPv6 hop-by-hop options elsewhere than right after the fixed header (RFC 8200 section 4).
    #[error("hop-by-hop options not first")]
    HopByHopNotFirst,
    /// An IPv6 option that is unknown and may not be skipped (RFC 8200 section 4.2).
    #[error("unrecognized option that forbids to skip it")]
    UnrecognizedOption,
    /// An IPv6 routing header with segments left (RFC 8200 section 4.4, RFC 5095): a host forwards nothing.
    #[error("routing header with segments left")]
    Routing,
}

impl Malformed {
    /// How many reasons there are.
    pub const COUNT: usize = Self::Routing as usize + 1;
}
