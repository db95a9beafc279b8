//! What tells the fragments of one datagram from those of another.

use crate::arch::tuple_hash::TupleHasher;
use crate::internet::address::Address;

const COUNTERS: usize = 64;

/// Identifications that nobody off the path can foresee, and that do not repeat soon: a keyed hash of the ends, plus a counter that few ends
/// share (RFC 7739 section 5.3; for IPv4 too).
#[derive(Debug)]
pub(in crate::internet) struct Identifications {
    hasher: TupleHasher,
    counters: [u32; COUNTERS],
}

impl Identifications {
    pub(in crate::internet) fn new(secret: [u8; 32]) -> Self {
        Self {
            hasher: TupleHasher::new(secret),
            counters: [0; COUNTERS],
        }
    }

    pub(super) fn next(&mut self, source: &Address, destination: &Address, protocol: u8) -> u32 {
        let mut tuple = [0; 36];
        tuple[..16].copy_from_slice(source.octets());
        tuple[16..32].copy_from_slice(destination.octets());
        tuple[32] = protocol;
        let hash = self.hasher.hash_v6(tuple);
        let counter = &mut self.counters[hash as usize % COUNTERS];
        *counter = counter.wrapping_add(1);
        counter.wrapping_add((hash >> 32) as u32)
    }
}
