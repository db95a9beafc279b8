//! The TCP header on the wire (RFC 9293 section 3.1): reading and writing it.

use super::options::{self, IllegalLength, Options, SackBlocks};
use super::seq::SeqNumber;

mod flags;
mod plain;

pub use flags::Flags;
pub(super) use plain::Plain;

/// The length of the header without options, in octets.
pub const HEADER_LEN: usize = 20;

/// The length of the longest header, in octets.
pub const MAX_HEADER_LEN: usize = HEADER_LEN + options::MAX_LEN;

const WORD: usize = 4;
/// Where the checksum is in the header, in octets.
pub const CHECKSUM_AT: usize = 16;

/// Why octets are no TCP segment. Such a segment is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than a header has.
    #[error("TCP segment of fewer than 20 octets")]
    Truncated,
    /// The header is said to be shorter than 20 octets or longer than the segment.
    #[error("TCP data offset outside the segment")]
    DataOffset,
    /// An option has an illegal length.
    #[error(transparent)]
    Option(#[from] IllegalLength),
}

/// The header of a received segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// SEG.SEQ: the number of the first octet, or of the SYN.
    pub seq: SeqNumber,
    /// SEG.ACK: the next octet that the sender expects; it has a meaning only beside [`Flags::ACK`].
    pub ack: SeqNumber,
    /// The port of the sender.
    pub source_port: u16,
    /// The port of the receiver.
    pub destination_port: u16,
    /// SEG.WND as the wire has it: an unsigned count of octets, not yet scaled (MUST-1).
    pub window: u16,
    /// SEG.UP: the offset from `seq` of the octet after the urgent ones; it has a meaning only beside [`Flags::URG`].
    pub urgent: u16,
    /// The control bits.
    pub flags: Flags,
    /// Where the text starts, in octets: 20 to 60, a multiple of 4, never past the segment.
    pub header_len: u8,
    /// The options.
    pub options: Options,
}

impl Header {
    /// Reads the header of the segment that `segment` holds to its last octet. The checksum is not verified, reserved
    /// bits are ignored.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the data offset or an option points outside of what is there.
    #[inline]
    pub fn parse(segment: &[u8]) -> Result<Self, Malformed> {
        let (fixed, after) = segment
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(Malformed::Truncated)?;
        let header_len = usize::from(fixed[12] >> 4) * WORD;
        let options_len = header_len.checked_sub(HEADER_LEN).ok_or(Malformed::DataOffset)?;
        let block = after.get(..options_len).ok_or(Malformed::DataOffset)?;
        // Two ways out, so that on the common one the options go from registers into the result and not through memory.
        match options::parse_common(block) {
            Some(options) => Ok(Self::from_parts(fixed, header_len as u8, options)),
            None => Ok(Self::from_parts(
                fixed,
                header_len as u8,
                options::parse_any(block)?,
            )),
        }
    }

    #[inline]
    fn from_parts(fixed: &[u8; HEADER_LEN], header_len: u8, options: Options) -> Self {
        Self {
            seq: SeqNumber(u32_at(fixed, 4)),
            ack: SeqNumber(u32_at(fixed, 8)),
            source_port: u16_at(fixed, 0),
            destination_port: u16_at(fixed, 2),
            window: u16_at(fixed, 14),
            urgent: u16_at(fixed, 18),
            flags: Flags(fixed[13]),
            header_len,
            options,
        }
    }

    /// The SACK blocks of the segment from which this header was read.
    #[inline]
    pub fn sack_blocks(&self, segment: &[u8]) -> SackBlocks {
        let block = segment
            .get(HEADER_LEN..usize::from(self.header_len))
            .unwrap_or_default();
        options::sack_blocks(block, self.options.sack)
    }

    /// SEG.LEN: how much of the sequence space the segment occupies when it brings `text_len` octets of text; SYN and
    /// FIN count for one each.
    #[inline]
    pub const fn sequence_len(&self, text_len: u32) -> u32 {
        text_len + self.flags.sequence_len()
    }
}

/// The fields of a header to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EmitHeader {
    /// SEG.SEQ.
    pub seq: SeqNumber,
    /// SEG.ACK; 0 without [`Flags::ACK`].
    pub ack: SeqNumber,
    /// The local port.
    pub source_port: u16,
    /// The remote port.
    pub destination_port: u16,
    /// SEG.WND, already scaled down where scaling is in effect.
    pub window: u16,
    /// SEG.UP; 0 without [`Flags::URG`].
    pub urgent: u16,
    /// The control bits.
    pub flags: Flags,
}

impl EmitHeader {
    /// Writes the fixed header in front of `options_len` octets of options, which the caller writes. The checksum is
    /// left at 0, to be computed over the whole and stored by [`set_checksum`].
    ///
    /// `options_len` is a multiple of 4 and at most [`options::MAX_LEN`].
    #[inline]
    pub fn emit(&self, options_len: usize, out: &mut [u8; HEADER_LEN]) {
        debug_assert!(options_len <= options::MAX_LEN && options_len.is_multiple_of(WORD));
        let data_offset = ((HEADER_LEN + options_len) / WORD) as u32;
        let words = [
            u32::from(self.source_port) << 16 | u32::from(self.destination_port),
            self.seq.0,
            self.ack.0,
            data_offset << 28 | u32::from(self.flags.0) << 16 | u32::from(self.window),
            u32::from(self.urgent),
        ];
        for (bytes, word) in out.as_chunks_mut::<WORD>().0.iter_mut().zip(words) {
            *bytes = word.to_be_bytes();
        }
    }
}

/// The checksum as the header has it.
#[inline]
pub const fn checksum(header: &[u8; HEADER_LEN]) -> u16 {
    u16_at(header, CHECKSUM_AT)
}

/// Stores the checksum of the whole segment and its pseudo-header.
#[inline]
pub fn set_checksum(header: &mut [u8; HEADER_LEN], checksum: u16) {
    header[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
}

#[inline]
const fn u16_at(header: &[u8; HEADER_LEN], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

#[inline]
const fn u32_at(header: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
mod tests;
