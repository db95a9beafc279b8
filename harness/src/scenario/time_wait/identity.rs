//! The books must balance: every connection that its active closer ends with a FIN goes through TIME_WAIT.
//!
//! `entered + killed + overflowed = gracefully closed`, but for connections that were in flight when the window began or ended.

use super::{Measurement, Run};
use crate::config::Close;
use crate::load::cycle::CycleTally;
use crate::load::outcome::Outcome;
use crate::path::namespace;

/// Reports by how much the two sides differ, and calls the run invalid when those in flight don't explain it.
///
/// Both sides are of the stack that closes first; where that is not the stack that counts (another host's kernel), nothing is said.
pub(super) fn check(
    run: &Run<'_>,
    found: &mut Measurement,
    outcome: &Outcome<CycleTally, ()>,
    completed: u64,
) {
    // On a host that others use, the kernel counts their connections as well.
    if run.config.close != Close::Fin || (run.is_kernel() && !namespace::entered()) {
        return;
    }
    let entered = outcome.grown(|counters| counters.time_wait_entered);
    let skipped = outcome.grown(|counters| counters.time_wait_violations);
    let Some((entered, skipped)) = entered.zip(skipped) else {
        return;
    };
    // Entries that a full table of the engine throws out had entered; the kernel's never do.
    let counted = if run.is_kernel() {
        entered + skipped
    } else {
        entered
    };
    let difference = counted.abs_diff(completed);
    found.set_count("time_wait_unaccounted", Some(difference));
    let in_flight = u64::from(run.config.connections) * u64::from(run.config.generators);
    let broken = found
        .metrics
        .get("failed_broken")
        .copied()
        .flatten()
        .unwrap_or(0.0) as u64;
    if outcome.shortest_span() > 0 && difference > 2 * in_flight + broken {
        found.invalid(format!(
            "{completed} connections were closed by FIN, but {entered} entered TIME_WAIT and {skipped} skipped or left it against \
             the rules: {difference} are unaccounted for, and at most {} can have been in flight",
            2 * in_flight
        ));
    }
}
