use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::calibration::{Floor, Machine, Noise};
use crate::config::StackKind;
use crate::measure::statistics::SplitMix64;
use crate::report::{fixtures, one_line};

fn unknown() -> Noise {
    Noise::unknown(Machine::default())
}

/// A document of `crr` on the engine whose runs have these rates.
fn document(rates: &[f64], started: &str) -> Read {
    let runs = rates.iter().enumerate();
    let runs: Vec<Value> = runs
        .map(|(index, rate)| json!({ "index": index, "valid": true, "metrics": { "connections_per_second": rate } }))
        .collect();
    serde_json::from_value(json!({
        "scenario": "crr", "started": started, "valid": true, "invalid_reasons": [],
        "environment": { "cpu": "a processor" },
        "results": [{ "stack": "engine", "path": "memory", "placement": "same-core",
                      "config": { "connections": 64, "seed": 1 }, "runs": runs }],
    }))
    .expect("a document")
}

fn noisy(random: &mut SplitMix64, runs: usize, factor: f64, spread: f64) -> Vec<f64> {
    let normal = |random: &mut SplitMix64| (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    (0..runs)
        .map(|_| 5e5 * factor * (spread * normal(random)).exp())
        .collect()
}

fn verdict_of(a: &[f64], b: &[f64]) -> Row {
    let (a, b) = (document(a, "1"), document(b, "2"));
    let mut found = compare(&[a], &[b], 0.05, &unknown()).expect("comparable");
    assert_eq!(found.rows.len(), 1);
    found.rows.remove(0)
}

#[test]
fn a_against_a_is_never_slower_in_twenty_tries() {
    let mut random = SplitMix64::new(11);
    for spread in [0.01, 0.05, 0.14] {
        for try_number in 0..20 {
            let (a, b) = (
                noisy(&mut random, 8, 1.0, spread),
                noisy(&mut random, 8, 1.0, spread),
            );
            let row = verdict_of(&a, &b);
            assert_ne!(row.verdict, Verdict::Slower, "try {try_number}: {row:?}");
            assert_ne!(row.verdict, Verdict::Faster, "try {try_number}: {row:?}");
        }
    }
}

#[test]
fn a_tenth_slower_is_found_and_a_tenth_faster_too() {
    let mut random = SplitMix64::new(12);
    for _ in 0..20 {
        let (a, b) = (
            noisy(&mut random, 10, 1.0, 0.01),
            noisy(&mut random, 10, 0.9, 0.01),
        );
        assert_eq!(verdict_of(&a, &b).verdict, Verdict::Slower);
        assert_eq!(verdict_of(&b, &a).verdict, Verdict::Faster);
    }
}

#[test]
fn quiet_runs_are_the_same_and_loud_ones_cannot_tell() {
    let mut random = SplitMix64::new(13);
    let (a, b) = (
        noisy(&mut random, 10, 1.0, 0.005),
        noisy(&mut random, 10, 1.0, 0.005),
    );
    assert_eq!(verdict_of(&a, &b).verdict, Verdict::Same);
    let (a, b) = (noisy(&mut random, 10, 1.0, 0.3), noisy(&mut random, 10, 1.0, 0.3));
    let row = verdict_of(&a, &b);
    assert_eq!(row.verdict, Verdict::Inconclusive);
    assert!(row.why.expect("a reason").contains("vary too much"));
}

#[test]
fn too_few_runs_say_how_many_would_do() {
    let row = verdict_of(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]);
    assert_eq!(
        (row.verdict, row.low, row.p, row.n),
        (Verdict::Inconclusive, None, None, 3)
    );
    assert!(row.why.expect("a reason").contains("--runs 10"));
    assert_eq!(
        row.ratio.map(f64::round),
        Some(10.0),
        "the effect is told all the same"
    );
}

#[test]
fn documents_that_took_turns_are_compared_in_pairs() {
    let single = |rate: f64, minute: usize| document(&[rate], &format!("2026-11-22T19:{minute:02}:00Z"));
    // The machine becomes slower all the time, by far more than the second is slower than the first.
    let drift = |minute: usize| 1e6 / (1.0 + minute as f64);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for block in 0..8_usize {
        let (first, second) = (2 * block, 2 * block + 1);
        let (of_a, of_b) = if block % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        a.push(single(drift(block), of_a));
        b.push(single(0.8 * drift(block), of_b));
    }
    let found = compare(&a, &b, 0.05, &unknown()).expect("comparable");
    let row = &found.rows[0];
    assert!(row.paired && row.n == 8, "{row:?}");
    assert_eq!(row.verdict, Verdict::Slower);
    assert!((row.ratio.expect("a ratio") - 0.8).abs() < 1e-9);
    // In blocks one after the other they are two samples, which the drift makes incomparable.
    let late: Vec<Read> = (0..8)
        .map(|block| single(0.8 * drift(block), 30 + block))
        .collect();
    let found = compare(&a, &late, 0.05, &unknown()).expect("comparable");
    assert!(!found.rows[0].paired);
    assert_eq!(found.verdict, Verdict::Inconclusive);
}

#[test]
fn a_change_below_twice_the_noise_of_the_machine_is_none_and_not_the_same_either() {
    let mut random = SplitMix64::new(14);
    let mut noise = unknown();
    noise.learn(vec![Floor {
        scenario: ScenarioKind::Crr,
        stack: Pairing::of(StackKind::Engine),
        path: PathKind::Memory,
        placement: Placement::SameCore,
        metric: "connections_per_second".to_owned(),
        noise: 0.1,
        n: 10,
        duration: 1.0,
    }]);
    let mut beside = |factor: f64, spread: f64| {
        let (a, b) = (
            noisy(&mut random, 10, 1.0, spread),
            noisy(&mut random, 10, factor, spread),
        );
        let mut found =
            compare(&[document(&a, "1")], &[document(&b, "2")], 0.05, &noise).expect("comparable");
        found.rows.remove(0)
    };
    let row = beside(0.99, 0.01);
    assert_eq!((row.verdict, row.margin), (Verdict::Same, 0.2));
    for (factor, spread, advice) in [
        // Within the margin, but not within the gate: more runs would be.
        (1.0, 0.04, "cannot tell: take --runs"),
        // Beyond the gate and beyond chance, ...
        (0.9, 0.01, "calibrate"),
        // ... or not: no number of runs takes it beyond the margin.
        (0.92, 0.06, "calibrate"),
    ] {
        let row = beside(factor, spread);
        assert_eq!(row.verdict, Verdict::Inconclusive, "{row:?}");
        assert!(
            row.why.as_ref().is_some_and(|why| why.contains(advice)),
            "{advice}: {row:?}"
        );
    }
}

#[test]
fn what_was_not_measured_alike_is_not_compared() {
    let (a, mut b) = (document(&[1.0], "1"), document(&[1.0], "2"));
    b.results[0].config.insert("connections".to_owned(), json!(1));
    let error = compare(std::slice::from_ref(&a), &[b], 0.05, &unknown()).expect_err("other parameters");
    assert!(error.to_string().contains("connections 64") && error.to_string().contains("connections 1"));
    let mut b = document(&[1.0], "2");
    b.scenario = ScenarioKind::Rr;
    assert!(
        compare(&[a], &[b], 0.05, &unknown()).is_err(),
        "nothing in common"
    );
}

#[test]
fn runs_that_a_scenario_file_tells_apart_are_compared_apart() {
    let named = |name: &str, connections: u32, started: &str| {
        let mut document = document(&[1.0], started);
        document.name = Some(name.to_owned());
        document.results[0]
            .config
            .insert("connections".to_owned(), json!(connections));
        document
    };
    let a = [named("few", 1, "1"), named("many", 64, "2")];
    let b = [named("many", 64, "3"), named("few", 1, "4")];
    let rows = compare(&a, &b, 0.05, &unknown()).expect("the same runs").rows;
    let names: Vec<_> = rows.iter().map(|row| row.name.as_deref()).collect();
    assert_eq!(names, [Some("few"), Some("many")]);
}

#[test]
fn an_invalid_document_and_another_machine_are_told() {
    let (a, mut b) = (document(&[1.0], "1"), document(&[1.0], "2"));
    b.valid = false;
    b.results[0].runs[0].valid = false;
    b.invalid_reasons = vec!["disturbed".to_owned()];
    b.environment["cpu"] = json!("another processor");
    let found = compare(&[a], &[b.clone(), b], 0.05, &unknown()).expect("comparable");
    assert!(!found.valid);
    assert_eq!(found.invalid_reasons, ["B, crr: disturbed"]);
    assert_eq!(found.rows.len(), 1);
    assert!(found.warnings[0].contains("another processor"));
    let shown = verdicts(&found);
    assert!(
        shown.starts_with("B against A: INVALID") && shown.contains("disturbed"),
        "{shown}"
    );
}

#[test]
fn the_baseline_is_a_directory_to_compare_with() {
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/baseline");
    let documents = read(&baseline).expect("readable");
    assert!(documents.len() >= 5, "{} documents", documents.len());
    let found = compare(&documents, &documents, 0.05, &unknown()).expect("comparable");
    assert_ne!(found.verdict, Verdict::Slower);
}

#[test]
fn what_this_program_writes_can_be_read_and_compared() {
    let directory = std::env::temp_dir().join(format!("handfast-compare-{}", std::process::id()));
    let file = directory.join("deep/run.json");
    std::fs::create_dir_all(directory.join("deep")).expect("writable");
    std::fs::write(&file, one_line(&fixtures::document()).expect("serialises")).expect("writable");
    let (of_file, of_directory) = (
        read(&file).expect("readable"),
        read(&directory).expect("readable"),
    );
    let found = compare(&of_file, &of_directory, 0.05, &unknown()).expect("comparable");
    let stacks: std::collections::BTreeSet<String> =
        found.rows.iter().map(|row| row.stack.to_string()).collect();
    assert_eq!(stacks.len(), 3, "the unsupported one has nothing to compare");
    std::fs::copy(&file, directory.join("by another name.json")).expect("writable");
    std::fs::write(
        directory.join("search.json"),
        "{\"schema\": \"handfast.search/1\"}",
    )
    .expect("writable");
    std::fs::write(directory.join("notes.json"), "[").expect("writable");
    assert_eq!(
        read(&directory).expect("readable").len(),
        of_file.len(),
        "a copy is no further run"
    );
    std::fs::write(&file, "{\"schema\": \"handfast.run/2\"}").expect("writable");
    assert!(
        read(&file)
            .expect_err("another schema")
            .to_string()
            .contains("handfast.run/2")
    );
    std::fs::write(&file, "{").expect("writable");
    assert!(
        read(&directory)
            .expect_err("torn")
            .to_string()
            .contains("no JSON")
    );
    std::fs::remove_file(&file).expect("removable");
    assert_eq!(read(&directory).expect("readable").len(), of_file.len());
    std::fs::remove_file(directory.join("by another name.json")).expect("removable");
    assert!(
        read(&directory)
            .expect_err("none")
            .to_string()
            .contains("no document")
    );
    std::fs::remove_dir_all(directory).expect("removable");
}
