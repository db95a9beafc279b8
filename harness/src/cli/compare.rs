//! The verb `compare`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::calibration::{Machine, Noise, usual_place};
use crate::config::quantity::percent;
use crate::measure::environment::Environment;
use crate::output;
use crate::report::compare::{Comparison, Unreadable, Verdict, compare, read, verdicts};
use crate::report::one_line;
use crate::session::Exit;

pub(super) const AFTER_HELP: &str = "A place is a run.json, or a directory: all files named run.json in it and below count together, or, where \
     none is, all such documents. Documents whose runs took turns (A, B, B, A, …; one `run --runs 1 --out A/1`, one `run --runs 1 --out B/1` \
     and so on) are compared in pairs, others as two samples.\n\n\
     The effect is the median ratio with a 95 % bootstrap interval; the test is Wilcoxon's signed-rank test for pairs and else both Mann and \
     Whitney's and that of a difference beside a drift that A and B share, corrected by Holm for all that is compared. B is slower (or \
     faster) when the tests say so (p below 1 %), the interval leaves `no change` out, and the change is above the gate and above twice the \
     noise that `handfast calibrate` has found on this machine. It is the same when the whole interval is within the gate. Else the \
     runs cannot tell, and it is said how many would, or that the machine is too noisy for the gate.\n\n\
     Exit status: 0 nothing is slower, 1 something is, 2 usage, 3 the runs cannot tell, 4 a run does not count";

#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// What was before: a run.json, or a directory with such documents
    #[arg(value_name = "A")]
    before: PathBuf,
    /// What is now
    #[arg(value_name = "B")]
    after: PathBuf,
    /// Change that is let pass
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "5%")]
    gate: f64,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &CompareArguments) -> ExitCode {
    match found(arguments) {
        Ok(comparison) => match print(&comparison, arguments.json) {
            Ok(()) => exit(&comparison).into(),
            Err(error) => {
                note!("error: {error}");
                Exit::Environment.into()
            }
        },
        Err(error) => {
            note!("error: {error}");
            Exit::Usage.into()
        }
    }
}

fn found(arguments: &CompareArguments) -> Result<Comparison, Unreadable> {
    let (before, after) = (read(&arguments.before)?, read(&arguments.after)?);
    let machine = Machine::of(&Environment::observe());
    let noise = match usual_place() {
        Some(file) => Noise::load(machine, &file),
        None => Noise::unknown(machine),
    };
    compare(&before, &after, arguments.gate, &noise)
}

fn print(comparison: &Comparison, json: bool) -> io::Result<()> {
    let text = if json {
        one_line(comparison)?
    } else {
        verdicts(comparison)
    };
    output::print(&text)
}

fn exit(comparison: &Comparison) -> Exit {
    match comparison.verdict {
        _ if !comparison.valid => Exit::Invalid,
        Verdict::Same | Verdict::Faster => Exit::Ok,
        Verdict::Slower => Exit::Failed,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}
