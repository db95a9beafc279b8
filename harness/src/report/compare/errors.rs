//! How often a comparison errs on made-up machines: of the same with the same, and of what became slower by a tenth.

use serde_json::{Value, json};

use super::*;
use crate::calibration::{Machine, Noise as Floors, doubled, floors};
use crate::config::StackKind;
use crate::measure::statistics::SplitMix64;
use crate::measure::statistics::noise::Noise;
use crate::report::fixtures::{measured, plan, ran};
use crate::run::{PlanRuns, SubjectRuns};

/// How the runs of A and B follow on each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// All of A, then all of B: one document each.
    Blocks,
    /// A, B, B, A, …: a document for each run.
    Turns,
    /// A, B, A, B, …
    AlwaysAFirst,
}

impl Order {
    /// Which of A and B each run is of, in the order of time.
    fn is_b(self, runs: usize) -> Vec<bool> {
        let of_run = |at: usize| match self {
            Self::Blocks => at >= runs,
            Self::Turns => matches!(at % 4, 1 | 2),
            Self::AlwaysAFirst => at % 2 == 1,
        };
        (0..2 * runs).map(of_run).collect()
    }
}

fn document(first: usize, runs: &[(usize, f64)]) -> Read {
    let runs = runs.iter().map(|(at, rate)| {
        json!({ "valid": true, "began_seconds": at - first, "metrics": { "connections_per_second": rate } })
    });
    serde_json::from_value(json!({
        "scenario": "crr", "started": format!("2026-11-22T19:{:02}:{:02}Z", first / 60, first % 60), "valid": true,
        "invalid_reasons": [], "environment": {},
        "results": [{ "stack": "engine", "path": "memory", "placement": "same-core", "config": {}, "runs": runs.collect::<Vec<Value>>() }],
    }))
    .expect("a document")
}

/// A and B, of which B is `factor` times as fast, with so many runs of each on such a machine.
fn session(noise: Noise, order: Order, runs: usize, factor: f64, random: &mut SplitMix64) -> [Vec<Read>; 2] {
    let machine = noise.session(2 * runs, random);
    let taken: Vec<(bool, usize, f64)> = order
        .is_b(runs)
        .into_iter()
        .enumerate()
        .map(|(at, is_b)| {
            (
                is_b,
                at,
                5e5 * machine[at].exp() * if is_b { factor } else { 1.0 },
            )
        })
        .collect();
    [false, true].map(|side| {
        let of_side = taken.iter().filter(|(is_b, ..)| *is_b == side);
        let runs: Vec<(usize, f64)> = of_side.map(|(_, at, rate)| (*at, *rate)).collect();
        match order {
            Order::Blocks => vec![document(runs[0].0, &runs)],
            _ => runs.iter().map(|run| document(run.0, &[*run])).collect(),
        }
    })
}

/// What `tries` comparisons came to.
#[derive(Default, PartialEq, Eq, Debug)]
struct Found {
    slower: usize,
    faster: usize,
    same: usize,
    inconclusive: usize,
}

fn found(noise: Noise, order: Order, runs: usize, factor: f64, gate: f64, tries: usize) -> Found {
    let mut random = SplitMix64::new(2026);
    let mut found = Found::default();
    for _ in 0..tries {
        let [a, b] = session(noise, order, runs, factor, &mut random);
        let compared = compare(&a, &b, gate, &Floors::unknown(Machine::default())).expect("comparable");
        *match compared.verdict {
            Verdict::Slower => &mut found.slower,
            Verdict::Faster => &mut found.faster,
            Verdict::Same => &mut found.same,
            Verdict::Inconclusive => &mut found.inconclusive,
        } += 1;
    }
    found
}

/// How many tries of a kind are taken of the same with the same, and how many of them may find one slower: below the one in a hundred
/// that a difference is allowed to be chance in.
const TRIES: usize = 1000;
const ALARMS: usize = 9;

/// Prints what stands on the page on methods.
fn told(noise: Noise, order: Order, runs: usize, factor: f64, gate: f64, tries: usize) -> Found {
    let found = found(noise, order, runs, factor, gate, tries);
    println!(
        "{order:?}, {runs} runs of each, {noise:?}, {factor} times as fast, gate {gate}: {found:?} of {tries}"
    );
    found
}

/// Whatever a machine does, runs that took turns meet it alike. The gate is so low that it hides nothing.
#[test]
fn the_same_in_turns_is_slower_in_less_than_one_of_a_hundred_comparisons() {
    for noise in Noise::ALL {
        let found = told(noise, Order::Turns, 10, 1.0, 0.001, TRIES);
        assert!(
            found.slower <= ALARMS && found.faster <= ALARMS,
            "{noise:?}: {found:?}"
        );
    }
}

/// In blocks a machine that stays fast or slow for as long as a block can not be told from a difference: rare, and on the page on
/// methods.
#[test]
fn the_same_in_blocks_is_slower_in_less_than_one_of_a_hundred_comparisons_unless_the_machine_keeps_its_moods()
{
    for noise in Noise::ALL {
        let found = told(noise, Order::Blocks, 10, 1.0, 0.001, TRIES);
        let most = match noise {
            Noise::Sticky | Noise::Wandering => 3 * ALARMS,
            _ => ALARMS,
        };
        assert!(
            found.slower <= most && found.faster <= most,
            "{noise:?}: {found:?}"
        );
    }
}

#[test]
fn a_drift_between_a_and_b_is_no_slowdown_when_a_always_comes_first() {
    let found = told(Noise::Drifting, Order::AlwaysAFirst, 10, 1.0, 0.001, TRIES);
    assert!(found.slower <= ALARMS && found.faster <= ALARMS, "{found:?}");
    let [a, b] = session(
        Noise::Drifting,
        Order::AlwaysAFirst,
        10,
        1.0,
        &mut SplitMix64::new(1),
    );
    let compared = compare(&a, &b, 0.05, &Floors::unknown(Machine::default())).expect("comparable");
    assert!(
        !compared.rows[0].paired && compared.warnings[0].contains("change the order"),
        "{compared:?}"
    );
}

/// What `calibrate` says of such a machine.
fn calibrated(noise: Noise, random: &mut SplitMix64) -> Floors {
    let plan = doubled(plan(&[StackKind::Engine], 10).plan);
    let blank = |subject: &crate::run::Subject| SubjectRuns {
        subject: subject.clone(),
        unsupported: None,
        runs: (0..10).map(|_| None).collect(),
    };
    let mut subjects: Vec<SubjectRuns> = plan.subjects.iter().map(blank).collect();
    let machine = noise.session(20, random);
    for ((run, at), speed) in plan.order().into_iter().zip(machine) {
        subjects[at].runs[run] = ran(Ok(measured(5e5 * speed.exp(), 0, 0)));
    }
    let mut known = Floors::unknown(Machine::default());
    known.learn(floors(&PlanRuns {
        plan,
        subjects,
        interrupted: false,
    }));
    assert!(!known.floors.is_empty());
    known
}

#[test]
fn twenty_comparisons_of_the_same_at_the_usual_gate_find_nothing_slower() {
    for noise in Noise::ALL {
        let mut random = SplitMix64::new(20);
        let known = calibrated(noise, &mut random);
        for order in [Order::Blocks, Order::Turns, Order::AlwaysAFirst] {
            for _ in 0..20 {
                let [a, b] = session(noise, order, 10, 1.0, &mut random);
                let compared = compare(&a, &b, 0.05, &known).expect("comparable");
                assert_ne!(
                    compared.verdict,
                    Verdict::Slower,
                    "{noise:?} {order:?}: {compared:?}"
                );
            }
        }
    }
}

/// A slowdown of a tenth is found with the number of runs that is advised, or else it is said how many it would take.
#[test]
fn a_tenth_slower_is_found_by_ten_pairs_and_never_called_the_same() {
    for noise in Noise::ALL {
        let found = told(noise, Order::Turns, 10, 0.9, 0.05, 200);
        let least = match noise {
            Noise::HeavyTailed => 120,
            Noise::Bimodal => 70,
            Noise::Sticky => 170,
            _ => 195,
        };
        assert!(
            found.slower >= least && found.same + found.faster == 0,
            "{noise:?}: {found:?}"
        );
    }
}

/// A machine on which the same differs by much from the same cannot find it, which makes it no less slow.
#[test]
fn a_tenth_slower_is_not_the_same_on_a_machine_too_noisy_to_find_it() {
    let mut random = SplitMix64::new(22);
    let (mut hidden, mut most_of_the_margins) = (0, 0.0_f64);
    for noise in Noise::ALL {
        for _ in 0..20 {
            let known = calibrated(noise, &mut random);
            let [a, b] = session(noise, Order::Turns, 10, 0.9, &mut random);
            let compared = compare(&a, &b, 0.05, &known).expect("comparable");
            let row = &compared.rows[0];
            assert!(
                matches!(row.verdict, Verdict::Slower | Verdict::Inconclusive),
                "{noise:?}: {row:?}"
            );
            most_of_the_margins = most_of_the_margins.max(row.margin);
            hidden += usize::from(row.margin > 0.1);
        }
    }
    assert!(
        hidden >= 10,
        "{hidden} margins above a tenth, the largest {most_of_the_margins}"
    );
}

#[test]
fn a_tenth_slower_is_found_by_twenty_runs_in_blocks_on_a_machine_whose_runs_are_independent() {
    let found = told(Noise::Normal, Order::Blocks, 20, 0.9, 0.05, 200);
    assert!(found.slower >= 190 && found.same + found.faster == 0, "{found:?}");
    let found = told(Noise::Drifting, Order::Blocks, 10, 0.9, 0.05, 200);
    assert!(found.slower >= 190 && found.same + found.faster == 0, "{found:?}");
}

#[test]
fn what_is_not_found_says_what_would_find_it() {
    let mut random = SplitMix64::new(21);
    for (order, runs, advice) in [
        (Order::Blocks, 3, "3 runs of each are too few: take --runs 10"),
        (Order::Turns, 3, "3 pairs of runs are too few: take 10 pairs"),
        (Order::Turns, 6, "6 pairs of runs cannot tell: take"),
    ] {
        let [a, b] = session(Noise::Normal, order, runs, 0.9, &mut random);
        let compared = compare(&a, &b, 0.05, &Floors::unknown(Machine::default())).expect("comparable");
        let row = &compared.rows[0];
        assert_eq!(row.verdict, Verdict::Inconclusive, "{row:?}");
        assert!(
            row.why.as_ref().is_some_and(|why| why.contains(advice)),
            "{row:?}"
        );
    }
    let [a, b] = session(Noise::Drifting, Order::Blocks, 10, 1.0, &mut random);
    let compared = compare(&a, &b, 0.05, &Floors::unknown(Machine::default())).expect("comparable");
    let why = compared.rows[0].why.as_deref().expect("inconclusive");
    assert!(why.contains("in turns"), "{why}");
}
