//! Options of a connection that can be set before there is one, so that they are kept and applied when there is.

use handfast::application::TcpHandle;
use handfast::config::{KeepAlive, Pacing, UserTimeout};
use handfast::time::Duration;

use super::{Descriptor, Kind};
use crate::script::configuration::doubled;
use crate::script::shell;
use crate::script::world::World;

/// The options that are kept here.
pub(super) const NAMES: [&str; 11] = [
    "SO_KEEPALIVE",
    "TCP_KEEPIDLE",
    "TCP_KEEPINTVL",
    "TCP_KEEPCNT",
    "TCP_USER_TIMEOUT",
    "IP_TOS",
    "IPV6_TCLASS",
    "SO_RCVTIMEO",
    "SO_SNDTIMEO",
    "TCP_NOTSENT_LOWAT",
    "SO_MAX_PACING_RATE",
];

/// As fast as the windows let: what Linux says of the option that was not set, and the same without a sign.
const NO_PACING: i64 = -1;
const NO_PACING_UNSIGNED: u64 = u32::MAX as u64;

/// What Linux says of an option that was not set. `None` for other options.
pub(super) fn default(name: &str) -> Option<i64> {
    let keep_alive = KeepAlive::default();
    let seconds = |span: Duration| (span.as_nanos() / 1_000_000_000) as i64;
    Some(match name {
        "TCP_KEEPIDLE" => seconds(keep_alive.idle),
        "TCP_KEEPINTVL" => seconds(keep_alive.interval),
        "TCP_KEEPCNT" => i64::from(keep_alive.probes),
        "SO_MAX_PACING_RATE" => NO_PACING,
        _ if NAMES.contains(&name) => 0,
        _ => return None,
    })
}

/// Whether Linux takes that value.
pub(super) fn is_legal(name: &str, value: i64) -> bool {
    match name {
        "TCP_KEEPIDLE" | "TCP_KEEPINTVL" => (1..=32_767).contains(&value),
        "TCP_KEEPCNT" => (1..=127).contains(&value),
        "IP_TOS" | "IPV6_TCLASS" => (0..=255).contains(&value),
        "SO_MAX_PACING_RATE" => true,
        _ => value >= 0,
    }
}

/// Hands a connection the buffers that its descriptor was told, or that the listener was.
fn apply_buffers(world: &mut World, handle: TcpHandle, sends: Option<i64>, receives: Option<i64>) {
    // A connection that is over queues nothing any more.
    if let Some(given) = sends {
        let _ = world.engine().tcp_set_send_buffer(handle, doubled(given));
    }
    if let Some(given) = receives {
        let _ = world.engine().tcp_set_receive_buffer(handle, doubled(given));
    }
}

/// Hands a connection what its descriptor was told.
pub(super) fn apply(world: &mut World, fd: i64) {
    let Some(Descriptor {
        kind: Kind::Stream(handle),
        options,
        congestion,
        ..
    }) = world.sockets.get(fd)
    else {
        return;
    };
    let (handle, options, congestion) = (*handle, options.clone(), congestion.clone());
    if let Some(algorithm) = congestion.as_deref().and_then(shell::congestion) {
        // A connection that is over has nothing to control.
        let _ = world.engine().tcp_set_congestion(handle, algorithm);
    }
    let (sends, receives) = (options.get("SO_SNDBUF"), options.get("SO_RCVBUF"));
    apply_buffers(world, handle, sends.copied(), receives.copied());
    if let Some(millis) = options.get("linger") {
        let limit = u64::try_from(*millis).ok().map(Duration::from_millis);
        // A connection that is over has nothing to deliver.
        let _ = world.engine().tcp_set_linger(handle, limit);
    }
    let value = |name: &str| {
        let given = options.get(name).copied();
        given.or_else(|| default(name)).unwrap_or(0)
    };
    if options.contains_key("SO_KEEPALIVE") {
        let keep_alive = (value("SO_KEEPALIVE") != 0).then(|| KeepAlive {
            idle: seconds(value("TCP_KEEPIDLE")),
            interval: seconds(value("TCP_KEEPINTVL")),
            probes: value("TCP_KEEPCNT") as u8,
        });
        // A connection that is over has nothing to ask any more.
        let _ = world.engine().tcp_set_keep_alive(handle, keep_alive);
    }
    if let Some(millis) = options.get("TCP_USER_TIMEOUT") {
        set_user_timeout(world, handle, *millis);
    }
    apply_limits(world, handle, |name| options.get(name).copied());
    if let Some(class) = options.get("IP_TOS").or_else(|| options.get("IPV6_TCLASS")) {
        let _ = world.engine().tcp_set_diffserv(handle, (*class >> 2) as u8);
    }
}

/// Hands a connection the limits that its descriptor was told, or that the listener was.
fn apply_limits(world: &mut World, handle: TcpHandle, given: impl Fn(&str) -> Option<i64>) {
    // A connection that is over has nothing to limit.
    if let Some(low_water) = given("TCP_NOTSENT_LOWAT") {
        let low_water = u32::try_from(low_water).ok().filter(|octets| *octets > 0);
        let _ = world.engine().tcp_set_unsent_low_water(handle, low_water);
    }
    if let Some(clamp) = given("TCP_WINDOW_CLAMP") {
        let _ = world.engine().tcp_set_window_clamp(handle, clamp as u32);
    }
    if let Some(rate) = given("SO_MAX_PACING_RATE") {
        let limit = u64::try_from(rate).ok().filter(|rate| *rate < NO_PACING_UNSIGNED);
        let _ = world
            .engine()
            .tcp_set_pacing(handle, limit.map_or(Pacing::Off, Pacing::UpTo));
    }
    // Zero stands for what the engine was configured with, and less for none.
    if let Some(time) = given("TCP_LINGER2").filter(|seconds| *seconds != 0) {
        let _ = world
            .engine()
            .tcp_set_fin_wait_2(handle, Duration::from_secs(u64::try_from(time).unwrap_or(0)));
    }
}

/// Hands a listener what its descriptor was told.
pub(super) fn apply_to_listener(world: &mut World, fd: i64) {
    let Some(Descriptor {
        kind: Kind::Listener { handle, .. },
        options,
        ..
    }) = world.sockets.get(fd)
    else {
        return;
    };
    let handle = *handle;
    if let Some(limit) = options.get("TCP_DEFER_ACCEPT").copied() {
        // A listener that has a descriptor is open.
        let _ = world.engine().tcp_set_defer_accept(handle, seconds(limit));
    }
}

/// Seconds rounded up to what SYN-ACKs wait for: 1 for the first, and twice as long for each that follows.
pub(super) fn whole_timeouts(given: i64) -> i64 {
    let sums = (0..8).map(|timeouts| (1 << timeouts) - 1);
    sums.clone().find(|sum| *sum >= given).unwrap_or(255)
}

fn set_user_timeout(world: &mut World, handle: TcpHandle, millis: i64) {
    let timeout = match u64::try_from(millis) {
        Ok(millis) if millis > 0 => UserTimeout::After(Duration::from_millis(millis)),
        _ => UserTimeout::ByRetransmissions,
    };
    // A connection that is over has nothing to wait for.
    let _ = world.engine().tcp_set_user_timeout(handle, timeout);
}

fn seconds(value: i64) -> Duration {
    Duration::from_secs(value.unsigned_abs())
}
