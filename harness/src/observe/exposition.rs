//! What was seen so far, in Prometheus's text format 0.0.4.

use std::fmt::Write as _;

use super::{Interval, Standing, operation};

/// Upper bounds of latencies in seconds; there is one more bucket for all beyond.
const BOUNDS: [f64; 22] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5,
    1.0, 2.0, 5.0, 10.0,
];

/// Everything seen, a series for each column of each scenario.
#[derive(Default, Debug)]
pub(super) struct Exposition {
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    labels: String,
    operations: u64,
    failures: u64,
    rate: f64,
    time_wait: Option<u64>,
    /// `None` in a closed loop.
    dropped: Option<u64>,
    latency: Buckets,
    /// Empty in a closed loop.
    response: Buckets,
}

/// How many times are within each bound, those within lower bounds included; the last is all.
#[derive(Default, Debug)]
struct Buckets {
    within: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

impl Buckets {
    fn add(&mut self, times: &[(u64, u64)]) {
        for &(nanoseconds, count) in times {
            let seconds = nanoseconds as f64 / 1e9;
            self.seconds += seconds * count as f64;
            let first = BOUNDS
                .iter()
                .position(|bound| seconds <= *bound)
                .unwrap_or(BOUNDS.len());
            self.within[first..]
                .iter_mut()
                .for_each(|within| *within += count);
        }
    }

    fn all(&self) -> u64 {
        self.within[BOUNDS.len()]
    }
}

impl Exposition {
    pub(super) fn add(&mut self, standing: &Standing, interval: &Interval) {
        let series = self.series_of(standing);
        series.operations += interval.operations;
        series.failures += interval.failed;
        series.rate = interval.per_second;
        series.time_wait = interval.time_wait;
        if let Some(dropped) = interval.dropped_arrivals {
            series.dropped = Some(series.dropped.unwrap_or(0) + dropped);
        }
        series.latency.add(&interval.latencies);
        series.response.add(&interval.responses);
    }

    fn series_of(&mut self, standing: &Standing) -> &mut Series {
        let labels = labels(standing);
        let found = self.series.iter().position(|series| series.labels == labels);
        let at = found.unwrap_or_else(|| {
            self.series.push(Series {
                labels,
                operations: 0,
                failures: 0,
                rate: 0.0,
                time_wait: None,
                dropped: None,
                latency: Buckets::default(),
                response: Buckets::default(),
            });
            self.series.len() - 1
        });
        &mut self.series[at]
    }

    /// The answer to a scrape.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.family(
            &mut text,
            "handfast_operations_total",
            "counter",
            "Operations completed in measured windows",
            |series| Some(series.operations.to_string()),
        );
        self.family(
            &mut text,
            "handfast_failures_total",
            "counter",
            "Operations that failed in measured windows",
            |series| Some(series.failures.to_string()),
        );
        self.family(
            &mut text,
            "handfast_operations_per_second",
            "gauge",
            "Rate of the last interval",
            |series| Some(series.rate.to_string()),
        );
        self.family(
            &mut text,
            "handfast_time_wait_entries",
            "gauge",
            "TIME_WAIT entries held at the end of the last interval",
            |series| Some(series.time_wait?.to_string()),
        );
        self.family(
            &mut text,
            "handfast_dropped_arrivals_total",
            "counter",
            "Arrivals of an open loop that found no room to wait in, in measured windows",
            |series| Some(series.dropped?.to_string()),
        );
        self.histogram(
            &mut text,
            "handfast_latency_seconds",
            "Latency of single operations in measured windows",
            |series| &series.latency,
        );
        self.histogram(
            &mut text,
            "handfast_response_seconds",
            "The same from the intended starts of an open loop, which is what users waited",
            |series| &series.response,
        );
        text
    }

    fn family(
        &self,
        text: &mut String,
        name: &str,
        kind: &str,
        help: &str,
        value: impl Fn(&Series) -> Option<String>,
    ) {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for series in &self.series {
            if let Some(value) = value(series) {
                let _ = writeln!(text, "{name}{{{}}} {value}", series.labels);
            }
        }
    }

    /// Series without a single time are left out.
    fn histogram(&self, text: &mut String, name: &str, help: &str, times: fn(&Series) -> &Buckets) {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        for series in self.series.iter().filter(|series| times(series).all() > 0) {
            let (labels, times) = (&series.labels, times(series));
            let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (bound, count) in bounds.zip(times.within) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(
                text,
                "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}",
                times.seconds,
                times.all()
            );
        }
    }
}

/// No value needs an escape: all are names of this program, or of letters, digits, `-` and `_`.
fn labels(standing: &Standing) -> String {
    format!(
        "scenario=\"{}\",name=\"{}\",stack=\"{}\",path=\"{}\",placement=\"{}\",connections=\"{}\",operation=\"{}\"",
        standing.scenario,
        standing.name,
        standing.stack,
        standing.path,
        standing.placement,
        standing.connections,
        operation(standing.scenario)
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn counters_add_up_gauges_are_the_last_and_buckets_are_cumulative() {
        let mut seen = Exposition::default();
        let (standing, interval) = (fixtures::standing(), fixtures::interval());
        seen.add(&standing, &interval);
        seen.add(
            &standing,
            &Interval {
                time_wait: Some(5),
                per_second: 7.5,
                ..interval
            },
        );
        let text = seen.text();
        let value = |start: &str, part: &str| -> f64 {
            let mut lines = text
                .lines()
                .filter(|line| line.starts_with(start) && line.contains(part));
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("{start} {part} in\n{text}"));
            line.rsplit(' ')
                .next()
                .and_then(|value| value.parse().ok())
                .expect("a number")
        };
        assert_eq!(value("handfast_operations_total{", "stack=\"engine\""), 2002.0);
        assert_eq!(value("handfast_failures_total{", ""), 6.0);
        assert_eq!(value("handfast_operations_per_second{", ""), 7.5);
        assert_eq!(value("handfast_time_wait_entries{", ""), 5.0);
        assert_eq!(value("handfast_dropped_arrivals_total{", ""), 10.0);
        assert_eq!(
            value("handfast_response_seconds_bucket{", "le=\"0.0001\""),
            2000.0
        );
        assert_eq!(value("handfast_response_seconds_count{", ""), 2002.0);
        assert_eq!(value("handfast_latency_seconds_bucket{", "le=\"0.00002\""), 0.0);
        assert_eq!(
            value("handfast_latency_seconds_bucket{", "le=\"0.00005\""),
            2000.0
        );
        assert_eq!(value("handfast_latency_seconds_bucket{", "le=\"+Inf\""), 2002.0);
        assert_eq!(value("handfast_latency_seconds_count{", ""), 2002.0);
        assert!((value("handfast_latency_seconds_sum{", "") - 0.064).abs() < 1e-9);
    }

    #[test]
    fn what_a_stack_cannot_tell_has_no_series_and_columns_are_told_apart() {
        let mut seen = Exposition::default();
        let silent = Interval {
            time_wait: None,
            dropped_arrivals: None,
            latencies: Vec::new(),
            responses: Vec::new(),
            ..fixtures::interval()
        };
        seen.add(&fixtures::standing(), &silent);
        seen.add(
            &Standing {
                connections: 1,
                ..fixtures::standing()
            },
            &silent,
        );
        let text = seen.text();
        for missing in [
            "handfast_time_wait_entries{",
            "handfast_dropped_arrivals_total{",
            "_bucket",
        ] {
            assert!(!text.contains(missing), "{missing} in\n{text}");
        }
        assert_eq!(text.matches("handfast_operations_total{").count(), 2);
    }
}
