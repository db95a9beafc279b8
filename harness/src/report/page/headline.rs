//! The figures that a scenario is compared by, as bars.

use serde::Serialize;

use super::reading::{PageDocument, PageResult, PageSummary};
use crate::config::ScenarioKind;
use crate::report::metrics::{headline, is_better_or_worse, label, more_is_better};
use crate::report::units::figure;

/// One metric, a bar for each stack.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Headline {
    pub(super) metric: String,
    pub(super) direction: &'static str,
    pub(super) bars: Vec<Bar>,
}

/// The bar of one stack. Places are percent of the longest.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) color: usize,
    /// What the metric is, or why there is none.
    pub(super) figure: String,
    /// Least and greatest of the runs.
    pub(super) range: String,
    pub(super) width: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

/// The headline metrics that any stack could tell.
pub(super) fn headlines(document: &PageDocument, scenario: Option<ScenarioKind>) -> Vec<Headline> {
    let metrics = scenario.map(headline).unwrap_or_default();
    metrics
        .iter()
        .filter_map(|metric| one(document, metric))
        .collect()
}

fn one(document: &PageDocument, metric: &str) -> Option<Headline> {
    let summaries = document
        .results
        .iter()
        .filter_map(|result| result.metrics.get(metric));
    let longest = summaries
        .filter_map(|summary| summary.max.or(summary.median))
        .fold(0.0, f64::max);
    (longest > 0.0).then(|| Headline {
        metric: label(metric),
        direction: match (is_better_or_worse(metric), more_is_better(metric)) {
            (false, _) => "",
            (true, true) => "more is better",
            (true, false) => "less is better",
        },
        bars: document
            .results
            .iter()
            .enumerate()
            .map(|(color, result)| bar(result, metric, color, longest))
            .collect(),
    })
}

fn bar(result: &PageResult, metric: &str, color: usize, longest: f64) -> Bar {
    let summary = result.metrics.get(metric);
    let percent = |value: fn(&PageSummary) -> Option<f64>| {
        summary
            .and_then(value)
            .map_or(0.0, |value| (value / longest * 1000.0).round() / 10.0)
    };
    Bar {
        name: result.name(),
        color,
        figure: shown(result, metric),
        range: summary.map_or_else(String::new, |summary| range(metric, summary)),
        width: percent(|summary| summary.median),
        least: percent(|summary| summary.min),
        greatest: percent(|summary| summary.max),
    }
}

/// The median as people read it, or why there is none.
pub(super) fn shown(result: &PageResult, metric: &str) -> String {
    match result.median(metric) {
        Some(value) => figure(metric, value),
        None if result.unsupported_reason.is_some() => "unsupported".to_owned(),
        None => "–".to_owned(),
    }
}

/// The 95 % interval where there is one, else least and greatest; empty for a single run.
pub(super) fn range(metric: &str, summary: &PageSummary) -> String {
    let between = |low, high| format!("{} to {}", figure(metric, low), figure(metric, high));
    match (summary.low, summary.high, summary.min, summary.max) {
        (Some(low), Some(high), ..) => format!("{} (95 %)", between(low, high)),
        (_, _, Some(min), Some(max)) if summary.n > 1 && min != max => between(min, max),
        _ => String::new(),
    }
}
