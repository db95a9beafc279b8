//! The rates of a search against what came of them, with what was asked marked.

use super::reading::{PageFound, PageIteration};
use crate::report::metrics::label;
use crate::report::page::chart::{Axis, Chart, Kind, Scale, Series, Stroke, Unit};
use crate::search::Slo;
use crate::search::bisection::Verdict;
use crate::search::slo::Figures;

const PERCENTILES: [&str; 3] = ["response_ns_p50", "response_ns_p99", "response_ns_p999"];
/// Shown whether or not anything is asked of it.
const USUAL: &str = "response_ns_p99";
/// The runs of a plot by how they came out.
const OUTCOMES: [(&str, &[Verdict]); 3] = [
    ("holds", &[Verdict::Holds]),
    ("fails", &[Verdict::Fails]),
    ("does not count", &[Verdict::Void, Verdict::ClientBound]),
];

/// What is shown of each run.
struct Shown<'a> {
    title: String,
    unit: Unit,
    scale: Scale,
    value: &'a dyn Fn(&PageIteration) -> Option<f64>,
    most: &'a dyn Fn(&PageIteration) -> Option<f64>,
}

/// Percentiles and failures over rates; none of what no run can tell, or of failures where there were none.
pub(super) fn charts(id: &str, slo: &str, found: &PageFound) -> Vec<Chart> {
    let slo: Option<Slo> = slo.parse().ok();
    let mut runs: Vec<&PageIteration> = found.iterations.iter().collect();
    runs.sort_by_key(|run| run.rate);
    let longest = |metric: &str| slo.as_ref().and_then(|slo| slo.longest_ns(metric));
    let mut charts = Vec::new();
    for metric in PERCENTILES {
        let most = longest(metric);
        if metric == USUAL || most.is_some() {
            let shown = Shown {
                title: label(metric),
                unit: Unit::Ns,
                scale: Scale::Log,
                value: &|run| run.figure(metric),
                most: &|_| most,
            };
            charts.extend(chart(format!("{id}-{metric}"), found, &runs, &shown));
        }
    }
    if runs.iter().any(|run| run.failures() > 0.0) {
        let shown = Shown {
            title: "failed, dropped or lost".to_owned(),
            unit: Unit::Part,
            scale: Scale::Linear,
            value: &|run| Some(run.failures() / run.offered()),
            most: &|run| slo.as_ref()?.most_failures(run.offered()),
        };
        charts.extend(chart(format!("{id}-failures"), found, &runs, &shown));
    }
    charts
}

fn chart(id: String, found: &PageFound, runs: &[&PageIteration], shown: &Shown<'_>) -> Option<Chart> {
    let bound = Series {
        name: "most that was asked for".to_owned(),
        color: 4,
        stroke: Stroke::Dashed,
        marks: false,
        values: runs.iter().map(|run| (shown.most)(run)).collect(),
    };
    let outcomes = OUTCOMES
        .iter()
        .enumerate()
        .map(|(color, (name, verdicts))| Series {
            name: (*name).to_owned(),
            color,
            stroke: Stroke::Solid,
            marks: true,
            values: runs
                .iter()
                .map(|run| {
                    verdicts
                        .contains(&run.verdict)
                        .then(|| (shown.value)(run))
                        .flatten()
                })
                .collect(),
        });
    let told = |series: &Series| series.values.iter().any(Option::is_some);
    let mut series: Vec<Series> = outcomes.filter(told).collect();
    if series.is_empty() {
        return None;
    }
    series.splice(0..0, Some(bound).filter(told));
    Some(Chart {
        id,
        title: format!("{}: {} against the rate", found.name(), shown.title),
        note: "A ring is a run at the rate that was asked for.".to_owned(),
        kind: Kind::Line,
        x: Axis::new("rate asked for, per second", Scale::Log, Unit::Count),
        y: Axis::new(shown.title.clone(), shown.scale, shown.unit),
        at: runs.iter().map(|run| f64::from(run.rate)).collect(),
        series,
    })
}
