//! A search as a page reads it, and what it says in words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::report::page::section::Verdict as Words;
use crate::search::Quantity;
use crate::search::bisection::{Ended, Verdict};
use crate::search::slo::Figures;
use crate::search::table::answer;

/// One `handfast.search/1` document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PageSearch {
    pub(super) quantity: Quantity,
    #[serde(default)]
    pub(in crate::report::page) started: String,
    #[serde(default)]
    pub(in crate::report::page) slo: String,
    #[serde(default)]
    pub(super) bounds: Map<String, Value>,
    #[serde(default)]
    pub(super) environment: Map<String, Value>,
    #[serde(default)]
    interrupted: bool,
    #[serde(default)]
    pub(super) results: Vec<PageFound>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageFound {
    stack: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    placement: String,
    #[serde(default)]
    unsupported_reason: Option<String>,
    #[serde(default)]
    highest_per_second: Option<u32>,
    #[serde(default)]
    fails_per_second: Option<u32>,
    ended: Ended,
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    #[serde(default)]
    pub(super) iterations: Vec<PageIteration>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageIteration {
    pub(super) rate: u32,
    pub(super) verdict: Verdict,
    #[serde(default)]
    pub(super) reasons: Vec<String>,
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, Option<f64>>,
}

impl Figures for PageIteration {
    fn figure(&self, metric: &str) -> Option<f64> {
        self.metrics.get(metric).copied().flatten()
    }
}

impl PageIteration {
    /// Operations that failed, were dropped or lost.
    pub(super) fn failures(&self) -> f64 {
        let parts = ["failed", "dropped_arrivals", "lost"];
        parts.iter().filter_map(|part| self.figure(part)).sum()
    }

    /// Operations that were to start.
    pub(super) fn offered(&self) -> f64 {
        let window = self.figure("window_seconds").unwrap_or(1.0);
        let per_second = self.figure("offered_per_second");
        (per_second.unwrap_or(f64::from(self.rate)) * window).max(1.0)
    }
}

impl PageFound {
    pub(super) fn name(&self) -> String {
        let split = self.placement == "split";
        format!(
            "{} ({}{})",
            self.stack,
            self.path,
            if split { ", two cores" } else { "" }
        )
    }

    fn conclusion(&self, unit: &str) -> String {
        match &self.unsupported_reason {
            Some(why) => format!("unsupported: {why}"),
            None => answer(self.highest_per_second, self.fails_per_second, self.ended, unit),
        }
    }
}

impl PageSearch {
    pub(in crate::report::page) fn title(&self) -> String {
        format!("search {:?}", self.quantity).to_lowercase()
    }

    pub(in crate::report::page) fn unit(&self) -> &'static str {
        self.quantity.unit()
    }

    /// Each stack with the highest rate that holds.
    pub(in crate::report::page) fn answers(&self) -> Vec<(String, String)> {
        let rate = |found: &PageFound| match found.highest_per_second {
            Some(rate) => rate.to_string(),
            None if found.unsupported_reason.is_some() => "unsupported".to_owned(),
            None => "–".to_owned(),
        };
        self.results
            .iter()
            .map(|found| (found.name(), rate(found)))
            .collect()
    }

    /// Whether every stack that can do it has an answer; the reasons are what each came to.
    pub(in crate::report::page) fn verdict(&self) -> Words {
        let any = |ended: &[Ended]| self.results.iter().any(|found| ended.contains(&found.ended));
        let (tone, words) = if self.interrupted {
            ("invalid", "Interrupted: not every stack has an answer")
        } else if any(&[Ended::OutOfBounds, Ended::Disturbed]) {
            ("invalid", "Not finished: not every stack has an answer")
        } else if any(&[Ended::LowestFails]) {
            ("invalid", "No rate holds, at one stack at least")
        } else if any(&[Ended::Found, Ended::HighestHolds]) {
            ("valid", "Found")
        } else {
            ("empty", "Nothing was measured")
        };
        let each = |found: &PageFound| format!("{}: {}", found.name(), found.conclusion(self.unit()));
        Words {
            tone,
            words,
            reasons: self.results.iter().map(each).collect(),
        }
    }
}
