//! Whether the figures of a document count.

use std::fmt::Write;

use crate::report::document::Document;

/// A line, and one for each reason why they do not.
pub(super) fn of(document: &Document) -> String {
    let scenario = document.scenario;
    if document.valid {
        let measured = document.results.iter().any(|result| !result.runs.is_empty());
        let verdict = if measured { "valid" } else { "nothing was measured" };
        return format!("{scenario}: {verdict}\n");
    }
    let mut text = format!("{scenario}: INVALID, these figures do not count:\n");
    for reason in &document.invalid_reasons {
        let _ = writeln!(text, "  {}", reason.replace('\n', "\n    "));
    }
    text
}
