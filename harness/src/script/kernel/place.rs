//! The namespace that a script has for itself.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use std::{fs, thread};

use super::interface::Interface;
use crate::path::cable;
use crate::path::host::Host;
use crate::path::namespace::{self, NotPossible, Sysctl};
use crate::script::configuration::Settings;
use crate::script::shell;
use crate::script::verdict::Stop;

/// What scripts start from: Linux's defaults, whatever the host has, but for what the engine always does.
const SETTINGS: [(&str, &str); 15] = [
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.tcp_sack", "1"),
    ("net.ipv4.tcp_window_scaling", "1"),
    ("net.ipv4.tcp_ecn", "2"),
    ("net.ipv4.tcp_syncookies", "1"),
    ("net.ipv4.tcp_mtu_probing", "0"),
    ("net.ipv4.tcp_no_metrics_save", "1"),
    // A window scale of 8.
    ("net.ipv4.tcp_rmem", "4096 131072 16776960"),
    ("net.ipv4.tcp_wmem", "4096 4194304 4194304"),
    // What a script writes at once leaves at once.
    ("net.ipv4.tcp_min_tso_segs", "1"),
    ("net.ipv4.tcp_limit_output_bytes", "33554432"),
    // As the engine has them.
    ("net.ipv4.tcp_rfc1337", "1"),
    ("net.ipv4.tcp_fastopen", "0"),
    ("net.ipv4.tcp_syn_linear_timeouts", "0"),
    // Packets may come from anywhere.
    ("net.ipv4.conf.all.rp_filter", "0"),
];

/// Moves the calling thread into a namespace of its own with one interface, behind which is everything.
pub(super) fn prepare(settings: &Settings) -> Result<Interface, NotPossible> {
    namespace::isolate()?;
    for (name, value) in SETTINGS {
        Sysctl::new(name, value).apply()?;
    }
    let interface = Interface::new()?;
    let host = Host::here().map_err(|error| NotPossible(format!("/proc cannot be read ({error})")))?;
    let prefix = if settings.local.is_ipv6() { 128 } else { 32 };
    cable::bring_up(&host, &[(settings.local, prefix)])?;
    cable::set_mtu(&host, settings.mtu)?;
    cable::route_everything(&host)?;
    if let IpAddr::V6(local) = settings.local {
        await_route_to(local)?;
    }
    Ok(interface)
}

/// IPv6 takes note of an address in the background; until then, what arrives for it is nobody's.
fn await_route_to(local: Ipv6Addr) -> Result<(), NotPossible> {
    let digits = format!("{:032x}", u128::from(local));
    for _ in 0..PATIENCE_MILLIS {
        let routes = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
        // The ninth field are flags, the uppermost of which tells that the destination is this host.
        let is_ours = |flags: &str| u32::from_str_radix(flags, 16).is_ok_and(|flags| flags >> 31 == 1);
        let is_route =
            |line: &str| line.starts_with(&digits) && line.split_whitespace().nth(8).is_some_and(is_ours);
        if routes.lines().any(is_route) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(NotPossible(format!(
        "no route to {local} after {PATIENCE_MILLIS} ms"
    )))
}

/// How long IPv6 may take with an address.
const PATIENCE_MILLIS: u32 = 2_000;

/// The congestion control that scripts start with.
pub(super) const CONGESTION: &str = "cubic";

/// Sets what commands set, in the namespace of the calling thread. No shell is asked, so that a script can do no harm.
///
/// Only some algorithms can be the default of a namespace that is not the host's; any can be a socket's, so `congestion` is for those.
pub(super) fn command(commands: &str, congestion: &mut String) -> Result<(), Stop> {
    shell::run_with(commands, &mut |command, assignment| {
        let unsupported = || Stop::unsupported(format!("command `{command}`"));
        let (name, value) = assignment.split_once('=').ok_or_else(unsupported)?;
        let name = name.trim_start_matches("/proc/sys/").replace('/', ".");
        if name == shell::MTU {
            let mtu = value.parse().ok().filter(|mtu| shell::MTUS.contains(mtu));
            let host = Host::here().map_err(|_| unsupported())?;
            return cable::set_mtu(&host, mtu.ok_or_else(unsupported)?).map_err(|_| unsupported());
        }
        if name == "net.ipv4.tcp_congestion_control" {
            value.clone_into(congestion);
            return Ok(());
        }
        if !name.starts_with("net.ipv4.") && !name.starts_with("net.ipv6.") {
            return Err(unsupported());
        }
        namespace::set(&name, value).map_err(|_| unsupported())
    })
}
