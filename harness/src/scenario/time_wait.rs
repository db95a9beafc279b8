//! `time-wait`: set-up rate and latency while the TIME_WAIT table fills.
//!
//! For the kernel the port space bounds the table: one source and one destination are used, so that it fills, and set-up times
//! are shown against the part of it that is taken. In memory the table is bounded by memory, and they are shown against the
//! number of entries. A refused `connect` (no free port) is a finding here, not a failure of the run.

use serde_json::Value;

use super::cycles::{self, Cycles};
use super::summary::ratio;
use super::{Measurement, Run, Unsupported};
use crate::load::cycle::{Cycle, CycleTally, Occupancy, Scale};
use crate::load::outcome::Outcome;
use crate::path::namespace;

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let cycle = Cycle {
        time_wait_limit: run.time_wait_limit(),
        ..Cycle::of(run.config, 0)
    };
    let script = Cycles {
        cycle,
        single_pair: run.is_kernel(),
        occupancy: Some(scale(run)),
    };
    let outcome = run.drive(&script)?;
    let mut total = cycles::total(&outcome);
    let mut found = cycles::report(run, &outcome, &total);
    found.set(
        "exhausted_ratio",
        ratio(Some(total.failures.ports_exhausted), Some(total.attempts)),
    );
    found.set("time_wait_bytes_per_entry", bytes_per_entry(&outcome));
    // A stack that does not tell how many entries it holds has one bin, which says nothing.
    let occupancy = total
        .occupancy
        .take()
        .filter(|_| outcome.time_wait_peak().is_some());
    let by_occupancy = occupancy.map_or(Value::Null, Occupancy::into_json);
    found.distributions.insert("setup_ns_by_occupancy", by_occupancy);
    found.check_rate(
        &outcome,
        total.completed,
        total.failures.total() - total.failures.ports_exhausted,
    );
    Ok(found)
}

fn scale(run: &Run<'_>) -> Scale {
    let ports = if run.is_kernel() { local_ports() } else { None };
    ports.map_or(Scale::Entries, |ports| {
        Scale::PortSpace(ports * u64::from(run.config.generators))
    })
}

/// Ports that the kernel chooses from for one source and one destination.
fn local_ports() -> Option<u64> {
    let range = namespace::sysctl("net.ipv4.ip_local_port_range")?;
    let mut bounds = range.split_whitespace().map(str::parse::<u64>);
    let (low, high) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    Some(high + 1 - low)
}

/// Bytes mapped for entries and index ÷ entries held, at the end of the window.
fn bytes_per_entry(outcome: &Outcome<CycleTally, ()>) -> Option<f64> {
    ratio(
        outcome.held(|counters| counters.time_wait_bytes),
        outcome.held(|counters| counters.time_wait),
    )
}
