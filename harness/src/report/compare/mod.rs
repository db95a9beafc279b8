//! Two sets of documents beside each other: the same, faster, slower, or not to be told apart with so many runs.
//!
//! A difference counts when it is larger than the margin, its 95 % interval leaves zero out, and the tests, corrected for all that is
//! compared at once, stay below 1 %: that by ranks, and, of runs that did not take turns, that of a difference beside a drift. Two
//! are the same when the whole interval lies within the gate, which a noisy machine makes no wider: what is hidden by its noise is
//! not the same for that. Everything else is inconclusive, which is a verdict.

#[cfg(test)]
mod errors;
mod judge;
mod reading;
mod sides;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::judge::compare;
pub(crate) use self::reading::{Read, Unreadable, read};
pub(crate) use self::table::verdicts;
use crate::config::{Pairing, PathKind, Placement, ScenarioKind};

/// Names the format of a [`Comparison`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum ComparisonFormat {
    #[serde(rename = "handfast.compare/1")]
    Compare1,
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Comparison {
    pub(crate) schema: ComparisonFormat,
    /// Change that is let pass, as a part of one.
    pub(crate) gate: f64,
    /// The worst of the rows.
    pub(crate) verdict: Verdict,
    /// Whether the documents' own figures count; else the verdict does not either.
    pub(crate) valid: bool,
    pub(crate) invalid_reasons: Vec<String>,
    /// What makes the two less alike than they should be.
    pub(crate) warnings: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// How the second stands to the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Same,
    /// Better by more than the margin.
    Faster,
    /// Worse by more than the margin.
    Slower,
    /// These runs cannot tell.
    Inconclusive,
}

/// One metric of one stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Row {
    pub(crate) scenario: ScenarioKind,
    /// What a scenario file calls the run; null when its scenario's name is all there is.
    pub(crate) name: Option<String>,
    pub(crate) stack: Pairing,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    pub(crate) metric: String,
    /// Median of the first's runs.
    pub(crate) a: Option<f64>,
    /// Median of the second's runs.
    pub(crate) b: Option<f64>,
    /// Second ÷ first; by pairs where their runs took turns.
    pub(crate) ratio: Option<f64>,
    /// Lower end of a 95 % interval of the ratio; null with too few runs.
    pub(crate) low: Option<f64>,
    /// Upper end of the interval.
    pub(crate) high: Option<f64>,
    /// Two-sided: Wilcoxon's signed-rank test of pairs, else the larger of Mann and Whitney's and `p_drift`.
    pub(crate) p: Option<f64>,
    /// Two-sided, of a difference beside a steady drift of the machine that both share, with what makes successive runs alike
    /// counted; null for pairs, which drift alike.
    pub(crate) p_drift: Option<f64>,
    /// The same as one of all rows, by Holm.
    pub(crate) p_adjusted: Option<f64>,
    /// Whether the runs took turns.
    pub(crate) paired: bool,
    /// Pairs, or runs of the side that has fewer.
    pub(crate) n: usize,
    /// Change beyond which one is slower or faster, as a part of one: the gate, or twice the noise of this machine where that is more.
    pub(crate) margin: f64,
    /// What the same against the same differs by on this machine, as a part of one; null where it was not calibrated.
    pub(crate) noise: Option<f64>,
    pub(crate) verdict: Verdict,
    /// Why nothing can be said, and what would help; null else.
    pub(crate) why: Option<String>,
}
