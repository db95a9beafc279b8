//! What the peer has sent and the application has not read yet.

use super::pieces::Pieces;
use super::reassembly::Reassembly;
use crate::frame::{FramePool, Payload, Purpose, Size};

/// From this many pieces on, small payloads are copied together, so that a reader who is slow cannot pin a slot with each byte.
const COPYBREAK_PIECES: usize = 16;
/// Payloads up to this size are worth copying.
pub(super) const COPYBREAK_BYTES: usize = 512;

/// Bytes in order for the application, and those that arrived before their turn.
#[derive(Debug, Default)]
pub(crate) struct ReceiveQueue {
    pieces: Pieces,
    pub(crate) early: Reassembly,
}

impl ReceiveQueue {
    /// Whether nothing is held at all.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.early.is_empty()
    }

    /// Queues the first bytes of a queue that holds nothing.
    #[inline(always)]
    pub(crate) fn begin(&mut self, payload: Payload) {
        self.pieces.begin(payload);
    }

    /// Queues bytes in order. Returns how many were copied, or the payload when there are `most` pieces.
    pub(crate) fn push(&mut self, payload: Payload, most: usize, pool: &FramePool) -> Result<u32, Payload> {
        let is_small = self.pieces.len() >= COPYBREAK_PIECES && payload.len() <= COPYBREAK_BYTES;
        if (is_small || payload.is_scarce())
            && let Some(copied) = self.copy(&payload, pool)
        {
            return Ok(copied);
        }
        if self.pieces.len() >= most {
            return Err(payload);
        }
        self.pieces.push_back(payload);
        Ok(0)
    }

    /// Appends to the last slot when only this queue holds it, or, if the payload is small, starts a new one.
    #[cold]
    fn copy(&mut self, payload: &Payload, pool: &FramePool) -> Option<u32> {
        let tail = self.pieces.pop_back()?;
        let appended = match tail.try_thaw() {
            Ok(mut frame) => {
                let room = frame.extend(payload.len());
                let fits = room.map(|room| room.copy_from_slice(payload)).is_some();
                self.pieces.push_back(frame.freeze());
                fits
            }
            Err(shared) => {
                self.pieces.push_back(shared);
                false
            }
        };
        if !appended && payload.len() > COPYBREAK_BYTES {
            return None;
        }
        if !appended {
            let mut frame = pool.allocate(Purpose::Receive, Size::Small)?;
            frame.extend(payload.len())?.copy_from_slice(payload);
            self.pieces.push_back(frame.freeze());
        }
        Some(payload.len() as u32)
    }

    /// Takes up to `limit` bytes of the next piece.
    #[inline]
    pub(crate) fn pop(&mut self, limit: usize) -> Option<Payload> {
        let front = self.pieces.front_mut()?;
        let payload = if front.len() <= limit {
            self.pieces.pop_front()?
        } else {
            front.split_front(limit)
        };
        Some(payload)
    }

    /// Bytes that wait for the application, in order. O(pieces); for checks.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Drops everything; the storage is kept for the next connection.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.early.clear();
    }
}

#[cfg(test)]
mod tests;
