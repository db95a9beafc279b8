//! What is measured and how: latencies, processor time, allocations, the order of datagrams, the machine, and the
//! statistics over runs.

pub(crate) mod allocations;
pub(crate) mod cpu;
pub(crate) mod environment;
pub(crate) mod recorder;
pub(crate) mod reordering;
pub(crate) mod statistics;
