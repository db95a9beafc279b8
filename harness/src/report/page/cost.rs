//! Processor time of an operation, in the parts that the runs could tell apart.

use serde::Serialize;

use super::reading::{PageDocument, PageResult};
use crate::report::units::nanoseconds;

/// Bars of processor time, on one scale.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Costs {
    /// What is paid for: `connection`, `datagram`.
    pub(super) operation: String,
    pub(super) bars: Vec<Bar>,
}

/// The bar of one stack.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) parts: Vec<Part>,
}

/// A piece of a bar.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Part {
    /// `client`, `server`, `process` or `machine`; or `user`, `kernel`, `softirq` or `others`. Names its colour too.
    pub(super) kind: &'static str,
    pub(super) figure: String,
    /// Percent of the longest bar.
    pub(super) width: f64,
    nanoseconds: f64,
}

/// What each stack's operation cost; `None` when no stack could tell.
pub(super) fn costs(document: &PageDocument) -> Option<Costs> {
    let operation = operation(document)?;
    let bar = |result: &PageResult| Bar {
        name: result.name(),
        parts: parts(result, &operation),
    };
    on_one_scale(document.results.iter().map(bar).collect()).map(|bars| Costs { operation, bars })
}

/// What is paid for, by the metric that says how much.
pub(super) fn operation(document: &PageDocument) -> Option<String> {
    let mut metrics = document.results.iter().flat_map(|result| result.metrics.keys());
    let operation = metrics.find_map(|metric| {
        metric
            .strip_prefix("cpu_ns_per_")
            .filter(|rest| !rest.contains("poll"))
    });
    operation.map(str::to_owned)
}

/// Gives parts their width; `None` when there is nothing to show.
pub(super) fn on_one_scale(mut bars: Vec<Bar>) -> Option<Vec<Bar>> {
    bars.retain(|bar| !bar.parts.is_empty());
    let longest = bars.iter().map(Bar::nanoseconds).fold(0.0, f64::max);
    for part in bars.iter_mut().flat_map(|bar| &mut bar.parts) {
        part.width = (part.nanoseconds / longest * 1000.0).round() / 10.0;
    }
    (longest > 0.0).then_some(bars)
}

impl Part {
    /// Without a width: that depends on the other bars.
    pub(super) fn new(kind: &'static str, cost: f64) -> Self {
        Self {
            kind,
            figure: nanoseconds(cost),
            width: 0.0,
            nanoseconds: cost,
        }
    }
}

impl Bar {
    fn nanoseconds(&self) -> f64 {
        self.parts.iter().map(|part| part.nanoseconds).sum()
    }
}

/// The sides where they have threads of their own, else the process; and what the rest of the machine did meanwhile.
fn parts(result: &PageResult, operation: &str) -> Vec<Part> {
    let cost = |whose: &str| result.median(&format!("{whose}cpu_ns_per_{operation}"));
    let Some(process) = cost("") else {
        return Vec::new();
    };
    let machine = cost("machine_").map(|machine| ("machine", machine - process));
    let own = match (cost("client_"), cost("server_")) {
        (Some(client), Some(server)) => vec![
            ("client", client),
            ("server", server),
            ("process", process - client - server),
        ],
        _ => vec![("process", process)],
    };
    let told = own.into_iter().chain(machine).filter(|(_, cost)| *cost > 0.0);
    told.map(|(kind, cost)| Part::new(kind, cost)).collect()
}
