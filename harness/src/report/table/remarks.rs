//! What figures alone do not say: the cost of a system call, what is unsupported, and what the system refused.

use std::fmt::Write;

use crate::report::document::{Document, StackResult};
use crate::report::metrics::{headline, label};
use crate::report::units::{figure, nanoseconds};

use super::median;

/// A line for each remark on the documents.
pub(super) fn of(documents: &[Document]) -> String {
    let mut text = String::new();
    if let Some(document) = documents.first() {
        system_calls(&mut text, document);
    }
    for document in documents {
        alternatives(&mut text, document);
        unsupported(&mut text, document);
        notes(&mut text, document);
    }
    text
}

fn system_calls(text: &mut String, document: &Document) {
    let measured_kernel = |result: &StackResult| result.stack.has_kernel() && !result.metrics.is_empty();
    if document.results.iter().any(measured_kernel) {
        let _ = writeln!(
            text,
            "A bare system call costs {} here (about 0.1 µs on bare metal without mitigations): the dearer it is, \
             the better a stack without system calls looks beside the kernel's.",
            nanoseconds(document.environment.syscall_ns),
        );
    }
}

fn alternatives(text: &mut String, document: &Document) {
    let main = headline(document.scenario)[0];
    for result in &document.results {
        for other in result
            .alternatives
            .iter()
            .filter(|_| median(result, main).is_some())
        {
            let figure =
                median(other, main).map_or_else(|| "no figure".to_owned(), |value| figure(main, value));
            let _ = writeln!(
                text,
                "{}: {} is shown at its best, with {} in flight; with {} it has {figure} {}",
                document.scenario,
                result.stack,
                result.config.connections,
                other.config.connections,
                label(main),
            );
        }
    }
}

fn unsupported(text: &mut String, document: &Document) {
    for result in &document.results {
        if let Some(reason) = &result.unsupported_reason {
            let (scenario, stack, path) = (document.scenario, result.stack, result.path);
            let _ = writeln!(text, "{scenario}: {stack} ({path}) is unsupported: {reason}");
        }
    }
}

fn notes(text: &mut String, document: &Document) {
    for result in &document.results {
        let mut notes: Vec<&String> = result.runs.iter().flat_map(|run| &run.notes).collect();
        notes.dedup();
        for note in notes {
            let note = note.trim_start_matches("warning: ");
            let _ = writeln!(
                text,
                "{}: {} ({}): {note}",
                document.scenario, result.stack, result.path
            );
        }
    }
}
