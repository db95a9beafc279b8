//! RACK beside a naive sender that keeps the time of every transmission, as RFC 8985 has it, over a network that loses, delays and reorders
//! segments and their acknowledgments.

use super::{Hint, Rack};
use crate::time::{Duration, Instant};
use crate::transport::tcp::input::timestamp_clock;
use crate::transport::tcp::loss::delivered::{Delivered, Reported};
use crate::transport::tcp::loss::scoreboard::Scoreboard;
use crate::transport::tcp::options::{MAX_SACK_BLOCKS, SackBlock};
use crate::transport::tcp::seq::SeqNumber;
use proptest::collection::vec;
use proptest::prelude::*;

/// Octets of each segment.
const MSS: u32 = 10;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Resend,
    /// A transmission arrives; whether its acknowledgment does too.
    Arrive {
        which: prop::sample::Index,
        is_told: bool,
    },
    Drop(prop::sample::Index),
    Detect,
    Timeout,
    Acquit,
}

fn any_step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => Just(Step::Send),
        5 => Just(Step::Resend),
        8 => (index(), prop::bool::weighted(0.8)).prop_map(|(which, is_told)| Step::Arrive { which, is_told }),
        2 => index().prop_map(Step::Drop),
        3 => Just(Step::Detect),
        1 => Just(Step::Timeout),
        1 => Just(Step::Acquit),
    ]
}

/// What the sender knows of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    /// Sent once.
    Sent,
    Lost,
    /// Sent again, as this transmission.
    Again(usize),
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Transmission {
    segment: usize,
    sent_at: Instant,
    /// Segments that had been sent by then.
    segments: usize,
    /// The number that a retransmission has.
    number: Option<u32>,
}

/// A segment that was sent once.
#[derive(Clone, Copy, Debug)]
struct Original {
    known: Known,
    /// When something arrived that was sent later.
    overtaken_at: Option<Instant>,
    /// Its reordering window is over.
    is_judged: bool,
}

/// The naive sender, with its network and its receiver.
struct Model {
    transmissions: Vec<Transmission>,
    /// Those that are on the way.
    network: Vec<usize>,
    has_arrived: Vec<bool>,
    segments: Vec<Original>,
    una: usize,
    rtt: Duration,
    /// When the first flight was complete, and its segments.
    flight: (Instant, usize),
    /// Arrivals from which losses follow: the order of sending, when it was sent, when it arrived.
    evidence: Vec<(usize, Instant, Instant)>,
    /// The same of what is held when nothing was lost after all: that was sent once, for all that is known.
    presumed: Vec<(usize, Instant, Instant)>,
}

/// What both find.
#[derive(PartialEq, Eq, Default, Debug)]
struct Losses {
    octets: u32,
    resent: Option<u32>,
    again_at: Option<Instant>,
}

impl Model {
    fn send(&mut self, segment: usize, number: Option<u32>, now: Instant) {
        self.network.push(self.transmissions.len());
        self.transmissions.push(Transmission {
            segment,
            sent_at: now,
            segments: self.segments.len(),
            number,
        });
    }

    /// The original of a segment: originals are sent in order.
    fn original_of(&self, segment: usize) -> usize {
        let is_it = |sent: &Transmission| sent.segment == segment && sent.number.is_none();
        self.transmissions.iter().position(is_it).expect("was sent")
    }

    fn overtake(&mut self, segments: usize, at: Instant) {
        for segment in self.segments[..segments]
            .iter_mut()
            .filter(|segment| !segment.is_judged)
        {
            segment.overtaken_at = segment.overtaken_at.or(Some(at));
        }
    }

    /// Blocks beyond the gap, that with `latest` first.
    fn blocks(&self, latest: usize) -> Vec<(usize, usize)> {
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for segment in (self.una..self.has_arrived.len()).filter(|segment| self.has_arrived[*segment]) {
            match blocks.last_mut() {
                Some((_, end)) if *end == segment => *end += 1,
                _ => blocks.push((segment, segment + 1)),
            }
        }
        blocks.sort_by_key(|(start, end)| !(*start..*end).contains(&latest));
        blocks.truncate(MAX_SACK_BLOCKS);
        blocks
    }

    /// These segments have arrived. Returns the latest retransmission among them.
    fn learn(&mut self, news: &[usize], now: Instant) -> Option<usize> {
        let mut latest = None;
        for &segment in news {
            match std::mem::replace(&mut self.segments[segment].known, Known::Arrived) {
                Known::Sent | Known::Lost => {
                    let original = self.original_of(segment);
                    self.evidence
                        .push((original, self.transmissions[original].sent_at, now));
                    self.overtake(segment + 1, now);
                }
                Known::Again(transmission) => latest = latest.max(Some(transmission)),
                Known::Arrived => {}
            }
        }
        latest
    }

    /// A retransmission has arrived, if it cannot have been an earlier transmission.
    fn learn_of_resent(
        &mut self,
        transmission: Option<usize>,
        echoed: Option<u32>,
        min_rtt: Duration,
        now: Instant,
    ) {
        let Some(transmission) = transmission else { return };
        let Transmission {
            sent_at, segments, ..
        } = self.transmissions[transmission];
        let rtt = now.saturating_since(sent_at);
        let is_earlier = echoed.is_some_and(|echoed| echoed < timestamp_clock(sent_at));
        if is_earlier || rtt < min_rtt || (echoed.is_none() && min_rtt == Duration::ZERO) {
            return;
        }
        self.rtt = rtt;
        self.evidence.push((transmission, sent_at, now));
        let (complete_at, flight) = self.flight;
        let due = if segments <= flight {
            complete_at + rtt
        } else {
            now
        };
        self.overtake(segments, due.min(now));
    }

    /// Whether something has arrived that was sent after this transmission.
    fn is_overtaken(&self, transmission: usize) -> bool {
        self.evidence.iter().any(|(order, ..)| *order > transmission)
    }

    /// RFC 8985 section 6.2 step 5 with the very times: some later transmission took so long that this one should be here too.
    fn is_lost_by_rfc(&self, transmission: usize, window: Duration, now: Instant) -> bool {
        let sent_at = self.transmissions[transmission].sent_at;
        let is_due =
            |sent: Instant, arrived: Instant| sent_at + arrived.saturating_since(sent) + window <= now;
        let all = self.evidence.iter().chain(&self.presumed);
        let mut later = all.filter(|(order, ..)| *order > transmission);
        later.any(|(_, sent, arrived)| is_due(*sent, *arrived))
    }

    fn detect(&mut self, window: Duration, now: Instant) -> Losses {
        let mut losses = Losses::default();
        self.detect_originals(&mut losses, window, now);
        self.detect_resent(&mut losses, window, now);
        losses
    }

    fn detect_originals(&mut self, losses: &mut Losses, window: Duration, now: Instant) {
        for segment in self.una..self.segments.len() {
            let Original {
                known,
                overtaken_at,
                is_judged,
            } = self.segments[segment];
            if is_judged {
                continue;
            }
            let Some(at) = overtaken_at else { return };
            if at + window > now {
                losses.again_at = Some(at + window);
                return;
            }
            self.segments[segment].is_judged = true;
            if known == Known::Sent {
                assert!(
                    self.is_lost_by_rfc(self.original_of(segment), window, now),
                    "{segment} is lost too early"
                );
                self.segments[segment].known = Known::Lost;
                losses.octets += MSS;
            }
        }
    }

    fn detect_resent(&mut self, losses: &mut Losses, window: Duration, now: Instant) {
        for transmission in 0..self.transmissions.len() {
            let Transmission {
                segment,
                sent_at,
                number,
                ..
            } = self.transmissions[transmission];
            if self.segments[segment].known != Known::Again(transmission) {
                continue;
            }
            if !self.is_overtaken(transmission) {
                return;
            }
            let due = sent_at + self.rtt + window;
            if due > now {
                losses.again_at = Some(losses.again_at.map_or(due, |at| at.min(due)));
                return;
            }
            self.segments[segment].known = Known::Lost;
            losses.octets += MSS;
            losses.resent = number;
        }
    }

    /// Nothing has arrived out of order yet.
    fn forget_order(&mut self) {
        for segment in &mut self.segments {
            (segment.overtaken_at, segment.is_judged) = (None, false);
        }
    }
}

/// The engine's sender and the naive one.
struct Both {
    origin: SeqNumber,
    scoreboard: Scoreboard,
    rack: Rack,
    model: Model,
    window: Duration,
    min_rtt: Duration,
    has_timestamps: bool,
}

impl Both {
    fn seq(&self, segment: usize) -> SeqNumber {
        self.origin + segment as u32 * MSS
    }

    fn step(&mut self, step: Step, now: Instant) {
        match step {
            Step::Send => {
                let segment = Original {
                    known: Known::Sent,
                    overtaken_at: None,
                    is_judged: false,
                };
                self.model.segments.push(segment);
                self.model.has_arrived.push(false);
                self.model.send(self.model.segments.len() - 1, None, now);
            }
            Step::Resend => self.resend(now),
            Step::Arrive { which, is_told } if !self.model.network.is_empty() => {
                let transmission = self.model.network.remove(which.index(self.model.network.len()));
                self.model.has_arrived[self.model.transmissions[transmission].segment] = true;
                if is_told {
                    self.acknowledge(transmission, now);
                    self.detect(now);
                }
            }
            Step::Drop(which) if !self.model.network.is_empty() => {
                self.model.network.remove(which.index(self.model.network.len()));
            }
            Step::Detect => self.detect(now),
            Step::Timeout => {
                let (una, end) = (self.seq(self.model.una), self.seq(self.model.segments.len()));
                self.scoreboard.lose_all(una, end);
                self.rack.restart(una);
                self.model.forget_order();
                let segments = self.model.segments.iter_mut();
                segments
                    .filter(|segment| segment.known != Known::Arrived)
                    .for_each(|segment| segment.known = Known::Lost);
            }
            Step::Acquit => self.acquit(now),
            Step::Arrive { .. } | Step::Drop(_) => {}
        }
    }

    fn resend(&mut self, now: Instant) {
        let next = self.scoreboard.next_lost();
        let lost = self
            .model
            .segments
            .iter()
            .position(|segment| segment.known == Known::Lost);
        assert_eq!(
            next.map(|(start, _)| start),
            lost.map(|segment| self.seq(segment))
        );
        let Some(segment) = lost else { return };
        let (start, end) = (self.seq(segment), self.seq(segment + 1));
        let number = self.rack.next_number();
        self.scoreboard.resend(start, end, number);
        let snd_max = self.seq(self.model.segments.len());
        self.rack.note_resent(start, end, snd_max, now);
        self.model.segments[segment].known = Known::Again(self.model.transmissions.len());
        self.model.send(segment, Some(number), now);
    }

    fn acknowledge(&mut self, transmission: usize, now: Instant) {
        let model = &mut self.model;
        let before = model.una;
        let missing = model.has_arrived.iter().position(|arrived| !arrived);
        model.una = missing.unwrap_or(model.has_arrived.len());
        let Transmission { segment, sent_at, .. } = model.transmissions[transmission];
        let blocks = model.blocks(segment);
        // RFC 7323 section 4.3: what comes back is the timestamp of the segment that fills the gap.
        let echoed = self.has_timestamps.then(|| timestamp_clock(sent_at));
        let hint = Hint {
            echoed,
            min_rtt: self.min_rtt,
        };
        let mut reported = Reported::default();
        for (start, end) in &blocks {
            let (left, right) = (self.seq(*start), self.seq(*end));
            reported.held.push(SackBlock { left, right });
        }
        let acknowledged = (self.model.una - before) as u32 * MSS;
        let una = self.seq(self.model.una);
        let answered = self.answered(before, transmission, now);
        let delivered = Delivered::take(&mut self.scoreboard, acknowledged, &reported, una);
        assert_eq!(delivered.round_trip(&self.rack, echoed, now), answered);
        delivered.tell(&mut self.rack, hint, now);
        self.learn(&delivered, before, &blocks, hint, now);
    }

    /// The round trip of the segment at the gap, when it is the retransmission that is answered, and not within a tick.
    fn answered(&self, before: usize, transmission: usize, now: Instant) -> Option<Duration> {
        let Model {
            transmissions,
            una,
            segments,
            ..
        } = &self.model;
        let Known::Again(again) = segments.get(before)?.known else {
            return None;
        };
        let sent_at = transmissions[again].sent_at;
        let echoed = timestamp_clock(transmissions[transmission].sent_at);
        let rtt = now.saturating_since(sent_at);
        let is_it = self.has_timestamps && *una > before && timestamp_clock(sent_at) == echoed;
        (is_it && rtt >= Duration::from_millis(1)).then_some(rtt)
    }

    fn learn(
        &mut self,
        delivered: &Delivered,
        before: usize,
        blocks: &[(usize, usize)],
        hint: Hint,
        now: Instant,
    ) {
        let model = &mut self.model;
        let is_new = |segment: &usize| model.segments[*segment].known != Known::Arrived;
        let acknowledged: Vec<usize> = (before..model.una).filter(is_new).collect();
        let held: Vec<usize> = blocks
            .iter()
            .flat_map(|(start, end)| *start..*end)
            .filter(is_new)
            .collect();
        let all = || acknowledged.iter().chain(&held);
        let highest = model.segments.iter().enumerate().skip(before).rev();
        let mut highest = highest
            .filter(|(_, segment)| segment.known == Known::Arrived)
            .map(|(at, _)| at);
        let highest = highest.next();
        let is_original =
            |segment: &&usize| matches!(model.segments[**segment].known, Known::Sent | Known::Lost);
        let is_late = |segment: &usize| highest.is_some_and(|highest| *segment < highest);
        let lost = all()
            .filter(|segment| model.segments[**segment].known == Known::Lost)
            .count() as u32;
        assert_eq!(delivered.octets, (acknowledged.len() + held.len()) as u32 * MSS);
        assert_eq!(
            (delivered.sacked, delivered.lost),
            (held.len() as u32 * MSS, lost * MSS)
        );
        assert_eq!(delivered.reordered, all().filter(is_original).any(is_late));
        let resent = [&acknowledged, &held].map(|news| model.learn(news, now));
        model.learn_of_resent(resent[0], hint.echoed, hint.min_rtt, now);
        model.learn_of_resent(resent[1], None, hint.min_rtt, now);
    }

    fn detect(&mut self, now: Instant) {
        let una = self.seq(self.model.una);
        let found = self.rack.detect(&mut self.scoreboard, una, self.window, now);
        let expected = self.model.detect(self.window, now);
        let (octets, resent, again_at) = (found.octets, found.resent, found.again_at);
        assert_eq!(
            Losses {
                octets,
                resent,
                again_at
            },
            expected,
            "at {now:?}"
        );
    }

    fn acquit(&mut self, now: Instant) {
        self.scoreboard.find_all();
        let (una, highest) = (self.seq(self.model.una), self.scoreboard.highest_sacked());
        self.rack.acquit(una, highest, now);
        self.model.forget_order();
        let segments = self.model.segments.iter_mut();
        segments
            .filter(|segment| segment.known == Known::Lost)
            .for_each(|segment| segment.known = Known::Sent);
        if let Some(highest) = highest {
            let highest = ((highest - self.origin) / MSS) as usize;
            let original = self.model.original_of(highest - 1);
            let sent_at = self.model.transmissions[original].sent_at;
            self.model.presumed.push((original, sent_at, now));
            self.model.overtake(highest, now);
        }
    }
}

proptest! {
    #[test]
    fn what_is_lost_is_what_the_times_of_all_transmissions_say(
        origin in any::<u32>(),
        first in 1usize..12,
        window in 0u64..6_000,
        min_rtt in 0u64..3_000,
        has_timestamps in any::<bool>(),
        steps in vec((any_step(), prop_oneof![Just(0), 1u64..2_000, 1u64..20_000]), 1..120),
    ) {
        let start = Instant::from_millis(5);
        let mut both = Both {
            origin: SeqNumber(origin),
            scoreboard: Scoreboard::default(),
            rack: Rack::default(),
            model: Model {
                transmissions: Vec::new(),
                network: Vec::new(),
                has_arrived: Vec::new(),
                segments: Vec::new(),
                una: 0,
                rtt: Duration::from_millis(7),
                flight: (start, first),
                evidence: Vec::new(),
                presumed: Vec::new(),
            },
            window: Duration::from_micros(window),
            min_rtt: Duration::from_micros(min_rtt),
            has_timestamps,
        };
        both.scoreboard.clear(both.origin);
        both.rack.reset(both.origin, both.model.rtt);
        (0..first).for_each(|_| both.step(Step::Send, start));
        both.rack.note_originals_sent(both.seq(first), start);
        let mut now = start;
        for (step, micros) in steps {
            now += Duration::from_micros(micros);
            both.step(step, now);
        }
    }
}
