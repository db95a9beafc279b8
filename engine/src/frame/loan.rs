//! Bytes that another thread reads while their slot still belongs to its home thread.

use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;
use core::slice;
use std::sync::Arc;

use super::mapping::Shared;

/// A [`Payload`](super::Payload) on its way to, or on, another thread: read-only, keeps the mapping alive. Dropping it sends
/// the slot home through a ring; only the home thread ever touches the reference count.
pub struct Loan {
    /// `None` for `'static` bytes.
    shared: Option<Arc<Shared>>,
    slot: u32,
    len: u32,
    first: NonNull<u8>,
}

// SAFETY: the bytes are read-only for as long as the loan lives: the home thread holds the slot's reference for it, and a frame
// that could write to the slot exists only while there is no other reference. The drop goes through a `Sync` ring.
unsafe impl Send for Loan {}

impl Loan {
    pub(super) fn new(shared: Option<Arc<Shared>>, slot: u32, first: NonNull<u8>, len: u32) -> Self {
        Self {
            shared,
            slot,
            len,
            first,
        }
    }
}

impl Deref for Loan {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `shared` keeps the mapping alive (or the bytes are `'static`), and the slot's reference is not released before
        // the drop, so nobody writes to these bytes.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len as usize) }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let returned = shared.returns.push(self.slot);
            debug_assert!(
                returned.is_ok(),
                "the return ring holds as many slots as may be lent"
            );
        }
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan(slot {}, {} bytes)", self.slot, self.len)
    }
}
