//! What the same against the same differs by on this machine, kept between calls.

mod floors;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use self::floors::{doubled, floors};
use crate::config::{Pairing, PathKind, Placement, ScenarioKind};
use crate::measure::environment::Environment;
use crate::report::write_atomically;

/// The machine that noise was measured on: another one has its own.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    cpu: Option<String>,
    nproc: usize,
    kernel: Option<String>,
}

impl Machine {
    /// The machine of an environment.
    pub(crate) fn of(environment: &Environment) -> Self {
        Self {
            cpu: environment.cpu.clone(),
            nproc: environment.nproc,
            kernel: environment.kernel.clone(),
        }
    }
}

/// The noise of one metric of one stack.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub(crate) scenario: ScenarioKind,
    pub(crate) stack: Pairing,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    pub(crate) metric: String,
    /// Farther end of the 95 % interval of the change between the same and the same, as a part of one.
    pub(crate) noise: f64,
    /// Pairs of runs.
    pub(crate) n: usize,
    /// Seconds that each run took.
    pub(crate) duration: f64,
}

impl Floor {
    fn is_of(&self, scenario: ScenarioKind, column: (Pairing, PathKind, Placement), metric: &str) -> bool {
        self.scenario == scenario
            && (self.stack, self.path, self.placement) == column
            && self.metric == metric
    }
}

/// The noise of a machine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Noise {
    schema: String,
    machine: Machine,
    /// When it was last measured, UTC.
    pub(crate) measured: String,
    pub(crate) floors: Vec<Floor>,
}

const SCHEMA: &str = "handfast.noise/1";

impl Noise {
    /// A machine of which nothing is known yet.
    pub(crate) fn unknown(machine: Machine) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            machine,
            measured: String::new(),
            floors: Vec::new(),
        }
    }

    /// What is kept of this machine; unknown when there is nothing, or only of another machine.
    pub(crate) fn load(machine: Machine, file: &Path) -> Self {
        let kept = fs::read(file).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        match kept {
            Some(kept) if kept.schema == SCHEMA && kept.machine == machine => kept,
            _ => Self::unknown(machine),
        }
    }

    /// The noise of a metric; `None` where it was not measured.
    pub(crate) fn of(
        &self,
        scenario: ScenarioKind,
        stack: Pairing,
        path: PathKind,
        placement: Placement,
        metric: &str,
    ) -> Option<f64> {
        let column = (stack, path, placement);
        let floor = self
            .floors
            .iter()
            .find(|floor| floor.is_of(scenario, column, metric));
        floor.map(|floor| floor.noise)
    }

    /// Takes in what was measured anew, in place of what was known of the same.
    pub(crate) fn learn(&mut self, floors: Vec<Floor>) {
        for floor in &floors {
            let column = (floor.stack, floor.path, floor.placement);
            self.floors
                .retain(|known| !known.is_of(floor.scenario, column, &floor.metric));
        }
        self.floors.extend(floors);
    }

    /// Keeps it for the next call.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before stays.
    pub(crate) fn save(&self, file: &Path) -> io::Result<()> {
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_atomically(file, text.as_bytes())
    }
}

/// Where the noise of this machine is kept: `handfast/noise.json` in `$XDG_STATE_HOME`, which is `~/.local/state` unless set. `None`
/// without a home.
pub(crate) fn usual_place() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || {
        std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = state.or_else(|| Some(home()?.join(".local/state")))?;
    Some(state.join("handfast/noise.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StackKind;

    fn floor(metric: &str, noise: f64) -> Floor {
        Floor {
            scenario: ScenarioKind::Crr,
            stack: Pairing::of(StackKind::Engine),
            path: PathKind::Memory,
            placement: Placement::SameCore,
            metric: metric.to_owned(),
            noise,
            n: 10,
            duration: 1.0,
        }
    }

    fn known(noise: &Noise, metric: &str) -> Option<f64> {
        let stack = Pairing::of(StackKind::Engine);
        noise.of(
            ScenarioKind::Crr,
            stack,
            PathKind::Memory,
            Placement::SameCore,
            metric,
        )
    }

    #[test]
    fn what_is_learnt_replaces_what_was_known_and_comes_back_on_the_same_machine() {
        let file =
            std::env::temp_dir().join(format!("handfast-noise-{}/deep/noise.json", std::process::id()));
        let mut noise = Noise::load(Machine::default(), &file);
        assert!(noise.floors.is_empty(), "nothing is kept yet");
        noise.learn(vec![floor("rate", 0.02), floor("latency", 0.1)]);
        noise.learn(vec![floor("rate", 0.03)]);
        noise.save(&file).expect("writable");
        let back = Noise::load(Machine::default(), &file);
        assert_eq!(back, noise);
        assert_eq!(
            (known(&back, "rate"), known(&back, "latency")),
            (Some(0.03), Some(0.1))
        );
        assert_eq!(known(&back, "memory"), None);
        let other = Machine {
            nproc: 64,
            ..Machine::default()
        };
        assert!(
            Noise::load(other, &file).floors.is_empty(),
            "another machine has its own noise"
        );
        fs::write(&file, "{").expect("writable");
        assert!(
            Noise::load(Machine::default(), &file).floors.is_empty(),
            "a torn file says nothing"
        );
        fs::remove_dir_all(file.ancestors().nth(2).expect("a directory")).expect("removable");
    }
}
