//! A first-in, first-out ring of chunks that never moves what it holds.

use std::collections::VecDeque;
use std::hint::black_box;

/// Slots of a chunk: 128 KiB of IPv4 entries. Small enough that the unused parts of the first and the last chunk
/// don't count at a million entries, large enough that opening one is rare.
const CHUNK: usize = 4_096;

/// A queue whose items keep a position, a `u32` that counts up and wraps, for as long as they are in it.
#[derive(Debug)]
pub(super) struct ChunkedFifo<T> {
    chunks: VecDeque<Vec<T>>,
    /// Empty chunks, for use again.
    spare: Vec<Vec<T>>,
    /// The position of the first slot of the first chunk, a multiple of [`CHUNK`].
    base: u32,
    /// The first item's distance from `base`.
    head: usize,
    len: usize,
}

impl<T: Copy + Default> ChunkedFifo<T> {
    /// A queue that has touched the memory for `presize` items already.
    pub(super) fn new(presize: usize) -> Self {
        let spare = (0..presize.div_ceil(CHUNK)).map(|_| touched_chunk()).collect();
        Self {
            chunks: VecDeque::new(),
            spare,
            base: 0,
            head: 0,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The position that the next item gets.
    pub(super) fn tail(&self) -> u32 {
        self.base.wrapping_add((self.head + self.len) as u32)
    }

    pub(super) fn get(&self, position: u32) -> &T {
        let (chunk, slot) = self.place(position);
        &self.chunks[chunk][slot]
    }

    pub(super) fn get_mut(&mut self, position: u32) -> &mut T {
        let (chunk, slot) = self.place(position);
        &mut self.chunks[chunk][slot]
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.chunks.front()?.get(self.head)
    }

    /// From the first on.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut chunks = self.chunks.iter();
        let first = chunks.next().map_or(&[][..], |chunk| &chunk[self.head..]);
        first.iter().chain(chunks.flatten())
    }

    pub(super) fn push_back(&mut self, item: T) -> u32 {
        let position = self.tail();
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks
                .push_back(self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK)));
        }
        self.chunks.back_mut().expect("a chunk with room").push(item);
        self.len += 1;
        position
    }

    pub(super) fn pop_front(&mut self) -> Option<(u32, T)> {
        let item = *self.front()?;
        let position = self.base.wrapping_add(self.head as u32);
        self.head += 1;
        self.len -= 1;
        if self.head == CHUNK {
            self.head = 0;
            self.base = self.base.wrapping_add(CHUNK as u32);
            let mut emptied = self.chunks.pop_front().expect("the chunk of the item");
            emptied.clear();
            self.spare.push(emptied);
        }
        Some((position, item))
    }

    pub(super) fn mapped_bytes(&self) -> usize {
        let chunks = self.chunks.iter().chain(&self.spare);
        chunks.map(Vec::capacity).sum::<usize>() * size_of::<T>()
            + (self.chunks.capacity() + self.spare.capacity()) * size_of::<Vec<T>>()
    }

    fn place(&self, position: u32) -> (usize, usize) {
        let distance = position.wrapping_sub(self.base) as usize;
        (distance / CHUNK, distance % CHUNK)
    }
}

/// The compiler must not know what is written: for zeros it would ask for memory that is zero, and touch nothing.
fn touched_chunk<T: Copy + Default>() -> Vec<T> {
    let mut chunk = Vec::with_capacity(CHUNK);
    chunk.resize(CHUNK, black_box(T::default()));
    chunk.clear();
    chunk
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, ChunkedFifo};

    #[test]
    fn positions_stay_while_the_queue_moves_and_wraps() {
        let mut fifo = ChunkedFifo::<u32>::new(0);
        fifo.base = 0u32.wrapping_sub(CHUNK as u32);
        for item in 0..100_000 {
            let position = fifo.push_back(item);
            assert_eq!(*fifo.get(position), item);
            if item >= 10_000 {
                let (position, oldest) = fifo.pop_front().unwrap();
                assert_eq!(oldest, item - 10_000);
                assert_eq!(fifo.tail().wrapping_sub(position), 10_001);
            }
        }
        assert!(fifo.iter().copied().eq(90_000..100_000));
        assert_eq!(fifo.len(), 10_000);
    }

    /// Pages that this thread has touched for the first time so far.
    #[cfg(target_os = "linux")]
    fn page_faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("the state of this thread");
        let behind_name = stat.rsplit_once(')').expect("a name in parentheses").1;
        let minor = behind_name
            .split_whitespace()
            .nth(7)
            .expect("the number of minor faults");
        minor.parse().expect("a number")
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_touched_ahead_is_not_touched_first_when_it_is_used() {
        const ITEMS: u32 = 256 * 1024;
        let mut fifo = ChunkedFifo::<[u64; 4]>::new(ITEMS as usize);
        let before = page_faults();
        for item in 0..ITEMS {
            fifo.push_back([u64::from(item); 4]);
        }
        let faults = page_faults() - before;
        assert!(faults < 64, "{faults} of 2048 pages were touched late");
    }

    #[test]
    fn chunks_are_used_again() {
        let mut fifo = ChunkedFifo::<u32>::new(10_000);
        let mapped = fifo.mapped_bytes();
        for item in 0..200_000 {
            fifo.push_back(item);
            if fifo.len() > 8_000 {
                fifo.pop_front();
            }
        }
        assert!(
            fifo.mapped_bytes() <= mapped + 1_024,
            "{} bytes",
            fifo.mapped_bytes()
        );
    }
}
