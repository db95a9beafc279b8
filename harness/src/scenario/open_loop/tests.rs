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
