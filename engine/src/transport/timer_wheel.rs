//! A hierarchical timer wheel whose list links live with the caller.
//!
//! Four levels of 64 slots; a slot of level 0 is one tick (2²⁰ ns, about a millisecond), a slot of each further level
//! as long as the whole level before. A timer goes to the lowest level whose current round contains its tick, so that
//! levels never overlap in time: the first occupied slot of the first occupied level is the next to come. Timers
//! beyond the current round of the last level (up to 4.9 hours) wait in one list until the next round.
//!
//! The wheel is meant for lazy timers: the owner of a timer keeps the true deadline and merely overwrites it while it
//! moves further away, as the retransmission deadline does with every ACK. When the timer fires too soon, the owner
//! schedules it again.

#[cfg(test)]
mod tests;

use super::tcp::{Checked, ensure};
use crate::time::Instant;

/// Nanoseconds of a tick, as a power of two.
const TICK_SHIFT: u32 = 20;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 4;
/// Ticks in a round of the last level, as a power of two.
const ROUND_BITS: u32 = SLOT_BITS * LEVELS as u32;

/// The list of timers beyond the current round of the last level.
const FAR: usize = LEVELS * SLOTS;
/// The list of timers that are on the way from a slot that has come to lower levels.
const CASCADE: usize = FAR + 1;
const LISTS: usize = CASCADE + 1;

const NIL: u32 = u32::MAX;
/// In [`Link::prev`]: this timer is the first of the list that the other bits name.
const FIRST_OF: u32 = 1 << 31;

/// What the owner of a timer stores for the wheel; 12 bytes. The default is "not scheduled".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    next: u32,
    /// The timer before this one, `FIRST_OF | list`, or [`NIL`] when not scheduled.
    prev: u32,
    /// The lower half of the tick at which to fire.
    tick: u32,
}

impl Link {
    /// Whether the timer is scheduled.
    pub fn is_linked(&self) -> bool {
        self.prev != NIL
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            next: NIL,
            prev: NIL,
            tick: 0,
        }
    }
}

/// Where the links of the timers are, by the timer's id (below 2³¹).
pub trait Links {
    /// The link of a timer.
    fn link(&self, id: u32) -> &Link;
    /// The link of a timer, for the wheel to change.
    fn link_mut(&mut self, id: u32) -> &mut Link;
}

/// Timers in the order of their ticks. All operations are O(1) for each timer concerned; none allocates.
#[derive(Debug)]
pub struct TimerWheel {
    /// The tick up to which everything has fired. Never goes back, and never passes an occupied slot.
    now: u64,
    /// The first timer of each list.
    heads: [u32; LISTS],
    /// The occupied slots of each level. None lies before the slot of `now`.
    occupied: [u64; LEVELS],
}

impl TimerWheel {
    /// An empty wheel at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            now: tick_before(now),
            heads: [NIL; LISTS],
            occupied: [0; LEVELS],
        }
    }

    /// Makes sure that the timer fires no later than the first tick that is not before `deadline`.
    ///
    /// A timer already scheduled for that tick or an earlier one is left alone; a later one is moved forward. A
    /// timer for more than 2³² ticks (52 days) ahead fires after 52 days.
    pub fn schedule(&mut self, links: &mut impl Links, id: u32, deadline: Instant) {
        let tick = tick_after(deadline).clamp(self.now, self.now + u64::from(u32::MAX));
        let link = links.link(id);
        if link.is_linked() {
            if self.full_tick(link) <= tick {
                return;
            }
            self.unlink(links, id);
        }
        self.push(links, id, tick);
    }

    /// Whether a timer with this link fires no later than [`TimerWheel::schedule`] would make it fire for `deadline`.
    #[inline]
    pub fn fires_by(&self, link: &Link, deadline: Instant) -> bool {
        link.is_linked() && self.full_tick(link) <= tick_after(deadline)
    }

    /// Takes the timer out, if it is scheduled.
    pub fn cancel(&mut self, links: &mut impl Links, id: u32) {
        if links.link(id).is_linked() {
            self.unlink(links, id);
        }
    }

    /// Appends the timers that are due at `now` to `due`, in the order of their ticks, and takes them out of the wheel.
    ///
    /// At most `budget` timers are handled, counting those that only move to a lower level. Returns whether everything
    /// due is done. A `now` before that of an earlier call counts as that one.
    pub fn advance(
        &mut self,
        links: &mut impl Links,
        now: Instant,
        budget: usize,
        due: &mut Vec<u32>,
    ) -> bool {
        let target = tick_before(now).max(self.now);
        let mut left = budget;
        while let Some((tick, list)) = self.next_list().filter(|&(tick, _)| tick <= target) {
            self.now = tick;
            if (SLOTS..=FAR).contains(&list) {
                self.start_cascade(links, list);
                continue;
            }
            if left == 0 {
                return false;
            }
            left -= 1;
            let id = self.heads[list];
            let tick = self.full_tick(links.link(id));
            self.unlink(links, id);
            if list == CASCADE {
                self.push(links, id, tick);
            } else {
                due.push(id);
            }
        }
        self.now = target;
        true
    }

    /// When to call [`advance`](Self::advance) next: never later than the first timer, up to a slot of its level
    /// earlier. `None` without timers.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_list()
            .map(|(tick, _)| Instant::from_nanos(tick.saturating_mul(1 << TICK_SHIFT)))
    }

    /// Checks that the lists hold `linked` timers, none before now and each linked to its neighbours. O(timers).
    pub(in crate::transport) fn check(&self, links: &impl Links, linked: usize) -> Checked {
        let mut found = 0;
        for (list, &head) in self.heads.iter().enumerate() {
            let (mut id, mut prev) = (head, FIRST_OF | list as u32);
            while id != NIL {
                let link = links.link(id);
                ensure!(link.prev == prev, "timer {id} is not linked to the one before it");
                found += 1;
                ensure!(
                    found <= linked,
                    "the wheel holds more than the {linked} timers that are linked"
                );
                (prev, id) = (id, link.next);
            }
        }
        ensure!(
            found == linked,
            "the wheel holds {found} timers, {linked} are linked"
        );
        Ok(())
    }

    /// The next occupied list and the tick at which it comes.
    fn next_list(&self) -> Option<(u64, usize)> {
        if self.heads[CASCADE] != NIL {
            return Some((self.now, CASCADE));
        }
        if let Some(level) = self.occupied.iter().position(|&slots| slots != 0) {
            let slot = self.occupied[level].trailing_zeros() as usize;
            let slot_shift = SLOT_BITS * level as u32;
            let round_start = round_down(self.now, slot_shift + SLOT_BITS);
            return Some((round_start + ((slot as u64) << slot_shift), level * SLOTS + slot));
        }
        let next_round = round_down(self.now, ROUND_BITS) + (1 << ROUND_BITS);
        (self.heads[FAR] != NIL).then_some((next_round, FAR))
    }

    /// Moves a whole list over to be sorted into lower levels one by one. O(1).
    fn start_cascade(&mut self, links: &mut impl Links, list: usize) {
        debug_assert_eq!(self.heads[CASCADE], NIL, "a cascade ends before time goes on");
        let first = self.heads[list];
        self.set_head(list, NIL);
        self.set_head(CASCADE, first);
        links.link_mut(first).prev = FIRST_OF | CASCADE as u32;
    }

    fn push(&mut self, links: &mut impl Links, id: u32, tick: u64) {
        let list = self.list_for(tick);
        let next = self.heads[list];
        if next != NIL {
            links.link_mut(next).prev = id;
        }
        *links.link_mut(id) = Link {
            next,
            prev: FIRST_OF | list as u32,
            tick: tick as u32,
        };
        self.set_head(list, id);
    }

    fn unlink(&mut self, links: &mut impl Links, id: u32) {
        let Link { next, prev, .. } = core::mem::take(links.link_mut(id));
        if next != NIL {
            links.link_mut(next).prev = prev;
        }
        if prev & FIRST_OF == 0 {
            links.link_mut(prev).next = next;
        } else {
            self.set_head((prev & !FIRST_OF) as usize, next);
        }
    }

    fn set_head(&mut self, list: usize, head: u32) {
        self.heads[list] = head;
        if let Some(occupied) = self.occupied.get_mut(list / SLOTS) {
            let bit = 1 << (list % SLOTS);
            *occupied = if head == NIL {
                *occupied & !bit
            } else {
                *occupied | bit
            };
        }
    }

    /// The list of a tick that is not before `now`: on the level of the highest digit in which the two differ.
    fn list_for(&self, tick: u64) -> usize {
        let difference = (self.now ^ tick) | (SLOTS as u64 - 1);
        let level = (difference.ilog2() / SLOT_BITS) as usize;
        if level >= LEVELS {
            return FAR;
        }
        let slot = (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        level * SLOTS + slot
    }

    fn full_tick(&self, link: &Link) -> u64 {
        self.now + u64::from(link.tick.wrapping_sub(self.now as u32))
    }
}

fn tick_before(instant: Instant) -> u64 {
    instant.as_nanos() >> TICK_SHIFT
}

#[inline]
fn tick_after(instant: Instant) -> u64 {
    instant.as_nanos().div_ceil(1 << TICK_SHIFT)
}

fn round_down(tick: u64, bits: u32) -> u64 {
    tick >> bits << bits
}
