//! Datagrams in pieces: put together on receipt (RFC 791 section 3.2, RFC 815, RFC 8200 section 4.5), and cut for sending.
//!
//! What a stranger can make us hold is bounded in every direction: [`FragmentConfig`](crate::config::FragmentConfig) limits datagrams and
//! time, a datagram takes one large slot of the pool however many fragments it comes in, and it comes in [`MAX_FRAGMENTS`] at most. The
//! datagram that was begun first makes way.
//!
//! Fragments that overlap are an attack, so both families follow RFC 5722: the whole datagram is refused silently, and what still comes of it.
//! An exact repetition alone is ignored.

mod assembly;
mod header;
mod identification;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub(super) use self::identification::Identifications;
pub(super) use self::receive::Reassembly;
pub use self::send::{NoRoom, Oversized};

/// Fragments that a datagram may come in: a datagram of the largest size fits through links with an MTU of 576.
const MAX_FRAGMENTS: usize = 128;
