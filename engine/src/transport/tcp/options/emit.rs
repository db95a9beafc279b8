//! From options to the wire.

use super::{MAX_LEN, MAX_SACK_BLOCKS, SackBlock, SynOptions, Timestamps, kind};

pub(in crate::transport::tcp) const TIMESTAMPS_LEN: usize = 12;
const SACK_LEAD_LEN: usize = 4;
const SACK_BLOCK_LEN: usize = 8;

const MSS_LEN: usize = 4;
const WINDOW_SCALE_LEN: usize = 4;
const SACK_PERMITTED_LEN: usize = 4;

/// The number of octets of a SYN that offers all there is, as nearly every SYN does.
pub(in crate::transport::tcp) const FULL_SYN_LEN: usize = MSS_LEN + TIMESTAMPS_LEN + WINDOW_SCALE_LEN;

impl SynOptions {
    /// What [`emit_syn`] writes of a SYN that offers all there is; `None` for another.
    #[inline]
    pub(in crate::transport::tcp) fn full(&self) -> Option<[u8; FULL_SYN_LEN]> {
        let (Some(timestamps), Some(shift), true) = (self.timestamps, self.window_scale, self.sack_permitted)
        else {
            return None;
        };
        let [high, low] = self.mss.to_be_bytes();
        let mut all = [0; FULL_SYN_LEN];
        all[..4].copy_from_slice(&[kind::MSS, 4, high, low]);
        all[4..16].copy_from_slice(&timestamps_after([kind::SACK_PERMITTED, 2], timestamps));
        all[16..].copy_from_slice(&[kind::NO_OPERATION, kind::WINDOW_SCALE, 3, shift]);
        Some(all)
    }

    /// The number of octets that [`emit_syn`] writes, 4 to 20, a multiple of 4.
    #[inline]
    pub const fn wire_len(&self) -> usize {
        let agreed = match (self.timestamps, self.sack_permitted) {
            (Some(_), _) => TIMESTAMPS_LEN,
            (None, true) => SACK_PERMITTED_LEN,
            (None, false) => 0,
        };
        MSS_LEN
            + agreed
            + if self.window_scale.is_some() {
                WINDOW_SCALE_LEN
            } else {
                0
            }
    }
}

/// How many SACK blocks fit into one segment, with or without timestamps beside them.
#[inline]
pub const fn max_sack_blocks(timestamps: bool) -> usize {
    if timestamps {
        MAX_SACK_BLOCKS - 1
    } else {
        MAX_SACK_BLOCKS
    }
}

/// The number of octets that [`emit_segment`] writes for so many SACK blocks, 0 to 40, a multiple of 4.
#[inline]
pub const fn segment_len(timestamps: bool, sack_blocks: usize) -> usize {
    let most = max_sack_blocks(timestamps);
    let blocks = if sack_blocks < most { sack_blocks } else { most };
    let timestamps_len = if timestamps { TIMESTAMPS_LEN } else { 0 };
    let sack_len = if blocks == 0 {
        0
    } else {
        SACK_LEAD_LEN + blocks * SACK_BLOCK_LEN
    };
    timestamps_len + sack_len
}

const _: () =
    assert!(segment_len(true, MAX_SACK_BLOCKS) <= MAX_LEN && segment_len(false, MAX_SACK_BLOCKS) <= MAX_LEN);

/// Writes the options of a SYN or SYN,ACK to the start of `out` and returns their length, [`SynOptions::wire_len`].
///
/// # Panics
///
/// When `out` is too short; [`MAX_LEN`] octets always do.
pub fn emit_syn(options: &SynOptions, out: &mut [u8]) -> usize {
    let mut out = Writer { out, len: 0 };
    let [high, low] = options.mss.to_be_bytes();
    out.put([kind::MSS, 4, high, low]);
    match (options.timestamps, options.sack_permitted) {
        (Some(timestamps), true) => out.put(timestamps_after([kind::SACK_PERMITTED, 2], timestamps)),
        (Some(timestamps), false) => out.put(aligned_timestamps(timestamps)),
        (None, true) => out.put([kind::NO_OPERATION, kind::NO_OPERATION, kind::SACK_PERMITTED, 2]),
        (None, false) => {}
    }
    if let Some(shift) = options.window_scale {
        out.put([kind::NO_OPERATION, kind::WINDOW_SCALE, 3, shift]);
    }
    out.len
}

/// Writes the options of a segment that is no SYN to the start of `out` and returns their length, [`segment_len`].
///
/// Of more SACK blocks than fit, the first ones are written.
///
/// # Panics
///
/// When `out` is too short; [`MAX_LEN`] octets always do.
#[inline]
pub fn emit_segment(timestamps: Option<Timestamps>, sack: &[SackBlock], out: &mut [u8]) -> usize {
    let mut out = Writer { out, len: 0 };
    if let Some(timestamps) = timestamps {
        out.put(aligned_timestamps(timestamps));
    }
    if !sack.is_empty() {
        out.put_sack(&sack[..sack.len().min(max_sack_blocks(timestamps.is_some()))]);
    }
    out.len
}

#[inline]
pub(in crate::transport::tcp) fn aligned_timestamps(timestamps: Timestamps) -> [u8; TIMESTAMPS_LEN] {
    timestamps_after([kind::NO_OPERATION, kind::NO_OPERATION], timestamps)
}

#[inline]
fn timestamps_after([first, second]: [u8; 2], timestamps: Timestamps) -> [u8; TIMESTAMPS_LEN] {
    let [a, b, c, d] = timestamps.tsval.to_be_bytes();
    let [e, f, g, h] = timestamps.tsecr.to_be_bytes();
    [first, second, kind::TIMESTAMPS, 10, a, b, c, d, e, f, g, h]
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, words: [u8; N]) {
        self.out[self.len..self.len + N].copy_from_slice(&words);
        self.len += N;
    }

    fn put_sack(&mut self, blocks: &[SackBlock]) {
        let len = (2 + blocks.len() * SACK_BLOCK_LEN) as u8;
        self.put([kind::NO_OPERATION, kind::NO_OPERATION, kind::SACK, len]);
        for block in blocks {
            self.put(block.left.0.to_be_bytes());
            self.put(block.right.0.to_be_bytes());
        }
    }
}
