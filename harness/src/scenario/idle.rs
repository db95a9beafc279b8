//! `idle`: what connections cost that do nothing.
//!
//! The connections are opened before the window, for at most 30 s; in the window both ends only poll, and no connection may
//! break. What is reported is the memory of one end: bytes mapped for connection state, index, handle and timer ÷ connections.

use std::io;

use super::summary::ratio;
use super::{Measurement, Run, Unsupported};
use crate::load::outcome::{GeneratorOutcome, Outcome};
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::load::{Actor, Ends, Next, Phase, Script};
use crate::stack::{Event, Nanos, Ready, Stack, StackCounters};

struct Idle;

/// Notices connections that break.
#[derive(Debug)]
struct Watcher {
    broken: Windowed<u64>,
}

impl Watcher {
    fn new() -> Self {
        Self {
            broken: Windowed::new(0),
        }
    }
}

impl Actor for Watcher {
    type Tally = u64;

    fn enter(&mut self, phase: Phase, _now: Nanos) {
        self.broken.enter(phase);
    }

    fn step(&mut self, _stack: &mut dyn Stack, _phase: Phase, _now: Nanos, events: &[Event]) -> Next {
        let failed = events.iter().filter(|event| event.ready.contains(Ready::FAILED));
        self.broken.current += failed.count() as u64;
        Next::OnEvent
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure
    }

    fn tell(&self, beat: &mut Beat) {
        beat.failures = self.broken.current;
    }

    fn into_tally(self) -> u64 {
        self.broken.into_measured()
    }
}

impl Script for Idle {
    type Client = Watcher;
    type Server = Watcher;

    fn client(&self, _ends: &Ends) -> io::Result<Watcher> {
        Ok(Watcher::new())
    }

    fn server(&self, _ends: &Ends) -> Watcher {
        Watcher::new()
    }
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let outcome = run.drive(&Idle)?;
    let reached: u64 = outcome.generators.iter().map(|one| one.client.filled.idle).sum();
    let broken: u64 = outcome
        .generators
        .iter()
        .map(|one| one.client.tally + one.server.tally)
        .sum();
    let mut found = Measurement::default();
    found.set_count("reached", Some(reached));
    found.set("bytes_per_idle_connection", bytes_per_connection(&outcome));
    found.set_tcp(
        run,
        &outcome,
        reached,
        &Failures {
            broken: broken + outcome.idle_lost(),
            ..Failures::default()
        },
    );
    found.check_window(&outcome);
    if reached == 0 {
        found.invalid("no connection could be opened".into());
    }
    if broken > 0 {
        found.invalid(format!(
            "{broken} connections broke although nothing was asked of them"
        ));
    }
    Ok(found)
}

/// The dearer end's bytes for each connection, of the ends that tell.
fn bytes_per_connection(outcome: &Outcome<u64, u64>) -> Option<f64> {
    let mean = |end: fn(&GeneratorOutcome<u64, u64>) -> &StackCounters| {
        let counters = || outcome.generators.iter().map(end);
        let bytes = counters()
            .filter_map(|counters| counters.connection_bytes)
            .reduce(|sum, more| sum + more);
        let own: u64 = counters().filter_map(|counters| counters.connections).sum();
        // The kernel's memory has the connections of every process in it.
        let elsewhere = outcome.generators.iter().map(|one| one.client.filled.elsewhere);
        ratio(bytes, Some(own + elsewhere.sum::<u64>()))
    };
    let (client, server) = (mean(|one| &one.client.after), mean(|one| &one.server.after));
    client.into_iter().chain(server).reduce(f64::max)
}
