//! From the wire to [`Options`].

use super::{
    MAX_SACK_BLOCKS, MAX_WINDOW_SCALE, Options, SackBlock, SackBlocks, SackLocation, Timestamps, kind,
};
use crate::transport::tcp::seq::SeqNumber;

/// An option whose length is 0 or 1, or reaches past the end of the options (MUST-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("TCP option of an illegal length")]
pub struct IllegalLength;

/// Reads an option block, which is what lies between the fixed header and the data offset.
///
/// Unknown kinds are skipped (MUST-6), and so is a known kind whose length is not its own. Options need no alignment
/// (MUST-64); what follows the end of the list is not read. Of an option that occurs twice the last one counts.
/// Linear in the length of the block; constant for the three blocks that most segments have.
///
/// # Errors
///
/// [`IllegalLength`]; the segment is to be dropped.
#[inline]
pub fn parse(block: &[u8]) -> Result<Options, IllegalLength> {
    match parse_common(block) {
        Some(options) => Ok(options),
        None => parse_any(block),
    }
}

/// Reads the blocks that nearly all segments have: nothing or `nop,nop,TS` (RFC 7323 appendix A), and on a SYN
/// `mss,sackOK,TS,nop,wscale`.
#[inline]
pub(in crate::transport::tcp) fn parse_common(block: &[u8]) -> Option<Options> {
    match block.len() {
        0 => Some(Options::default()),
        12 => parse_usual_segment(block.try_into().ok()?),
        20 => parse_usual_syn(block.try_into().ok()?),
        _ => None,
    }
}

#[inline]
fn parse_usual_segment(block: &[u8; 12]) -> Option<Options> {
    Some(Options {
        timestamps: Some(parse_aligned_timestamps(block)?),
        ..Options::default()
    })
}

/// Timestamps as [`aligned_timestamps`](super::aligned_timestamps) writes them. `None` for all else.
#[inline(always)]
pub(in crate::transport::tcp) fn parse_aligned_timestamps(block: &[u8; 12]) -> Option<Timestamps> {
    const LEAD: [u8; 4] = [kind::NO_OPERATION, kind::NO_OPERATION, kind::TIMESTAMPS, 10];
    let [lead @ .., _, _, _, _, _, _, _, _] = *block;
    let [_, _, _, _, body @ ..] = block;
    (lead == LEAD).then(|| timestamps(body))
}

#[inline]
fn parse_usual_syn(block: &[u8; 20]) -> Option<Options> {
    let [kind::MSS, 4, high, low, rest @ ..] = block else {
        return None;
    };
    let [kind::SACK_PERMITTED, 2, kind::TIMESTAMPS, 10, rest @ ..] = rest else {
        return None;
    };
    let [body @ .., kind::NO_OPERATION, kind::WINDOW_SCALE, 3, shift] = rest else {
        return None;
    };
    Some(Options {
        timestamps: Some(timestamps(body)),
        mss: Some(u16::from_be_bytes([*high, *low])),
        window_scale: Some(*shift.min(&MAX_WINDOW_SCALE)),
        sack_permitted: true,
        sack: SackLocation::default(),
    })
}

/// Reads any block, option by option.
#[inline(never)]
pub(in crate::transport::tcp) fn parse_any(block: &[u8]) -> Result<Options, IllegalLength> {
    let mut options = Options::default();
    let mut rest = block;
    loop {
        rest = match *rest {
            [] | [kind::END_OF_LIST, ..] => return Ok(options),
            [kind::NO_OPERATION, ref after @ ..] => after,
            [kind, len, ref after @ ..] => {
                let body_len = usize::from(len).checked_sub(2).ok_or(IllegalLength)?;
                let (body, rest) = after.split_at_checked(body_len).ok_or(IllegalLength)?;
                options.read(kind, body, block.len() - after.len());
                rest
            }
            [_] => return Err(IllegalLength),
        };
    }
}

impl Options {
    /// Takes one option, whose `body` is `at` octets into the option block.
    #[inline]
    fn read(&mut self, kind: u8, body: &[u8], at: usize) {
        match (kind, body) {
            (kind::MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::SACK, body) => self.sack = locate_sack(body, at).unwrap_or(self.sack),
            (kind::TIMESTAMPS, body) => {
                self.timestamps = body.try_into().ok().map(timestamps).or(self.timestamps);
            }
            _ => {}
        }
    }
}

/// One to four whole blocks; anything else is no SACK option.
fn locate_sack(body: &[u8], at: usize) -> Option<SackLocation> {
    let (blocks, []) = body.as_chunks::<8>() else {
        return None;
    };
    let fits = (1..=MAX_SACK_BLOCKS).contains(&blocks.len());
    fits.then_some(SackLocation {
        at: u8::try_from(at).ok()?,
        blocks: blocks.len() as u8,
    })
}

/// Reads the SACK blocks of the option block in which [`parse`] found them at `location`; there are none in another
/// option block that is too short.
pub fn sack_blocks(block: &[u8], location: SackLocation) -> SackBlocks {
    let mut sack = SackBlocks::default();
    let after = block.get(usize::from(location.at)..).unwrap_or_default();
    let (chunks, _) = after.as_chunks::<8>();
    let found = chunks.iter().take(usize::from(location.blocks));
    for (block, chunk) in sack.blocks.iter_mut().zip(found) {
        let (left, right) = u32_pair(chunk);
        *block = SackBlock {
            left: SeqNumber(left),
            right: SeqNumber(right),
        };
        sack.len += 1;
    }
    sack
}

#[inline]
fn timestamps(body: &[u8; 8]) -> Timestamps {
    let (tsval, tsecr) = u32_pair(body);
    Timestamps { tsval, tsecr }
}

#[inline]
fn u32_pair(&[a, b, c, d, e, f, g, h]: &[u8; 8]) -> (u32, u32) {
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
