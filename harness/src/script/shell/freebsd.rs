//! FreeBSD's settings.

use handfast::config::{Config, Ecn};
use handfast::time::Duration;

/// Whether settings of that tree are FreeBSD's.
pub(super) fn has(tree: &str) -> bool {
    ["net.inet", "net.inet6", "kern"].iter().any(|root| {
        tree.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Sets what is called `name`, at the end of `path`. `None` when the engine has nothing of the kind, or not with that value.
pub(super) fn set(config: &mut Config, path: &str, name: &str, value: &str) -> Option<()> {
    let tcp = &mut config.tcp;
    if path == "net.inet.tcp.cc.algorithm" {
        tcp.congestion = super::congestion(value)?;
        return Some(());
    }
    if path == "net.inet.tcp.functions_default" {
        return (value == "freebsd").then_some(());
    }
    let number: u32 = value.parse().ok()?;
    match (path, name) {
        ("net.inet.tcp.rfc1323", _) => {
            tcp.timestamps = number != 0;
            tcp.window_scaling = number != 0;
        }
        ("net.inet.tcp.ecn.enable", _) => {
            tcp.ecn = match number {
                0 => Ecn::Off,
                1 => Ecn::Always,
                2 => Ecn::WhenAsked,
                _ => return None,
            }
        }
        ("net.inet.tcp.syncookies", _) if number <= 1 => tcp.syn_cookies = number == 1,
        ("net.inet.tcp.sack.enable", _) => tcp.sack = number != 0,
        // In milliseconds, as all of FreeBSD's times.
        ("net.inet.tcp.msl", _) => tcp.time_wait = Duration::from_millis(2 * u64::from(number)),
        ("net.inet.tcp.delacktime", _) => tcp.delayed_ack = Duration::from_millis(u64::from(number)),
        ("net.inet.tcp.finwait2_timeout", _) => {
            tcp.fin_wait_2 = Duration::from_millis(u64::from(number));
        }
        ("net.inet.tcp.mssdflt", _) => return (number == 536).then_some(()),
        ("net.inet.tcp.sendspace" | "net.inet.tcp.sendbuf_max", _) => tcp.send_buffer = number,
        ("net.inet.tcp.recvspace" | "net.inet.tcp.recvbuf_max", _) => tcp.set_receive_buffer(number),
        ("net.inet.ip.ttl", _) => config.ttl = u8::try_from(number).ok()?,
        _ => return describes_engine(path, number),
    }
    Some(())
}

/// Settings that the engine cannot change, with the values that describe it.
fn describes_engine(path: &str, value: u32) -> Option<()> {
    let describes = match path {
        // Memory of hosts and of the machine, and offloads: nothing that a packet on this wire could tell.
        "net.inet.tcp.hostcache.purge"
        | "net.inet.tcp.hostcache.purgenow"
        | "net.inet.tcp.hostcache.enable"
        | "net.inet.tcp.recvbuf_auto"
        | "net.inet.tcp.sendbuf_auto"
        | "net.inet.tcp.tso"
        | "net.inet.tcp.log_debug"
        | "net.inet.tcp.log_in_vain"
        | "kern.ipc.maxsockbuf"
        | "kern.ipc.soacceptqueue"
        | "kern.ipc.somaxconn" => true,
        // What the engine always does …
        "net.inet.tcp.delayed_ack"
        | "net.inet.tcp.rfc3042"
        | "net.inet.tcp.rfc3390"
        | "net.inet.tcp.rfc6675_pipe"
        | "net.inet.tcp.newreno"
        | "net.inet.tcp.do_prr"
        | "net.inet.tcp.icmp_may_rst" => value == 1,
        // … and never.
        "net.inet.tcp.blackhole"
        | "net.inet.udp.blackhole"
        | "net.inet.tcp.drop_synfin"
        | "net.inet.tcp.always_keepalive"
        | "net.inet.tcp.insecure_rst"
        | "net.inet.tcp.insecure_syn"
        | "net.inet.tcp.insecure_ack"
        | "net.inet.tcp.fastopen.server_enable"
        | "net.inet.tcp.fastopen.client_enable"
        | "net.inet.tcp.fast_finwait2_recycle"
        | "net.inet.tcp.syncache.rst_on_sock_fail" => value == 0,
        "net.inet.tcp.initcwnd_segments" => value == 10,
        _ => false,
    };
    describes.then_some(())
}
