//! Ephemeral ports (RFC 6056), in constant time however many are taken.
//!
//! A local port is free or taken *for a destination*: the local address, the remote address and the remote port. The
//! choice follows RFC 6056 algorithm 4 (a start that depends on the destination and a secret, moved on by one of a
//! table of counters) with the random increments of algorithm 5; a bitmap gives the first free port from there on.

mod bitmap;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use self::bitmap::PortBitmap;
use super::random::SplitMix64;
use super::tag_index::{Full, TagIndex};
use super::tcp::ensure;
use crate::arch::huge_pages;
use crate::internet::address::Address;

/// The widest range without the ports of well-known services (RFC 6056 section 3.2).
pub const EPHEMERAL_PORTS: RangeInclusive<u16> = 1_024..=65_535;

/// Counters of RFC 6056 algorithm 4: destinations that share one don't learn much from each other's pace.
const COUNTERS: usize = 256;
/// Largest step of a counter. RFC 6056 section 3.3.5 weighs obscurity against how soon a port comes round again;
/// connections are many here, so the steps are small.
const MAX_INCREMENT: u64 = 8;

const INDEX_LOAD: f64 = 0.5;

/// A destination that has a set of ports of its own.
///
/// Valid as long as one of its ports is taken, and otherwise until the next call of [`PortAllocator::destination`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DestinationId(NonZeroU32);

impl DestinationId {
    /// Counted from 1, so that a connection without a destination takes no more room than one with it.
    fn new(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    fn index(self) -> u32 {
        self.0.get() - 1
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Destination {
    local: Address,
    remote: Address,
    remote_port: u16,
}

/// The ports towards one destination.
#[derive(Debug)]
struct PortSet {
    destination: Destination,
    hash: u64,
    /// Taken ports.
    occupancy: u32,
    /// Whether the list of vacated sets names this one.
    listed: bool,
}

/// The ports of one range, handed out separately for each destination.
///
/// Every destination in use has a set of 8 KiB; sets whose ports are all free are used again for other destinations.
#[derive(Debug)]
pub struct PortAllocator {
    low: u16,
    /// Ports in the range; 65,536 at most.
    range: u32,
    sets: Vec<PortSet>,
    /// The taken ports of each set. One stretch of memory, because releases come in the order of connections long gone: at random.
    bitmaps: Vec<PortBitmap>,
    max_destinations: usize,
    index: TagIndex,
    /// Sets that may serve another destination, each named once; some have taken ports again since they were listed.
    vacated: Vec<DestinationId>,
    last: Option<DestinationId>,
    /// Each below `range`.
    counters: [u32; COUNTERS],
    random: SplitMix64,
}

impl PortAllocator {
    /// An allocator for `ports` (usually [`EPHEMERAL_PORTS`]) and at most `max_destinations` destinations with a taken
    /// port at a time. `seed` feeds the random increments.
    ///
    /// # Panics
    /// When `ports` is empty.
    pub fn new(ports: RangeInclusive<u16>, max_destinations: usize, seed: u64) -> Self {
        assert!(!ports.is_empty(), "a range of ports holds at least one");
        let mut bitmaps = Vec::with_capacity(max_destinations);
        huge_pages::advise(bitmaps.spare_capacity_mut());
        Self {
            low: *ports.start(),
            range: u32::from(*ports.end()) - u32::from(*ports.start()) + 1,
            sets: Vec::with_capacity(max_destinations),
            bitmaps,
            max_destinations,
            index: TagIndex::with_capacity(max_destinations, INDEX_LOAD),
            vacated: Vec::with_capacity(max_destinations),
            last: None,
            counters: [0; COUNTERS],
            random: SplitMix64::new(seed),
        }
    }

    /// The set of ports towards a destination. O(1), and nearly free for the destination asked for last.
    ///
    /// `hash` gives a keyed hash of the three other arguments, the same for the same arguments: it is also where the search for a port starts.
    /// The destination asked for last is known without it.
    ///
    /// # Errors
    /// [`Full`] when `max_destinations` have taken ports.
    #[inline]
    pub fn destination(
        &mut self,
        local: Address,
        remote: Address,
        remote_port: u16,
        hash: impl FnOnce() -> u64,
    ) -> Result<DestinationId, Full> {
        let destination = Destination {
            local,
            remote,
            remote_port,
        };
        match self.last {
            Some(last) if self.sets[last.index() as usize].destination == destination => Ok(last),
            _ => self.another_destination(destination, hash()),
        }
    }

    #[inline(never)]
    fn another_destination(&mut self, destination: Destination, hash: u64) -> Result<DestinationId, Full> {
        let is_same = |id: u32| self.sets[id as usize].destination == destination;
        let id = match self.index.find(hash, is_same) {
            Some(known) => DestinationId::new(known),
            None => self.open(destination, hash)?,
        };
        self.last = Some(id);
        Ok(id)
    }

    /// Takes a free port of the range for a connection to the destination; `None` when all are taken. O(1).
    pub fn allocate(&mut self, destination: DestinationId) -> Option<u16> {
        let PortSet { hash, occupancy, .. } = &mut self.sets[destination.index() as usize];
        let ports = &mut self.bitmaps[destination.index() as usize];
        let counter = &mut self.counters[*hash as usize % COUNTERS];
        let offset = ((u128::from(*hash) * u128::from(self.range)) >> 64) as u32;
        let start = self.low + add_modulo(offset, *counter, self.range) as u16;

        let in_range = |port: &u16| u32::from(port - self.low) < self.range;
        let port = ports.next_free(start).filter(in_range);
        let port = port.or_else(|| ports.next_free(self.low).filter(in_range))?;
        ports.take(port);
        *occupancy += 1;

        let found = add_modulo(u32::from(port - self.low), self.range - offset, self.range);
        let increment = 1 + self.random.next() % MAX_INCREMENT;
        *counter = add_modulo(found, increment as u32 % self.range, self.range);
        Some(port)
    }

    /// Takes a port that the application chose, inside or outside the range. Returns whether it was free.
    pub fn take(&mut self, destination: DestinationId, port: u16) -> bool {
        let set = &mut self.sets[destination.index() as usize];
        let ports = &mut self.bitmaps[destination.index() as usize];
        let free = !ports.is_taken(port);
        if free {
            ports.take(port);
            set.occupancy += 1;
        }
        free
    }

    /// Gives a taken port back. O(1).
    pub fn release(&mut self, destination: DestinationId, port: u16) {
        let set = &mut self.sets[destination.index() as usize];
        let ports = &mut self.bitmaps[destination.index() as usize];
        debug_assert!(ports.is_taken(port), "port {port} was released twice");
        if !ports.is_taken(port) {
            return;
        }
        ports.release(port);
        set.occupancy -= 1;
        if set.occupancy == 0 && !set.listed {
            set.listed = true;
            self.vacated.push(destination);
        }
    }

    /// Taken ports of a destination.
    pub fn occupancy(&self, destination: DestinationId) -> u32 {
        self.sets[destination.index() as usize].occupancy
    }

    /// Taken ports of all destinations, or which set counts others than it has. O(destinations).
    pub(in crate::transport) fn taken(&self) -> Result<u64, String> {
        for (set, bitmap) in self.sets.iter().zip(&self.bitmaps) {
            let (counted, taken) = (set.occupancy, bitmap.count());
            ensure!(
                counted == taken,
                "{taken} ports towards {} are taken, {counted} are counted",
                set.destination.remote
            );
        }
        Ok(self.sets.iter().map(|set| u64::from(set.occupancy)).sum())
    }

    /// Bytes of memory that sets and index occupy.
    pub fn mapped_bytes(&self) -> usize {
        self.sets.len() * size_of::<PortBitmap>()
            + self.sets.capacity() * size_of::<PortSet>()
            + self.vacated.capacity() * size_of::<DestinationId>()
            + self.index.mapped_bytes()
            + size_of::<Self>()
    }

    fn open(&mut self, destination: Destination, hash: u64) -> Result<DestinationId, Full> {
        self.last = None;
        let id = self
            .recycle()
            .or_else(|| self.grow(destination))
            .ok_or(Full::Capacity)?;
        let set = &mut self.sets[id.index() as usize];
        (set.destination, set.hash) = (destination, hash);
        // Listed from the start, so that a set is not lost when its destination never takes a port.
        set.listed = true;
        self.vacated.push(id);
        self.index.insert(hash, id.index())?;
        Ok(id)
    }

    fn grow(&mut self, destination: Destination) -> Option<DestinationId> {
        let id = DestinationId::new(self.sets.len() as u32);
        if self.sets.len() == self.max_destinations {
            return None;
        }
        self.bitmaps.push(PortBitmap::new());
        self.sets.push(PortSet {
            destination,
            hash: 0,
            occupancy: 0,
            listed: false,
        });
        Some(id)
    }

    /// A set without taken ports, no longer in the index. O(1) amortised: each listing is looked at once.
    fn recycle(&mut self) -> Option<DestinationId> {
        while let Some(id) = self.vacated.pop() {
            let set = &mut self.sets[id.index() as usize];
            set.listed = false;
            if set.occupancy == 0 {
                self.index.remove(set.hash, id.index());
                return Some(id);
            }
        }
        None
    }
}

/// `a + b` modulo `modulus`, for `a < modulus` and `b <= modulus`.
fn add_modulo(a: u32, b: u32, modulus: u32) -> u32 {
    let sum = a + b;
    if sum >= modulus { sum - modulus } else { sum }
}
