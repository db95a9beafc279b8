//! For how much of the window a thread with one end found nothing to do. A thread that polls without sleeping has a full bill of processor
//! time and may be idle all the same.

use super::Phase;
use crate::stack::Nanos;

/// Adds up the turns of a thread's loop in which the stack had no event.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Idleness {
    since: Nanos,
    counts: bool,
    idle_ns: Nanos,
}

impl Idleness {
    /// A turn of `phase` begins at `now`, for which there is no event when `is_quiet`.
    pub(super) fn turn(&mut self, phase: Phase, now: Nanos, is_quiet: bool) {
        if self.counts {
            self.idle_ns += now - self.since;
        }
        self.since = now;
        self.counts = is_quiet && phase == Phase::Measure;
    }

    /// Nanoseconds of the window.
    pub(super) fn idle_ns(&self) -> Nanos {
        self.idle_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_the_window_without_an_event_are_idle() {
        let mut idleness = Idleness::default();
        for (phase, now, is_quiet) in [
            (Phase::WarmUp, 10, true),
            (Phase::Measure, 20, true),
            (Phase::Measure, 23, false),
            (Phase::Measure, 40, true),
            (Phase::Drain, 44, true),
            (Phase::Drain, 90, true),
        ] {
            idleness.turn(phase, now, is_quiet);
        }
        assert_eq!(idleness.idle_ns(), 3 + 4);
    }
}
