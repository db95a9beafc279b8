//! Processor time of an operation by what cores did: the run's own code, the kernel for programs, softirqs.

use super::cost::{Bar, Costs, Part, on_one_scale, operation};
use super::reading::{PageDocument, PageResult, PageRun};
use crate::measure::statistics::median;

/// A kind of time, and how much of it a run's counters tell in seconds.
type Mode = (&'static str, fn(&PageRun) -> Option<f64>);

/// Each second is in one of them: those of the machine are disjoint, and the process's own code is a part of what programs did.
const MODES: [Mode; 4] = [
    ("user", |run| counter(run, "process", "user_seconds")),
    ("kernel", |run| counter(run, "machine", "machine_system_seconds")),
    ("softirq", |run| {
        Some(counter(run, "machine", "softirq_seconds")? + counter(run, "machine", "irq_seconds")?)
    }),
    ("others", |run| {
        Some(counter(run, "machine", "machine_user_seconds")? - counter(run, "process", "user_seconds")?)
    }),
];

fn counter(run: &PageRun, of: &str, name: &str) -> Option<f64> {
    run.counters.get(of)?.get(name)?.as_f64()
}

/// What each stack's operation cost by mode, the median of its runs; `None` when no stack's runs were counted.
pub(super) fn costs(document: &PageDocument) -> Option<Costs> {
    let operation = operation(document)?;
    let bar = |result: &PageResult| Bar {
        name: result.name(),
        parts: MODES
            .iter()
            .filter_map(|mode| part(result, mode, &operation))
            .collect(),
    };
    on_one_scale(document.results.iter().map(bar).collect()).map(|bars| Costs { operation, bars })
}

fn part(result: &PageResult, &(kind, seconds): &Mode, operation: &str) -> Option<Part> {
    let each = result
        .runs
        .iter()
        .filter_map(|run| Some(seconds(run)? * 1e9 / operations(run, operation)?));
    let nanoseconds = median(&each.collect::<Vec<_>>())?;
    (nanoseconds > 0.0).then(|| Part::new(kind, nanoseconds))
}

/// The process's bill, divided by that of one operation.
fn operations(run: &PageRun, operation: &str) -> Option<f64> {
    let bill = counter(run, "process", "user_seconds")? + counter(run, "process", "system_seconds")?;
    let one = run
        .metrics
        .get(&format!("cpu_ns_per_{operation}"))
        .copied()
        .flatten()?;
    Some(bill * 1e9 / one).filter(|operations| *operations > 0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(counters: &Value) -> PageDocument {
        serde_json::from_value(json!({ "scenario": "crr", "results": [{
            "stack": "kernel", "path": "loopback",
            "metrics": { "cpu_ns_per_connection": { "median": 50_000.0, "min": 1.0, "max": 1.0, "low": null, "high": null } },
            "runs": [{ "metrics": { "cpu_ns_per_connection": 50_000.0 }, "counters": counters }],
        }] }))
        .expect("a document")
    }

    #[test]
    fn every_second_of_the_machine_is_in_one_part() {
        let found = costs(&document(&json!({
            "process": { "user_seconds": 0.2, "system_seconds": 0.8 },
            "machine": { "machine_user_seconds": 0.5, "machine_system_seconds": 0.6, "irq_seconds": 0.1, "softirq_seconds": 0.3 },
        })))
        .expect("it was counted");
        let parts: Vec<_> = found.bars[0]
            .parts
            .iter()
            .map(|part| (part.kind, part.figure.as_str(), part.width))
            .collect();
        // A second of the process is 20,000 connections.
        assert_eq!(
            parts,
            [
                ("user", "10.0 µs", 13.3),
                ("kernel", "30.0 µs", 40.0),
                ("softirq", "20.0 µs", 26.7),
                ("others", "15.0 µs", 20.0)
            ]
        );
    }

    #[test]
    fn what_was_not_counted_has_no_bars() {
        assert_eq!(costs(&document(&Value::Null)), None);
    }
}
