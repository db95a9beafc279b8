//! Scenarios: what is done to a stack, and what is measured. One file each.
//!
//! A scenario is a pair of actors (see [`crate::load`]) and the figures that follow from what they counted. Every rate is a
//! count over the measured window; every `cpu_ns_per_…` is the processor time of the whole process in that window;
//! [`bill`] divides it by sides.

mod bill;
mod connect;
mod crr;
mod cycles;
mod idle;
mod losses;
mod open_loop;
mod packets;
mod reorder;
mod rr;
mod stream;
mod summary;
mod syn_flood;
mod teardown;
#[cfg(test)]
mod tests;
mod time_wait;
mod udp;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use hdrhistogram::Histogram;

use crate::config::{Pairing, RunConfig, ScenarioKind};
use crate::load::outcome::Outcome;
use crate::load::pulse::Watch;
use crate::load::{Actor, Script, generators};
use crate::measure::counters::Counters;
use crate::measure::reordering::Sequence;
pub(crate) use crate::stack::Unsupported;
use crate::wire::{self, Truths};

/// What one run of one scenario on one stack found.
#[derive(Debug, Default)]
pub(crate) struct Measurement {
    /// Named figures; `None` where this stack or this sample cannot give it.
    pub(crate) metrics: BTreeMap<&'static str, Option<f64>>,
    /// Latencies in nanoseconds, from which the percentiles of `<name>_p50/_p99/_p999` come (name without suffix).
    pub(crate) histograms: BTreeMap<&'static str, Histogram<u64>>,
    /// Distributions that are not latencies, as JSON.
    pub(crate) distributions: BTreeMap<&'static str, serde_json::Value>,
    /// Arrivals one by one, and how many were sent, for each generator; empty unless the watch asked for them.
    pub(crate) sequences: Vec<(Sequence, u64)>,
    /// What the system counted in the window.
    pub(crate) counters: Option<Counters>,
    /// What the path `wire` did to packets.
    pub(crate) wire: Option<Truths>,
    /// Why the run does not count; empty when it does.
    pub(crate) invalid_reasons: Vec<String>,
}

/// Brings the process where the stack is to run (a namespace of its own, say), while it has one thread. What the system
/// refuses although the run can go on without is said on standard error, and becomes a note of the run.
///
/// # Errors
/// When the stack cannot run here.
pub(crate) fn prepare(stack: Pairing, config: &RunConfig) -> Result<(), Unsupported> {
    for refused in crate::stack::prepare_process(stack, config)? {
        note!("warning: {refused}");
    }
    Ok(())
}

/// Runs the scenario that `config` names once, on one stack.
///
/// Returns early with what was measured so far when `stop` becomes true. `watch` is told where the run stands.
///
/// # Errors
/// When the stack cannot do what was asked.
pub(crate) fn run(
    stack: Pairing,
    config: &RunConfig,
    stop: &AtomicBool,
    watch: &Watch<'_>,
) -> Result<Measurement, Unsupported> {
    let run = Run {
        stack,
        config,
        stop,
        watch,
    };
    let mut found = measure(&run)?;
    found.wire = wire::truths();
    found.check_wire();
    Ok(found)
}

fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    match run.config.scenario {
        ScenarioKind::Connect => connect::measure(run),
        ScenarioKind::Crr => crr::measure(run),
        ScenarioKind::Teardown => teardown::measure(run),
        ScenarioKind::TimeWait => time_wait::measure(run),
        ScenarioKind::Rr => rr::measure(run),
        ScenarioKind::Stream => stream::measure(run),
        ScenarioKind::Idle => idle::measure(run),
        ScenarioKind::Udp => udp::measure(run),
        ScenarioKind::Reorder => reorder::measure(run),
        ScenarioKind::Packets => packets::measure(run),
        ScenarioKind::SynFlood => syn_flood::measure(run),
    }
}

/// What a scenario is asked to do.
struct Run<'a> {
    stack: Pairing,
    config: &'a RunConfig,
    stop: &'a AtomicBool,
    watch: &'a Watch<'a>,
}

impl Run<'_> {
    /// Drives the actors of `script` through a run.
    #[expect(clippy::type_complexity, reason = "the two tallies belong to the script")]
    fn drive<S: Script>(
        &self,
        script: &S,
    ) -> Result<Outcome<<S::Client as Actor>::Tally, <S::Server as Actor>::Tally>, Unsupported> {
        generators::run(script, self.stack, self.config, self.stop, self.watch)
    }

    /// TIME_WAIT entries at which a scenario that makes them ends its window.
    fn time_wait_limit(&self) -> Option<u64> {
        generators::time_wait_limit(self.stack)
    }

    fn is_kernel(&self) -> bool {
        self.stack.has_kernel()
    }
}
