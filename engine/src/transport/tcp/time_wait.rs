//! TIME_WAIT (RFC 9293 section 3.6.1), kept for its full 2MSL at 32 bytes a connection.
//!
//! 2MSL is the same for all, so entries leave in the order in which they came and a queue is all the timer there is.
//! An index leads from the four-tuple to the position in the queue. Neither ever moves an entry or stops to grow.
//!
//! An entry leaves when 2MSL have passed since its last (re)start ([`TimeWaitTable::expire`]), or early by the rules
//! of RFC 6191 ([`TimeWaitTable::reuse`]), or early against all rules because the table is full. The latter is counted
//! in [`Counters::violations`].

mod entry;
mod fifo;
mod generations;
mod index;
mod reuse;
#[cfg(test)]
mod tests;

pub(super) use self::entry::Entry;
use self::fifo::ChunkedFifo;
use self::generations::Generations;
use self::index::Index;
use super::compact_key::CompactKey;
use super::invariants::ensure;
use super::milliseconds::{MillisecondClock, timeout_in_millis};
use crate::time::{Duration, Instant};

/// Entries whose index buckets are prefetched together.
const BATCH: usize = 16;
/// Positions in the queue must stay less than 2³¹ apart.
const MAX_CAPACITY: usize = 1 << 30;

/// How a table is sized.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TimeWaitConfig {
    /// Most entries in the queue: the rate of closes times 2MSL, 1 to 2³⁰. An entry that was reused keeps its place
    /// in the queue until its time is over.
    pub capacity: usize,
    /// Entries for which memory is mapped and touched at the start. With less than what the load turns out to need the
    /// index grows in steps, and occupies more for 2MSL after each.
    pub presize: usize,
    /// Twice the maximum segment lifetime; at most 12 days.
    pub two_msl: Duration,
}

impl Default for TimeWaitConfig {
    /// A million entries, nothing mapped ahead, 60 s (an MSL of 30 s).
    fn default() -> Self {
        Self {
            capacity: 1_000_000,
            presize: 0,
            two_msl: Duration::from_secs(60),
        }
    }
}

/// What has happened to entries since the table was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Counters {
    /// Connections that entered TIME_WAIT.
    pub entered: u64,
    /// Entries that stayed for 2MSL.
    pub expired: u64,
    /// Entries that a SYN ended early by the rules of RFC 6191.
    pub reused: u64,
    /// Entries that were evicted early because the table was full.
    pub violations: u64,
    /// Most entries at a time.
    pub peak: usize,
}

/// Entries by what they owe when they leave.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Owners {
    /// A port of the allocator.
    pub(super) ephemeral: u64,
    /// Nothing: their port did not come from the allocator.
    pub(super) foreign: u64,
}

/// An entry's place in the table. Valid until the next call of `insert`, `expire` or `reuse`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct EntryId(u32);

/// The connections of one address family that are in TIME_WAIT. All operations are O(1) for each entry concerned.
///
/// Hashes are keyed hashes of the four-tuple. Where entries leave by themselves the table asks for their hash again,
/// with the same function.
#[derive(Debug)]
pub(super) struct TimeWaitTable<K> {
    queue: ChunkedFifo<Entry<K>>,
    index: Index,
    clock: MillisecondClock,
    two_msl: u32,
    capacity: usize,
    len: usize,
    counters: Counters,
}

impl<K: CompactKey> TimeWaitTable<K> {
    /// An empty table.
    ///
    /// # Panics
    /// When the capacity is not in 1..=2³⁰.
    pub(super) fn new(config: TimeWaitConfig) -> Self {
        let TimeWaitConfig {
            capacity,
            presize,
            two_msl,
        } = config;
        assert!(
            (1..=MAX_CAPACITY).contains(&capacity),
            "a TIME_WAIT table holds 1 to 2^30 entries"
        );
        let presize = presize.min(capacity);
        Self {
            queue: ChunkedFifo::new(presize),
            index: Index::new(Generations::new(capacity, presize)),
            clock: MillisecondClock::default(),
            two_msl: timeout_in_millis(two_msl),
            capacity,
            len: 0,
            counters: Counters::default(),
        }
    }

    /// Connections in TIME_WAIT.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether no connection is in TIME_WAIT.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What has happened so far.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes of address space that queue and index occupy.
    pub(super) fn mapped_bytes(&self) -> usize {
        self.queue.mapped_bytes() + self.index.mapped_bytes()
    }

    /// Starts to load the cache lines that [`find`](Self::find) and [`insert`](Self::insert) touch first.
    pub(super) fn prefetch(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// The entry of a four-tuple.
    pub(super) fn find(&self, hash: u64, key: &K) -> Option<EntryId> {
        self.index
            .find(hash, |position| self.queue.get(position).key == *key)
            .map(EntryId)
    }

    /// An entry.
    ///
    /// # Panics
    /// May panic when `id` is no longer valid.
    pub(super) fn get(&self, id: EntryId) -> &Entry<K> {
        self.queue.get(id.0)
    }

    /// Takes in a connection whose four-tuple is not in the table, for 2MSL from `now`.
    ///
    /// In a full table the oldest entry makes room, and is returned. Unless its time was over, that is a violation, and counted.
    #[must_use = "a displaced entry may own a port"]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        mut entry: Entry<K>,
        now: Instant,
        rehash: impl Fn(&K) -> u64,
    ) -> Option<Entry<K>> {
        self.clock.observe(now);
        let displaced = if self.queue.len() == self.capacity {
            self.evict(rehash)
        } else {
            None
        };
        entry.expiry = self.clock.deadline_after(self.two_msl);
        self.enqueue(hash, entry);
        self.len += 1;
        self.counters.entered += 1;
        self.counters.peak = self.counters.peak.max(self.len);
        displaced
    }

    /// Begins 2MSL anew, as the peer's retransmitted FIN demands (RFC 9293 section 3.10.7.4).
    ///
    /// The entry stays where it is and goes round the queue once more when its turn comes, so that a peer who repeats
    /// his FIN a million times holds no more memory. It may stay up to 2MSL longer for that, never shorter.
    pub(super) fn restart(&mut self, id: EntryId, now: Instant) {
        self.clock.observe(now);
        let expiry = self.clock.deadline_after(self.two_msl);
        let entry = self.queue.get_mut(id.0);
        entry.expiry = expiry;
        entry.set_restarted(true);
    }

    /// Leaves an entry only `left` of its 2MSL, as if it had been taken in earlier. Entries must stay in the order in which they leave.
    pub(super) fn shorten(&mut self, id: EntryId, now: Instant, left: Duration) {
        self.clock.observe(now);
        let expiry = self
            .clock
            .deadline_after(timeout_in_millis(left).min(self.two_msl));
        self.queue.get_mut(id.0).expiry = expiry;
    }

    /// Takes an entry out early for a new incarnation of its connection; ask
    /// [`Entry::may_be_reused_by`] first. `hash` is that of its key.
    pub(super) fn reuse(&mut self, hash: u64, id: EntryId) -> Entry<K> {
        let entry = self.queue.get_mut(id.0);
        entry.set_dead();
        let entry = *entry;
        self.index.remove(hash, id.0);
        self.len -= 1;
        self.counters.reused += 1;
        entry
    }

    /// Takes out what has stayed for 2MSL at `now` and shows each entry to `on_expired`, which may give back its port.
    /// Looks at no more than `budget` entries; returns how many expired.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        budget: usize,
        rehash: impl Fn(&K) -> u64,
        on_expired: impl FnMut(&Entry<K>),
    ) -> usize {
        self.clock.observe(now);
        match self.queue.front() {
            Some(first) if self.is_to_leave(first) => self.expire_some(budget, rehash, on_expired),
            _ => 0,
        }
    }

    /// As [`TimeWaitTable::expire`] at a time when there is something to take out.
    #[inline(never)]
    fn expire_some(
        &mut self,
        budget: usize,
        rehash: impl Fn(&K) -> u64,
        mut on_expired: impl FnMut(&Entry<K>),
    ) -> usize {
        let before = self.counters.expired;
        let mut left = budget;
        while left > 0 {
            let mut hashes = [0; BATCH];
            let batch = self.prefetch_leaving(&mut hashes[..left.min(BATCH)], &rehash);
            if batch == 0 {
                break;
            }
            for &hash in &hashes[..batch] {
                self.advance_queue(hash, &mut on_expired);
            }
            left -= batch;
        }
        (self.counters.expired - before) as usize
    }

    /// When to call [`expire`](Self::expire) next. `None` for an empty table.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let first = self.queue.front()?;
        // Behind a restarted entry others may be due earlier, so it is sent round without delay.
        if first.is_restarted() {
            return Some(self.clock.now());
        }
        Some(self.clock.instant_of(first.expiry, self.two_msl))
    }

    /// Checks that the index leads to every entry. O(entries). Counts those that own a port.
    pub(super) fn check(&self, hash: impl Fn(&K) -> u64) -> Result<Owners, String> {
        let mut owners = Owners::default();
        for entry in self.queue.iter().filter(|entry| entry.is_live()) {
            let found = self.find(hash(&entry.key), &entry.key);
            ensure!(
                found.is_some(),
                "TIME_WAIT holds {:?}, and does not find it",
                entry.key
            );
            let owned = u64::from(entry.owns_ephemeral_port());
            owners.ephemeral += owned;
            owners.foreign += 1 - owned;
        }
        let (held, counted) = (owners.ephemeral + owners.foreign, self.len as u64);
        ensure!(
            held == counted,
            "TIME_WAIT holds {held} entries and counts {counted}"
        );
        Ok(owners)
    }

    /// Fills `hashes` for the entries at the head of the queue that are to leave it, and prefetches their buckets.
    fn prefetch_leaving(&self, hashes: &mut [u64], rehash: impl Fn(&K) -> u64) -> usize {
        let leaving = self.queue.iter().take_while(|entry| self.is_to_leave(entry));
        let mut count = 0;
        for (hash, entry) in hashes.iter_mut().zip(leaving) {
            if entry.is_live() {
                *hash = rehash(&entry.key);
                self.index.prefetch(*hash);
            }
            count += 1;
        }
        count
    }

    #[inline]
    fn is_to_leave(&self, entry: &Entry<K>) -> bool {
        !entry.is_live() || entry.is_restarted() || self.is_due(entry)
    }

    fn is_due(&self, entry: &Entry<K>) -> bool {
        self.clock.remaining(entry.expiry, self.two_msl) == 0
    }

    /// Takes the first entry, which is to leave, off the queue: for good, or to its end when its 2MSL began anew.
    fn advance_queue(&mut self, hash: u64, on_expired: &mut impl FnMut(&Entry<K>)) {
        let Some((position, mut entry)) = self.queue.pop_front().filter(|(_, entry)| entry.is_live()) else {
            return;
        };
        self.index.remove(hash, position);
        if self.is_due(&entry) {
            self.len -= 1;
            self.counters.expired += 1;
            on_expired(&entry);
        } else {
            entry.set_restarted(false);
            self.enqueue(hash, entry);
        }
    }

    fn enqueue(&mut self, hash: u64, entry: Entry<K>) {
        let position = self.queue.push_back(entry);
        self.index.insert(hash, position);
    }

    /// Frees the first place of the queue.
    fn evict(&mut self, rehash: impl Fn(&K) -> u64) -> Option<Entry<K>> {
        let (position, entry) = self.queue.pop_front().filter(|(_, entry)| entry.is_live())?;
        self.index.remove(rehash(&entry.key), position);
        self.len -= 1;
        if self.is_due(&entry) {
            self.counters.expired += 1;
        } else {
            self.counters.violations += 1;
        }
        Some(entry)
    }
}
