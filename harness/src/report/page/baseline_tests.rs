//! The committed baseline: its page shows its documents, and where the engine loses in it stands in the document for readers.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;

use super::reading::{PageDocument, PageRatio, documents};
use crate::config::ScenarioKind;
use crate::report::metrics::{is_better_or_worse, label, more_is_better, required};
use crate::report::units::{factor, figure};

fn results(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../results")).join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(results(file)).expect("it is checked in")
}

/// The documents of the baseline in the order of their files.
fn baseline() -> Vec<PageDocument> {
    let listed = fs::read_dir(results("baseline"))
        .expect("it is checked in")
        .flatten();
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let of_file = |file: &PathBuf| {
        documents(&fs::read(file).expect("readable"))
            .expect("documents")
            .runs
    };
    files.iter().flat_map(of_file).collect()
}

#[test]
fn the_page_of_the_baseline_has_its_figures() {
    let page = read("baseline/report.html");
    for document in baseline() {
        assert!(
            page.contains(&document.started),
            "`handfast report results/baseline` makes it anew"
        );
        let scenario = ScenarioKind::from_str(&document.scenario, false).expect("one of ours");
        for (result, metric) in document
            .results
            .iter()
            .flat_map(|result| required(scenario).into_iter().map(move |metric| (result, metric)))
        {
            if let Some(value) = result.median(metric) {
                let figure = figure(metric, value).replace('/', "&#x2f;");
                assert!(
                    page.contains(&figure),
                    "{metric} of {}: `handfast report results/baseline` makes it anew",
                    result.stack
                );
            }
        }
    }
}

fn is_lost(ratio: &PageRatio) -> bool {
    let is_more = ratio.value > 1.0;
    is_better_or_worse(&ratio.metric) && ratio.value != 1.0 && is_more != more_is_better(&ratio.metric)
}

/// A row for each pair of stacks of a document in which the engine is behind anywhere.
fn losses() -> Vec<String> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for document in baseline() {
        for ratio in document.ratios.iter().filter(|ratio| is_lost(ratio)) {
            let PageRatio {
                of,
                of_path,
                to,
                to_path,
                ..
            } = ratio;
            let pair = format!("| {} | {of} ({of_path}) | {to} ({to_path}) |", document.scenario);
            let loss = format!("{} {}", label(&ratio.metric), factor(ratio.value));
            match rows.last_mut().filter(|(last, _)| *last == pair) {
                Some((_, losses)) => losses.push(loss),
                None => rows.push((pair, vec![loss])),
            }
        }
    }
    rows.into_iter()
        .map(|(pair, losses)| format!("{pair} {} |", losses.join(", ")))
        .collect()
}

#[test]
fn every_loss_of_the_baseline_is_told() {
    let told = read("README.md");
    let (_, section) = told
        .split_once("## Where the engine loses")
        .expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    let losses = losses();
    assert!(
        rows == losses,
        "results/README.md has to have these rows:\n{}",
        losses.join("\n")
    );
}
