//! The metrics that stacks are compared by, over the dates of runs.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use serde_json::Value;

use super::super::chart::{Axis, Chart, Kind, Scale, Series, Stroke, Unit};
use super::super::reading::{PageDocument, PageResult};
use crate::config::ScenarioKind;
use crate::report::metrics::{headline, label};
use crate::report::time::seconds_since_1970;

/// Parameters that a figure does not depend on, or whose values have a series each.
const NOT_COMPARED: [&str; 6] = ["stacks", "path", "placement", "duration", "runs", "seed"];

/// Figures of different parameters, machines or builds make no trend.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    scenario: String,
    cpu: String,
    optimised: bool,
    parameters: String,
}

/// The documents of a group by their dates.
type Dated<'a> = BTreeMap<u64, &'a PageDocument>;

/// A chart for each metric of each group that has at least two dates.
pub(super) fn charts<'a>(documents: impl Iterator<Item = &'a PageDocument>) -> Vec<Chart> {
    let mut groups: BTreeMap<Group, Dated<'a>> = BTreeMap::new();
    for document in documents {
        if let Some(at) = seconds_since_1970(&document.started) {
            groups.entry(group(document)).or_default().insert(at, document);
        }
    }
    let mut charts = Vec::new();
    for (group, dated) in groups.iter().filter(|(_, dated)| dated.len() > 1) {
        let scenario = ScenarioKind::from_str(&group.scenario, false).ok();
        for metric in scenario.map(headline).unwrap_or_default() {
            charts.extend(chart(format!("trend-{}", charts.len()), group, metric, dated));
        }
    }
    charts
}

fn group(document: &PageDocument) -> Group {
    let environment = |name: &str| document.environment.get(name);
    let parameters = document
        .config
        .iter()
        .filter(|(name, value)| !NOT_COMPARED.contains(&name.as_str()) && !value.is_null());
    let mut told: Vec<String> = parameters
        .map(|(name, value)| format!("{name} {}", plain(value)))
        .collect();
    told.sort_unstable();
    Group {
        scenario: document.scenario.clone(),
        cpu: environment("cpu").map(plain).unwrap_or_default(),
        optimised: environment("optimised").and_then(Value::as_bool).unwrap_or(false),
        parameters: told.join(", "),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn chart(id: String, group: &Group, metric: &str, dated: &Dated<'_>) -> Option<Chart> {
    let names: BTreeSet<String> = dated
        .values()
        .flat_map(|document| document.results.iter().map(PageResult::name))
        .collect();
    let series = names.iter().enumerate().flat_map(|(color, name)| {
        [true, false].map(|counts| Series {
            name: if counts {
                name.clone()
            } else {
                format!("{name}, invalid")
            },
            color,
            stroke: Stroke::Solid,
            marks: !counts,
            values: dated
                .values()
                .map(|document| value(document, name, metric, counts))
                .collect(),
        })
    });
    let series: Vec<Series> = series
        .filter(|series| series.values.iter().any(Option::is_some))
        .collect();
    (!series.is_empty()).then(|| Chart {
        id,
        title: format!("{}: {}", group.scenario, label(metric)),
        note: note(group),
        kind: Kind::Line,
        x: Axis::new("date", Scale::Linear, Unit::Date),
        y: Axis::new(label(metric), Scale::Linear, unit(metric)),
        at: dated.keys().map(|&at| at as f64).collect(),
        series,
    })
}

fn note(group: &Group) -> String {
    let build = if group.optimised {
        ""
    } else {
        "Built without optimisation: these figures mean nothing. "
    };
    format!("{build}{}. {}.", group.cpu, group.parameters)
}

/// The median of a stack's runs, when they count as asked.
fn value(document: &PageDocument, name: &str, metric: &str, counts: bool) -> Option<f64> {
    let result = document.results.iter().find(|result| result.name() == name)?;
    let valid = result.valid.unwrap_or(document.valid);
    result.median(metric).filter(|_| valid == counts)
}

fn unit(metric: &str) -> Unit {
    match metric {
        "gigabits_per_second" => Unit::Gigabits,
        _ if metric.contains("_ns_") || metric.ends_with("_ns") => Unit::Ns,
        _ if metric.ends_with("_ratio") => Unit::Part,
        _ => Unit::Count,
    }
}
