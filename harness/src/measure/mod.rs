//! What is measured and how: latencies, processor time, allocations, the order of datagrams, the machine, and the
//! statistics over runs.

pub(crate) mod allocations;
pub(crate) mod counters;
pub(crate) mod cpu;
pub(crate) mod environment;
pub(crate) mod machine;
pub(crate) mod recorder;
pub(crate) mod reordering;
pub(crate) mod statistics;

/// The metric that tells for which part of the window the load generators waited for a core, 0 to 1.
pub(crate) const CORE_WAIT_RATIO: &str = "core_wait_ratio";
/// The metric that tells which part of the load generators' cores other programs had, 0 to 1.
pub(crate) const OTHER_PROGRAMS_RATIO: &str = "other_programs_ratio";
/// The metric that tells which part of the load generators' cores the hypervisor gave away, 0 to 1.
pub(crate) const STOLEN_RATIO: &str = "stolen_ratio";
