//! One call of the program: carries out plans, shows what they came to, and keeps it.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::capture;
use crate::config::ScenarioKind;
use crate::measure::environment::Environment;
use crate::observe::{Observers, Onlookers};
use crate::output;
use crate::report::document::SuiteFormat;
use crate::report::{
    Document, Shelf, Suite, comparison, headlines, make_writable, now_utc, one_line, summarise,
};
use crate::run::{self, Plan};

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Ok,
    /// A check did not hold.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// The runs cannot tell.
    Inconclusive,
    /// A run failed or does not count.
    Invalid,
    /// The system lacks what the program itself needs.
    Environment,
    /// Told to stop; what was measured is kept.
    Interrupted,
}

impl Exit {
    /// How a verb ends that has nothing to do but to print.
    pub(crate) fn of_printing(printed: io::Result<()>) -> Self {
        match printed {
            Ok(()) => Self::Ok,
            Err(error) => {
                note!("error: {error}");
                Self::Environment
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Inconclusive => 3,
            Exit::Invalid => 4,
            Exit::Environment => 5,
            Exit::Interrupted => 130,
        })
    }
}

/// How much a table shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shown {
    /// The figures that matter most, of all documents together.
    Headlines,
    /// All figures, a table for each document.
    Everything,
}

/// What a call is to do.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) plans: Vec<Plan>,
    pub(crate) shown: Shown,
    pub(crate) json: bool,
    pub(crate) out: Option<PathBuf>,
    pub(crate) onlookers: Onlookers,
    /// Whether `reorder` keeps its arrivals one by one.
    pub(crate) keep_sequence: bool,
    /// How many packets of each run are kept.
    pub(crate) capture: Option<u32>,
}

impl Session {
    /// Carries everything out.
    pub(crate) fn run(self) -> Exit {
        self.measure_and_report().unwrap_or_else(|error| {
            note!("error: {error}");
            Exit::Environment
        })
    }

    fn measure_and_report(self) -> io::Result<Exit> {
        let shelf = Shelf::new(self.out.clone(), self.plans.len() > 1);
        let exit = self.measure_into(&shelf);
        for plan in &self.plans {
            shelf.release(&plan.name);
        }
        exit
    }

    fn measure_into(&self, shelf: &Shelf) -> io::Result<Exit> {
        for plan in &self.plans {
            shelf.reserve(&plan.name).map_err(|error| {
                let directory = shelf.directory(&plan.name);
                let text = format!(
                    "cannot write to {}: {error}; choose another place with --out",
                    directory.display()
                );
                io::Error::new(error.kind(), text)
            })?;
        }
        for log in self.plans.iter().filter_map(|plan| plan.link_log.as_ref()) {
            make_writable(log).map_err(|error| {
                let text = format!(
                    "--link-log {} is not possible: {error}; choose another place",
                    log.display()
                );
                io::Error::new(error.kind(), text)
            })?;
        }
        let observers = self.onlookers.open()?;
        run::stop_on_signals().map_err(io::Error::other)?;
        self.warn();
        let (documents, kept) = self.measure(shelf, &observers);
        self.show(&documents)?;
        Ok(if kept {
            verdict(&documents)
        } else {
            Exit::Environment
        })
    }

    /// What makes figures worth little, said before they are taken.
    fn warn(&self) {
        if cfg!(debug_assertions) {
            note!(
                "warning: this program was built without optimisation, its figures mean nothing; use --release"
            );
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let generators = self
            .plans
            .iter()
            .flat_map(|plan| &plan.subjects)
            .map(|subject| subject.config.generators);
        if let Some(most) = generators.max().filter(|most| *most as usize > cores) {
            note!("warning: {most} generators share {cores} cores; give at most --generators {cores}");
        }
    }

    /// Carries out the plans, and writes each document as soon as it is complete. Returns the documents, and whether all could be
    /// written: what took so long to measure is shown in any case.
    fn measure(&self, shelf: &Shelf, observers: &Observers) -> (Vec<Document>, bool) {
        let environment = Environment::observe();
        let (mut documents, mut kept) = (Vec::new(), true);
        for plan in &self.plans {
            let started = now_utc();
            let keeps = self.keep_sequence && plan.scenario == ScenarioKind::Reorder;
            let plan = Plan {
                sequences: keeps.then(|| shelf.directory(&plan.name)),
                capture: self.capture.map(|packets| capture::Wanted {
                    file: shelf.directory(&plan.name),
                    packets: packets.into(),
                }),
                ..plan.clone()
            };
            let done = run::execute(plan.clone(), observers);
            let document = summarise(&done, environment.clone(), started);
            match shelf.put(&plan.name, &document) {
                Ok(file) => note!("written to {}", file.display()),
                Err(error) => {
                    note!("error: {error}; choose another place with --out");
                    kept = false;
                }
            }
            documents.push(document);
            if run::interrupted() {
                break;
            }
        }
        (documents, kept)
    }

    fn show(&self, documents: &[Document]) -> io::Result<()> {
        let text = match documents {
            [document] if self.json && self.plans.len() == 1 => one_line(document)?,
            _ if self.json => one_line(&Suite {
                schema: SuiteFormat::Suite1,
                documents: documents.to_vec(),
            })?,
            _ if self.shown == Shown::Headlines => headlines(documents),
            _ => documents.iter().map(comparison).collect::<Vec<_>>().join("\n"),
        };
        output::print(&text)
    }
}

fn verdict(documents: &[Document]) -> Exit {
    if run::interrupted() {
        Exit::Interrupted
    } else if documents.iter().all(|document| document.valid) {
        Exit::Ok
    } else {
        Exit::Invalid
    }
}
