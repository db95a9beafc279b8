//! What a search found, as scripts read it. Fields may be added; the meaning of one that exists does not change.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bisection::{Bounds, Ended, Verdict};
use crate::config::{Pairing, PathKind, Placement, RunConfig, ScenarioKind, seconds};
use crate::measure::environment::Environment;

/// Names the format of a [`Search`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum SearchFormat {
    #[serde(rename = "handfast.search/1")]
    Search1,
}

/// What is searched for the highest rate of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantity {
    /// Connections per second, each with a request and a response (scenario crr)
    Cps,
    /// Transactions per second on open connections (scenario rr)
    Tps,
    /// Datagrams per second (scenario udp)
    Pps,
}

impl Quantity {
    pub(crate) fn scenario(self) -> ScenarioKind {
        match self {
            Self::Cps => ScenarioKind::Crr,
            Self::Tps => ScenarioKind::Rr,
            Self::Pps => ScenarioKind::Udp,
        }
    }

    /// What is counted in a second.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Cps => "connections/s",
            Self::Tps => "transactions/s",
            Self::Pps => "datagrams/s",
        }
    }

    /// What is asked unless told otherwise.
    pub(crate) fn usual_slo(self) -> &'static str {
        match self {
            Self::Cps | Self::Tps => "fail<=0",
            Self::Pps => "loss<=0",
        }
    }
}

/// The highest rates of some stacks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Search {
    pub(crate) schema: SearchFormat,
    pub(crate) quantity: Quantity,
    pub(crate) scenario: ScenarioKind,
    /// When the first run began, UTC.
    pub(crate) started: String,
    /// What was asked, as it was written. Every run has to count besides.
    pub(crate) slo: String,
    pub(crate) bounds: Bounds,
    /// Runs that a stack may take.
    pub(crate) most_runs: u32,
    /// Seconds after which no further run of a stack begins.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub(crate) at_most: Duration,
    pub(crate) environment: Environment,
    /// Whether it was stopped before its end.
    pub(crate) interrupted: bool,
    /// One for each stack, path, placement and number of connections.
    pub(crate) results: Vec<Found>,
}

/// The highest rate of one stack.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    pub(crate) stack: Pairing,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    /// Why the stack cannot do what was asked; null when it can.
    pub(crate) unsupported_reason: Option<String>,
    /// The highest rate that holds, per second; null when none was found.
    pub(crate) highest_per_second: Option<u32>,
    /// The lowest rate above it that fails; null when none was found.
    pub(crate) fails_per_second: Option<u32>,
    pub(crate) ended: Ended,
    /// This stack's parameters; its rate is that of the first run.
    pub(crate) config: RunConfig,
    /// Every run, in the order in which they took place.
    pub(crate) iterations: Vec<Iteration>,
}

/// One run of a search.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Iteration {
    /// Operations per second that were to start.
    pub(crate) rate: u32,
    pub(crate) verdict: Verdict,
    /// What was not kept, or why the run is void.
    pub(crate) reasons: Vec<String>,
    pub(crate) metrics: BTreeMap<String, Option<f64>>,
}
