//! Whether figures count. A run that does not is invalid, not slow.

use crate::measure::CORE_WAIT_RATIO;
use crate::report::document::{Run, StackResult};
use crate::run::Measured;

/// The part of the window that generators may wait for a core; beyond it the figures are as much those of whoever had it.
const MOST_CORE_WAIT: f64 = 0.1;

/// Reasons of a run: what the scenario found wrong, whether others were at work on its cores, and whether it was cut short.
pub(super) fn of_run(measured: &Measured) -> Vec<String> {
    let cut_short = measured
        .cut_short
        .then(|| "the run was stopped before its time".to_owned());
    measured
        .invalid_reasons
        .iter()
        .cloned()
        .chain(disturbance(measured))
        .chain(cut_short)
        .collect()
}

fn disturbance(measured: &Measured) -> Option<String> {
    let waited = measured.metrics.get(CORE_WAIT_RATIO).copied().flatten()?;
    (waited > MOST_CORE_WAIT).then(|| {
        "disturbed: other programs had the load generators' cores for more than a tenth of the window; run it on a quiet machine"
            .to_owned()
    })
}

/// Reasons of a result: those of its runs, each once.
pub(super) fn of_result(runs: &[Run], unsupported: Option<&str>) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for run in runs {
        let failure = run
            .error
            .iter()
            .map(|error| format!("run {} failed: {error}", run.index + 1));
        let invalid = run
            .invalid_reasons
            .iter()
            .filter(|_| run.error.is_none())
            .cloned();
        for reason in failure.chain(invalid) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    if runs.is_empty() && unsupported.is_none() {
        reasons.push("no run took place".to_owned());
    }
    reasons
}

/// Reasons of a document: those of the results that it shows.
pub(super) fn of_document(results: &[StackResult], interrupted: bool) -> Vec<String> {
    let named = results.iter().flat_map(|result| {
        result
            .invalid_reasons
            .iter()
            .map(move |reason| format!("{} ({}): {reason}", result.stack, result.path))
    });
    let interruption = interrupted.then(|| "interrupted before the last run".to_owned());
    interruption.into_iter().chain(named).collect()
}
