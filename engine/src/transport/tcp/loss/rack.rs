//! RACK: what was sent before something that has arrived, and has not arrived itself for a reordering window, is lost (RFC 8985).
//!
//! The RFC keeps the time of each transmission. Here a connection keeps nothing while nothing is lost, so that the common path pays
//! nothing: first transmissions happen in the order of their sequence numbers, so what was sent before is known without a clock, and the
//! reordering window runs from when the first segment arrived that was sent later. The RFC counts from the latest arrival, less the time
//! between the transmissions. Where acknowledgments clock segments out, these arrive as far apart as they were sent, and both are the same but
//! for the time between two segments. Of a burst that a slow link spreads out the window ends earlier here, by as long as the link has taken
//! for what arrived since; what is found lost too soon by that is reported as a duplicate, and the window grows.

use std::collections::VecDeque;

use super::scoreboard::Scoreboard;
use crate::time::{Duration, Instant};
use crate::transport::tcp::input::{TICK, is_older, timestamp_clock};
use crate::transport::tcp::seq::SeqNumber;

/// Arrivals that wait for their reordering window. More are taken as one, the latest.
const MAX_ARRIVALS: usize = 64;

/// Everything that was sent once and ends by `before` was sent before what arrived at `at`, or should have.
#[derive(Clone, Copy, Debug)]
struct Overtaking {
    before: SeqNumber,
    at: Instant,
}

/// A retransmission.
#[derive(Clone, Copy, Debug)]
struct Resent {
    start: SeqNumber,
    end: SeqNumber,
    sent_at: Instant,
    /// SND.MAX at that time: what lies beyond was sent later.
    snd_max: SeqNumber,
}

/// The order in which segments were sent, as far as it matters.
#[derive(Debug)]
pub(super) struct Rack {
    overtakings: VecDeque<Overtaking>,
    /// First transmissions that end by this were sent by then.
    originals: Overtaking,
    /// First transmissions before this are lost or have arrived.
    judged: SeqNumber,
    /// Retransmissions in their order, which is that of their numbers.
    resent: VecDeque<Resent>,
    /// The number of the first of them.
    first: u32,
    /// The number before which they have been overtaken.
    overtaken: u32,
    /// RACK.rtt: the round-trip time of the segment that was sent last of those that arrived.
    rtt: Duration,
}

/// Which of several transmissions an acknowledgment may be of (RFC 8985 section 6.2 step 2).
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Hint {
    /// What the timestamp clock showed when the segment was sent whose timestamp came back.
    pub(super) echoed: Option<u32>,
    /// The shortest round-trip time; zero when none was measured.
    pub(super) min_rtt: Duration,
}

impl Hint {
    /// Whether octets that were sent again at `sent_at` have arrived `rtt` later by an earlier transmission: the timestamp of that came
    /// back, or the answer was faster than any. Without either measure nothing shows that it was the retransmission.
    fn is_of_earlier(self, sent_at: Instant, rtt: Duration) -> bool {
        match self.echoed {
            Some(echoed) if is_older(echoed, timestamp_clock(sent_at)) => true,
            None if self.min_rtt == Duration::ZERO => true,
            _ => rtt < self.min_rtt,
        }
    }
}

/// What is found lost.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Found {
    /// Octets.
    pub(super) octets: u32,
    /// The latest retransmission among them.
    pub(super) resent: Option<u32>,
    /// When there may be more.
    pub(super) again_at: Option<Instant>,
}

impl Default for Rack {
    fn default() -> Self {
        Self {
            overtakings: VecDeque::new(),
            originals: Overtaking {
                before: SeqNumber(0),
                at: Instant::ZERO,
            },
            judged: SeqNumber(0),
            resent: VecDeque::new(),
            first: 0,
            overtaken: 0,
            rtt: Duration::ZERO,
        }
    }
}

impl Rack {
    /// Starts anew: nothing has arrived out of order, and nothing was sent again.
    pub(super) fn reset(&mut self, snd_una: SeqNumber, rtt: Duration) {
        self.overtakings.clear();
        self.judged = snd_una;
        self.first = self.next_number();
        self.overtaken = self.first;
        self.resent.clear();
        self.rtt = rtt;
    }

    /// Starts anew, with the round-trip time that is known.
    pub(super) fn restart(&mut self, snd_una: SeqNumber) {
        self.reset(snd_una, self.rtt);
    }

    /// Nothing was lost so far: first transmissions that end by `highest` were overtaken just now. Retransmissions keep their times.
    pub(super) fn acquit(&mut self, snd_una: SeqNumber, highest: Option<SeqNumber>, now: Instant) {
        self.overtakings.clear();
        self.judged = snd_una;
        if let Some(highest) = highest {
            self.overtake(highest, now);
        }
    }

    /// First transmissions that end by `before` were sent at the time `at` or earlier.
    pub(super) fn note_originals_sent(&mut self, before: SeqNumber, at: Instant) {
        self.originals = Overtaking { before, at };
    }

    /// The number of the next retransmission.
    pub(super) fn next_number(&self) -> u32 {
        self.first.wrapping_add(self.resent.len() as u32)
    }

    /// Octets are sent again.
    pub(super) fn note_resent(&mut self, start: SeqNumber, end: SeqNumber, snd_max: SeqNumber, now: Instant) {
        self.resent.push_back(Resent {
            start,
            end,
            sent_at: now,
            snd_max,
        });
    }

    /// A first transmission that ends at `end` has arrived.
    pub(super) fn on_original_arrived(&mut self, end: SeqNumber, now: Instant) {
        self.overtake(end, now);
        while let Some(resent) = self.resent_of(self.overtaken)
            && resent.snd_max.lt(end)
        {
            self.overtaken = self.overtaken.wrapping_add(1);
        }
    }

    /// The retransmission of this number has arrived, unless `hint` tells that it was an earlier transmission of the same octets.
    pub(super) fn on_resent_arrived(&mut self, number: u32, hint: Hint, now: Instant) {
        let Some(resent) = self.resent_of(number) else {
            return;
        };
        let rtt = now.saturating_since(resent.sent_at);
        if hint.is_of_earlier(resent.sent_at, rtt) {
            return;
        }
        self.rtt = rtt;
        if number.wrapping_sub(self.overtaken).cast_signed() > 0 {
            self.overtaken = number;
        }
        // What was sent long before the retransmission should have been here long ago.
        let known = resent.snd_max.le(self.originals.before);
        let expected = if known { self.originals.at + rtt } else { now };
        self.overtake(resent.snd_max, now.min(expected));
    }

    /// The time since the retransmission of this number, which was sent when the timestamp clock showed `echoed`; `None` when it was not, or
    /// within a tick, in which an earlier transmission may have been sent too.
    pub(super) fn round_trip(&self, number: u32, echoed: u32, now: Instant) -> Option<Duration> {
        let sent_at = self.resent_of(number)?.sent_at;
        let rtt = now.saturating_since(sent_at);
        (timestamp_clock(sent_at) == echoed && rtt >= TICK).then_some(rtt)
    }

    fn resent_of(&self, number: u32) -> Option<Resent> {
        let at = number.wrapping_sub(self.first) as usize;
        self.resent.get(at).copied()
    }

    fn overtake(&mut self, before: SeqNumber, at: Instant) {
        let is_full = self.overtakings.len() == MAX_ARRIVALS;
        match self.overtakings.back_mut() {
            Some(last) if before.le(last.before) => {}
            Some(last) if last.at == at || is_full => *last = Overtaking { before, at },
            _ => self.overtakings.push_back(Overtaking { before, at }),
        }
    }

    /// Marks what is lost at `now`, when `window` is the reordering window (RFC 8985 section 6.2 step 5).
    pub(super) fn detect(
        &mut self,
        scoreboard: &mut Scoreboard,
        snd_una: SeqNumber,
        window: Duration,
        now: Instant,
    ) -> Found {
        let mut found = Found::default();
        self.detect_originals(scoreboard, snd_una, window, now, &mut found);
        self.detect_resent(scoreboard, window, now, &mut found);
        found
    }

    fn detect_originals(
        &mut self,
        scoreboard: &mut Scoreboard,
        snd_una: SeqNumber,
        window: Duration,
        now: Instant,
        found: &mut Found,
    ) {
        self.judged = self.judged.max(snd_una);
        while let Some(overtaking) = self.overtakings.front().copied() {
            let due = overtaking.at + window;
            if overtaking.before.gt(self.judged) {
                if due > now {
                    found.again_at = Some(due);
                    return;
                }
                found.octets += scoreboard.lose_original(self.judged, overtaking.before);
                self.judged = overtaking.before;
            }
            self.overtakings.pop_front();
        }
    }

    fn detect_resent(
        &mut self,
        scoreboard: &mut Scoreboard,
        window: Duration,
        now: Instant,
        found: &mut Found,
    ) {
        while let Some(resent) = self.resent.front().copied() {
            let number = self.first;
            if scoreboard.has_resent(resent.start, resent.end, number) {
                if number == self.overtaken {
                    return;
                }
                let due = resent.sent_at + self.rtt + window;
                if due > now {
                    found.again_at = Some(found.again_at.map_or(due, |at| at.min(due)));
                    return;
                }
                found.octets += scoreboard.lose_resent(resent.start, resent.end, number);
                found.resent = Some(number);
            }
            self.resent.pop_front();
            self.first = number.wrapping_add(1);
            if number == self.overtaken {
                self.overtaken = self.first;
            }
        }
    }
}

/// What a connection remembers of its path between losses (RFC 8985 section 6.2 step 4): whether it reorders, and RACK.reo_wnd_mult with
/// RACK.reo_wnd_persist, which DSACKs raise. One byte.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::transport::tcp) struct Reordering(u8);

impl Reordering {
    const SEEN: u8 = 1 << 7;
    const MULTIPLE: u8 = 7 << 4;
    const MULTIPLE_STEP: u8 = 1 << 4;
    /// Recoveries that a larger window outlasts: 16, counted down to 0.
    const PERSIST: u8 = 15;

    /// Segments have arrived in another order than that in which they were sent.
    pub(super) fn note_seen(&mut self) {
        self.0 |= Self::SEEN;
    }

    /// A round trip brought a DSACK: something was sent again for nothing.
    pub(super) fn note_spurious(&mut self) {
        if self.0 & Self::MULTIPLE != Self::MULTIPLE {
            self.0 += Self::MULTIPLE_STEP;
        }
        self.0 |= Self::PERSIST;
    }

    /// A recovery has ended.
    pub(super) fn note_recovery(&mut self) {
        if self.0 & Self::PERSIST == 0 {
            self.0 &= !Self::MULTIPLE;
        } else {
            self.0 -= 1;
        }
    }

    /// RACK.reo_wnd: none on a path that was never seen to reorder, once there is `other_evidence` (three segments that have
    /// arrived later, or a recovery that runs); else quarters of the shortest round-trip time, at most the smoothed one.
    pub(super) fn window(self, min_rtt: Duration, srtt: Duration, other_evidence: bool) -> Duration {
        if self.0 & Self::SEEN == 0 && other_evidence {
            return Duration::ZERO;
        }
        let quarters = u64::from((self.0 & Self::MULTIPLE) / Self::MULTIPLE_STEP) + 1;
        Duration::from_nanos(min_rtt.as_nanos() / 4 * quarters).min(srtt)
    }
}

#[cfg(test)]
mod comparison;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
