//! The engine beside other stacks, run by run.

use crate::config::{Pairing, ScenarioKind, StackKind};
use crate::measure::statistics::{holm, paired};
use crate::report::document::{Ratio, Run, StackResult};
use crate::report::metrics::{OPEN_LOOP_HEADLINE, headline};

/// Each result of the engine beside each of every other stack, in the metrics that the scenario is compared by.
pub(super) fn of_engine(scenario: ScenarioKind, results: &[StackResult]) -> Vec<Ratio> {
    let (engine, others): (Vec<_>, Vec<_>) = results
        .iter()
        .partition(|result| result.stack == Pairing::of(StackKind::Engine));
    let pairs = engine
        .iter()
        .flat_map(|of| others.iter().map(move |to| (*of, *to)));
    let mut ratios: Vec<Ratio> = pairs
        .flat_map(|(of, to)| {
            headline(scenario)
                .iter()
                .chain(&OPEN_LOOP_HEADLINE)
                .filter_map(move |metric| ratio(metric, of, to))
        })
        .collect();
    adjust(&mut ratios);
    ratios
}

/// Fills in what each p-value is worth as one of so many.
fn adjust(ratios: &mut [Ratio]) {
    let p_values: Vec<f64> = ratios.iter().filter_map(|ratio| ratio.p).collect();
    let tested = ratios.iter_mut().filter(|ratio| ratio.p.is_some());
    for (ratio, adjusted) in tested.zip(holm(&p_values)) {
        ratio.p_adjusted = Some(adjusted);
    }
}

fn ratio(metric: &str, of: &StackResult, to: &StackResult) -> Option<Ratio> {
    let pairs = by_index(metric, &of.runs)
        .into_iter()
        .zip(by_index(metric, &to.runs));
    let (of_values, to_values): (Vec<f64>, Vec<f64>) = pairs.filter_map(|(of, to)| of.zip(to)).unzip();
    let effect = paired(&of_values, &to_values, of.config.seed)?;
    Some(Ratio {
        metric: metric.to_owned(),
        of: of.stack,
        of_path: of.path,
        to: to.stack,
        to_path: to.path,
        value: effect.log_ratio.exp(),
        low: effect.certainty.map(|certainty| certainty.low.exp()),
        high: effect.certainty.map(|certainty| certainty.high.exp()),
        p: effect.certainty.map(|certainty| certainty.p),
        p_adjusted: None,
        n: effect.n,
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
