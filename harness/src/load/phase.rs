//! The phases of a run, after those of RFC 9411 §4.3: initialisation, ramp-up, sustain, ramp-down.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::stack::Nanos;

/// Where a run stands. Phases follow each other in this order; those with nothing to do are passed through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Opens the connections that stay idle beside the load.
    OpenIdle,
    /// Makes the TIME_WAIT entries that the load is to find.
    FillTimeWait,
    /// Opens the connections that the load itself needs.
    Prepare,
    /// Load whose results are discarded.
    WarmUp,
    /// Load that counts.
    Measure,
    /// Nothing new is started; what is outstanding may end.
    Drain,
    /// Threads end.
    Done,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::OpenIdle,
        Self::FillTimeWait,
        Self::Prepare,
        Self::WarmUp,
        Self::Measure,
        Self::Drain,
        Self::Done,
    ];

    /// Whether the table fillers act, and the scenario does not.
    pub(crate) fn fills(self) -> bool {
        self <= Self::FillTimeWait
    }

    /// Whether load is generated.
    pub(crate) fn loads(self) -> bool {
        matches!(self, Self::WarmUp | Self::Measure)
    }

    /// The phases after `self`, up to `last` inclusive.
    pub(crate) fn until(self, last: Self) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |&phase| self < phase && phase <= last)
    }
}

/// A phase that threads share, with its end, so that whoever sleeps in it can wake up by itself.
#[derive(Debug)]
pub(crate) struct SharedPhase {
    phase: AtomicU8,
    ends_at: AtomicU64,
}

impl SharedPhase {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase: AtomicU8::new(phase as u8),
            ends_at: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Acquire))]
    }

    /// The phase, and when it is to end: in the past where nobody knows.
    pub(crate) fn with_end(&self) -> (Phase, Nanos) {
        // In the order that is the reverse of how they are set: no phase is taken to last as long as the next one.
        let ends_at = self.ends_at.load(Ordering::Acquire);
        (self.get(), ends_at)
    }

    /// Begins `phase`, which may end at any time.
    pub(crate) fn set(&self, phase: Phase) {
        self.set_until(phase, 0);
    }

    /// Begins `phase`, which is to end at `ends_at`, or earlier for a reason that nobody foresees.
    pub(crate) fn set_until(&self, phase: Phase, ends_at: Nanos) {
        self.phase.store(phase as u8, Ordering::Release);
        self.ends_at.store(ends_at, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_numbered_in_their_order() {
        for (number, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, number);
            assert_eq!(SharedPhase::new(phase).get(), phase);
        }
    }

    #[test]
    fn only_a_phase_that_was_given_an_end_has_one() {
        let shared = SharedPhase::new(Phase::Prepare);
        shared.set_until(Phase::WarmUp, 7);
        assert_eq!(shared.with_end(), (Phase::WarmUp, 7));
        shared.set(Phase::Drain);
        assert_eq!(shared.with_end(), (Phase::Drain, 0));
    }

    #[test]
    fn no_phase_is_skipped_on_the_way() {
        let passed: Vec<_> = Phase::Prepare.until(Phase::Drain).collect();
        assert_eq!(passed, [Phase::WarmUp, Phase::Measure, Phase::Drain]);
    }
}
