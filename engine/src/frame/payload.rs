//! Bytes that are shared and can never be written again while they are.

use core::fmt;
use core::ops::Bound;
use core::ops::{Deref, RangeBounds};
use core::ptr::NonNull;
use core::slice;
use std::rc::Rc;
use std::sync::Arc;

use super::pool::PoolInner;
use super::{Frame, Loan};

/// Read-only bytes of a slot, of another thread's slot, or of a `'static` slice. Cloning and slicing share the bytes
/// and cost a counter; the slot returns to its pool with the last handle. 24 bytes.
pub struct Payload {
    first: NonNull<u8>,
    len: u32,
    slot: u32,
    /// `None` for `'static` bytes.
    pool: Option<Rc<PoolInner>>,
}

impl Payload {
    /// No bytes.
    pub const fn empty() -> Self {
        Self {
            first: NonNull::dangling(),
            len: 0,
            slot: 0,
            pool: None,
        }
    }

    /// Bytes that live for ever. Longer slices than 4 GiB are cut.
    pub fn from_static(bytes: &'static [u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            first: NonNull::from(bytes).cast(),
            len,
            slot: 0,
            pool: None,
        }
    }

    #[inline]
    pub(super) fn of_slot(pool: Rc<PoolInner>, slot: u32, first: NonNull<u8>, len: u32) -> Self {
        Self {
            first,
            len,
            slot,
            pool: Some(pool),
        }
    }

    /// The pool and the slot that hold the bytes; `None` for `'static` ones.
    pub(super) fn place(&self) -> Option<(&Rc<PoolInner>, u32)> {
        self.pool.as_ref().map(|pool| (pool, self.slot))
    }

    pub(super) fn borrowed(pool: Rc<PoolInner>, slot: u32, loan: &Loan) -> Self {
        Self {
            first: NonNull::from(&**loan).cast(),
            len: loan.len() as u32,
            slot,
            pool: Some(pool),
        }
    }

    /// The bytes of `range` as a handle of their own.
    ///
    /// # Panics
    /// If the range is not inside the payload.
    #[inline]
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end + 1,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len(),
        };
        let mut part = self.clone();
        part.truncate(end);
        assert!(
            end <= self.len() && start <= end,
            "{start}..{end} of {} bytes",
            self.len()
        );
        part.advance(start);
        part
    }

    /// Drops the first `bytes`; all of them when there are fewer.
    #[inline]
    pub fn advance(&mut self, bytes: usize) {
        let bytes = bytes.min(self.len());
        // SAFETY: at most `len` bytes are skipped, so the address stays inside the slot or one past its end.
        self.first = unsafe { self.first.add(bytes) };
        self.len -= bytes as u32;
    }

    /// Keeps the first `bytes`; no change when there are fewer.
    #[inline]
    pub fn truncate(&mut self, bytes: usize) {
        self.len = self.len.min(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Takes the first `bytes` off as a handle of their own; everything when there are fewer.
    #[inline]
    #[must_use]
    pub fn split_front(&mut self, bytes: usize) -> Self {
        let mut front = self.clone();
        front.truncate(bytes);
        self.advance(bytes);
        front
    }

    /// Drops the handle without a call. For the few places where payloads end all the time; everywhere else a call is smaller.
    #[inline(always)]
    pub(crate) fn end(mut self) {
        if let Some(pool) = self.pool.take() {
            pool.release(self.slot);
        }
    }

    /// Whether its slot was received into and is one of a kind of which fewer than a quarter are left to receive into: who would hold it for
    /// long had better copy it together with others, or let go.
    #[inline]
    pub(crate) fn is_scarce(&self) -> bool {
        self.pool
            .as_ref()
            .is_some_and(|pool| pool.is_scarce_to_receive(self.slot))
    }

    /// Becomes a writable frame again if this is the only handle to a slot of this thread.
    ///
    /// # Errors
    /// The payload itself, when it is shared, borrowed from another thread, or `'static`.
    pub fn try_thaw(self) -> Result<Frame, Self> {
        match &self.pool {
            Some(pool) if !pool.is_borrowed(self.slot) && pool.is_unique(self.slot) => {}
            _ => return Err(self),
        }
        let (slot, len, first) = (self.slot, self.len, self.first);
        let mut this = core::mem::ManuallyDrop::new(self);
        let pool = this.pool.take().expect("checked above");
        let (base, _) = pool.bytes_of(slot);
        let start = (first.as_ptr() as usize - base.as_ptr() as usize) as u32;
        Ok(Frame::thawed(pool, slot, start..start + len))
    }

    /// Hands this handle to another thread.
    ///
    /// # Errors
    /// The payload itself, when it is borrowed already or when as many loans as configured are out; the caller copies then.
    pub fn lend(self) -> Result<Loan, Self> {
        let shared = match &self.pool {
            None => None,
            Some(pool) if pool.is_borrowed(self.slot) || !pool.lend() => return Err(self),
            Some(pool) => Some(Arc::clone(&pool.shared)),
        };
        let mut this = core::mem::ManuallyDrop::new(self);
        // The slot's reference is the loan's now; only the handle to the pool ends here.
        drop(this.pool.take());
        Ok(Loan::new(shared, this.slot, this.first, this.len))
    }
}

impl Clone for Payload {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(pool) = &self.pool {
            pool.retain(self.slot);
        }
        Self {
            first: self.first,
            len: self.len,
            slot: self.slot,
            pool: self.pool.clone(),
        }
    }
}

impl Drop for Payload {
    /// Most drops are of payloads that hold nothing, where this is one comparison.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            end(pool, self.slot);
        }
    }
}

/// Ends a handle to a slot.
#[inline(never)]
#[expect(clippy::needless_pass_by_value, reason = "the handle to the pool ends too")]
fn end(pool: Rc<PoolInner>, slot: u32) {
    pool.release(slot);
}

impl Deref for Payload {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are inside a slot that this handle keeps from being written or reused (or are `'static`), and the
        // mapping was zeroed, so they are initialised.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len as usize) }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload(slot {}, {} bytes)", self.slot, self.len)
    }
}
