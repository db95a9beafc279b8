//! Idle connections for which one process has no room are held by further ones, which go with the run.

#[path = "support/children.rs"]
mod children;
#[path = "support/patience.rs"]
mod patience;
#[path = "support/scratch.rs"]
mod scratch;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use handfast_namespace::skip;
use serde_json::Value;

use children::{Run, descendants};
use patience::wait_for;
use scratch::Scratch;

/// Whoever takes longer for one thing has failed, and would hang otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// Descriptors of one process, which are enough for 236 connections of its own.
const FEW_FILES: &str = "ulimit -n 600; exec \"$0\" \"$@\"";

/// The program with few descriptors.
fn handfast(arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", FEW_FILES, env!("CARGO_BIN_EXE_handfast")])
        .args(arguments);
    command
}

/// The only result of a short run; `None`, loudly, where there is no namespace for it.
fn result(name: &str, arguments: &[&str]) -> Option<Value> {
    let out = Scratch::new(&format!("holders-{name}"));
    let output = handfast(&["run"])
        .args(arguments)
        .args([
            "--duration",
            "200ms",
            "--runs",
            "1",
            "--json",
            "--out",
            out.path(),
        ])
        .output()
        .expect("the program starts");
    let mut document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let mut result = document["results"][0].take();
    let reason = result["unsupported_reason"].to_string();
    if notes(&result).contains("no network namespace") || reason.contains("no path through") {
        skip("there is no network namespace for a run here");
        return None;
    }
    assert_eq!(result["unsupported_reason"], Value::Null, "{result}");
    Some(result["runs"][0].take())
}

fn notes(result: &Value) -> String {
    result["runs"][0]["notes"].to_string()
}

#[test]
fn every_kernel_column_holds_more_idle_connections_than_a_process_may_open() {
    for stack in ["kernel", "kernel-tuned", "kernel-uring"] {
        let asked = ["idle", "--stack", stack, "--connections", "1500"];
        let Some(run) = result(stack, &asked) else { return };
        let metrics = &run["metrics"];
        assert_eq!(metrics["reached"], 1500.0, "{stack}: {run}");
        assert_eq!(metrics["failed"], 0.0, "{stack}: {run}");
        let told = run["notes"].to_string();
        assert!(told.contains("held by further processes"), "{stack}: {told}");
        // Both ends of each are in the namespace of the run, whoever holds them.
        let sockets = run["counters"]["hosts"][0]["sockstat_after"]["TCP_inuse"].as_u64();
        assert!(
            sockets.is_some_and(|sockets| sockets >= 3000),
            "{stack}: {sockets:?}"
        );
    }
}

#[test]
fn a_load_runs_beside_connections_that_others_hold() {
    let asked = ["crr", "--stack", "kernel", "--idle", "1000", "--generators", "2"];
    let Some(run) = result("beside", &asked) else {
        return;
    };
    assert_eq!(run["metrics"]["idle_reached"], 1000.0, "{run}");
    assert_eq!(run["metrics"]["failed"], 0.0, "{run}");
}

#[test]
fn connections_between_two_hosts_are_held_too() {
    for (path, stack, ip) in [
        ("veth", "kernel", "4"),
        ("veth", "kernel-uring", "6"),
        ("bridge", "kernel", "6"),
    ] {
        let asked = [
            "idle",
            "--connections",
            "1500",
            "--path",
            path,
            "--stack",
            stack,
            "--ip",
            ip,
        ];
        let Some(run) = result(&format!("{path}-{stack}"), &asked) else {
            return;
        };
        assert_eq!(run["metrics"]["reached"], 1500.0, "{stack}: {run}");
        assert_eq!(run["metrics"]["failed"], 0.0, "{stack}: {run}");
        for host in run["counters"]["hosts"].as_array().expect("two hosts") {
            let sockets = host["sockstat_after"]["sockets_used"].as_u64();
            assert!(sockets.is_some_and(|sockets| sockets >= 1500), "{stack}: {host}");
        }
    }
}

#[test]
fn a_run_that_fits_into_its_process_has_no_others() {
    let asked = ["idle", "--stack", "kernel", "--connections", "200"];
    let Some(run) = result("fits", &asked) else { return };
    assert_eq!(run["metrics"]["reached"], 200.0, "{run}");
    assert!(!run["notes"].to_string().contains("further processes"), "{run}");
}

#[test]
fn a_run_whose_idle_connections_break_does_not_count() {
    let (out, intervals) = (
        Scratch::new("holders-broken"),
        Scratch::new("holders-broken-intervals"),
    );
    let child = handfast(&["run", "idle", "--stack", "kernel", "--connections", "1000"])
        .args(["--duration", "3s", "--runs", "1", "--json", "--out", out.path()])
        .args([
            "--interval",
            "100ms",
            &format!("--json-lines={}", intervals.path()),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut run = Run(child.expect("the program starts"));
    let below = wait_for(PATIENCE, || {
        let below = descendants(run.0.id());
        let has_ended = run.0.try_wait().expect("a child").is_some();
        // Whoever says what came of an interval is in the window.
        let in_window = fs::metadata(&intervals.0).is_ok_and(|file| file.len() > 0);
        (has_ended || in_window).then_some(below)
    });
    let below = below.expect("it runs or ends");
    if below.len() < 5 {
        return skip("there is no network namespace for a run here");
    }
    kill(below[4]);
    let mut output = run.0.stdout.take().expect("standard output is piped");
    let mut document = String::new();
    output.read_to_string(&mut document).expect("a document");
    let document: Value = serde_json::from_str(&document).expect("a document");
    let run = &document["results"][0]["runs"][0];
    assert_eq!(run["metrics"]["reached"], 1000.0, "{run}");
    assert_eq!(run["valid"], false, "{run}");
    let reasons = run["invalid_reasons"].to_string();
    assert!(reasons.contains("broke although nothing was asked"), "{reasons}");
    assert!(run["metrics"]["failed"].as_f64() >= Some(100.0), "{run}");
}

/// Ends a process of a run that this test has started.
fn kill(process: u32) {
    let killed = Command::new("kill").args(["-9", &process.to_string()]).status();
    assert!(killed.expect("kill").success());
}

/// Tells a process from a later one of the same number: when it began.
fn beginning(process: u32) -> Option<String> {
    let status = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    let after_name = status.rsplit_once(')')?.1.trim_start();
    let state = after_name.split_whitespace().next()?;
    (state != "Z").then(|| after_name.split_whitespace().nth(19).map(str::to_owned))?
}

/// Starts a long run, waits until it has all of its processes, has `kill` end one of them, and waits until none is left.
fn nobody_survives(name: &str, kill: impl FnOnce(&mut Run, &[u32])) {
    let out = Scratch::new(&format!("holders-{name}"));
    let child = handfast(&["run", "idle", "--stack", "kernel", "--connections", "1000"])
        .args(["--duration", "60s", "--runs", "1", "--out", out.path()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut run = Run(child.expect("the program starts"));
    // The replicate, and four that hold what it does not.
    let made = wait_for(PATIENCE, || {
        let below = descendants(run.0.id());
        let has_ended = run.0.try_wait().expect("a child").is_some();
        (has_ended || below.len() >= 5).then_some(below)
    });
    let made = made.expect("it runs or ends");
    if made.len() < 5 {
        return skip("there is no network namespace for a run here");
    }
    let begun: Vec<_> = made
        .iter()
        .filter_map(|&process| Some((process, beginning(process)?)))
        .collect();
    kill(&mut run, &made);
    let gone = wait_for(PATIENCE, || {
        let left = begun
            .iter()
            .any(|(process, begun)| beginning(*process).as_ref() == Some(begun));
        (!left).then_some(())
    });
    assert!(gone.is_some(), "somebody of {made:?} lives on");
}

#[test]
fn holders_go_with_a_program_that_is_killed() {
    nobody_survives("program", |run, _| run.0.kill().expect("it is ours"));
}

#[test]
fn holders_go_with_a_replicate_that_is_killed() {
    nobody_survives("replicate", |_, made| kill(made[0]));
}
