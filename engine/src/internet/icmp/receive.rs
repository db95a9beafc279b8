//! Messages that arrive.

use super::outline::Outline;
use super::{Echo, Error, HEADER_LEN, Malformed, Message, Quoted, Reason, v4, v6};
use crate::arch::checksum::Sum;
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::protocol;

/// Reads `message`, the whole payload of an IPv4 datagram, and verifies its checksum.
///
/// # Errors
///
/// Why it is to be discarded silently.
pub fn parse_v4(message: &[u8]) -> Result<Message, Malformed> {
    let header = verify(Sum::zero(), message)?;
    let reason = match header[0] {
        v4::ECHO_REQUEST => return Ok(Message::EchoRequest(echo(header))),
        v4::ECHO_REPLY => return Ok(Message::EchoReply(echo(header))),
        v4::UNREACHABLE => unreachable_v4(header),
        v4::SOURCE_QUENCH => Reason::SourceQuench,
        v4::TIME_EXCEEDED => Reason::TimeExceeded,
        v4::PARAMETER_PROBLEM => Reason::ParameterProblem {
            pointer: u32::from(header[4]),
        },
        _ => return Ok(Message::Other),
    };
    error(reason, message)
}

/// Reads `message`, the whole payload of an IPv6 datagram from `src` to `dst`, and verifies its checksum.
///
/// # Errors
///
/// Why it is to be discarded silently.
pub fn parse_v6(src: &Address, dst: &Address, message: &[u8]) -> Result<Message, Malformed> {
    let header = verify(
        pseudo_header_sum(src, dst, protocol::ICMPV6, message.len() as u32),
        message,
    )?;
    let reason = match header[0] {
        v6::ECHO_REQUEST => return Ok(Message::EchoRequest(echo(header))),
        v6::ECHO_REPLY => return Ok(Message::EchoReply(echo(header))),
        v6::UNREACHABLE => unreachable_v6(header[1]),
        v6::PACKET_TOO_BIG => Reason::PacketTooBig {
            mtu: last_word(header),
        },
        v6::TIME_EXCEEDED => Reason::TimeExceeded,
        v6::PARAMETER_PROBLEM if header[1] == v6::UNRECOGNIZED_NEXT_HEADER => Reason::ProtocolUnreachable,
        v6::PARAMETER_PROBLEM => Reason::ParameterProblem {
            pointer: last_word(header),
        },
        kind if v6::is_error(kind) => Reason::Unknown,
        _ => return Ok(Message::Other),
    };
    error(reason, message)
}

/// Turns an echo request, as [`parse_v4`] or [`parse_v6`] has recognized it, into the reply that is due.
///
/// The data stays as it is (RFC 1122 section 3.2.2.6, RFC 4443 section 4.2). The reply goes from the address that was
/// pinged to the one that pinged; swapping them leaves the checksum of IPv6 as it is.
///
/// # Panics
///
/// When `message` is shorter than [`HEADER_LEN`].
pub fn echo_reply_in_place(message: &mut [u8]) {
    let request = message[0];
    let reply = if request == v4::ECHO_REQUEST {
        v4::ECHO_REPLY
    } else {
        v6::ECHO_REPLY
    };
    let checksum = u16::from_be_bytes([message[2], message[3]]);
    // The incremental update of RFC 1624, equation 3.
    let updated = Sum::zero()
        .add_u16(!checksum)
        .add_u16(!(u16::from(request) << 8))
        .add_u16(u16::from(reply) << 8)
        .finish();
    message[0] = reply;
    message[2..4].copy_from_slice(&updated.to_be_bytes());
}

fn verify(pseudo_header: Sum, message: &[u8]) -> Result<&[u8; HEADER_LEN], Malformed> {
    let header = message.first_chunk().ok_or(Malformed::Truncated)?;
    if pseudo_header.add_bytes(message).is_intact() {
        Ok(header)
    } else {
        Err(Malformed::Checksum)
    }
}

fn echo(&[_, _, _, _, a, b, c, d]: &[u8; HEADER_LEN]) -> Echo {
    Echo {
        identifier: u16::from_be_bytes([a, b]),
        sequence: u16::from_be_bytes([c, d]),
    }
}

fn last_word(&[_, _, _, _, a, b, c, d]: &[u8; HEADER_LEN]) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Codes of RFC 792, RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1.
fn unreachable_v4(header: &[u8; HEADER_LEN]) -> Reason {
    match header[1] {
        0 | 5 | 6 | 11 => Reason::NetworkUnreachable,
        1 | 7 | 8 | 12 => Reason::HostUnreachable,
        v4::PROTOCOL => Reason::ProtocolUnreachable,
        v4::PORT => Reason::PortUnreachable,
        v4::FRAGMENTATION_NEEDED => Reason::PacketTooBig {
            mtu: last_word(header) & 0xffff,
        },
        9 | 10 | 13 | 14 | 15 => Reason::Prohibited,
        _ => Reason::Unknown,
    }
}

/// Codes of RFC 4443 section 3.1.
fn unreachable_v6(code: u8) -> Reason {
    match code {
        0 | 2 => Reason::NetworkUnreachable,
        3 => Reason::HostUnreachable,
        v6::PORT => Reason::PortUnreachable,
        1 | 5 | 6 => Reason::Prohibited,
        _ => Reason::Unknown,
    }
}

fn error(reason: Reason, message: &[u8]) -> Result<Message, Malformed> {
    let quoted = quoted(&message[HEADER_LEN..]).ok_or(Malformed::Quote)?;
    Ok(Message::Error(Error { reason, quoted }))
}

/// Whose datagram it is, as far as its first bytes tell. `None` for a fragment other than the first.
pub(in crate::internet) fn quoted(datagram: &[u8]) -> Option<Quoted> {
    let outline = Outline::of(datagram)?;
    let payload = *datagram.get(outline.header_len..)?.first_chunk()?;
    let Outline {
        src, dst, protocol, ..
    } = outline;
    outline.is_first_fragment.then_some(Quoted {
        src,
        dst,
        protocol,
        payload,
    })
}
