//! A slot with one owner, who may write.

use core::fmt;
use core::ops::{Deref, DerefMut, Range};
use core::ptr::NonNull;
use core::slice;
use std::rc::Rc;

use super::pool::PoolInner;
use super::{LARGE_SLOT, Payload, SMALL_SLOT, Size};

const PAGE: usize = 4096;

/// A slot of a [`FramePool`](super::FramePool) with one owner. Its bytes are the ones between headroom and tailroom; headers are
/// pushed in front and pulled off in place. Dropping it returns the slot.
pub struct Frame {
    pool: Rc<PoolInner>,
    base: NonNull<u8>,
    slot: u32,
    capacity: u32,
    start: u32,
    end: u32,
}

impl Frame {
    #[inline]
    pub(super) fn new(pool: Rc<PoolInner>, slot: u32, size: Size) -> Self {
        let (base, _) = pool.bytes_of(slot);
        let capacity = match size {
            Size::Small => SMALL_SLOT,
            Size::Large => LARGE_SLOT,
        } as u32;
        Self {
            pool,
            base,
            slot,
            capacity,
            start: 0,
            end: 0,
        }
    }

    /// Takes over the one reference to a slot, whose bytes are `range`.
    pub(super) fn thawed(pool: Rc<PoolInner>, slot: u32, range: Range<u32>) -> Self {
        let (base, capacity) = pool.bytes_of(slot);
        Self {
            pool,
            base,
            slot,
            capacity: capacity as u32,
            start: range.start,
            end: range.end,
        }
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// Leaves `bytes` of headroom. Only an empty frame can be given headroom; it is capped at the slot's size.
    pub fn reserve(&mut self, bytes: usize) {
        if self.is_empty() {
            self.start = (bytes as u32).min(self.capacity);
            self.end = self.start;
        }
    }

    /// Bytes that can still be pushed in front.
    pub fn headroom(&self) -> usize {
        self.start as usize
    }

    /// Bytes that can still be appended.
    pub fn tailroom(&self) -> usize {
        (self.capacity - self.end) as usize
    }

    /// Grows the frame by `bytes` in front and gives the new bytes. `None` (and no change) without the headroom.
    pub fn push_front(&mut self, bytes: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(u32::try_from(bytes).ok()?)?;
        Some(&mut self[..bytes])
    }

    /// Drops `bytes` in front; all of them when there are fewer.
    pub fn pull_front(&mut self, bytes: usize) {
        self.start += (bytes.min(self.len())) as u32;
    }

    /// Grows the frame by `bytes` at the end and gives the new bytes. `None` (and no change) without the tailroom.
    pub fn extend(&mut self, bytes: usize) -> Option<&mut [u8]> {
        if bytes > self.tailroom() {
            return None;
        }
        let old = self.len();
        self.end += bytes as u32;
        Some(&mut self[old..])
    }

    /// Keeps the first `bytes`; no change when there are fewer.
    pub fn truncate(&mut self, bytes: usize) {
        self.end = self.end.min(self.start.saturating_add(bytes as u32));
    }

    /// Gives up the right to write, for the right to share.
    #[inline]
    pub fn freeze(self) -> Payload {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the handle to the pool is moved out exactly once.
        let pool = unsafe { core::ptr::read(&this.pool) };
        // SAFETY: `start <= capacity`, so the address stays inside the slot.
        let first = unsafe { this.base.add(this.start as usize) };
        Payload::of_slot(pool, this.slot, first, this.end - this.start)
    }

    pub(super) fn touch_pages(&self) {
        for offset in (0..self.capacity as usize).step_by(PAGE) {
            // SAFETY: the offset is inside the slot, which this frame owns alone.
            unsafe { self.base.add(offset).write_volatile(0) }
        }
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start <= end <= capacity`; the mapping was zeroed, so all bytes are initialised; nobody else writes.
        unsafe {
            slice::from_raw_parts(
                self.base.add(self.start as usize).as_ptr(),
                (self.end - self.start) as usize,
            )
        }
    }
}

impl DerefMut for Frame {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`; the one reference to the slot is ours, so nobody else reads or writes.
        unsafe {
            slice::from_raw_parts_mut(
                self.base.add(self.start as usize).as_ptr(),
                (self.end - self.start) as usize,
            )
        }
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        self.pool.release(self.slot);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Frame(slot {}, {} bytes, headroom {})",
            self.slot,
            self.len(),
            self.headroom()
        )
    }
}
