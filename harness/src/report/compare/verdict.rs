//! What a row is worth, and what would help where it says nothing.

use super::{Row, Verdict};
use crate::measure::statistics::fewest_for;
use crate::report::metrics::more_is_better;

/// A difference that chance makes less often than this is none of chance. Stricter than the usual 5 %, by which one of forty
/// comparisons of the same with the same would call it slower: nobody looks any more at a gate that cries wolf every month.
const SIGNIFICANT: f64 = 0.01;

/// Runs of each that are advised at least: fewer find a change of a tenth only on a quiet machine.
const ADVISED: usize = 10;
/// With more than this a quieter machine is the better advice.
const MOST_ADVISED: usize = 100;

/// The verdict on one of so many `tests`; `gate` is the change that is let pass, as a part of one. With why nothing can be said.
pub(super) fn verdict(row: &Row, gate: f64, tests: usize) -> (Verdict, Option<String>) {
    let inconclusive = |why: String| (Verdict::Inconclusive, Some(why));
    let enough = fewest_for(SIGNIFICANT / tests as f64, row.paired).max(ADVISED);
    let (Some(ratio), Some(low), Some(high), Some(p)) = (row.ratio, row.low, row.high, row.p_adjusted) else {
        return inconclusive(format!(
            "{} are too few: take {}",
            runs_of_each(row, row.n),
            how_many(row, enough)
        ));
    };
    let (gate, margin) = (gate.ln_1p(), row.margin.ln_1p());
    let change = ratio.ln().abs();
    let within = |limit: f64| low.ln() >= -limit && high.ln() <= limit;
    let leaves_out_none = low > 1.0 || high < 1.0;
    let differs = p < SIGNIFICANT && leaves_out_none;
    if differs && change > margin {
        let faster = (ratio > 1.0) == more_is_better(&row.metric);
        return (if faster { Verdict::Faster } else { Verdict::Slower }, None);
    }
    if within(gate) {
        return (Verdict::Same, None);
    }
    if change > gate && (differs || within(margin)) {
        return inconclusive(format!(
            "a change beyond the gate is below twice what the same differs by from the same here ({:.1} %): calibrate with more \
             or longer runs, on a quiet machine",
            100.0 * row.margin
        ));
    }
    let wanted = wanted(row.n, (low, high), change.max(gate)).max(enough);
    if leaves_out_none && change > margin && row.p_drift.is_some() && row.p_drift >= row.p {
        return inconclusive(format!(
            "a machine that by itself became slower or faster meanwhile would look the same: take runs of A and B in turns (A, B, \
             B, A, …), {ADVISED} of each or more"
        ));
    }
    if wanted > MOST_ADVISED {
        return inconclusive(format!(
            "the runs vary too much: it would take about {wanted} of each; take longer ones, on a quiet machine"
        ));
    }
    inconclusive(format!(
        "{} cannot tell: take {}",
        runs_of_each(row, row.n),
        how_many(row, wanted)
    ))
}

fn runs_of_each(row: &Row, count: usize) -> String {
    if row.paired {
        format!("{count} pairs of runs")
    } else {
        format!("{count} runs of each")
    }
}

fn how_many(row: &Row, count: usize) -> String {
    if row.paired {
        format!("{count} pairs")
    } else {
        format!("--runs {count}")
    }
}

/// About so many runs have an interval that reaches half as far as what is to be told from nothing: intervals shrink with the root of
/// the number of runs.
fn wanted(runs: usize, (low, high): (f64, f64), told: f64) -> usize {
    let reach = (high / low).ln() / 2.0;
    let wanted = runs as f64 * (2.0 * reach / told).powi(2);
    // A cast of what is too much, or no number, ends at the bounds.
    (wanted.ceil() as usize).max(runs + 1)
}
