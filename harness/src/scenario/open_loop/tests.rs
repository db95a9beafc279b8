use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::config::{Arrivals, OpenLoop, Pairing, Placement, RunConfig, ScenarioKind, StackKind};
use crate::load::fake::config;
use crate::load::pulse::Watch;

const RATE: u32 = 20_000;

fn measure(scenario: ScenarioKind, placement: Placement) -> Measurement {
    let config = RunConfig {
        connections: 16,
        message: 18,
        placement,
        duration: Duration::from_millis(100),
        open_loop: Some(OpenLoop {
            rate: RATE,
            arrivals: Arrivals::Poisson,
        }),
        ..config(scenario)
    };
    super::super::run(
        Pairing::of(StackKind::Engine),
        &config,
        &AtomicBool::new(false),
        &Watch::of_progress(&|_| {}),
    )
    .expect("supported")
}

#[test]
fn whatever_was_offered_was_answered_or_is_accounted_for() {
    for placement in [Placement::SameCore, Placement::Split] {
        for scenario in [
            ScenarioKind::Connect,
            ScenarioKind::Crr,
            ScenarioKind::Rr,
            ScenarioKind::Udp,
        ] {
            let found = measure(scenario, placement);
            let figure = |name| found.metrics.get(name).copied().flatten();
            let case = format!("{scenario}, {placement}: {:?}", found.metrics);
            let offered = found.histograms["lag_ns"].len() as f64;
            let rate = figure("offered_per_second").expect("always");
            assert!(
                (rate / f64::from(RATE) - 1.0).abs() < 5.0 / offered.sqrt(),
                "{offered} offered; {case}"
            );
            let response = &found.histograms["response_ns"];
            let missed = ["dropped_arrivals", "failed", "lost"].map(|name| figure(name).unwrap_or(0.0));
            assert_eq!(
                response.len() as f64 + missed.iter().sum::<f64>(),
                offered,
                "{case}"
            );
            assert!(response.max() >= found.histograms["service_ns"].max(), "{case}");
        }
    }
}

/// An open loop in which all is well.
fn sound() -> Found {
    Found {
        offered: 10_000.0,
        achieved: 10_000.0,
        window: 1.0,
        in_flight: Some(1.0),
        responses: 10_000,
        response_mean: 100e3,
        service_mean: 90e3,
        lag_p99: 5_000,
        service_p99: 200_000,
        gap: 100e3,
        busy: Some(Busy {
            client: 0.5,
            server: 0.4,
        }),
    }
}

fn names(found: Found) -> Vec<String> {
    let name = |reason: String| reason.split(':').next().unwrap_or_default().to_owned();
    found.reasons().map(name).collect()
}

fn changed(change: impl FnOnce(&mut Found)) -> Vec<String> {
    let mut found = sound();
    change(&mut found);
    names(found)
}

#[test]
fn a_sound_open_loop_counts() {
    assert_eq!(names(sound()), Vec::<String>::new());
    assert!(
        changed(|found| (found.in_flight, found.busy) = (None, None)).is_empty(),
        "what nobody knows is no reason"
    );
}

#[test]
fn a_generator_is_late_when_it_is_later_than_its_next_arrival_and_than_the_stack() {
    assert_eq!(changed(|found| found.lag_p99 = 300_000), ["client_bound"]);
    assert!(changed(|found| (found.lag_p99, found.service_p99) = (300_000, 400_000)).is_empty());
    assert!(changed(|found| (found.lag_p99, found.gap) = (300_000, 1e6)).is_empty());
    assert_eq!(
        changed(|found| (found.lag_p99, found.gap) = (20_000_000, 1e9)),
        ["client_bound"]
    );
}

#[test]
fn an_end_that_asks_all_the_time_of_one_that_idles_is_the_limit() {
    let busy = |client, server| changed(|found| found.busy = Some(Busy { client, server }));
    assert_eq!(busy(0.96, 0.3), ["client_bound"]);
    assert!(busy(0.96, 0.9).is_empty(), "both are at work");
    assert!(busy(0.94, 0.1).is_empty());
}

#[test]
fn a_rate_that_is_not_achieved_does_not_count() {
    assert_eq!(changed(|found| found.achieved = 9_890.0), ["short_of_rate"]);
    assert!(changed(|found| found.achieved = 9_899.0).is_empty());
    let text: Vec<String> = Found {
        achieved: 5_000.0,
        ..sound()
    }
    .reasons()
    .collect();
    assert!(
        text[0].contains("10000 operations/s were offered and 5000 achieved (50.0 %"),
        "{text:?}"
    );
}

#[test]
fn a_growing_queue_breaks_little_s_law() {
    assert_eq!(changed(|found| found.in_flight = Some(1.06)), ["little"]);
    assert_eq!(changed(|found| found.in_flight = Some(0.94)), ["little"]);
    assert!(changed(|found| found.in_flight = Some(1.04)).is_empty());
}
