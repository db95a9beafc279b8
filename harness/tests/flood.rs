//! `syn-flood` over `veth`: engines and kernels under a flood, and what both tell of it.

#[path = "support/runs.rs"]
mod runs;
#[path = "support/scratch.rs"]
mod scratch;

use serde_json::Value;

/// The only run of each column; `None`, loudly, where there is no cable.
fn runs(arguments: &[&str]) -> Option<Vec<(String, Value)>> {
    let flood = [
        "syn-flood",
        "--path",
        "veth",
        "--flood",
        "10k",
        "--duration",
        "300ms",
    ];
    runs::runs(
        &[&flood, arguments].concat(),
        &["no path through veth here", "io_uring"],
    )
}

/// How fast, and how much of it arrived, depends on who else has the machine: a run that had no time for either says so.
fn check(stack: &str, run: &Value) {
    let figure = |name: &str| {
        run["metrics"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{stack}: no {name} in {run}"))
    };
    let had_time = run["invalid_reasons"].as_array().is_some_and(Vec::is_empty);
    let rates = [
        "connections_per_second",
        "quiet_connections_per_second",
        "success_ratio",
    ];
    for name in rates.into_iter().filter(|_| had_time) {
        assert!(figure(name) > 0.0, "{stack}: {name} of {run}");
    }
    for name in [
        "flood_syns",
        "flood_syn_acks",
        "flood_cpu_ns_per_syn",
        "half_open_peak",
        "half_open_bytes",
    ] {
        assert!(figure(name) > 0.0, "{stack}: {name} of {run}");
    }
    assert!(run["metrics"]["flood_resets"].is_null(), "{stack}: {run}");
    let hosts = run["counters"]["hosts"].as_array().expect("hosts");
    let client = hosts
        .iter()
        .find(|host| host["host"] == "client")
        .expect("a client");
    for unwanted in [
        "IcmpOutDestUnreachs",
        "Icmp6OutDestUnreachs",
        "TcpOutRsts",
        "IpForwDatagrams",
    ] {
        assert!(
            client["nstat"][unwanted].is_null(),
            "{stack}: {unwanted} in {client}"
        );
    }
}

#[test]
fn every_server_is_flooded_and_nobody_answers_back() {
    for ip in ["4", "6"] {
        let stacks = [
            "--client",
            "kernel,engine",
            "--server",
            "kernel,engine",
            "--ip",
            ip,
        ];
        let Some(runs) = runs(&stacks) else { return };
        for (stack, run) in runs {
            check(&stack, &run);
        }
    }
}

#[test]
fn a_server_with_a_small_backlog_lets_connections_in_by_cookies() {
    let columns = ["--stack", "kernel-tuned,kernel-uring", "--sysctl", "somaxconn=64"];
    let Some(runs) = runs(&columns) else { return };
    for (stack, run) in runs {
        let figure = |name: &str| run["metrics"][name].as_f64().expect(name);
        for name in ["syn_cookies_sent", "syn_cookies_accepted"] {
            assert!(figure(name) > 0.0, "{stack}: {name} of {run}");
        }
        assert!(figure("half_open_peak") <= 128.0, "{stack}: {run}");
    }
}
