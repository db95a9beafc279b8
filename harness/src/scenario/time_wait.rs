//! `time-wait`: set-up rate and latency while the TIME_WAIT table fills.
//!
//! For the kernel the port space bounds the table: one source and one destination are used, so that it fills, and set-up times
//! are shown against the part of it that is taken. In memory the table is bounded by memory, and they are shown against the
//! number of entries. `--addresses`, `--ports` and `--port-range` bound the four-tuples of either. A refused `connect` (no
//! free port) is a finding here, not a failure of the run.

mod identity;
mod space;

#[cfg(test)]
mod oracles;

use serde_json::Value;

use self::space::Space;
use super::cycles::{self, Cycles};
use super::summary::ratio;
use super::{Measurement, Run, Unsupported};
use crate::load::cycle::{Cycle, CycleTally, Occupancy, Scale, TupleTally};
use crate::load::outcome::Outcome;

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let cycle = Cycle {
        time_wait_limit: run.time_wait_limit(),
        ..Cycle::of(run.config, 0)
    };
    let space = Space::of(run);
    let script = Cycles {
        single_pair: run.is_kernel() && !run.config.pressure.bounds_tuples(),
        occupancy: Some(space.map_or(Scale::Entries, |space| Scale::PortSpace(space.tuples))),
        tuples: space.map(|space| space.tuples_of_generator),
        ..Cycles::plain(cycle)
    };
    let outcome = run.drive(&script)?;
    let mut total = cycles::total(&outcome);
    let mut found = cycles::report(run, &outcome, &total);
    found.set(
        "exhausted_ratio",
        ratio(Some(total.failures.ports_exhausted), Some(total.attempts)),
    );
    found.set("time_wait_bytes_per_entry", bytes_per_entry(&outcome));
    found.set_count(
        "time_wait_bytes",
        outcome.held(|counters| counters.time_wait_bytes),
    );
    // A stack that does not tell how many entries it holds has one bin, which says nothing.
    let occupancy = total
        .occupancy
        .take()
        .filter(|_| outcome.time_wait_peak().is_some());
    let by_occupancy = occupancy.map_or(Value::Null, Occupancy::into_json);
    found.distributions.insert("setup_ns_by_occupancy", by_occupancy);
    if let Some((space, tuples)) = space.zip(total.tuples.take()) {
        report_tuples(&mut found, space, tuples);
    }
    identity::check(run, &mut found, &outcome, total.completed);
    found.check_rate(
        &outcome,
        total.completed,
        total.failures.total() - total.failures.ports_exhausted,
    );
    Ok(found)
}

/// How soon the four-tuples ran out, what a connect costs with many of them taken, and how soon one comes back.
fn report_tuples(found: &mut Measurement, space: Space, tuples: TupleTally) {
    found.set_count("tuples", Some(space.tuples));
    let rate = found.metrics.get("connections_per_second").copied().flatten();
    found.set(
        "time_wait_pressure",
        rate.zip(space.held_for)
            .map(|(rate, seconds)| rate * seconds / space.tuples as f64),
    );
    found.set_count("exhausted_after_ns", tuples.exhausted_after);
    found.set_histogram("exhausted_connect_ns", tuples.exhausted.into_histogram());
    found.set_histogram("reuse_interval_ns", tuples.reuse.into_histogram());
    found
        .distributions
        .insert("connect_call_ns_by_occupancy", tuples.calls.into_json());
}

/// Bytes mapped for entries and index ÷ entries held, at the end of the window.
fn bytes_per_entry(outcome: &Outcome<CycleTally, ()>) -> Option<f64> {
    ratio(
        outcome.held(|counters| counters.time_wait_bytes),
        outcome.held(|counters| counters.time_wait),
    )
}
