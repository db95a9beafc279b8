//! What the application reads: the very bytes that arrived, and the credit that reopens the window when it is done.

use core::cell::RefCell;
use core::fmt;
use core::ops::Deref;
use std::rc::Rc;

use super::Payload;

/// So many bytes of a connection's receive buffer were given back by the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credit {
    /// Whatever the engine uses to name the connection; a stale name is ignored.
    pub connection: u64,
    /// Bytes given back.
    pub bytes: u32,
}

/// Where dropped [`RxChunk`]s leave their credit, for the next poll to collect. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct CreditList(Rc<RefCell<Vec<Credit>>>);

impl CreditList {
    /// A list with room for `capacity` credits before it must grow.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Rc::new(RefCell::new(Vec::with_capacity(capacity))))
    }

    /// Records that `bytes` of `connection` were given back. Credits that follow each other are merged.
    pub fn push(&self, connection: u64, bytes: u32) {
        let mut credits = self.0.borrow_mut();
        match credits.last_mut() {
            Some(last) if last.connection == connection => last.bytes += bytes,
            _ => credits.push(Credit { connection, bytes }),
        }
    }

    /// Takes the oldest of what is left, from the end of the list.
    pub fn pop(&self) -> Option<Credit> {
        self.0.borrow_mut().pop()
    }
}

/// Received bytes in the frame that the device filled. While the application holds it, the receive window stays closed by as much.
pub struct RxChunk {
    payload: Payload,
    /// What the drop gives back: all bytes that the chunk was made with.
    credited: u32,
    connection: u64,
    credits: CreditList,
}

impl RxChunk {
    /// A chunk that gives its length back to `connection` through `credits` when it is dropped.
    pub fn new(payload: Payload, connection: u64, credits: CreditList) -> Self {
        Self {
            credited: payload.len() as u32,
            payload,
            connection,
            credits,
        }
    }

    /// Shares the bytes beyond the life of the chunk, without keeping the window closed.
    pub fn payload(&self) -> Payload {
        self.payload.clone()
    }
}

impl Deref for RxChunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for RxChunk {
    fn drop(&mut self) {
        self.credits.push(self.connection, self.credited);
    }
}

impl fmt::Debug for RxChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RxChunk({} bytes)", self.payload.len())
    }
}
