//! TCP options: what may stand between the fixed header and the text (RFC 9293 section 3.2).
//!
//! Emission follows the layouts of Linux, which the rest of the world is tested against: every option starts so that
//! its last byte ends a 32-bit word.

use super::seq::SeqNumber;

mod emit;
mod parse;

pub(super) use emit::{FULL_SYN_LEN, TIMESTAMPS_LEN, aligned_timestamps};
pub use emit::{emit_segment, emit_syn, max_sack_blocks, segment_len};
pub use parse::{IllegalLength, parse, sack_blocks};
pub(super) use parse::{parse_aligned_timestamps, parse_any, parse_common};

/// The most octets that options can occupy: a data offset of 15 words less the fixed header.
pub const MAX_LEN: usize = 40;

/// The largest shift that a window scale option can ask for (RFC 7323 section 2.3).
pub const MAX_WINDOW_SCALE: u8 = 14;

/// The most SACK blocks that fit into one segment; three beside timestamps (RFC 2018 section 3).
pub const MAX_SACK_BLOCKS: usize = 4;

/// Option kinds (RFC 9293 section 3.2, RFC 7323, RFC 2018).
mod kind {
    pub(super) const END_OF_LIST: u8 = 0;
    pub(super) const NO_OPERATION: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
}

/// The timestamps option (RFC 7323 section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamps {
    /// The sender's clock, in ticks.
    pub tsval: u32,
    /// The timestamp that the sender echoes; it has a meaning only beside the ACK flag.
    pub tsecr: u32,
}

/// Octets that the receiver holds out of order: `left <= seq < right` (RFC 2018 section 3).
///
/// As received, nothing says that `left` is before `right` or that either was ever sent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SackBlock {
    /// The first octet of the block.
    pub left: SeqNumber,
    /// The octet after the last one of the block.
    pub right: SeqNumber,
}

/// The blocks of a SACK option, in the order of the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SackBlocks {
    blocks: [SackBlock; MAX_SACK_BLOCKS],
    len: u8,
}

impl SackBlocks {
    /// The blocks, the most recent first if the sender keeps to RFC 2018 section 4.
    #[inline]
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Appends a block; nothing when there are four.
    pub(crate) fn push(&mut self, block: SackBlock) {
        if let Some(free) = self.blocks.get_mut(usize::from(self.len)) {
            *free = block;
            self.len += 1;
        }
    }
}

/// Where a segment has its SACK blocks. Few segments have any, so that the 32 octets are read when they are wanted and
/// not carried along in every header.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SackLocation {
    /// The offset of the first block in the option block.
    at: u8,
    blocks: u8,
}

impl SackLocation {
    /// Whether the segment brought no SACK block.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.blocks == 0
    }
}

/// The options of a received segment, wherever on the segment they may occur (MUST-5).
///
/// Which of them count is the connection's business: maximum segment size, window scale and SACK-permitted have a
/// meaning on SYNs alone, and timestamps only once both ends agreed to them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Options {
    /// The timestamps option.
    pub timestamps: Option<Timestamps>,
    /// The maximum segment size as announced, in octets; any value, 0 too.
    pub mss: Option<u16>,
    /// The window shift, 0 to [`MAX_WINDOW_SCALE`]; larger ones are taken as the limit (RFC 7323 section 2.3).
    pub window_scale: Option<u8>,
    /// Whether SACK options may be sent to the sender of this SYN.
    pub sack_permitted: bool,
    /// Where [`sack_blocks`] finds the SACK option.
    pub sack: SackLocation,
}

/// The options of a SYN or SYN,ACK to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SynOptions {
    /// The maximum segment size to announce, in octets.
    pub mss: u16,
    /// The shift of every window that follows, 0 to [`MAX_WINDOW_SCALE`]; `None` does without scaling.
    pub window_scale: Option<u8>,
    /// Whether the remote end may send SACK options.
    pub sack_permitted: bool,
    /// The timestamps; `None` does without them.
    pub timestamps: Option<Timestamps>,
}

#[cfg(test)]
mod tests;
