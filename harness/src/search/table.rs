//! A search as a table for people: every run, and what came of them.

use std::fmt::Write as _;

use super::bisection::{Ended, Verdict};
use super::document::{Found, Iteration, Search};

/// All stacks of a search, one after the other.
pub(crate) fn table(search: &Search) -> String {
    let unit = search.quantity.unit();
    let mut text = format!(
        "Highest {unit} with {} ({} runs have to agree on a rate)\n",
        search.slo, search.bounds.agree
    );
    for found in &search.results {
        of_stack(&mut text, found, unit);
    }
    text
}

fn of_stack(text: &mut String, found: &Found, unit: &str) {
    let _ = writeln!(
        text,
        "\n{} ({}, {}, {} connections)",
        found.stack, found.path, found.placement, found.config.connections
    );
    for (at, iteration) in found.iterations.iter().enumerate() {
        line(text, at + 1, iteration);
    }
    let _ = writeln!(text, "  {}", conclusion(found, unit));
}

fn line(text: &mut String, number: usize, iteration: &Iteration) {
    let verdict = word(iteration.verdict);
    let figure = |name: &str| iteration.metrics.get(name).copied().flatten();
    let p99 = figure("response_ns_p99").map_or_else(|| "–".to_owned(), |ns| format!("{:.3} ms", ns / 1e6));
    let _ = write!(
        text,
        "  {number:>3}  {:>10}/s offered  {:>10.0}/s achieved  p99 {p99:>12}  {verdict}",
        iteration.rate,
        figure("achieved_per_second").unwrap_or(0.0),
    );
    let first = iteration.reasons.first();
    let _ = writeln!(
        text,
        "{}",
        first.map_or_else(String::new, |reason| format!(": {reason}"))
    );
}

/// How a run came out, in a word.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "FAILS",
        Verdict::Void => "void",
        Verdict::ClientBound => "late",
    }
}

fn conclusion(found: &Found, unit: &str) -> String {
    match found.ended {
        Ended::Unsupported => {
            let reason = found.unsupported_reason.as_deref().unwrap_or_default();
            format!("unsupported: {reason}")
        }
        ended => answer(found.highest_per_second, found.fails_per_second, ended, unit),
    }
}

/// What a search of a stack came to, in a sentence.
pub(crate) fn answer(highest: Option<u32>, fails: Option<u32>, ended: Ended, unit: &str) -> String {
    let holds = highest.map_or_else(
        || "no rate holds".to_owned(),
        |rate| format!("{rate} {unit} hold"),
    );
    let fails = fails.map_or_else(String::new, |rate| format!(", {rate} do not"));
    let why = match ended {
        Ended::Found | Ended::Unsupported => "",
        Ended::HighestHolds => "; no higher rate may be tried (--to)",
        Ended::LowestFails => "; lower rates have too few operations for a verdict (--duration)",
        Ended::OutOfBounds => "; NOT FINISHED: out of runs or time (--most-runs, --at-most)",
        Ended::Disturbed => {
            "; NOT FINISHED: others disturbed run after run; measure when the machine is quiet"
        }
    };
    format!("{holds}{fails}{why}")
}
