//! The documents that scripts read. The checked-in schema is generated from these types.
//!
//! Fields may be added; the meaning of one that exists does not change.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{
    Checksums, Close, Closer, DeviceKind, IpVersion, OpenLoop, Pairing, PathKind, Placement, RunConfig,
    ScenarioKind, seconds,
};
use crate::measure::counters::Counters;
use crate::measure::environment::Environment;
use crate::observe::Figures;
use crate::wire::{Links, Truths};

/// Names the format of a [`Document`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum DocumentFormat {
    #[serde(rename = "handfast.run/1")]
    Run1,
}

/// Names the format of a [`Suite`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum SuiteFormat {
    #[serde(rename = "handfast.suite/1")]
    Suite1,
}

/// Several documents of one call.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Suite {
    pub(crate) schema: SuiteFormat,
    pub(crate) documents: Vec<Document>,
}

/// One scenario on some stacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    pub(crate) schema: DocumentFormat,
    pub(crate) scenario: ScenarioKind,
    /// What a scenario file calls the run; null when its scenario's name is all there is.
    pub(crate) name: Option<String>,
    /// When the first run began, UTC.
    pub(crate) started: String,
    pub(crate) config: Config,
    pub(crate) environment: Environment,
    /// Whether the figures count: no run failed, none was invalid, and nobody stopped it.
    pub(crate) valid: bool,
    /// Why not; empty when they do.
    pub(crate) invalid_reasons: Vec<String>,
    /// Whether it was stopped before its end.
    pub(crate) interrupted: bool,
    /// One for each stack, path and placement.
    pub(crate) results: Vec<StackResult>,
    /// The engine beside every other stack.
    pub(crate) ratios: Vec<Ratio>,
}

/// Every effective parameter. Where stacks differ, what applies to the first; each result has its own.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Config {
    pub(crate) stacks: Vec<Pairing>,
    /// Null when each stack takes its own.
    pub(crate) path: Option<PathKind>,
    pub(crate) placement: Placement,
    pub(crate) generators: u32,
    /// In flight, or open, for each generator.
    pub(crate) connections: u32,
    pub(crate) idle: u64,
    pub(crate) time_wait: u64,
    pub(crate) close: Close,
    pub(crate) closer: Closer,
    /// Bytes.
    pub(crate) message: u32,
    /// Bytes.
    pub(crate) mtu: u32,
    pub(crate) checksums: Checksums,
    pub(crate) device: DeviceKind,
    pub(crate) ip: IpVersion,
    /// What the path `wire` does to packets; null on every other.
    pub(crate) link: Option<Links>,
    /// The clock that starts operations; null when the end of one starts the next.
    pub(crate) open_loop: Option<OpenLoop>,
    /// SYNs per second of a flood, over all generators; null without one.
    pub(crate) flood: Option<u32>,
    /// Seconds.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub(crate) duration: Duration,
    pub(crate) runs: u32,
    /// Of the first run; each run adds its index.
    pub(crate) seed: u64,
}

/// What one stack on one path did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct StackResult {
    pub(crate) stack: Pairing,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    /// Whether every run took place and counts; false for a stack that is unsupported.
    pub(crate) valid: bool,
    pub(crate) invalid_reasons: Vec<String>,
    /// Why the stack cannot do what was asked; null when it can.
    pub(crate) unsupported_reason: Option<String>,
    /// This stack's parameters.
    pub(crate) config: RunConfig,
    pub(crate) runs: Vec<Run>,
    pub(crate) metrics: BTreeMap<String, Summary>,
    /// The same stack with other parameters, with which it is not at its best.
    pub(crate) alternatives: Vec<Self>,
}

/// One run: a process of its own.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Run {
    /// Runs of the same index belong together: stacks take turns in it.
    pub(crate) index: usize,
    /// Seconds from the start of the document's first run to that of this one.
    pub(crate) began_seconds: f64,
    pub(crate) valid: bool,
    pub(crate) invalid_reasons: Vec<String>,
    /// Why the run failed; null when it ended as it should.
    pub(crate) error: Option<String>,
    /// What the system refused although the run could go on without.
    pub(crate) notes: Vec<String>,
    pub(crate) metrics: BTreeMap<String, Option<f64>>,
    pub(crate) distributions: BTreeMap<String, Distribution>,
    /// What the system counted in the window; null when the run failed.
    pub(crate) counters: Option<Counters>,
    /// What the path `wire` did to packets, from the first of the run to the last; null on every other path.
    pub(crate) wire: Option<Truths>,
    /// The intervals of its window; empty unless `--interval`, `--json-lines` or `--metrics` asked for them.
    pub(crate) intervals: Vec<Figures>,
}

/// More than one figure.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Distribution {
    /// Latencies.
    Latency(Latencies),
    /// What the scenario says by this name.
    Other(serde_json::Value),
}

/// A latency histogram, complete, so that histograms can be merged.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Latencies {
    pub(crate) count: u64,
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) mean_ns: f64,
    /// Highest value of a bucket in nanoseconds, and how many latencies are in it; three significant digits.
    pub(crate) buckets: Vec<(u64, u64)>,
}

/// A metric over the runs. All null when no run could tell it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// Of the runs; for a percentile, that percentile of all runs' histograms merged.
    pub(crate) median: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    /// Lower end of a 95 % interval; null below six runs.
    pub(crate) low: Option<f64>,
    /// Upper end of the interval.
    pub(crate) high: Option<f64>,
    /// Runs that could tell.
    pub(crate) n: usize,
}

/// One stack's metric divided by another's.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Ratio {
    pub(crate) metric: String,
    pub(crate) of: Pairing,
    pub(crate) of_path: PathKind,
    pub(crate) to: Pairing,
    pub(crate) to_path: PathKind,
    /// Median, by logarithms, of the ratios of runs with the same index, which took turns.
    pub(crate) value: f64,
    /// Lower end of a 95 % interval; null below six pairs.
    pub(crate) low: Option<f64>,
    /// Upper end of the interval.
    pub(crate) high: Option<f64>,
    /// Chance of a difference this large between two that are the same: Wilcoxon's signed-rank test, two-sided, exact. Null below
    /// six pairs.
    pub(crate) p: Option<f64>,
    /// The same as one of all ratios of this document, by Holm.
    pub(crate) p_adjusted: Option<f64>,
    /// Pairs of runs.
    pub(crate) n: usize,
}
