//! A run that is killed leaves neither processes nor namespaces behind, however little it could do about it.

#[path = "support/children.rs"]
mod children;
#[path = "support/patience.rs"]
mod patience;
#[path = "support/scratch.rs"]
mod scratch;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use handfast_namespace::skip;

use children::{Run, descendants};
use patience::wait_for;
use scratch::Scratch;

/// Whoever takes longer for one thing has failed, and would hang otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// The namespaces of networks that this process lives in, and those that its children do.
fn networks_below(process: u32) -> BTreeSet<PathBuf> {
    let all = descendants(process).into_iter().chain([process]);
    all.flat_map(|process| network_of(&process.to_string())).collect()
}

/// The namespaces of a process: those that its threads are in, and those that it holds without being there.
fn network_of(process: &str) -> BTreeSet<PathBuf> {
    let process = Path::new("/proc").join(process);
    let entries = |directory: &str| {
        fs::read_dir(process.join(directory))
            .into_iter()
            .flatten()
            .flatten()
    };
    let lived_in = entries("task").map(|task| task.path().join("ns/net"));
    let held = entries("fd").map(|descriptor| descriptor.path());
    lived_in
        .chain(held)
        .filter_map(|link| fs::read_link(link).ok())
        .filter(|target| target.to_string_lossy().starts_with("net:["))
        .collect()
}

/// The namespaces of all processes that can be seen.
fn networks() -> BTreeSet<PathBuf> {
    let processes = fs::read_dir("/proc").expect("procfs");
    let names = processes
        .flatten()
        .filter_map(|process| process.file_name().into_string().ok());
    names.flat_map(|name| network_of(&name)).collect()
}

#[test]
fn a_run_that_is_killed_takes_its_hosts_with_it() {
    // Another host for the other end; and one more for the bridge between the two.
    for (path, stack, hosts) in [("veth", "kernel", 2), ("bridge", "engine", 3)] {
        kill(path, stack, hosts);
    }
}

fn kill(path: &str, stack: &str, hosts: usize) {
    let before = networks_below(std::process::id());
    let out = Scratch::new(&format!("run-killed-{path}"));
    let child = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["run", "rr", "--stack", stack, "--path", path])
        .args(["--duration", "60s", "--runs", "1"])
        .args(["--out", out.path()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut run = Run(child.expect("the program starts"));
    let made = wait_for(PATIENCE, || {
        // What the program tries out by itself is not yet the run.
        let own = network_of(&run.0.id().to_string());
        let below = networks_below(run.0.id());
        let below: BTreeSet<_> = below
            .into_iter()
            .filter(|network| !own.contains(network) && !before.contains(network))
            .collect();
        let has_ended = run.0.try_wait().expect("a child").is_some();
        (has_ended || below.len() >= hosts).then_some(below)
    });
    let made = made.expect("it runs or ends");
    if made.is_empty() {
        return skip(format!("there are no hosts for a run over {path} here"));
    }
    run.0.kill().expect("it is ours");
    run.0.wait().expect("it is ours");
    let gone = wait_for(PATIENCE, || networks().is_disjoint(&made).then_some(()));
    assert!(
        gone.is_some(),
        "{path}: somebody lives on in {made:?}, or holds it"
    );
}
