//! Which flow a segment belongs to: from the keyed hash of its four-tuple to a connection or a half-open entry.

#[cfg(test)]
mod tests;

use super::tag_index::{Full, TagIndex};

/// Filling of the buckets at `max_flows`: 9 bytes a flow, and a miss reads 1.06 cache lines.
const LOAD: f64 = 0.6;

const KIND_SHIFT: u32 = 30;
const INDEX_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// What a four-tuple leads to; the number is the position in the table of that kind, below 2³⁰.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Flow {
    /// A connection with a control block of its own.
    Connection(u32),
    /// An entry of the IPv4 table of half-open connections.
    HalfOpen4(u32),
    /// An entry of the IPv6 table of half-open connections.
    HalfOpen6(u32),
}

impl Flow {
    fn pack(self) -> u32 {
        let (kind, index) = match self {
            Self::Connection(index) => (0, index),
            Self::HalfOpen4(index) => (1, index),
            Self::HalfOpen6(index) => (2, index),
        };
        debug_assert!(index <= INDEX_MASK, "a flow's index has 30 bits");
        kind << KIND_SHIFT | index & INDEX_MASK
    }

    fn unpack(packed: u32) -> Self {
        let index = packed & INDEX_MASK;
        match packed >> KIND_SHIFT {
            0 => Self::Connection(index),
            1 => Self::HalfOpen4(index),
            _ => Self::HalfOpen6(index),
        }
    }
}

/// The table of all flows of an engine, connections and half-open ones.
///
/// Hashes must be keyed with a secret. Should an insertion fail with [`Full::ProbeLimit`] nevertheless, somebody has
/// learnt the key: draw a new one and [`rebuild`](Self::rebuild).
#[derive(Debug)]
pub struct FlowTable {
    index: TagIndex,
    rebuilds: u64,
}

impl FlowTable {
    /// A table for `max_flows` flows of all kinds together (at most 2³⁰). The memory is mapped and not touched.
    pub fn new(max_flows: usize) -> Self {
        Self {
            index: TagIndex::with_capacity(max_flows, LOAD),
            rebuilds: 0,
        }
    }

    /// Flows in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no flow.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Flows that the table takes at most.
    pub fn capacity(&self) -> usize {
        self.index.capacity()
    }

    /// Bytes of address space in use.
    pub fn mapped_bytes(&self) -> usize {
        self.index.mapped_bytes()
    }

    /// How many times the table was filled anew under another key.
    pub fn rebuilds(&self) -> u64 {
        self.rebuilds
    }

    /// Starts to load the cache line that [`find`](Self::find) reads first: the first pass over a batch of segments.
    pub fn prefetch(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// The flow under `hash` that `matches` confirms by comparing the whole tuple. O(1): one cache line, nearly always.
    ///
    /// `matches` is asked about a wrong flow in about three of a hundred calls.
    pub fn find(&self, hash: u64, mut matches: impl FnMut(Flow) -> bool) -> Option<Flow> {
        self.index
            .find(hash, |packed| matches(Flow::unpack(packed)))
            .map(Flow::unpack)
    }

    /// Adds a flow, whose tuple must not be in the table. O(1).
    ///
    /// # Errors
    /// [`Full::Capacity`] at `max_flows`; [`Full::ProbeLimit`] asks for a new key and a [`rebuild`](Self::rebuild).
    pub fn insert(&mut self, hash: u64, flow: Flow) -> Result<(), Full> {
        self.index.insert(hash, flow.pack())
    }

    /// Removes a flow. Returns whether it was there. O(1).
    pub fn remove(&mut self, hash: u64, flow: Flow) -> bool {
        self.index.remove(hash, flow.pack())
    }

    /// Turns one flow into another of the same tuple: a half-open one into a connection. Returns whether `old` was
    /// there. O(1).
    pub fn replace(&mut self, hash: u64, old: Flow, new: Flow) -> bool {
        self.index.replace(hash, old.pack(), new.pack())
    }

    /// Empties the table and fills it with all flows, hashed with a new key. O(flows).
    ///
    /// # Errors
    /// [`Full`] when the flows don't fit under this key either: draw another and call again.
    pub fn rebuild(&mut self, flows: impl Iterator<Item = (u64, Flow)>) -> Result<(), Full> {
        self.rebuilds += 1;
        self.index.clear();
        for (hash, flow) in flows {
            self.insert(hash, flow)?;
        }
        Ok(())
    }
}
