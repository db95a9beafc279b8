//! Set-up time against the TIME_WAIT entries or ports that were taken while it went on.

use serde_json::Value;

use super::chart::{Axis, Chart, Kind, Scale, Series, Stroke, Unit};
use super::reading::PageResult;

/// Names the distribution.
pub(super) const NAME: &str = "setup_ns_by_occupancy";

/// Where a logarithmic axis begins; the first bin starts at no entries at all.
const FIRST_ENTRIES: f64 = 512.0;

#[derive(Clone, Copy)]
struct Bin {
    from: f64,
    n: u64,
    p50: Option<f64>,
    p99: Option<f64>,
}

/// A chart for each unit of occupancy (part of the port space, entries) that stacks have: median and 99th percentile of each.
pub(super) fn charts(id: &str, results: &[PageResult]) -> Vec<Chart> {
    let units = [
        (
            "port_space",
            "Set-up time against occupied four-tuples",
            Axis::new("part of the four-tuples that is taken", Scale::Linear, Unit::Part),
        ),
        (
            "entries",
            "Set-up time against TIME_WAIT entries",
            Axis::new("TIME_WAIT entries held", Scale::Log, Unit::Count),
        ),
    ];
    let charts = units
        .into_iter()
        .filter_map(|(unit, title, axis)| chart(format!("{id}-{unit}"), unit, title, axis, results));
    charts.collect()
}

fn chart(id: String, unit: &str, title: &str, x: Axis, results: &[PageResult]) -> Option<Chart> {
    let of_stacks: Vec<(usize, Vec<Bin>)> = results
        .iter()
        .map(|result| bins(result, unit))
        .enumerate()
        .filter(|(_, bins)| !bins.is_empty())
        .collect();
    let mut at: Vec<f64> = of_stacks
        .iter()
        .flat_map(|(_, bins)| bins.iter().map(|bin| bin.from))
        .collect();
    at.sort_by(f64::total_cmp);
    at.dedup();
    let series = of_stacks.iter().flat_map(|(index, bins)| {
        let line = |which: &str, stroke, figure: fn(&Bin) -> Option<f64>| Series {
            name: format!("{} {which}", results[*index].name()),
            color: *index,
            stroke,
            marks: false,
            values: at
                .iter()
                .map(|from| bins.iter().find(|bin| bin.from == *from).and_then(figure))
                .collect(),
        };
        [
            line("p50", Stroke::Solid, |bin| bin.p50),
            line("p99", Stroke::Dashed, |bin| bin.p99),
        ]
    });
    let series = series.collect();
    let log = x.scale == Scale::Log;
    (!at.is_empty()).then(|| Chart {
        id,
        title: title.to_owned(),
        note: "Each point starts a bin that reaches to the next one. Of several runs, the one with the most set-ups in the bin.".to_owned(),
        kind: Kind::Line,
        x,
        y: Axis::new("set-up time", Scale::Log, Unit::Ns),
        at: at.iter().map(|&from| if log { from.max(FIRST_ENTRIES) } else { from }).collect(),
        series,
    })
}

/// Percentiles cannot be averaged, so each bin is that of the run which saw most of it.
fn bins(result: &PageResult, unit: &str) -> Vec<Bin> {
    let mut kept: Vec<Bin> = Vec::new();
    let found = result.runs.iter().filter_map(|run| run.distributions.get(NAME));
    let of_unit = found.filter(|distribution| distribution["unit"] == unit);
    for bin in of_unit
        .filter_map(|distribution| distribution["bins"].as_array())
        .flatten()
        .filter_map(bin)
    {
        match kept.iter_mut().find(|other| other.from == bin.from) {
            Some(other) if other.n < bin.n => *other = bin,
            Some(_) => {}
            None => kept.push(bin),
        }
    }
    kept
}

fn bin(json: &Value) -> Option<Bin> {
    Some(Bin {
        from: json["from"].as_f64()?,
        n: json["n"].as_u64()?,
        p50: json["p50"].as_f64(),
        p99: json["p99"].as_f64(),
    })
}
