//! Ratios with their intervals, on one logarithmic scale.

use serde::Serialize;

use super::reading::{PageDocument, PageRatio, PageRun};
use crate::report::metrics::{is_better_or_worse, label, more_is_better};
use crate::report::units::factor;

/// Chance below which one of all ratios of a document counts as different.
const SIGNIFICANT: f64 = 0.05;

/// The ratios of a document.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Ratios {
    pub(super) pairs: Vec<Pair>,
    /// Marks of the scale: where, in percent of its width, and what they say.
    pub(super) ticks: Vec<(f64, String)>,
}

/// Two stacks, and how they differ.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Pair {
    pub(super) of: String,
    pub(super) to: String,
    pub(super) rows: Vec<Row>,
}

/// One ratio.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Row {
    pub(super) metric: String,
    pub(super) value: String,
    /// Empty where there is none.
    pub(super) interval: String,
    /// `better`, `worse`, or `unclear` where the interval holds 1, there is none, or it may be chance among so many.
    pub(super) tone: &'static str,
    pub(super) verdict: &'static str,
    pub(super) p: String,
    pub(super) n: usize,
    /// Percent of the scale's width.
    pub(super) at: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Each pair of runs, percent of the width.
    pub(super) each: Vec<f64>,
}

/// A ratio and those of the single pairs of runs that it is the middle of.
struct Told<'a> {
    ratio: &'a PageRatio,
    each: Vec<f64>,
}

/// All ratios of a document; `None` when it has none.
pub(super) fn ratios(document: &PageDocument) -> Option<Ratios> {
    let shown = document.ratios.iter().filter(|ratio| is_shown(ratio));
    let shown: Vec<Told<'_>> = shown
        .map(|ratio| Told {
            ratio,
            each: each(document, ratio),
        })
        .collect();
    let ends = shown.iter().flat_map(|told| {
        [low(told.ratio), high(told.ratio)]
            .into_iter()
            .chain(told.each.clone())
    });
    let scale = LogScale::around(ends)?;
    Some(Ratios {
        pairs: pairs(&shown, &scale),
        ticks: scale.ticks(),
    })
}

/// The ratios of runs with the same index, which took turns.
fn each(document: &PageDocument, ratio: &PageRatio) -> Vec<f64> {
    let runs = |stack: &str, path: &str| {
        let found = document
            .results
            .iter()
            .find(|result| result.stack == stack && result.path == path);
        found.map_or(&[][..], |result| result.runs.as_slice())
    };
    let value = |run: &PageRun| run.metrics.get(&ratio.metric).copied().flatten();
    let others = runs(&ratio.to, &ratio.to_path);
    let of_pair = |run: &PageRun| {
        let other = others.iter().find(|other| other.index == run.index)?;
        Some(value(run)? / value(other)?).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
    };
    runs(&ratio.of, &ratio.of_path)
        .iter()
        .filter_map(of_pair)
        .collect()
}

fn pairs(shown: &[Told<'_>], scale: &LogScale) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for told in shown {
        let ratio = told.ratio;
        let of = format!("{} ({})", ratio.of, ratio.of_path);
        let to = format!("{} ({})", ratio.to, ratio.to_path);
        let row = row(told, scale);
        match pairs.iter_mut().find(|pair| pair.of == of && pair.to == to) {
            Some(pair) => pair.rows.push(row),
            None => pairs.push(Pair {
                of,
                to,
                rows: vec![row],
            }),
        }
    }
    pairs
}

fn is_shown(ratio: &PageRatio) -> bool {
    let ends = [ratio.value, low(ratio), high(ratio)];
    ends.iter().all(|end| end.is_finite() && *end > 0.0)
}

fn low(ratio: &PageRatio) -> f64 {
    ratio.low.unwrap_or(ratio.value)
}

fn high(ratio: &PageRatio) -> f64 {
    ratio.high.unwrap_or(ratio.value)
}

fn row(told: &Told<'_>, scale: &LogScale) -> Row {
    let ratio = told.ratio;
    let (tone, verdict) = judged(ratio);
    let (at, low_at, high_at) = (scale.at(ratio.value), scale.at(low(ratio)), scale.at(high(ratio)));
    Row {
        metric: label(&ratio.metric),
        value: factor(ratio.value),
        interval: match (ratio.low, ratio.high) {
            (Some(low), Some(high)) => format!("{} to {}", factor(low), factor(high)),
            _ => String::new(),
        },
        tone,
        verdict,
        p: ratio
            .p_adjusted
            .map_or_else(|| "–".to_owned(), |p| format!("{p:.3}")),
        n: ratio.n,
        at,
        low: low_at,
        high: high_at,
        each: told.each.iter().map(|ratio| scale.at(*ratio)).collect(),
    }
}

/// Whether the interval says which of the two is better.
fn judged(ratio: &PageRatio) -> (&'static str, &'static str) {
    if !is_better_or_worse(&ratio.metric) {
        return ("unclear", "");
    }
    let more = more_is_better(&ratio.metric);
    let among_all = ratio.p_adjusted.is_none_or(|p| p < SIGNIFICANT);
    match (ratio.low, ratio.high) {
        (Some(low), _) if low > 1.0 => tone(more, among_all),
        (_, Some(high)) if high < 1.0 => tone(!more, among_all),
        (Some(_), Some(_)) => ("unclear", "cannot tell"),
        _ if ratio.value == 1.0 => ("unclear", "equal, untested"),
        _ if (ratio.value > 1.0) == more => ("unclear", "better, untested"),
        _ => ("unclear", "worse, untested"),
    }
}

/// An interval that leaves 1 out says so of one ratio; of many some do so by chance.
fn tone(better: bool, among_all: bool) -> (&'static str, &'static str) {
    match (better, among_all) {
        (true, true) => ("better", "better"),
        (false, true) => ("worse", "worse"),
        (true, false) => ("unclear", "better if alone"),
        (false, false) => ("unclear", "worse if alone"),
    }
}

/// From one power of ten, or half of one, to another, 1 always within.
struct LogScale {
    from: f64,
    to: f64,
}

impl LogScale {
    fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
        let logs: Vec<f64> = values.map(f64::log10).collect();
        let least = logs.iter().copied().reduce(f64::min)?.min(0.0);
        let greatest = logs.iter().copied().reduce(f64::max)?.max(0.0);
        let from = (2.0 * least - 0.1).floor() / 2.0;
        let to = (2.0 * greatest + 0.1).ceil() / 2.0;
        Some(Self { from, to })
    }

    /// Percent of the width, to a tenth.
    fn at(&self, value: f64) -> f64 {
        ((value.log10() - self.from) / (self.to - self.from) * 1000.0).round() / 10.0
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let decades = self.from.ceil() as i32..=self.to.floor() as i32;
        let powers = decades.map(|power| 10_f64.powi(power));
        powers
            .map(|value| (self.at(value), format!("{value}×")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ratio(metric: &str, value: f64, interval: Option<(f64, f64)>) -> PageRatio {
        let (low, high) = interval.unzip();
        PageRatio {
            metric: metric.to_owned(),
            of: "engine".to_owned(),
            of_path: "memory".to_owned(),
            to: "kernel".to_owned(),
            to_path: "loopback".to_owned(),
            value,
            low,
            high,
            p_adjusted: None,
            n: 6,
        }
    }

    #[test]
    fn a_loss_is_called_one_and_an_interval_around_1_says_nothing() {
        let judged = |metric, value, interval| judged(&ratio(metric, value, interval)).1;
        assert_eq!(judged("connections_per_second", 2.0, Some((1.5, 2.5))), "better");
        assert_eq!(judged("cpu_ns_per_connection", 2.0, Some((1.5, 2.5))), "worse");
        assert_eq!(judged("datagrams_per_second", 0.9, Some((0.8, 0.95))), "worse");
        assert_eq!(
            judged("datagrams_per_second", 0.9, Some((0.8, 1.05))),
            "cannot tell"
        );
        assert_eq!(judged("setup_ns_p50", 3.0, None), "worse, untested");
        let among_many = PageRatio {
            p_adjusted: Some(0.2),
            ..ratio("datagrams_per_second", 0.9, Some((0.8, 0.95)))
        };
        assert_eq!(super::judged(&among_many), ("unclear", "worse if alone"));
        assert_eq!(judged("reordered_ratio", 2.0, Some((1.5, 2.5))), "");
    }

    #[test]
    fn runs_of_the_same_turn_are_paired() {
        let runs = |values: [Option<f64>; 3], first: usize| {
            let run = |(index, value)| json!({ "index": first + index, "metrics": { "connections_per_second": value } });
            values.into_iter().enumerate().map(run).collect::<Vec<_>>()
        };
        let document: PageDocument = serde_json::from_value(json!({ "scenario": "crr", "results": [
            { "stack": "engine", "path": "memory", "runs": runs([Some(8.0), Some(30.0), None], 0) },
            { "stack": "kernel", "path": "loopback", "runs": runs([Some(3.0), Some(2.0), Some(0.0)], 1) },
        ] }))
        .expect("a document");
        assert_eq!(
            each(&document, &ratio("connections_per_second", 10.0, None)),
            [10.0],
            "the others have no partner"
        );
    }

    #[test]
    fn every_interval_is_within_the_scale() {
        let scale = LogScale::around([0.03, 250.0].into_iter()).expect("there are values");
        let at: Vec<f64> = [0.03, 1.0, 250.0].iter().map(|value| scale.at(*value)).collect();
        assert!(at.is_sorted() && at[0] > 0.0 && at[2] < 100.0, "{at:?}");
        assert!(
            scale
                .ticks()
                .iter()
                .any(|(place, text)| text == "1×" && *place == at[1])
        );
    }
}
