//! The path `veth`: an engine beside a kernel that gets all its packets, too.

#[path = "support/runs.rs"]
mod runs;
#[path = "support/scratch.rs"]
mod scratch;

use serde_json::Value;

/// The only run of each column; `None`, loudly, where there is no cable.
fn runs(arguments: &[&str]) -> Option<Vec<(String, Value)>> {
    let cable = ["--path", "veth", "--duration", "200ms"];
    runs::runs(&[arguments, &cable].concat(), &["no path through veth here"])
}

/// What is not for its own station it drops before it counts it.
#[test]
fn a_kernel_beside_an_engine_looks_for_no_route_for_what_the_engine_gets() {
    for (device, scenario) in [("packet", "rr"), ("packet-ring", "rr"), ("packet", "stream")] {
        let arguments = [scenario, "--stack", "engine", "--device", device];
        let Some(runs) = runs(&arguments) else { return };
        let (_, run) = &runs[0];
        let packets = run["counters"]["stack"]["packets"].as_f64().expect("counted");
        for host in run["counters"]["hosts"].as_array().expect("hosts") {
            let taken = host["nstat"]["IpInReceives"].as_f64().unwrap_or(0.0);
            assert!(
                taken * 100.0 < packets,
                "{arguments:?}: {taken} of {packets}: {run}"
            );
        }
    }
}

#[test]
fn servers_listen_on_as_many_ports_as_were_asked_for() {
    let each_with_each = ["--client", "kernel,engine", "--server", "kernel,engine"];
    let arguments = [&["crr", "--ports", "4"][..], &each_with_each].concat();
    let Some(runs) = runs(&arguments) else { return };
    assert_eq!(runs.len(), 4);
    for (pair, run) in runs {
        let metrics = &run["metrics"];
        assert!(
            metrics["connections_per_second"].as_f64() > Some(0.0),
            "{pair}: {run}"
        );
        for name in ["failed", "time_wait_violations"] {
            assert_eq!(metrics[name], 0.0, "{pair}: {name} of {run}");
        }
    }
}
