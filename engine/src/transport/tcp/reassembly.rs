//! Segments that arrived before their turn (RFC 9293 section 3.10.7.4, SHLD-31).

use std::collections::VecDeque;

use super::invariants::{Checked, ensure};
use super::loss::ranges::Ranges;
use super::options::{MAX_SACK_BLOCKS, SackBlock, SackBlocks};
use super::seq::SeqNumber;
use crate::frame::Payload;

/// Disjoint stretches of bytes beyond `rcv_nxt`, sorted. Bounded in pieces, and by what must be left to receive the missing segment into;
/// what does not fit is dropped and comes again.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    pieces: VecDeque<(SeqNumber, Payload)>,
    /// What the pieces hold, without the seams between them.
    held: Ranges,
    /// Where the segments that arrived last begin, the last one first.
    recent: [SeqNumber; MAX_SACK_BLOCKS],
}

impl Reassembly {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds `payload`, whose first byte is `seq`; bytes that are held already are kept as they are (first copy wins).
    /// False when `max_pieces` are held, or slots are scarce, and something had to be dropped. O(log n) to find the place, O(n) to make room in it.
    pub(crate) fn insert(&mut self, mut seq: SeqNumber, mut payload: Payload, max_pieces: usize) -> bool {
        let mut at = self
            .pieces
            .partition_point(|(start, piece)| (*start + piece.len() as u32).le(seq));
        while !payload.is_empty() {
            let Some((start, piece)) = self.pieces.get(at) else {
                return self.place(at, seq, payload, max_pieces);
            };
            let (start, end) = (*start, *start + piece.len() as u32);
            if seq.lt(start) {
                let gap = start.distance(seq) as usize;
                let fresh = payload.split_front(gap);
                let fresh_len = fresh.len() as u32;
                if !self.place(at, seq, fresh, max_pieces) {
                    return false;
                }
                // It stands here as a piece of its own, or at the end of the one before: either way this is the place to go on.
                seq += fresh_len;
                continue;
            }
            let known = end.distance(seq).max(0) as usize;
            seq += known.min(payload.len()) as u32;
            payload.advance(known);
            at += 1;
        }
        true
    }

    fn place(&mut self, at: usize, seq: SeqNumber, payload: Payload, max_pieces: usize) -> bool {
        if payload.is_scarce() {
            return self.append(at, seq, &payload);
        }
        if self.pieces.len() >= max_pieces {
            return false;
        }
        self.held.insert(seq, seq + payload.len() as u32);
        self.pieces.insert(at, (seq, payload));
        true
    }

    /// Copies bytes behind those that they follow, if the slot of those has room and no other holder.
    #[cold]
    fn append(&mut self, at: usize, seq: SeqNumber, bytes: &[u8]) -> bool {
        let Some((start, piece)) = at.checked_sub(1).and_then(|before| self.pieces.get_mut(before)) else {
            return false;
        };
        if *start + piece.len() as u32 != seq {
            return false;
        }
        let (thawed, fits) = match std::mem::take(piece).try_thaw() {
            Ok(mut frame) => {
                let room = frame.extend(bytes.len());
                let fits = room.map(|room| room.copy_from_slice(bytes)).is_some();
                (frame.freeze(), fits)
            }
            Err(shared) => (shared, false),
        };
        *piece = thawed;
        if fits {
            self.held.insert(seq, seq + bytes.len() as u32);
        }
        fits
    }

    /// Remembers that a segment which begins at `seq` has just arrived.
    pub(crate) fn note_arrival(&mut self, seq: SeqNumber) {
        let block = self.held.containing(seq);
        let same = |recent: &SeqNumber| self.held.containing(*recent) == block;
        let last = self.recent.iter().position(same).unwrap_or(MAX_SACK_BLOCKS - 1);
        self.recent[..=last].rotate_right(1);
        self.recent[0] = seq;
    }

    /// The first stretch of `left..right` that is held.
    pub(crate) fn first_held(&self, left: SeqNumber, right: SeqNumber) -> Option<SackBlock> {
        self.held.first_within(left, right)
    }

    /// Whether all of `left..right` is held.
    fn holds(&self, left: SeqNumber, right: SeqNumber) -> bool {
        self.held
            .containing(left)
            .is_some_and(|block| right.le(block.right))
    }

    /// What is held, for the sender to know: the block that grew last first (RFC 2018 section 4), behind the `duplicate` that has just
    /// arrived, if any (RFC 2883 section 4). At most `limit` blocks.
    pub(crate) fn report(&self, duplicate: Option<SackBlock>, limit: usize) -> SackBlocks {
        let mut report = SackBlocks::default();
        if let Some(duplicate) = duplicate {
            report.push(duplicate);
        }
        let fresh = usize::from(duplicate.is_some());
        for seq in self.recent {
            if let Some(block) = self.held.containing(seq)
                && report.as_slice().len() < limit
                && !report.as_slice()[fresh..].contains(&block)
            {
                report.push(block);
            }
        }
        report
    }

    /// Forgets what lies before `rcv_nxt`: it is acknowledged.
    pub(crate) fn forget_before(&mut self, rcv_nxt: SeqNumber) {
        self.held.remove_before(rcv_nxt);
    }

    /// Takes the next piece when its turn has come, without what lies before `rcv_nxt`.
    pub(crate) fn pop_due(&mut self, rcv_nxt: SeqNumber) -> Option<Payload> {
        while self.pieces.front()?.0.le(rcv_nxt) {
            let (seq, mut payload) = self.pieces.pop_front()?;
            payload.advance(rcv_nxt.distance(seq) as usize);
            if !payload.is_empty() {
                return Some(payload);
            }
        }
        None
    }

    /// Checks that pieces are sorted, disjoint and in the window from `rcv_nxt` to `edge`, and that no more is reported as held than is. O(pieces).
    pub(crate) fn check(&self, rcv_nxt: SeqNumber, edge: SeqNumber) -> Checked {
        if let Some((first, _)) = self.pieces.front() {
            ensure!(
                rcv_nxt.lt(*first),
                "the early piece at {first:?} is due: RCV.NXT is {rcv_nxt:?}"
            );
        }
        let mut at = rcv_nxt;
        for (start, piece) in &self.pieces {
            let end = *start + piece.len() as u32;
            ensure!(
                !piece.is_empty() && at.le(*start) && end.le(edge),
                "the early piece {start:?}..{end:?} is empty, overlaps what ends at {at:?}, or leaves the window that ends at {edge:?}"
            );
            ensure!(
                self.holds(*start, end),
                "the early piece {start:?}..{end:?} is not reported"
            );
            at = end;
        }
        let held: u32 = self.pieces.iter().map(|(_, piece)| piece.len() as u32).sum();
        let reported = self.held.octets();
        ensure!(
            held == reported,
            "{held} octets are held beyond a gap, {reported} are reported"
        );
        Ok(())
    }

    /// Drops everything; the storage is kept.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.held.clear();
    }
}

#[cfg(test)]
pub(super) mod tests;
