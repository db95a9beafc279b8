//! What the system counted in each run and in each of its intervals, a row for each counter.

use serde_json::Value;

use super::csv::table as csv;
use super::{DataFile, WHOSE, runs, whose};
use crate::report::document::Document;

pub(super) const TABLE: &str = "counters.csv";
/// The kernel's of each interval.
pub(super) const OF_INTERVALS: &str = "interval-counters.csv";

/// `None` when nothing was counted.
pub(super) fn table(document: &Document) -> Option<DataFile> {
    let mut rows = Vec::new();
    for (result, run) in runs(document) {
        let counted = run
            .counters
            .as_ref()
            .and_then(|counters| serde_json::to_value(counters).ok());
        let mut counters = Vec::new();
        flatten("", &counted.unwrap_or_default(), &mut counters);
        let whose = whose(result, run);
        rows.extend(
            counters
                .into_iter()
                .map(|pair| [whose.as_slice(), &pair].concat()),
        );
    }
    (!rows.is_empty()).then(|| DataFile {
        name: TABLE.to_owned(),
        content: csv(WHOSE.into_iter().chain(["counter", "value"]), rows),
    })
}

/// `None` when no intervals were kept, or the kernel counted nothing in any.
pub(super) fn of_intervals(document: &Document) -> Option<DataFile> {
    let mut rows = Vec::new();
    for (result, run) in runs(document) {
        for interval in &run.intervals {
            let counted = serde_json::to_value(&interval.kernel).unwrap_or_default();
            let mut counters = Vec::new();
            flatten("", &counted, &mut counters);
            let whose = whose(result, run);
            let time = [interval.from.to_string(), interval.to.to_string()];
            rows.extend(
                counters
                    .into_iter()
                    .map(|pair| [whose.as_slice(), &time, &pair].concat()),
            );
        }
    }
    (!rows.is_empty()).then(|| DataFile {
        name: OF_INTERVALS.to_owned(),
        content: csv(
            WHOSE.into_iter().chain(["from_s", "to_s", "counter", "value"]),
            rows,
        ),
    })
}

/// Every number by its path: `process.user_seconds`, `hosts.client.nstat.TcpInSegs`.
fn flatten(path: &str, value: &Value, into: &mut Vec<[String; 2]>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(entries) => entries
            .iter()
            .for_each(|(key, value)| flatten(&below(key), value, into)),
        Value::Array(hosts) => hosts.iter().for_each(|host| {
            let name = host["host"].as_str().unwrap_or_default();
            flatten(&below(name), host, into);
        }),
        Value::Number(number) => into.push([path.to_owned(), number.to_string()]),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
