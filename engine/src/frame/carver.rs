//! Small payloads of different owners side by side in one slot.

use core::fmt;
use core::ptr::NonNull;
use core::slice;

use super::{FramePool, Payload, Purpose, SMALL_SLOT, Size};

/// Payloads start at multiples of so many bytes, so that no two share a word.
const ALIGNMENT: usize = 16;

/// Cuts small payloads from one slot after another. A message of a few bytes then takes a few bytes, not a slot; the slot returns to the pool
/// with the last of its payloads.
pub struct Carver {
    pool: FramePool,
    purpose: Purpose,
    /// The slot that is being cut up. The carver holds a reference of its own, so that nobody thaws the slot meanwhile.
    slot: Option<u32>,
    /// The first byte of the slot that no payload has, and how many follow from there on; none without a slot.
    next: NonNull<u8>,
    room: usize,
}

impl Carver {
    /// A carver that takes its slots from `pool` for `purpose`.
    pub fn new(pool: FramePool, purpose: Purpose) -> Self {
        Self {
            pool,
            purpose,
            slot: None,
            next: NonNull::dangling(),
            room: 0,
        }
    }

    /// A payload of `len` bytes that `fill` writes. `None` when the pool has no slot left, or `len` exceeds a small slot.
    #[inline]
    pub fn carve(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Option<Payload> {
        let slot = match self.slot {
            Some(slot) if len <= self.room => slot,
            _ => self.renew(len)?,
        };
        let first = self.next;
        // SAFETY: `len` is at most `room`, so that the range lies inside the slot, behind everything that was carved before: no payload
        // refers to it, and the carver is the only one that makes payloads of this slot.
        fill(unsafe { slice::from_raw_parts_mut(first.as_ptr(), len) });
        let step = len.next_multiple_of(ALIGNMENT).min(self.room);
        // SAFETY: `step` is at most `room`, so that the address stays inside the slot or one past its end.
        self.next = unsafe { first.add(step) };
        self.room -= step;
        self.pool.inner.retain(slot);
        Some(Payload::of_slot(self.pool.inner.clone(), slot, first, len as u32))
    }

    /// Goes on with another slot.
    #[cold]
    fn renew(&mut self, len: usize) -> Option<u32> {
        if len > SMALL_SLOT {
            return None;
        }
        let slot = self.pool.inner.take(self.purpose, Size::Small)?;
        self.release();
        self.slot = Some(slot);
        (self.next, self.room) = self.pool.inner.bytes_of(slot);
        Some(slot)
    }

    fn release(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.room = 0;
            self.pool.inner.release(slot);
        }
    }
}

impl Drop for Carver {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Carver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carver")
            .field("purpose", &self.purpose)
            .field("room", &self.room)
            .finish()
    }
}
