//! An open loop: operations start when the clock says so, and wait where they cannot.
//!
//! An operation has three moments: `intended`, drawn by the schedule; `started`, when the generator called the stack for it; and the end.
//! Its *response* time is from the first to the last, its *service* time from the second to the last. What lies between the
//! first two is the generator's *lag* (until the step that found the operation due) and the wait for a place among `--connections`.
//! An operation counts when its intended start lies in the window, whenever it ends.

use std::collections::VecDeque;

use super::arrivals::Schedule;
use super::pulse::Beat;
use super::tally::Windowed;
use super::{Next, Phase};
use crate::config::{self, RunConfig};
use crate::measure::recorder::Recorder;
use crate::measure::statistics::SplitMix64;
use crate::stack::Nanos;

/// Seconds of arrivals that may wait at a generator; more are dropped.
const BACKLOG_SECONDS: f64 = 2.0;
/// The same in operations: at least, and at most.
const BACKLOG: (usize, usize) = (1024, 1 << 20);

/// Operations that are taken in at one time: a rate above what a processor can count would keep the generator here for ever.
const AT_ONCE: usize = BACKLOG.1;

/// What each generator is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    load: config::OpenLoop,
    generators: u32,
    seed: u64,
}

impl Plan {
    /// `None` for a closed loop.
    pub(crate) fn of(config: &RunConfig) -> Option<Self> {
        Some(Self {
            load: config.open_loop?,
            generators: config.generators.max(1),
            seed: config.seed,
        })
    }

    /// The share of one generator, with randomness of its own.
    pub(crate) fn of_generator(&self, generator: u32) -> Box<OpenLoop> {
        let mut seeds = SplitMix64::new(self.seed);
        let seed = (0..=generator).fold(0, |_, _| seeds.advance());
        let rate = f64::from(self.load.rate) / f64::from(self.generators);
        let share = f64::from(generator) / f64::from(self.generators);
        let (fewest, most) = BACKLOG;
        let room = ((rate * BACKLOG_SECONDS) as usize).clamp(fewest, most);
        Box::new(OpenLoop {
            schedule: Schedule::new(self.load.arrivals, rate, share, seed),
            runs: false,
            window: Nanos::MAX,
            entered: 0,
            late_ns: Windowed::new(0),
            waiting: VecDeque::with_capacity(room),
            room,
            tally: OpenTally::default(),
        })
    }
}

/// The operations of one generator that are due.
#[derive(Debug)]
pub(crate) struct OpenLoop {
    schedule: Schedule,
    /// Whether operations arrive.
    runs: bool,
    /// When the window began.
    window: Nanos,
    /// When the phase began.
    entered: Nanos,
    late_ns: Windowed<Nanos>,
    /// Intended starts of those that are due and have not started.
    waiting: VecDeque<Nanos>,
    /// How many may wait.
    room: usize,
    tally: OpenTally,
}

/// What became of the operations that were to start in the window.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenTally {
    /// Those that were to start.
    pub(crate) offered: u64,
    /// Those that found no room to wait in.
    pub(crate) dropped: u64,
    /// Nanoseconds from the intended start to the end.
    pub(crate) response: Recorder,
    /// Nanoseconds from the actual start to the end.
    pub(crate) service: Recorder,
    /// Nanoseconds from the intended start to the step of the generator that found it due.
    pub(crate) lag: Recorder,
    /// Nanoseconds of the window for which operations were due and had not been noticed, summed over the operations.
    pub(crate) late_ns: Nanos,
}

impl OpenTally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.dropped += other.dropped;
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
        self.late_ns += other.late_ns;
    }
}

impl OpenLoop {
    /// Tells which phase begins. What was to start before the end of the window arrives even when the generator was too late to notice.
    pub(crate) fn enter(&mut self, phase: Phase, now: Nanos) {
        if phase == Phase::Measure {
            self.window = now;
        }
        self.arrive(now);
        self.skip(now);
        self.entered = now;
        self.late_ns.enter(phase);
        if phase == Phase::Drain {
            self.runs = false;
        }
        if phase.loads() && !self.runs {
            self.runs = true;
            self.schedule.begin(now);
        }
    }

    /// What is due beyond what can be taken in is dropped, and counted as such.
    fn skip(&mut self, now: Nanos) {
        if !self.runs {
            return;
        }
        let next = self.schedule.next();
        let skipped = self.schedule.skip(now);
        if self.counts(next) {
            self.tally.offered += skipped;
            self.tally.dropped += skipped;
        }
    }

    /// Takes in what is due by `now`, or as much of it as can be at one time.
    pub(crate) fn arrive(&mut self, now: Nanos) {
        if !self.runs {
            return;
        }
        for _ in 0..AT_ONCE {
            let Some(intended) = self.schedule.due(now) else {
                return;
            };
            let has_room = self.waiting.len() < self.room;
            if has_room {
                self.waiting.push_back(intended);
                self.late_ns.current += now - intended.max(self.entered);
            }
            if self.counts(intended) {
                self.tally.offered += 1;
                self.tally.dropped += u64::from(!has_room);
                self.tally.lag.record(now - intended);
            }
        }
    }

    /// The intended start of the operation that waits in this place, 0 for the one that has waited longest.
    pub(crate) fn peek(&self, place: usize) -> Option<Nanos> {
        self.waiting.get(place).copied()
    }

    /// The intended start of the operation that has waited longest: it starts now.
    pub(crate) fn start(&mut self) -> Option<Nanos> {
        self.waiting.pop_front()
    }

    /// How many operations wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many of those that wait belong to the window.
    pub(crate) fn waiting_counted(&self) -> u64 {
        self.waiting
            .iter()
            .filter(|&&intended| self.counts(intended))
            .count() as u64
    }

    /// Whether an operation with this intended start belongs to the window.
    pub(crate) fn counts(&self, intended: Nanos) -> bool {
        intended >= self.window
    }

    /// An operation has ended as it should.
    pub(crate) fn ended(&mut self, now: Nanos, intended: Nanos, started: Nanos) {
        if self.counts(intended) {
            self.tally.response.record(now - intended);
            self.tally.service.record(now - started);
        }
    }

    /// Tells how many operations of the window found no room to wait in, and how long those that ended took from their intended start.
    pub(crate) fn tell(&self, beat: &mut Beat) {
        beat.dropped = Some(self.tally.dropped);
        beat.response.copy_from(&self.tally.response);
    }

    /// When the generator wants its next step.
    pub(crate) fn next(&self) -> Next {
        if self.runs {
            Next::At(self.schedule.next())
        } else {
            Next::OnEvent
        }
    }

    pub(crate) fn into_tally(self) -> OpenTally {
        OpenTally {
            late_ns: self.late_ns.into_measured(),
            ..self.tally
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Arrivals, ScenarioKind};
    use crate::load::fake;

    const MS: Nanos = 1_000_000;

    fn paced(rate: u32, generators: u32) -> Plan {
        let config = RunConfig {
            open_loop: Some(config::OpenLoop {
                rate,
                arrivals: Arrivals::Paced,
            }),
            generators,
            ..fake::config(ScenarioKind::Crr)
        };
        Plan::of(&config).expect("an open loop")
    }

    #[test]
    fn generators_share_the_rate_and_take_turns() {
        let plan = paced(1000, 2);
        let mut starts = Vec::new();
        for generator in 0..2 {
            let mut one = plan.of_generator(generator);
            one.enter(Phase::WarmUp, 0);
            one.arrive(10 * MS);
            starts.extend(std::iter::from_fn(|| one.start()));
        }
        starts.sort_unstable();
        let expected: Vec<Nanos> = (0..=10).map(|number| number * MS).collect();
        assert_eq!(starts, expected);
    }

    #[test]
    fn every_operation_of_the_window_is_accounted_for() {
        let mut one = paced(1000, 1).of_generator(0);
        one.enter(Phase::WarmUp, 0);
        one.arrive(5 * MS);
        one.enter(Phase::Measure, 5 * MS + 1);
        one.enter(Phase::Drain, 4000 * MS);
        let mut counted = 0;
        while let Some(intended) = one.start() {
            counted += u64::from(one.counts(intended));
            one.ended(4001 * MS, intended, 4000 * MS);
        }
        one.arrive(9000 * MS);
        assert_eq!(one.waiting(), 0, "nothing arrives after the window");
        let room = 2000;
        let mut beat = Beat::default();
        one.tell(&mut beat);
        let tally = one.into_tally();
        assert_eq!(tally.offered, 3995, "those of 6 ms to 4000 ms");
        assert_eq!(counted, room - 6, "six of the warm-up waited too");
        assert_eq!(tally.dropped, tally.offered - counted);
        assert_eq!(beat.dropped, Some(tally.dropped));
        assert_eq!(
            beat.response.into_histogram(),
            tally.response.clone().into_histogram()
        );
        let [response, service, lag] =
            [tally.response, tally.service, tally.lag].map(Recorder::into_histogram);
        assert_eq!((response.len(), lag.len()), (counted, tally.offered));
        assert!(response.equivalent(response.max(), 3995 * MS));
        assert!(service.equivalent(service.min(), MS) && service.equivalent(service.max(), MS));
        assert!(lag.equivalent(lag.max(), 3994 * MS), "{}", lag.max());
    }
}
