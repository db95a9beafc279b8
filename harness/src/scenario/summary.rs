//! Figures and checks that scenarios have in common.

use hdrhistogram::Histogram;

use super::{Measurement, Run};
use crate::load::outcome::Outcome;
use crate::load::tally::Failures;
use crate::measure::counters::{Counters, StackTotals};
use crate::measure::{CORE_WAIT_RATIO, OTHER_PROGRAMS_RATIO, STOLEN_RATIO};
use crate::stack::Nanos;

/// Fewer operations than this say nothing about a rate.
const FEWEST_OPERATIONS: u64 = 100;
/// The part of the operations that may fail. RFC 9411 §7.2 allows a hundredth of it, which a short run cannot resolve.
const MOST_FAILED: f64 = 0.001;
/// How far rate × time may be from the number in flight.
const LITTLES_LAW: f64 = 0.05;

impl Measurement {
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Option<f64>>) {
        // JSON has no infinity: a ratio to nothing is no figure.
        self.metrics
            .insert(name, value.into().filter(|value| value.is_finite()));
    }

    pub(super) fn set_count(&mut self, name: &'static str, count: Option<u64>) {
        self.set(name, count.map(|count| count as f64));
    }

    pub(super) fn set_histogram(&mut self, name: &'static str, histogram: Histogram<u64>) {
        self.histograms.insert(name, histogram);
    }

    /// A wire that did more to packets than it knows of has no truth to tell.
    pub(super) fn check_wire(&mut self) {
        let Some(wire) = &self.wire else { return };
        let gaps = [wire.forward.gap(), wire.back.gap()];
        self.invalid_reasons.extend(gaps.into_iter().flatten());
    }

    /// Rates of a window for a part of which packets could not arrive are of no window.
    pub(super) fn check_cable(&mut self, missing_device: Option<&'static str>) {
        if let Some(device) = missing_device {
            self.invalid(format!(
                "the interface {device} was taken away before the window ended: leave it to the run, which makes it and ends it"
            ));
        }
    }

    pub(super) fn invalid(&mut self, reason: String) {
        self.invalid_reasons.push(reason);
    }

    /// The figures of every TCP scenario. `operations` is what allocations and system calls are divided by.
    pub(super) fn set_tcp<C, S>(
        &mut self,
        run: &Run<'_>,
        outcome: &Outcome<C, S>,
        operations: u64,
        failures: &Failures,
    ) {
        self.set_count("failed", Some(failures.total()));
        self.set_count("failed_ports_exhausted", Some(failures.ports_exhausted));
        self.set_count("failed_too_many_connections", Some(failures.too_many_connections));
        self.set_count("failed_broken", Some(failures.broken));
        self.set_count("failed_other", Some(failures.other));
        self.set_count("failed_unended", Some(failures.unended));
        self.set_count(
            "retransmitted_segments",
            outcome.grown(|counters| counters.retransmitted_segments),
        );
        let copied = outcome
            .grown(|counters| counters.copied_bytes)
            .filter(|_| !run.is_kernel());
        let payload = outcome.grown(|counters| counters.payload_bytes);
        self.set("copied_bytes_per_payload_byte", ratio(copied, payload));
        let allocations = (!run.is_kernel()).then(|| outcome.allocations());
        self.set("allocations_per_operation", ratio(allocations, Some(operations)));
        self.set_stack(run, outcome, operations);
    }

    /// What the stack itself says about the window, and what was filled in before it.
    pub(super) fn set_stack<C, S>(&mut self, run: &Run<'_>, outcome: &Outcome<C, S>, operations: u64) {
        self.set(CORE_WAIT_RATIO, outcome.core_wait_ratio());
        self.set(OTHER_PROGRAMS_RATIO, outcome.other_programs_ratio());
        self.set(STOLEN_RATIO, outcome.stolen_ratio());
        let system_calls = outcome.grown(|counters| counters.system_calls);
        self.set(
            "system_calls_per_operation",
            ratio(system_calls, Some(operations)),
        );
        self.set(
            "system_calls_per_packet",
            ratio(system_calls, outcome.grown(|counters| counters.packets)),
        );
        self.set_count("dropped", outcome.grown(|counters| counters.dropped));
        let useful = outcome.grown(|counters| counters.polls_useful);
        let empty = outcome.grown(|counters| counters.polls_empty);
        let polls = useful.zip(empty).map(|(useful, empty)| useful + empty);
        self.set_count("useful_polls", useful);
        self.set_count("empty_polls", empty);
        self.set("useful_polls_ratio", ratio(useful, polls));
        self.set("cpu_ns_per_useful_poll", ratio(Some(outcome.cpu_ns), useful));
        self.counters = Some(Counters {
            stack: StackTotals {
                system_calls,
                packets: outcome.grown(|counters| counters.packets),
                useful_polls: useful,
                empty_polls: empty,
            },
            ..outcome.counters.clone()
        });
        self.set("window_seconds", outcome.shortest_span() as f64 / 1e9);
        if run.config.idle > 0 {
            let idle = outcome.generators.iter().map(|one| one.client.filled.idle).sum();
            self.set_count("idle_reached", Some(idle));
        }
        if outcome.idle_lost() > 0 {
            self.invalid(format!(
                "{} idle connections that other processes held broke although nothing was asked of them",
                outcome.idle_lost()
            ));
        }
        if run.config.time_wait > 0 {
            let ends = outcome
                .generators
                .iter()
                .flat_map(|one| [one.client.filled, one.server.filled]);
            self.set_count(
                "time_wait_filled",
                Some(ends.map(|filled| filled.time_wait).sum()),
            );
        }
    }

    /// The TIME_WAIT figures of scenarios that close connections.
    pub(super) fn set_time_wait<C, S>(&mut self, outcome: &Outcome<C, S>) {
        self.set_count("time_wait_peak", outcome.time_wait_peak());
        self.set_count(
            "time_wait_violations",
            outcome.grown(|counters| counters.time_wait_violations),
        );
        self.set_count(
            "time_wait_reused",
            outcome.grown(|counters| counters.time_wait_reused),
        );
    }

    /// Says what makes a rate meaningless: no window, too few operations, too many failures.
    pub(super) fn check_rate<C, S>(&mut self, outcome: &Outcome<C, S>, operations: u64, failed: u64) {
        if !self.check_window(outcome) {
            return;
        }
        if operations < FEWEST_OPERATIONS {
            self.invalid(format!(
                "only {operations} operations ended in the measured window; at least {FEWEST_OPERATIONS} are needed for a rate"
            ));
        }
        let attempted = operations + failed;
        if failed as f64 > MOST_FAILED * attempted as f64 {
            self.invalid(format!(
                "{failed} of {attempted} operations failed ({:.2} %); more than {:.1} % makes the rate meaningless",
                100.0 * failed as f64 / attempted as f64,
                100.0 * MOST_FAILED
            ));
        }
    }

    /// Whether there was a measured window at all; says so when not.
    pub(super) fn check_window<C, S>(&mut self, outcome: &Outcome<C, S>) -> bool {
        let measured = outcome.shortest_span() > 0;
        if !measured && outcome.interrupted {
            self.invalid("the run was stopped before its measured window began".into());
        } else if !measured {
            self.invalid("the measured window had no duration".into());
        }
        self.check_cable(outcome.missing_device);
        measured
    }

    /// Sets, and returns, how many operations were outstanding in the mean. `operation_ns` is the time of all operations inside the window.
    pub(super) fn set_in_flight<C, S>(
        &mut self,
        outcome: &Outcome<C, S>,
        operation_ns: impl Fn(&C) -> Nanos,
    ) -> f64 {
        let mean = outcome.rate(|one| (operation_ns(&one.client.tally) as f64 / 1e9, one.client.span));
        self.set("in_flight_mean", mean);
        mean
    }

    /// Little's law as a check of the generator: `in_flight` operations were to be outstanding at any time, so rate × time
    /// of an operation must come to the same. `operation_ns` is the time of all operations inside the window.
    pub(super) fn check_littles_law<C, S>(
        &mut self,
        outcome: &Outcome<C, S>,
        in_flight: u64,
        operation_ns: impl Fn(&C) -> Nanos,
    ) {
        let mean = self.set_in_flight(outcome, operation_ns);
        let off = (in_flight as f64 - mean).abs() / in_flight as f64;
        if outcome.shortest_span() > 0 && off > LITTLES_LAW {
            self.invalid(format!(
                "{in_flight} operations were to be outstanding, but rate × time comes to {mean:.1} \
                 (Little's law, {:.0} % off): the load generator did not keep up",
                100.0 * off
            ));
        }
    }
}

/// `part` ÷ `whole`; `None` where either is unknown or the whole is nothing.
pub(super) fn ratio(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0 => Some(part as f64 / whole as f64),
        _ => None,
    }
}
