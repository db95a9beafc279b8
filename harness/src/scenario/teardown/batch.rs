//! A batch of connections that is being closed by its initiator.

use crate::config::Close;
use crate::load::Phase;
use crate::load::flows::Flows;
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::measure::recorder::Recorder;
use crate::stack::{Conn, Event, Nanos, Ready, Stack};

/// What an end counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TeardownTally {
    pub(crate) completed: u64,
    pub(crate) failures: Failures,
    pub(crate) times: Recorder,
    /// Nanoseconds in which a batch was being closed.
    pub(crate) busy_ns: Nanos,
}

impl TeardownTally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.failures.add(&other.failures);
        self.times.merge(&other.times);
        self.busy_ns += other.busy_ns;
    }
}

/// The initiator's side of one batch after the other.
#[derive(Debug)]
pub(super) struct Batch {
    close: Close,
    /// When the batch was closed: all of it in one step.
    closed_at: Nanos,
    closing: Flows<()>,
    aborted: u64,
    /// Until when `busy_ns` is counted.
    counted_until: Nanos,
    tally: Windowed<TeardownTally>,
}

impl Batch {
    pub(super) fn new(close: Close) -> Self {
        Self {
            close,
            closed_at: 0,
            closing: Flows::new(),
            aborted: 0,
            counted_until: 0,
            tally: Windowed::new(TeardownTally::default()),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.closing.is_empty() && self.aborted == 0
    }

    /// Closes all of `established`.
    pub(super) fn begin(&mut self, stack: &mut dyn Stack, now: Nanos, established: &mut Vec<Conn>) {
        (self.closed_at, self.counted_until) = (now, now);
        for conn in established.drain(..) {
            match self.close {
                Close::Fin => {
                    stack.close(conn);
                    self.closing.insert(conn, ());
                }
                Close::Rst => {
                    stack.abort(conn);
                    self.aborted += 1;
                }
            }
        }
    }

    /// Takes the events of one step. Does nothing between batches.
    pub(super) fn advance(&mut self, now: Nanos, events: &[Event]) {
        if self.is_over() {
            return;
        }
        self.count_until(now);
        let took = now - self.closed_at;
        for _ in 0..std::mem::take(&mut self.aborted) {
            self.complete(took);
        }
        for event in events {
            let ended = event.ready.contains(Ready::CLOSED) || event.ready.contains(Ready::FAILED);
            if !ended || self.closing.remove(event.conn).is_none() {
                continue;
            }
            if event.ready.contains(Ready::CLOSED) {
                self.complete(took);
            } else {
                self.failures().broken += 1;
            }
        }
    }

    fn complete(&mut self, took: Nanos) {
        self.tally.current.completed += 1;
        self.tally.current.times.record(took);
    }

    fn count_until(&mut self, now: Nanos) {
        self.tally.current.busy_ns += now - self.counted_until;
        self.counted_until = now;
    }

    pub(super) fn failures(&mut self) -> &mut Failures {
        &mut self.tally.current.failures
    }

    /// A batch may straddle the edges of the window: only what is inside counts.
    pub(super) fn enter(&mut self, phase: Phase, now: Nanos) {
        if !self.is_over() {
            self.count_until(now);
        }
        self.tally.enter(phase);
    }

    pub(super) fn tell(&self, beat: &mut Beat) {
        let tally = &self.tally.current;
        beat.operations = tally.completed;
        beat.failures = tally.failures.total();
        beat.latency.copy_from(&tally.times);
    }

    pub(super) fn into_tally(self) -> TeardownTally {
        let mut tally = self.tally.into_measured();
        tally.failures.unended = self.closing.len() as u64;
        tally
    }
}
