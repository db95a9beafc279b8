//! Two ends that devices of the kernel lie between: over a cable or a bridge between two hosts, or an engine behind a TUN or TAP interface.
//!
//! Each end is a stack of its own choice. An engine shares its host with no stack of the kernel that has an address: what arrives is the
//! engine's alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use handfast::frame::{FramePool, PoolConfig};
use handfast::link::error::OpenError;
use handfast::link::packet::{PacketConfig, PacketDevice, Transmission};
use handfast::link::raw::{RawConfig, RawDevice};
use handfast::link::tun::{TunConfig, TunDevice};
use handfast::link::xdp::{self, XdpConfig, XdpDevice};
use handfast::link::{Device, Medium};

use super::addresses::{self, Addresses};
use super::kernel::{self, Kernel};
use super::uring::{self, Uring};
use super::{MakeEnd, Side, Stack, Unsupported, engine};
use crate::config::{Checksums, DeviceKind, Pairing, PathKind, RunConfig, ScenarioKind, StackKind};
use crate::flood;
use crate::path::detour::Detour;
use crate::path::host::Host;
use crate::path::lab::{self, Lab, Occupants};
use crate::path::namespace::NotPossible;
use crate::path::switch::{Port, Switch};
use crate::wire::{self, Links};

/// The client's end, the server's, and who they are to each other.
pub(super) type BothEnds = (MakeEnd, MakeEnd, Addresses);

/// Builds the hosts that `stacks` need to meet on the path of the run, and sees whether their devices open.
///
/// # Errors
/// [`NotPossible`] with what the system refused.
pub(super) fn prepare(stacks: Pairing, config: &RunConfig) -> Result<&'static Lab, NotPossible> {
    let occupants = Occupants {
        kernel_connects: stacks.client.is_kernel(),
        // Raw sockets are beside a kernel that has the address.
        kernel_answers: stacks.server.is_kernel() || config.device == DeviceKind::Raw,
        ip: config.ip,
        sources: config.pressure.addresses_or(1),
    };
    if matches!(config.path, PathKind::Tap | PathKind::Tun) {
        let lab = lab::build_alone(occupants)?;
        tunnel(config, lab::DEVICE, &probing_pool()).map_err(|error| NotPossible(error.to_string()))?;
        return Ok(lab);
    }
    if config.path == PathKind::Bridge {
        return switched(stacks, config, occupants);
    }
    let lab = match &config.link {
        Some(links) => wired(config, links, occupants)?,
        None => lab::build(config.mtu, occupants)?,
    };
    if config.flood.is_some() && stacks.server.is_kernel() {
        detour(config).apply(lab.host_of_server())?;
    }
    for (stack, host) in [
        (stacks.client, &lab.client),
        (stacks.server, lab.host_of_server()),
    ] {
        let _visit = visit(host)?;
        if stack == StackKind::Engine && config.device == DeviceKind::Raw {
            probe_raw_sockets()?;
        } else if stack == StackKind::Engine {
            device(config, &probing_pool()).map_err(|error| NotPossible(error.to_string()))?;
        } else if matches!(config.device, DeviceKind::Xdp | DeviceKind::Raw) {
            // Such sockets at the other end take packets as they are on a wire.
            xdp::finish_checksums(lab::DEVICE).map_err(|error| NotPossible(error.to_string()))?;
        }
    }
    Ok(lab)
}

/// Where the answers to a flood go.
fn detour(config: &RunConfig) -> Detour {
    lab::detour(config.ip, flood::sources(config.ip))
}

/// Where load generator number `generator` finds its servers on the cable.
pub(crate) fn targets(config: &RunConfig, generator: u32) -> Vec<SocketAddr> {
    addresses::on_cable(config, generator).server
}

/// Two hosts with a bridge between them, on which each engine's end has been once.
fn switched(stacks: Pairing, config: &RunConfig, occupants: Occupants) -> Result<&'static Lab, NotPossible> {
    let lab = lab::build_switched(config.mtu, occupants)?;
    let switch = lab.switch().expect("it was built with one");
    for (stack, port) in [(stacks.client, Port::Client), (stacks.server, Port::Server)] {
        if stack == StackKind::Engine {
            plugged_in(switch, port, config, &probing_pool())?;
        }
    }
    Ok(lab)
}

/// Two hosts with an emulated link between them.
fn wired(config: &RunConfig, links: &Links, occupants: Occupants) -> Result<&'static Lab, NotPossible> {
    let (lab, [client, server]) = lab::build_around(config.mtu, occupants)?;
    wire::start(client, server, links, config.seed)
        .map_err(|error| NotPossible(format!("no thread for the wire ({error})")))?;
    Ok(lab)
}

/// Both ends, in the lab that [`prepare`] built.
///
/// # Errors
/// [`Unsupported`] when the stacks cannot do what was asked.
pub(super) fn both_ends(
    lab: &'static Lab,
    stacks: Pairing,
    config: &RunConfig,
    generator: u32,
) -> Result<BothEnds, Unsupported> {
    check(stacks, config)?;
    let addresses = addresses::on_cable(config, generator);
    let end = |side: Side, stack: StackKind| match stack {
        StackKind::Engine => Ok(engine_end(lab, side, config, &addresses)),
        StackKind::KernelUring => uring_end(lab, side, config, generator),
        _ => kernel_end(lab, side, stack, config, generator),
    };
    let (client, server) = (
        end(Side::Client, stacks.client)?,
        end(Side::Server, stacks.server)?,
    );
    Ok((client, server, addresses))
}

pub(super) fn check(stacks: Pairing, config: &RunConfig) -> Result<(), Unsupported> {
    let has_engine = [stacks.client, stacks.server].contains(&StackKind::Engine);
    if has_engine && config.generators > 1 {
        return Err(Unsupported(format!(
            "one engine has the {} device to itself: use --generators 1",
            config.path
        )));
    }
    if stacks.has_kernel() && config.checksums == Checksums::Computed {
        return Err(Unsupported(format!(
            "the kernel leaves checksums to its {} devices and is not told otherwise",
            config.path
        )));
    }
    Ok(())
}

pub(super) fn kernel_end(
    lab: &'static Lab,
    side: Side,
    kind: StackKind,
    config: &RunConfig,
    generator: u32,
) -> Result<MakeEnd, Unsupported> {
    let options = kernel::Options {
        counts_namespace: generator == 0,
        ..kernel::Options::new(kind, config)?
    };
    let end = match side {
        Side::Client => Kernel::new(options),
        Side::Server => Kernel::on(lab.host_of_server(), options),
    };
    let end = end.map_err(|error| Unsupported(format!("the kernel gives no epoll descriptor ({error})")))?;
    Ok(Box::new(|| Box::new(end)))
}

fn uring_end(
    lab: &'static Lab,
    side: Side,
    config: &RunConfig,
    generator: u32,
) -> Result<MakeEnd, Unsupported> {
    uring::check()?;
    let options = kernel::Options {
        counts_namespace: generator == 0,
        ..kernel::Options::new(StackKind::KernelUring, config)?
    };
    let shape = uring::shape(config, &options);
    Ok(Box::new(move || {
        let end = match side {
            Side::Client => Uring::new(options, shape),
            Side::Server => Uring::on(lab.host_of_server(), options, shape),
        };
        Box::new(end.expect("a ring was made a moment ago"))
    }))
}

fn engine_end(lab: &'static Lab, side: Side, config: &RunConfig, addresses: &Addresses) -> MakeEnd {
    let (own, remotes): (Vec<IpAddr>, Vec<SocketAddr>) = match side {
        Side::Client => {
            let sources = config.pressure.addresses_or(1);
            (
                lab::client_addresses(config.ip, sources),
                addresses.server.clone(),
            )
        }
        Side::Server => (addresses.server.iter().map(SocketAddr::ip).collect(), Vec::new()),
    };
    let mut options = engine::Options::new(config, &own, side);
    if shares_interface(config) {
        options = options.beside_kernel(side);
    }
    if config.flood.is_some() && side == Side::Server {
        options = options.with_detour(&detour(config));
    }
    let config = config.clone();
    Box::new(move || match config.path {
        PathKind::Veth | PathKind::Wire => over_cable(lab, side, &config, &options, &own, &remotes),
        PathKind::Bridge => Box::new(engine::Engine::new(&options, &own, &remotes, |pool| {
            let switch = lab.switch().expect("the lab was built with one");
            plugged_in(switch, port(side), &config, pool).expect("it was plugged in a moment ago")
        })),
        _ => Box::new(engine::Engine::new(&options, &own, &remotes, |pool| {
            let device = tunnel(&config, lab::DEVICE, pool).expect("it opened a moment ago");
            lab.address_the_kernel().expect("the interface is there");
            device
        })),
    })
}

/// Whether the kernel gets whatever an engine gets, too.
fn shares_interface(config: &RunConfig) -> bool {
    matches!(config.path, PathKind::Veth | PathKind::Wire)
        && matches!(config.device, DeviceKind::Packet | DeviceKind::PacketRing)
        // Who floods sends to the interface's own station, and neighbours remember which it was before the flood.
        && config.scenario != ScenarioKind::SynFlood
}

fn over_cable(
    lab: &'static Lab,
    side: Side,
    config: &RunConfig,
    options: &engine::Options,
    own: &[IpAddr],
    remotes: &[SocketAddr],
) -> Box<dyn Stack> {
    let host = match side {
        Side::Client => &lab.client,
        Side::Server => lab.host_of_server(),
    };
    let _visit = host.visit().expect("it was visited a moment ago");
    let end = engine::Engine::new(options, own, remotes, |pool| {
        device(config, pool).expect("it opened a moment ago")
    });
    if config.flood.is_some() && side == Side::Server {
        return Box::new(end.watching_half_open());
    }
    Box::new(end)
}

pub(super) fn visit(host: &Host) -> Result<crate::path::host::Visit, NotPossible> {
    host.visit()
        .map_err(|error| NotPossible(format!("a host cannot be entered ({error})")))
}

/// An engine's end of the cable, on the host that the calling thread visits.
pub(super) fn device(config: &RunConfig, pool: &FramePool) -> Result<Box<dyn Device>, OpenError> {
    // The devices of an emulated link do nothing for a stack: what is corrupted on it has to be noticed, and packets of more than the MTU never leave.
    let leaves_to_device = config.checksums == Checksums::Device && config.link.is_none();
    let transmission = match config.device {
        DeviceKind::Packet => Transmission::Calls,
        DeviceKind::PacketRing => Transmission::Ring,
        DeviceKind::Raw => {
            return Err(OpenError::Invalid(
                "raw sockets are for `packets` alone: a kernel that has the address would reset connections"
                    .to_owned(),
            ));
        }
        DeviceKind::Xdp => {
            let steered = XdpConfig {
                trusted: leaves_to_device,
                ..XdpConfig::new(lab::DEVICE)
            };
            return Ok(Box::new(XdpDevice::new(&steered, pool.clone())?));
        }
    };
    let socket = PacketConfig {
        transmission,
        offloads: leaves_to_device,
        ring_bytes: ring_bytes(config),
        ..PacketConfig::new(lab::DEVICE)
    };
    Ok(Box::new(PacketDevice::new(&socket, pool.clone())?))
}

/// Who is flooded gets room for about as many packets as a kernel has in front of it (`netdev_max_backlog`, 1,000), each of the longest.
fn ring_bytes(config: &RunConfig) -> usize {
    const LONGEST: usize = 64 << 10;
    if config.scenario == ScenarioKind::SynFlood {
        1000 * LONGEST
    } else {
        PacketConfig::new(lab::DEVICE).ring_bytes
    }
}

/// An engine's end of the bridge: a TAP, which is made on the host of the switch.
fn plugged_in(
    switch: &Switch,
    port: Port,
    config: &RunConfig,
    pool: &FramePool,
) -> Result<TunDevice, NotPossible> {
    let _visit = visit(switch.host())?;
    let device = tunnel(config, port.device(), pool).map_err(|error| NotPossible(error.to_string()))?;
    switch.plug_in(port)?;
    switch.await_port(port)?;
    Ok(device)
}

fn port(side: Side) -> Port {
    match side {
        Side::Client => Port::Client,
        Side::Server => Port::Server,
    }
}

/// The far end of the interface `name` on the host that the calling thread visits.
pub(super) fn tunnel(
    config: &RunConfig,
    name: &str,
    pool: &FramePool,
) -> Result<TunDevice, impl std::error::Error + use<>> {
    let tunnel = TunConfig {
        name: name.to_owned(),
        medium: if config.path == PathKind::Tun {
            Medium::Ip
        } else {
            Medium::Ethernet
        },
        mtu: config.mtu,
        offloads: config.checksums == Checksums::Device,
        ..TunConfig::default()
    };
    TunDevice::new(&tunnel, pool.clone())
}

/// Sees whether raw sockets open, on whatever addresses the host has.
fn probe_raw_sockets() -> Result<(), NotPossible> {
    let any = RawConfig::loopback(Ipv4Addr::UNSPECIFIED);
    RawDevice::new(any, probing_pool())
        .map(drop)
        .map_err(|error| NotPossible(error.to_string()))
}

fn probing_pool() -> FramePool {
    FramePool::new(PoolConfig::default())
}
