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
        section::<ScenarioKind>("Scenarios", |_| String::new()),
        section::<StackKind>("Stacks (--stack)", |_| String::new()),
        section::<PathKind>("Paths (--path)", |path| format!(" ({})", stacks_on(*path))),
    ];
    match io::stdout().write_all(sections.join("\n").as_bytes()) {
        Ok(()) => Exit::Ok.into(),
        Err(_) => Exit::Environment.into(),
    }
}

fn section<T: ValueEnum>(title: &str, remark: impl Fn(&T) -> String) -> String {
    let mut text = format!("{title}\n");
    for kind in T::value_variants() {
        let Some(value) = kind.to_possible_value() else {
            continue;
        };
        let what = value.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  {:<14}{what}{}", value.get_name(), remark(kind));
    }
    text
}

fn stacks_on(path: PathKind) -> String {
    let on_path = StackKind::value_variants()
        .iter()
        .filter(|stack| stack.paths().contains(&path));
    let names: Vec<String> = on_path.map(ToString::to_string).collect();
    if names.is_empty() {
        "the engine at one end, a kernel's stack at the other".to_owned()
    } else {
        names.join(", ")
    }
}
