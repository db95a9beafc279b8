//! What belongs together in two sets of documents: kinds of runs, columns of stacks, and turns.

use std::collections::BTreeSet;

use super::Read;
use super::reading::ReadResult;
use crate::config::ScenarioKind;
use crate::measure::statistics::{FEWEST_FOR_INTERVAL, median};

/// A scenario, and what a scenario file calls the run.
pub(super) type Kind<'a> = (ScenarioKind, Option<&'a str>);

/// Every kind once.
pub(super) fn kinds(documents: &[Read]) -> Vec<Kind<'_>> {
    let mut kinds = Vec::new();
    for document in documents {
        if !kinds.contains(&document.kind()) {
            kinds.push(document.kind());
        }
    }
    kinds
}

/// The documents of a kind.
pub(super) fn of_kind<'a>(documents: &'a [Read], kind: Kind<'_>) -> Vec<&'a Read> {
    documents
        .iter()
        .filter(|document| document.kind() == kind)
        .collect()
}

/// How the documents of the two sides follow on each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turns {
    /// AB, BA, and so on, each order as often as the other but for one: then documents belong together two by two.
    Taken,
    /// AB, AB, and so on: whoever comes second has what a drift did in between.
    Lopsided,
    /// In blocks, or nobody can tell.
    None,
}

/// Documents come sorted by when they began.
pub(super) fn turns(a: &[&Read], b: &[&Read]) -> Turns {
    let begun = |side: &[&Read], mark: u8| -> Vec<(String, u8)> {
        side.iter()
            .map(|document| (document.started.clone(), mark))
            .collect()
    };
    let mut all = [begun(a, 0), begun(b, 1)].concat();
    all.sort();
    let apart = all.windows(2).all(|two| two[0].0 != two[1].0);
    let by_two = a.len() == b.len() && a.len() > 1 && all.chunks(2).all(|two| two[0].1 != two[1].1);
    if !apart || !by_two {
        return Turns::None;
    }
    let a_first = all.chunks(2).filter(|two| two[0].1 == 0).count();
    if a_first.abs_diff(a.len() - a_first) <= 1 {
        Turns::Taken
    } else {
        Turns::Lopsided
    }
}

/// One stack's results of all documents of a side, in the order of time.
pub(super) struct Column<'a>(Vec<(&'a Read, &'a ReadResult)>);

/// Stacks that both sides have, each once.
pub(super) fn columns<'a>(a: &[&'a Read], b: &[&'a Read]) -> Vec<(Column<'a>, Column<'a>)> {
    let results = |side: &[&'a Read]| -> Vec<(&'a Read, &'a ReadResult)> {
        let results = side
            .iter()
            .flat_map(|&document| document.results.iter().map(move |result| (document, result)));
        results.filter(|(_, result)| !result.runs.is_empty()).collect()
    };
    let (mut left, b) = (results(a), results(b));
    let mut columns = Vec::new();
    while let Some(&(_, first)) = left.first() {
        let (of_a, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|(_, result)| result.same_column(first));
        left = others;
        let of_b: Vec<_> = b
            .iter()
            .copied()
            .filter(|(_, result)| result.same_column(first))
            .collect();
        if !of_b.is_empty() {
            columns.push((Column(of_a), Column(of_b)));
        }
    }
    columns
}

impl<'a> Column<'a> {
    /// The first of its results.
    pub(super) fn first(&self) -> &'a ReadResult {
        self.0[0].1
    }

    pub(super) fn results(&self) -> impl Iterator<Item = &'a ReadResult> {
        self.0.iter().map(|(_, result)| *result)
    }

    /// The values of all runs that count and could tell.
    pub(super) fn values(&self, metric: &str) -> Vec<f64> {
        self.results().flat_map(|result| result.values(metric)).collect()
    }

    /// The middle of each document's runs; `None` where none counts.
    fn middles(&self, metric: &str) -> Vec<Option<f64>> {
        self.results()
            .map(|result| median(&result.values(metric)))
            .collect()
    }

    fn has_single_runs(&self) -> bool {
        self.results().all(|result| result.runs.len() == 1)
    }
}

/// Pairs of documents that took turns, as (of A, of B). `None` when they did not, or when so few of them have so many runs that these
/// tell more as two samples.
pub(super) fn pairs(a: &Column<'_>, b: &Column<'_>, turns: Turns, metric: &str) -> Option<Vec<(f64, f64)>> {
    if turns != Turns::Taken || a.0.len() != b.0.len() {
        return None;
    }
    let middles = a.middles(metric).into_iter().zip(b.middles(metric));
    let pairs: Vec<(f64, f64)> = middles.filter_map(|(a, b)| a.zip(b)).collect();
    let single = a.has_single_runs() && b.has_single_runs();
    (single || pairs.len() >= FEWEST_FOR_INTERVAL).then_some(pairs)
}

/// The logarithms of all runs of both sides in the order in which they were taken, each with whether it is the second's.
pub(super) fn in_order_of_time(a: &Column<'_>, b: &Column<'_>, metric: &str) -> Vec<(bool, f64)> {
    let begun = |column: &Column<'_>, second: bool| -> Vec<(String, f64, bool, f64)> {
        let parts = column.0.iter().flat_map(|(document, result)| {
            let began = |(at, value): (f64, f64)| (document.started.clone(), at, second, value.ln());
            result.timed_values(metric).into_iter().map(began)
        });
        parts.filter(|(.., logarithm)| logarithm.is_finite()).collect()
    };
    let mut all = [begun(a, false), begun(b, true)].concat();
    all.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    all.into_iter()
        .map(|(_, _, second, logarithm)| (second, logarithm))
        .collect()
}

/// What scenario files call the runs of documents, or else their scenarios.
pub(super) fn names(documents: &[Read]) -> BTreeSet<String> {
    let name = |document: &Read| {
        let (scenario, name) = document.kind();
        name.map_or_else(|| scenario.to_string(), str::to_owned)
    };
    documents.iter().map(name).collect()
}
