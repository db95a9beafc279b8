//! A directory of results as it is on disk, with what runs that did not come to their end have left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::reading::{Documents, PageDocument, documents};
use super::super::search::PageSearch;

/// How deep below a directory results are looked for.
const DEEPEST: usize = 4;

/// A directory that a run wrote, or was to write.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its names below the directory that was looked through; none for that itself.
    pub(super) names: Vec<String>,
    /// The documents with the names of their files.
    pub(super) documents: Vec<(String, PageDocument)>,
    pub(super) searches: Vec<(String, PageSearch)>,
    /// Why it has no document, or what is wrong with one.
    pub(super) wrong: Option<String>,
    /// Other files that are worth a link.
    pub(super) files: Vec<String>,
}

/// All results in directories below `root`.
///
/// # Errors
/// When `root` cannot be listed. A directory below it that cannot be is a place with something wrong.
pub(crate) fn places(root: &Path) -> io::Result<Vec<Place>> {
    let mut found = Vec::new();
    for directory in listed(root)?.directories {
        look_into(&directory, &[], &mut found);
    }
    Ok(found)
}

struct Listed {
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// What is in a directory, in the order of names, without what is hidden and without links, which could lead in circles.
fn listed(directory: &Path) -> io::Result<Listed> {
    let mut listed = Listed {
        directories: Vec::new(),
        files: Vec::new(),
    };
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        match kind {
            _ if entry.file_name().to_string_lossy().starts_with('.') => {}
            _ if kind.is_dir() => listed.directories.push(entry.path()),
            _ if kind.is_file() => listed.files.push(entry.path()),
            _ => {}
        }
    }
    listed.directories.sort();
    listed.files.sort();
    Ok(listed)
}

fn look_into(directory: &Path, above: &[String], found: &mut Vec<Place>) {
    let names = [above, &[name(directory)]].concat();
    let listed = match listed(directory) {
        Ok(listed) => listed,
        Err(error) => {
            let wrong = Some(format!("it cannot be listed ({error})"));
            found.push(Place {
                wrong,
                ..Place::empty(names)
            });
            return;
        }
    };
    let place = read(names.clone(), &listed.files);
    let leads_on = place.has_nothing() && place.is_unfinished() && !listed.directories.is_empty();
    if !leads_on {
        found.push(place);
    }
    if names.len() < DEEPEST {
        for below in &listed.directories {
            look_into(below, &names, found);
        }
    }
}

fn read(names: Vec<String>, files: &[PathBuf]) -> Place {
    let mut place = Place::empty(names);
    let mut others = None;
    for file in files {
        let name = name(file);
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => match document(file) {
                Ok(all) => place.take(&name, all),
                Err(why) if name == "run.json" || name == "search.json" => {
                    place.wrong = Some(format!("{name}: {why}"));
                }
                Err(why) => others = Some(format!("{name}: {why}")),
            },
            Some("html" | "hlog" | "csv") => place.files.push(name),
            _ => {}
        }
    }
    if place.has_nothing() {
        place.wrong = place.wrong.or(others).or_else(|| Some(UNFINISHED.to_owned()));
    }
    place
}

fn document(file: &Path) -> Result<Documents, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    documents(&text)
}

const UNFINISHED: &str = "no document: the run did not come to its end";

impl Place {
    fn empty(names: Vec<String>) -> Self {
        Self {
            names,
            documents: Vec::new(),
            searches: Vec::new(),
            wrong: None,
            files: Vec::new(),
        }
    }

    fn take(&mut self, file: &str, all: Documents) {
        let named = |document| (file.to_owned(), document);
        self.documents.extend(all.runs.into_iter().map(named));
        let named = |search| (file.to_owned(), search);
        self.searches.extend(all.searches.into_iter().map(named));
    }

    fn has_nothing(&self) -> bool {
        self.documents.is_empty() && self.searches.is_empty()
    }

    fn is_unfinished(&self) -> bool {
        self.wrong.as_deref() == Some(UNFINISHED)
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
