//! A search as a section of a page: what was found, every run of it, and where its rates begin to fail.

mod chart;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::reading::PageSearch;
use self::reading::{PageFound, PageIteration};
use super::numbers::pairs;
use super::section::{Drawn, Verdict};
use crate::report::metrics::label;
use crate::report::units::{digits, figure, nanoseconds};
use crate::search::bisection::Verdict as Outcome;
use crate::search::slo::Figures;
use crate::search::table::word;

/// What the template shows of a search.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct SearchSection {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) about: String,
    pub(super) setup: String,
    pub(super) started: String,
    pub(super) verdict: Verdict,
    pub(super) stacks: Vec<Stack>,
    pub(super) bounds: Vec<(String, String)>,
    pub(super) environment: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Stack {
    name: String,
    charts: Vec<Drawn>,
    iterations: Vec<Iteration>,
    /// Every metric, with a figure for each run.
    rows: Vec<(String, Vec<String>)>,
    config: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Iteration {
    figures: Vec<String>,
    word: &'static str,
    tone: &'static str,
    reasons: Vec<String>,
}

impl SearchSection {
    pub(super) fn charts(&self) -> impl Iterator<Item = &Drawn> {
        self.stacks.iter().flat_map(|stack| &stack.charts)
    }
}

/// The section of the search that has this `number` among those of its page.
pub(super) fn section(search: &PageSearch, number: usize) -> SearchSection {
    let id = format!("search{number}");
    let agree = search.bounds.get("agree").and_then(Value::as_u64).unwrap_or(1);
    let stacks = search.results.iter().enumerate();
    SearchSection {
        title: search.title(),
        about: format!("Highest {} with {}", search.unit(), search.slo),
        setup: format!("Runs that have to agree on a rate: {agree}"),
        started: search.started.clone(),
        verdict: search.verdict(),
        stacks: stacks
            .map(|(at, found)| stack(&format!("{id}-{at}"), search, found))
            .collect(),
        bounds: pairs(&search.bounds),
        environment: pairs(&search.environment),
        id,
    }
}

fn stack(id: &str, search: &PageSearch, found: &PageFound) -> Stack {
    Stack {
        name: found.name(),
        charts: chart::charts(id, &search.slo, found)
            .into_iter()
            .map(Drawn::of)
            .collect(),
        iterations: found.iterations.iter().map(iteration).collect(),
        rows: rows(found),
        config: pairs(&found.config),
    }
}

fn iteration(one: &PageIteration) -> Iteration {
    let time = |metric: &str| one.figure(metric).map_or_else(|| "–".to_owned(), nanoseconds);
    let achieved = one.figure("achieved_per_second");
    Iteration {
        figures: vec![
            one.rate.to_string(),
            achieved.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}")),
            digits(one.failures()),
            time("response_ns_p50"),
            time("response_ns_p99"),
            time("response_ns_p999"),
        ],
        word: word(one.verdict),
        tone: match one.verdict {
            Outcome::Holds => "better",
            Outcome::Fails => "worse",
            Outcome::Void | Outcome::ClientBound => "quiet",
        },
        reasons: one.reasons.clone(),
    }
}

fn rows(found: &PageFound) -> Vec<(String, Vec<String>)> {
    let runs = &found.iterations;
    let metrics: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let row = |metric: &String| {
        let shown = |run: &PageIteration| {
            run.figure(metric)
                .map_or_else(|| "–".to_owned(), |value| figure(metric, value))
        };
        (label(metric), runs.iter().map(shown).collect())
    };
    metrics.into_iter().map(row).collect()
}
