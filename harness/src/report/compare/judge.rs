//! From two sets of documents to verdicts.

use serde_json::Value;

use super::reading::Unreadable;
use super::sides::{Column, Kind, Turns, columns, in_order_of_time, kinds, names, of_kind, pairs, turns};
use super::verdict::verdict;
use super::{Comparison, ComparisonFormat, Read, Row, Verdict};
use crate::calibration::Noise;
use crate::config::ScenarioKind;
use crate::measure::statistics::{Effect, beside_drift, holm, median, paired, unpaired};
use crate::report::metrics::headline;

/// Seed of the bootstrap: the same documents give the same intervals.
const SEED: u64 = 1;
/// Judges the second against the first. `gate` is the change that is let pass, as a part of one.
///
/// # Errors
/// When the two have no scenario and stack in common, or ran with different parameters.
pub(crate) fn compare(a: &[Read], b: &[Read], gate: f64, noise: &Noise) -> Result<Comparison, Unreadable> {
    let mut rows = Vec::new();
    let mut warnings = warnings(a, b);
    for kind in kinds(a) {
        let scenario = kind.0;
        let (a, b) = (of_kind(a, kind), of_kind(b, kind));
        let turns = turns(&a, &b);
        warnings.extend((turns == Turns::Lopsided).then(|| lopsided(kind)));
        for (column_a, column_b) in columns(&a, &b) {
            check_parameters(scenario, &column_a, &column_b)?;
            let metrics = metrics(scenario, &column_a, &column_b);
            rows.extend(metrics.map(|metric| row(kind, metric, &column_a, &column_b, turns)));
        }
    }
    if rows.is_empty() {
        return Err(Unreadable(
            "the two have no scenario on the same stack, path and placement in common: nothing can be compared".to_owned(),
        ));
    }
    judge(&mut rows, gate, noise);
    let mut invalid_reasons: Vec<String> = invalid_reasons(a, "A").chain(invalid_reasons(b, "B")).collect();
    // They come side by side; runs of the same kind tend to have the same reason.
    invalid_reasons.dedup();
    Ok(Comparison {
        schema: ComparisonFormat::Compare1,
        gate,
        verdict: worst(&rows),
        valid: invalid_reasons.is_empty(),
        invalid_reasons,
        warnings,
        rows,
    })
}

/// Refuses to compare what was not measured alike.
fn check_parameters(scenario: ScenarioKind, a: &Column<'_>, b: &Column<'_>) -> Result<(), Unreadable> {
    let first = a.first();
    // Of several numbers of connections a stack is shown with that at which it is best.
    let at_its_best = a
        .results()
        .chain(b.results())
        .any(|result| !result.alternatives.is_empty());
    for other in a.results().chain(b.results()) {
        for (name, value) in &first.config {
            let free = name == "seed" || (name == "connections" && at_its_best);
            match other.config.get(name) {
                Some(theirs) if theirs != value && !free => {
                    return Err(Unreadable(format!(
                        "{scenario} on {} ({}) ran with {name} {value} and with {name} {theirs}: only runs with the same \
                         parameters can be compared",
                        first.stack, first.path
                    )));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// What the scenario is compared by, and what an open loop adds to it.
fn metrics(scenario: ScenarioKind, a: &Column<'_>, b: &Column<'_>) -> impl Iterator<Item = &'static str> {
    let told = |metric: &str| a.results().chain(b.results()).any(|result| result.tells(metric));
    let all = headline(scenario)
        .iter()
        .copied()
        .chain(["response_ns_p50", "response_ns_p99"]);
    all.filter(|metric| told(metric)).collect::<Vec<_>>().into_iter()
}

fn row(kind: Kind<'_>, metric: &str, a: &Column<'_>, b: &Column<'_>, turns: Turns) -> Row {
    let (of_a, of_b) = (a.values(metric), b.values(metric));
    let pairs = pairs(a, b, turns, metric);
    let effect = match &pairs {
        Some(pairs) => {
            let (of_a, of_b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            paired(&of_b, &of_a, SEED)
        }
        None => unpaired(&of_b, &of_a, SEED),
    };
    let certainty = effect.and_then(|effect| effect.certainty);
    let p_drift = certainty
        .filter(|_| pairs.is_none())
        .and_then(|_| beside_drift(&in_order_of_time(a, b, metric)));
    let first = a.first();
    Row {
        scenario: kind.0,
        name: kind.1.map(str::to_owned),
        stack: first.stack,
        path: first.path,
        placement: first.placement,
        metric: metric.to_owned(),
        a: median(&of_a),
        b: median(&of_b),
        ratio: effect.map(|effect| effect.log_ratio.exp()),
        low: certainty.map(|certainty| certainty.low.exp()),
        high: certainty.map(|certainty| certainty.high.exp()),
        p: certainty.map(|certainty| p_drift.map_or(certainty.p, |drift| drift.max(certainty.p))),
        p_drift,
        p_adjusted: None,
        paired: pairs.is_some(),
        n: effect.map_or_else(|| of_a.len().min(of_b.len()), |effect: Effect| effect.n),
        margin: 0.0,
        noise: None,
        verdict: Verdict::Inconclusive,
        why: None,
    }
}

/// Fills in what each row is worth among all, and the verdicts.
fn judge(rows: &mut [Row], gate: f64, noise: &Noise) {
    // Rows whose runs are too few were compared, too: with more runs they would have been tested.
    let p_values: Vec<f64> = rows.iter().map(|row| row.p.unwrap_or(1.0)).collect();
    let tests = rows.len();
    for (row, adjusted) in rows.iter_mut().zip(holm(&p_values)) {
        row.p_adjusted = row.p.map(|_| adjusted);
        row.noise = noise.of(row.scenario, row.stack, row.path, row.placement, &row.metric);
        row.margin = gate.max(2.0 * row.noise.unwrap_or(0.0));
        (row.verdict, row.why) = verdict(row, gate, tests);
    }
}

fn worst(rows: &[Row]) -> Verdict {
    let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
    [Verdict::Slower, Verdict::Inconclusive, Verdict::Faster]
        .into_iter()
        .find(|&verdict| any(verdict))
        .unwrap_or(Verdict::Same)
}

fn invalid_reasons<'a>(documents: &'a [Read], side: &'a str) -> impl Iterator<Item = String> + 'a {
    let invalid = documents.iter().filter(|document| !document.valid);
    invalid.flat_map(move |document| {
        let reasons = document.invalid_reasons.iter();
        reasons.map(move |reason| format!("{side}, {}: {reason}", document.scenario))
    })
}

/// Differences between the two that are no parameters, and what only one of them has.
fn warnings(a: &[Read], b: &[Read]) -> Vec<String> {
    const MACHINE: [&str; 5] = ["cpu", "nproc", "kernel", "mitigations", "optimised"];
    let machine = |documents: &[Read], name: &str| {
        documents
            .first()
            .map(|document| document.environment[name].clone())
    };
    let differing = MACHINE.into_iter().filter_map(|name| {
        let (a, b) = (machine(a, name)?, machine(b, name)?);
        let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (a != b).then(|| {
            format!(
                "the two were taken on different machines: {name} is {} and {}",
                shown(&a),
                shown(&b)
            )
        })
    });
    let (of_a, of_b) = (names(a), names(b));
    let alone = of_a.symmetric_difference(&of_b);
    let alone = alone.map(|name| format!("only one of the two has {name}"));
    differing.chain(alone).collect()
}

fn lopsided((scenario, name): Kind<'_>) -> String {
    let name = name.map_or_else(|| scenario.to_string(), str::to_owned);
    format!(
        "A and B took turns in {name}, but one came first more often, and the other has what the machine's drift did in between: \
         change the order from pair to pair (A, B, B, A, …); until then they count as two samples"
    )
}
