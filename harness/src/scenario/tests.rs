use std::time::Duration;

use super::*;
use crate::config::StackKind;
use crate::config::{Arrivals, Close, Closer, IpVersion, OpenLoop, Placement};
use crate::load::fake::config;
use crate::load::pulse::Watch;
use crate::sys::uring::Ring;

/// Whether the host's TIME_WAIT table has room for what tests leave in it: the runs of the last minute are still there.
fn kernel_has_room() -> bool {
    let Ok(pair) = crate::stack::pair(Pairing::of(StackKind::Kernel), &config(ScenarioKind::Crr), 0) else {
        return false;
    };
    let held = pair.client.counters().time_wait.unwrap_or(0);
    generators::time_wait_limit(Pairing::of(StackKind::Kernel)).is_none_or(|limit| held < limit / 2)
}

/// A window of milliseconds may pass without a single turn where other tests have the cores: it is then measured again, for longer.
fn measure(stack: StackKind, config: &RunConfig) -> Measurement {
    let once = |config: &RunConfig| {
        run(
            Pairing::of(stack),
            config,
            &AtomicBool::new(false),
            &Watch::of_progress(&|_| {}),
        )
        .expect("supported")
    };
    let found = once(config);
    if !found.invalid_reasons.iter().any(|reason| had_no_time(reason)) {
        return found;
    }
    once(&RunConfig {
        duration: Duration::from_secs(1),
        ..config.clone()
    })
}

fn had_no_time(reason: &str) -> bool {
    reason.starts_with("only") && reason.contains("operations ended")
}

fn config_of(scenario: ScenarioKind) -> RunConfig {
    let (connections, message) = match scenario {
        ScenarioKind::Stream => (1, 64 << 10),
        ScenarioKind::Udp => (1, 18),
        ScenarioKind::Reorder => (1, 64),
        ScenarioKind::Idle => (500, 1),
        _ => (16, 1),
    };
    RunConfig {
        connections,
        message,
        ..config(scenario)
    }
}

/// What the command line's contract asks of each scenario.
fn required(scenario: ScenarioKind) -> (&'static [&'static str], &'static [&'static str]) {
    match scenario {
        ScenarioKind::Connect => (
            &["connections_per_second", "cpu_ns_per_connection"],
            &["setup_ns"],
        ),
        ScenarioKind::Crr => (
            &[
                "connections_per_second",
                "cpu_ns_per_connection",
                "time_wait_peak",
                "time_wait_violations",
                "time_wait_reused",
            ],
            &["setup_ns"],
        ),
        ScenarioKind::Teardown => (
            &[
                "teardowns_per_second",
                "cpu_ns_per_teardown",
                "time_wait_violations",
            ],
            &["teardown_ns"],
        ),
        ScenarioKind::TimeWait => (
            &[
                "connections_per_second",
                "time_wait_peak",
                "time_wait_bytes_per_entry",
                "time_wait_violations",
                "time_wait_reused",
                "exhausted_ratio",
            ],
            &["setup_ns"],
        ),
        ScenarioKind::Rr => (
            &["transactions_per_second", "cpu_ns_per_transaction"],
            &["latency_ns"],
        ),
        ScenarioKind::Stream => (&["gigabits_per_second", "cpu_ns_per_kibibyte"], &[]),
        ScenarioKind::Idle => (&["bytes_per_idle_connection", "reached"], &[]),
        ScenarioKind::SynFlood => (
            &[
                "connections_per_second",
                "quiet_connections_per_second",
                "kept_ratio",
                "flood_syns",
            ],
            &["setup_ns", "quiet_setup_ns"],
        ),
        ScenarioKind::Packets => (
            &["packets_per_second", "bare_packets_per_second", "engine_to_bare"],
            &[],
        ),
        ScenarioKind::Udp => (&["datagrams_per_second", "cpu_ns_per_datagram", "lost"], &[]),
        ScenarioKind::Reorder => (
            &[
                "reordered_ratio",
                "lost",
                "duplicated",
                "reordering_free_run_mean",
            ],
            &[],
        ),
    }
}

const TCP: [&str; 4] = [
    "failed",
    "retransmitted_segments",
    "copied_bytes_per_payload_byte",
    "allocations_per_operation",
];

const ALL: [ScenarioKind; 9] = [
    ScenarioKind::Connect,
    ScenarioKind::Crr,
    ScenarioKind::Teardown,
    ScenarioKind::TimeWait,
    ScenarioKind::Rr,
    ScenarioKind::Stream,
    ScenarioKind::Idle,
    ScenarioKind::Udp,
    ScenarioKind::Reorder,
];

fn check(found: &Measurement, scenario: ScenarioKind, case: &str) {
    // A machine that is busy with other tests may be slow, not wrong.
    let wrong: Vec<_> = found
        .invalid_reasons
        .iter()
        .filter(|reason| !had_no_time(reason))
        .collect();
    assert!(wrong.is_empty(), "{case}: {wrong:?} {:?}", found.metrics);
    let (metrics, histograms) = required(scenario);
    for name in metrics {
        assert!(found.metrics.contains_key(name), "{case} lacks {name}");
    }
    for name in histograms {
        assert!(!found.histograms[name].is_empty(), "{case}: {name} is empty");
    }
    if !matches!(scenario, ScenarioKind::Udp | ScenarioKind::Reorder) {
        for name in TCP {
            assert!(found.metrics.contains_key(name), "{case} lacks {name}");
        }
        assert_eq!(found.metrics["failed"], Some(0.0), "{case}");
    }
    // Of the figures that every stack has, none may be missing, and none but counts of mishaps is zero.
    let rate = found.metrics[metrics[0]];
    let known = scenario != ScenarioKind::Idle;
    assert!(
        !known || rate.is_some_and(|rate| rate > 0.0),
        "{case}: {} is {rate:?}",
        metrics[0]
    );
}

#[test]
fn every_scenario_runs_without_a_stack() {
    for scenario in ALL {
        let found = measure(StackKind::Null, &config_of(scenario));
        check(&found, scenario, &format!("{scenario:?}"));
    }
}

#[test]
fn smoltcp_takes_datagrams_that_fit_a_packet_and_says_so_of_others() {
    for scenario in [ScenarioKind::Udp, ScenarioKind::Reorder] {
        let sized = |message| RunConfig {
            message,
            ..config_of(scenario)
        };
        let found = measure(StackKind::Smoltcp, &sized(1472));
        check(&found, scenario, "the longest datagram");
        let refused = run(
            Pairing::of(StackKind::Smoltcp),
            &sized(1473),
            &AtomicBool::new(false),
            &Watch::of_progress(&|_| {}),
        );
        let reason = refused.expect_err("it takes two packets").0;
        assert!(
            reason.contains("1473") && reason.contains("--message 1472"),
            "{reason}"
        );
    }
}

#[test]
fn every_scenario_runs_on_smoltcp_and_on_the_kernel() {
    for stack in [StackKind::Smoltcp, StackKind::Kernel] {
        if stack == StackKind::Kernel && !kernel_has_room() {
            continue;
        }
        for scenario in ALL {
            let mut config = config_of(scenario);
            config.connections = config.connections.min(32);
            config.duration = Duration::from_millis(150);
            let found = measure(stack, &config);
            check(&found, scenario, &format!("{scenario:?} on {stack:?}"));
        }
    }
}

#[test]
fn every_scenario_runs_on_rings() {
    if !kernel_has_room() || Ring::probe().is_err() {
        eprintln!("SKIPPED: no io_uring, or no room for TIME_WAIT entries, here");
        return;
    }
    for scenario in ALL {
        let mut config = config_of(scenario);
        config.duration = Duration::from_millis(150);
        let found = measure(StackKind::KernelUring, &config);
        check(&found, scenario, &format!("{scenario:?} on rings"));
    }
}

#[test]
fn connections_close_in_every_way_on_the_kernel() {
    if !kernel_has_room() {
        return;
    }
    for scenario in [ScenarioKind::Connect, ScenarioKind::Crr, ScenarioKind::Teardown] {
        for (close, closer) in [
            (Close::Fin, Closer::Server),
            (Close::Rst, Closer::Client),
            (Close::Rst, Closer::Server),
        ] {
            let config = RunConfig {
                close,
                closer,
                ..config_of(scenario)
            };
            let found = measure(StackKind::Kernel, &config);
            check(
                &found,
                scenario,
                &format!("{scenario:?}, {close:?} by the {closer:?}"),
            );
        }
    }
}

#[test]
fn two_ends_on_two_threads() {
    if !kernel_has_room() {
        return;
    }
    for scenario in [
        ScenarioKind::Crr,
        ScenarioKind::Teardown,
        ScenarioKind::Rr,
        ScenarioKind::Stream,
    ] {
        let config = RunConfig {
            placement: Placement::Split,
            duration: Duration::from_millis(150),
            ..config_of(scenario)
        };
        let found = measure(StackKind::Kernel, &config);
        let case = format!("{scenario:?} on two threads");
        check(&found, scenario, &case);
        for side in ["client_cpu_ns_per_", "server_cpu_ns_per_"] {
            let bills: Vec<_> = found
                .metrics
                .iter()
                .filter(|(name, _)| name.starts_with(side))
                .collect();
            assert!(
                matches!(bills[..], [(_, Some(each))] if *each > 0.0),
                "{case}: {bills:?}"
            );
        }
    }
}

fn flooded(ip: IpVersion) -> Measurement {
    let config = RunConfig {
        flood: Some(20_000),
        ip,
        duration: Duration::from_millis(150),
        ..config_of(ScenarioKind::SynFlood)
    };
    measure(StackKind::Engine, &config)
}

#[test]
fn connections_go_on_under_a_flood_that_is_answered() {
    for ip in [IpVersion::V4, IpVersion::V6] {
        check_flooded(&flooded(ip));
    }
}

fn check_flooded(found: &Measurement) {
    // Machines that are busy with other tests may take neither a flood nor a load in time.
    let slow = |reason: &&String| {
        had_no_time(reason) || reason.contains("short_of_flood") || reason.contains("Little")
    };
    let wrong: Vec<_> = found
        .invalid_reasons
        .iter()
        .filter(|reason| !slow(reason))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let (metrics, histograms) = required(ScenarioKind::SynFlood);
    let figure = |name: &str| found.metrics[name].expect(name);
    for name in metrics {
        assert!(figure(name) > 0.0, "{name}");
    }
    for name in histograms {
        assert!(!found.histograms[name].is_empty(), "{name}");
    }
    assert_eq!((figure("failed"), figure("success_ratio")), (0.0, 1.0));
    assert!(figure("flood_syn_acks") > 0.0);
    assert_eq!(figure("flood_resets"), 0.0);
    let peak = figure("half_open_peak");
    assert!((1.0..=4096.0).contains(&peak), "{peak}");
    assert!(figure("half_open_bytes") >= peak * 48.0);
}

#[test]
fn whatever_is_reported_is_described_and_nothing_else_is() {
    let mut reported = std::collections::BTreeSet::new();
    for scenario in ALL {
        let mut config = config_of(scenario);
        if scenario == ScenarioKind::Rr {
            (config.idle, config.time_wait) = (3, 3);
        }
        let found = measure(StackKind::Null, &config);
        reported.extend(found.metrics.keys().copied());
        reported.extend(found.histograms.keys().copied());
    }
    let mut config = config_of(ScenarioKind::TimeWait);
    config.pressure.addresses = Some(1);
    let bounded = measure(StackKind::Null, &config);
    reported.extend(bounded.metrics.keys().copied());
    reported.extend(bounded.histograms.keys().copied());
    config = config_of(ScenarioKind::Udp);
    config.open_loop = Some(OpenLoop {
        rate: 10_000,
        arrivals: Arrivals::Poisson,
    });
    let open = measure(StackKind::Null, &config);
    reported.extend(open.metrics.keys().copied());
    reported.extend(open.histograms.keys().copied());
    let flooded = flooded(IpVersion::V4);
    reported.extend(flooded.metrics.keys().copied());
    reported.extend(flooded.histograms.keys().copied());
    reported.extend(super::packets::reported());
    // The books of a stack without TIME_WAIT cannot be looked at.
    reported.insert("time_wait_unaccounted");
    assert_eq!(reported, crate::describe::defined());
}

#[test]
fn generators_add_up() {
    let config = RunConfig {
        generators: 2,
        idle: 31,
        ..config_of(ScenarioKind::Rr)
    };
    let found = measure(StackKind::Null, &config);
    check(&found, ScenarioKind::Rr, "two generators");
    assert_eq!(found.metrics["connections_open"], Some(32.0));
    assert_eq!(found.metrics["idle_reached"], Some(31.0));
    assert!((30.0..34.0).contains(&found.metrics["in_flight_mean"].expect("known")));
}

#[test]
fn a_tenth_of_the_datagrams_is_reordered_by_at_most_eight_places() {
    let mut stacks = vec![StackKind::Null, StackKind::Kernel];
    stacks.extend(Ring::probe().is_ok().then_some(StackKind::KernelUring));
    for stack in stacks {
        let found = measure(stack, &config_of(ScenarioKind::Reorder));
        let ratio = found.metrics["reordered_ratio"].expect("datagrams arrived");
        assert_eq!(found.metrics["duplicated"], Some(0.0));
        let extents = found.distributions["extent"].as_object().expect("counts");
        let reordered: u64 = extents.values().filter_map(serde_json::Value::as_u64).sum();
        // Three standard deviations of a tenth, of which a busy machine lets few be drawn.
        let arrived = reordered as f64 / ratio;
        let spread = 0.02 + 3.0 * (0.1 * 0.9 / arrived).sqrt();
        assert!((ratio - 0.1).abs() < spread, "{ratio} of {arrived} on {stack:?}");
        assert!(
            extents
                .keys()
                .all(|extent| (1..=16).contains(&extent.parse::<u64>().expect("number")))
        );
    }
}

#[test]
fn a_stopped_run_keeps_what_was_measured_and_one_without_a_window_says_so() {
    let stop = AtomicBool::new(false);
    let config = RunConfig {
        duration: Duration::from_secs(1),
        ..config_of(ScenarioKind::Crr)
    };
    let told = |part: f64| {
        // The warm-up is the first eleventh; a generator on a busy machine may notice its end late.
        if part > 0.5 {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let found = run(
        Pairing::of(StackKind::Null),
        &config,
        &stop,
        &Watch::of_progress(&told),
    )
    .expect("supported");
    assert_eq!(found.invalid_reasons, Vec::<String>::new());
    assert!(found.metrics["connections_per_second"].is_some_and(|rate| rate > 0.0));

    let found = run(
        Pairing::of(StackKind::Null),
        &config,
        &AtomicBool::new(true),
        &Watch::of_progress(&|_| {}),
    )
    .expect("supported");
    assert_eq!(found.invalid_reasons.len(), 1);
    assert!(
        found.invalid_reasons[0].contains("stopped"),
        "{:?}",
        found.invalid_reasons
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let unsupported = |config: &RunConfig| {
        run(
            Pairing::of(StackKind::Null),
            config,
            &AtomicBool::new(false),
            &Watch::of_progress(&|_| {}),
        )
        .expect_err("unsupported")
        .to_string()
    };
    let short = RunConfig {
        message: 8,
        ..config_of(ScenarioKind::Reorder)
    };
    assert!(unsupported(&short).contains("16 bytes"));
    let empty = RunConfig {
        message: 0,
        ..config_of(ScenarioKind::Udp)
    };
    assert!(unsupported(&empty).contains("byte"));
}
