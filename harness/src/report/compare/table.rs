//! A comparison for people: the verdict first.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::{Comparison, Row, Verdict};
use crate::config::Placement;
use crate::report::metrics::label;
use crate::report::units::figure;

/// The verdict, a table of all rows, and what would help.
pub(crate) fn verdicts(comparison: &Comparison) -> String {
    let mut text = headline(comparison);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["", "A", "B", "change", "95 % interval", "p (Holm)", "verdict"]);
    for row in &comparison.rows {
        table.add_row(cells(row));
    }
    let _ = writeln!(text, "\n{}", table.trim_fmt());
    remarks(&mut text, comparison);
    text
}

fn headline(comparison: &Comparison) -> String {
    let count = |verdict| {
        comparison
            .rows
            .iter()
            .filter(|row| row.verdict == verdict)
            .count()
    };
    let verdict = match comparison.verdict {
        _ if !comparison.valid => "INVALID: figures of A or B do not count",
        Verdict::Same => "the same",
        Verdict::Faster => "faster, and nothing slower",
        Verdict::Slower => "SLOWER",
        Verdict::Inconclusive => "inconclusive",
    };
    format!(
        "B against A: {verdict} ({} slower, {} faster, {} the same, {} inconclusive; changes below {} pass)\n",
        count(Verdict::Slower),
        count(Verdict::Faster),
        count(Verdict::Same),
        count(Verdict::Inconclusive),
        percent(comparison.gate),
    )
}

fn cells(row: &Row) -> Vec<Cell> {
    let place = match row.placement {
        Placement::SameCore => "",
        Placement::Split => ", two cores",
    };
    let name = format!(
        "{} on {} ({}{place}): {}",
        row.name.clone().unwrap_or_else(|| row.scenario.to_string()),
        row.stack,
        row.path,
        label(&row.metric)
    );
    let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure(&row.metric, value));
    let interval = match (row.low, row.high) {
        (Some(low), Some(high)) => format!("{} to {}", change(low), change(high)),
        _ => "–".to_owned(),
    };
    let p = row
        .p_adjusted
        .map_or_else(|| "–".to_owned(), |p| format!("{p:.3}"));
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    vec![
        Cell::new(name),
        right(value(row.a)),
        right(value(row.b)),
        right(row.ratio.map_or_else(|| "–".to_owned(), change)),
        right(interval),
        right(p),
        Cell::new(word(row.verdict)),
    ]
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Faster => "faster",
        Verdict::Slower => "SLOWER",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn change(ratio: f64) -> String {
    format!("{:+.1} %", 100.0 * (ratio - 1.0))
}

fn percent(part: f64) -> String {
    format!("{} %", (part * 1e4).round() / 100.0)
}

fn remarks(text: &mut String, comparison: &Comparison) {
    let mut reasons: Vec<&String> = comparison
        .rows
        .iter()
        .filter_map(|row| row.why.as_ref())
        .collect();
    reasons.sort();
    reasons.dedup();
    for reason in reasons {
        let _ = writeln!(text, "Inconclusive: {reason}");
    }
    if comparison.rows.iter().any(|row| row.noise.is_none()) {
        let _ = writeln!(
            text,
            "The noise of this machine is not known for all of this: `handfast calibrate` measures it"
        );
    }
    if !comparison.rows.iter().any(|row| row.paired) {
        let _ = writeln!(
            text,
            "A and B did not take turns: a machine that took a step between them is taken for a difference, and its drift costs \
             certainty. Single runs of both in turns (A, B, B, A, …), each into a directory below --out A or --out B, are compared in pairs"
        );
    }
    for line in comparison.warnings.iter().chain(&comparison.invalid_reasons) {
        let _ = writeln!(text, "Warning: {line}");
    }
}
