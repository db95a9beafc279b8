//! How many operations are outstanding, averaged over the window.

use super::phase::Phase;
use super::tally::Windowed;
use crate::stack::Nanos;

/// The integral of the number of outstanding operations over time: what Little's law calls X·R, exact at the window's edges
/// because operations that straddle one count with the part inside.
#[derive(Debug)]
pub(crate) struct InFlight {
    outstanding: u64,
    since: Nanos,
    operation_ns: Windowed<u64>,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        Self {
            outstanding: 0,
            since: 0,
            operation_ns: Windowed::new(0),
        }
    }

    /// From `now` on, `outstanding` operations are.
    pub(crate) fn set(&mut self, now: Nanos, outstanding: usize) {
        self.pass(now);
        self.outstanding = outstanding as u64;
    }

    /// Tells which phase begins.
    pub(crate) fn enter(&mut self, phase: Phase, now: Nanos) {
        self.pass(now);
        self.operation_ns.enter(phase);
    }

    fn pass(&mut self, now: Nanos) {
        self.operation_ns.current += self.outstanding * (now - self.since);
        self.since = now;
    }

    /// Nanoseconds that operations were outstanding in the window, summed over the operations.
    pub(crate) fn into_operation_ns(self) -> u64 {
        self.operation_ns.into_measured()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_inside_the_window_counts() {
        let mut in_flight = InFlight::new();
        in_flight.set(10, 4);
        in_flight.enter(Phase::Measure, 100);
        in_flight.set(150, 2);
        in_flight.set(160, 4);
        in_flight.enter(Phase::Drain, 200);
        in_flight.set(900, 0);
        assert_eq!(in_flight.into_operation_ns(), 50 * 4 + 10 * 2 + 40 * 4);
    }
}
