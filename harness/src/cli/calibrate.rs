//! The verb `calibrate`.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::calibration::{Floor, Machine, Noise, doubled, floors, usual_place};
use crate::config::{Options, ScenarioKind};
use crate::measure::environment::Environment;
use crate::observe::Observers;
use crate::output;
use crate::report::{now_utc, one_line};
use crate::run::{self, Plan};
use crate::session::Exit;

pub(super) const AFTER_HELP: &str = "Runs every stack twice in turns and keeps what the same differs by from the same: the farther end of the 95 % interval of their \
     ratio. `handfast compare` takes a change for one only above twice that. Takes about 25 runs a minute; give scenarios, stacks and \
     --runs to measure less.\n\n\
     Exit status: 0 ok, 2 usage, 4 a stack's noise could not be told, 5 the environment lacks something, 130 interrupted";

/// Pairs of runs unless told otherwise.
const PAIRS: u32 = 10;

#[derive(Debug, Args)]
pub(super) struct CalibrateArguments {
    /// Of what [default: crr, rr, stream, udp]
    #[arg(value_name = "SCENARIO", value_enum)]
    scenarios: Vec<ScenarioKind>,
    #[command(flatten)]
    options: Options,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Keep it here [default: handfast/noise.json in $XDG_STATE_HOME, which is ~/.local/state unless set]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn main(arguments: CalibrateArguments) -> ExitCode {
    match calibrate(arguments) {
        Ok(exit) => exit.into(),
        Err(error) => {
            note!("error: {error}");
            Exit::Environment.into()
        }
    }
}

fn calibrate(arguments: CalibrateArguments) -> io::Result<Exit> {
    let Some(file) = arguments.out.or_else(usual_place) else {
        note!("error: neither XDG_STATE_HOME nor HOME is a path that says where to keep it: give --out FILE");
        return Ok(Exit::Usage);
    };
    let mut options = arguments.options;
    options.duration.get_or_insert(Duration::from_secs(1));
    if *options.runs.get_or_insert(PAIRS) < 6 {
        note!("error: --runs below 6 gives no interval: give at least 6");
        return Ok(Exit::Usage);
    }
    let scenarios = if arguments.scenarios.is_empty() {
        vec![
            ScenarioKind::Crr,
            ScenarioKind::Rr,
            ScenarioKind::Stream,
            ScenarioKind::Udp,
        ]
    } else {
        arguments.scenarios
    };
    for scenario in &scenarios {
        if let Err(misfit) = options.check(*scenario) {
            note!("error: {misfit}");
            return Ok(Exit::Usage);
        }
    }
    let machine = Machine::of(&Environment::observe());
    let mut noise = Noise::load(machine, &file);
    // Before an hour of measuring, not after it.
    noise.save(&file).map_err(|error| {
        let text = format!(
            "cannot write to {}: {error}; choose another place with --out",
            file.display()
        );
        io::Error::new(error.kind(), text)
    })?;
    run::stop_on_signals().map_err(io::Error::other)?;
    let mut told = true;
    for scenario in scenarios {
        let done = run::execute(doubled(Plan::new(scenario, &options)), &Observers::default());
        let found = floors(&done);
        told &= !found.is_empty();
        if found.is_empty() {
            note!("warning: {scenario}: too few runs counted; run it on a quiet machine");
        }
        noise.learn(found);
        if run::interrupted() {
            break;
        }
    }
    noise.measured = now_utc();
    noise.save(&file)?;
    note!("kept in {}", file.display());
    let text = if arguments.json {
        one_line(&noise)?
    } else {
        table(&noise.floors)
    };
    output::print(&text)?;
    Ok(match (run::interrupted(), told) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Ok,
        (false, false) => Exit::Invalid,
    })
}

fn table(floors: &[Floor]) -> String {
    if floors.is_empty() {
        return String::from("Nothing is known of the noise of this machine\n");
    }
    let mut text = String::from("The same differs from the same on this machine by (95 %):\n");
    for floor in floors {
        let _ = writeln!(
            text,
            "  ±{:5.1} %  {} on {} ({}): {} ({} pairs of {} s)",
            100.0 * floor.noise,
            floor.scenario,
            floor.stack,
            floor.path,
            floor.metric,
            floor.n,
            floor.duration,
        );
    }
    text
}
