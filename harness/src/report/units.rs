//! Figures as people read them: three digits and a unit.

/// A figure of the named metric.
pub(super) fn figure(metric: &str, value: f64) -> String {
    if metric == "gigabits_per_second" {
        format!("{} Gbit/s", digits(value))
    } else if metric.contains("_ns_") || metric.ends_with("_ns") {
        nanoseconds(value)
    } else if metric.ends_with("_ratio") {
        format!("{} %", digits(value * 100.0))
    } else if metric.ends_with("_per_second") {
        scaled(value)
    } else if metric == "time_wait_bytes_per_entry" || metric == "bytes_per_idle_connection" {
        format!("{} B", digits(value))
    } else {
        count(value)
    }
}

/// A span of nanoseconds.
pub(crate) fn nanoseconds(value: f64) -> String {
    let (scale, unit) = match value {
        ..1e3 => (1.0, "ns"),
        ..1e6 => (1e3, "µs"),
        ..1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", digits(value / scale))
}

/// A factor: `25×`, `0.84×`.
pub(super) fn factor(value: f64) -> String {
    format!("{}×", digits(value))
}

/// Whole numbers as they are, up to where they are too long to read.
fn count(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 100_000.0 {
        format!("{value}")
    } else {
        scaled(value)
    }
}

pub(crate) fn scaled(value: f64) -> String {
    match value.abs() {
        ..1e3 => digits(value),
        ..1e6 => format!("{} k", digits(value / 1e3)),
        ..1e9 => format!("{} M", digits(value / 1e6)),
        _ => format!("{} G", digits(value / 1e9)),
    }
}

/// About three significant digits, without a tail of zeros after a whole number.
pub(super) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_unit_of_their_metric() {
        assert_eq!(figure("connections_per_second", 512_345.0), "512 k");
        assert_eq!(figure("datagrams_per_second", 8_123_456.0), "8.12 M");
        assert_eq!(figure("gigabits_per_second", 61.234), "61.2 Gbit/s");
        assert_eq!(figure("cpu_ns_per_connection", 1934.0), "1.93 µs");
        assert_eq!(figure("setup_ns_p999", 2_200_000.0), "2.20 ms");
        assert_eq!(figure("latency_ns_p50", 840.0), "840 ns");
        assert_eq!(figure("reordered_ratio", 0.1), "10.0 %");
        assert_eq!(figure("time_wait_bytes_per_entry", 39.5), "39.5 B");
        assert_eq!(figure("failed", 0.0), "0");
        assert_eq!(figure("time_wait_peak", 30_123_456.0), "30.1 M");
        assert_eq!(figure("time_wait_reused", 28_232.0), "28232");
        assert_eq!(figure("allocations_per_operation", 0.25), "0.250");
    }

    #[test]
    fn factors_are_short() {
        assert_eq!(factor(25.34), "25.3×");
        assert_eq!(factor(0.8414), "0.841×");
        assert_eq!(factor(1534.0), "1534×");
    }
}
