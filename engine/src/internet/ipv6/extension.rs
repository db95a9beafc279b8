//! The chain of extension headers (RFC 8200 section 4).

use super::HEADER_LEN;
use crate::internet::datagram::{Fragment, Malformed};
use crate::internet::icmp::ParameterProblem;
use crate::internet::protocol;

/// How many extension headers a datagram may have; RFC 8200 section 4.1 knows an order of six.
const MAX_HEADERS: usize = 8;
/// What fragments of one datagram may add up to after the fixed header, in octets.
const MAX_PAYLOAD: usize = 65_535;
/// The only option that has no length.
const PAD_1: u8 = 0;

/// Whether `next_header` is an extension header that a host walks.
#[inline]
pub(in crate::internet) fn is_extension(next_header: u8) -> bool {
    use protocol::{DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING};
    matches!(next_header, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS)
}

/// Why a chain is refused, and what the sender is to be told.
pub(super) struct Fault {
    pub(super) reason: Malformed,
    pub(super) problem: Option<ParameterProblem>,
}

impl From<Malformed> for Fault {
    fn from(reason: Malformed) -> Self {
        Self {
            reason,
            problem: None,
        }
    }
}

/// What a host learns from a sound chain.
pub(super) struct Chain {
    pub(super) protocol: u8,
    pub(super) header_len: usize,
    pub(super) fragment: Option<Fragment>,
}

impl Chain {
    /// No extension header.
    #[inline]
    pub(super) fn empty(header: &[u8; HEADER_LEN]) -> Self {
        Self {
            protocol: header[6],
            header_len: HEADER_LEN,
            fragment: None,
        }
    }

    /// Walks the chain of `datagram`, strictly in order, up to the payload or to a fragment header that has effect.
    pub(super) fn check(header: &[u8; HEADER_LEN], datagram: &[u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::new(header, datagram);
        let mut fragment = None;
        while fragment.is_none()
            && let Some(extension) = cursor.advance()?
        {
            match extension.kind {
                protocol::HOP_BY_HOP if extension.offset != HEADER_LEN => {
                    return Err(hop_by_hop_late(&extension));
                }
                protocol::ROUTING => check_routing(&extension)?,
                protocol::FRAGMENT => fragment = self::fragment(&extension, datagram.len())?,
                _ => check_options(&extension)?,
            }
        }
        Ok(Self {
            protocol: cursor.next_header,
            header_len: cursor.offset,
            fragment,
        })
    }
}

/// Steps from one extension header to the next without judging what they hold.
pub(in crate::internet) struct Cursor<'a> {
    datagram: &'a [u8],
    /// What starts at `offset`.
    pub(in crate::internet) next_header: u8,
    /// Where the field lies that says so.
    pub(in crate::internet) announced_at: usize,
    pub(in crate::internet) offset: usize,
    count: usize,
}

/// One extension header.
pub(in crate::internet) struct Extension<'a> {
    pub(in crate::internet) kind: u8,
    announced_at: usize,
    offset: usize,
    octets: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(in crate::internet) fn new(header: &[u8; HEADER_LEN], datagram: &'a [u8]) -> Self {
        Self {
            datagram,
            next_header: header[6],
            announced_at: 6,
            offset: HEADER_LEN,
            count: 0,
        }
    }

    /// The next extension header, `None` when it is the payload that comes next.
    pub(in crate::internet) fn advance(&mut self) -> Result<Option<Extension<'a>>, Malformed> {
        let kind = self.next_header;
        if !is_extension(kind) {
            return Ok(None);
        }
        if self.count == MAX_HEADERS {
            return Err(Malformed::TooManyExtensions);
        }
        let rest = &self.datagram[self.offset..];
        let &[next_header, units, ..] = rest else {
            return Err(Malformed::ExtensionTruncated);
        };
        let len = if kind == protocol::FRAGMENT {
            8
        } else {
            8 + 8 * usize::from(units)
        };
        let octets = rest.get(..len).ok_or(Malformed::ExtensionTruncated)?;
        let extension = Extension {
            kind,
            announced_at: self.announced_at,
            offset: self.offset,
            octets,
        };
        self.announced_at = self.offset;
        self.next_header = next_header;
        self.offset += len;
        self.count += 1;
        Ok(Some(extension))
    }
}

impl Extension<'_> {
    /// Where a fragment header says that its fragment begins, in octets.
    pub(in crate::internet) fn fragment_offset(&self) -> u16 {
        self.u16_at(2) & !7
    }

    fn u16_at(&self, offset: usize) -> u16 {
        u16::from_be_bytes([self.octets[offset], self.octets[offset + 1]])
    }
}

fn hop_by_hop_late(extension: &Extension<'_>) -> Fault {
    let problem = ParameterProblem::unrecognized_next_header(extension.announced_at);
    Fault {
        reason: Malformed::HopByHopNotFirst,
        problem: Some(problem),
    }
}

/// Type 0 is deprecated (RFC 5095) and no other is known here: with no segments left they are skipped, else refused.
fn check_routing(extension: &Extension<'_>) -> Result<(), Fault> {
    let segments_left = extension.octets[3];
    if segments_left == 0 {
        return Ok(());
    }
    let problem = ParameterProblem::erroneous_field(extension.offset + 2);
    Err(Fault {
        reason: Malformed::Routing,
        problem: Some(problem),
    })
}

/// Options say in their highest two bits what is to be done by who does not know them (RFC 8200 section 4.2).
fn check_options(extension: &Extension<'_>) -> Result<(), Fault> {
    let mut at = 2;
    while let Some(&kind) = extension.octets.get(at) {
        if kind == PAD_1 {
            at += 1;
            continue;
        }
        let len = *extension
            .octets
            .get(at + 1)
            .ok_or(Malformed::ExtensionTruncated)?;
        let pointer = extension.offset + at;
        at += 2 + usize::from(len);
        if at > extension.octets.len() {
            return Err(Malformed::ExtensionTruncated.into());
        }
        let problem = match kind >> 6 {
            0b00 => continue,
            0b01 => None,
            0b10 => Some(ParameterProblem::unrecognized_option(pointer, true)),
            _ => Some(ParameterProblem::unrecognized_option(pointer, false)),
        };
        return Err(Fault {
            reason: Malformed::UnrecognizedOption,
            problem,
        });
    }
    Ok(())
}

/// `None` for an atomic fragment, which is handled as if it had no fragment header (RFC 6946).
fn fragment(extension: &Extension<'_>, datagram_len: usize) -> Result<Option<Fragment>, Fault> {
    let (offset, more) = (extension.fragment_offset(), extension.u16_at(2) & 1 == 1);
    if offset == 0 && !more {
        return Ok(None);
    }
    let part_len = datagram_len - extension.offset - extension.octets.len();
    if more && !part_len.is_multiple_of(8) {
        let payload_length_field = 4;
        let problem = ParameterProblem::erroneous_field(payload_length_field);
        return Err(Fault {
            reason: Malformed::FragmentLength,
            problem: Some(problem),
        });
    }
    let unfragmentable_len = extension.offset - HEADER_LEN;
    if unfragmentable_len + usize::from(offset) + part_len > MAX_PAYLOAD {
        let problem = ParameterProblem::erroneous_field(extension.offset + 2);
        return Err(Fault {
            reason: Malformed::FragmentOverrun,
            problem: Some(problem),
        });
    }
    let identification = u32::from(extension.u16_at(4)) << 16 | u32::from(extension.u16_at(6));
    Ok(Some(Fragment {
        identification,
        offset,
        more,
    }))
}
