//! The rules of the architecture, read from the source: imports point down, `unsafe` stays in its places, and nothing is hidden input.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may name whom. Every module may also name itself and the common ground.
const MAY_IMPORT: [(&str, &[&str]); 8] = [
    ("link", &[]),
    ("internet", &["link"]),
    ("transport", &["internet"]),
    ("application", &["transport"]),
    ("frame", &[]),
    ("arch", &[]),
    ("time", &[]),
    ("config", &["internet::address"]),
];
const COMMON_GROUND: [&str; 4] = ["frame", "arch", "time", "config"];
const UNSAFE_PLACES: [&str; 3] = ["frame/", "arch/", "link/sys/"];
/// Clocks, threads and globals. `std::thread::panicking` is neither: it asks how the caller is doing.
const HIDDEN_INPUT: [&str; 11] = [
    "std::time",
    "SystemTime",
    "std::thread",
    "thread_local!",
    "static mut ",
    "OnceLock",
    "OnceCell",
    "LazyLock",
    "LazyCell",
    "lazy_static",
    "std::env",
];
const MAX_LINES: usize = 800;

/// A file of the engine's source, by its path below `src`.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The top module that the file belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the file only holds tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path == "link/conformance.rs"
    }

    /// Numbered lines without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (index + 1, code)
        })
    }

    /// Numbered lines without comments, up to where inline tests begin.
    fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut lines = self.code().peekable();
        std::iter::from_fn(move || {
            let line = lines.next()?;
            let begins_tests = line.1.trim() == "#[cfg(test)]"
                && lines.peek().is_some_and(|(_, next)| next.trim() == "mod tests {");
            (!begins_tests).then_some(line)
        })
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .expect("a readable directory")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(Source {
                text: fs::read_to_string(&path).expect("a readable file"),
                path: path
                    .strip_prefix(root)
                    .expect("below the root")
                    .to_str()
                    .expect("an ASCII path")
                    .to_owned(),
            });
        }
    }
}

/// Fails with one line for each breach.
fn assert_none(rule: &str, breaches: impl IntoIterator<Item = (String, usize, String)>) {
    let mut report = String::new();
    for (path, line, what) in breaches {
        writeln!(report, "  engine/src/{path}:{line}: {what}").expect("a string takes everything");
    }
    assert!(report.is_empty(), "{rule}:\n{report}");
}

/// What a line names of this crate: what follows each `crate::`, with `crate::{a, b}` taken apart.
fn crate_paths(line: &str) -> Vec<&str> {
    line.split("crate::")
        .skip(1)
        .filter(|_| !line.contains("pub(in crate::"))
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group.split(',').map(str::trim).collect(),
            None => vec![rest],
        })
        .collect()
}

fn begins_with_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

#[test]
fn paths_are_taken_apart() {
    assert_eq!(crate_paths("use crate::link::Device;"), ["link::Device;"]);
    assert_eq!(crate_paths("use crate::{link, time};"), ["link", "time};"]);
    assert_eq!(crate_paths("f(crate::a::b(), crate::c)").len(), 2);
    assert!(begins_with_module("link::Device", "link") && begins_with_module("link};", "link"));
    assert!(!begins_with_module("linked::x", "link"));
}

#[test]
fn imports_point_down_and_no_layer_reaches_past_its_neighbour() {
    let sources = sources();
    let mut breaches = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        for source in sources.iter().filter(|source| source.module() == module) {
            for (number, line) in source.code() {
                for path in crate_paths(line) {
                    let is_allowed = begins_with_module(path, module)
                        || COMMON_GROUND
                            .iter()
                            .chain(allowed)
                            .any(|other| begins_with_module(path, other));
                    if !is_allowed {
                        breaches.push((
                            source.path.clone(),
                            number,
                            format!("{module} names crate::{path}"),
                        ));
                    }
                }
            }
        }
    }
    assert_none("imports point down only", breaches);
}

/// `super` from the top of a layer would be the crate itself, a way round the rule above.
#[test]
fn super_stays_inside_its_layer() {
    let sources = sources();
    let breaches = sources
        .iter()
        .filter(|source| !matches!(source.module(), "lib" | "engine"))
        .flat_map(|source| {
            // The depth of the module that the file defines, below the crate.
            let depth = source.path.matches('/').count() + usize::from(!source.path.ends_with("mod.rs"));
            source
                .product_code()
                .filter(move |(_, line)| line.matches("super::").count() >= depth && leaves(line, depth))
                .map(|(number, line)| (source.path.clone(), number, line.trim().to_owned()))
        });
    assert_none("super stays inside its layer", breaches);
}

/// Whether a line has `depth` times `super::` in a row.
fn leaves(line: &str, depth: usize) -> bool {
    line.contains(&"super::".repeat(depth))
}

#[test]
fn every_module_has_a_place() {
    let sources = sources();
    let breaches = sources
        .iter()
        .filter(|source| !matches!(source.module(), "lib" | "engine"))
        .filter(|source| MAY_IMPORT.iter().all(|(module, _)| *module != source.module()))
        .map(|source| {
            (
                source.path.clone(),
                1,
                format!("{} is in no layer", source.module()),
            )
        });
    assert_none("every module is a layer or common ground", breaches);
}

#[test]
fn unsafe_stays_in_its_places() {
    let sources = sources();
    let breaches = sources
        .iter()
        .filter(|source| UNSAFE_PLACES.iter().all(|place| !source.path.starts_with(place)))
        .flat_map(|source| {
            source
                .code()
                .filter(|(_, line)| has_unsafe(line) || line.contains("allow(unsafe_code)"))
                .map(|(number, line)| (source.path.clone(), number, line.trim().to_owned()))
        });
    assert_none("unsafe lives in frame/, arch/ and link/sys/ alone", breaches);
}

fn has_unsafe(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word == "unsafe")
}

#[test]
fn every_unsafe_says_why_it_is_sound() {
    let sources = sources();
    let breaches = sources.iter().flat_map(|source| {
        let lines: Vec<&str> = source.text.lines().collect();
        source
            .code()
            .filter(|(_, line)| {
                has_unsafe(line) && (line.contains("unsafe {") || line.contains("unsafe impl"))
            })
            .filter(|(number, _)| !is_explained(&lines, *number))
            .map(|(number, line)| (source.path.clone(), number, line.trim().to_owned()))
            .collect::<Vec<_>>()
    });
    assert_none("every unsafe block has a SAFETY comment", breaches);
}

/// Whether a SAFETY comment stands in the line or directly above its statement.
fn is_explained(lines: &[&str], number: usize) -> bool {
    lines[number.saturating_sub(7)..number]
        .iter()
        .any(|line| line.contains("SAFETY:"))
}

#[test]
fn no_clock_no_thread_no_global() {
    let sources = sources();
    let breaches = sources
        .iter()
        .filter(|source| !source.is_test() && !source.path.starts_with("link/sys/"))
        .flat_map(|source| {
            source
                .product_code()
                .filter(|(_, line)| !line.contains("std::thread::panicking"))
                .filter(|(_, line)| HIDDEN_INPUT.iter().any(|input| line.contains(input)))
                .map(|(number, line)| (source.path.clone(), number, line.trim().to_owned()))
        });
    assert_none("time and seeds come in as arguments", breaches);
}

#[test]
fn no_file_is_too_long() {
    let sources = sources();
    let breaches = sources
        .iter()
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(source, lines)| (source.path.clone(), lines, format!("{lines} lines")));
    assert_none("no file has more than 800 lines", breaches);
}
