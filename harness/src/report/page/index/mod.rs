//! All results of a directory on one page: every run with its verdict and links, and how figures went over time.

mod place;
#[cfg(test)]
mod tests;
mod trend;

use std::io;

use clap::ValueEnum;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

pub(crate) use self::place::{Place, places};
use super::headline::shown;
use super::reading::PageDocument;
use super::render;
use super::search::PageSearch;
use super::section::{Drawn, Verdict, verdict};
use crate::config::ScenarioKind;
use crate::report::metrics::{headline, label};

/// A run, or what is left of one.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Entry {
    /// UTC; empty when nothing tells.
    started: String,
    scenario: String,
    /// What the figures are of.
    metric: String,
    /// Each stack with its figure.
    stacks: Vec<(String, String)>,
    verdict: Verdict,
    /// The directory's name.
    place: String,
    links: Vec<Link>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Link {
    to: String,
    name: String,
}

/// A page of all `places`, the latest run first.
///
/// # Errors
/// Never in practice: the templates are part of the program, and tested.
pub(crate) fn index(places: &[Place]) -> io::Result<String> {
    let mut entries: Vec<Entry> = places.iter().flat_map(entries).collect();
    entries.sort_by(|one, other| (&other.started, &one.place).cmp(&(&one.started, &other.place)));
    let count = |tone: &str| entries.iter().filter(|entry| entry.verdict.tone == tone).count();
    let documents = places
        .iter()
        .flat_map(|place| place.documents.iter().map(|(_, document)| document));
    let trends: Vec<Drawn> = trend::charts(documents).into_iter().map(Drawn::of).collect();
    let charts: Vec<_> = trends.iter().map(|drawn| &drawn.chart).collect();
    let page = context! {
        title => "Results",
        runs => entries.len(),
        invalid => count("invalid"),
        broken => count("broken"),
        entries => Serde(&entries),
        trends => Serde(&trends),
    };
    render("index.html", page, &charts)
}

/// One for each document of a place, and one for what is wrong with it.
fn entries(place: &Place) -> Vec<Entry> {
    let documents = place
        .documents
        .iter()
        .map(|(file, document)| of_document(place, file, document));
    let searches = place
        .searches
        .iter()
        .map(|(file, search)| of_search(place, file, search));
    let wrong = place.wrong.iter().map(|why| of_wrong(place, why));
    documents.chain(searches).chain(wrong).collect()
}

fn of_document(place: &Place, file: &str, document: &PageDocument) -> Entry {
    let scenario = ScenarioKind::from_str(&document.scenario, false).ok();
    let metric = scenario.and_then(|scenario| headline(scenario).first().copied());
    let figure = |result| metric.map_or_else(String::new, |metric| shown(result, metric));
    Entry {
        started: document.started.clone(),
        scenario: match &document.name {
            Some(name) => format!("{name} ({})", document.scenario),
            None => document.scenario.clone(),
        },
        metric: metric.map(label).unwrap_or_default(),
        stacks: document
            .results
            .iter()
            .map(|result| (result.name(), figure(result)))
            .collect(),
        verdict: verdict(document),
        place: place.names.join("/"),
        links: links(place, Some(file)),
    }
}

fn of_search(place: &Place, file: &str, search: &PageSearch) -> Entry {
    Entry {
        started: search.started.clone(),
        scenario: search.title(),
        metric: format!("{}, {}", search.unit(), search.slo),
        stacks: search.answers(),
        verdict: search.verdict(),
        place: place.names.join("/"),
        links: links(place, Some(file)),
    }
}

fn of_wrong(place: &Place, why: &str) -> Entry {
    Entry {
        started: place
            .names
            .iter()
            .find_map(|name| date_in(name))
            .unwrap_or_default(),
        scenario: String::new(),
        metric: String::new(),
        stacks: Vec::new(),
        verdict: Verdict {
            tone: "broken",
            words: "Broken",
            reasons: vec![why.to_owned()],
        },
        place: place.names.join("/"),
        links: links(place, None),
    }
}

/// `2026-11-22T19-30-00Z-crr-1a2b` began at `2026-11-22T19:30:00Z`.
fn date_in(name: &str) -> Option<String> {
    let (date, rest) = name.split_once('T')?;
    let time = rest.get(..8).filter(|_| rest[8..].starts_with("Z-"))?;
    let started = format!("{date}T{}Z", time.replace('-', ":"));
    crate::report::time::seconds_since_1970(&started).map(|_| started)
}

/// The page first, then the document, then its data.
fn links(place: &Place, document: Option<&str>) -> Vec<Link> {
    let pages = place
        .files
        .iter()
        .filter(|file| file.ends_with(".html"))
        .map(String::as_str);
    let data = place
        .files
        .iter()
        .filter(|file| !file.ends_with(".html"))
        .map(String::as_str);
    pages
        .chain(document)
        .chain(data)
        .map(|file| Link {
            to: address(place.names.iter().map(String::as_str).chain([file])),
            name: file.to_owned(),
        })
        .collect()
}

/// A relative address that cannot be taken for one with a scheme, whatever the names are.
fn address<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.fold(".".to_owned(), |address, name| address + "/" + &escaped(name))
}

/// Percent-encoded but for what RFC 3986 §2.3 leaves unreserved.
fn escaped(name: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    name.bytes().map(escape).collect()
}
