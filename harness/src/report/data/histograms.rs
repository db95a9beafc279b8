//! Latencies as logs of HdrHistogram (V2, compressed), which other people's plotters read. Values are nanoseconds, and tags say whose.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::{DataFile, intervals, runs};
use crate::measure::recorder::from_buckets;
use crate::report::document::{Distribution, Document, Run, StackResult};
use crate::report::time::seconds_since_1970;

/// A line of a log.
struct Entry {
    tag: String,
    /// Seconds since the document's start.
    from: f64,
    seconds: f64,
    histogram: Histogram<u64>,
}

/// `NAME.hlog` for each latency of the document: a line for each run.
pub(super) fn of_runs(document: &Document) -> Vec<DataFile> {
    let mut logs: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for (result, run) in runs(document) {
        for (name, distribution) in &run.distributions {
            if let Distribution::Latency(latencies) = distribution {
                let entry = entry(result, run, from_buckets(&latencies.buckets));
                logs.entry(name).or_default().push(entry);
            }
        }
    }
    let file = |(name, entries): (&str, Vec<Entry>)| DataFile {
        name: format!("{name}.hlog"),
        content: log(document, &format!("{name} of each run"), &entries),
    };
    logs.into_iter().map(file).collect()
}

/// A line for each interval that has latencies; `None` when there is no such interval.
pub(super) fn of_intervals(document: &Document) -> Option<DataFile> {
    let mut entries: Vec<Entry> = runs(document)
        .flat_map(|(result, run)| {
            let told = run
                .intervals
                .iter()
                .filter(|figures| figures.latency_ns.is_some());
            told.map(move |figures| Entry {
                from: run.began_seconds + figures.from,
                seconds: figures.to - figures.from,
                ..entry(result, run, figures.histogram())
            })
        })
        .collect();
    entries.sort_by(|one, other| one.from.total_cmp(&other.from));
    (!entries.is_empty()).then(|| DataFile {
        name: intervals::LOG.to_owned(),
        content: log(document, "latencies of each interval", &entries),
    })
}

fn entry(result: &StackResult, run: &Run, histogram: Histogram<u64>) -> Entry {
    let seconds = run.metrics.get("window_seconds").copied().flatten();
    Entry {
        tag: tag(result),
        from: run.began_seconds,
        seconds: seconds.unwrap_or(0.0),
        histogram,
    }
}

/// `engine:memory:same-core:64`, the last being the connections.
fn tag(result: &StackResult) -> String {
    format!(
        "{}:{}:{}:{}",
        result.stack, result.path, result.placement, result.config.connections
    )
}

fn log(document: &Document, what: &str, entries: &[Entry]) -> Vec<u8> {
    let started = UNIX_EPOCH + Duration::from_secs(seconds_since_1970(&document.started).unwrap_or(0));
    let mut content = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("handfast {}: {what}, in nanoseconds", document.scenario))
        .with_start_time(started)
        .with_base_time(started);
    let mut writer = builder
        .begin_log_with(&mut content, &mut serializer)
        .expect("memory takes a log");
    for entry in entries {
        let (from, length) = (seconds(entry.from), seconds(entry.seconds));
        let tag = Tag::new(&entry.tag).expect("names of stacks and paths hold neither commas nor spaces");
        writer
            .write_histogram(&entry.histogram, from, length, Some(tag))
            .expect("memory takes a log");
    }
    content
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
