//! Errors that go back to who sent a datagram that cannot be delivered.

use super::outline::Outline;
use super::{HEADER_LEN, v4, v6};
use crate::arch::checksum::Sum;
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::{ipv4, ipv6, protocol};

/// The largest error of IPv4 with its IP header, in octets: what every host can take (RFC 1812 section 4.3.2.3).
const MAX_DATAGRAM_V4: usize = 576;
/// The code of both families for time that ran out for fragments, not for hops.
const REASSEMBLY: u8 = 1;
/// The largest message that [`error_into`] writes, in octets.
pub const MAX_ERROR_LEN: usize = ipv6::MIN_MTU - ipv6::HEADER_LEN;

/// Why a datagram that reached us is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nobody listens on the port.
    PortUnreachable,
    /// The protocol is not known here; IPv6 calls that a parameter problem, code 1.
    ProtocolUnreachable,
    /// Fragments of the datagram were missing for too long.
    ReassemblyTime,
    /// The headers of an IPv6 datagram ask for what this host will not do.
    ParameterProblem(ParameterProblem),
}

/// What is wrong in the headers of an IPv6 datagram (RFC 4443 section 3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParameterProblem {
    code: u8,
    pointer: u32,
    /// Whether even a datagram to a multicast group is answered (RFC 8200 section 4.2).
    answers_multicast: bool,
}

impl ParameterProblem {
    pub(in crate::internet) fn erroneous_field(at: usize) -> Self {
        Self {
            code: v6::ERRONEOUS_FIELD,
            pointer: at as u32,
            answers_multicast: false,
        }
    }

    /// The first fragment lacks headers (RFC 7112 section 5).
    pub(in crate::internet) fn incomplete_header_chain() -> Self {
        Self {
            code: v6::INCOMPLETE_HEADER_CHAIN,
            pointer: 0,
            answers_multicast: false,
        }
    }

    pub(in crate::internet) fn unrecognized_next_header(at: usize) -> Self {
        Self {
            code: v6::UNRECOGNIZED_NEXT_HEADER,
            pointer: at as u32,
            answers_multicast: false,
        }
    }

    pub(in crate::internet) fn unrecognized_option(at: usize, answers_multicast: bool) -> Self {
        Self {
            code: v6::UNRECOGNIZED_OPTION,
            pointer: at as u32,
            answers_multicast,
        }
    }
}

/// An ICMP error that lacks only its IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorToSend {
    /// Who is told: the source of the offending datagram.
    pub dst: Address,
    /// Of the message, in octets: at most [`MAX_ERROR_LEN`].
    pub len: usize,
}

/// Writes to `out` the ICMP message that tells the sender of `offender` why it is refused; quotes as much of it as
/// the family allows and `out` holds.
///
/// `offender` starts with its IP header; link padding is not quoted. `from` is the address of ours that the error
/// will have as its source: the offender's destination, or any where that is a multicast group.
///
/// `None` where an error must not be sent (RFC 1122 section 3.2.2, RFC 4443 section 2.4(e)): in answer to an ICMP
/// error, to a multicast or limited broadcast destination, to a fragment other than the first (but for what is
/// wrong with that fragment itself), or to a source that is not one host. Directed broadcasts, broadcasts of the link, and how many errors a second are sent
/// (RFC 4443 section 2.4(f)) are the caller's to know.
pub fn error_into(out: &mut [u8], refusal: Refusal, offender: &[u8], from: &Address) -> Option<ErrorToSend> {
    let outline = Outline::of(offender)?;
    if !may_answer(refusal, &outline, offender) {
        return None;
    }
    let is_v4 = outline.src.is_v4();
    let limit = if is_v4 {
        MAX_DATAGRAM_V4 - ipv4::HEADER_LEN
    } else {
        MAX_ERROR_LEN
    };
    let room = out.len().min(limit).checked_sub(HEADER_LEN)?;
    let quote = &offender[..room.min(outline.total_len).min(offender.len())];

    let message = &mut out[..HEADER_LEN + quote.len()];
    let header = if is_v4 {
        header_v4(refusal)?
    } else {
        header_v6(refusal, &outline)
    };
    message[..HEADER_LEN].copy_from_slice(&header);
    message[HEADER_LEN..].copy_from_slice(quote);
    let pseudo_header = if is_v4 {
        Sum::zero()
    } else {
        pseudo_header_sum(from, &outline.src, protocol::ICMPV6, message.len() as u32)
    };
    let checksum = pseudo_header.add_bytes(message).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    Some(ErrorToSend {
        dst: outline.src,
        len: message.len(),
    })
}

fn may_answer(refusal: Refusal, outline: &Outline, offender: &[u8]) -> bool {
    let answers_multicast = matches!(
        refusal,
        Refusal::ParameterProblem(ParameterProblem {
            answers_multicast: true,
            ..
        })
    );
    let to_many = outline.dst.is_multicast() || outline.dst.is_limited_broadcast();
    (outline.is_first_fragment || is_about_fragment(refusal, outline))
        && (!to_many || answers_multicast)
        && is_one_host(&outline.src)
        && !is_icmp_error(outline, offender)
}

/// What is wrong with a later fragment of IPv6 is told (RFC 8200 section 4.5), unless it may carry an ICMP error.
fn is_about_fragment(refusal: Refusal, outline: &Outline) -> bool {
    !outline.src.is_v4()
        && matches!(refusal, Refusal::ParameterProblem(_))
        && outline.protocol != protocol::ICMPV6
}

/// Not "any", not a group, and for IPv4 none of the reserved ranges 0/8 and 240/4 (RFC 1122 section 3.2.1.3).
fn is_one_host(src: &Address) -> bool {
    if src.is_v4() {
        (1..224).contains(&src.v4_octets()[0])
    } else {
        !src.is_unspecified() && !src.is_multicast()
    }
}

/// An ICMP message whose type is cut off counts as an error.
fn is_icmp_error(outline: &Outline, offender: &[u8]) -> bool {
    let kind = offender.get(outline.header_len).copied();
    match outline.protocol {
        protocol::ICMP if outline.src.is_v4() => !kind.is_some_and(v4::is_query),
        protocol::ICMPV6 if !outline.src.is_v4() => {
            kind.is_none_or(|kind| v6::is_error(kind) || kind == v6::REDIRECT)
        }
        _ => false,
    }
}

/// The header with a checksum of zero; `None` for what only IPv6 can say.
fn header_v4(refusal: Refusal) -> Option<[u8; HEADER_LEN]> {
    let code = match refusal {
        Refusal::PortUnreachable => v4::PORT,
        Refusal::ProtocolUnreachable => v4::PROTOCOL,
        Refusal::ReassemblyTime => return Some([v4::TIME_EXCEEDED, REASSEMBLY, 0, 0, 0, 0, 0, 0]),
        Refusal::ParameterProblem(_) => return None,
    };
    Some([v4::UNREACHABLE, code, 0, 0, 0, 0, 0, 0])
}

/// The header with a checksum of zero.
fn header_v6(refusal: Refusal, outline: &Outline) -> [u8; HEADER_LEN] {
    let problem = match refusal {
        Refusal::PortUnreachable => return [v6::UNREACHABLE, v6::PORT, 0, 0, 0, 0, 0, 0],
        Refusal::ReassemblyTime => return [v6::TIME_EXCEEDED, REASSEMBLY, 0, 0, 0, 0, 0, 0],
        Refusal::ProtocolUnreachable => ParameterProblem::unrecognized_next_header(outline.protocol_at),
        Refusal::ParameterProblem(problem) => problem,
    };
    let [a, b, c, d] = problem.pointer.to_be_bytes();
    [v6::PARAMETER_PROBLEM, problem.code, 0, 0, a, b, c, d]
}
