//! What becomes of a bounded set of four-tuples: how soon it runs out, what that costs, and how soon a tuple comes back.

use std::collections::HashMap;

use super::{Occupancy, Scale};
use crate::measure::recorder::Recorder;
use crate::stack::Nanos;

/// Tuples that memory is set aside for at the start; more of them make it grow.
const TUPLES_AHEAD: u64 = 1 << 17;

/// A clock that is read around one call, where the time that a step brings is too coarse.
pub(crate) type Clock = fn() -> Nanos;

/// A tuple as a client knows it: which pair of addresses (and port of the server), and its own port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tuple {
    pub(super) pair: u32,
    pub(super) port: u16,
}

/// What a client remembers of its tuples over the whole run.
#[derive(Debug)]
pub(super) struct Tuples {
    pub(super) clock: Clock,
    begun: Option<Nanos>,
    exhausted_after: Option<Nanos>,
    ended: HashMap<Tuple, Nanos>,
}

/// What is counted of them in the window.
#[derive(Clone, Debug)]
pub(crate) struct TupleTally {
    /// Duration of the call `connect` where it found a port, by the number of TIME_WAIT entries held.
    pub(crate) calls: Occupancy,
    /// Duration of the call `connect` where it found none.
    pub(crate) exhausted: Recorder,
    /// From the end of a connection to the next one with the same four-tuple established.
    pub(crate) reuse: Recorder,
    /// From the first connect of the run to the first that found no port.
    pub(crate) exhausted_after: Option<Nanos>,
}

impl Tuples {
    pub(super) fn new(space: u64, clock: Clock) -> Self {
        Self {
            clock,
            begun: None,
            exhausted_after: None,
            ended: HashMap::with_capacity(space.min(TUPLES_AHEAD) as usize),
        }
    }

    /// The first connect of the run is about to be made, or was.
    pub(super) fn begin(&mut self, now: Nanos) {
        self.begun.get_or_insert(now);
    }

    /// A connect has found no port.
    pub(super) fn ran_out(&mut self, now: Nanos) {
        if let Some(begun) = self.begun {
            self.exhausted_after.get_or_insert(now - begun);
        }
    }

    /// Notes the result of one call of `connect`, which took from `before` to `after` while `held` entries were held.
    pub(super) fn called(
        &mut self,
        tally: &mut TupleTally,
        before: Nanos,
        after: Nanos,
        held: u64,
        found_port: bool,
    ) {
        self.begin(before);
        let took = after - before;
        if found_port {
            tally.calls.record(held, took);
        } else {
            tally.exhausted.record(took);
            self.ran_out(after);
        }
    }

    pub(super) fn established(&mut self, tally: &mut TupleTally, tuple: Tuple, now: Nanos) {
        if let Some(ended) = self.ended.remove(&tuple) {
            tally.reuse.record(now - ended);
        }
    }

    pub(super) fn ended(&mut self, tuple: Tuple, now: Nanos) {
        self.ended.insert(tuple, now);
    }

    pub(super) fn exhausted_after(&self) -> Option<Nanos> {
        self.exhausted_after
    }
}

impl TupleTally {
    pub(super) fn new(space: u64) -> Self {
        Self {
            calls: Occupancy::new(Scale::PortSpace(space)),
            exhausted: Recorder::new(),
            reuse: Recorder::new(),
            exhausted_after: None,
        }
    }

    /// Adds what another generator found; the first to run out tells when.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.calls.merge(&other.calls);
        self.exhausted.merge(&other.exhausted);
        self.reuse.merge(&other.reuse);
        let both = [self.exhausted_after, other.exhausted_after];
        self.exhausted_after = both.into_iter().flatten().min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TUPLE: Tuple = Tuple { pair: 1, port: 2 };

    #[test]
    fn a_tuple_is_reused_when_it_is_established_again_and_only_then() {
        let (mut tuples, mut tally) = (Tuples::new(8, || 0), TupleTally::new(8));
        tuples.established(&mut tally, TUPLE, 5);
        tuples.ended(TUPLE, 10);
        tuples.established(&mut tally, Tuple { port: 3, ..TUPLE }, 20);
        assert_eq!(tally.reuse.clone().into_histogram().len(), 0);
        tuples.established(&mut tally, TUPLE, 1010);
        let reuse = tally.reuse.into_histogram();
        assert_eq!((reuse.len(), reuse.min()), (1, 1000));
    }

    #[test]
    fn the_first_call_without_a_port_says_how_long_the_tuples_lasted() {
        let (mut tuples, mut tally) = (Tuples::new(8, || 0), TupleTally::new(8));
        tuples.called(&mut tally, 100, 107, 0, true);
        tuples.called(&mut tally, 200, 250, 8, false);
        tuples.called(&mut tally, 300, 390, 8, false);
        assert_eq!(tuples.exhausted_after(), Some(150));
        assert_eq!(tally.exhausted.into_histogram().len(), 2);
        assert_eq!(tally.calls.into_json()["bins"][0]["n"], 1);
    }

    #[test]
    fn a_port_that_was_missed_later_says_how_long_the_tuples_lasted_and_no_duration() {
        let (mut tuples, tally) = (Tuples::new(8, || 0), TupleTally::new(8));
        tuples.begin(100);
        tuples.begin(120);
        tuples.ran_out(350);
        tuples.ran_out(800);
        assert_eq!(tuples.exhausted_after(), Some(250));
        assert!(tally.exhausted.into_histogram().is_empty());
    }

    #[test]
    fn of_several_generators_the_first_to_run_out_counts() {
        let mut sum = TupleTally::new(8);
        let other = TupleTally {
            exhausted_after: Some(7),
            ..TupleTally::new(8)
        };
        sum.merge(&other);
        assert_eq!(sum.exhausted_after, Some(7));
    }
}
