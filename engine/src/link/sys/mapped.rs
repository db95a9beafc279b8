//! Memory that is shared with the kernel.

use core::ops::Range;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::{AtomicU32, AtomicU64};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping of a descriptor's rings. Words change under the reader's hands, so they are read as atomics; whose turn it is to read or write
/// the bytes between them is what the words say.
#[derive(Debug)]
pub(in crate::link) struct Mapped {
    base: NonNull<u8>,
    len: usize,
}

impl Mapped {
    /// Maps `len` bytes at `offset` of a descriptor, all of them touched.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::link) fn new(of: BorrowedFd<'_>, len: usize, offset: u64) -> io::Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: the kernel chooses the address, so nothing else is mapped over.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
                of,
                offset,
            )
        }?;
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            len,
        })
    }

    /// A mapping of nothing, for tests of what is done with one.
    #[cfg(test)]
    pub(super) fn anonymous(len: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses the address, so nothing else is mapped over.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            len,
        })
    }

    /// Whether `len` bytes from `offset` on lie in the mapping, as whole words.
    pub(in crate::link) fn has_words(&self, offset: usize, len: usize) -> bool {
        offset.is_multiple_of(4) && offset.checked_add(len).is_some_and(|end| end <= self.len)
    }

    /// The 32-bit word at `offset`.
    ///
    /// # Panics
    /// If it does not lie in the mapping, or across words.
    #[inline]
    pub(in crate::link) fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
        // SAFETY: the word is inside the mapping, aligned as the mapping is to pages, and is only ever used as an atomic by us.
        unsafe { AtomicU32::from_ptr(self.base.add(offset).cast().as_ptr()) }
    }

    /// The 64-bit word at `offset`.
    ///
    /// # Panics
    /// As [`Mapped::word`].
    #[inline]
    pub(in crate::link) fn double_word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.len);
        // SAFETY: as for `word`.
        unsafe { AtomicU64::from_ptr(self.base.add(offset).cast().as_ptr()) }
    }

    /// Bytes that are ours to read until we give them back; `None` when they do not lie in the mapping.
    #[inline]
    pub(in crate::link) fn bytes(&self, range: Range<usize>) -> Option<&[u8]> {
        let is_inside = range.start <= range.end && range.end <= self.len;
        // SAFETY: the range is inside the mapping, and the kernel does not write to what it has handed over.
        is_inside.then(|| unsafe {
            slice::from_raw_parts(self.base.add(range.start).as_ptr(), range.end - range.start)
        })
    }

    /// Writes bytes where it is our turn to write; `false` when they do not lie in the mapping.
    #[inline]
    pub(in crate::link) fn write(&self, at: usize, bytes: &[u8]) -> bool {
        let is_inside = at.checked_add(bytes.len()).is_some_and(|end| end <= self.len);
        if is_inside {
            // SAFETY: the range is inside the mapping, which no other borrow of bytes reaches: what is lent out by `bytes` is the receive
            // ring's, and the kernel does not read what it has not been handed.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at).as_ptr(), bytes.len()) };
        }
        is_inside
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: `new` has mapped exactly this, and nothing borrows from it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
