//! Documents as tables for people: whether the figures count, the figures, how stacks differ, and what the figures alone do not say.

mod ratios;
mod remarks;
mod verdict;

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::document::{Document, StackResult};
use super::metrics::{SHOWN_BESIDE, headline, label, required};
use super::units::figure;
use crate::config::{Pairing, PathKind, Placement, ScenarioKind};

/// All that a document says, one column for each stack.
pub(crate) fn comparison(document: &Document) -> String {
    let documents = std::slice::from_ref(document);
    let mut text = format!("{}\n{}\n", what_was_done(document), verdict::of(document));
    let rows = metrics_shown(document)
        .into_iter()
        .map(|metric| (document, metric))
        .collect::<Vec<_>>();
    let _ = writeln!(text, "{}", grid(documents, &rows, |_, metric| label(metric)));
    text + &ratios::grids(documents, |_, metric| label(metric)) + &remarks::of(documents)
}

/// The figures that matter most of several documents in one table.
pub(crate) fn headlines(documents: &[Document]) -> String {
    let mut text = String::new();
    for document in documents {
        let _ = writeln!(text, "{}", what_was_done(document));
    }
    text.push('\n');
    text.extend(documents.iter().map(verdict::of));
    let headlines = |document| {
        let shown = headline_metrics(document).filter(|metric| is_told(document, metric));
        shown.map(move |metric| (document, metric))
    };
    let rows = documents.iter().flat_map(headlines).collect::<Vec<_>>();
    let named = |document: &Document, metric: &str| format!("{}: {}", document.scenario, label(metric));
    let _ = writeln!(text, "\n{}", grid(documents, &rows, named));
    text + &ratios::grids(documents, named) + &remarks::of(documents)
}

fn what_was_done(document: &Document) -> String {
    let config = &document.config;
    let what = match document.scenario {
        ScenarioKind::Connect => "connect and close",
        ScenarioKind::Crr => "connect, request, response, close",
        ScenarioKind::Teardown => "close open connections",
        ScenarioKind::TimeWait => "connect and close while TIME_WAIT fills",
        ScenarioKind::Rr => "request and response on open connections",
        ScenarioKind::Stream => "one-way bulk transfer",
        ScenarioKind::Idle => "hold connections that do nothing",
        ScenarioKind::Udp => "one-way datagrams",
        ScenarioKind::Reorder => "numbered datagrams through a wire that reorders",
        ScenarioKind::Packets => "bursts of datagrams, sent back by the engine and by a bare loop in turn",
        ScenarioKind::SynFlood => "connect, request, response, close, without and with a flood of SYNs",
    };
    let name = document
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    let offered = config.open_loop.map_or_else(String::new, |load| {
        format!(", {} operations/s offered ({})", load.rate, load.arrivals)
    });
    let flood = config
        .flood
        .map_or_else(String::new, |rate| format!(", {rate} SYNs/s"));
    format!(
        "{}{name}: {what}; {} B messages, {} {}{offered}{flood}, {} run{} of {} s each, stacks taking turns",
        document.scenario,
        config.message,
        config.connections,
        if config.connections == 1 {
            "connection or flow"
        } else {
            "connections"
        },
        config.runs,
        if config.runs == 1 { "" } else { "s" },
        config.duration.as_secs_f64(),
    )
}

/// Metrics that some stack could tell, those of the contract first. The document has them all.
fn metrics_shown(document: &Document) -> Vec<String> {
    let known = required(document.scenario).into_iter().chain(SHOWN_BESIDE);
    known
        .filter(|metric| is_told(document, metric))
        .map(str::to_owned)
        .collect()
}

fn headline_metrics(document: &Document) -> impl Iterator<Item = String> {
    headline(document.scenario)
        .iter()
        .map(|metric| (*metric).to_owned())
}

fn is_told(document: &Document, metric: &str) -> bool {
    document
        .results
        .iter()
        .any(|result| median(result, metric).is_some())
}

fn median(result: &StackResult, metric: &str) -> Option<f64> {
    result.metrics.get(metric)?.median
}

type Column = (Pairing, PathKind, Placement);

fn column(result: &StackResult) -> Column {
    (result.stack, result.path, result.placement)
}

/// One column for each stack, path and placement in any of the documents, one row for each metric of a document.
fn grid(
    documents: &[Document],
    rows: &[(&Document, String)],
    named: impl Fn(&Document, &str) -> String,
) -> String {
    let mut columns: Vec<Column> = Vec::new();
    for result in documents.iter().flat_map(|document| &document.results) {
        if !columns.contains(&column(result)) {
            columns.push(column(result));
        }
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(std::iter::once(Cell::new("")).chain(columns.iter().map(|column| heading(*column))));
    for (document, metric) in rows {
        let figures = columns.iter().map(|&at| {
            let result = document.results.iter().find(|result| column(result) == at);
            Cell::new(cell(result, metric)).set_alignment(CellAlignment::Right)
        });
        table.add_row(std::iter::once(Cell::new(named(document, metric))).chain(figures));
    }
    table.trim_fmt()
}

fn heading((stack, path, placement): Column) -> Cell {
    let place = match placement {
        Placement::SameCore => "",
        Placement::Split => ", two cores",
    };
    Cell::new(format!("{stack}\n({path}{place})")).set_alignment(CellAlignment::Right)
}

fn cell(result: Option<&StackResult>, metric: &str) -> String {
    let Some(result) = result else {
        return String::new();
    };
    match median(result, metric) {
        Some(value) => figure(metric, value),
        None if result.unsupported_reason.is_some() => "unsupported".to_owned(),
        None => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests;
