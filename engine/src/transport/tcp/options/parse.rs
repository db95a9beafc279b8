//! From the wire to [`Options`].

use super::{MAX_SACK_BLOCKS, MAX_WINDOW_SCALE, Options, SackBlock, SackBlocks, Timestamps, kind};
use crate::transport::tcp::seq::SeqNumber;

/// An option whose length is 0 or 1, or reaches past the end of the options (MUST-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("TCP option of an illegal length")]
pub struct IllegalLength;

/// Reads an option block, which is what lies between the fixed header and the data offset.
///
/// Unknown kinds are skipped (MUST-6), and so is a known kind whose length is not its own. Options need no alignment
/// (MUST-64); what follows the end of the list is not read. Of an option that occurs twice the last one counts.
/// Linear in the length of the block; constant for the block that most segments carry, two no-operations and
/// timestamps.
///
/// # Errors
///
/// [`IllegalLength`]; the segment is to be dropped.
#[inline]
pub fn parse(block: &[u8]) -> Result<Options, IllegalLength> {
    if let Some(timestamps) = aligned_timestamps(block) {
        return Ok(Options {
            timestamps: Some(timestamps),
            ..Options::default()
        });
    }
    if block.is_empty() {
        return Ok(Options::default());
    }
    parse_one_by_one(block)
}

/// The timestamps of a block that is nothing but `nop,nop,TS` (RFC 7323 appendix A).
#[inline]
fn aligned_timestamps(block: &[u8]) -> Option<Timestamps> {
    const LEAD: [u8; 4] = [kind::NO_OPERATION, kind::NO_OPERATION, kind::TIMESTAMPS, 10];
    let block: &[u8; 12] = block.try_into().ok()?;
    let (lead, body) = block.split_first_chunk::<4>()?;
    if *lead == LEAD { timestamps(body) } else { None }
}

#[inline(never)]
fn parse_one_by_one(mut rest: &[u8]) -> Result<Options, IllegalLength> {
    let mut options = Options::default();
    loop {
        rest = match *rest {
            [] | [kind::END_OF_LIST, ..] => return Ok(options),
            [kind::NO_OPERATION, ref after @ ..] => after,
            [kind, len, ref after @ ..] => {
                let body_len = usize::from(len).checked_sub(2).ok_or(IllegalLength)?;
                let (body, after) = after.split_at_checked(body_len).ok_or(IllegalLength)?;
                options.read(kind, body);
                after
            }
            [_] => return Err(IllegalLength),
        };
    }
}

impl Options {
    fn read(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (kind::MSS, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::SACK, body) => self.sack = sack_blocks(body).unwrap_or(self.sack),
            (kind::TIMESTAMPS, body) => self.timestamps = timestamps(body).or(self.timestamps),
            _ => {}
        }
    }
}

#[inline]
fn timestamps(body: &[u8]) -> Option<Timestamps> {
    let (tsval, tsecr) = u32_pair(body.try_into().ok()?);
    Some(Timestamps { tsval, tsecr })
}

/// One to four whole blocks; anything else is no SACK option.
fn sack_blocks(body: &[u8]) -> Option<SackBlocks> {
    let (chunks, []) = body.as_chunks::<8>() else {
        return None;
    };
    if chunks.is_empty() || chunks.len() > MAX_SACK_BLOCKS {
        return None;
    }
    let mut sack = SackBlocks {
        len: chunks.len() as u8,
        ..SackBlocks::default()
    };
    for (block, chunk) in sack.blocks.iter_mut().zip(chunks) {
        let (left, right) = u32_pair(chunk);
        *block = SackBlock {
            left: SeqNumber(left),
            right: SeqNumber(right),
        };
    }
    Some(sack)
}

#[inline]
fn u32_pair(&[a, b, c, d, e, f, g, h]: &[u8; 8]) -> (u32, u32) {
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
