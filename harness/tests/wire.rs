//! The path `wire`: what a run finds of its packets is what the wire's own record says was done to them.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::Value;

fn handfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// The only run of each stack, or a loud word on why there is no wire here.
fn runs(arguments: &[&str]) -> Option<Vec<(String, Value)>> {
    let common = ["--path", "wire", "--runs", "1", "--json"];
    let out = std::env::temp_dir().join(format!("handfast-wire-{}-{}", arguments[1], std::process::id()));
    let out_name = out.to_str().expect("UTF-8");
    let output = handfast(&[arguments, &common, &["--out", out_name]].concat());
    let _ = std::fs::remove_dir_all(&out);
    let errors = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let mut found = Vec::new();
    for result in document["results"].as_array().expect("results") {
        if let Some(reason) = result["unsupported_reason"].as_str() {
            assert!(reason.contains("no path through wire here"), "{reason}");
            writeln!(
                std::io::stderr().lock(),
                "SKIPPED: the wire, because there is {reason}"
            )
            .expect("standard error");
            return None;
        }
        let run = &result["runs"][0];
        assert!(run["error"].is_null(), "{run}");
        found.push((result["stack"].to_string(), run.clone()));
    }
    Some(found)
}

const IMPAIRED: &str = "delay=3ms,jitter=500us,loss=ge:1%,25%,duplicate=2%,corrupt=1%,reorder=delay:3%,2ms";

#[test]
fn what_reorder_finds_is_what_was_done() {
    let arguments = [
        "run",
        "reorder",
        "--stack",
        "kernel,engine",
        "--duration",
        "1s",
        "--link",
        IMPAIRED,
    ];
    let Some(runs) = runs(&arguments) else { return };
    let mut decisions = Vec::new();
    for (stack, run) in runs {
        let (metrics, wire) = (&run["metrics"], &run["wire"]["forward"]);
        let done = |name: &str| wire[name].as_u64().unwrap_or_else(|| panic!("{name}: {wire}"));
        let found = |name: &str| {
            metrics[name]
                .as_f64()
                .unwrap_or_else(|| panic!("{name}: {metrics}"))
        };
        assert!(
            done("reordered") > 0 && done("duplicated") > 0 && done("corrupted") > 0,
            "{stack}: {wire}"
        );
        assert_eq!(
            (done("in_flight"), done("refused"), done("overrun")),
            (0, 0, 0),
            "{stack}: {wire}"
        );
        let lost = done("dropped_by_loss") + done("dropped_by_queue") + done("corrupted");
        assert_eq!(
            (found("lost_at_sender"), found("lost_on_path")),
            (0.0, lost as f64),
            "{stack}: {metrics} {wire}"
        );
        decisions.push(done("offered"));
        if found("lost_at_receiver") > 0.0 {
            // The machine is so busy that a buffer overflowed, and what was received is not what passed.
            continue;
        }
        assert_eq!(found("duplicated"), done("duplicated") as f64, "{stack}: {wire}");
        let reordered = found("reordered_ratio") * done("passed") as f64;
        assert!(
            (reordered - done("reordered") as f64).abs() < 1e-6,
            "{stack}: {reordered} of {wire}"
        );
        assert!(
            wire["delay"]["min_ns"].as_u64() >= Some(2_490_000),
            "{stack}: {wire}"
        );
    }
    assert_eq!(decisions.len(), 2);
}

#[test]
fn requests_are_answered_over_an_impaired_wire_and_not_before_its_delay() {
    let arguments = [
        "run",
        "rr",
        "--stack",
        "kernel,engine",
        "--duration",
        "1s",
        "--link",
        "delay=2ms,loss=0.5%,queue=50p,rate=100mbit",
        "--link-back",
        "delay=1ms",
    ];
    let Some(runs) = runs(&arguments) else { return };
    for (stack, run) in runs {
        let metrics = &run["metrics"];
        assert!(
            metrics["transactions_per_second"].as_f64() > Some(100.0),
            "{stack}: {metrics}"
        );
        assert!(
            metrics["latency_ns_p50"].as_f64() >= Some(3e6),
            "{stack}: {metrics}"
        );
        assert!(
            run["wire"]["forward"]["dropped_by_loss"].as_u64() > Some(0),
            "{stack}: {run}"
        );
        assert_eq!(
            run["wire"]["back"]["dropped_by_loss"].as_u64(),
            Some(0),
            "{stack}: {run}"
        );
    }
}

#[test]
fn connections_streams_and_datagrams_cross_it_too() {
    for scenario in ["crr", "stream", "udp"] {
        let arguments = [
            "run",
            scenario,
            "--stack",
            "kernel,engine",
            "--duration",
            "500ms",
            "--link",
            "delay=1ms,rate=200mbit",
        ];
        let Some(runs) = runs(&arguments) else { return };
        for (stack, run) in runs {
            let passed = run["wire"]["forward"]["passed"].as_u64();
            assert!(passed > Some(100), "{scenario} {stack}: {run}");
            assert_eq!(
                run["wire"]["forward"]["corrupted"].as_u64(),
                Some(0),
                "{scenario} {stack}"
            );
        }
    }
}

#[test]
fn a_link_elsewhere_and_a_word_it_has_not_are_refused_with_the_way_out() {
    for (arguments, reason) in [
        (&["run", "rr", "--link", "delay=1ms"][..], "--path wire"),
        (
            &["run", "rr", "--path", "wire", "--link", "dealy=1ms"][..],
            "did you mean delay?",
        ),
    ] {
        let output = handfast(arguments);
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(reason), "{errors}");
    }
}
