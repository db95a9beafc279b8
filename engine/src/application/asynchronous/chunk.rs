//! Received bytes outside of the engine's thread.

use core::fmt;
use core::ops::Deref;
use std::sync::Arc;

use super::Pipe;
use crate::frame::{Loan, Payload};

/// Bytes on their way to the program: those of the engine's frame, or a copy where no more frames can be lent.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    /// What was read already.
    start: usize,
}

#[derive(Debug)]
enum Bytes {
    Lent(Loan),
    Copied(Box<[u8]>),
}

impl Piece {
    pub(crate) fn new(payload: Payload) -> Self {
        let bytes = match payload.lend() {
            Ok(loan) => Bytes::Lent(loan),
            Err(payload) => Bytes::Copied((&payload[..]).into()),
        };
        Self { bytes, start: 0 }
    }

    /// Takes up to `count` bytes off the front; `true` when none is left.
    pub(super) fn advance(&mut self, count: usize) -> bool {
        self.start += count.min(self.len());
        self.is_empty()
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Bytes::Lent(loan) => &**loan,
            Bytes::Copied(copy) => copy,
        };
        &bytes[self.start..]
    }
}

/// Received bytes in the memory in which they arrived, from [`TcpStream::chunk`](super::TcpStream::chunk). For any thread; as long as it lives, the
/// receive window stays closed by as much. `bytes::Bytes::from_owner` takes it.
pub struct Chunk {
    piece: Piece,
    pipe: Arc<Pipe>,
}

impl Chunk {
    pub(super) fn new(piece: Piece, pipe: Arc<Pipe>) -> Self {
        Self { piece, pipe }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.piece
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let bytes = self.piece.len();
        self.pipe.act(|state| state.give_back(bytes));
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len())
    }
}
