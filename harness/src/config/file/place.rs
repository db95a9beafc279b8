//! Where in a file something is wrong.

use std::fmt;
use std::io;
use std::ops::Range;

/// Bytes of a file.
pub(super) type Span = Range<usize>;

/// A file's name and what is in it.
pub(super) struct Source<'a> {
    name: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text }
    }

    /// What is wrong with the bytes `at`.
    pub(super) fn wrong(&self, at: Span, what: &str) -> Wrong {
        let start = self.text.floor_char_boundary(at.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let rest = line.get(start - line_start..).unwrap_or_default();
        let length = self
            .text
            .get(start..at.end)
            .map_or(1, |marked| marked.chars().count());
        Wrong {
            file: self.name.to_owned(),
            what: what.to_owned(),
            place: Some(Place {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                text: line.to_owned(),
                length: length.clamp(1, rest.chars().count().max(1)),
            }),
        }
    }
}

/// What is wrong with a scenario file, where, and the way out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) struct Wrong {
    file: String,
    what: String,
    place: Option<Place>,
}

/// Counted from 1; columns are characters.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    line: usize,
    column: usize,
    text: String,
    length: usize,
}

impl Wrong {
    pub(super) fn unreadable(name: &str, error: &io::Error) -> Self {
        Self {
            file: name.to_owned(),
            what: format!("cannot be read: {error}"),
            place: None,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, what, place } = self;
        let Some(Place {
            line,
            column,
            text,
            length,
        }) = place
        else {
            return write!(formatter, "{file}: {what}");
        };
        let margin = " ".repeat(line.to_string().len());
        let (indent, marks) = (" ".repeat(column - 1), "^".repeat(*length));
        write!(
            formatter,
            "{file}:{line}:{column}: {what}\n{line} | {text}\n{margin} | {indent}{marks}"
        )
    }
}
