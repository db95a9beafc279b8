//! Connections that a SYN has begun and no ACK completed yet (SYN-RECEIVED, RFC 9293 section 3.3.2), in a bounded table.
//!
//! An entry is a fraction of a connection's control block, so that a flood of SYNs costs little. The time until a
//! SYN-ACK is sent again depends on nothing but how often it was sent, so one queue for each such level is all the
//! timer there is.

#[cfg(test)]
mod tests;

use super::compact_key::CompactKey;
use super::input::{TS_RECENT_LIFETIME, timestamp_clock};
use super::invariants::{Checked, ensure};
use super::milliseconds::{MillisecondClock, timeout_in_millis};
use super::options::Timestamps;
use super::seq::SeqNumber;
use crate::time::{Duration, Instant};

const NIL: u32 = u32::MAX;

/// What a SYN offered; each holds for the connection if the SYN-ACK offers it too.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Offered(u8);

impl Offered {
    /// Timestamps (RFC 7323 section 3).
    pub(super) const TIMESTAMPS: Self = Self(1 << 0);
    /// Window scaling (RFC 7323 section 2).
    pub(super) const WINDOW_SCALE: Self = Self(1 << 1);

    /// Selective acknowledgments (RFC 2018 section 2).
    pub(super) const SACK: Self = Self(1 << 2);

    /// Explicit congestion notification (RFC 3168 section 6.1.1).
    pub(super) const ECN: Self = Self(1 << 3);

    /// No offer: [`HalfOpen::ts_recent`] is so old that nothing can be compared with it (RFC 7323 section 5.5).
    pub(super) const TIMESTAMP_EXPIRED: Self = Self(1 << 4);

    /// These and the others.
    pub(super) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without the others.
    const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether all the others are among these.
    pub(super) const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// What is known of a connection before it is one; 36 bytes for IPv4, 60 for IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct HalfOpen<K> {
    /// The four-tuple.
    pub key: K,
    /// The peer's initial sequence number.
    pub irs: SeqNumber,
    /// Our initial sequence number.
    pub iss: SeqNumber,
    /// The timestamp of the SYN, if it had one.
    pub ts_recent: u32,
    /// What is added to the clock for our timestamps. It could be found out again, but for as long as a segment takes.
    pub ts_offset: u32,
    /// The listener that the SYN came to.
    pub listener: u16,
    /// The peer's maximum segment size, in bytes.
    pub mss: u16,
    /// The window field of the SYN, in bytes.
    pub window: u16,
    /// The peer's window shift, 0 to 14.
    pub window_shift: u8,
    /// What the SYN offered.
    pub offered: Offered,
}

impl<K> HalfOpen<K> {
    /// The same connection under another form of its key.
    pub(super) fn with_key<L>(&self, key: L) -> HalfOpen<L> {
        let Self {
            key: _,
            irs,
            iss,
            ts_recent,
            ts_offset,
            listener,
            mss,
            window,
            window_shift,
            offered,
        } = *self;
        HalfOpen {
            key,
            irs,
            iss,
            ts_recent,
            ts_offset,
            listener,
            mss,
            window,
            window_shift,
            offered,
        }
    }

    /// What our segments say before there is a connection, if the SYN had a timestamp.
    #[inline]
    pub(super) fn timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.offered.contains(Offered::TIMESTAMPS).then(|| Timestamps {
            tsval: timestamp_clock(now).wrapping_add(self.ts_offset),
            tsecr: self.ts_recent,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Free,
    /// In the queue of the level of its retransmissions.
    Queued,
    /// Handed out by [`HalfOpenTable::due`], not yet rearmed or removed.
    Due,
}

/// 52 bytes for IPv4, 76 for IPv6.
#[derive(Debug)]
struct Slot<K> {
    entry: HalfOpen<K>,
    /// The millisecond at which to send the SYN-ACK again; wraps.
    deadline: u32,
    /// The next slot of the queue, or of the free list.
    next: u32,
    prev: u32,
    retransmissions: u8,
    /// Challenges sent since the SYN-ACK went last.
    challenges: u8,
    /// The peer has acknowledged the SYN-ACK, and is to send text before there is a connection.
    acknowledged: bool,
    place: Place,
}

/// The entries that wait for the same span of time, the one that began first in front.
#[derive(Debug)]
struct Level {
    timeout: u32,
    first: u32,
    last: u32,
}

/// The half-open connections of one address family. All operations are O(1); none allocates.
#[derive(Debug)]
pub(super) struct HalfOpenTable<K> {
    slots: Vec<Slot<K>>,
    capacity: usize,
    first_free: u32,
    len: usize,
    levels: Box<[Level]>,
    longest_timeout: u32,
    clock: MillisecondClock,
}

impl<K: CompactKey> HalfOpenTable<K> {
    /// A table for `capacity` entries (below 2³²) whose memory is not touched yet.
    ///
    /// `timeouts` are the spans from each sending of the SYN-ACK to the next: with 1, 2 and 4 s it is sent three times
    /// in all, and an entry fails after 7 s (RFC 6298 section 5; conventionally doubled each time).
    ///
    /// # Panics
    /// When there are no timeouts or more than 255.
    pub(super) fn new(capacity: usize, timeouts: &[Duration]) -> Self {
        assert!(
            (1..=255).contains(&timeouts.len()),
            "a SYN-ACK is sent 1 to 255 times"
        );
        let level = |&timeout| Level {
            timeout: timeout_in_millis(timeout),
            first: NIL,
            last: NIL,
        };
        let levels: Box<[Level]> = timeouts.iter().map(level).collect();
        Self {
            slots: Vec::with_capacity(capacity),
            capacity,
            first_free: NIL,
            len: 0,
            longest_timeout: levels.iter().map(|level| level.timeout).max().unwrap_or(0),
            levels,
            clock: MillisecondClock::default(),
        }
    }

    /// Entries in the table.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Looks at the clock. When it has jumped so far that no timestamp can be compared any more, those that wait have expired: their age is not
    /// kept, because they wait for seconds where the clock goes on. O(1) without such a jump.
    #[inline]
    pub(super) fn observe(&mut self, now: Instant) {
        if now.saturating_since(self.clock.now()) > TS_RECENT_LIFETIME {
            self.expire_timestamps();
        }
        self.clock.observe(now);
    }

    #[cold]
    fn expire_timestamps(&mut self) {
        for slot in &mut self.slots {
            slot.entry.offered = slot.entry.offered.with(Offered::TIMESTAMP_EXPIRED);
        }
    }

    /// Bytes of the slots that entries have ever been in; the rest of the table is not touched.
    pub(super) fn touched_bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot<K>>()
    }

    /// Takes in a connection whose first SYN-ACK is sent at `now`, and gives it an id. `None` when the table is full.
    pub(super) fn insert(&mut self, entry: HalfOpen<K>, now: Instant) -> Option<u32> {
        self.observe(now);
        let slot = Slot {
            entry,
            deadline: 0,
            next: NIL,
            prev: NIL,
            retransmissions: 0,
            challenges: 0,
            acknowledged: false,
            place: Place::Due,
        };
        let id = self.occupy(slot)?;
        self.len += 1;
        self.enqueue(id);
        Some(id)
    }

    /// The entry of an id, `None` when it was removed.
    pub(super) fn get(&self, id: u32) -> Option<&HalfOpen<K>> {
        let slot = self.slots.get(id as usize)?;
        (slot.place != Place::Free).then_some(&slot.entry)
    }

    /// How long the SYN-ACK of an entry has been on its way, rounded down to milliseconds. `None` when it was sent again, so that nobody
    /// knows which one is answered (RFC 6298 section 3), when the answer is long here, and when it is less than one.
    pub(super) fn round_trip(&mut self, id: u32, now: Instant) -> Option<Duration> {
        self.observe(now);
        let slot = &self.slots[id as usize];
        let first = self.levels.first()?.timeout;
        let left = self.clock.remaining(slot.deadline, self.longest_timeout);
        let passed = first.saturating_sub(left);
        (slot.retransmissions == 0 && !slot.acknowledged && passed > 0)
            .then(|| Duration::from_millis(u64::from(passed)))
    }

    /// Notes that the peer has acknowledged the SYN-ACK and sent nothing else.
    pub(super) fn acknowledge(&mut self, id: u32) {
        self.slots[id as usize].acknowledged = true;
    }

    /// Whether the SYN-ACK of an entry is to go again when it is due: not while text is waited for, which may last for `timeouts` in all,
    /// but before the last of them, so that the peer has something to answer.
    pub(super) fn is_to_be_sent(&self, id: u32, timeouts: u8) -> bool {
        let slot = &self.slots[id as usize];
        !slot.acknowledged || slot.retransmissions + 1 >= timeouts
    }

    /// How many timeouts of a SYN-ACK take `limit`, as many as there are at most.
    pub(super) fn timeouts_in(&self, limit: Duration) -> u8 {
        let limit = limit.as_millis();
        let begins = self.levels.iter().scan(0, |passed, level| {
            let begins = *passed;
            *passed += u64::from(level.timeout);
            Some(begins)
        });
        begins.take_while(|begins| *begins < limit).count() as u8
    }

    /// How many timeouts of the SYN-ACK of an entry have passed.
    pub(super) fn retransmissions(&self, id: u32) -> u8 {
        self.slots[id as usize].retransmissions
    }

    /// Takes an entry out: it became a connection, or failed.
    ///
    /// # Panics
    /// When there is no such entry.
    pub(super) fn remove(&mut self, id: u32) -> HalfOpen<K> {
        assert!(self.get(id).is_some(), "there is no half-open connection {id}");
        self.dequeue(id);
        let slot = &mut self.slots[id as usize];
        slot.place = Place::Free;
        slot.next = self.first_free;
        self.first_free = id;
        self.len -= 1;
        slot.entry
    }

    /// The next entry whose timeout ran out by `now`. The caller calls [`rearm`](Self::rearm) and sends the SYN-ACK
    /// again, or removes the entry. O(levels).
    pub(super) fn due(&mut self, now: Instant) -> Option<u32> {
        self.observe(now);
        let firsts = self
            .levels
            .iter()
            .map(|level| level.first)
            .filter(|&first| first != NIL);
        let due = |&id: &u32| {
            self.clock
                .remaining(self.slots[id as usize].deadline, self.longest_timeout)
                == 0
        };
        let id = firsts.into_iter().find(due)?;
        self.dequeue(id);
        Some(id)
    }

    /// Waits for the next timeout of an entry that was [`due`](Self::due), from `now`. Returns false when there is
    /// none: the SYN-ACK was sent as often as it may be, and the entry is to be removed.
    pub(super) fn rearm(&mut self, id: u32, now: Instant) -> bool {
        self.observe(now);
        let slot = &mut self.slots[id as usize];
        debug_assert_eq!(
            slot.place,
            Place::Due,
            "entry {id} is rearmed without having been due"
        );
        if usize::from(slot.retransmissions) + 1 == self.levels.len() {
            return false;
        }
        slot.retransmissions += 1;
        slot.challenges = 0;
        self.enqueue(id);
        true
    }

    /// Whether an entry may be challenged once more until its SYN-ACK goes again, `limit` times in all; counts that it is.
    pub(super) fn may_challenge(&mut self, id: u32, limit: u8) -> bool {
        let slot = &mut self.slots[id as usize];
        let may = slot.challenges < limit;
        slot.challenges += u8::from(may);
        may
    }

    /// The SYN came again with this timestamp, which is to be echoed from now on (RFC 7323 section 4.3).
    pub(super) fn set_ts_recent(&mut self, id: u32, tsval: u32) {
        let entry = &mut self.slots[id as usize].entry;
        entry.ts_recent = tsval;
        entry.offered = entry.offered.without(Offered::TIMESTAMP_EXPIRED);
    }

    /// When to ask for what is [`due`](Self::due) next. `None` when nothing is queued. O(levels).
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let firsts = self
            .levels
            .iter()
            .map(|level| level.first)
            .filter(|&first| first != NIL);
        let instant = |id: u32| {
            self.clock
                .instant_of(self.slots[id as usize].deadline, self.longest_timeout)
        };
        firsts.map(instant).min()
    }

    /// Checks that every entry waits in the queue of its level. O(entries).
    pub(super) fn check(&self) -> Checked {
        let mut queued = 0;
        for (level, ends) in self.levels.iter().enumerate() {
            let (mut id, mut prev) = (ends.first, NIL);
            while let Some(slot) = self.slots.get(id as usize) {
                ensure!(
                    slot.prev == prev
                        && slot.place == Place::Queued
                        && usize::from(slot.retransmissions) == level,
                    "half-open entry {id} is in the wrong queue, or not linked to the one before it"
                );
                queued += 1;
                (prev, id) = (id, slot.next);
            }
            ensure!(
                ends.last == prev,
                "the queue of level {level} of half-open entries does not end with its last"
            );
        }
        ensure!(
            queued == self.len,
            "{queued} half-open entries wait, {} are counted",
            self.len
        );
        Ok(())
    }

    /// Every entry with its id. O(slots).
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &HalfOpen<K>)> {
        let entries = self.slots.iter().zip(0u32..);
        entries
            .filter(|(slot, _)| slot.place != Place::Free)
            .map(|(slot, id)| (id, &slot.entry))
    }

    /// Puts a slot where one is free, the one freed last first.
    fn occupy(&mut self, slot: Slot<K>) -> Option<u32> {
        let id = self.first_free;
        if let Some(free) = self.slots.get_mut(id as usize) {
            self.first_free = free.next;
            *free = slot;
            return Some(id);
        }
        if self.slots.len() == self.capacity {
            return None;
        }
        self.slots.push(slot);
        Some(self.slots.len() as u32 - 1)
    }

    /// Appends an entry to the queue of its level.
    fn enqueue(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        let level = &mut self.levels[usize::from(slot.retransmissions)];
        slot.deadline = self.clock.deadline_after(level.timeout);
        (slot.prev, slot.next, slot.place) = (level.last, NIL, Place::Queued);
        match self.slots.get_mut(level.last as usize) {
            Some(last) => last.next = id,
            None => level.first = id,
        }
        level.last = id;
    }

    /// Takes an entry out of its queue, if it is in one.
    fn dequeue(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        if slot.place != Place::Queued {
            return;
        }
        slot.place = Place::Due;
        let (prev, next) = (slot.prev, slot.next);
        let level = &mut self.levels[usize::from(slot.retransmissions)];
        match self.slots.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => level.first = next,
        }
        match self.slots.get_mut(next as usize) {
            Some(next) => next.prev = prev,
            None => level.last = prev,
        }
    }
}
