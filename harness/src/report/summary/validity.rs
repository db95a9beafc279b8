//! Whether figures count. A run that does not is invalid, not slow.

use std::collections::BTreeMap;

use crate::config::{RunConfig, ScenarioKind};
use crate::measure::recorder::from_buckets;
use crate::report::document::{Run, StackResult};
use crate::run::Measured;

/// How far a closed loop may be from Little's law.
const LITTLES_LAW_TOLERANCE: f64 = 0.05;

pub(super) fn of_run(
    config: &RunConfig,
    measured: &Measured,
    metrics: &BTreeMap<String, Option<f64>>,
) -> Vec<String> {
    let mut reasons = measured.invalid_reasons.clone();
    if measured.cut_short {
        reasons.push("the run was stopped before its time".to_owned());
    }
    reasons.extend(breach_of_littles_law(config, measured, metrics));
    reasons
}

/// In a closed loop the operations in flight are the rate times the time that each takes, N = X·R; where they are not,
/// part of that time was not measured.
fn breach_of_littles_law(
    config: &RunConfig,
    measured: &Measured,
    metrics: &BTreeMap<String, Option<f64>>,
) -> Option<String> {
    let (rate, histogram) = match config.scenario {
        ScenarioKind::Rr => ("transactions_per_second", "latency_ns"),
        ScenarioKind::Connect | ScenarioKind::Crr => ("connections_per_second", "cycle_ns"),
        _ => return None,
    };
    let rate = (*metrics.get(rate)?)?;
    let residence = from_buckets(measured.histograms.get(histogram)?).mean() / 1e9;
    let in_flight = f64::from(config.connections) * f64::from(config.generators);
    let found = rate * residence;
    ((in_flight - found).abs() / in_flight > LITTLES_LAW_TOLERANCE).then(|| {
        format!(
            "Little's law does not hold: {in_flight} in flight, but rate times time in flight is {found:.1}"
        )
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
