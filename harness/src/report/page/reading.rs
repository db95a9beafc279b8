//! Documents as a page reads them: every field that it lacks is empty and every name is a string, so that what another version of
//! the program wrote, or what nobody wrote, can be shown too.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::search::PageSearch;

/// What files hold that pages show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    pub(super) runs: Vec<PageDocument>,
    pub(super) searches: Vec<PageSearch>,
}

/// One `handfast.run/1` document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PageDocument {
    pub(super) scenario: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) started: String,
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    #[serde(default)]
    pub(super) environment: Map<String, Value>,
    #[serde(default)]
    pub(super) valid: bool,
    #[serde(default)]
    pub(super) invalid_reasons: Vec<String>,
    #[serde(default)]
    pub(super) results: Vec<PageResult>,
    #[serde(default)]
    pub(super) ratios: Vec<PageRatio>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageResult {
    pub(super) stack: String,
    #[serde(default)]
    pub(super) path: String,
    #[serde(default)]
    pub(super) placement: String,
    #[serde(default)]
    pub(super) valid: Option<bool>,
    #[serde(default)]
    pub(super) unsupported_reason: Option<String>,
    #[serde(default)]
    pub(super) config: Map<String, Value>,
    #[serde(default)]
    pub(super) runs: Vec<PageRun>,
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, PageSummary>,
    #[serde(default)]
    pub(super) alternatives: Vec<Self>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageRun {
    #[serde(default)]
    pub(super) index: usize,
    #[serde(default)]
    pub(super) valid: bool,
    #[serde(default)]
    pub(super) notes: Vec<String>,
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, Option<f64>>,
    #[serde(default)]
    pub(super) distributions: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) counters: Value,
    #[serde(default)]
    pub(super) intervals: Vec<PageInterval>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageInterval {
    /// Seconds since the window began.
    pub(super) to: f64,
    #[serde(default)]
    pub(super) per_second: Option<f64>,
    #[serde(default)]
    pub(super) time_wait: Option<f64>,
    #[serde(default)]
    pub(super) dropped_arrivals: Option<f64>,
    #[serde(default)]
    pub(super) latency_ns: Option<PageLatency>,
    #[serde(default)]
    pub(super) response_ns: Option<PageLatency>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PageLatency {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PageSummary {
    pub(super) median: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    #[serde(default)]
    pub(super) n: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PageRatio {
    pub(super) metric: String,
    pub(super) of: String,
    #[serde(default)]
    pub(super) of_path: String,
    pub(super) to: String,
    #[serde(default)]
    pub(super) to_path: String,
    pub(super) value: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) p_adjusted: Option<f64>,
    #[serde(default)]
    pub(super) n: usize,
}

impl PageResult {
    /// What its column is called: `engine (memory)`, `kernel (veth, two cores)`.
    pub(super) fn name(&self) -> String {
        let cores = if self.placement == "split" {
            ", two cores"
        } else {
            ""
        };
        format!("{} ({}{cores})", self.stack, self.path)
    }

    pub(super) fn median(&self, metric: &str) -> Option<f64> {
        self.metrics.get(metric)?.median
    }
}

impl Documents {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.searches.is_empty()
    }

    /// Whether any stack has a result, even that it is unsupported.
    pub(crate) fn has_results(&self) -> bool {
        let of_runs = self.runs.iter().any(|document| !document.results.is_empty());
        of_runs || !self.searches.is_empty()
    }

    pub(crate) fn append(&mut self, others: Self) {
        self.runs.extend(others.runs);
        self.searches.extend(others.searches);
    }
}

/// The documents of a JSON text: one, or those of a suite.
///
/// # Errors
/// When it is neither; says what it is instead.
pub(crate) fn documents(text: &[u8]) -> Result<Documents, String> {
    let json: Value = serde_json::from_slice(text).map_err(|error| format!("this is no JSON ({error})"))?;
    let mut found = Documents::default();
    match json["schema"].as_str() {
        Some("handfast.run/1") => found.runs.push(read(json, "run")?),
        Some("handfast.search/1") => found.searches.push(read(json, "search")?),
        Some("handfast.suite/1") => {
            for document in json["documents"].as_array().cloned().unwrap_or_default() {
                found.runs.push(read(document, "run")?);
            }
        }
        Some(other) => {
            return Err(format!(
                "its schema is `{other}`; handfast.run/1, handfast.suite/1 and handfast.search/1 can be shown"
            ));
        }
        None => return Err("it says no schema: `handfast run` did not write it".to_owned()),
    }
    Ok(found)
}

fn read<Read: DeserializeOwned>(document: Value, what: &str) -> Result<Read, String> {
    Read::deserialize(document).map_err(|error| format!("this is no handfast.{what}/1 document ({error})"))
}
