//! The memory that the kernel reads and writes on behalf of a ring.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The one group of provided buffers.
pub(super) const GROUP: u16 = 0;
const PAGE: usize = 4096;

/// Received bytes in a buffer that the kernel leaves alone until it is given back.
#[derive(Debug)]
pub(crate) struct Arrived {
    buffer: u16,
    start: u32,
    end: u32,
}

impl Arrived {
    pub(super) fn new(buffer: u16, length: u32) -> Self {
        Self {
            buffer,
            start: 0,
            end: length,
        }
    }

    /// Leaves out the first `count` bytes from now on.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count as u32);
    }

    /// Whether every byte was consumed.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Buffers that the kernel chooses from when bytes arrive (a provided buffer ring): one mapping, the ring first.
#[derive(Debug)]
pub(super) struct Incoming {
    mapping: NonNull<u8>,
    count: u16,
    size: u32,
    tail: u16,
}

impl Incoming {
    pub(super) fn register(ring: &IoUring, count: u16, size: u32) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "{count} buffers");
        let length = Self::data_offset(count) + usize::from(count) * size as usize;
        // SAFETY: an anonymous mapping at an address that the kernel chooses touches no other memory.
        let mapping = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let mapping = NonNull::new(mapping.cast()).expect("a mapping is not at 0");
        let mut incoming = Self {
            mapping,
            count,
            size,
            tail: 0,
        };
        // SAFETY: the ring is at the start of the mapping, page-aligned, has `count` entries, and `Ring` unmaps it after the
        // descriptor of the io_uring is closed.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(mapping.as_ptr() as u64, count, GROUP, 0)
        }?;
        for buffer in 0..count {
            incoming.give_back(Arrived::new(buffer, 0));
        }
        Ok(incoming)
    }

    fn data_offset(count: u16) -> usize {
        (usize::from(count) * size_of::<BufRingEntry>()).next_multiple_of(PAGE)
    }

    fn buffer(&self, index: u16) -> NonNull<u8> {
        let offset = Self::data_offset(self.count) + usize::from(index) * self.size as usize;
        // SAFETY: `index` is below `count`, so the buffer lies within the mapping.
        unsafe { self.mapping.add(offset) }
    }

    pub(super) fn bytes<'a>(&'a self, arrived: &'a Arrived) -> &'a [u8] {
        let length = (arrived.end - arrived.start) as usize;
        // SAFETY: the kernel has filled the buffer up to `end` (at most its size) and, as there is only one `Arrived` for it and
        // that was not given back, does not write to it.
        unsafe {
            let start = self.buffer(arrived.buffer).add(arrived.start as usize);
            std::slice::from_raw_parts(start.as_ptr(), length)
        }
    }

    pub(super) fn give_back(&mut self, arrived: Arrived) {
        let base = self.mapping.cast::<BufRingEntry>().as_ptr();
        let index = self.tail & (self.count - 1);
        let start = self.buffer(arrived.buffer).as_ptr() as u64;
        // SAFETY: the index is below `count`. The kernel does not read an entry beyond the tail, and there are no more entries
        // than buffers, so this one was used up. Only the named fields are written: the tail lies in the first entry.
        let entry = unsafe { &mut *base.add(usize::from(index)) };
        entry.set_addr(start);
        entry.set_len(self.size);
        entry.set_bid(arrived.buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `base` is the start of a live, page-aligned ring, and its tail is only accessed atomically.
        let tail = unsafe { &*BufRingEntry::tail(base).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let length = Self::data_offset(self.count) + usize::from(self.count) * self.size as usize;
        // SAFETY: the mapping is of this length, and no `Arrived` can be looked at without the `Incoming` that is going.
        let _ = unsafe { munmap(self.mapping.as_ptr().cast(), length) };
    }
}

/// Bytes that are to be sent, in a buffer of the ring's; to be given to [`Ring::send`](super::Ring::send) or
/// [`Ring::discard`](super::Ring::discard).
#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) buffer: u32,
    pub(super) length: usize,
}

/// Buffers of drafts and of sends in flight.
#[derive(Debug)]
pub(super) struct Outgoing {
    size: usize,
    buffers: Vec<Box<[u8]>>,
    free: Vec<u32>,
}

impl Outgoing {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            buffers: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Bytes of a buffer.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// A buffer that nobody else uses until [`Outgoing::put_back`].
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.buffers.push(vec![0; self.size].into_boxed_slice());
            self.buffers.len() as u32 - 1
        })
    }

    pub(super) fn bytes(&mut self, index: u32) -> &mut [u8] {
        &mut self.buffers[index as usize]
    }

    pub(super) fn put_back(&mut self, index: u32) {
        self.free.push(index);
    }
}
