//! The ledger of requirements, `requirements.tsv`, held against the sources: what is called implemented is at the place named, and is tested.
//!
//! A test is the name of a function, or a packet script by its path in `scripts/`, such as `rto/karn.pkt`.
//! The column `where` holds a file, or one of `deviates`, `not applicable` and `not yet`, each with its reason in `note`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One row of the ledger.
struct Requirement {
    id: String,
    level: String,
    place: String,
    tests: Vec<String>,
    note: String,
}

impl Requirement {
    fn is_implemented(&self) -> bool {
        !matches!(self.place.as_str(), "deviates" | "not applicable" | "not yet")
    }

    /// The engine keeps it, or does something else on purpose.
    fn is_decided(&self) -> bool {
        !matches!(self.place.as_str(), "not applicable" | "not yet")
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ledger() -> Vec<Requirement> {
    let text = fs::read_to_string(root().join("tests/requirements.tsv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("id\tsection\tlevel\tparaphrase\twhere\ttests\tnote")
    );
    lines.map(requirement).collect()
}

fn requirement(line: &str) -> Requirement {
    let columns: Vec<_> = line.split('\t').map(str::to_owned).collect();
    let [id, _, level, _, place, tests, note] = columns
        .try_into()
        .unwrap_or_else(|columns: Vec<_>| panic!("{} columns instead of 7: {line}", columns.len()));
    let tests = tests
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Requirement {
        id,
        level,
        place,
        tests,
        note,
    }
}

fn files(folder: &Path, wanted: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, wanted, found);
        } else if path.extension().is_some_and(|extension| extension == wanted) {
            found.push(path);
        }
    }
}

/// The names of all functions that follow `#[test]`, in the crate and in its integration tests; and the packet scripts.
pub(super) fn test_names() -> HashSet<String> {
    let mut sources = Vec::new();
    files(&root().join("src"), "rs", &mut sources);
    files(&root().join("tests"), "rs", &mut sources);
    let texts = sources.iter().map(|file| fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| {
            let functions = text.split("#[test]").skip(1).filter_map(|after| {
                let (_, rest) = after.split_once("fn ")?;
                let (name, _) = rest.split_once('(')?;
                Some(name.to_owned())
            });
            functions.collect::<Vec<_>>()
        })
        .chain(script_names())
        .collect()
}

fn script_names() -> Vec<String> {
    let folder = root().join("tests/scripts");
    let mut scripts = Vec::new();
    files(&folder, "pkt", &mut scripts);
    let name = |path: &PathBuf| path.strip_prefix(&folder).unwrap().display().to_string();
    scripts.iter().map(name).collect()
}

fn assert_none(what: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{what}:\n{}", breaches.join("\n"));
}

#[test]
fn every_test_that_the_ledger_names_exists() {
    let known = test_names();
    let missing: Vec<_> = ledger()
        .iter()
        .flat_map(|row| {
            row.tests
                .iter()
                .filter(|name| !known.contains(*name))
                .map(|name| format!("{}: {name}", row.id))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none("tests that are nowhere", &missing);
}

#[test]
fn every_place_that_the_ledger_names_exists() {
    let missing: Vec<_> = ledger()
        .iter()
        .filter(|row| row.is_implemented() && !root().join(&row.place).is_file())
        .map(|row| format!("{}: {}", row.id, row.place))
        .collect();
    assert_none("places that are no files", &missing);
}

/// One that the engine deviates from too: a test shows what it does instead.
#[test]
fn every_must_is_tested() {
    let untested: Vec<_> = ledger()
        .iter()
        .filter(|row| row.level.starts_with("MUST") && row.is_decided() && row.tests.is_empty())
        .map(|row| row.id.clone())
        .collect();
    assert_none("without a test", &untested);
}

#[test]
fn what_is_not_implemented_says_why() {
    let silent: Vec<_> = ledger()
        .iter()
        .filter(|row| !row.is_implemented() && row.level.starts_with("MUST") && row.note.is_empty())
        .map(|row| row.id.clone())
        .collect();
    assert_none("neither implemented nor explained", &silent);
}

#[test]
fn every_requirement_has_one_row() {
    let rows = ledger();
    let ids: HashSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), rows.len());
    // The numbers that RFC 9293 has given, in its appendix B.
    let numbered = [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)]
        .into_iter()
        .flat_map(|(level, last)| (1..=last).map(move |number| format!("{level}-{number}")));
    let missing: Vec<_> = numbered.filter(|id| !ids.contains(id)).collect();
    assert_none("requirements without a row", &missing);
}
