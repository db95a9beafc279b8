//! Linux's settings.

use handfast::config::{Config, Ecn};
use handfast::time::Duration;

/// Sets what is called `name` under `net.ipv4` or `net.core`. `None` when the engine has nothing of the kind, or not with that value.
pub(super) fn set(config: &mut Config, name: &str, value: &str) -> Option<()> {
    let tcp = &mut config.tcp;
    if name == "tcp_congestion_control" {
        tcp.congestion = super::congestion(value)?;
        return Some(());
    }
    if matches!(name, "default_qdisc" | "tcp_allowed_congestion_control") {
        return Some(());
    }
    // Of minimum, default and maximum the last is what a buffer can grow to.
    let last: u32 = value.split_whitespace().last()?.parse().ok()?;
    match name {
        "tcp_timestamps" => tcp.timestamps = last != 0,
        "tcp_window_scaling" => tcp.window_scaling = last != 0,
        "tcp_syncookies" if last <= 2 => {
            tcp.syn_cookies = last > 0;
            if last == 2 {
                tcp.half_open = 0;
            }
        }
        "tcp_orphan_retries" => {
            // Zero means what the engine starts with.
            if last > 0 {
                tcp.orphan_retries = u8::try_from(last).ok()?;
            }
        }
        "tcp_max_orphans" => tcp.orphans = last,
        "tcp_sack" => tcp.sack = last != 0,
        "tcp_ecn" => {
            tcp.ecn = match last {
                0 => Ecn::Off,
                1 => Ecn::Always,
                2 => Ecn::WhenAsked,
                _ => return None,
            };
        }
        "tcp_syn_retries" => tcp.syn_retries = u8::try_from(last).ok()?,
        "tcp_synack_retries" => tcp.syn_ack_retries = u8::try_from(last).ok()?,
        "tcp_retries2" => tcp.retries = u8::try_from(last).ok()?,
        "tcp_invalid_ratelimit" => tcp.invalid_interval = Duration::from_millis(u64::from(last)),
        "tcp_fin_timeout" => tcp.fin_wait_2 = Duration::from_secs(u64::from(last)),
        "tcp_slow_start_after_idle" => tcp.idle_restart = last != 0,
        "tcp_mtu_probing" if last <= 1 => tcp.black_hole_detection = last == 1,
        "tcp_rmem" => tcp.set_receive_buffer(last),
        "tcp_wmem" => tcp.send_buffer = last,
        "ip_default_ttl" => config.ttl = u8::try_from(last).ok()?,
        _ => return describes_engine(name, last),
    }
    Some(())
}

/// Settings that the engine cannot change, with the values that describe it.
fn describes_engine(name: &str, value: u32) -> Option<()> {
    let describes = match name {
        // Offloads, and memory of routes and sockets: nothing that a packet on this wire could tell.
        "tcp_min_tso_segs"
        | "tcp_tso_win_divisor"
        | "tcp_tso_rtt_log"
        | "tcp_limit_output_bytes"
        | "tcp_no_metrics_save"
        | "tcp_no_ssthresh_metrics_save"
        | "tcp_autocorking"
        | "tcp_moderate_rcvbuf"
        | "tcp_max_syn_backlog"
        | "tcp_max_tw_buckets"
        | "tcp_mem"
        | "tcp_pacing_ss_ratio"
        | "tcp_pacing_ca_ratio"
        // Has no effect on Linux either, since 4.15.
        | "tcp_fack"
        | "tcp_probe_interval"
        | "tcp_probe_threshold"
        | "tcp_base_mss"
        | "tcp_mtu_probe_floor"
        | "somaxconn"
        | "rmem_max"
        | "wmem_max"
        | "netdev_max_backlog" => true,
        // DSACK, RACK, tail loss probes, undo and the three duplicates are always there.
        "tcp_dsack" | "tcp_recovery" => value == 1,
        "tcp_early_retrans" => value == 3 || value == 4,
        "tcp_frto" => value != 0,
        "tcp_reordering" => value == 3,
        "tcp_rfc1337" => value == 1,
        "tcp_fastopen"
        | "tcp_abort_on_overflow"
        | "tcp_syn_linear_timeouts"
        | "tcp_thin_linear_timeouts"
        | "tcp_tw_reuse"
        | "tcp_shrink_window"
        | "tcp_migrate_req" => value == 0,
        "tcp_rto_min_us" => value == 200_000,
        "tcp_rto_max_ms" => value == 120_000,
        _ => false,
    };
    describes.then_some(())
}
