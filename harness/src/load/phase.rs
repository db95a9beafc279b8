//! The phases of a run, after those of RFC 9411 §4.3: initialisation, ramp-up, sustain, ramp-down.

use std::sync::atomic::{AtomicU8, Ordering};

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

/// A phase that threads share.
#[derive(Debug)]
pub(crate) struct SharedPhase(AtomicU8);

impl SharedPhase {
    pub(crate) fn new(phase: Phase) -> Self {
        Self(AtomicU8::new(phase as u8))
    }

    pub(crate) fn get(&self) -> Phase {
        Phase::ALL[usize::from(self.0.load(Ordering::Acquire))]
    }

    pub(crate) fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Release);
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
    fn no_phase_is_skipped_on_the_way() {
        let passed: Vec<_> = Phase::Prepare.until(Phase::Drain).collect();
        assert_eq!(passed, [Phase::WarmUp, Phase::Measure, Phase::Drain]);
    }
}
