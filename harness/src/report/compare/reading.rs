//! Documents as a comparison reads them: what it needs, whichever version of the program wrote them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::config::{Pairing, PathKind, Placement, ScenarioKind};
use crate::input;

/// How deep below a directory documents are looked for.
const DEEPEST: usize = 4;

const RUN: &str = "handfast.run/1";
const SUITE: &str = "handfast.suite/1";

/// One document. Fields that are not named here are skipped.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Read {
    pub(super) scenario: ScenarioKind,
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) started: String,
    pub(super) valid: bool,
    pub(super) invalid_reasons: Vec<String>,
    pub(super) environment: Value,
    pub(super) results: Vec<ReadResult>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ReadResult {
    pub(super) stack: Pairing,
    pub(super) path: PathKind,
    pub(super) placement: Placement,
    pub(super) config: BTreeMap<String, Value>,
    pub(super) runs: Vec<ReadRun>,
    #[serde(default)]
    pub(super) alternatives: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ReadRun {
    pub(super) valid: bool,
    /// Seconds after the first run of its document.
    #[serde(default)]
    began_seconds: f64,
    pub(super) metrics: BTreeMap<String, Option<f64>>,
}

/// What is wrong with what a comparison was given, with the way out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(super) String);

/// All documents at `place`: a file, or a directory with files named `run.json` in it or below. Where none has that name, those JSON
/// files whose schema says that they are documents: beside a `run.json` they may be copies, and no run counts twice. A suite is its
/// documents.
///
/// # Errors
/// When there is nothing to read, or something that is not a document; names the file.
pub(crate) fn read(place: &Path) -> Result<Vec<Read>, Unreadable> {
    let files = if place.is_dir() {
        below(place)
    } else {
        vec![place.to_owned()]
    };
    if files.is_empty() {
        return Err(Unreadable(format!(
            "{} holds no document: name one, or a directory that `run --out` wrote",
            place.display()
        )));
    }
    let mut documents = Vec::new();
    for file in &files {
        documents.extend(read_file(file)?);
    }
    documents.sort_by(|one, other| one.started.cmp(&other.started));
    Ok(documents)
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    find(directory, DEEPEST, &mut files);
    let is_run = |file: &Path| file.file_name().is_some_and(|name| name == "run.json");
    if files.iter().any(|file| is_run(file)) {
        files.retain(|file| is_run(file));
    } else {
        files.retain(|file| schema(file).is_some_and(|schema| [RUN, SUITE].contains(&schema.as_str())));
    }
    files
}

fn find(directory: &Path, deepest: usize, json: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && deepest > 0 {
            find(&path, deepest - 1, json);
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "json") {
            json.push(path);
        }
    }
}

fn schema(file: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Labelled {
        schema: String,
    }
    let text = input::read(file).ok()?;
    Some(serde_json::from_slice::<Labelled>(&text).ok()?.schema)
}

fn read_file(file: &Path) -> Result<Vec<Read>, Unreadable> {
    let unreadable = |why: String| Unreadable(format!("{}: {why}", file.display()));
    let text = input::read(file).map_err(|error| unreadable(error.to_string()))?;
    let json: Value =
        serde_json::from_slice(&text).map_err(|error| unreadable(format!("this is no JSON ({error})")))?;
    let documents = match json["schema"].as_str() {
        Some(RUN) => vec![json],
        Some(SUITE) => json["documents"].as_array().cloned().unwrap_or_default(),
        Some(other) => {
            return Err(unreadable(format!(
                "its schema is `{other}`; {RUN} and {SUITE} can be compared"
            )));
        }
        None => {
            return Err(unreadable(
                "it says no schema: give a document that `run --json` or `run --out` wrote".to_owned(),
            ));
        }
    };
    let parsed = documents.into_iter().map(serde_json::from_value);
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(format!("this is no {RUN} document ({error})")))
}

impl Read {
    /// What documents that belong together have in common: the scenario, and what a scenario file calls the run.
    pub(super) fn kind(&self) -> (ScenarioKind, Option<&str>) {
        (self.scenario, self.name.as_deref())
    }
}

impl ReadResult {
    /// The runs' values of a metric: those of runs that count and could tell.
    pub(super) fn values(&self, metric: &str) -> Vec<f64> {
        let timed = self.timed_values(metric).into_iter();
        timed.map(|(_, value)| value).collect()
    }

    /// The same, each with when its run began: seconds after the first of the document.
    pub(super) fn timed_values(&self, metric: &str) -> Vec<(f64, f64)> {
        let runs = self.runs.iter().filter(|run| run.valid);
        let value = |run: &ReadRun| Some((run.began_seconds, run.metrics.get(metric).copied().flatten()?));
        runs.filter_map(value).collect()
    }

    /// Whether any run could tell the metric, be it that none counts.
    pub(super) fn tells(&self, metric: &str) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| run.metrics.get(metric).is_some_and(Option::is_some))
    }

    pub(super) fn same_column(&self, other: &Self) -> bool {
        (self.stack, self.path, self.placement) == (other.stack, other.path, other.placement)
    }
}
