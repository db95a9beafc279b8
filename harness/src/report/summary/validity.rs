//! Whether figures count. A run that does not is invalid, not slow.

use crate::measure::{CORE_WAIT_RATIO, OTHER_PROGRAMS_RATIO, STOLEN_RATIO};
use crate::report::document::{Run, StackResult};
use crate::run::Measured;

/// The part of their cores that generators may be without; beyond it the figures are as much those of whoever had it.
const MOST_WITHOUT: f64 = 0.1;

/// Reasons of a run: what the scenario found wrong, whether others were at work on its cores, and whether it was cut short.
pub(super) fn of_run(measured: &Measured) -> Vec<String> {
    let cut_short = measured
        .cut_short
        .then(|| "the run was stopped before its time".to_owned());
    measured
        .invalid_reasons
        .iter()
        .cloned()
        .chain(other_programs(measured))
        .chain(stolen(measured))
        .chain(cut_short)
        .collect()
}

/// Other programs disturb when they had the cores *and* the generators waited: a wait alone may be for the kernel's softirq threads, which
/// carry the run's own packets, and cores that nobody waits for are free to be used. Where the kernel does not tell who had them, waiting
/// is enough.
fn other_programs(measured: &Measured) -> Option<String> {
    let waited = is_without(measured, CORE_WAIT_RATIO)?;
    let had = is_without(measured, OTHER_PROGRAMS_RATIO).unwrap_or(true);
    (waited && had).then(|| {
        "disturbed: other programs had more than a tenth of the load generators' cores (`other_programs_ratio`), which waited for them \
         (`core_wait_ratio`); end them, or measure when the machine is quiet"
            .to_owned()
    })
}

fn stolen(measured: &Measured) -> Option<String> {
    is_without(measured, STOLEN_RATIO)?.then(|| {
        "disturbed: the hypervisor gave more than a tenth of the load generators' cores to other machines (steal, `stolen_ratio`); \
         measure on a machine of its own, or at another time"
            .to_owned()
    })
}

/// Whether the ratio that `metric` tells is too great; `None` where it is unknown.
fn is_without(measured: &Measured, metric: &str) -> Option<bool> {
    let ratio = measured.metrics.get(metric).copied().flatten()?;
    Some(ratio > MOST_WITHOUT)
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

/// Reasons of a document: those of the results that it shows, one that several share once.
pub(super) fn of_document(results: &[StackResult], interrupted: bool) -> Vec<String> {
    let mut shared: Vec<(&str, Vec<String>)> = Vec::new();
    for result in results {
        let name = format!("{} ({})", result.stack, result.path);
        for reason in &result.invalid_reasons {
            match shared.iter_mut().find(|(other, _)| other == reason) {
                Some((_, names)) => names.push(name.clone()),
                None => shared.push((reason, vec![name.clone()])),
            }
        }
    }
    let named = shared
        .into_iter()
        .map(|(reason, names)| format!("{}: {reason}", names.join(", ")));
    let interruption = interrupted.then(|| "interrupted before the last run".to_owned());
    interruption.into_iter().chain(named).collect()
}
