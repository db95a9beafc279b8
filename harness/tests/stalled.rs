//! A process that is stopped for a second, as a machine may stop: an open loop has what users waited, and says who was late. Both ends of a
//! run are threads of one process, so that no signal stops the server alone; in virtual time tests do.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const STOPPED: Duration = Duration::from_secs(1);

/// The process that does the run, a child of `parent`.
fn replicate_of(parent: u32) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let mut children = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let child = children.find_map(|list| list.split_whitespace().next()?.parse().ok())?;
    Pid::from_raw(child)
}

#[test]
fn a_process_that_stops_shows_in_the_response_times_and_as_the_generator_s_doing() {
    let out = std::env::temp_dir().join(format!("handfast-stalled-{}", std::process::id()));
    let mut run = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["run", "rr", "--stack", "kernel", "--rate", "2k", "--runs", "1"])
        .args([
            "--duration",
            "5s",
            "--interval",
            "100ms",
            "--json-lines",
            "--json",
        ])
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut told = BufReader::new(run.stderr.take().expect("piped")).lines();
    let first = told.find(|line| line.as_ref().is_ok_and(|line| line.starts_with('{')));
    let stopped = replicate_of(run.id()).filter(|_| first.is_some());
    if let Some(replicate) = stopped {
        kill_process(replicate, Signal::STOP).expect("a child of ours");
        thread::sleep(STOPPED);
        kill_process(replicate, Signal::CONT).expect("a child of ours");
    }
    let rest = thread::spawn(move || told.count());
    let output = run.wait_with_output().expect("it ends");
    rest.join().expect("no panic");
    let document = fs::read(out.join("run.json")).expect("written");
    let _ = fs::remove_dir_all(out);
    let document: Value = serde_json::from_slice(&document).expect("one document");
    assert!(stopped.is_some(), "no interval was told: {document}");
    let run = &document["results"][0]["runs"][0];
    let p99 = run["metrics"]["response_ns_p99"]
        .as_f64()
        .expect("enough samples");
    assert!(
        p99 > 0.8e9,
        "a fifth of the operations came while it was stopped: {}",
        run["metrics"]
    );
    assert!(
        run["invalid_reasons"].to_string().contains("client_bound"),
        "{}",
        run["invalid_reasons"]
    );
    assert_eq!(output.status.code(), Some(4));
}
