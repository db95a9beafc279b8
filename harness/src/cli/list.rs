//! What there is to choose from.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::output;
use crate::report::list::{Choice, List};
use crate::report::one_line;
use crate::session::Exit;

/// Prints scenarios, stacks, paths and options, one line each, or all of them as one JSON document.
pub(super) fn print(json: bool) -> ExitCode {
    let list = List::of_all();
    let text = if json { one_line(&list) } else { Ok(table(&list)) };
    Exit::of_printing(text.and_then(|text| output::print(&text))).into()
}

fn table(list: &List) -> String {
    let sections = [
        section("Scenarios", &list.scenarios, |_| String::new()),
        section("Stacks (--stack)", &list.stacks, |_| String::new()),
        section("Paths (--path)", &list.paths, |path| {
            format!(" ({})", stacks_on(path))
        }),
        section(
            "Options of run (--NAME), and keys of a scenario file",
            &list.options,
            values,
        ),
    ];
    sections.join("\n")
}

fn section(title: &str, choices: &[Choice], remark: impl Fn(&Choice) -> String) -> String {
    let mut text = format!("{title}\n");
    for choice in choices {
        let _ = writeln!(text, "  {:<14}{}{}", choice.name, choice.about, remark(choice));
    }
    text
}

fn stacks_on(path: &Choice) -> String {
    if path.stacks.is_empty() {
        "the engine at one end, a kernel's stack at the other".to_owned()
    } else {
        path.stacks.join(", ")
    }
}

fn values(option: &Choice) -> String {
    if option.values.is_empty() {
        String::new()
    } else {
        format!(" ({})", option.values.join(", "))
    }
}
