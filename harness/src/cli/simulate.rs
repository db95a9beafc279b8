//! The verb `simulate`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io, panic, thread};

use clap::Args;
use handfast_simulation::{Failure, Plan, capture, run as run_seed};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;
use crate::run::{interrupted, stop_on_signals};
use crate::session::Exit;

/// What `handfast simulate` takes.
#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// The seeds, both ends included; one number for one seed
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// Where the packets of failing seeds are written, a pcapng file for each host [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |digits: &str| {
        let digits = digits.strip_prefix('=').unwrap_or(digits);
        digits
            .parse::<u64>()
            .map_err(|_| format!("{digits:?} is no seed; write two numbers as in 1..1000"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("{first} is behind {last}; the smaller seed comes first"));
    }
    Ok(first..=last)
}

/// Runs all seeds on all processors.
pub(super) fn main(arguments: SimulateArguments) -> ExitCode {
    // A panic is reported as the failure of its seed.
    panic::set_hook(Box::new(|_| {}));
    let count = (arguments.seeds.end() - arguments.seeds.start()).saturating_add(1);
    let progress = ProgressBar::new(count).with_style(
        ProgressStyle::with_template("{pos}/{len} seeds {wide_bar} {per_sec} {eta}")
            .expect("a valid template"),
    );
    if let Err(error) = stop_on_signals() {
        note!("error: {error}");
        return Exit::Environment.into();
    }
    let (ran, failures) = failures(&arguments.seeds, &progress);
    progress.finish_and_clear();
    let directory = arguments.out.unwrap_or_else(std::env::temp_dir);
    let reports: Vec<_> = failures
        .iter()
        .map(|failure| report(failure, &directory))
        .collect();
    let (passed, failed) = (ran - failures.len() as u64, failures.len());
    let text = if arguments.json {
        let document = serde_json::json!({
            "schema": "handfast.simulate/1",
            "seeds": [arguments.seeds.start(), arguments.seeds.end()],
            "passed": passed,
            "failed": failed,
            "failures": reports,
        });
        format!("{document:#}\n")
    } else {
        format!("{passed} passed, {failed} failed\n")
    };
    match Exit::of_printing(output::print(&text)) {
        Exit::Ok if interrupted() => Exit::Interrupted,
        Exit::Ok if failed > 0 => Exit::Failed,
        exit => exit,
    }
    .into()
}

/// How many seeds ran, which are all unless the program is told to stop, and what failed.
fn failures(seeds: &RangeInclusive<u64>, progress: &ProgressBar) -> (u64, Vec<Failure>) {
    let (next, ran, failures) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    let (first, last) = (*seeds.start(), *seeds.end());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = first
                    .checked_add(next.fetch_add(1, Ordering::Relaxed))
                    .filter(|seed| *seed <= last && !interrupted())
                {
                    if let Err(failure) = run_seed(&Plan::new(seed)) {
                        progress.suspend(|| note!("{failure}"));
                        failures.lock().expect("no worker panics").push(failure);
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                    progress.inc(1);
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no worker panicked");
    failures.sort_by_key(|failure| failure.seed);
    (ran.into_inner(), failures)
}

/// Runs a failing seed once more with its packets recorded, and tells how to see it again.
fn report(failure: &Failure, directory: &std::path::Path) -> serde_json::Value {
    let seed = failure.seed;
    let (_, recorded) = capture(&Plan::new(seed));
    let files: Vec<PathBuf> = (0..recorded.len())
        .map(|host| directory.join(format!("handfast-seed-{seed}-host-{host}.pcapng")))
        .collect();
    let written: io::Result<()> = fs::create_dir_all(directory).and_then(|()| {
        files
            .iter()
            .zip(&recorded)
            .try_for_each(|(file, bytes)| fs::write(file, bytes))
    });
    note!("to reproduce: handfast simulate --seeds {seed}..{seed}");
    match written {
        Ok(()) => files.iter().for_each(|file| note!("packets: {}", file.display())),
        Err(error) => note!("warning: {}: {error}", directory.display()),
    }
    serde_json::json!({
        "seed": seed,
        "at_ns": failure.at.as_nanos(),
        "what": failure.what,
        "packets": files,
    })
}

#[cfg(test)]
mod tests {
    use super::seeds;

    #[test]
    fn seeds_are_a_range_with_both_ends_or_one_number() {
        assert_eq!(seeds("1..100"), Ok(1..=100));
        assert_eq!(seeds("7"), Ok(7..=7));
        assert!(seeds("9..3").unwrap_err().contains("smaller seed"));
        assert!(seeds("a..3").unwrap_err().contains("no seed"));
    }
}
