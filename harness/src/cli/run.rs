//! The verb `run`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command};

use super::Output;
use crate::config::file::{self, Entry};
use crate::config::{Keys, Options, ScenarioKind};
use crate::run::Plan;
use crate::session::{Exit, Shown};

pub(super) const AFTER_HELP: &str = "A scenario file (FILE.toml) has the flags' names as keys: those at the top hold for the whole file, those in a table [[run]] for \
     that run; `scenario` says what is measured and `name` what the run is called. A flag here beats both. \
     `handfast describe FILE.toml` shows what would run; harness/scenarios has examples:\n\n  \
     stack = [\"engine\", \"kernel-tuned\"]\n  \
     duration = \"2s\"\n\n  \
     [[run]]\n  \
     scenario = \"crr\"\n  \
     connections = 256\n\n\
     Exit status: 0 ok, 2 usage, 4 invalid run, 5 the environment lacks something, \
     130 interrupted (what was measured is kept)";

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// What to measure: scenarios, or files of them
    #[arg(value_name = "SCENARIO|FILE.toml", value_parser = WhatParser, required = true)]
    what: Vec<What>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    output: Output,
}

/// What is to be run.
#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Scenario(ScenarioKind),
    File(PathBuf),
}

/// A scenario's name, unless it ends as a file's.
#[derive(Clone, Debug)]
struct WhatParser;

impl TypedValueParser for WhatParser {
    type Value = What;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<What, clap::Error> {
        let path = Path::new(value);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(What::File(path.to_owned()));
        }
        let scenarios = EnumValueParser::<ScenarioKind>::new();
        scenarios.parse_ref(command, arg, value).map(What::Scenario)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values: Vec<_> = EnumValueParser::<ScenarioKind>::new()
            .possible_values()?
            .collect();
        Some(Box::new(values.into_iter()))
    }
}

/// Runs what the arguments say; `matches` are those of the verb.
pub(super) fn main(arguments: RunArguments, matches: Option<&ArgMatches>) -> ExitCode {
    match asked(&arguments, matches) {
        Ok(entries) => super::session(plans(entries), Shown::Everything, arguments.output),
        Err(error) => {
            note!("error: {error}");
            Exit::Usage.into()
        }
    }
}

/// All runs that the arguments ask for.
pub(super) fn asked(arguments: &RunArguments, matches: Option<&ArgMatches>) -> Result<Vec<Entry>, String> {
    let given = matches.map(|matches| Keys::of_run().given(matches));
    entries(&arguments.what, &arguments.options, |path| {
        file::read(path, given.as_deref().unwrap_or_default()).map_err(|wrong| wrong.to_string())
    })
}

/// All runs that are asked for, in that order; a scenario that the command line names twice is one.
fn entries(
    what: &[What],
    options: &Options,
    read: impl Fn(&Path) -> Result<Vec<Entry>, String>,
) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (at, what_now) in what.iter().enumerate() {
        match what_now {
            What::Scenario(_) if what[..at].contains(what_now) => {}
            What::Scenario(scenario) => {
                options.check(*scenario).map_err(|misfit| misfit.to_string())?;
                entries.push(Entry {
                    name: None,
                    scenario: *scenario,
                    options: options.clone(),
                });
            }
            What::File(path) => entries.extend(read(path)?),
        }
    }
    Ok(entries)
}

/// The plans of all entries, no two of one name.
pub(super) fn plans(entries: Vec<Entry>) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for entry in entries {
        let plan = Plan::new(entry.scenario, &entry.options);
        let wanted = entry.name.unwrap_or_else(|| plan.name.clone());
        let is_free = |name: &String| plans.iter().all(|plan| plan.name != *name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        let name = names.find(is_free).unwrap_or(wanted.clone());
        plans.push(plan.named(name));
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: Option<&str>, scenario: ScenarioKind) -> Entry {
        Entry {
            name: name.map(str::to_owned),
            scenario,
            options: Options::default(),
        }
    }

    #[test]
    fn runs_of_one_scenario_have_names_of_their_own() {
        let all = plans(vec![
            entry(None, ScenarioKind::Crr),
            entry(None, ScenarioKind::Crr),
            entry(Some("rr"), ScenarioKind::Crr),
            entry(None, ScenarioKind::Rr),
        ]);
        let names: Vec<_> = all.iter().map(|plan| plan.name.as_str()).collect();
        assert_eq!(names, ["crr", "crr-2", "rr", "rr-2"]);
    }

    #[test]
    fn files_and_scenarios_run_in_the_order_in_which_they_are_named() {
        let what = [
            What::Scenario(ScenarioKind::Udp),
            What::File("two.toml".into()),
            What::Scenario(ScenarioKind::Udp),
        ];
        let two = |_: &Path| {
            Ok(vec![
                entry(None, ScenarioKind::Rr),
                entry(None, ScenarioKind::Udp),
            ])
        };
        let found = entries(&what, &Options::default(), two).expect("all fit");
        let scenarios: Vec<_> = found.iter().map(|entry| entry.scenario).collect();
        assert_eq!(
            scenarios,
            [ScenarioKind::Udp, ScenarioKind::Rr, ScenarioKind::Udp]
        );
        let broken = entries(&what, &Options::default(), |_| Err("two.toml:1:1: no".to_owned()));
        assert!(broken.is_err());
    }
}
