//! Who is on the link: the neighbour cache, for ARP (RFC 826) and for Neighbor Discovery (RFC 4861) alike.
//!
//! Both families keep to the states of RFC 4861 section 7.3.2. That gives ARP what it lacks: a neighbour is probed before it is believed to
//! be gone, and an entry that nobody needs costs no packets.
//!
//! What strangers may do to the cache is bounded:
//! - the table is fixed in size; entries that are still being resolved make way first, then those that were not used lately;
//! - nothing that was not asked for makes an entry, except a request for an address of ours, and that displaces no entry in use;
//! - nothing that was not asked for makes an entry reachable: a new hardware address is taken over as *stale*, so it is probed soon;
//! - an entry changes its hardware address at most once in a second, so that two who claim the same address cannot make it flap.

pub(super) mod arp;
mod entry;
pub(super) mod message;
mod table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub(super) use self::entry::{Entry, State, Token};
use self::table::Table;
use super::address::Address;
use crate::link::ethernet::MacAddress;
use crate::time::{Duration, Instant};

/// `MAX_MULTICAST_SOLICIT` and `MAX_UNICAST_SOLICIT`.
const MAX_SOLICIT: u8 = 3;
/// `RETRANS_TIMER`: the pause between solicitations.
const RETRANS_TIMER: Duration = Duration::from_millis(1_000);
/// `REACHABLE_TIME`, before it is spread over half to one and a half.
const REACHABLE_TIME: Duration = Duration::from_millis(30_000);
/// `DELAY_FIRST_PROBE_TIME`.
const DELAY_FIRST_PROBE: Duration = Duration::from_secs(5);
/// How long an entry keeps a hardware address that it has just taken over.
const CHANGE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a neighbour that has proved to be there is not suspected.
const CONFIDENCE: Duration = Duration::from_secs(1);
/// Entries that a request from a stranger looks at for one that was not needed.
const PASSIVE_REACH: usize = 8;

/// What somebody says of himself, or we know of him.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) address: Address,
    /// `None` where the message had no room or need for it.
    pub(super) mac: Option<MacAddress>,
    /// The answer to a solicitation (of ours, it says).
    pub(super) solicited: bool,
    /// The hardware address is to replace a known one.
    pub(super) overrides: bool,
    /// Whether it is a router, where the message tells.
    pub(super) is_router: Option<bool>,
}

/// What is to be done about a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Ask for it: everybody, or, when a hardware address is given, that station.
    Solicit(Address, Option<MacAddress>),
    /// It did not answer; what waits for it is undeliverable.
    GiveUp(Token, Address),
    /// It made way for another; what waits for it is dropped.
    Forget(Token),
    /// It is known now; what waits for it can go.
    Release,
}

/// Where a packet for a neighbour goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resolution {
    /// To this station.
    Station(MacAddress),
    /// Nowhere yet: it waits for this entry.
    Wait(Token),
    /// Nowhere: every place in the table is taken by static or busy entries.
    Full,
}

/// What the cache counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NeighbourCounters {
    /// Neighbours that did not answer.
    pub unreachable: u64,
    /// Entries that made way for others.
    pub evicted: u64,
    /// Hardware addresses that changed.
    pub changed: u64,
    /// Changes of a hardware address that were refused, because the last was less than a second ago or the entry is static.
    pub changes_refused: u64,
}

/// The neighbour cache of an Ethernet.
#[derive(Debug)]
pub(super) struct Neighbours {
    table: Table,
    /// Entries that are being resolved, oldest first; some have left since.
    incomplete: VecDeque<Token>,
    /// No entry has something to do before.
    timer: Option<Instant>,
    /// A neighbour in use may be gone; never `false` while there is one.
    has_doubts: bool,
    reachable_time: Duration,
    retrans_timer: Duration,
    pub(super) counters: NeighbourCounters,
}

impl Neighbours {
    pub(super) fn new(secret: [u8; 32], capacity: u32, fixed: &[(Address, MacAddress)]) -> Self {
        Self {
            table: Table::new(secret, capacity as usize, fixed),
            incomplete: VecDeque::with_capacity(capacity as usize),
            timer: None,
            has_doubts: false,
            reachable_time: REACHABLE_TIME,
            retrans_timer: RETRANS_TIMER,
            counters: NeighbourCounters::default(),
        }
    }

    /// Takes over what a router says of the link (RFC 4861 section 6.3.4).
    pub(super) fn set_times(&mut self, reachable: Option<Duration>, retrans: Option<Duration>) {
        self.reachable_time = reachable.unwrap_or(self.reachable_time);
        self.retrans_timer = retrans.unwrap_or(self.retrans_timer);
    }

    /// The entry of an address.
    pub(super) fn find(&self, address: &Address) -> Option<Token> {
        self.table.find(address)
    }

    /// The entry behind a token, if it is still the same.
    #[inline]
    pub(super) fn get(&self, token: Token) -> Option<&Entry> {
        self.table.get(token)
    }

    /// Where a packet for a known neighbour goes. `None` when the token is stale or the neighbour is yet to be resolved.
    #[inline]
    pub(super) fn station(&mut self, now: Instant, token: Token) -> Option<MacAddress> {
        let entry = self.table.get_mut(token)?;
        if entry.state == State::Incomplete {
            return None;
        }
        entry.is_used = true;
        if entry.state == State::Reachable && now >= entry.until {
            entry.state = State::Stale;
        }
        let mac = entry.mac;
        if entry.state == State::Stale {
            entry.state = State::Delay;
            self.has_doubts = true;
            self.arm(token, now + DELAY_FIRST_PROBE);
        }
        Some(mac)
    }

    /// Whether [`Neighbours::confirm`] can spare somebody a probe.
    #[inline]
    pub(super) fn has_doubts(&self) -> bool {
        self.has_doubts
    }

    /// What went through this neighbour at `sent` has arrived, a transport knows (RFC 4861 section 7.3.1). That is as good as an answer of the
    /// neighbour's, unless the hardware address is newer: then it was another station that it went through.
    pub(super) fn confirm(&mut self, now: Instant, token: Token, sent: Instant) {
        let Some(address) = self.table.get(token).map(|entry| entry.address) else {
            return;
        };
        let reachable_until = now + self.spread(now, &address);
        if let Some(entry) = self.table.get_mut(token)
            && matches!(entry.state, State::Stale | State::Delay | State::Probe)
            && sent > entry.changed_at
        {
            entry.settle(true, reachable_until);
            entry.confirmed_at = now;
        }
    }

    /// What went through this neighbour does not arrive, a transport believes (RFC 1122 section 2.3.2.1): the neighbour is probed at once, unless
    /// it has been heard within a second, or is being probed.
    pub(super) fn suspect(&mut self, now: Instant, token: Token) {
        if let Some(entry) = self.table.get_mut(token)
            && matches!(entry.state, State::Reachable | State::Stale | State::Delay)
            && now >= entry.confirmed_at + CONFIDENCE
        {
            (entry.state, entry.tries) = (State::Probe, 0);
            self.has_doubts = true;
            self.arm(token, now);
        }
    }

    /// Where a packet for `address` goes; makes an entry if there is none.
    pub(super) fn resolve(
        &mut self,
        now: Instant,
        address: &Address,
        actions: &mut Vec<Action>,
    ) -> Resolution {
        if let Some(entry) = self.table.find(address) {
            return match self.station(now, entry) {
                Some(mac) => Resolution::Station(mac),
                None => Resolution::Wait(entry),
            };
        }
        let Some(entry) = self.make_room(actions).and_then(|()| self.table.insert(address)) else {
            return Resolution::Full;
        };
        self.incomplete.push_back(entry);
        if let Some(new) = self.table.get_mut(entry) {
            new.tries = 1;
        }
        self.arm(entry, now + self.retrans_timer);
        actions.push(Action::Solicit(*address, None));
        Resolution::Wait(entry)
    }

    /// What a solicitation of ours, an advertisement, or a request for an address of ours says of its sender (RFC 4861 section 7.2.3, RFC 826):
    /// it makes an entry, which is stale until it is needed and probed.
    pub(super) fn learn(&mut self, now: Instant, address: &Address, mac: MacAddress) -> Option<Action> {
        if self.table.find(address).is_some() {
            return self.update(
                now,
                &Claim {
                    address: *address,
                    mac: Some(mac),
                    solicited: false,
                    overrides: true,
                    is_router: None,
                },
            );
        }
        if self.table.is_full() {
            self.table.evict_stranger(PASSIVE_REACH)?;
            self.counters.evicted += 1;
        }
        let token = self.table.insert(address)?;
        if let Some(entry) = self.table.get_mut(token) {
            entry.state = State::Stale;
            entry.mac = mac;
            entry.changed_at = now;
            entry.is_used = false;
        }
        None
    }

    /// Updates an entry by what somebody says (RFC 4861 section 7.2.5); an unknown neighbour stays unknown.
    pub(super) fn update(&mut self, now: Instant, claim: &Claim) -> Option<Action> {
        let token = self.table.find(&claim.address)?;
        let reachable_until = now + self.spread(now, &claim.address);
        let entry = self.table.get_mut(token)?;
        // Whoever was not asked proves nothing by calling his message an answer.
        let is_answer = claim.solicited && matches!(entry.state, State::Incomplete | State::Probe);
        if entry.state == State::Incomplete {
            entry.mac = claim.mac?;
            (entry.changed_at, entry.confirmed_at) = (now, now);
            entry.settle(is_answer, reachable_until);
            entry.is_router = claim.is_router.unwrap_or(false);
            return Some(Action::Release);
        }
        let differs = claim.mac.is_some_and(|mac| mac != entry.mac);
        if differs && (entry.state == State::Static || now < entry.changed_at + CHANGE_INTERVAL) {
            self.counters.changes_refused += 1;
            return None;
        }
        if differs && !claim.overrides {
            if entry.state == State::Reachable {
                entry.state = State::Stale;
            }
            return None;
        }
        entry.is_router = claim.is_router.unwrap_or(entry.is_router);
        if differs {
            entry.mac = claim.mac.unwrap_or(entry.mac);
            entry.changed_at = now;
            self.counters.changed += 1;
        }
        if is_answer {
            entry.confirmed_at = now;
        }
        if is_answer || differs {
            entry.settle(is_answer, reachable_until);
        }
        None
    }

    /// When [`Neighbours::run_timers`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Asks again, begins to probe, or gives up, for every entry that is due.
    pub(super) fn run_timers(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.timer.is_none_or(|timer| now < timer) {
            return;
        }
        (self.timer, self.has_doubts) = (None, false);
        for slot in 0..self.table.slots() {
            let Some(token) = self.table.at(slot) else {
                continue;
            };
            let Some(entry) = self.table.get_mut(token).filter(|entry| entry.has_timer()) else {
                continue;
            };
            let due = entry.until;
            let is_doubted = entry.is_resolved();
            if now < due {
                self.has_doubts |= is_doubted;
                self.note(due);
                continue;
            }
            if entry.state == State::Delay {
                (entry.state, entry.tries) = (State::Probe, 0);
            }
            if entry.tries < MAX_SOLICIT {
                entry.tries += 1;
                self.has_doubts |= is_doubted;
                let at = (entry.state == State::Probe).then_some(entry.mac);
                actions.push(Action::Solicit(entry.address, at));
                self.arm(token, now + self.retrans_timer);
            } else {
                actions.push(Action::GiveUp(token, entry.address));
                self.table.remove(token);
                self.counters.unreachable += 1;
            }
        }
    }

    fn arm(&mut self, token: Token, until: Instant) {
        if let Some(entry) = self.table.get_mut(token) {
            entry.until = until;
        }
        self.note(until);
    }

    fn note(&mut self, due: Instant) {
        self.timer = Some(self.timer.map_or(due, |timer| timer.min(due)));
    }

    /// Sees to it that an entry can be made because a packet needs it.
    fn make_room(&mut self, actions: &mut Vec<Action>) -> Option<()> {
        // What is resolved by now, or gone, is dropped here; each is so once.
        let table = &self.table;
        let is_waiting = |token: &Token| {
            table
                .get(*token)
                .is_some_and(|entry| entry.state == State::Incomplete)
        };
        while self.incomplete.front().is_some_and(|token| !is_waiting(token)) {
            self.incomplete.pop_front();
        }
        if !self.table.is_full() && self.incomplete.len() < self.incomplete.capacity() {
            return Some(());
        }
        self.counters.evicted += 1;
        match self.incomplete.pop_front() {
            Some(oldest) => {
                self.table.remove(oldest);
                actions.push(Action::Forget(oldest));
            }
            None => self.table.evict_unused()?,
        }
        Some(())
    }

    /// A number that nobody outside can foresee.
    pub(super) fn noise(&self, now: Instant, address: &Address) -> u64 {
        self.table.noise(now, address)
    }

    /// The reachable time, spread over half to one and a half (RFC 4861 section 6.3.2), so that neighbours are not probed in step.
    fn spread(&self, now: Instant, address: &Address) -> Duration {
        let base = self.reachable_time.as_nanos();
        let fraction = self.table.noise(now, address) % 1024;
        Duration::from_nanos(base / 2 + base / 1024 * fraction)
    }
}
