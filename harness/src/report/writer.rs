//! Documents on disk: `results/<utc>-<scenario>-<id>/run.json`, and `report.html` beside it; each whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::document::Document;
use super::page;

/// The place where one call puts its documents.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    /// When the call began, UTC: `2026-11-22T19:30:00Z`.
    pub(crate) started: String,
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

    /// Makes sure, before anything is measured, that the document will have a place.
    ///
    /// # Errors
    /// When the directory cannot be made or written to.
    pub(crate) fn reserve(&self, name: &str) -> io::Result<()> {
        let directory = self.directory(name);
        fs::create_dir_all(&directory)?;
        let probe = directory.join(".run.json.partial");
        File::create(&probe)?;
        fs::remove_file(probe)
    }

    /// Writes the document of that name and its page, and returns where the document is.
    ///
    /// # Errors
    /// When a file cannot be written; no part of it is left then.
    pub(crate) fn put(&self, name: &str, document: &Document) -> io::Result<PathBuf> {
        let file = self.directory(name).join("run.json");
        let text = one_line(document)?;
        write_atomically(&file, text.as_bytes())?;
        let shown = page::documents(text.as_bytes()).map_err(io::Error::other)?;
        write_atomically(
            &file.with_file_name("report.html"),
            page::report(&shown)?.as_bytes(),
        )?;
        Ok(file)
    }
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
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let partial = file.with_file_name(format!(".{name}.partial"));
    let written = File::create(&partial).and_then(|mut open| {
        open.write_all(content)?;
        open.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&partial, file));
    if renamed.is_err() {
        // What matters is the first error.
        let _ = fs::remove_file(&partial);
    }
    renamed
}

/// The time now, as documents say it: `2026-11-22T19:30:00Z`.
pub(crate) fn now_utc() -> String {
    utc(since_1970().as_secs())
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970 as RFC 3339 in UTC.
fn utc(seconds: u64) -> String {
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970-01-01, counted in years that begin in March so that leap days come last.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }

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
        let mut files: Vec<_> = fs::read_dir(&out)
            .expect("listable")
            .flatten()
            .map(|file| file.file_name())
            .collect();
        files.sort();
        assert_eq!(files, ["report.html", "run.json"], "nothing else is left");
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
