//! What the application wants sent and the peer has not acknowledged yet.

use super::invariants::{Checked, ensure};
use super::pieces::Pieces;
use crate::frame::{Carver, FramePool, MAX_PIECES, Packet, Payload, Purpose, Size};

/// Writes up to this size are gathered in the last slot instead of taking one each.
const COALESCE_LIMIT: usize = 1024;
/// Writes up to this size share a slot with those of other connections.
const CARVE_LIMIT: usize = 256;

/// The bytes from `snd_una` on, as payloads that nobody can write any more. A retransmission slices the same payloads again.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    pieces: Pieces,
    len: u32,
    /// Where the next new byte is: so many bytes behind the front, in piece `next_piece` at `next_offset`.
    sent: u32,
    next_piece: usize,
    next_offset: usize,
}

/// Why the queue does not take more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// As many bytes or pieces as configured are queued.
    Full,
    /// The pool has no slot for the application.
    NoFrame,
}

impl SendQueue {
    /// Bytes that are queued, sent or not.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Bytes that were never sent.
    #[inline]
    pub(crate) fn unsent(&self) -> u32 {
        self.len - self.sent
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a payload as it is.
    pub(crate) fn push(&mut self, payload: Payload, limit: &Limit) -> Result<(), Payload> {
        if self.pieces.len() >= limit.pieces
            || (self.len + payload.len() as u32 > limit.bytes && self.len > 0)
        {
            return Err(payload);
        }
        self.len += payload.len() as u32;
        self.pieces.push_back(payload);
        Ok(())
    }

    /// Whether a write of `length` bytes is of the usual kind: small, and nothing else is queued.
    #[inline(always)]
    pub(crate) fn may_carve(&self, length: usize) -> bool {
        self.len == 0 && (1..=CARVE_LIMIT).contains(&length)
    }

    /// Lets `fill` write `length` bytes, which are 1 at least, to a slot that other queues share.
    #[inline(always)]
    pub(crate) fn carve(
        &mut self,
        length: usize,
        memory: &mut Memory,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<usize, Refused> {
        debug_assert!(length > 0, "an empty write queues nothing");
        let payload = memory.carver.carve(length, fill).ok_or(Refused::NoFrame)?;
        if self.len == 0 {
            self.pieces.begin(payload);
        } else {
            self.pieces.push_back(payload);
        }
        self.len += length as u32;
        Ok(length)
    }

    /// Lets `fill` write up to `length` bytes into slots of `memory`, and returns how many the queue took.
    pub(crate) fn gather(
        &mut self,
        mut length: usize,
        memory: &mut Memory,
        limit: &Limit,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<usize, Refused> {
        let mut taken = 0;
        while length > 0 {
            let room = limit.bytes.saturating_sub(self.len) as usize;
            if room == 0 {
                break;
            }
            let step = match self.append_to_tail(length.min(room), fill) {
                0 => self.append_slot(length.min(room), memory, limit, fill),
                appended => Ok(appended),
            };
            match step {
                Ok(step) => {
                    taken += step;
                    length -= step;
                }
                Err(refused) if taken == 0 => return Err(refused),
                Err(_) => break,
            }
        }
        if taken == 0 && length > 0 {
            Err(Refused::Full)
        } else {
            Ok(taken)
        }
    }

    /// Appends to the last slot when it was not sent yet and only this queue holds it.
    fn append_to_tail(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> usize {
        let untouched = self.next_piece + 1 < self.pieces.len()
            || (self.next_piece + 1 == self.pieces.len() && self.next_offset == 0);
        if length > COALESCE_LIMIT || !untouched {
            return 0;
        }
        let Some(tail) = self.pieces.pop_back() else {
            return 0;
        };
        let (tail, appended) = match tail.try_thaw() {
            Ok(mut frame) => {
                let length = length.min(frame.tailroom());
                if length > 0 {
                    fill(frame.extend(length).expect("tailroom was checked"));
                }
                (frame.freeze(), length)
            }
            Err(shared) => (shared, 0),
        };
        self.pieces.push_back(tail);
        self.len += appended as u32;
        appended
    }

    fn append_slot(
        &mut self,
        length: usize,
        memory: &mut Memory,
        limit: &Limit,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<usize, Refused> {
        if self.pieces.len() >= limit.pieces {
            return Err(Refused::Full);
        }
        if length <= CARVE_LIMIT && self.unsent() == 0 {
            return self.carve(length, memory, fill);
        }
        let pool = &memory.pool;
        let size = if length > crate::frame::SMALL_SLOT {
            Size::Large
        } else {
            Size::Small
        };
        let frame = pool.allocate(Purpose::Application, size);
        let mut frame = frame
            .or_else(|| pool.allocate(Purpose::Application, Size::Small))
            .ok_or(Refused::NoFrame)?;
        let length = length.min(frame.tailroom());
        fill(frame.extend(length).expect("tailroom was checked"));
        self.pieces.push_back(frame.freeze());
        self.len += length as u32;
        Ok(length)
    }

    /// Adds up to `limit` of the next unsent bytes to the body of `packet`, which is empty, and marks them sent. Fewer when the body has no
    /// room for more pieces.
    #[inline(always)]
    pub(crate) fn send_next(&mut self, limit: u32, packet: &mut Packet) -> u32 {
        match self.pieces.only() {
            Some(piece) if self.sent == 0 && piece.len() <= limit as usize => {
                packet.set_piece(piece.clone());
                self.sent = self.len;
                self.next_piece = 1;
                self.len
            }
            _ => self.send_next_of_many(limit, packet),
        }
    }

    #[inline(never)]
    fn send_next_of_many(&mut self, limit: u32, packet: &mut Packet) -> u32 {
        let mut left = limit.min(self.unsent()) as usize;
        let mut added = 0;
        while left > 0
            && packet.body().len() < MAX_PIECES
            && let Some(piece) = self.pieces.get(self.next_piece)
        {
            if self.next_offset == 0 && piece.len() <= left {
                left -= piece.len();
                added += piece.len() as u32;
                self.next_piece += 1;
                packet
                    .push_piece(piece.clone())
                    .expect("room for a piece was checked");
                continue;
            }
            let here = left.min(piece.len() - self.next_offset);
            let part = piece.slice(self.next_offset..self.next_offset + here);
            packet.push_piece(part).expect("room for a piece was checked");
            self.next_offset += here;
            if self.next_offset == piece.len() {
                self.next_piece += 1;
                self.next_offset = 0;
            }
            left -= here;
            added += here as u32;
        }
        self.sent += added;
        added
    }

    /// How many of the last bytes that were sent one packet carries without a copy, `limit` at most: all of the last segment, if it was no
    /// larger.
    #[cold]
    pub(crate) fn last_sent(&self, limit: u32) -> u32 {
        let begun = Some(self.next_offset).filter(|&offset| offset > 0);
        let whole = (0..self.next_piece)
            .rev()
            .filter_map(|piece| self.pieces.get(piece).map(|piece| piece.len()));
        let carried: usize = begun.into_iter().chain(whole).take(MAX_PIECES).sum();
        limit.min(carried as u32)
    }

    /// Adds up to `limit` bytes that were sent, from `offset` bytes behind the front on, to the body of `packet`, for a retransmission. What
    /// was written in small pieces is copied together, so that it is sent again in few segments, however many it was sent in. `copied`
    /// counts those bytes.
    #[cold]
    pub(crate) fn copy_sent(
        &self,
        offset: u32,
        limit: u32,
        packet: &mut Packet,
        memory: &Memory,
        copied: &mut u64,
    ) -> u32 {
        let range = (
            offset as usize,
            limit.min(self.sent.saturating_sub(offset)) as usize,
        );
        let mut added: usize = self.parts(range).take(MAX_PIECES).map(<[u8]>::len).sum();
        if added < range.1
            && let Some(together) = self.copy_together(range, added, &memory.pool)
        {
            added = together.len();
            *copied += added as u64;
            packet.push_piece(together).expect("the first piece");
            return added as u32;
        }
        let mut skipped = range.0;
        let mut left = added;
        for piece in self.pieces.iter() {
            if skipped >= piece.len() {
                skipped -= piece.len();
                continue;
            }
            if left == 0 {
                break;
            }
            let part = piece.slice(skipped..piece.len().min(skipped + left));
            skipped = 0;
            left -= part.len();
            packet.push_piece(part).expect("no more pieces than a body has");
        }
        added as u32
    }

    /// Whether [`copy_sent`](Self::copy_sent) copies so many bytes whether or not there is memory.
    pub(crate) fn can_copy_whole(&self, offset: u32, limit: u32) -> bool {
        let range = (offset as usize, limit as usize);
        self.parts(range).take(MAX_PIECES).map(<[u8]>::len).sum::<usize>() == range.1
    }

    /// The bytes of a range, given by offset and length, piece by piece.
    fn parts(&self, (offset, length): (usize, usize)) -> impl Iterator<Item = &[u8]> {
        let (mut skipped, mut left) = (offset, length);
        let parts = self.pieces.iter().map(move |piece| {
            let start = skipped.min(piece.len());
            skipped -= start;
            let end = piece.len().min(start + left);
            left -= end - start;
            &piece[start..end]
        });
        parts.filter(|part| !part.is_empty())
    }

    /// The first bytes of a range in one slot, if it has room for more than `fewest` of them.
    fn copy_together(&self, range: (usize, usize), fewest: usize, pool: &FramePool) -> Option<Payload> {
        let mut frame = pool.allocate(Purpose::Application, Size::Small)?;
        let mut left = frame.tailroom().min(range.1);
        if left <= fewest {
            return None;
        }
        for part in self.parts(range) {
            let here = part.len().min(left);
            frame.extend(here)?.copy_from_slice(&part[..here]);
            left -= here;
            if left == 0 {
                break;
            }
        }
        Some(frame.freeze())
    }

    /// Drops the first `bytes`, which the peer has and which are not all; [`SendQueue::clear`] is for all.
    #[inline(never)]
    pub(crate) fn acknowledge_part(&mut self, bytes: u32) {
        let mut left = bytes.min(self.len) as usize;
        self.len -= left as u32;
        let overtaken = left as u32 > self.sent;
        self.sent = self.sent.saturating_sub(left as u32);
        while left > 0 {
            let front = self.pieces.front_mut().expect("queued bytes have pieces");
            if left < front.len() {
                front.advance(left);
                if self.next_piece == 0 {
                    self.next_offset = self.next_offset.saturating_sub(left);
                }
                break;
            }
            left -= front.len();
            self.pieces.pop_front();
            if self.next_piece == 0 {
                self.next_offset = 0;
            }
            self.next_piece = self.next_piece.saturating_sub(1);
        }
        debug_assert!(!overtaken || (self.next_piece == 0 && self.next_offset == 0));
    }

    /// Checks that the counts are those of the pieces. O(pieces).
    pub(crate) fn check(&self) -> Checked {
        let length = |pieces: usize| -> u64 {
            self.pieces
                .iter()
                .take(pieces)
                .map(|piece| piece.len() as u64)
                .sum()
        };
        let (held, counted) = (length(usize::MAX), u64::from(self.len));
        ensure!(
            held == counted,
            "the send queue holds {held} octets and counts {counted}"
        );
        let before_next = length(self.next_piece) + self.next_offset as u64;
        ensure!(
            before_next == u64::from(self.sent) && self.sent <= self.len,
            "the send queue goes on after {before_next} octets, {} of {counted} were sent",
            self.sent
        );
        Ok(())
    }

    /// Drops everything; the storage is kept for the next connection.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.len = 0;
        self.sent = 0;
        self.next_piece = 0;
        self.next_offset = 0;
    }
}

/// Where the bytes of writes go.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) pool: FramePool,
    pub(crate) carver: Carver,
}

impl Memory {
    pub(crate) fn new(pool: FramePool) -> Self {
        Self {
            carver: Carver::new(pool.clone(), Purpose::Application),
            pool,
        }
    }
}

/// How much a queue holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: u32,
    pub(crate) pieces: usize,
}

#[cfg(test)]
mod tests;
