//! Counts heap allocations, so that a scenario can say how many an operation costs.
//!
//! The counter belongs to the thread: reading it before and after the measured part of a run tells what this generator
//! and the stack inside it allocated, and nothing of what other threads did meanwhile.

// The one place of the harness that needs `unsafe`: implementing the allocator interface is unsafe by definition, and
// nothing but a wrapper around the system's allocator sees every allocation.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator with a counter for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Heap allocations (a growing reallocation is one) that the calling thread has made since it started.
pub(crate) fn on_this_thread() -> u64 {
    COUNT.get()
}

fn count() {
    // A thread that is being torn down has no counter any more, and nobody who would read it.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed to `System` unchanged, which keeps the contract; the counter needs no heap and cannot unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `pointer` came from `System` through this type, with `layout`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` through this type, with `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allocation_of_this_thread_is_counted_and_no_other() {
        let before = on_this_thread();
        let boxes: [Box<u64>; 3] = std::array::from_fn(|n| std::hint::black_box(Box::new(n as u64)));
        assert_eq!(on_this_thread() - before, 3);
        drop(boxes);
        assert_eq!(on_this_thread() - before, 3);

        let elsewhere = std::thread::spawn(|| {
            let before = on_this_thread();
            drop(std::hint::black_box(Box::new(7_u64)));
            on_this_thread() - before
        });
        assert_eq!(elsewhere.join().expect("the thread does not panic"), 1);
    }
}
