//! From two sets of documents to verdicts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::reading::{ReadResult, Unreadable};
use super::{Comparison, ComparisonFormat, Read, Row, Verdict};
use crate::calibration::Noise;
use crate::config::ScenarioKind;
use crate::measure::statistics::{Effect, fewest_for, holm, median, paired, unpaired};
use crate::report::metrics::{headline, more_is_better};

/// Seed of the bootstrap: the same documents give the same intervals.
const SEED: u64 = 1;
/// A difference that chance makes less often than this is none of chance. Stricter than the usual 5 %, by which one of forty
/// comparisons of the same with the same would call it slower: nobody looks any more at a gate that cries wolf every month.
const SIGNIFICANT: f64 = 0.01;

/// Judges the second against the first. `gate` is the change that is let pass, as a part of one.
///
/// # Errors
/// When the two have no scenario and stack in common, or ran with different parameters.
pub(crate) fn compare(a: &[Read], b: &[Read], gate: f64, noise: &Noise) -> Result<Comparison, Unreadable> {
    let mut rows = Vec::new();
    for kind in kinds(a) {
        let scenario = kind.0;
        let (a, b) = (of_kind(a, kind), of_kind(b, kind));
        let turns = took_turns(&a, &b);
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
        warnings: warnings(a, b),
        rows,
    })
}

/// A scenario, and what a scenario file calls the run.
type Kind<'a> = (ScenarioKind, Option<&'a str>);

fn kinds(documents: &[Read]) -> Vec<Kind<'_>> {
    let mut kinds = Vec::new();
    for document in documents {
        if !kinds.contains(&document.kind()) {
            kinds.push(document.kind());
        }
    }
    kinds
}

fn of_kind<'a>(documents: &'a [Read], kind: Kind<'_>) -> Vec<&'a Read> {
    documents
        .iter()
        .filter(|document| document.kind() == kind)
        .collect()
}

/// Whether the documents of both sides were taken in turns (AB, BA, …), as in a loop that calls two programs: then their runs
/// belong together two by two. Documents come sorted by when they began.
fn took_turns(a: &[&Read], b: &[&Read]) -> bool {
    let begun = |side: &[&Read], mark: u8| -> Vec<(String, u8)> {
        side.iter()
            .map(|document| (document.started.clone(), mark))
            .collect()
    };
    let mut all = [begun(a, 0), begun(b, 1)].concat();
    all.sort();
    let apart = all.windows(2).all(|two| two[0].0 != two[1].0);
    a.len() == b.len() && a.len() > 1 && apart && all.chunks(2).all(|two| two[0].1 != two[1].1)
}

/// One stack's results of all documents of a side.
type Column<'a> = Vec<&'a ReadResult>;

/// Stacks that both sides have, each once.
fn columns<'a>(a: &[&'a Read], b: &[&'a Read]) -> Vec<(Column<'a>, Column<'a>)> {
    let results = |side: &[&'a Read]| -> Column<'a> {
        let results = side.iter().flat_map(|document| &document.results);
        results.filter(|result| !result.runs.is_empty()).collect()
    };
    let (mut left, b) = (results(a), results(b));
    let mut columns = Vec::new();
    while let Some(&first) = left.first() {
        let alike = |side: &Column<'a>| -> Column<'a> {
            side.iter()
                .copied()
                .filter(|result| result.same_column(first))
                .collect()
        };
        let pair = (alike(&left), alike(&b));
        left.retain(|result| !result.same_column(first));
        if !pair.1.is_empty() {
            columns.push(pair);
        }
    }
    columns
}

/// Refuses to compare what was not measured alike.
fn check_parameters(scenario: ScenarioKind, a: &Column<'_>, b: &Column<'_>) -> Result<(), Unreadable> {
    let first = a[0];
    // Of several numbers of connections a stack is shown with that at which it is best.
    let at_its_best = a.iter().chain(b).any(|result| !result.alternatives.is_empty());
    for other in a.iter().chain(b) {
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
    let told = |metric: &str| a.iter().chain(b).any(|result| result.tells(metric));
    let all = headline(scenario)
        .iter()
        .copied()
        .chain(["response_ns_p50", "response_ns_p99"]);
    all.filter(|metric| told(metric)).collect::<Vec<_>>().into_iter()
}

fn row(kind: Kind<'_>, metric: &str, a: &Column<'_>, b: &Column<'_>, turns: bool) -> Row {
    let values =
        |side: &Column<'_>| -> Vec<f64> { side.iter().flat_map(|result| result.values(metric)).collect() };
    let (of_a, of_b) = (values(a), values(b));
    let paired_runs = turns && of_a.len() == of_b.len();
    let effect = if paired_runs {
        paired(&of_b, &of_a, SEED)
    } else {
        unpaired(&of_b, &of_a, SEED)
    };
    let certainty = effect.and_then(|effect| effect.certainty);
    Row {
        scenario: kind.0,
        name: kind.1.map(str::to_owned),
        stack: a[0].stack,
        path: a[0].path,
        placement: a[0].placement,
        metric: metric.to_owned(),
        a: median(&of_a),
        b: median(&of_b),
        ratio: effect.map(|effect| effect.log_ratio.exp()),
        low: certainty.map(|certainty| certainty.low.exp()),
        high: certainty.map(|certainty| certainty.high.exp()),
        p: certainty.map(|certainty| certainty.p),
        p_adjusted: None,
        paired: paired_runs,
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
        (row.verdict, row.why) = verdict(row, tests);
    }
}

fn verdict(row: &Row, tests: usize) -> (Verdict, Option<String>) {
    let inconclusive = |why: String| (Verdict::Inconclusive, Some(why));
    let enough = fewest_for(SIGNIFICANT / tests as f64, row.paired);
    let (Some(ratio), Some(low), Some(high), Some(p)) = (row.ratio, row.low, row.high, row.p_adjusted) else {
        return inconclusive(format!(
            "{} runs of each are too few: take --runs {enough}",
            row.n
        ));
    };
    let margin = (1.0 + row.margin).ln();
    let within = low.ln() >= -margin && high.ln() <= margin;
    let excludes_none = low <= 1.0 && high >= 1.0;
    if p < SIGNIFICANT && !excludes_none && ratio.ln().abs() > margin {
        let faster = (ratio > 1.0) == more_is_better(&row.metric);
        return (if faster { Verdict::Faster } else { Verdict::Slower }, None);
    }
    if within {
        return (Verdict::Same, None);
    }
    if row.n < enough {
        return inconclusive(format!(
            "{} runs of each cannot tell: take --runs {enough}",
            row.n
        ));
    }
    inconclusive("the runs vary too much: take more of them, or longer ones, on a quiet machine".to_owned())
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
    let names = |documents: &[Read]| -> BTreeSet<String> {
        documents
            .iter()
            .map(|document| {
                let (scenario, name) = document.kind();
                name.map_or_else(|| scenario.to_string(), str::to_owned)
            })
            .collect()
    };
    let (of_a, of_b) = (names(a), names(b));
    let alone = of_a.symmetric_difference(&of_b);
    let alone = alone.map(|name| format!("only one of the two has {name}"));
    differing.chain(alone).collect()
}
