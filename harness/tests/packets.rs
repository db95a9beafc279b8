//! `packets` over every device, as far as the system lets the test have it.

use std::process::Command;

use serde_json::Value;

/// The figures of one short run; `None`, and a loud word, where there is no such device.
fn figures(place: &[&str]) -> Option<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .args(["run", "packets", "--duration", "200ms", "--runs", "1", "--json"])
        .args(["--out", env!("CARGO_TARGET_TMPDIR")])
        .args(place)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{place:?}: {errors}"));
    let result = &document["results"][0];
    if let Some(reason) = result["unsupported_reason"].as_str() {
        eprintln!("SKIPPED: packets {place:?}, because there is {reason}");
        return None;
    }
    assert_eq!(result["valid"], true, "{place:?}: {result}");
    Some(result["metrics"].clone())
}

#[test]
fn packets_come_back_over_every_device() {
    let places: [&[&str]; 8] = [
        &["--path", "veth", "--device", "packet"],
        &["--path", "veth", "--device", "packet", "--ip", "6"],
        &["--path", "veth", "--device", "packet-ring"],
        &["--path", "veth", "--device", "xdp"],
        &["--path", "veth", "--device", "raw"],
        &["--path", "tap"],
        &["--path", "tun"],
        &["--path", "tun", "--ip", "6"],
    ];
    for place in places {
        let Some(metrics) = figures(place) else { continue };
        let figure = |name: &str| metrics[name]["median"].as_f64();
        for name in ["packets_per_second", "bare_packets_per_second", "engine_to_bare"] {
            assert!(figure(name) > Some(0.0), "{place:?}: {name} in {metrics}");
        }
        assert_eq!(figure("lost"), Some(0.0), "{place:?}");
        // One call at least for a burst of 64.
        for name in ["system_calls_per_packet", "bare_system_calls_per_packet"] {
            assert!(figure(name) >= Some(1.0 / 64.0), "{place:?}: {name} in {metrics}");
        }
    }
}
