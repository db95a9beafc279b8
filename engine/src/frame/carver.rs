//! Small payloads of different owners side by side in one slot.

use core::fmt;
use core::ptr::NonNull;
use core::slice;
use std::rc::Rc;

use super::pool::PoolInner;
use super::{FramePool, Payload, Purpose, Size};

/// Payloads start at multiples of so many bytes, so that no two share a word.
const ALIGNMENT: usize = 16;

/// Cuts small payloads from one slot after another. A message of a few bytes then takes a few bytes, not a slot; the slot returns to the pool
/// with the last of its payloads.
pub struct Carver {
    pool: FramePool,
    purpose: Purpose,
    slot: Option<Slot>,
}

/// The slot that is being cut up. The carver holds a reference of its own, so that nobody thaws the slot meanwhile.
struct Slot {
    pool: Rc<PoolInner>,
    id: u32,
    base: NonNull<u8>,
    used: usize,
    capacity: usize,
}

impl Carver {
    /// A carver that takes its slots from `pool` for `purpose`.
    pub fn new(pool: FramePool, purpose: Purpose) -> Self {
        Self {
            pool,
            purpose,
            slot: None,
        }
    }

    /// A payload of `len` bytes that `fill` writes. `None` when the pool has no slot left, or `len` exceeds a small slot.
    #[inline]
    pub fn carve(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Option<Payload> {
        if self
            .slot
            .as_ref()
            .is_none_or(|slot| slot.capacity - slot.used < len)
        {
            self.slot = Some(Slot::take(&self.pool, self.purpose)?);
        }
        let slot = self
            .slot
            .as_mut()
            .filter(|slot| len <= slot.capacity - slot.used)?;
        // SAFETY: the range lies inside the slot, behind everything that was carved before: no payload refers to it, and the carver is the
        // only one that makes payloads of this slot.
        let (first, bytes) = unsafe {
            let first = slot.base.add(slot.used);
            (first, slice::from_raw_parts_mut(first.as_ptr(), len))
        };
        fill(bytes);
        slot.used = (slot.used + len).next_multiple_of(ALIGNMENT).min(slot.capacity);
        slot.pool.retain(slot.id);
        Some(Payload::of_slot(slot.pool.clone(), slot.id, first, len as u32))
    }
}

impl Slot {
    fn take(pool: &FramePool, purpose: Purpose) -> Option<Self> {
        let pool = pool.inner.clone();
        let id = pool.take(purpose, Size::Small)?;
        let (base, capacity) = pool.bytes_of(id);
        Some(Self {
            pool,
            id,
            base,
            used: 0,
            capacity,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.release(self.id);
    }
}

impl fmt::Debug for Carver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carver")
            .field("purpose", &self.purpose)
            .field("used", &self.slot.as_ref().map(|slot| slot.used))
            .finish()
    }
}
