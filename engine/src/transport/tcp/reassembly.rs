//! Segments that arrived before their turn (RFC 9293 section 3.10.7.4, SHLD-31).

use std::collections::VecDeque;

use super::seq::SeqNumber;
use crate::frame::Payload;

/// Disjoint stretches of bytes beyond `rcv_nxt`, sorted. Bounded in pieces; what does not fit is dropped and comes again.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    pieces: VecDeque<(SeqNumber, Payload)>,
}

impl Reassembly {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds `payload`, whose first byte is `seq`; bytes that are held already are kept as they are (first copy wins).
    /// False when `max_pieces` are held and something had to be dropped. O(log n) to find the place, O(n) to make room in it.
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
                seq += fresh_len;
                at += 1;
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
        if self.pieces.len() >= max_pieces {
            return false;
        }
        self.pieces.insert(at, (seq, payload));
        true
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

    /// Drops everything; the storage is kept.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
    }
}
