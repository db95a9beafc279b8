//! What lies beside a document is what the document says.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::measure::counters::Counters;
use crate::measure::recorder::{empty_histogram, from_buckets};
use crate::report::document::Distribution;
use crate::report::fixtures;

fn file(name: &str, document: &Document) -> Option<Vec<u8>> {
    files(document)
        .into_iter()
        .find(|file| file.name == name)
        .map(|file| file.content)
}

/// The base64 of RFC 4648 §4.
fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|byte| ALPHABET.iter().position(|&one| one == byte))
        .map(|digit| digit as u32)
        .collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

/// The histograms of a log by tag, those of one tag added, and how many there were.
fn read(log: &[u8]) -> (BTreeMap<String, Histogram<u64>>, usize) {
    let mut sums = BTreeMap::new();
    let mut count = 0;
    for entry in IntervalLogIterator::new(log) {
        if let LogEntry::Interval(interval) = entry.expect("an entry") {
            let bytes = from_base64(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .expect("a histogram");
            let tag = interval.tag().expect("a tag").as_str().to_owned();
            sums.entry(tag)
                .or_insert_with(empty_histogram)
                .add(&histogram)
                .expect("the same bounds");
            count += 1;
        }
    }
    (sums, count)
}

#[test]
fn a_log_holds_the_latencies_of_every_run() {
    let document = fixtures::document();
    let log = file("setup_ns.hlog", &document).expect("there are set-ups");
    let (sums, count) = read(&log);
    assert_eq!(count, runs(&document).count());
    let mut expected = empty_histogram();
    for run in &document.results[0].runs {
        let Distribution::Latency(latencies) = &run.distributions["setup_ns"] else {
            panic!("a set-up time is a latency");
        };
        expected
            .add(from_buckets(&latencies.buckets))
            .expect("the same bounds");
    }
    assert_eq!(sums["engine:memory:same-core:64"], expected);
    assert_eq!(
        sums.len(),
        4,
        "smoltcp has one for each number of connections: {:?}",
        sums.keys()
    );
    let text = String::from_utf8(log).expect("UTF-8");
    assert!(
        text.starts_with("#[Histogram log format version 1.3]\n"),
        "{}",
        &text[..200]
    );
    assert!(text.contains("#[StartTime: 1795375800.000"), "{}", &text[..200]);
}

#[test]
fn intervals_are_a_table_and_a_log() {
    let document = fixtures::document();
    let table =
        String::from_utf8(file("intervals.csv", &document).expect("intervals were kept")).expect("UTF-8");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + runs(&document).count());
    assert_eq!(
        lines[0],
        "stack,path,placement,connections,run,operation,from_s,to_s,operations,per_second,failed,time_wait,latencies,\
         p50_ns,p99_ns,p999_ns,max_ns,dropped_arrivals,response_p50_ns,response_p99_ns,response_p999_ns,response_max_ns"
    );
    assert!(
        lines[1].starts_with("engine,memory,same-core,64,1,connections,1,2,1001,1001,3,2002,1001,3"),
        "{}",
        lines[1]
    );
    let (sums, count) = read(&file("intervals.hlog", &document).expect("they have latencies"));
    assert_eq!(
        (count, sums["engine:memory:same-core:64"].len()),
        (lines.len() - 1, 3 * 1001)
    );
}

#[test]
fn counters_are_rows_by_their_path() {
    let mut document = fixtures::document();
    assert_eq!(file("counters.csv", &document), None, "nothing was counted");
    let mut counters = Counters::default();
    counters.process.minor_faults = 17;
    counters.hosts.push(crate::measure::counters::HostCounters {
        host: "client".to_owned(),
        nstat: BTreeMap::from([("TcpInSegs".to_owned(), -5)]),
        ..Default::default()
    });
    document.results[0].runs[1].counters = Some(counters);
    let table =
        String::from_utf8(file("counters.csv", &document).expect("one run was counted")).expect("UTF-8");
    for row in ["process.minor_faults,17", "hosts.client.nstat.TcpInSegs,-5"] {
        let line = format!("engine,memory,same-core,64,2,{row}");
        assert!(table.lines().any(|other| other == line), "{line} in {table}");
    }
    assert!(!table.contains("hardware"), "what was not counted is left out");
}

#[test]
fn what_the_kernel_counted_in_an_interval_is_a_row_with_its_times() {
    let content = file("interval-counters.csv", &fixtures::document()).expect("intervals were kept");
    let table = String::from_utf8(content).expect("UTF-8");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "stack,path,placement,connections,run,from_s,to_s,counter,value",
            "engine,memory,same-core,64,1,1,2,hosts.both.nstat.TcpInSegs,8008",
            "engine,memory,same-core,64,1,1,2,hosts.both.sockstat.TCP_tw,2002",
        ]
    );
}

#[test]
fn a_document_without_runs_has_no_data() {
    let mut document = fixtures::document();
    for result in &mut document.results {
        result.runs.clear();
        result.alternatives.clear();
    }
    assert_eq!(files(&document), []);
}

#[test]
fn all_files_are_known_as_ours_and_no_others() {
    let mut document = fixtures::document();
    document.results[0].runs[0].counters = Some(Counters::default());
    let names: Vec<String> = files(&document).into_iter().map(|file| file.name).collect();
    assert_eq!(
        names,
        [
            "setup_ns.hlog",
            "intervals.hlog",
            "intervals.csv",
            "counters.csv",
            "interval-counters.csv"
        ]
    );
    assert!(names.iter().all(|name| is_ours(name)));
    assert!(is_ours("sequence-engine-memory-same-core-1-run1.csv"));
    assert!(is_ours("capture-kernel-veth-same-core-64-run1.pcapng"));
    for other in ["run.json", "notes.csv", "other.hlog", "sequence.csv"] {
        assert!(!is_ours(other), "{other}");
    }
}
