//! Latencies by percentile, as curves and as a table, from the histograms of all runs merged.

use hdrhistogram::Histogram;
use serde_json::Value;

use super::chart::{Axis, Chart, Kind, Scale, Series, Stroke, Unit};
use super::reading::PageResult;
use super::table::Table;
use crate::measure::recorder::{empty_histogram, from_buckets};
use crate::report::metrics::label;
use crate::report::units::nanoseconds;

/// Points of a curve for each factor of ten.
const STEPS: i32 = 16;
/// A percentile says something when so many latencies are beyond it.
const BEYOND: u64 = 10;
const ROWS: [(&str, f64); 7] = [
    ("p1", 0.01),
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("p99.999", 0.99999),
];

/// The latencies by this name of each stack that has any, with the stack's position.
fn merged(results: &[PageResult], name: &str) -> Vec<(usize, Histogram<u64>)> {
    let of_result = |result: &PageResult| {
        let mut all = empty_histogram();
        let found = result.runs.iter().filter_map(|run| run.distributions.get(name));
        for buckets in found.filter_map(buckets) {
            all.add(from_buckets(&buckets)).expect("all have the same bounds");
        }
        all
    };
    results
        .iter()
        .map(of_result)
        .enumerate()
        .filter(|(_, all)| !all.is_empty())
        .collect()
}

/// Whether a distribution is one of latencies.
pub(super) fn is_latency(distribution: &Value) -> bool {
    distribution.get("buckets").is_some_and(Value::is_array)
}

fn buckets(distribution: &Value) -> Option<Vec<(u64, u64)>> {
    let pairs = distribution.get("buckets")?.as_array()?;
    let pair = |pair: &Value| Some((pair.get(0)?.as_u64()?, pair.get(1)?.as_u64()?));
    Some(pairs.iter().filter_map(pair).collect())
}

/// One line of a plot by percentile, and one column of its table.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) color: usize,
    pub(super) stroke: Stroke,
    pub(super) latencies: Histogram<u64>,
}

/// A curve for each stack that has latencies by this name.
pub(super) fn curves(results: &[PageResult], name: &str) -> Vec<Curve> {
    let curve = |(index, latencies): (usize, Histogram<u64>)| Curve {
        name: results[index].name(),
        color: index,
        stroke: Stroke::Solid,
        latencies,
    };
    merged(results, name).into_iter().map(curve).collect()
}

/// What an open loop tells of an operation: from its intended start, from its actual start, and how late the generator was.
const OPEN_LOOP: [(&str, Stroke); 3] = [
    ("response_ns", Stroke::Solid),
    ("service_ns", Stroke::Dashed),
    ("lag_ns", Stroke::Dotted),
];

/// Whether latencies by this name are one of the three of an open loop, which are drawn together.
pub(super) fn is_of_open_loop(name: &str) -> bool {
    OPEN_LOOP.iter().any(|(one, _)| *one == name)
}

/// The three curves of each stack in an open loop, the stack's beside each other.
pub(super) fn open_loop_curves(results: &[PageResult]) -> Vec<Curve> {
    let of_name = |(name, stroke)| {
        curves(results, name).into_iter().map(move |curve| Curve {
            name: format!("{}: {}", curve.name, label(name)),
            stroke,
            ..curve
        })
    };
    let mut all: Vec<Curve> = OPEN_LOOP.into_iter().flat_map(of_name).collect();
    all.sort_by_key(|curve| curve.color);
    all
}

/// Curves over x = 1 ÷ (1 − p), as far as ten latencies are beyond.
pub(super) fn chart(id: String, what: &str, note: &str, curves: &[Curve]) -> Chart {
    let longest = curves
        .iter()
        .map(|curve| curve.latencies.len() / BEYOND)
        .max()
        .unwrap_or(0);
    let at: Vec<f64> = (0..)
        .map(|step| round(10_f64.powf(f64::from(step) / f64::from(STEPS))))
        .take_while(|x| *x <= longest as f64)
        .collect();
    let series = curves.iter().map(|curve| Series {
        name: curve.name.clone(),
        color: curve.color,
        stroke: curve.stroke,
        marks: false,
        values: at
            .iter()
            .map(|x| value(&curve.latencies, 1.0 - 1.0 / x).filter(|value| *value > 0.0))
            .collect(),
    });
    Chart {
        id,
        title: format!("{} by percentile", capital(what)),
        note: format!(
            "{note}All runs merged. Each tenfold to the right is one more nine. A curve ends where fewer than ten samples are beyond it."
        ),
        kind: Kind::Line,
        x: Axis::new("percentile", Scale::Log, Unit::Percentile),
        y: Axis::new(what, Scale::Log, Unit::Ns),
        series: series.collect(),
        at,
    }
}

fn value(all: &Histogram<u64>, quantile: f64) -> Option<f64> {
    let beyond = (1.0 - quantile) * all.len() as f64;
    (beyond >= BEYOND as f64 * (1.0 - 1e-9)).then(|| all.value_at_quantile(quantile) as f64)
}

/// The same as figures.
pub(super) fn table(curves: &[Curve]) -> Table {
    let figures = |figure: &dyn Fn(&Histogram<u64>) -> Option<f64>| -> Vec<String> {
        let shown = |curve: &Curve| figure(&curve.latencies).map_or("–".to_owned(), nanoseconds);
        curves.iter().map(shown).collect()
    };
    let percentiles = ROWS
        .iter()
        .map(|&(row, quantile)| (row.to_owned(), figures(&|all| value(all, quantile))));
    let mut rows: Vec<(String, Vec<String>)> = percentiles.collect();
    rows.insert(0, ("least".to_owned(), figures(&|all| Some(all.min() as f64))));
    rows.push(("greatest".to_owned(), figures(&|all| Some(all.max() as f64))));
    rows.push(("mean".to_owned(), figures(&|all| Some(all.mean()))));
    let counts = curves
        .iter()
        .map(|curve| curve.latencies.len().to_string())
        .collect();
    rows.push(("samples".to_owned(), counts));
    Table {
        columns: curves.iter().map(|curve| curve.name.clone()).collect(),
        rows,
        left_out: String::new(),
    }
}

/// Six digits are more than a plot shows.
fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

pub(super) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
