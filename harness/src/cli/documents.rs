//! Every command that the documentation shows is one that the program takes.

use std::fs;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches};

use super::*;

/// The commands of fenced blocks: lines that begin with `handfast`, or with cargo and two dashes.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let line = line.trim_start_matches("# ").trim();
        let command = line
            .strip_prefix("handfast ")
            .or_else(|| line.strip_prefix("cargo run --release -- "));
        if let Some(command) = command.filter(|_| fenced) {
            let words = command.split(" #").next().unwrap_or_default().split_whitespace();
            found.push(words.map(str::to_owned).collect());
        }
    }
    found
}

fn root(file: &str) -> String {
    format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Parses a command as `main` would, and goes on as far as nothing is measured.
fn try_command(words: &[String]) -> Result<(), String> {
    let at_root = |word: &String| {
        let is_file = word.ends_with(".toml") && Path::new(&root(word)).exists();
        if is_file { root(word) } else { word.clone() }
    };
    let line = std::iter::once("handfast".to_owned()).chain(words.iter().map(at_root));
    let matches = match Cli::command().try_get_matches_from(line) {
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => return Ok(()),
        parsed => parsed.map_err(|error| error.to_string())?,
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    match cli.verb {
        Some(Verb::Run(arguments)) => run::asked(&arguments, matches.subcommand_matches("run")).map(drop),
        Some(Verb::Search(arguments)) => search::asked(arguments).map(drop),
        Some(Verb::Describe { names }) => names.iter().try_for_each(|name| describe::one(name).map(drop)),
        _ => Ok(()),
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(root(name)).expect("the page is there")
}

#[test]
fn every_command_of_the_pages_would_run() {
    for (name, least) in [("docs/methodology.md", 30), ("docs/command-line.md", 20)] {
        let commands = commands(&page(name));
        assert!(commands.len() > least, "{name}: {} commands", commands.len());
        for words in commands {
            if let Err(error) = try_command(&words) {
                panic!("{name}: handfast {}: {error}", words.join(" "));
            }
        }
    }
}

/// What the page of the command line says of a verb: its section, and those that it takes options from.
fn section_of(verb: &str, text: &str) -> String {
    let sections: Vec<&str> = text.split("\n## ").collect();
    let of = |name: &str| sections.iter().copied().find(|section| section.starts_with(name));
    let own = of(&format!("{verb}\n")).unwrap_or_else(|| panic!("nothing is said of {verb}"));
    let borrows = own.contains("(#the-load)") || own.contains("(#what-is-written-and-shown)");
    let run = if borrows {
        of("run\n").unwrap_or_default()
    } else {
        ""
    };
    format!("{own}{run}")
}

#[test]
fn every_option_of_every_verb_is_on_the_page_of_the_command_line() {
    let text = page("docs/command-line.md");
    let mut command = Cli::command();
    command.build();
    let verbs = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
    let mut missing = Vec::new();
    for verb in verbs {
        let said = section_of(verb.get_name(), &text);
        let flags = verb.get_arguments().filter(|flag| !flag.is_hide_set());
        let names = flags
            .filter_map(|flag| flag.get_long())
            .filter(|name| *name != "help");
        missing.extend(
            names
                .filter(|name| !said.contains(&format!("`--{name}")))
                .map(|name| format!("{} --{name}", verb.get_name())),
        );
    }
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_section_on_being_fooled_has_a_command_that_shows_it() {
    let text = page("docs/methodology.md");
    for section in text.split("\n### ").skip(1) {
        assert!(!commands(section).is_empty(), "{section}");
    }
}

#[test]
fn a_command_that_would_not_run_is_found_out() {
    for wrong in [
        "run crrr",
        "run udp --message 64KiB",
        "describe zebra",
        "run nowhere.toml",
        "sprint",
    ] {
        let words: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
        assert!(try_command(&words).is_err(), "{wrong}");
    }
}
