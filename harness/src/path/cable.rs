//! Devices between the hosts of the lab, made over netlink; no `ip` program is needed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{
    BridgePortState, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoVeth, LinkAttribute, LinkInfo,
    State,
};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use super::host::Host;
use super::namespace::NotPossible;
use crate::sys;

/// What the device of an end is called, on its host.
pub(crate) const DEVICE: &str = "wire0";

/// How long the kernel may take to notice that a device is up.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Joins two hosts by a pair of virtual Ethernet devices, `name` at the near one and [`DEVICE`] at the far one, both still down.
///
/// # Errors
/// [`NotPossible`] when the kernel has no such devices or refuses them.
pub(crate) fn veth(near: &Host, name: &str, far: &Host, mtu: u32) -> Result<(), NotPossible> {
    let peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name(DEVICE)
        .mtu(mtu)
        .setns_by_fd(far.as_fd().as_raw_fd())
        .build();
    let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(name)
        .mtu(mtu)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .build();
    netlink(near, async |handle| handle.link().add(pair).execute().await)
        .map_err(|error| NotPossible(format!("no pair of virtual Ethernet devices ({error})")))
}

/// Gives `host` a bridge, which is up: it forwards from the first packet on, and what is for a group goes to everybody.
///
/// # Errors
/// [`NotPossible`] when the kernel has no bridges or refuses one.
pub(crate) fn bridge(host: &Host, name: &str) -> Result<(), NotPossible> {
    let bridge = LinkBridge::new(name).mcast_snooping(false).build();
    netlink(host, async |handle| handle.link().add(bridge).execute().await)
        .map_err(|error| NotPossible(format!("no bridge between the ends ({error})")))
}

/// Makes the device `name` of `host` a port of its bridge, and brings it up.
///
/// # Errors
/// [`NotPossible`] when there is no such device, or the bridge does not take it.
pub(crate) fn join_bridge(host: &Host, name: &str, bridge: &str) -> Result<(), NotPossible> {
    let refused = |error: String| NotPossible(format!("{name} is no port of {bridge} ({error})"));
    let index = |name| index_on(host, name).map_err(|error| refused(error.to_string()));
    let port = LinkUnspec::new_with_index(index(name)?)
        .controller(index(bridge)?)
        .up()
        .build();
    netlink(host, async |handle| handle.link().set(port).execute().await)
        .map_err(|error| refused(error.to_string()))
}

/// Waits until the kernel of `host` has noticed that both ends of `device` are up, as it does in its own time: on a busy machine a second later,
/// and before that it drops what it is to send over it, or to pass on.
///
/// # Errors
/// [`NotPossible`] when that does not come about in [`NOTICED_WITHIN`], or there is no such device.
pub(crate) fn await_link(host: &Host, device: &str) -> Result<(), NotPossible> {
    let failed = |error: String| NotPossible(format!("{device} does not come up ({error})"));
    let index = index_on(host, device).map_err(|error| failed(error.to_string()))?;
    let since = Instant::now();
    while !attributes(host, index).is_some_and(|link| carries_packets(&link)) {
        if since.elapsed() > NOTICED_WITHIN {
            return Err(failed(format!(
                "its other end is not noticed within {NOTICED_WITHIN:?}"
            )));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(())
}

/// Whether a device sends what it is given, and passes it on where it is a port of a bridge.
fn carries_packets(link: &[LinkAttribute]) -> bool {
    let port_state = |info: &LinkInfo| match info {
        LinkInfo::PortData(InfoPortData::BridgePort(port)) => port.iter().find_map(|fact| match fact {
            InfoBridgePort::State(state) => Some(*state),
            _ => None,
        }),
        _ => None,
    };
    link.iter().all(|fact| match fact {
        LinkAttribute::OperState(state) => matches!(state, State::Up | State::Unknown),
        // What has no queue yet.
        LinkAttribute::Qdisc(queue) => queue != "noop",
        LinkAttribute::LinkInfo(facts) => {
            let state = facts.iter().find_map(port_state);
            state.is_none_or(|state| state == BridgePortState::Forwarding)
        }
        _ => true,
    })
}

/// Gives `host` an Ethernet device named [`DEVICE`], still down, whose far end is the descriptor.
///
/// # Errors
/// [`NotPossible`] when the kernel has no such devices or refuses them.
pub(crate) fn tap(host: &Host, mtu: u32) -> Result<OwnedFd, NotPossible> {
    let refused = |error: io::Error| {
        let way_out = match error.kind() {
            io::ErrorKind::PermissionDenied => ": run as root, or give the user /dev/net/tun",
            io::ErrorKind::NotFound => {
                ": load the driver (modprobe tun), or pass /dev/net/tun into the container"
            }
            _ => "",
        };
        NotPossible(format!("no TAP device ({error}){way_out}"))
    };
    let device = {
        let _visit = host.visit().map_err(refused)?;
        sys::open_tap(DEVICE).map_err(refused)?
    };
    set_mtu(host, mtu)?;
    Ok(device)
}

/// Gives the device of `host` its addresses and brings it up.
///
/// # Errors
/// [`NotPossible`] names the address that was refused.
pub(crate) fn bring_up(host: &Host, addresses: &[(IpAddr, u8)]) -> Result<(), NotPossible> {
    let device = |error: io::Error| NotPossible(format!("no device {DEVICE} ({error})"));
    let index = index_on(host, DEVICE).map_err(device)?;
    netlink(host, async |handle| {
        for &(address, prefix) in addresses {
            let mut added = handle.address().add(index, address, prefix);
            // Nobody else is there, and an address that is looked for elsewhere first cannot be bound to yet.
            added.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            added.execute().await?;
        }
        let up = LinkUnspec::new_with_index(index).up().build();
        handle.link().set(up).execute().await
    })
    .map_err(|error| NotPossible(format!("{DEVICE} does not come up ({error})")))
}

/// Sets the length of the largest packet that `host` sends over its device.
///
/// # Errors
/// [`NotPossible`] when the device does not take it.
pub(crate) fn set_mtu(host: &Host, mtu: u32) -> Result<(), NotPossible> {
    let refused = |error: String| NotPossible(format!("{DEVICE} has no MTU of {mtu} ({error})"));
    let index = index_on(host, DEVICE).map_err(|error| refused(error.to_string()))?;
    let changed = LinkUnspec::new_with_index(index).mtu(mtu).build();
    netlink(host, async |handle| handle.link().set(changed).execute().await)
        .map_err(|error| refused(error.to_string()))
}

/// Sends everything that `host` has no better route for to its device, which is up.
///
/// # Errors
/// [`NotPossible`] when the kernel refuses a route.
pub(crate) fn route_everything(host: &Host) -> Result<(), NotPossible> {
    let refused = |error: String| NotPossible(format!("no route over {DEVICE} ({error})"));
    let index = index_on(host, DEVICE).map_err(|error| refused(error.to_string()))?;
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new()
        .output_interface(index)
        .build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new()
        .output_interface(index)
        .build();
    netlink(host, async |handle| {
        handle.route().add(v4).execute().await?;
        handle.route().add(v6).execute().await
    })
    .map_err(|error| refused(error.to_string()))
}

/// Packets that the device of `host` could not send, because whoever reads its far end did not keep up; `None` where the kernel does not tell.
pub(crate) fn overrun(host: &Host) -> Option<u64> {
    /// Behind the name of the device: eight figures of what it received, then bytes, packets, errors and drops of what it sent.
    const DROPPED: usize = 11;
    let _visit = host.visit().ok()?;
    let devices = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    let figures = devices
        .lines()
        .find_map(|line| line.trim().strip_prefix(DEVICE)?.strip_prefix(':'))?;
    figures.split_whitespace().nth(DROPPED)?.parse().ok()
}

/// What went over the device of a host so far and did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Passed {
    /// Packets that could not be sent, because the host at the other end had no room for them.
    pub(crate) unsent: u64,
    /// Packets that came for a hardware address which is not that of the device, and were dropped.
    pub(crate) for_nobody: u64,
}

/// What the device of `host` counted; `None` where the kernel does not tell.
pub(crate) fn passed(host: &Host) -> Option<Passed> {
    let index = index_on(host, DEVICE).ok()?;
    attributes(host, index)?.into_iter().find_map(|fact| match fact {
        LinkAttribute::Stats64(counted) => Some(Passed {
            unsent: counted.tx_dropped,
            for_nobody: counted.rx_otherhost_dropped,
        }),
        _ => None,
    })
}

/// What the kernel of `host` tells of a device; `None` when it is gone.
fn attributes(host: &Host, index: u32) -> Option<Vec<LinkAttribute>> {
    let mut found = None;
    netlink(host, async |handle| {
        let mut answers = pin!(handle.link().get().match_index(index).execute());
        found = answers.next().await.transpose()?.map(|link| link.attributes);
        Ok(())
    })
    .ok()?;
    found
}

/// The hardware address of the device of `host`.
///
/// # Errors
/// Without the device.
pub(crate) fn hardware_address(host: &Host) -> io::Result<[u8; 6]> {
    let _visit = host.visit()?;
    sys::packet::hardware_address(DEVICE)
}

/// Gives the loopback device of `host` an address beside those of 127/8.
///
/// # Errors
/// [`NotPossible`] when the kernel refuses it.
#[cfg(test)]
pub(crate) fn address_loopback(host: &Host, address: Ipv4Addr) -> Result<(), NotPossible> {
    /// The loopback device is the first of every namespace.
    const LOOPBACK: u32 = 1;
    netlink(host, async |handle| {
        handle.address().add(LOOPBACK, address.into(), 32).execute().await
    })
    .map_err(|error| NotPossible(format!("no address {address} for the loopback device ({error})")))
}

/// Whether `host` has the device.
pub(crate) fn is_attached(host: &Host, device: &str) -> bool {
    !index_on(host, device).is_err_and(|error| is_of_no_device(&error))
}

/// Whoever has no descriptor left to ask with, as in a run of many connections, has lost no device.
fn is_of_no_device(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}

pub(crate) fn index_on(host: &Host, device: &str) -> io::Result<u32> {
    let _visit = host.visit()?;
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(netdevice::name_to_index(&any, device)?)
}

/// Says something to the kernel of `host` over netlink, and waits for its answer.
pub(super) fn netlink(
    host: &Host,
    say: impl AsyncFnOnce(Handle) -> Result<(), rtnetlink::Error>,
) -> Result<(), rtnetlink::Error> {
    let failed = |error: io::Error| rtnetlink::Error::NamespaceError(error.to_string());
    // The netlink socket belongs to the namespace in which it is made.
    let _visit = host.visit().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(failed)?;
        let connection = tokio::spawn(connection);
        let answer = say(handle).await;
        connection.abort();
        answer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_carries_packets_when_it_is_up_and_has_a_queue_and_its_bridge_lets_it() {
        let queue = |name: &str| LinkAttribute::Qdisc(name.to_owned());
        let port = |state| {
            let facts = vec![InfoBridgePort::State(state)];
            LinkAttribute::LinkInfo(vec![LinkInfo::PortData(InfoPortData::BridgePort(facts))])
        };
        let up = LinkAttribute::OperState(State::Up);
        assert!(carries_packets(&[up.clone(), queue("noqueue")]));
        assert!(carries_packets(&[up.clone(), port(BridgePortState::Forwarding)]));
        assert!(
            carries_packets(&[LinkAttribute::OperState(State::Unknown)]),
            "a TAP tells no more"
        );
        for not_yet in [
            LinkAttribute::OperState(State::LowerLayerDown),
            LinkAttribute::OperState(State::Down),
            queue("noop"),
            port(BridgePortState::Disabled),
        ] {
            assert!(!carries_packets(&[up.clone(), not_yet.clone()]), "{not_yet:?}");
        }
    }

    #[test]
    fn a_question_that_could_not_be_asked_takes_no_device_away() {
        assert!(is_of_no_device(&Errno::NODEV.into()));
        for unasked in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::PERM] {
            assert!(!is_of_no_device(&unasked.into()), "{unasked}");
        }
    }
}
