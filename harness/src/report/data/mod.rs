//! The data of a document in formats that other programs read: files that lie beside `run.json`.

mod counters;
mod csv;
mod histograms;
mod intervals;
#[cfg(test)]
mod tests;

use super::document::{Document, Run, StackResult};

/// A file beside a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DataFile {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// All files of a document: those that would say nothing are left out.
pub(super) fn files(document: &Document) -> Vec<DataFile> {
    let mut files = histograms::of_runs(document);
    files.extend(histograms::of_intervals(document));
    files.extend(intervals::table(document));
    files.extend(counters::table(document));
    files.extend(counters::of_intervals(document));
    files
}

/// Whether a file of that name is one that [`files`] may have written for an earlier document.
pub(super) fn is_ours(name: &str) -> bool {
    let sequence = name.starts_with("sequence-") && name.ends_with(".csv");
    let packets = name.starts_with("capture-") && name.ends_with(".pcapng");
    sequence
        || packets
        || name.ends_with("_ns.hlog")
        || [
            intervals::LOG,
            intervals::TABLE,
            counters::TABLE,
            counters::OF_INTERVALS,
        ]
        .contains(&name)
}

/// Every run, with the result that it is one of.
fn runs(document: &Document) -> impl Iterator<Item = (&StackResult, &Run)> {
    let results = document.results.iter();
    let with_others = results.flat_map(|result| std::iter::once(result).chain(&result.alternatives));
    with_others.flat_map(|result| result.runs.iter().map(move |run| (result, run)))
}

/// The first columns of every table: which run a row is of.
const WHOSE: [&str; 5] = ["stack", "path", "placement", "connections", "run"];

/// Their values; runs are counted from 1.
fn whose(result: &StackResult, run: &Run) -> [String; 5] {
    [
        result.stack.to_string(),
        result.path.to_string(),
        result.placement.to_string(),
        result.config.connections.to_string(),
        (run.index + 1).to_string(),
    ]
}
