//! One run in a process of its own: the job comes in as JSON on standard input; on standard output go lines of JSON, first
//! progress and at last the outcome.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::interrupt;
use crate::capture::{self, Capture};
use crate::config::{Pairing, RunConfig};
use crate::load::pulse::{Interval, Watch};
use crate::measure::counters::Counters;
use crate::measure::recorder::to_buckets;
use crate::measure::reordering::Sequence;
use crate::report::stream_atomically;
use crate::scenario::{self, Measurement, Unsupported};
use crate::wire::{self, Truths};

/// What a replicate is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) stack: Pairing,
    pub(super) config: RunConfig,
    /// How often it says what an interval came to; never for `None`.
    pub(super) every: Option<Duration>,
    /// Where `reorder` writes its arrivals one by one: the file's name up to its ending.
    pub(super) sequences: Option<PathBuf>,
    /// Where what the wire did to each packet goes.
    pub(super) link_log: Option<PathBuf>,
    /// Where packets go, and how many.
    pub(super) capture: Option<capture::Wanted>,
}

/// What a replicate says, one line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The part of the run that is over, 0 to 1.
    Progress(f64),
    /// What came of an interval of the window.
    Interval(Interval),
    /// The last line.
    Outcome(Outcome),
}

/// How a replicate ended.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Measured(Measured),
    /// The stack cannot do what was asked, and why.
    Unsupported(String),
}

/// A [`Measurement`] on its way between two processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) metrics: BTreeMap<String, Option<f64>>,
    /// Every bucket that holds something, as (nanoseconds, count).
    pub(crate) histograms: BTreeMap<String, Vec<(u64, u64)>>,
    pub(crate) distributions: BTreeMap<String, serde_json::Value>,
    pub(crate) counters: Option<Box<Counters>>,
    /// What the path `wire` did to packets; `None` on every other.
    pub(crate) wire: Option<Box<Truths>>,
    pub(crate) invalid_reasons: Vec<String>,
    /// Whether the run was told to stop before its time.
    pub(crate) cut_short: bool,
}

impl Measured {
    fn new(found: Measurement, cut_short: bool) -> Self {
        let named =
            |(name, value): (&str, Option<f64>)| (name.to_owned(), value.filter(|value| value.is_finite()));
        Self {
            metrics: found.metrics.into_iter().map(named).collect(),
            histograms: found
                .histograms
                .iter()
                .map(|(name, all)| ((*name).to_owned(), to_buckets(all)))
                .collect(),
            distributions: found
                .distributions
                .into_iter()
                .map(|(name, all)| (name.to_owned(), all))
                .collect(),
            counters: found.counters.map(Box::new),
            wire: found.wire.map(Box::new),
            invalid_reasons: found.invalid_reasons,
            cut_short,
        }
    }
}

/// The hidden verb: does the job on standard input.
pub(crate) fn main() -> ExitCode {
    match replicate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn replicate() -> Result<(), Box<dyn std::error::Error>> {
    // Nobody would read what an orphan measures. Best effort: without it the orphan ends with its run.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let job: Job = serde_json::from_reader(io::stdin().lock())?;
    say(&Message::Outcome(measure(&job)?))?;
    Ok(())
}

fn measure(job: &Job) -> Result<Outcome, ctrlc::Error> {
    // Before the thread of the signal handler: a user namespace can only be entered by a process with one thread.
    if let Err(Unsupported(reason)) = scenario::prepare(job.stack, &job.config) {
        return Ok(Outcome::Unsupported(reason));
    }
    let capture = job
        .capture
        .clone()
        .map(|wanted| Capture::start(wanted, job.config.path));
    super::stop_on_signals()?;
    let stop = interrupt::flag();
    let told = Cell::new(0.0);
    let progress = |part: f64| {
        if part >= told.get() + 0.01 {
            told.set(part);
            // Without a reader there is no reason to go on.
            if say(&Message::Progress(part)).is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    let interval = |interval: Interval| {
        // Whoever reads nothing more stops the run by the progress it misses.
        let _ = say(&Message::Interval(interval));
    };
    let watch = Watch {
        progress: &progress,
        every: job.every,
        interval: &interval,
        keep_sequence: job.sequences.is_some(),
    };
    let done = scenario::run(job.stack, &job.config, stop, &watch);
    if let Some(capture) = capture {
        end_capture(capture);
    }
    Ok(match done {
        Ok(found) => {
            if let Some(place) = &job.sequences {
                keep(place, &found.sequences);
            }
            if let Some(file) = &job.link_log {
                keep_log(file);
            }
            Outcome::Measured(Measured::new(found, super::interrupted()))
        }
        Err(Unsupported(reason)) => Outcome::Unsupported(reason),
    })
}

/// Writes the arrivals of each generator. A run whose arrivals cannot be kept counts nonetheless, and says so.
fn keep(place: &Path, sequences: &[(Sequence, u64)]) {
    for (generator, (sequence, sent)) in (1..).zip(sequences) {
        let file = if generator == 1 {
            place.with_added_extension("csv")
        } else {
            place.with_added_extension(format!("generator{generator}.csv"))
        };
        let written = stream_atomically(&file, |to| sequence.write(*sent, to));
        if let Err(error) = written {
            note!(
                "warning: arrivals are not kept: {} cannot be written ({error})",
                file.display()
            );
        }
    }
}

/// Writes what the wire did. A run whose log cannot be kept counts nonetheless, and says so.
fn keep_log(file: &Path) {
    if let Err(error) = wire::write_log(file) {
        note!(
            "warning: no log of the wire: {} cannot be written ({error})",
            file.display()
        );
    }
}

/// Writes the packets. A run whose packets cannot be kept counts nonetheless, and says so.
fn end_capture(capture: io::Result<Capture>) {
    if let Err(error) = capture.and_then(Capture::finish) {
        note!("warning: packets are not kept ({error}); `handfast doctor` says what AF_PACKET takes");
    }
}

fn say(message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::recorder::{Recorder, from_buckets};

    #[test]
    fn a_measurement_survives_the_way_between_processes() {
        let mut latency = Recorder::new();
        (1..3000_u64).for_each(|n| latency.record(n * n));
        let latency = latency.into_histogram();
        let found = Measurement {
            metrics: BTreeMap::from([
                ("failed", Some(0.1 + 0.2)),
                ("lost", None),
                ("ratio", Some(f64::NAN)),
            ]),
            histograms: BTreeMap::from([("latency_ns", latency.clone())]),
            distributions: BTreeMap::from([("extent", serde_json::json!({ "3": 4 }))]),
            sequences: Vec::new(),
            wire: None,
            counters: Some(Counters::default()),
            invalid_reasons: vec!["client-bound".to_owned()],
        };
        let sent = Measured::new(found, true);
        let line =
            serde_json::to_string(&Message::Outcome(Outcome::Measured(sent.clone()))).expect("serialises");
        assert!(!line.contains('\n'));
        let Message::Outcome(Outcome::Measured(back)) = serde_json::from_str(&line).expect("parses") else {
            panic!("another message came back")
        };
        assert_eq!(back, sent);
        assert_eq!(back.metrics["failed"], Some(0.1 + 0.2));
        assert_eq!(back.metrics["ratio"], None);
        assert_eq!(from_buckets(&back.histograms["latency_ns"]), latency);
    }
}
