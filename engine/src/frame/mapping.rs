//! The one mapping that all slots of a pool live in, and the ring through which lent slots come home.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use crossbeam::queue::ArrayQueue;

const HUGE_PAGE: usize = 2 << 20;

/// What must outlive every [`Loan`](super::Loan): the bytes, and the way home. Shared between threads.
#[derive(Debug)]
pub(super) struct Shared {
    base: NonNull<u8>,
    layout: Layout,
    /// Slots whose loan ended on another thread. As large as the number of loans that may be out, so never full.
    pub(super) returns: ArrayQueue<u32>,
}

// SAFETY: `base` is only an address here. Bytes are reached through `Frame` (unique, stays on the home thread), `Payload`
// (read-only, stays on the home thread) and `Loan` (read-only); no writer exists while a reader on another thread does.
unsafe impl Send for Shared {}
// SAFETY: as above; through `&Shared` nothing can be written but the return ring, which is itself `Sync`.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps `bytes` zeroed bytes, in huge pages where the system gives them.
    pub(super) fn new(bytes: usize, max_loans: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(1), HUGE_PAGE).expect("a pool fits the address space");
        // SAFETY: the layout's size is not zero.
        let Some(base) = NonNull::new(unsafe { alloc_zeroed(layout) }) else {
            handle_alloc_error(layout)
        };
        prefer_huge_pages(base, layout.size());
        Self {
            base,
            layout,
            returns: ArrayQueue::new(max_loans.max(1)),
        }
    }

    /// The first byte of the mapping.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes in the mapping.
    pub(super) fn len(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: `base` came from `alloc_zeroed` with this very layout, and no handle to the bytes is left.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn prefer_huge_pages(base: NonNull<u8>, bytes: usize) {
    use rustix::mm::{Advice, madvise};
    if bytes >= HUGE_PAGE {
        // SAFETY: the range is ours, and this advice changes no contents. A refusal costs speed only.
        let _ = unsafe { madvise(base.as_ptr().cast(), bytes, Advice::LinuxHugepage) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn prefer_huge_pages(_base: NonNull<u8>, _bytes: usize) {}
