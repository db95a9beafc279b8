//! Bytes that were looked at (`MSG_PEEK`) and not read yet.

use std::collections::VecDeque;

use handfast::application::RxChunk;

/// Chunks taken from the engine. While they are here, the receive window stays closed by as much, as if they had not been taken.
#[derive(Debug, Default)]
pub(super) struct Peeked {
    chunks: VecDeque<RxChunk>,
    /// Bytes of the first chunk that were read since.
    read: usize,
}

impl Peeked {
    /// Bytes that can be read.
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum::<usize>() - self.read
    }

    /// Bytes that were read and still keep the window closed.
    pub(super) fn read(&self) -> usize {
        self.read
    }

    pub(super) fn push(&mut self, chunk: RxChunk) {
        self.chunks.push_back(chunk);
    }

    /// Whether all bytes are zero, as scripts have it.
    pub(super) fn is_zero(&self) -> bool {
        self.chunks
            .iter()
            .all(|chunk| chunk.iter().all(|byte| *byte == 0))
    }

    /// Reads up to `limit` bytes and tells how many.
    pub(super) fn take(&mut self, limit: usize) -> usize {
        let taken = limit.min(self.len());
        self.read += taken;
        while let Some(first) = self.chunks.front().filter(|first| first.len() <= self.read) {
            self.read -= first.len();
            self.chunks.pop_front();
        }
        taken
    }
}
