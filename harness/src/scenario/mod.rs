//! Scenarios: what is done to a stack, and what is measured. One file each.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

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
