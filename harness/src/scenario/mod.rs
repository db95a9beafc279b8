//! Scenarios: what is done to a stack, and what is measured. One file each.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use hdrhistogram::Histogram;

use crate::config::{RunConfig, StackKind};

/// What one run of one scenario on one stack found.
#[derive(Debug, Default)]
pub(crate) struct Measurement {
    /// Named figures; `None` where this stack or this sample cannot give it.
    pub(crate) metrics: BTreeMap<&'static str, Option<f64>>,
    /// Latencies in nanoseconds, from which the percentiles of `<name>_p50/_p99/_p999` come (name without suffix).
    pub(crate) histograms: BTreeMap<&'static str, Histogram<u64>>,
    /// Distributions that are not latencies, as JSON.
    pub(crate) distributions: BTreeMap<&'static str, serde_json::Value>,
    /// Why the run does not count; empty when it does.
    pub(crate) invalid_reasons: Vec<String>,
}

/// Why a stack cannot do what was asked: said to the user as it stands, while the other stacks go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsupported(pub(crate) String);

/// Brings the process where the stack is to run (a namespace of its own, say), before any thread is started.
///
/// # Errors
/// When the stack cannot run here.
pub(crate) fn prepare(_stack: StackKind, _config: &RunConfig) -> Result<(), Unsupported> {
    Ok(())
}

/// Runs the scenario that `config` names once, on one stack.
///
/// Returns early with what was measured so far when `stop` becomes true. `progress` is told the part of the run that is over, 0 to 1.
///
/// # Errors
/// When the stack cannot do what was asked.
pub(crate) fn run(
    stack: StackKind,
    config: &RunConfig,
    _stop: &AtomicBool,
    _progress: &dyn Fn(f64),
) -> Result<Measurement, Unsupported> {
    Err(Unsupported(format!(
        "{:?} does not run on {stack:?} yet",
        config.scenario
    )))
}
