//! RACK beside a naive sender, over a network that loses, delays and reorders segments and their acknowledgments.

use super::model::{Known, Losses, MSS, Model, Original, Transmission};
use super::{Hint, Rack};
use crate::time::{Duration, Instant};
use crate::transport::tcp::input::timestamp_clock;
use crate::transport::tcp::loss::delivered::{Delivered, Reported};
use crate::transport::tcp::loss::scoreboard::Scoreboard;
use crate::transport::tcp::options::SackBlock;
use crate::transport::tcp::seq::SeqNumber;
use proptest::collection::vec;
use proptest::prelude::*;

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
        assert_eq!(delivered.acknowledged, acknowledged);
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
        min_rtt in prop_oneof![Just(0), 1u64..3_000],
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
