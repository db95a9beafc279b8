//! The path `bridge`: every stack meets every other, and what a device does for one end it does for both.

#[path = "support/runs.rs"]
mod runs;
#[path = "support/scratch.rs"]
mod scratch;

use serde_json::Value;

const PAIRS: [&str; 4] = ["kernel", "kernel/engine", "engine/kernel", "engine"];

/// The only run of each pair by its name; `None`, loudly, where there is no bridge.
fn runs(arguments: &[&str]) -> Option<Vec<(String, Value)>> {
    let bridge = ["--path", "bridge", "--duration", "200ms"];
    runs::runs(&[arguments, &bridge].concat(), &["no path through bridge here"])
}

/// [`runs`] of each with each.
fn pairs(arguments: &[&str]) -> Option<Vec<(String, Value)>> {
    let each_with_each = ["--client", "kernel,engine", "--server", "kernel,engine"];
    let found = runs(&[arguments, &each_with_each].concat())?;
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, PAIRS);
    Some(found)
}

#[test]
fn connections_come_about_between_all_four_pairs() {
    for how in [
        &["--ip", "4"][..],
        &["--ip", "6"],
        &["--ip", "4", "--addresses", "3"],
        &["--ip", "6", "--addresses", "200"],
    ] {
        let Some(runs) = pairs(&[&["crr"], how].concat()) else {
            return;
        };
        for (pair, run) in runs {
            let metrics = &run["metrics"];
            assert!(
                metrics["connections_per_second"].as_f64() > Some(0.0),
                "{pair} {how:?}: {run}"
            );
            for name in ["failed", "time_wait_violations"] {
                assert_eq!(metrics[name], 0.0, "{pair} {how:?}: {name} of {run}");
            }
        }
    }
}

#[test]
fn datagrams_arrive_between_all_four_pairs_and_each_side_has_its_bill() {
    let Some(runs) = pairs(&["udp", "--placement", "split"]) else {
        return;
    };
    for (pair, run) in runs {
        let metrics = &run["metrics"];
        for name in [
            "datagrams_per_second",
            "client_cpu_ns_per_datagram",
            "server_cpu_ns_per_datagram",
        ] {
            assert!(metrics[name].as_f64() > Some(0.0), "{pair}: {name} of {run}");
        }
    }
}

#[test]
fn segments_pass_from_engine_to_engine_as_they_were_handed_over() {
    const MTU: f64 = 1500.0;
    let Some(runs) = runs(&["stream", "--stack", "engine"]) else {
        return;
    };
    let run = &runs[0].1;
    let figure = |name: &str| {
        run["metrics"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} of {run}"))
    };
    let bytes = figure("gigabits_per_second") * 1e9 / 8.0 * figure("window_seconds");
    let packets = run["counters"]["stack"]["packets"].as_f64().expect("counted");
    // Those of both ends, acknowledgments too: who cuts or gets what was cut has at most the MTU for each.
    assert!(bytes > 4.0 * MTU * packets, "{bytes} bytes in {packets} packets");
}

#[test]
fn datagrams_are_held_back_before_a_device_too() {
    let Some(runs) = pairs(&["reorder"]) else {
        return;
    };
    for (pair, run) in runs {
        let reordered = run["metrics"]["reordered_ratio"].as_f64();
        assert!(reordered > Some(0.01), "{pair}: {run}");
    }
}
