//! What lay in TIME_WAIT: how much at most, how it went, and what it took.

use serde::Serialize;

use super::reading::{PageDocument, PageResult};
use crate::report::units::figure;

/// TIME_WAIT of all stacks that told of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Inventory {
    pub(super) rows: Vec<Row>,
}

/// One stack, as figures; `–` where it cannot tell.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) color: usize,
    pub(super) peak: String,
    /// Percent of the greatest peak.
    pub(super) width: f64,
    pub(super) filled: String,
    pub(super) reused: String,
    pub(super) violations: String,
    /// Whether there are any.
    pub(super) violated: bool,
    pub(super) entry: String,
    pub(super) memory: String,
}

/// `None` when no stack held an entry.
pub(super) fn inventory(document: &PageDocument) -> Option<Inventory> {
    let peak = |result: &PageResult| result.median("time_wait_peak");
    let greatest = document.results.iter().filter_map(peak).fold(0.0, f64::max);
    let rows = document
        .results
        .iter()
        .enumerate()
        .filter(|(_, result)| peak(result).is_some());
    (greatest > 0.0).then(|| Inventory {
        rows: rows.map(|(color, result)| row(color, result, greatest)).collect(),
    })
}

fn row(color: usize, result: &PageResult, greatest: f64) -> Row {
    let median = |metric: &str| result.median(metric);
    let shown = |metric: &str| median(metric).map_or_else(|| "–".to_owned(), |value| figure(metric, value));
    let (peak, entry) = (median("time_wait_peak"), median("time_wait_bytes_per_entry"));
    let memory = peak.zip(entry).map(|(entries, bytes)| entries * bytes);
    Row {
        name: result.name(),
        color,
        peak: shown("time_wait_peak"),
        width: (peak.unwrap_or(0.0) / greatest * 1000.0).round() / 10.0,
        filled: shown("time_wait_filled"),
        reused: shown("time_wait_reused"),
        violations: shown("time_wait_violations"),
        violated: median("time_wait_violations").is_some_and(|violations| violations > 0.0),
        entry: shown("time_wait_bytes_per_entry"),
        memory: memory.map_or_else(|| "–".to_owned(), |bytes| format!("{:.1} MB", bytes / 1e6)),
    }
}
