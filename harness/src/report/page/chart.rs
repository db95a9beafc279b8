//! Charts as the page's script draws them. All computing is done here; `assets/report/charts.js` only draws.

use serde::Serialize;

/// One plot, with the same x values for all of its series.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Chart {
    /// Unique on its page; also the id of the element that it is drawn in.
    pub(super) id: String,
    pub(super) title: String,
    /// What a reader has to know to read it.
    pub(super) note: String,
    pub(super) kind: Kind,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) at: Vec<f64>,
    pub(super) series: Vec<Series>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Line,
    /// Bars of all series beside each other at each x.
    Bars,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) scale: Scale,
    pub(super) unit: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scale {
    Linear,
    Log,
}

/// How values are written beside an axis and below the cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    Count,
    /// Nanoseconds.
    Ns,
    Seconds,
    Gigabits,
    /// Seconds since 1970, UTC.
    Date,
    /// A part of one, shown in percent.
    Part,
    /// 1 ÷ (1 − p), shown as the percentile p.
    Percentile,
}

/// What tells figures of the same stack, which have its colour, from each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stroke {
    Solid,
    /// The second.
    Dashed,
    /// The third.
    Dotted,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Series {
    pub(super) name: String,
    /// Number of the colour, the same for a stack in all charts of a document.
    pub(super) color: usize,
    pub(super) stroke: Stroke,
    /// Whether it is single points, marked, in place of a line.
    pub(super) marks: bool,
    /// One for each x; null where there is none.
    pub(super) values: Vec<Option<f64>>,
}

impl Axis {
    pub(super) fn new(label: impl Into<String>, scale: Scale, unit: Unit) -> Self {
        Self {
            label: label.into(),
            scale,
            unit,
        }
    }
}
