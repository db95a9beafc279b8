//! TIME_WAIT and half-open tables of both address families behind one face, so that the state machine knows only four-tuples.

use super::compact_key::{CompactKey, Key4, Key6};
use super::half_open::{HalfOpen, HalfOpenTable};
use super::invariants::{Checked, ensure};
use super::time_wait::{Entry, EntryId, Owners, TimeWaitConfig, TimeWaitTable};
use crate::arch::tuple_hash::TupleHasher;
use crate::config::TcpConfig;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

/// What TIME_WAIT holds, and what became of what it held. Both families together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TimeWaitStatus {
    /// Entries now.
    pub len: u64,
    /// The most entries that there were at a time.
    pub peak: u64,
    /// Connections that entered.
    pub entered: u64,
    /// Entries that stayed their full time.
    pub expired: u64,
    /// Entries that made way for a new connection by the rules of RFC 6191.
    pub reused: u64,
    /// Entries that had to leave early because the table was full, which no rule allows.
    pub violations: u64,
    /// Bytes mapped for entries and their index.
    pub mapped_bytes: u64,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    V4(EntryId),
    V6(EntryId),
}

/// TIME_WAIT of both families.
#[derive(Debug)]
pub(super) struct TimeWaits {
    /// Never changes, unlike the flow table's: tens of millions of entries are found by it.
    hasher: TupleHasher,
    v4: TimeWaitTable<Key4>,
    v6: TimeWaitTable<Key6>,
}

/// Runs an expression on the table that an entry is in.
macro_rules! on_table {
    ($self:expr, $waiting:expr, |$table:ident, $id:ident| $run:expr) => {
        match $waiting {
            Waiting::V4($id) => {
                let $table = &mut $self.v4;
                $run
            }
            Waiting::V6($id) => {
                let $table = &mut $self.v6;
                $run
            }
        }
    };
}

impl TimeWaits {
    pub(super) fn new(config: &TcpConfig, hasher: TupleHasher) -> Self {
        let (capacity, two_msl) = (config.time_wait_entries as usize, config.time_wait);
        let presize = config.time_wait_presize as usize;
        Self {
            hasher,
            v4: TimeWaitTable::new(TimeWaitConfig {
                capacity,
                presize,
                two_msl,
            }),
            v6: TimeWaitTable::new(TimeWaitConfig {
                capacity,
                presize: 0,
                two_msl,
            }),
        }
    }

    /// The hash by which a tuple is found here.
    #[inline]
    pub(super) fn hash(&self, key: &FlowKey) -> u64 {
        key.hash(&self.hasher)
    }

    /// Asks for the memory that leads to the entry of this hash, of IPv4 or of IPv6.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64, is_v4: bool) {
        if is_v4 {
            if !self.v4.is_empty() {
                self.v4.prefetch(hash);
            }
        } else if !self.v6.is_empty() {
            self.v6.prefetch(hash);
        }
    }

    /// The entry of a tuple, whose [hash](TimeWaits::hash) the caller knows.
    #[inline]
    pub(super) fn find(&self, key: &FlowKey, hash: u64) -> Option<Waiting> {
        if key.local.is_v4() {
            (!self.v4.is_empty()).then(|| self.v4.find(hash, &Key4::from_flow(key)).map(Waiting::V4))?
        } else {
            (!self.v6.is_empty()).then(|| self.v6.find(hash, &Key6::from_flow(key)).map(Waiting::V6))?
        }
    }

    /// Adds an entry, whose [hash](TimeWaits::hash) the caller knows; gives back the one that had to leave for it.
    #[inline(always)]
    pub(super) fn insert(
        &mut self,
        entry: Entry<FlowKey>,
        hash: u64,
        now: Instant,
    ) -> Option<Entry<FlowKey>> {
        let Self { hasher, v4, v6 } = self;
        if entry.key.local.is_v4() {
            let compact = entry.with_key(Key4::from_flow(&entry.key));
            let displaced = v4.insert(hash, compact, now, |key| key.to_flow().hash(hasher));
            displaced.map(|entry| entry.with_key(entry.key.to_flow()))
        } else {
            let compact = entry.with_key(Key6::from_flow(&entry.key));
            let displaced = v6.insert(hash, compact, now, |key| key.to_flow().hash(hasher));
            displaced.map(|entry| entry.with_key(entry.key.to_flow()))
        }
    }

    /// Adds an entry of which only `left` is left. Entries must be added in the order in which they leave.
    pub(super) fn insert_with_rest(&mut self, entry: Entry<FlowKey>, now: Instant, left: Duration) {
        let hash = self.hash(&entry.key);
        self.insert(entry, hash, now);
        if let Some(waiting) = self.find(&entry.key, hash) {
            on_table!(self, waiting, |table, id| table.shorten(id, now, left));
        }
    }

    pub(super) fn get(&mut self, waiting: Waiting) -> Entry<FlowKey> {
        on_table!(self, waiting, |table, id| {
            let entry = table.get(id);
            entry.with_key(entry.key.to_flow())
        })
    }

    /// The peer's FIN came again: the time starts anew.
    pub(super) fn restart(&mut self, waiting: Waiting, now: Instant) {
        on_table!(self, waiting, |table, id| table.restart(id, now));
    }

    /// Removes an entry in favour of a new connection.
    pub(super) fn reuse(&mut self, waiting: Waiting, key: &FlowKey) {
        let hash = self.hash(key);
        on_table!(self, waiting, |table, id| {
            table.reuse(hash, id);
        });
    }

    /// Lets up to `budget` entries of each family go whose time is over, and shows them to `on_expired`. A table in which nobody waits may still
    /// have places of reused entries to give up.
    #[inline]
    pub(super) fn expire(&mut self, now: Instant, budget: usize, mut on_expired: impl FnMut(Entry<FlowKey>)) {
        let Self { hasher, v4, v6 } = self;
        let shown = |entry: &Entry<Key4>| on_expired(entry.with_key(entry.key.to_flow()));
        v4.expire(now, budget, |key| key.to_flow().hash(hasher), shown);
        let shown = |entry: &Entry<Key6>| on_expired(entry.with_key(entry.key.to_flow()));
        v6.expire(now, budget, |key| key.to_flow().hash(hasher), shown);
    }

    /// Checks both tables, and counts the entries that own a port.
    pub(super) fn check(&self) -> Result<Owners, String> {
        let v4 = self.v4.check(|key| key.to_flow().hash(&self.hasher))?;
        let v6 = self.v6.check(|key| key.to_flow().hash(&self.hasher))?;
        Ok(Owners {
            ephemeral: v4.ephemeral + v6.ephemeral,
            foreign: v4.foreign + v6.foreign,
        })
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        [self.v4.next_expiry(), self.v6.next_expiry()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn status(&self) -> TimeWaitStatus {
        let (v4, v6) = (self.v4.counters(), self.v6.counters());
        TimeWaitStatus {
            len: (self.v4.len() + self.v6.len()) as u64,
            peak: (v4.peak + v6.peak) as u64,
            entered: v4.entered + v6.entered,
            expired: v4.expired + v6.expired,
            reused: v4.reused + v6.reused,
            violations: v4.violations + v6.violations,
            mapped_bytes: (self.v4.mapped_bytes()
                + if self.v6.is_empty() {
                    0
                } else {
                    self.v6.mapped_bytes()
                }) as u64,
        }
    }
}

/// Half-open connections of both families.
#[derive(Debug)]
pub(super) struct HalfOpens {
    v4: HalfOpenTable<Key4>,
    v6: HalfOpenTable<Key6>,
}

/// Runs an expression on the table that a half-open flow is in. Connections are in neither.
macro_rules! on_half_open {
    ($self:expr, $flow:expr, |$table:ident, $id:ident| $run:expr) => {
        match $flow {
            Flow::HalfOpen4($id) => {
                let $table = &mut $self.v4;
                $run
            }
            Flow::HalfOpen6($id) => {
                let $table = &mut $self.v6;
                $run
            }
            Flow::Connection(index) => unreachable!("connection {index} is not half-open"),
        }
    };
}

impl HalfOpens {
    pub(super) fn new(capacity: u32, retries: u8) -> Self {
        let timeouts: Vec<Duration> = (0..=retries.min(7))
            .map(|level| Duration::from_secs(1 << level))
            .collect();
        Self {
            v4: HalfOpenTable::new(capacity as usize, &timeouts),
            v6: HalfOpenTable::new(capacity as usize, &timeouts),
        }
    }

    /// Entries of both families.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Bytes of both tables that entries have ever been written to.
    pub(super) fn touched_bytes(&self) -> usize {
        self.v4.touched_bytes() + self.v6.touched_bytes()
    }

    /// Checks both tables, and that `is_known` knows each entry under its tuple.
    pub(super) fn check(&self, is_known: impl Fn(&FlowKey, Flow) -> bool) -> Checked {
        self.v4.check()?;
        self.v6.check()?;
        for (key, flow) in self.iter() {
            ensure!(
                is_known(&key, flow),
                "the flow table does not know half-open {key:?}"
            );
        }
        Ok(())
    }

    /// Every entry by its tuple. O(slots).
    pub(super) fn iter(&self) -> impl Iterator<Item = (FlowKey, Flow)> {
        let v4 = self.v4.iter();
        let v6 = self.v6.iter();
        v4.map(|(id, entry)| (entry.key.to_flow(), Flow::HalfOpen4(id)))
            .chain(v6.map(|(id, entry)| (entry.key.to_flow(), Flow::HalfOpen6(id))))
    }

    /// Adds an entry. `None` when the table of its family is full.
    pub(super) fn insert(&mut self, entry: HalfOpen<FlowKey>, now: Instant) -> Option<Flow> {
        if entry.key.local.is_v4() {
            self.v4
                .insert(entry.with_key(Key4::from_flow(&entry.key)), now)
                .map(Flow::HalfOpen4)
        } else {
            self.v6
                .insert(entry.with_key(Key6::from_flow(&entry.key)), now)
                .map(Flow::HalfOpen6)
        }
    }

    /// Whether a half-open flow has this tuple.
    #[inline]
    pub(super) fn is(&self, flow: Flow, key: &FlowKey) -> bool {
        match flow {
            Flow::HalfOpen4(id) if key.local.is_v4() => self
                .v4
                .get(id)
                .is_some_and(|entry| entry.key == Key4::from_flow(key)),
            Flow::HalfOpen6(id) => self.v6.get(id).is_some_and(|entry| entry.key.to_flow() == *key),
            Flow::HalfOpen4(_) | Flow::Connection(_) => false,
        }
    }

    /// Looks at the clock, before it is asked for an entry that may have waited while that stood still.
    pub(super) fn observe(&mut self, flow: Flow, now: Instant) {
        on_half_open!(self, flow, |table, _id| table.observe(now));
    }

    pub(super) fn get(&mut self, flow: Flow) -> HalfOpen<FlowKey> {
        on_half_open!(self, flow, |table, id| {
            let entry = table.get(id).expect("the flow table names entries that exist");
            entry.with_key(entry.key.to_flow())
        })
    }

    /// How long the SYN-ACK has been on its way, where that is known.
    pub(super) fn round_trip(&mut self, flow: Flow, now: Instant) -> Option<Duration> {
        on_half_open!(self, flow, |table, id| table.round_trip(id, now))
    }

    pub(super) fn remove(&mut self, flow: Flow) {
        on_half_open!(self, flow, |table, id| {
            table.remove(id);
        });
    }

    /// Whether an entry may be challenged once more, `limit` times for each SYN-ACK; counts that it is.
    pub(super) fn may_challenge(&mut self, flow: Flow, limit: u8) -> bool {
        on_half_open!(self, flow, |table, id| table.may_challenge(id, limit))
    }

    /// The SYN came again with this timestamp.
    pub(super) fn set_ts_recent(&mut self, flow: Flow, tsval: u32) {
        on_half_open!(self, flow, |table, id| table.set_ts_recent(id, tsval));
    }

    /// The next whose SYN-ACK was not answered in time.
    #[inline]
    pub(super) fn due(&mut self, now: Instant) -> Option<Flow> {
        self.v4
            .due(now)
            .map(Flow::HalfOpen4)
            .or_else(|| self.v6.due(now).map(Flow::HalfOpen6))
    }

    /// How many timeouts of a SYN-ACK take `limit`.
    pub(super) fn timeouts_in(&self, limit: Duration) -> u8 {
        self.v4.timeouts_in(limit)
    }

    /// How many timeouts of the SYN-ACK have passed.
    pub(super) fn timeouts(&mut self, flow: Flow) -> u8 {
        on_half_open!(self, flow, |table, id| table.retransmissions(id))
    }

    /// The peer has acknowledged the SYN-ACK, and text is waited for.
    pub(super) fn acknowledge(&mut self, flow: Flow) {
        on_half_open!(self, flow, |table, id| table.acknowledge(id));
    }

    /// Whether the SYN-ACK, which is due, is to go again, where text is waited for during `timeouts`.
    pub(super) fn is_to_be_sent(&mut self, flow: Flow, timeouts: u8) -> bool {
        on_half_open!(self, flow, |table, id| table.is_to_be_sent(id, timeouts))
    }

    /// Starts the next, longer wait. False when there is none left.
    pub(super) fn rearm(&mut self, flow: Flow, now: Instant) -> bool {
        on_half_open!(self, flow, |table, id| table.rearm(id, now))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.v4.next_deadline(), self.v6.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}
