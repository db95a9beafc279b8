//! Every figure of a document in tables, which need no script.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::headline::{range, shown};
use super::reading::{PageDocument, PageResult};
use crate::config::ScenarioKind;
use crate::report::metrics::{SHOWN_BESIDE, label, required};
use crate::report::units::figure;

/// A metric of all stacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Row {
    pub(super) label: String,
    /// As it is in the document.
    pub(super) metric: String,
    /// For each stack the figure, and what it ranges over.
    pub(super) cells: Vec<(String, String)>,
}

/// The figures of single runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Runs {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<(String, Vec<String>)>,
}

/// The metrics that some stack could tell: those of the scenario first, then all others.
pub(super) fn rows(document: &PageDocument, scenario: Option<ScenarioKind>) -> Vec<Row> {
    let known = scenario.map(required).unwrap_or_default();
    let known = known.into_iter().chain(SHOWN_BESIDE).map(str::to_owned);
    let all: BTreeSet<&String> = document
        .results
        .iter()
        .flat_map(|result| result.metrics.keys())
        .collect();
    let mut metrics: Vec<String> = Vec::new();
    for metric in known.chain(all.into_iter().cloned()) {
        let told = document
            .results
            .iter()
            .any(|result| result.median(&metric).is_some());
        if told && !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    metrics.into_iter().map(|metric| row(document, metric)).collect()
}

fn row(document: &PageDocument, metric: String) -> Row {
    let cell = |result: &PageResult| {
        let summary = result.metrics.get(&metric);
        let range = summary.map_or_else(String::new, |summary| range(&metric, summary));
        (shown(result, &metric), range)
    };
    Row {
        cells: document.results.iter().map(cell).collect(),
        label: label(&metric),
        metric,
    }
}

/// The runs of each stack, and of those of its variants that it is not at its best with.
pub(super) fn runs(document: &PageDocument) -> Vec<Runs> {
    let results = document.results.iter().flat_map(|result| {
        let others = result.alternatives.iter().map(|other| (other, variant(other)));
        std::iter::once((result, result.name())).chain(others)
    });
    results
        .filter(|(result, _)| !result.runs.is_empty())
        .map(|(result, name)| of_result(result, name))
        .collect()
}

fn variant(other: &PageResult) -> String {
    let connections = other
        .config
        .get("connections")
        .map_or_else(String::new, Value::to_string);
    format!("{} with {connections} in flight", other.name())
}

fn of_result(result: &PageResult, name: String) -> Runs {
    let metrics: BTreeSet<&String> = result.runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let row = |metric: &String| {
        let figures = result.runs.iter().map(|run| {
            let value = run.metrics.get(metric).copied().flatten();
            value.map_or_else(|| "–".to_owned(), |value| figure(metric, value))
        });
        (label(metric), figures.collect())
    };
    let column = |run: &super::reading::PageRun| {
        let doubt = if run.valid { "" } else { ", invalid" };
        format!("run {}{doubt}", run.index + 1)
    };
    Runs {
        name,
        columns: result.runs.iter().map(column).collect(),
        rows: metrics.into_iter().map(row).collect(),
    }
}

/// A JSON object as pairs for people; nested ones with their path as the name.
pub(super) fn pairs(object: &Map<String, Value>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    flatten("", object, &mut pairs);
    pairs
}

fn flatten(prefix: &str, object: &Map<String, Value>, pairs: &mut Vec<(String, String)>) {
    for (key, value) in object {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(inner) => flatten(&format!("{name}."), inner, pairs),
            value => pairs.push((name, plain(value))),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
