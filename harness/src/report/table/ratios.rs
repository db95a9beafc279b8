//! The engine divided by other stacks, with the intervals of the ratios.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::heading;
use crate::config::{Pairing, PathKind};
use crate::report::document::{Document, Ratio};
use crate::report::metrics::{OPEN_LOOP_HEADLINE, headline, is_better_or_worse};
use crate::report::units::factor;

/// Chance below which one of all ratios of a document counts as a difference.
const SIGNIFICANT: f64 = 0.05;

type Side = (Pairing, PathKind);

/// A table for each stack that others are divided into, and what its ratios are worth; empty where nothing was paired.
pub(super) fn grids(documents: &[Document], named: impl Fn(&Document, &str) -> String) -> String {
    let mut text = String::new();
    for of in sides(documents, |ratio| (ratio.of, ratio.of_path)) {
        let _ = writeln!(text, "{}", grid(documents, of, &named));
    }
    certainty(&mut text, documents, &named);
    text
}

fn grid(documents: &[Document], of: Side, named: impl Fn(&Document, &str) -> String) -> String {
    let others = sides(documents, |ratio| (ratio.to, ratio.to_path));
    let placement = documents[0].config.placement;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let headings = others
        .iter()
        .map(|&(stack, path)| heading((stack, path, placement)));
    table.set_header(std::iter::once(Cell::new(format!("{} ({}) ÷", of.0, of.1))).chain(headings));
    for document in documents {
        for metric in metrics(document) {
            let cells: Vec<String> = others
                .iter()
                .map(|&to| find(document, metric, of, to).map_or_else(String::new, cell))
                .collect();
            if cells.iter().all(String::is_empty) {
                continue;
            }
            let cells = cells
                .into_iter()
                .map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
            table.add_row(std::iter::once(Cell::new(named(document, metric))).chain(cells));
        }
    }
    table.trim_fmt()
}

/// What is compared: in an open loop all stacks have the same rate, and differ in what users wait.
fn metrics(document: &Document) -> Vec<&'static str> {
    let compared: &[&str] = match document.config.open_loop {
        Some(_) => &OPEN_LOOP_HEADLINE,
        None => headline(document.scenario),
    };
    let told = compared.iter().copied();
    told.filter(|metric| is_better_or_worse(metric)).collect()
}

fn shown(document: &Document) -> impl Iterator<Item = &Ratio> {
    let metrics = metrics(document);
    document
        .ratios
        .iter()
        .filter(move |ratio| metrics.contains(&ratio.metric.as_str()))
}

/// Each side once, in the order of the documents.
fn sides(documents: &[Document], of: fn(&Ratio) -> Side) -> Vec<Side> {
    let mut found = Vec::new();
    for side in documents.iter().flat_map(shown).map(of) {
        if !found.contains(&side) {
            found.push(side);
        }
    }
    found
}

fn find<'a>(document: &'a Document, metric: &str, of: Side, to: Side) -> Option<&'a Ratio> {
    shown(document).find(|ratio| {
        ratio.metric == metric && (ratio.of, ratio.of_path) == of && (ratio.to, ratio.to_path) == to
    })
}

fn cell(ratio: &Ratio) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!("{} [{}, {}]", factor(ratio.value), factor(low), factor(high)),
        _ => factor(ratio.value),
    }
}

/// Whether there is an interval, and which of the ratios may be chance.
fn certainty(text: &mut String, documents: &[Document], named: impl Fn(&Document, &str) -> String) {
    let ratios = documents.iter().flat_map(shown);
    let Some(most) = ratios.map(|ratio| ratio.n).max() else {
        return;
    };
    if documents.iter().flat_map(shown).all(|ratio| ratio.p.is_none()) {
        let pairs = if most == 1 {
            "pair of runs is"
        } else {
            "pairs of runs are"
        };
        let _ = writeln!(
            text,
            "Ratios are medians; {most} {pairs} too few for an interval or a test: take --runs 6"
        );
        return;
    }
    let _ = writeln!(
        text,
        "Ratios are medians of {most} pairs of runs that took turns, with 95 % intervals"
    );
    for document in documents {
        let doubtful: Vec<String> = shown(document)
            .filter(|ratio| ratio.p_adjusted.is_some_and(|p| p >= SIGNIFICANT))
            .map(|ratio| {
                let (metric, to) = (named(document, &ratio.metric), ratio.to);
                format!("{metric} to {to} (p = {:.3})", ratio.p_adjusted.unwrap_or(1.0))
            })
            .collect();
        let all = shown(document).count();
        let (scenario, of) = (document.scenario, document.ratios.len());
        if doubtful.len() == all {
            let _ = writeln!(
                text,
                "{scenario}: each may be chance, as one of {of} ratios (Holm): take more --runs"
            );
        } else if !doubtful.is_empty() {
            let _ = writeln!(
                text,
                "{scenario}: may be chance, as one of {of} ratios (Holm), unless there are more --runs: {}",
                doubtful.join("; ")
            );
        }
    }
}
