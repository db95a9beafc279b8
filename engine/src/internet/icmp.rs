//! ICMP for IPv4 (RFC 792, RFC 1122 section 3.2.2) and for IPv6 (RFC 4443).
//!
//! Both families share their types here: a transport hears that a port is unreachable, not which code says so.

mod outline;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub(in crate::internet) use receive::quoted;
pub use receive::{echo_reply_in_place, parse_v4, parse_v6};
pub use send::{ErrorToSend, MAX_ERROR_LEN, ParameterProblem, Refusal, error_into};

use crate::internet::address::Address;
use crate::internet::protocol;

/// The fixed part of every ICMP message handled here, in octets.
pub const HEADER_LEN: usize = 8;

/// What an ICMP message asks or tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// Somebody pings: to be answered with [`echo_reply_in_place`].
    EchoRequest(Echo),
    /// The answer to a ping of ours.
    EchoReply(Echo),
    /// What became of a datagram that claims to be ours.
    Error(Error),
    /// Informational and unknown here: to be discarded silently (RFC 1122 section 3.2.2, RFC 4443 section 2.4(b)).
    Other,
}

/// Which ping a request or reply belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Echo {
    /// Which pinging process.
    pub identifier: u16,
    /// Which of its pings.
    pub sequence: u16,
}

/// An ICMP error. Anybody can forge one: the transport checks what is quoted against what it has sent (RFC 5927).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// What happened.
    pub reason: Reason,
    /// To which datagram.
    pub quoted: Quoted,
}

/// Why a datagram was not delivered, or not as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// No route to the network.
    NetworkUnreachable,
    /// The last router cannot reach the host.
    HostUnreachable,
    /// The host does not know the protocol; IPv6 says so with Parameter Problem code 1.
    ProtocolUnreachable,
    /// Nobody listens on the port.
    PortUnreachable,
    /// A filter or a policy forbids it.
    Prohibited,
    /// The datagram does not fit through a link: Fragmentation Needed of IPv4, Packet Too Big of IPv6.
    PacketTooBig {
        /// The MTU of that link in octets, as claimed: unchecked, and 0 from routers older than RFC 1191.
        mtu: u32,
    },
    /// The hop limit or the time for reassembly ran out.
    TimeExceeded,
    /// Something in the headers displeased.
    ParameterProblem {
        /// Where it lies, in octets from the start of the quoted datagram.
        pointer: u32,
    },
    /// Deprecated; a transport must ignore it (RFC 6633).
    SourceQuench,
    /// No route leads to the destination, or the next hop on the link does not answer. No message says so: the internet layer has found it
    /// out by itself, so it cannot be forged.
    Undeliverable,
    /// An error of an unknown type or code, which still goes to the transport (RFC 4443 section 2.4(a)).
    Unknown,
}

/// What an ICMP error quotes of the datagram that it is about: a tuple as its sender, ourselves, wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// The source address of the quoted datagram: ours.
    pub src: Address,
    /// The destination address of the quoted datagram.
    pub dst: Address,
    /// What its payload is ([`protocol`]).
    pub protocol: u8,
    payload: [u8; 8],
}

impl Quoted {
    /// Source and destination port, of TCP and UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = self.payload;
        matches!(self.protocol, protocol::TCP | protocol::UDP)
            .then_some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The sequence number of TCP, which tells a true report from a guess (RFC 5927 section 4.1).
    pub fn tcp_sequence(&self) -> Option<u32> {
        let [.., a, b, c, d] = self.payload;
        (self.protocol == protocol::TCP).then_some(u32::from_be_bytes([a, b, c, d]))
    }
}

/// Why an ICMP message is discarded. Each is a counter's name: `reason as usize` indexes an array of
/// [`Malformed::COUNT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than the fixed part of a message.
    #[error("shorter than an ICMP header")]
    Truncated,
    /// The checksum is wrong.
    #[error("wrong ICMP checksum")]
    Checksum,
    /// An error that quotes no IP header with eight octets of payload, or a fragment other than the first.
    #[error("ICMP error without a datagram to attribute it to")]
    Quote,
}

impl Malformed {
    /// How many reasons there are.
    pub const COUNT: usize = Self::Quote as usize + 1;
}

/// Message types of ICMP for IPv4.
mod v4 {
    pub(super) const ECHO_REPLY: u8 = 0;
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const SOURCE_QUENCH: u8 = 4;
    pub(super) const ECHO_REQUEST: u8 = 8;
    pub(super) const TIME_EXCEEDED: u8 = 11;
    pub(super) const PARAMETER_PROBLEM: u8 = 12;

    pub(super) const PROTOCOL: u8 = 2;
    pub(super) const PORT: u8 = 3;
    pub(super) const FRAGMENTATION_NEEDED: u8 = 4;

    /// Queries and their replies, after which errors may be sent (RFC 1122 section 3.2.2); all else is an error,
    /// or so unknown that it might be one.
    pub(super) const fn is_query(kind: u8) -> bool {
        matches!(kind, ECHO_REPLY | ECHO_REQUEST | 13..=18)
    }
}

/// Message types of ICMP for IPv6.
mod v6 {
    pub(super) const UNREACHABLE: u8 = 1;
    pub(super) const PACKET_TOO_BIG: u8 = 2;
    pub(super) const TIME_EXCEEDED: u8 = 3;
    pub(super) const PARAMETER_PROBLEM: u8 = 4;
    pub(super) const ECHO_REQUEST: u8 = 128;
    pub(super) const ECHO_REPLY: u8 = 129;
    pub(super) const REDIRECT: u8 = 137;

    pub(super) const PORT: u8 = 4;
    pub(super) const ERRONEOUS_FIELD: u8 = 0;
    pub(super) const UNRECOGNIZED_NEXT_HEADER: u8 = 1;
    pub(super) const UNRECOGNIZED_OPTION: u8 = 2;
    pub(super) const INCOMPLETE_HEADER_CHAIN: u8 = 3;

    /// Errors have the high bit clear (RFC 4443 section 2.1).
    pub(super) const fn is_error(kind: u8) -> bool {
        kind < 128
    }
}
