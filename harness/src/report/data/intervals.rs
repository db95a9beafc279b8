//! What each interval came to, a row for each.

use super::csv::{or_empty, table as csv};
use super::{DataFile, WHOSE, runs, whose};
use crate::observe::{Figures, operation};
use crate::report::document::Document;

pub(super) const TABLE: &str = "intervals.csv";
/// The same intervals' histograms.
pub(super) const LOG: &str = "intervals.hlog";

const COLUMNS: [&str; 17] = [
    "operation",
    "from_s",
    "to_s",
    "operations",
    "per_second",
    "failed",
    "time_wait",
    "latencies",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "max_ns",
    "dropped_arrivals",
    "response_p50_ns",
    "response_p99_ns",
    "response_p999_ns",
    "response_max_ns",
];

/// `None` when no intervals were kept.
pub(super) fn table(document: &Document) -> Option<DataFile> {
    let operation = operation(document.scenario);
    let rows: Vec<Vec<String>> = runs(document)
        .flat_map(|(result, run)| {
            let whose = whose(result, run);
            let row = move |figures| [whose.as_slice(), &row(operation, figures)].concat();
            run.intervals.iter().map(row)
        })
        .collect();
    (!rows.is_empty()).then(|| DataFile {
        name: TABLE.to_owned(),
        content: csv(WHOSE.into_iter().chain(COLUMNS), rows),
    })
}

fn row(operation: &str, figures: &Figures) -> [String; COLUMNS.len()] {
    let latency = figures.latency_ns.as_ref();
    let response = figures.response_ns.as_ref();
    [
        operation.to_owned(),
        figures.from.to_string(),
        figures.to.to_string(),
        figures.operations.to_string(),
        figures.per_second.to_string(),
        figures.failed.to_string(),
        or_empty(figures.time_wait),
        or_empty(latency.map(|latency| latency.count)),
        or_empty(latency.map(|latency| latency.p50)),
        or_empty(latency.map(|latency| latency.p99)),
        or_empty(latency.map(|latency| latency.p999)),
        or_empty(latency.map(|latency| latency.max)),
        or_empty(figures.dropped_arrivals),
        or_empty(response.map(|response| response.p50)),
        or_empty(response.map(|response| response.p99)),
        or_empty(response.map(|response| response.p999)),
        or_empty(response.map(|response| response.max)),
    ]
}
