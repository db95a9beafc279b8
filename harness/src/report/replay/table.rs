//! A replayed list for people.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use serde_json::Value;

use super::Replay;

/// Distributions in the order in which they are read, with what they are.
const SHOWN: [(&str, &str); 11] = [
    ("extent", "extent: datagrams"),
    ("n_reordering", "n-reordering: part of the arrived"),
    ("reordering_free_runs", "reordering-free runs"),
    ("gap", "gap: discontinuities"),
    ("gap_ns", "gap, ns"),
    ("late_ns", "late time, ns"),
    ("byte_offset", "byte offset"),
    ("reorder_density", "reorder density: part"),
    ("buffer_density", "reorder-buffer density: part"),
    ("duplication", "duplication"),
    ("delay_ns", "one-way delay, ns"),
];

/// All that was found, a row for each metric.
pub(crate) fn findings(replay: &Replay) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["", "found"]);
    let counts = [
        ("sent", replay.sent),
        ("arrivals", replay.arrivals),
        ("lost", replay.lost),
        ("duplicated", replay.duplicated),
        ("too old to be told apart", replay.too_old),
        ("too far ahead to be believed", replay.implausible),
    ];
    for (name, count) in counts {
        table.add_row([name.to_owned(), count.to_string()]);
    }
    let ratio = replay.reordered_ratio.map_or_else(String::new, |ratio| {
        format!(" ({:.3} % of the arrived)", ratio * 100.0)
    });
    table.add_row(["reordered".to_owned(), format!("{}{ratio}", replay.reordered)]);
    for (name, label) in SHOWN {
        table.add_row([label.to_owned(), entries(&replay.distributions[name])]);
    }
    format!("{}\n", table.trim_fmt())
}

/// `key: value` in the order of the keys as numbers, where they are some.
fn entries(distribution: &Value) -> String {
    let Some(map) = distribution.as_object() else {
        return distribution.to_string();
    };
    if map.is_empty() || (map.len() == 1 && distribution["count"] == 0) {
        return "–".to_owned();
    }
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| key.parse::<i64>().ok());
    let written = entries.into_iter().map(|(key, value)| match value.as_f64() {
        Some(number) if number.fract() != 0.0 => format!("{key}: {number:.4}"),
        _ if value.is_null() => format!("{key}: –"),
        _ => format!("{key}: {value}"),
    });
    written.collect::<Vec<_>>().join("\n")
}
