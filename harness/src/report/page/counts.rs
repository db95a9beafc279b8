//! Distributions over whole numbers (extents, densities) as bars, a bar for each stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::chart::{Axis, Chart, Kind, Scale, Series, Stroke, Unit};
use super::reading::PageResult;

/// More bars than this cannot be told apart; the rest is in the document.
const MOST_BARS: usize = 40;

/// What is known of a distribution by its name: title, label of the x axis, note.
fn known(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match name {
        "extent" => (
            "Reordering extent (RFC 4737 §4.2)",
            "extent in packets",
            "Of the reordered datagrams, the part that was this far from where it belonged.",
        ),
        "gap" => (
            "Reordering gap (RFC 4737 §4.5)",
            "gap in packets",
            "Of the reordering discontinuities, the part that was this far from the one before.",
        ),
        "n_reordering" => (
            "n-reordering (RFC 4737 §5)",
            "n",
            "The part of the arrived datagrams that were n-reordered: for TCP, what n duplicate ACKs would have taken for lost.",
        ),
        "reorder_density" => (
            "Reorder density (RFC 5236)",
            "displacement in packets",
            "Negative is early, positive is late, 0 is in place.",
        ),
        "buffer_density" => (
            "Reorder buffer-occupancy density (RFC 5236)",
            "buffered packets",
            "How many datagrams a receiver holds that restores the order.",
        ),
        _ => return None,
    })
}

/// A chart of the distribution `name`, when it is one over whole numbers and any stack has it.
pub(super) fn chart(id: String, name: &str, results: &[PageResult]) -> Option<Chart> {
    let (title, axis, note) = known(name)?;
    let of_stacks: Vec<(usize, BTreeMap<i64, f64>)> = results
        .iter()
        .map(|result| parts(result, name))
        .enumerate()
        .filter(|(_, parts)| !parts.is_empty())
        .collect();
    let keys: BTreeSet<i64> = of_stacks
        .iter()
        .flat_map(|(_, parts)| parts.keys().copied())
        .collect();
    let shown = nearest_to_zero(keys);
    let series = of_stacks.iter().map(|(index, parts)| Series {
        name: results[*index].name(),
        color: *index,
        stroke: Stroke::Solid,
        marks: false,
        values: shown
            .iter()
            .map(|key| Some(parts.get(key).copied().unwrap_or(0.0)))
            .collect(),
    });
    (!shown.is_empty()).then(|| Chart {
        id,
        title: title.to_owned(),
        note: note.to_owned(),
        kind: Kind::Bars,
        x: Axis::new(axis, Scale::Linear, Unit::Count),
        y: Axis::new("part", Scale::Linear, Unit::Part),
        at: shown.iter().map(|&key| key as f64).collect(),
        series: series.collect(),
    })
}

fn nearest_to_zero(keys: BTreeSet<i64>) -> Vec<i64> {
    let mut keys: Vec<i64> = keys.into_iter().collect();
    keys.sort_by_key(|key| key.unsigned_abs());
    keys.truncate(MOST_BARS);
    keys.sort_unstable();
    keys
}

/// The parts of all runs together: counts are added and divided by their sum; parts are averaged, runs being equally long.
fn parts(result: &PageResult, name: &str) -> BTreeMap<i64, f64> {
    let mut sum: BTreeMap<i64, f64> = BTreeMap::new();
    let mut runs = 0_u32;
    for distribution in result.runs.iter().filter_map(|run| run.distributions.get(name)) {
        let Some(entries) = distribution.as_object() else {
            continue;
        };
        runs += 1;
        let numbers = entries.iter().filter_map(|(key, value)| number(key, value));
        numbers.for_each(|(key, value)| *sum.entry(key).or_default() += value);
    }
    let whole = if are_counts(name) {
        sum.values().sum()
    } else {
        f64::from(runs)
    };
    sum.retain(|_, value| {
        *value /= whole;
        value.is_finite()
    });
    sum
}

fn number(key: &str, value: &Value) -> Option<(i64, f64)> {
    Some((key.parse().ok()?, value.as_f64()?))
}

fn are_counts(name: &str) -> bool {
    matches!(name, "extent" | "gap")
}
