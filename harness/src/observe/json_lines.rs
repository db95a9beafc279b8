//! Intervals as lines of JSON.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::figures::LatencyOfInterval;
use super::{Figures, Interval, Observer, Standing, operation};
use crate::config::{Pairing, PathKind, Placement, ScenarioKind};
use crate::measure::counters::KernelCounters;

/// Names the format of a [`Line`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum LineFormat {
    #[serde(rename = "handfast.interval/1")]
    Interval1,
}

/// An interval of the measured window of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Line {
    pub(crate) schema: LineFormat,
    pub(crate) scenario: ScenarioKind,
    /// What a scenario file calls it, else the scenario.
    pub(crate) name: String,
    pub(crate) stack: Pairing,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    /// In flight, or open, for each generator.
    pub(crate) connections: u32,
    /// From 1.
    pub(crate) run: usize,
    /// Seconds since the window began.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// What is counted: connections, teardowns, transactions, bytes or datagrams.
    pub(crate) operation: String,
    /// Completed in the interval.
    pub(crate) operations: u64,
    pub(crate) per_second: f64,
    pub(crate) failed: u64,
    /// Arrivals of an open loop that found no room to wait in; null in a closed loop.
    pub(crate) dropped_arrivals: Option<u64>,
    /// TIME_WAIT entries held at the end of the interval; null where the stack cannot tell.
    pub(crate) time_wait: Option<u64>,
    /// Of the operations that ended in the interval; null where none did, or where the scenario has none.
    pub(crate) latency_ns: Option<LatencyOfInterval>,
    /// The same from the intended starts of an open loop, which is what users waited; null in a closed loop.
    pub(crate) response_ns: Option<LatencyOfInterval>,
    /// What the kernel counted in the interval.
    pub(crate) kernel: KernelCounters,
}

impl Line {
    /// The line of an interval.
    pub(crate) fn of(standing: &Standing, interval: &Interval) -> Self {
        let figures = Figures::of(interval);
        Self {
            schema: LineFormat::Interval1,
            scenario: standing.scenario,
            name: standing.name.clone(),
            stack: standing.stack,
            path: standing.path,
            placement: standing.placement,
            connections: standing.connections,
            run: standing.run,
            from: interval.from,
            to: interval.to,
            operation: operation(standing.scenario).to_owned(),
            operations: interval.operations,
            per_second: interval.per_second,
            failed: interval.failed,
            dropped_arrivals: interval.dropped_arrivals,
            time_wait: interval.time_wait,
            latency_ns: figures.latency_ns,
            response_ns: figures.response_ns,
            kernel: figures.kernel,
        }
    }
}

/// Writes a line for each interval, whole.
#[derive(Debug)]
pub(crate) struct JsonLines<W>(W);

/// A file that lines are added to.
///
/// # Errors
/// When it cannot be opened for that.
pub(crate) fn into_file(path: &Path) -> io::Result<JsonLines<File>> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map(JsonLines)
}

/// Standard error.
pub(crate) fn to_standard_error() -> JsonLines<io::Stderr> {
    JsonLines(io::stderr())
}

impl<W: Write> Observer for JsonLines<W> {
    fn interval(&mut self, standing: &Standing, interval: &Interval) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line::of(standing, interval))?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn a_line_says_whose_interval_it_is_and_what_it_came_to() {
        let mut lines = JsonLines(Vec::new());
        lines
            .interval(&fixtures::standing(), &fixtures::interval())
            .expect("memory takes it");
        let silent = Interval::default();
        lines
            .interval(&fixtures::standing(), &silent)
            .expect("memory takes it");
        let text = String::from_utf8(lines.0).expect("UTF-8");
        let all: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(all.len(), 2);
        assert_eq!((&all[0]["stack"], &all[0]["run"]), (&"engine".into(), &2.into()));
        assert_eq!(all[0]["operation"], "connections");
        assert_eq!(all[0]["latency_ns"]["count"], 1001);
        assert_eq!(all[0]["response_ns"]["count"], 1001);
        assert_eq!(all[0]["kernel"]["hosts"][0]["nstat"]["TcpInSegs"], 8008);
        assert!(all[0]["latency_ns"]["max"].as_u64() >= Some(1_999_000));
        assert!(all[0]["latency_ns"]["p50"].as_u64() < Some(31_000));
        assert_eq!(
            (&all[1]["latency_ns"], &all[1]["time_wait"]),
            (&serde_json::Value::Null, &serde_json::Value::Null)
        );
    }
}
