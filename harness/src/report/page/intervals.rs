//! Runs interval by interval: rate, latency, and TIME_WAIT entries held over the time of the window.

use std::collections::BTreeMap;

use super::chart::{Axis, Chart, Kind, Scale, Series, Stroke, Unit};
use super::reading::{PageDocument, PageInterval, PageResult, PageRun};

/// With more series than this only the first run of each stack is drawn.
const MOST_SERIES: usize = 12;

/// Series have points at the same times when those are the same in milliseconds.
type Milliseconds = u64;

/// What is drawn of an interval.
struct Figure {
    title: &'static str,
    note: &'static str,
    y: Axis,
    value: fn(&PageInterval) -> Option<f64>,
    /// Whether zeros alone are worth a plot.
    zeros_too: bool,
}

/// Nothing unless intervals were kept.
pub(super) fn charts(id: &str, document: &PageDocument, operations: &str) -> Vec<Chart> {
    let figures = [
        rate(operations),
        Figure {
            title: "Median latency over time",
            note: "Of the operations that ended in the interval. Percentiles of intervals are for looking at, and make no percentile of the run.",
            y: Axis::new("p50", Scale::Log, Unit::Ns),
            value: |interval| interval.latency_ns?.p50,
            zeros_too: true,
        },
        Figure {
            title: "99th percentile of latency over time",
            note: "Of the operations that ended in the interval.",
            y: Axis::new("p99", Scale::Log, Unit::Ns),
            value: |interval| interval.latency_ns?.p99,
            zeros_too: true,
        },
        Figure {
            title: "99th percentile of response time over time",
            note: "From the intended start of the operations that ended in the interval: what users waited.",
            y: Axis::new("p99", Scale::Log, Unit::Ns),
            value: |interval| interval.response_ns?.p99,
            zeros_too: true,
        },
        Figure {
            title: "TIME_WAIT entries over time",
            note: "Held at the end of the interval; what was filled in before the window counts.",
            y: Axis::new("entries", Scale::Linear, Unit::Count),
            value: |interval| interval.time_wait.filter(|held| *held > 0.0),
            zeros_too: true,
        },
        Figure {
            title: "Dropped arrivals over time",
            note: "Operations that were due in the interval and found no room to wait in, of 2 s of arrivals.",
            y: Axis::new("dropped", Scale::Linear, Unit::Count),
            value: |interval| interval.dropped_arrivals,
            zeros_too: false,
        },
    ];
    let numbered = figures.into_iter().enumerate();
    numbered
        .filter_map(|(number, figure)| chart(format!("{id}-over-time-{number}"), document, figure))
        .collect()
}

fn rate(operations: &str) -> Figure {
    const NOTE: &str = "A line for each run: the first one is solid.";
    if operations == "bytes" {
        return Figure {
            title: "Throughput over time",
            note: NOTE,
            y: Axis::new("throughput", Scale::Linear, Unit::Gigabits),
            value: |interval| interval.per_second.map(|bytes| bytes * 8.0 / 1e9),
            zeros_too: true,
        };
    }
    Figure {
        title: "Rate over time",
        note: NOTE,
        y: Axis::new(format!("{operations}/s"), Scale::Linear, Unit::Count),
        value: |interval| interval.per_second,
        zeros_too: true,
    }
}

fn chart(id: String, document: &PageDocument, figure: Figure) -> Option<Chart> {
    let with_runs = |(color, result)| runs_of(result).map(move |(number, run)| (color, result, number, run));
    let runs: Vec<(usize, &PageResult, usize, &PageRun)> =
        document.results.iter().enumerate().flat_map(with_runs).collect();
    let all_fit = runs.len() <= MOST_SERIES;
    let lines: Vec<(Series, BTreeMap<Milliseconds, f64>)> = runs
        .into_iter()
        .filter(|(_, _, number, _)| all_fit || *number == 0)
        .map(|(color, result, number, run)| (line(color, result, number, run), points(run, figure.value)))
        .filter(|(_, points)| figure.zeros_too || points.values().any(|value| *value > 0.0))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let mut times: Vec<Milliseconds> = lines
        .iter()
        .flat_map(|(_, points)| points.keys().copied())
        .collect();
    times.sort_unstable();
    times.dedup();
    let series = lines.into_iter().map(|(series, points)| Series {
        values: times.iter().map(|time| points.get(time).copied()).collect(),
        ..series
    });
    (!times.is_empty()).then(|| Chart {
        id,
        title: figure.title.to_owned(),
        note: figure.note.to_owned(),
        kind: Kind::Line,
        x: Axis::new("seconds of the window", Scale::Linear, Unit::Seconds),
        y: figure.y,
        at: times.iter().map(|&time| time as f64 / 1000.0).collect(),
        series: series.collect(),
    })
}

/// The runs that have intervals, the first of them with number 0.
fn runs_of(result: &PageResult) -> impl Iterator<Item = (usize, &PageRun)> {
    result
        .runs
        .iter()
        .filter(|run| !run.intervals.is_empty())
        .enumerate()
}

fn line(color: usize, result: &PageResult, number: usize, run: &PageRun) -> Series {
    Series {
        name: format!("{}, run {}", result.name(), run.index + 1),
        color,
        stroke: if number > 0 { Stroke::Dashed } else { Stroke::Solid },
        marks: false,
        values: Vec::new(),
    }
}

fn points(run: &PageRun, value: fn(&PageInterval) -> Option<f64>) -> BTreeMap<Milliseconds, f64> {
    let point =
        |interval: &PageInterval| Some(((interval.to * 1000.0).round() as Milliseconds, value(interval)?));
    run.intervals.iter().filter_map(point).collect()
}
