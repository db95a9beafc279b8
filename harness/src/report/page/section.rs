//! One document as a section of a page.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde::Serialize;

use super::chart::Chart;
use super::cost::{Costs, costs};
use super::headline::{Headline, headlines};
use super::inventory::{Inventory, inventory};
use super::latency::{self, Curve, curves, is_latency};
use super::numbers::{Row, Runs, pairs, rows, runs};
use super::ratios::{Ratios, ratios};
use super::reading::{PageDocument, PageResult};
use super::table::{Table, table};
use super::{counts, intervals, modes, occupancy};
use crate::config::ScenarioKind;
use crate::observe::operation;
use crate::report::metrics::{headline, label};
use crate::report::units::{figure, nanoseconds};

/// What the template shows of a document.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Section {
    pub(super) id: String,
    pub(super) scenario: String,
    pub(super) about: String,
    pub(super) started: String,
    pub(super) setup: String,
    pub(super) verdict: Verdict,
    pub(super) remarks: Vec<String>,
    pub(super) headlines: Vec<Headline>,
    pub(super) ratios: Option<Ratios>,
    /// By the ends that cause it.
    pub(super) costs: Option<Costs>,
    /// By what cores did.
    pub(super) modes: Option<Costs>,
    pub(super) inventory: Option<Inventory>,
    pub(super) charts: Vec<Drawn>,
    /// Names of the stacks' columns.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    pub(super) runs: Vec<Runs>,
    pub(super) config: Vec<(String, String)>,
    pub(super) environment: Vec<(String, String)>,
}

/// A chart and the same as a table.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Drawn {
    pub(super) chart: Chart,
    pub(super) table: Table,
}

/// Whether figures count.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Verdict {
    /// `valid`, `invalid`, `empty` or, in an index, `broken`.
    pub(super) tone: &'static str,
    pub(super) words: &'static str,
    pub(super) reasons: Vec<String>,
}

/// The section of the document that has this `number` on its page.
pub(super) fn section(document: &PageDocument, number: usize) -> Section {
    let scenario = ScenarioKind::from_str(&document.scenario, false).ok();
    let id = format!("s{number}");
    Section {
        scenario: document.scenario.clone(),
        about: scenario.map_or_else(String::new, about),
        started: document.started.clone(),
        setup: setup(document),
        verdict: verdict(document),
        remarks: remarks(document, scenario),
        headlines: headlines(document, scenario),
        ratios: ratios(document),
        costs: costs(document),
        modes: modes::costs(document),
        inventory: inventory(document),
        charts: charts(&id, document, scenario),
        columns: document.results.iter().map(PageResult::name).collect(),
        rows: rows(document, scenario),
        runs: runs(document),
        config: pairs(&document.config),
        environment: pairs(&document.environment),
        id,
    }
}

fn about(scenario: ScenarioKind) -> String {
    let value = scenario.to_possible_value().unwrap_or_default();
    value.get_help().map(ToString::to_string).unwrap_or_default()
}

fn setup(document: &PageDocument) -> String {
    let number = |name: &str| document.config.get(name)?.as_f64();
    let runs = number("runs").map_or_else(String::new, |runs| format!("{runs} × "));
    let told = [
        number("message").map(|bytes| format!("{bytes} B messages")),
        number("connections").map(|connections| format!("{connections} in flight")),
        number("duration").map(|seconds| format!("{runs}{seconds} s")),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

pub(super) fn verdict(document: &PageDocument) -> Verdict {
    let measured = document.results.iter().any(|result| !result.runs.is_empty());
    let (tone, words) = match (document.valid, measured) {
        (true, true) => ("valid", "Valid"),
        (true, false) => ("empty", "Nothing was measured"),
        (false, _) => ("invalid", "Invalid: these figures do not count"),
    };
    Verdict {
        tone,
        words,
        reasons: document.invalid_reasons.clone(),
    }
}

/// What the figures alone do not say.
fn remarks(document: &PageDocument, scenario: Option<ScenarioKind>) -> Vec<String> {
    let mut remarks: Vec<String> = system_calls(document).into_iter().collect();
    for result in &document.results {
        let name = result.name();
        remarks.extend(
            result
                .unsupported_reason
                .iter()
                .map(|why| format!("{name} is unsupported: {why}")),
        );
        let notes: BTreeSet<&String> = result.runs.iter().flat_map(|run| &run.notes).collect();
        remarks.extend(
            notes
                .into_iter()
                .map(|note| format!("{name}: {}", note.trim_start_matches("warning: "))),
        );
        remarks.extend(too_early(result));
        remarks.extend(
            result
                .alternatives
                .iter()
                .filter_map(|other| at_its_best(result, other, scenario?)),
        );
    }
    remarks
}

fn too_early(result: &PageResult) -> Option<String> {
    let violations = result
        .median("time_wait_violations")
        .filter(|violations| *violations > 0.0)?;
    Some(format!(
        "{}: {} entries left TIME_WAIT early without an RFC allowing it: its rate is not that of a stack that keeps them",
        result.name(),
        figure("time_wait_violations", violations)
    ))
}

fn system_calls(document: &PageDocument) -> Option<String> {
    let kernel = |result: &PageResult| result.stack.contains("kernel") && !result.runs.is_empty();
    let cost = document.environment.get("syscall_ns")?.as_f64()?;
    document.results.iter().any(kernel).then(|| {
        format!(
            "A bare system call cost {} on this machine (about 0.1 µs on bare metal without mitigations): the dearer it is, the better \
             a stack without system calls looks beside the kernel's.",
            nanoseconds(cost)
        )
    })
}

fn at_its_best(result: &PageResult, other: &PageResult, scenario: ScenarioKind) -> Option<String> {
    let metric = headline(scenario)[0];
    result.median(metric)?;
    let connections = |result: &PageResult| result.config.get("connections")?.as_u64();
    let value = other
        .median(metric)
        .map_or_else(|| "no figure".to_owned(), |value| figure(metric, value));
    Some(format!(
        "{} is shown at its best, with {} in flight; with {} it has {value} {}",
        result.name(),
        connections(result)?,
        connections(other)?,
        label(metric)
    ))
}

fn charts(id: &str, document: &PageDocument, scenario: Option<ScenarioKind>) -> Vec<Drawn> {
    let results = &document.results;
    let runs = results.iter().flat_map(|result| &result.runs);
    let distributions = runs.flat_map(|run| &run.distributions);
    let names: BTreeSet<(&String, bool)> = distributions.map(|(name, all)| (name, is_latency(all))).collect();
    let operations = scenario.map_or("operations", operation);
    let over_time = intervals::charts(id, document, operations);
    let mut drawn: Vec<Drawn> = over_time.into_iter().map(Drawn::of).collect();
    drawn.extend(open_loop(id, results));
    for (name, is_latency) in names {
        let id = format!("{id}-{}", drawn.len());
        if is_latency && latency::is_of_open_loop(name) {
            continue;
        }
        if is_latency {
            drawn.extend(by_percentile(id, &label(name), "", &curves(results, name)));
        } else if name == occupancy::NAME {
            drawn.extend(occupancy::charts(&id, results).into_iter().map(Drawn::of));
        } else {
            drawn.extend(counts::chart(id, name, results).map(Drawn::of));
        }
    }
    drawn
}

/// What a user waits, what the stack takes, and how late the generator was, on one plot: the differences between them are the point.
fn open_loop(id: &str, results: &[PageResult]) -> Option<Drawn> {
    const NOTE: &str = "Response from the intended start (solid), service from the actual start (dashed), lag of the generator (dotted). Between \
                        response and service lies the wait for a place. ";
    let curves = latency::open_loop_curves(results);
    by_percentile(
        format!("{id}-open-loop"),
        "response, service and lag",
        NOTE,
        &curves,
    )
}

/// `None` without any latencies.
fn by_percentile(id: String, what: &str, note: &str, curves: &[Curve]) -> Option<Drawn> {
    (!curves.is_empty()).then(|| Drawn {
        chart: latency::chart(id, what, note, curves),
        table: latency::table(curves),
    })
}

impl Drawn {
    pub(super) fn of(chart: Chart) -> Self {
        Self {
            table: table(&chart),
            chart,
        }
    }
}
