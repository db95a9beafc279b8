//! The verb `report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::report::page::{PageDocument, documents, report};
use crate::report::write_atomically;
use crate::session::Exit;

pub(super) const AFTER_HELP: &str = "A directory gets report.html, which shows all documents in it; a file gets a page beside it, run.json one of the name report.html. \
     A page is one file, needs no network, and has every figure without JavaScript too. `run` writes it by itself.\n\n\
     Exit status: 0 ok, 2 nothing there can be shown, 5 a page cannot be written";

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// A directory that `run --out` wrote, or a document
    #[arg(value_name = "PLACE", required = true)]
    places: Vec<PathBuf>,
}

pub(super) fn main(arguments: &ReportArguments) -> ExitCode {
    for place in &arguments.places {
        if let Err((exit, error)) = show(place) {
            eprintln!("error: {}: {error}", place.display());
            return exit.into();
        }
    }
    Exit::Ok.into()
}

fn show(place: &Path) -> Result<(), (Exit, String)> {
    let (page, shown) = if place.is_dir() {
        (place.join("report.html"), of_directory(place))
    } else {
        (page_beside(place), of_file(place))
    };
    let shown = shown.map_err(|why| (Exit::Usage, why))?;
    let written = report(&shown).and_then(|text| write_atomically(&page, text.as_bytes()));
    written.map_err(|error| {
        let page = page.display();
        (Exit::Environment, format!("{page} cannot be written ({error})"))
    })?;
    println!("{}", page.display());
    Ok(())
}

fn page_beside(document: &Path) -> PathBuf {
    if document.file_name().is_some_and(|name| name == "run.json") {
        document.with_file_name("report.html")
    } else {
        document.with_extension("html")
    }
}

/// The documents of all JSON files in a directory; those that are none are named on standard error.
fn of_directory(directory: &Path) -> Result<Vec<PageDocument>, String> {
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut shown = Vec::new();
    for file in files {
        match of_file(&file) {
            Ok(documents) => shown.extend(documents),
            Err(why) => eprintln!("warning: {} is left out: {why}", file.display()),
        }
    }
    if shown.is_empty() {
        return Err(
            "no document is in this directory: name one that `run --out` wrote, or a run.json".to_owned(),
        );
    }
    Ok(shown)
}

fn of_file(file: &Path) -> Result<Vec<PageDocument>, String> {
    documents(&fs::read(file).map_err(|error| error.to_string())?)
}
