//! From what runs found to a document.

mod ratios;
mod validity;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::document::{Config, Distribution, Document, DocumentFormat, Latencies, Run, StackResult, Summary};
use super::metrics::{PERCENTILES, deciding, percentile_of, required};
use crate::config::{Pairing, RunConfig, ScenarioKind};
use crate::measure::environment::Environment;
use crate::measure::recorder::{empty_histogram, from_buckets};
use crate::measure::statistics::{interval, median};
use crate::run::{Measured, Plan, PlanRuns, Replicate, SubjectRuns};

/// Whether the figures of a run count.
pub(crate) fn is_counted(measured: &Measured) -> bool {
    validity::of_run(measured).is_empty()
}

/// The document of a plan that was carried out.
pub(crate) fn summarise(done: &PlanRuns, environment: Environment, started: String) -> Document {
    let PlanRuns {
        plan,
        subjects,
        interrupted,
    } = done;
    let began = subjects.iter().flat_map(|subject| subject.runs.iter().flatten());
    let first = began.map(|run| run.began).min();
    let of_subject = |subject| result(plan.scenario, subject, first);
    let results = at_their_best(plan.scenario, subjects.iter().map(of_subject));
    let invalid_reasons = validity::of_document(&results, *interrupted);
    Document {
        schema: DocumentFormat::Run1,
        scenario: plan.scenario,
        name: Some(plan.name.clone()).filter(|name| *name != plan.scenario.to_string()),
        started,
        config: config(plan, &results[0].config),
        environment,
        valid: invalid_reasons.is_empty(),
        invalid_reasons,
        interrupted: *interrupted,
        ratios: ratios::of_engine(plan.scenario, &results),
        results,
    }
}

/// `first` speaks for all stacks where they do not differ.
fn config(plan: &Plan, first: &RunConfig) -> Config {
    let mut stacks: Vec<Pairing> = plan.subjects.iter().map(|subject| subject.stack).collect();
    stacks.dedup();
    Config {
        stacks,
        path: plan.path,
        placement: first.placement,
        generators: first.generators,
        connections: first.connections,
        idle: first.idle,
        time_wait: first.time_wait,
        close: first.close,
        closer: first.closer,
        message: first.message,
        mtu: first.mtu,
        checksums: first.checksums,
        device: first.device,
        ip: first.ip,
        link: first.link.clone(),
        open_loop: first.open_loop,
        flood: first.flood,
        duration: first.duration,
        runs: plan.runs,
        seed: first.seed,
    }
}

/// Keeps one result for each stack, path and placement: of several the one with the best deciding metric, with the others inside it.
fn at_their_best(scenario: ScenarioKind, all: impl Iterator<Item = StackResult>) -> Vec<StackResult> {
    let mut results: Vec<StackResult> = Vec::new();
    for result in all {
        let same = |kept: &&mut StackResult| {
            (kept.stack, kept.path, kept.placement) == (result.stack, result.path, result.placement)
        };
        match results.iter_mut().find(same) {
            Some(kept) => put_beside(scenario, kept, result),
            None => results.push(result),
        }
    }
    results
}

fn put_beside(scenario: ScenarioKind, kept: &mut StackResult, mut other: StackResult) {
    if is_better(scenario, &other, kept) {
        std::mem::swap(kept, &mut other);
        kept.alternatives.append(&mut other.alternatives);
    }
    kept.alternatives.push(other);
}

fn is_better(scenario: ScenarioKind, one: &StackResult, other: &StackResult) -> bool {
    let (metric, less_is_better) = deciding(scenario);
    let figure = |result: &StackResult| result.metrics.get(metric).and_then(|summary| summary.median);
    match (figure(one), figure(other)) {
        (Some(one), Some(other)) => {
            if less_is_better {
                one < other
            } else {
                one > other
            }
        }
        (one, other) => one.is_some() && other.is_none(),
    }
}

/// `first` is when the first run of all began.
fn result(scenario: ScenarioKind, subject: &SubjectRuns, first: Option<Instant>) -> StackResult {
    let config = subject.subject.config.clone();
    let took_place = subject
        .runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| Some((index, run.as_ref()?)));
    let runs: Vec<Run> = took_place
        .map(|(index, run)| self::run(scenario, index, run, first.unwrap_or(run.began)))
        .collect();
    let measured: Vec<&Measured> = subject
        .runs
        .iter()
        .flatten()
        .filter_map(|run| run.found.as_ref().ok())
        .collect();
    let invalid_reasons = validity::of_result(&runs, subject.unsupported.as_deref());
    StackResult {
        stack: subject.subject.stack,
        path: config.path,
        placement: config.placement,
        valid: invalid_reasons.is_empty() && subject.unsupported.is_none(),
        invalid_reasons,
        unsupported_reason: subject.unsupported.clone(),
        metrics: summaries(&runs, &measured),
        config,
        runs,
        alternatives: Vec::new(),
    }
}

fn run(scenario: ScenarioKind, index: usize, replicate: &Replicate, first: Instant) -> Run {
    let notes = replicate.notes.clone();
    let began_seconds = (replicate.began - first).as_secs_f64();
    let intervals = replicate.intervals.clone();
    match &replicate.found {
        Ok(measured) => {
            let invalid_reasons = validity::of_run(measured);
            Run {
                index,
                began_seconds,
                valid: invalid_reasons.is_empty(),
                invalid_reasons,
                error: None,
                notes,
                metrics: metrics(scenario, measured),
                distributions: distributions(measured),
                counters: measured.counters.as_deref().cloned(),
                wire: measured.wire.as_deref().cloned(),
                intervals,
            }
        }
        Err(failure) => Run {
            index,
            began_seconds,
            valid: false,
            invalid_reasons: vec!["the run failed".to_owned()],
            error: Some(failure.clone()),
            notes,
            metrics: BTreeMap::new(),
            distributions: BTreeMap::new(),
            counters: None,
            wire: None,
            intervals,
        },
    }
}

/// What the scenario reported, what its histograms say, and null for what is missing of what it must report.
pub(crate) fn metrics(scenario: ScenarioKind, measured: &Measured) -> BTreeMap<String, Option<f64>> {
    let mut metrics: BTreeMap<String, Option<f64>> = required(scenario)
        .iter()
        .map(|name| ((*name).to_owned(), None))
        .collect();
    for (name, buckets) in &measured.histograms {
        let histogram = from_buckets(buckets);
        let named = PERCENTILES.iter().map(|&(suffix, quantile, fewest)| {
            (
                format!("{name}{suffix}"),
                percentile(&histogram, quantile, fewest),
            )
        });
        metrics.extend(named);
    }
    metrics.extend(measured.metrics.clone());
    metrics
}

fn percentile(histogram: &Histogram<u64>, quantile: f64, fewest: u64) -> Option<f64> {
    (histogram.len() >= fewest).then(|| histogram.value_at_quantile(quantile) as f64)
}

fn distributions(measured: &Measured) -> BTreeMap<String, Distribution> {
    let latencies = measured.histograms.iter().map(|(name, buckets)| {
        let histogram = from_buckets(buckets);
        let latencies = Latencies {
            count: histogram.len(),
            min_ns: histogram.min(),
            max_ns: histogram.max(),
            mean_ns: histogram.mean(),
            buckets: buckets.clone(),
        };
        (name.clone(), Distribution::Latency(latencies))
    });
    let others = measured
        .distributions
        .iter()
        .map(|(name, all)| (name.clone(), Distribution::Other(all.clone())));
    latencies.chain(others).collect()
}

fn summaries(runs: &[Run], measured: &[&Measured]) -> BTreeMap<String, Summary> {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let histograms = histograms_by_name(measured);
    let summary = |name: &String| {
        let values: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.metrics.get(name).copied().flatten())
            .collect();
        match percentile_of(name)
            .and_then(|(base, quantile, fewest)| Some((histograms.get(base)?, quantile, fewest)))
        {
            Some((histograms, quantile, fewest)) => {
                summary_of_percentile(&values, histograms, quantile, fewest)
            }
            None => summary_of_values(&values),
        }
    };
    names
        .into_iter()
        .map(|name| (name.clone(), summary(name)))
        .collect()
}

fn histograms_by_name<'a>(measured: &[&'a Measured]) -> BTreeMap<&'a str, Vec<Histogram<u64>>> {
    let mut by_name: BTreeMap<&str, Vec<Histogram<u64>>> = BTreeMap::new();
    for (name, buckets) in measured.iter().flat_map(|measured| &measured.histograms) {
        by_name.entry(name).or_default().push(from_buckets(buckets));
    }
    by_name
}

fn summary_of_values(values: &[f64]) -> Summary {
    let (low, high) = interval(values, median).unzip();
    Summary {
        median: median(values),
        min: values.iter().copied().reduce(f64::min),
        max: values.iter().copied().reduce(f64::max),
        low,
        high,
        n: values.len(),
    }
}

/// A percentile of all latencies together, never an average of the runs' percentiles.
fn summary_of_percentile(
    values: &[f64],
    histograms: &[Histogram<u64>],
    quantile: f64,
    fewest: u64,
) -> Summary {
    let merged_percentile = |histograms: &[&Histogram<u64>]| {
        let mut merged = empty_histogram();
        for histogram in histograms {
            merged
                .add(*histogram)
                .expect("all histograms have the same bounds");
        }
        percentile(&merged, quantile, fewest)
    };
    let histograms: Vec<&Histogram<u64>> = histograms.iter().collect();
    let (low, high) = interval(&histograms, merged_percentile).unzip();
    Summary {
        median: merged_percentile(&histograms),
        low,
        high,
        ..summary_of_values(values)
    }
}

#[cfg(test)]
mod tests;
