//! The engine beside other stacks, run by run.

use crate::config::{Pairing, ScenarioKind, StackKind};
use crate::measure::statistics::{interval, median, paired_ratios};
use crate::report::document::{Ratio, Run, StackResult};
use crate::report::metrics::headline;

/// Each result of the engine beside each of every other stack, in the metrics that the scenario is compared by.
pub(super) fn of_engine(scenario: ScenarioKind, results: &[StackResult]) -> Vec<Ratio> {
    let (engine, others): (Vec<_>, Vec<_>) = results
        .iter()
        .partition(|result| result.stack == Pairing::of(StackKind::Engine));
    let pairs = engine
        .iter()
        .flat_map(|of| others.iter().map(move |to| (*of, *to)));
    pairs
        .flat_map(|(of, to)| {
            headline(scenario)
                .iter()
                .filter_map(move |metric| ratio(metric, of, to))
        })
        .collect()
}

fn ratio(metric: &str, of: &StackResult, to: &StackResult) -> Option<Ratio> {
    let ratios = paired_ratios(&by_index(metric, &of.runs), &by_index(metric, &to.runs));
    let (low, high) = interval(&ratios, median).unzip();
    Some(Ratio {
        metric: metric.to_owned(),
        of: of.stack,
        of_path: of.path,
        to: to.stack,
        to_path: to.path,
        value: median(&ratios)?,
        low,
        high,
        n: ratios.len(),
    })
}

fn by_index(metric: &str, runs: &[Run]) -> Vec<Option<f64>> {
    let length = runs.iter().map(|run| run.index + 1).max().unwrap_or(0);
    let mut values = vec![None; length];
    for run in runs {
        values[run.index] = run.metrics.get(metric).copied().flatten();
    }
    values
}
