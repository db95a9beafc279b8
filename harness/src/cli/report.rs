//! The verb `report`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::input;
use crate::output;
use crate::report::page::{Documents, documents, index, places, report};
use crate::report::write_atomically;
use crate::session::Exit;

pub(super) const AFTER_HELP: &str = "A directory gets report.html, which shows all documents in it, and index.html, which lists all results in directories below it with how \
     figures went over time; a file gets a page beside it, run.json and search.json one of the name report.html. \
     A page is one file, needs no network, and has every figure without JavaScript too. `run` and `search` write it by themselves.\n\n\
     Exit status: 0 ok, 2 nothing there can be shown, 5 a page cannot be written";

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// A directory that `run` or `search` wrote, one of such directories, or a document
    #[arg(value_name = "PLACE", required = true)]
    places: Vec<PathBuf>,
}

pub(super) fn main(arguments: &ReportArguments) -> ExitCode {
    for place in &arguments.places {
        if let Err((exit, error)) = show(place) {
            note!("error: {}: {error}", place.display());
            return exit.into();
        }
    }
    Exit::Ok.into()
}

fn show(place: &Path) -> Result<(), (Exit, String)> {
    let usage = |why| (Exit::Usage, why);
    if !place.is_dir() {
        let shown = of_file(place).map_err(usage)?;
        return write(&page_beside(place), report(&shown));
    }
    let shown = of_directory(place).map_err(usage)?;
    let below = places(place).map_err(|error| usage(error.to_string()))?;
    if shown.is_empty() && below.is_empty() {
        return Err(usage(
            "no document is in this directory or below: name one that `run` wrote, or a run.json".to_owned(),
        ));
    }
    if !shown.is_empty() {
        write(&place.join("report.html"), report(&shown))?;
    }
    if !below.is_empty() {
        write(&place.join("index.html"), index(&below))?;
    }
    Ok(())
}

fn write(page: &Path, text: io::Result<String>) -> Result<(), (Exit, String)> {
    let written = text.and_then(|text| write_atomically(page, text.as_bytes()));
    written.map_err(|error| {
        let page = page.display();
        (Exit::Environment, format!("{page} cannot be written ({error})"))
    })?;
    output::print(&format!("{}\n", page.display())).map_err(|error| (Exit::Environment, error.to_string()))
}

fn page_beside(document: &Path) -> PathBuf {
    if document
        .file_name()
        .is_some_and(|name| name == "run.json" || name == "search.json")
    {
        document.with_file_name("report.html")
    } else {
        document.with_extension("html")
    }
}

/// The documents of all JSON files in a directory; those that are none are named on standard error.
fn of_directory(directory: &Path) -> Result<Documents, String> {
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut shown = Documents::default();
    for file in files {
        match of_file(&file) {
            Ok(documents) => shown.append(documents),
            Err(why) => note!("warning: {} is left out: {why}", file.display()),
        }
    }
    Ok(shown)
}

fn of_file(file: &Path) -> Result<Documents, String> {
    let found = documents(&input::read(file).map_err(|error| error.to_string())?)?;
    if !found.has_results() {
        return Err("it has no results: there is nothing to show".to_owned());
    }
    Ok(found)
}
