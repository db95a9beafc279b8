//! A thousand networks, each from its seed. `handfast simulate --seeds A..B` runs any others.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use handfast_simulation::{Plan, run};

const SEEDS: u64 = 1_000;

/// Runs `check` for every seed, on all processors, and gives the complaints in the order of their seeds.
fn for_all(seeds: u64, check: impl Fn(u64) -> Option<String> + Sync) -> Vec<String> {
    let (next, complaints) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    if let Some(complaint) = check(seed) {
                        complaints
                            .lock()
                            .expect("nobody panics with it")
                            .push((seed, complaint));
                    }
                }
            });
        }
    });
    let mut complaints = complaints.into_inner().expect("nobody panicked with it");
    complaints.sort();
    complaints.into_iter().map(|(_, complaint)| complaint).collect()
}

#[test]
fn a_thousand_networks_keep_all_rules() {
    let failures = for_all(SEEDS, |seed| {
        run(&Plan::new(seed)).err().map(|failure| failure.to_string())
    });
    assert!(
        failures.is_empty(),
        "{} of {SEEDS} seeds fail; `handfast simulate --seeds N..N` runs one alone and records its packets:\n{}",
        failures.len(),
        failures[..failures.len().min(20)].join("\n")
    );
}

#[test]
fn the_same_seed_gives_the_same_packets_at_the_same_times() {
    let differing = for_all(50, |seed| {
        let (first, second) = (run(&Plan::new(seed)), run(&Plan::new(seed)));
        (first != second).then(|| format!("seed {seed}: {first:?}, then {second:?}"))
    });
    assert_eq!(differing, Vec::<String>::new());
}

#[test]
fn different_seeds_give_different_packets() {
    let trace = |seed| run(&Plan::new(seed)).map(|report| report.trace);
    assert_ne!(trace(1), trace(2));
}
