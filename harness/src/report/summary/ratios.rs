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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::statistics::SplitMix64;
    use crate::measure::statistics::noise::Noise;
    use crate::report::fixtures::{document_of, measured, plan, ran};

    /// However a machine varies: stacks took turns.
    #[test]
    fn the_same_beside_itself_differs_in_at_most_one_of_twenty_documents() {
        let mut done = plan(&[StackKind::Engine, StackKind::Kernel], 10);
        for runs in done.subjects.iter_mut().flat_map(|subject| &mut subject.runs) {
            *runs = ran(Ok(measured(1.0, 0, 0)));
        }
        let mut results = document_of(&done).results;
        let order = done.plan.order();
        let mut random = SplitMix64::new(7);
        for noise in Noise::ALL {
            let mut false_alarms = 0;
            for _ in 0..300 {
                let machine = noise.session(order.len(), &mut random);
                for (&(run, at), speed) in order.iter().zip(machine) {
                    let metrics = &mut results[at].runs[run].metrics;
                    metrics.insert("connections_per_second".to_owned(), Some(5e5 * speed.exp()));
                    metrics.insert("cpu_ns_per_connection".to_owned(), Some(2e3 / speed.exp()));
                }
                let ratios = of_engine(ScenarioKind::Crr, &results);
                assert_eq!(ratios.len(), 2);
                false_alarms += usize::from(ratios.iter().any(|ratio| ratio.p_adjusted < Some(0.05)));
            }
            println!("{noise:?}: {false_alarms} of 300 differ");
            assert!(false_alarms <= 15, "{noise:?}: {false_alarms} of 300");
        }
    }
}
