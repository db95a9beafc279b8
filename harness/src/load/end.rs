//! One end of a generator: a stack, and the actors that use it one after the other.

use std::io;
use std::time::Duration;

use super::fill::Filled;
use super::pulse::Slot;
use super::{Actor, Next, Phase};
use crate::stack::{Event, Nanos, Stack, StackCounters};

/// Nanoseconds between two looks at the number of TIME_WAIT entries, for which the kernel's stack reads a file.
const LOOK_EVERY: Nanos = 1_000_000_000;
/// Room for the events of a poll; a poll with more grows it once.
const EVENTS: usize = 4096;

/// What one end has done in the window.
#[derive(Debug)]
pub(crate) struct EndOutcome<T> {
    pub(crate) tally: T,
    pub(crate) filled: Filled,
    /// Length of the window in nanoseconds, by this end's steps.
    pub(crate) span: Nanos,
    /// The stack's counters when the window began.
    pub(crate) before: StackCounters,
    /// The stack's counters when the window ended.
    pub(crate) after: StackCounters,
    /// The stack's counters when everything was over, drain included.
    pub(crate) last: StackCounters,
    /// The most TIME_WAIT entries seen in the window.
    pub(crate) time_wait_peak: Option<u64>,
}

/// A stack with the actor that fills its tables and the actor of the scenario.
pub(super) struct End<F, A> {
    stack: Box<dyn Stack>,
    filler: F,
    actor: A,
    phase: Phase,
    events: Vec<Event>,
    window: (Nanos, Nanos),
    before: StackCounters,
    after: StackCounters,
    look_at: Nanos,
    time_wait_peak: Option<u64>,
    slot: Option<Slot>,
    /// When the next beat is due; never, unless somebody looks on.
    beat_at: Nanos,
}

impl<F: Actor<Tally = Filled>, A: Actor> End<F, A> {
    /// # Errors
    /// When the stack refuses what the actor has to bind.
    pub(super) fn open(
        mut stack: Box<dyn Stack>,
        filler: F,
        mut actor: A,
        slot: Option<Slot>,
    ) -> io::Result<Self> {
        actor.open(&mut *stack)?;
        Ok(Self {
            stack,
            filler,
            actor,
            phase: Phase::OpenIdle,
            events: Vec::with_capacity(EVENTS),
            window: (0, 0),
            before: StackCounters::default(),
            after: StackCounters::default(),
            look_at: 0,
            time_wait_peak: None,
            slot,
            beat_at: Nanos::MAX,
        })
    }

    /// Hands the events of the last poll to the actor whose phase it is.
    pub(super) fn step(&mut self, phase: Phase, now: Nanos) -> Next {
        if phase != self.phase {
            self.enter(phase, now);
        }
        if phase == Phase::Measure && now >= self.look_at {
            self.look_at_time_wait(self.stack.time_wait_held());
            self.look_at = now + LOOK_EVERY;
        }
        if now >= self.beat_at {
            self.beat(now);
        }
        let stack = &mut *self.stack;
        let next = if phase.fills() {
            self.filler.step(stack, phase, now, &self.events)
        } else {
            self.actor.step(stack, phase, now, &self.events)
        };
        self.events.clear();
        next
    }

    pub(super) fn poll(&mut self, now: Nanos, wait: Duration) {
        self.stack.poll(now, wait, &mut self.events);
    }

    /// Whether the last poll found nothing.
    pub(super) fn is_quiet(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn settled(&self) -> bool {
        if self.phase.fills() {
            self.filler.settled(self.phase)
        } else {
            self.actor.settled(self.phase)
        }
    }

    /// A thread that was kept from running may have missed phases; the actor sees all of them.
    fn enter(&mut self, phase: Phase, now: Nanos) {
        for passed in self.phase.until(phase) {
            match passed {
                Phase::FillTimeWait => self.filler.enter(passed, now),
                Phase::Prepare => {
                    // Its time is over.
                    self.filler.enter(passed, now);
                    self.actor.enter(passed, now);
                }
                Phase::Measure => self.begin_window(now),
                Phase::Drain => self.end_window(now),
                _ => self.actor.enter(passed, now),
            }
        }
        self.phase = phase;
    }

    fn begin_window(&mut self, now: Nanos) {
        self.actor.enter(Phase::Measure, now);
        self.before = self.stack.counters();
        self.window = (now, now);
        self.beat(now);
    }

    fn end_window(&mut self, now: Nanos) {
        self.beat_at = Nanos::MAX;
        self.after = self.stack.counters();
        self.look_at_time_wait(self.after.time_wait);
        self.window.1 = now;
        self.actor.enter(Phase::Drain, now);
    }

    /// Tells those who look on where it stands.
    fn beat(&mut self, now: Nanos) {
        let Some(slot) = &self.slot else { return };
        self.beat_at = slot.leave(now, |beat| {
            beat.time_wait = self.stack.time_wait_held();
            self.actor.tell(beat);
        });
    }

    fn look_at_time_wait(&mut self, held: Option<u64>) {
        self.time_wait_peak = self.time_wait_peak.max(held);
    }

    pub(super) fn into_outcome(self) -> EndOutcome<A::Tally> {
        EndOutcome {
            last: self.stack.counters(),
            tally: self.actor.into_tally(),
            filled: self.filler.into_tally(),
            span: self.window.1 - self.window.0,
            before: self.before,
            after: self.after,
            time_wait_peak: self.time_wait_peak,
        }
    }
}
