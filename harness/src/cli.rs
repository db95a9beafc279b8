//! Verbs and options.

mod calibrate;
mod compare;
mod describe;
#[cfg(test)]
mod documents;
mod list;
mod negative;
mod replay;
mod report;
mod run;
mod script;
mod search;
mod serve;
mod simulate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::quantity::positive;
use crate::config::{PathKind, ScenarioKind};
use crate::doctor;
use crate::load::holders::holder;
use crate::observe::Onlookers;
use crate::run::{Plan, quick, replicate};
use crate::session::{Exit, Session, Shown};

/// Measures TCP and UDP stacks side by side: the Handfast engine, the kernel's stack and others.
///
/// Without a verb it makes a quick comparison, in at most 90 seconds and without privileges.
#[derive(Debug, Parser)]
#[command(name = "handfast", version, args_conflicts_with_subcommands = true, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    output: Output,
}

const EXIT_STATUS: &str = "Exit status: 0 ok, 2 usage, 4 invalid run, 5 the environment lacks something, \
                           130 interrupted (what was measured is kept)";

const SCRIPT_HELP: &str = "Scripts are in packetdrill's language; engine/tests/scripts/README.md lists those of this project. A verdict is pass, \
                           fail (with what was expected and what came instead) or unsupported (with the construct's name). \
                           Sysctls, of Linux or FreeBSD, set what the engine has a knob for; a call of `defaults.sh` sets what \
                           scripts start from anyway: Linux's defaults, with timestamps, SACK, a window scale of 8 and CUBIC.\n\n\
                           Beyond the language: `>!` (nothing was sent that was not expected), `loop N { … }`, `sport > dport` \
                           for several connections, `raw \"…\"` for bytes, `[badsum]` for a wrong checksum.\n\n\
                           `--against kernel` plays scripts against the kernel's own stack, many at once, each in a network namespace \
                           of its own behind a TUN interface, in real time: the verdicts of a busy machine may be about its lateness. \
                           engine/tests/scripts/kernel.tsv lists what Linux does otherwise, and why.\n\n\
                           Exit status: 0 no script failed, 1 a script failed, 2 usage, \
                           5 the environment lacks something";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows scenarios, stacks, paths and the options of a run
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Says what a metric, a scenario, a stack, an option or a file of results is; without a name, lists metrics and files
    #[command(after_help = "Exit status: 0 ok, 2 nothing has that name")]
    Describe {
        /// Metric, scenario, stack, option of a run, file of results or field of its block `wire`; of a scenario file (FILE.toml) what it would run
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Runs scenarios
    #[command(after_help = run::AFTER_HELP)]
    Run(run::RunArguments),
    /// Finds the highest rate at which a stack keeps what is asked of it
    #[command(after_help = search::AFTER_HELP)]
    Search(search::SearchArguments),
    /// Plays packet scripts against the engine, or against the kernel
    #[command(after_help = SCRIPT_HELP)]
    Script(script::ScriptArguments),
    /// Runs whole networks of engines in virtual time, each from its seed
    #[command(
        after_help = "Exit status: 0 all passed, 1 a seed failed, 2 usage, 5 the environment lacks something, 130 interrupted"
    )]
    Simulate(simulate::SimulateArguments),
    /// Serves other people's clients, by the engine or by the kernel
    #[command(after_help = serve::AFTER_HELP)]
    Serve(serve::ServeArguments),
    /// Measures what the same differs by from the same on this machine, for `compare`
    #[command(after_help = calibrate::AFTER_HELP)]
    Calibrate(calibrate::CalibrateArguments),
    /// Says whether B is faster or slower than A, or the same, or that these runs cannot tell
    #[command(after_help = compare::AFTER_HELP)]
    Compare(compare::CompareArguments),
    /// Makes web pages: report.html beside documents, index.html over directories of results
    #[command(after_help = report::AFTER_HELP)]
    Report(report::ReportArguments),
    /// Tells loss, duplication and reordering of a list of sequence numbers (RFC 4737, RFC 5236)
    #[command(after_help = replay::AFTER_HELP)]
    ReplaySeq(replay::ReplayArguments),
    /// Tells what this machine allows, and what would help where it does not
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Does one run for a parent process
    #[command(hide = true)]
    Replicate,
    /// Holds idle connections for a parent process
    #[command(hide = true)]
    Hold,
}

#[derive(Debug, Args)]
struct Output {
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Write run.json, its data in other formats and report.html here [default: results/TIME-SCENARIO-ID]; with several scenarios, each into a directory below
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    onlookers: Onlookers,
    /// Of reorder, keep every arrival in sequence-*.csv, which replay-seq reads; costs time and 32 bytes for each
    #[arg(long)]
    keep_sequence: bool,
    /// Keep the first N packets of each run that pass a device of the kernel, in capture-*.pcapng; costs time
    #[arg(long, value_name = "N", value_parser = positive)]
    capture: Option<u32>,
}

/// The options of a run that say what is written and shown.
pub(crate) fn output_flags() -> Vec<clap::Arg> {
    let mut command = Output::augment_args(clap::Command::new("run").disable_help_flag(true));
    // Flags show their values' names only afterwards.
    command.build();
    command.get_arguments().cloned().collect()
}

impl Output {
    /// Refuses what would come to nothing.
    fn check(&self, plans: &[Plan]) -> Result<(), String> {
        let reorder = plans.iter().any(|plan| plan.scenario == ScenarioKind::Reorder);
        if self.keep_sequence && !reorder {
            return Err("--keep-sequence keeps the arrivals of reorder: run that scenario".to_owned());
        }
        let mut paths = plans
            .iter()
            .flat_map(|plan| &plan.subjects)
            .map(|subject| subject.config.path);
        if self.capture.is_some() && paths.all(|path| path == PathKind::Memory) {
            return Err("--capture keeps packets of the kernel's devices, and in memory they pass none: name another --path".to_owned());
        }
        self.onlookers.check(plans)
    }
}

/// Runs the verb that the command line names.
pub(crate) fn main() -> ExitCode {
    let matches = Cli::command().get_matches_from(negative::joined(std::env::args_os()));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.verb {
        None => session(quick(), Shown::Headlines, cli.output),
        Some(Verb::List { json }) => list::print(json),
        Some(Verb::Describe { names }) => describe::print(&names),
        Some(Verb::Run(arguments)) => run::main(arguments, matches.subcommand_matches("run")),
        Some(Verb::Search(arguments)) => search::main(arguments),
        Some(Verb::Script(arguments)) => script::main(arguments),
        Some(Verb::Simulate(arguments)) => simulate::main(arguments),
        Some(Verb::Serve(arguments)) => serve::main(arguments),
        Some(Verb::Calibrate(arguments)) => calibrate::main(arguments),
        Some(Verb::Compare(arguments)) => compare::main(&arguments),
        Some(Verb::Report(arguments)) => report::main(&arguments),
        Some(Verb::ReplaySeq(arguments)) => replay::main(&arguments),
        Some(Verb::Doctor { json }) => Exit::of_printing(doctor::print(&doctor::examine(), json)).into(),
        Some(Verb::Replicate) => replicate::main(),
        Some(Verb::Hold) => holder::main(),
    }
}

fn session(plans: Vec<Plan>, shown: Shown, output: Output) -> ExitCode {
    if let Err(error) = output.check(&plans) {
        note!("error: {error}");
        return Exit::Usage.into();
    }
    Session {
        plans,
        shown,
        json: output.json,
        out: output.out,
        onlookers: output.onlookers,
        keep_sequence: output.keep_sequence,
        capture: output.capture,
    }
    .run()
    .into()
}
