//! What the benches measure: two ends of a stack on one thread, joined by a wire in memory.

pub mod engine_ends;
pub mod smoltcp_ends;
pub mod smoltcp_wire;

/// Bytes that a connection of the bulk benches queues at each end.
pub const BULK_BUFFER: usize = 256 << 10;
/// Bytes of a datagram's payload.
pub const DATAGRAM: usize = 18;

/// A client, a server, and what they do together.
pub trait Ends {
    /// Opens connections until there are `count` or `seconds` have passed, and returns how many there are.
    fn open(&mut self, count: usize, seconds: u64) -> usize;
    /// One whole connection: connect, a byte there, a byte back, close by the client.
    fn connection(&mut self);
    /// A byte there and a byte back on each of the next `batch` open connections, which take turns.
    fn exchange(&mut self, batch: usize);
    /// Sends `count` datagrams to the server, which reads them.
    fn datagrams(&mut self, count: usize);
    /// Sends `bytes` over the first open connection; both sides touch every byte.
    fn stream(&mut self, bytes: usize);
}

/// The next `batch` of `count` things that take turns in steps that no cache line or page predicts.
#[derive(Clone, Copy, Default, Debug)]
pub struct Turns(usize);

impl Turns {
    /// A prime, so that every one of up to that many has its turn.
    const STRIDE: usize = 7_368_787;

    /// Whose turn it is among `count`.
    pub fn next(&mut self, count: usize) -> usize {
        self.0 = (self.0 + Self::STRIDE) % count;
        self.0
    }
}
