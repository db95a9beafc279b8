//! Documents on disk: `results/<utc>-<scenario>-<id>/run.json`, its data in other formats and `report.html` beside it; each whole or
//! not at all, and the data before the document that it belongs to.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::data::{self, DataFile};
use super::document::Document;
use super::page;
use super::time::{since_1970, utc};

/// The place where one call puts its documents.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    /// When the call began, UTC: `2026-11-22T19:30:00Z`.
    started: String,
    id: u16,
    out: Option<PathBuf>,
    /// Whether there are several documents.
    several: bool,
}

impl Shelf {
    /// A shelf for a call that begins now. `out` is what `--out` says.
    pub(crate) fn new(out: Option<PathBuf>, several: bool) -> Self {
        let since_1970 = since_1970();
        // Tells calls of the same second apart.
        let id = (since_1970.subsec_nanos() ^ std::process::id()) as u16;
        Self {
            started: utc(since_1970.as_secs()),
            id,
            out,
            several,
        }
    }

    /// The directory of the document of that name: `--out` itself, or one for each document below it when there are several.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        match &self.out {
            Some(out) if self.several => out.join(name),
            Some(out) => out.clone(),
            None => {
                // A colon is not allowed in file names everywhere.
                let started = self.started.replace(':', "-");
                Path::new("results").join(format!("{started}-{name}-{:04x}", self.id))
            }
        }
    }

    /// Makes sure, before anything is measured, that the document will have a place, without data of the document that was there before.
    ///
    /// # Errors
    /// When the directory cannot be made or written to.
    pub(crate) fn reserve(&self, name: &str) -> io::Result<()> {
        let directory = self.directory(name);
        make_writable(&directory)?;
        if !directory.join("run.json").exists() {
            return Ok(());
        }
        remove_data(&directory)
    }

    /// Writes the data of the document of that name, the document and its page, and returns where the document is.
    ///
    /// # Errors
    /// When a file cannot be written; no part of it is left then.
    pub(crate) fn put(&self, name: &str, document: &Document) -> io::Result<PathBuf> {
        let file = self.directory(name).join("run.json");
        let text = one_line(document)?;
        let written = write_data(&file, document).and_then(|()| write_atomically(&file, text.as_bytes()));
        if let Err(error) = written {
            // Data without its document would be taken for data of another; what matters is the first error.
            let _ = remove_data(&self.directory(name));
            return Err(unwritable(&file, &error));
        }
        let shown = page::documents(text.as_bytes()).map_err(io::Error::other)?;
        let page = file.with_file_name("report.html");
        write_atomically(&page, page::report(&shown)?.as_bytes())
            .map_err(|error| unwritable(&page, &error))?;
        Ok(file)
    }

    /// Takes the place of the document of that name away again when nothing has come into it.
    pub(crate) fn release(&self, name: &str) {
        // What is not empty stays.
        let _ = fs::remove_dir(self.directory(name));
    }
}

/// Makes a directory, unless there is one, and makes sure that it can be written to.
///
/// # Errors
/// When one of both is not possible.
pub(crate) fn make_writable(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let probe = directory.join(".run.json.partial");
    File::create(&probe)?;
    fs::remove_file(probe)
}

fn write_data(document_file: &Path, document: &Document) -> io::Result<()> {
    data::files(document)
        .into_iter()
        .try_for_each(|DataFile { name, content }| {
            write_atomically(&document_file.with_file_name(name), &content)
        })
}

/// The error with the place that it is about.
pub(crate) fn unwritable(file: &Path, error: &io::Error) -> io::Error {
    let text = format!("{} cannot be written ({error})", file.display());
    io::Error::new(error.kind(), text)
}

/// What an earlier document has beside it would be taken for data of the one that replaces it.
fn remove_data(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)?.flatten() {
        if entry.file_name().to_str().is_some_and(data::is_ours) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A document as JSON in one line, with its end.
///
/// # Errors
/// Never in practice: documents have no keys that are not strings.
pub(crate) fn one_line(document: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(document)? + "\n")
}

/// A reader sees the old file or the new one, never a part.
pub(crate) fn write_atomically(file: &Path, content: &[u8]) -> io::Result<()> {
    stream_atomically(file, |to| to.write_all(content))
}

/// The same with content that `write` produces piece by piece.
pub(crate) fn stream_atomically(
    file: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let partial = file.with_file_name(format!(".{name}.partial"));
    let written = File::create(&partial).map(BufWriter::new).and_then(|mut open| {
        write(&mut open)?;
        open.into_inner()?.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&partial, file));
    if renamed.is_err() {
        // What matters is the first error.
        let _ = fs::remove_file(&partial);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn a_document_is_written_whole_and_replaces_the_one_before() {
        let out = std::env::temp_dir().join(format!("handfast-writer-{}", std::process::id()));
        let shelf = Shelf::new(Some(out.clone()), false);
        shelf.reserve("crr").expect("the directory can be made");
        let document = fixtures::document();
        let file = shelf.put("crr", &document).expect("writable");
        assert_eq!(shelf.put("crr", &document).expect("replaceable"), file);
        assert_eq!(
            fs::read_to_string(&file).expect("readable"),
            one_line(&document).expect("serialises")
        );
        let files = || {
            let listed = fs::read_dir(&out).expect("listable").flatten();
            let mut names: Vec<_> = listed.map(|file| file.file_name()).collect();
            names.sort();
            names
        };
        let document = ["report.html", "run.json"];
        assert_eq!(
            files(),
            [
                "interval-counters.csv",
                "intervals.csv",
                "intervals.hlog",
                document[0],
                document[1],
                "setup_ns.hlog"
            ]
        );
        shelf.reserve("crr").expect("writable");
        assert_eq!(files(), document, "data of the last call is gone before the next");
        fs::remove_dir_all(out).expect("removable");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_half_done_and_is_named() {
        let out = std::env::temp_dir().join(format!("handfast-unwritable-{}", std::process::id()));
        let shelf = Shelf::new(Some(out.clone()), false);
        shelf.reserve("crr").expect("the directory can be made");
        shelf.release("crr");
        assert!(!out.exists(), "nothing has come into it");

        // A directory of that name lets nothing be put in the document's place.
        fs::create_dir_all(out.join("run.json/kept")).expect("writable");
        let error = shelf.put("crr", &fixtures::document()).expect_err("it is taken");
        let file = out.join("run.json").display().to_string();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{file} cannot be written (")),
            "{error}"
        );
        let left: Vec<_> = fs::read_dir(&out).expect("listable").flatten().collect();
        assert_eq!(left.len(), 1, "no data without its document: {left:?}");
        shelf.release("crr");
        assert!(out.exists(), "what holds something stays");
        fs::remove_dir_all(out).expect("removable");
    }

    #[test]
    fn each_document_has_a_place_of_its_own() {
        let shelf = Shelf::new(None, true);
        let (crr, rr) = (shelf.directory("crr"), shelf.directory("rr"));
        assert_ne!(crr, rr);
        let name = crr.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(
            crr.starts_with("results") && name.contains("Z-crr-") && !name.contains(':'),
            "{name}"
        );
        let below = Shelf::new(Some("kept".into()), true);
        assert_eq!(below.directory("time-wait"), Path::new("kept/time-wait"));
    }
}
