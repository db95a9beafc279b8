//! What there is to choose from.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::config::{PathKind, ScenarioKind, StackKind};
use crate::session::Exit;

/// Prints scenarios, stacks and paths, one line each.
pub(super) fn print() -> ExitCode {
    let sections = [
        section::<ScenarioKind>("Scenarios"),
        section::<StackKind>("Stacks (--stack)"),
        section::<PathKind>("Paths (--path)"),
        paths_of_stacks(),
    ];
    match io::stdout().write_all(sections.join("\n").as_bytes()) {
        Ok(()) => Exit::Ok.into(),
        Err(_) => Exit::Environment.into(),
    }
}

fn section<T: ValueEnum>(title: &str) -> String {
    let mut text = format!("{title}\n");
    for value in T::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
    {
        let what = value.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  {:<14}{what}", value.get_name());
    }
    text
}

fn paths_of_stacks() -> String {
    let mut text = String::from("Paths that each stack can take, its default first\n");
    for stack in StackKind::value_variants() {
        let paths: Vec<String> = stack.paths().iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  {stack:<14}{}", paths.join(", "));
    }
    text
}
