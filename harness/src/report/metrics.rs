//! The names that figures go by: which a scenario must report, which it is compared by, and how people call them.

use crate::config::ScenarioKind;

/// Percentiles of every latency histogram: the suffix of the metric's name, the quantile, and the samples below which it
/// says nothing (ten beyond the quantile).
pub(crate) const PERCENTILES: [(&str, f64, u64); 3] =
    [("_p50", 0.5, 20), ("_p99", 0.99, 1000), ("_p999", 0.999, 10_000)];

/// The histogram and the percentile that a metric comes from, when it is a percentile.
pub(crate) fn percentile_of(metric: &str) -> Option<(&str, f64, u64)> {
    PERCENTILES.iter().find_map(|&(suffix, quantile, fewest)| {
        metric
            .strip_suffix(suffix)
            .map(|histogram| (histogram, quantile, fewest))
    })
}

/// Metrics of every TCP scenario.
const TCP: [&str; 4] = [
    "failed",
    "retransmitted_segments",
    "copied_bytes_per_payload_byte",
    "allocations_per_operation",
];

const SETUP: [&str; 5] = [
    "connections_per_second",
    "cpu_ns_per_connection",
    "setup_ns_p50",
    "setup_ns_p99",
    "setup_ns_p999",
];

/// Metrics that a document of the scenario has, null when the stack cannot tell; in the order in which they are shown.
pub(crate) fn required(scenario: ScenarioKind) -> Vec<&'static str> {
    let own: &[&[&str]] = match scenario {
        ScenarioKind::Connect => &[&SETUP, &TCP],
        ScenarioKind::Crr => &[
            &SETUP,
            &["time_wait_peak", "time_wait_violations", "time_wait_reused"],
            &TCP,
        ],
        ScenarioKind::Teardown => &[
            &[
                "teardowns_per_second",
                "cpu_ns_per_teardown",
                "teardown_ns_p50",
                "teardown_ns_p99",
            ],
            &["teardown_ns_p999", "time_wait_violations"],
            &TCP,
        ],
        ScenarioKind::TimeWait => &[
            &[
                "connections_per_second",
                "time_wait_peak",
                "time_wait_bytes_per_entry",
                "time_wait_violations",
            ],
            &[
                "time_wait_reused",
                "exhausted_ratio",
                "setup_ns_p50",
                "setup_ns_p99",
                "setup_ns_p999",
            ],
            &TCP,
        ],
        ScenarioKind::Rr => &[
            &[
                "transactions_per_second",
                "cpu_ns_per_transaction",
                "latency_ns_p50",
                "latency_ns_p99",
            ],
            &["latency_ns_p999"],
            &TCP,
        ],
        ScenarioKind::Stream => &[&["gigabits_per_second", "cpu_ns_per_kibibyte"], &TCP],
        ScenarioKind::Idle => &[&["bytes_per_idle_connection", "reached"], &TCP],
        ScenarioKind::Udp => &[&["datagrams_per_second", "cpu_ns_per_datagram", "lost"]],
        ScenarioKind::Reorder => &[&[
            "reordered_ratio",
            "lost",
            "duplicated",
            "reordering_free_run_mean",
        ]],
        ScenarioKind::SynFlood => &[
            &[
                "connections_per_second",
                "quiet_connections_per_second",
                "kept_ratio",
                "success_ratio",
            ],
            &["setup_ns_p50", "setup_ns_p99", "setup_ns_p999"],
            &["quiet_setup_ns_p50", "quiet_setup_ns_p99", "quiet_setup_ns_p999"],
            &[
                "flood_syns",
                "flood_syn_acks",
                "flood_resets",
                "flood_ratio",
                "flood_cpu_ns_per_syn",
            ],
            &[
                "syn_cookies_sent",
                "syn_cookies_accepted",
                "half_open_peak",
                "half_open_bytes",
            ],
            &TCP,
        ],
        ScenarioKind::Packets => &[
            &["packets_per_second", "bare_packets_per_second", "engine_to_bare"],
            &["bare_system_calls_per_packet", "lost"],
        ],
    };
    own.concat()
}

/// Metrics beyond the contract that people want to see where a stack can tell them.
pub(super) const SHOWN_BESIDE: [&str; 30] = [
    "offered_per_second",
    "achieved_per_second",
    "dropped_arrivals",
    "response_ns_p50",
    "response_ns_p99",
    "response_ns_p999",
    "service_ns_p99",
    "lag_ns_p99",
    "client_cpu_ns_per_connection",
    "server_cpu_ns_per_connection",
    "client_cpu_ns_per_transaction",
    "server_cpu_ns_per_transaction",
    "client_cpu_ns_per_kibibyte",
    "server_cpu_ns_per_kibibyte",
    "client_cpu_ns_per_datagram",
    "server_cpu_ns_per_datagram",
    "client_cpu_ns_per_teardown",
    "server_cpu_ns_per_teardown",
    "tuples",
    "time_wait_pressure",
    "exhausted_after_ns",
    "system_calls_per_operation",
    "system_calls_per_packet",
    "lost_at_sender",
    "lost_on_path",
    "lost_at_receiver",
    "pdv_ns",
    "dropped",
    "idle_reached",
    "time_wait_filled",
];

/// Metrics that stacks are compared by, the first before all others.
pub(crate) fn headline(scenario: ScenarioKind) -> &'static [&'static str] {
    match scenario {
        ScenarioKind::Connect | ScenarioKind::Crr => &[
            "connections_per_second",
            "cpu_ns_per_connection",
            "setup_ns_p50",
            "setup_ns_p99",
        ],
        ScenarioKind::Teardown => &[
            "teardowns_per_second",
            "cpu_ns_per_teardown",
            "teardown_ns_p50",
            "teardown_ns_p99",
        ],
        ScenarioKind::TimeWait => &[
            "connections_per_second",
            "time_wait_bytes_per_entry",
            "setup_ns_p50",
            "setup_ns_p99",
        ],
        ScenarioKind::Rr => &[
            "transactions_per_second",
            "cpu_ns_per_transaction",
            "latency_ns_p50",
            "latency_ns_p99",
        ],
        ScenarioKind::Stream => &["gigabits_per_second", "cpu_ns_per_kibibyte"],
        ScenarioKind::Idle => &["bytes_per_idle_connection", "reached"],
        ScenarioKind::Udp => &["datagrams_per_second", "cpu_ns_per_datagram"],
        ScenarioKind::Reorder => &["reordered_ratio"],
        ScenarioKind::SynFlood => &[
            "connections_per_second",
            "quiet_connections_per_second",
            "kept_ratio",
            "success_ratio",
            "setup_ns_p99",
            "quiet_setup_ns_p99",
        ],
        ScenarioKind::Packets => &["packets_per_second", "bare_packets_per_second", "engine_to_bare"],
    }
}

/// Metrics that stacks are compared by in an open loop, where all have the same rate; the first before all others.
pub(super) const OPEN_LOOP_HEADLINE: [&str; 2] = ["response_ns_p99", "response_ns_p50"];

/// The metric that decides which of several parameters shows a stack at its best, and whether less of it is better.
pub(super) fn deciding(scenario: ScenarioKind) -> (&'static str, bool) {
    (
        headline(scenario)[0],
        matches!(scenario, ScenarioKind::Idle | ScenarioKind::Reorder),
    )
}

/// Whether a greater figure is the better one: rates and what was reached; times, costs and counts of mishaps are not.
pub(super) fn more_is_better(metric: &str) -> bool {
    metric.ends_with("_per_second")
        || matches!(
            metric,
            "reached" | "engine_to_bare" | "kept_ratio" | "success_ratio"
        )
}

/// Whether a greater or a lesser figure is better at all: how much is reordered is a property of the path.
pub(super) fn is_better_or_worse(metric: &str) -> bool {
    metric != "reordered_ratio"
}

/// What people call a metric.
pub(super) fn label(metric: &str) -> String {
    let (base, suffix) = match percentile_of(metric) {
        Some((histogram, quantile, _)) => (histogram, format!(", p{}", quantile * 100.0)),
        None => (metric, String::new()),
    };
    let words = match base {
        "connections_per_second" => "connections/s",
        "teardowns_per_second" => "teardowns/s",
        "transactions_per_second" => "transactions/s",
        "datagrams_per_second" => "datagrams/s",
        "packets_per_second" => "packets/s",
        "bare_packets_per_second" => "packets/s of the bare loop",
        "engine_to_bare" => "engine ÷ bare loop",
        "gigabits_per_second" => "throughput",
        "quiet_connections_per_second" => "connections/s without the flood",
        "quiet_setup_ns" => "set-up time without the flood",
        "kept_ratio" => "flooded ÷ quiet",
        "success_ratio" => "connections that succeeded",
        "flood_syns" => "SYNs of the flood",
        "flood_syn_acks" => "SYN-ACKs to the flood",
        "flood_resets" => "resets to the flood",
        "flood_ratio" => "flood delivered ÷ asked",
        "flood_cpu_ns_per_syn" => "flooder's CPU/SYN",
        "setup_ns" => "set-up time",
        "teardown_ns" => "teardown time",
        "latency_ns" => "latency",
        "response_ns" => "response time",
        "service_ns" => "service time",
        "lag_ns" => "lag of the generator",
        "offered_per_second" => "offered/s",
        "achieved_per_second" => "achieved/s",
        "delay_ns" => "one-way delay",
        "pdv_ns" => "delay variation (PDV)",
        "reordering_free_run_mean" => "mean reordering-free run",
        "reuse_interval_ns" => "time until a four-tuple comes back",
        "copied_bytes_per_payload_byte" => "copies of each byte",
        "allocations_per_operation" => "allocations/operation",
        "time_wait_bytes_per_entry" => "bytes per TIME_WAIT",
        "time_wait_peak" => "TIME_WAIT peak",
        "time_wait_violations" => "TIME_WAIT violations",
        "time_wait_reused" => "TIME_WAIT reused",
        "bytes_per_idle_connection" => "bytes/idle connection",
        "exhausted_ratio" => "ports exhausted",
        "exhausted_after_ns" => "ports exhausted after",
        "tuples" => "four-tuples",
        "time_wait_pressure" => "TIME_WAIT pressure",
        other => {
            return format!(
                "{}{suffix}",
                other.replace("cpu_ns_per_", "CPU per ").replace('_', " ")
            );
        }
    };
    format!("{words}{suffix}")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn scenarios_are_compared_by_what_they_report() {
        for &scenario in ScenarioKind::value_variants() {
            let required = required(scenario);
            assert!(
                headline(scenario).iter().all(|metric| required.contains(metric)),
                "{scenario}"
            );
            assert!(
                required
                    .iter()
                    .all(|metric| required.iter().filter(|other| *other == metric).count() == 1)
            );
        }
    }

    #[test]
    fn tcp_scenarios_report_what_all_tcp_scenarios_do() {
        for &scenario in ScenarioKind::value_variants() {
            let datagrams = matches!(
                scenario,
                ScenarioKind::Udp | ScenarioKind::Reorder | ScenarioKind::Packets
            );
            assert_eq!(
                TCP.iter().all(|metric| required(scenario).contains(metric)),
                !datagrams,
                "{scenario}"
            );
        }
    }

    #[test]
    fn percentiles_are_told_from_other_names() {
        assert_eq!(percentile_of("setup_ns_p999"), Some(("setup_ns", 0.999, 10_000)));
        assert_eq!(percentile_of("setup_ns_p99"), Some(("setup_ns", 0.99, 1000)));
        assert_eq!(percentile_of("connections_per_second"), None);
    }

    #[test]
    fn labels_are_words() {
        assert_eq!(label("setup_ns_p999"), "set-up time, p99.9");
        assert_eq!(label("cpu_ns_per_connection"), "CPU per connection");
        assert_eq!(label("server_cpu_ns_per_connection"), "server CPU per connection");
        assert_eq!(label("reordering_free_run_mean"), "mean reordering-free run");
    }
}
