//! What ends tell of themselves while the load runs, for whoever looks on from outside: how much they have done, what failed, how long
//! it took, and how many TIME_WAIT entries they hold.
//!
//! An end that nobody looks at pays one comparison a step for it. One that is looked at copies its counters and its histogram once an interval.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::counters::KernelCounters;
use crate::measure::recorder::{Recorder, to_buckets};
use crate::stack::Nanos;

/// What an end has done since its window began.
#[derive(Clone, Default, Debug)]
pub(crate) struct Beat {
    /// When that was.
    pub(crate) at: Nanos,
    pub(crate) operations: u64,
    pub(crate) failures: u64,
    /// Operations of an open loop that found no room to wait in; `None` in a closed loop.
    pub(crate) dropped: Option<u64>,
    /// TIME_WAIT entries held now.
    pub(crate) time_wait: Option<u64>,
    pub(crate) latency: Recorder,
    /// Latencies from the intended starts of an open loop; empty in a closed one.
    pub(crate) response: Recorder,
}

/// Where one end leaves its beats.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    every: Nanos,
    beat: Arc<Mutex<Beat>>,
}

impl Slot {
    /// Leaves what `tell` says, and returns when the next is due.
    pub(super) fn leave(&self, now: Nanos, tell: impl FnOnce(&mut Beat)) -> Nanos {
        let mut beat = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        beat.at = now;
        tell(&mut beat);
        now + self.every
    }
}

/// The slots of all ends.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) every: Duration,
    slots: Vec<Slot>,
}

impl Pulse {
    pub(super) fn new(ends: usize, every: Duration) -> Self {
        let slot = |_| Slot {
            every: every.as_nanos() as Nanos,
            beat: Arc::default(),
        };
        Self {
            every,
            slots: (0..ends).map(slot).collect(),
        }
    }

    /// That of end number `end`.
    pub(super) fn slot(&self, end: usize) -> Slot {
        self.slots[end].clone()
    }

    /// The latest of all ends.
    pub(super) fn beats(&self) -> Vec<Beat> {
        let latest = |slot: &Slot| slot.beat.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.slots.iter().map(latest).collect()
    }
}

/// Who looks on, and how often.
pub(crate) struct Watch<'a> {
    /// Told the part of the run that is over, from 0 to 1.
    pub(crate) progress: &'a dyn Fn(f64),
    /// How often `interval` is told; never for `None`.
    pub(crate) every: Option<Duration>,
    pub(crate) interval: &'a dyn Fn(Interval),
    /// Whether `reorder` keeps every arrival, for who wants to look at them afterwards.
    pub(crate) keep_sequence: bool,
}

impl<'a> Watch<'a> {
    /// Somebody who wants to know how far a run is, and nothing else.
    #[cfg(test)]
    pub(crate) fn of_progress(progress: &'a dyn Fn(f64)) -> Self {
        Self {
            progress,
            every: None,
            interval: &|_| {},
            keep_sequence: false,
        }
    }
}

/// What those who look on have been told of a window.
pub(super) struct Told<'a> {
    pulse: Option<&'a Pulse>,
    last: Vec<Beat>,
    until: Duration,
}

/// How much later than an interval's end its beats are fetched, so that every end has left its own.
const SLACK: Duration = Duration::from_millis(20);

impl<'a> Told<'a> {
    pub(super) fn new(pulse: Option<&'a Pulse>) -> Self {
        Self {
            pulse,
            last: Vec::new(),
            until: Duration::ZERO,
        }
    }

    /// `elapsed` of the window is over: tells the interval that has ended, if one has, with what `counted` says of the kernel.
    pub(super) fn look(
        &mut self,
        elapsed: Duration,
        watch: &Watch<'_>,
        counted: &mut dyn FnMut() -> KernelCounters,
    ) {
        let Some(pulse) = self.pulse else { return };
        if self.last.is_empty() {
            // The first beats are those of the window's begin, which every end notices at its next step.
            if elapsed >= SLACK {
                self.last = pulse.beats();
            }
            return;
        }
        let ends = self.until + pulse.every;
        if elapsed < ends + SLACK {
            return;
        }
        let now = pulse.beats();
        (watch.interval)(Interval {
            kernel: counted(),
            ..Interval::between(&self.last, &now, self.until, ends)
        });
        (self.last, self.until) = (now, ends);
    }
}

/// What all ends did between two looks.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Seconds since the window began.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) operations: u64,
    /// Sum of the ends' rates, each over the time between its own beats.
    pub(crate) per_second: f64,
    pub(crate) failed: u64,
    /// Arrivals that found no room to wait in; `None` in a closed loop.
    #[serde(default)]
    pub(crate) dropped_arrivals: Option<u64>,
    /// Held at the end of the interval; `None` where no stack can tell.
    pub(crate) time_wait: Option<u64>,
    /// Latencies as (nanoseconds, count); empty where the scenario has none.
    pub(crate) latencies: Vec<(u64, u64)>,
    /// The same from the intended starts of an open loop; empty in a closed one.
    #[serde(default)]
    pub(crate) responses: Vec<(u64, u64)>,
    #[serde(default)]
    pub(crate) kernel: KernelCounters,
}

impl Interval {
    /// What came between `before` and `now`, beats of the same ends.
    pub(super) fn between(before: &[Beat], now: &[Beat], from: Duration, to: Duration) -> Self {
        let mut interval = Self {
            from: from.as_secs_f64(),
            to: to.as_secs_f64(),
            ..Self::default()
        };
        let [mut latency, mut response] =
            [Recorder::new().into_histogram(), Recorder::new().into_histogram()];
        for (before, now) in before.iter().zip(now) {
            let done = now.operations.saturating_sub(before.operations);
            interval.operations += done;
            interval.failed += now.failures.saturating_sub(before.failures);
            if let Some(dropped) = now.dropped {
                let new = dropped.saturating_sub(before.dropped.unwrap_or(0));
                interval.dropped_arrivals = Some(interval.dropped_arrivals.unwrap_or(0) + new);
            }
            interval.per_second += rate(done, before.at, now.at);
            interval.time_wait = match (interval.time_wait, now.time_wait) {
                (sum, None) => sum,
                (sum, Some(more)) => Some(sum.unwrap_or(0) + more),
            };
            add_difference(&mut latency, &before.latency, &now.latency);
            add_difference(&mut response, &before.response, &now.response);
        }
        interval.latencies = to_buckets(&latency);
        interval.responses = to_buckets(&response);
        interval
    }
}

/// Zero for an end that has not come to two beats.
fn rate(done: u64, before: Nanos, now: Nanos) -> f64 {
    if before == 0 || now <= before {
        0.0
    } else {
        done as f64 * 1e9 / (now - before) as f64
    }
}

fn add_difference(sum: &mut Histogram<u64>, before: &Recorder, now: &Recorder) {
    let mut grown = now.clone().into_histogram();
    // A histogram that does not contain the one before is of another window: all of it is new.
    let _ = grown.subtract(before.clone().into_histogram());
    sum.add(grown).expect("all recorders have the same bounds");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(at: Nanos, operations: u64, latencies: &[u64]) -> Beat {
        let [mut latency, mut response] = [Recorder::new(), Recorder::new()];
        latencies.iter().for_each(|&value| latency.record(value));
        latencies.iter().for_each(|&value| response.record(2 * value));
        Beat {
            at,
            operations,
            failures: operations / 10,
            dropped: Some(operations / 4),
            time_wait: Some(operations),
            latency,
            response,
        }
    }

    #[test]
    fn an_interval_is_what_came_between_two_beats_of_each_end() {
        let silent = Beat::default();
        let before = [beat(1_000_000_000, 100, &[5, 7]), silent.clone()];
        let now = [beat(3_000_000_000, 500, &[5, 7, 7, 900]), silent];
        let found = Interval::between(&before, &now, Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!(
            (
                found.operations,
                found.failed,
                found.time_wait,
                found.dropped_arrivals
            ),
            (400, 40, Some(500), Some(100))
        );
        assert!(
            (found.per_second - 200.0).abs() < 1e-9,
            "over its own two seconds: {found:?}"
        );
        assert_eq!(found.latencies, [(7, 1), (900, 1)]);
        assert_eq!(found.responses, [(14, 1), (1800, 1)]);
    }

    #[test]
    fn an_end_that_did_not_come_to_a_beat_adds_nothing() {
        let beats = [beat(5, 100, &[1])];
        let found = Interval::between(&beats, &beats, Duration::ZERO, Duration::from_secs(1));
        assert_eq!(
            (found.operations, found.per_second, found.latencies.len()),
            (0, 0.0, 0)
        );
    }

    #[test]
    fn what_an_end_leaves_is_what_is_seen_and_the_next_is_due_an_interval_later() {
        let pulse = Pulse::new(2, Duration::from_nanos(50));
        let due = pulse.slot(1).leave(1000, |beat| beat.operations = 7);
        assert_eq!(due, 1050);
        let seen: Vec<_> = pulse
            .beats()
            .iter()
            .map(|beat| (beat.at, beat.operations))
            .collect();
        assert_eq!(seen, [(0, 0), (1000, 7)]);
    }
}
