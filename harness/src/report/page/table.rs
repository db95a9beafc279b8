//! The figures of a chart as a table, for who cannot see it.

use serde::Serialize;

use super::chart::{Chart, Unit};
use crate::report::time::utc;
use crate::report::units::{digits, nanoseconds, scaled};

/// More rows than this are for a spreadsheet.
const MOST_ROWS: usize = 120;

/// A column for each series or stack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    /// What the row is called, and a figure for each column.
    pub(super) rows: Vec<(String, Vec<String>)>,
    /// What is not in it; empty when nothing is missing.
    pub(super) left_out: String,
}

/// The points of a chart, evenly thinned out where there are too many.
pub(super) fn table(chart: &Chart) -> Table {
    let every = chart.at.len().div_ceil(MOST_ROWS).max(1);
    let row = |(point, x): (usize, &f64)| {
        let values = chart
            .series
            .iter()
            .map(|series| shown(chart.y.unit, series.values[point]));
        (shown(chart.x.unit, Some(*x)), values.collect())
    };
    Table {
        columns: chart.series.iter().map(|series| series.name.clone()).collect(),
        rows: chart.at.iter().enumerate().step_by(every).map(row).collect(),
        left_out: if every > 1 {
            format!("One of {every} points; all of them are in the files beside the document.")
        } else {
            String::new()
        },
    }
}

fn shown(unit: Unit, value: Option<f64>) -> String {
    let Some(value) = value else {
        return "–".to_owned();
    };
    match unit {
        Unit::Count => scaled(value),
        Unit::Ns => nanoseconds(value),
        Unit::Seconds => format!("{} s", digits(value)),
        Unit::Gigabits => format!("{} Gbit/s", digits(value)),
        Unit::Date => utc(value as u64),
        Unit::Part => format!("{} %", digits(value * 100.0)),
        Unit::Percentile => format!("p{}", digits(100.0 - 100.0 / value)),
    }
}
