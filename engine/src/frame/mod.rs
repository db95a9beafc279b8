//! Memory that the layers hand to each other.
//!
//! | type | who may read | who may write | ends |
//! |---|---|---|---|
//! | [`Frame`] | its one owner | its one owner | slot returns to the pool |
//! | [`Payload`] | every clone and slice | nobody | slot returns with the last handle |
//! | [`Loan`] | another thread | nobody | slot travels home through a return ring |
//! | [`RxChunk`] | the application | nobody | the receive window reopens |
//!
//! A [`Packet`] is an inline header and up to four `Payload`s; a [`PacketQueue`] is what devices and layers pass
//! around. The slots come from a [`FramePool`]: two size classes in one mapping, with a guaranteed share for each
//! [`Purpose`], so that a flood of one kind cannot starve another.
#![allow(unsafe_code)]

mod carver;
mod chunk;
mod ledger;
mod loan;
mod mapping;
mod packet;
mod payload;
mod pool;
mod queue;
#[cfg(test)]
mod tests;
mod unique;

pub use carver::Carver;
pub use chunk::{Credit, CreditList, RxChunk};
pub use ledger::Ledger;
pub use loan::Loan;
pub use packet::{Checksum, HEADER_CAPACITY, MAX_PIECES, Packet};
pub use payload::Payload;
pub use pool::{FramePool, PoolConfig, PoolUsage, Purpose, Size};
pub use queue::PacketQueue;
pub use unique::Frame;

/// Bytes of a small slot: one packet of an ordinary link, with room for headers in front.
pub const SMALL_SLOT: usize = 2 << 10;
/// Bytes of a large slot: one virtual segment before it is cut.
pub const LARGE_SLOT: usize = 64 << 10;
