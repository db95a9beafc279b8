//! The hosts between which packets go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use handfast::frame::{FramePool, PacketQueue};
use handfast::link::Device;
use handfast::link::raw::{RawConfig, RawDevice};
use handfast::link::wait::Waiter;
use handfast::time::Duration as Span;
use socket2::{Domain, SockFilter, Socket, Type};

use super::{BATCH, Hosts, Reflector};
use crate::config::{DeviceKind, Pairing, PathKind, RunConfig, StackKind};
use crate::path::host::Host;
use crate::path::lab::{self, Lab};
use crate::path::namespace;
use crate::stack::{Side, Unsupported, addresses, cabled, engine};

/// Milliseconds for which a neighbour that was heard counts as there: longer than any run, since the bare loop answers nobody who asks.
const REACHABLE: &str = "86400000";

/// The kernel at one end and the reflector at the other, in the lab that was built for them.
///
/// # Errors
/// [`Unsupported`] when the system refuses a step.
pub(crate) fn open(config: &RunConfig) -> Result<Hosts, Unsupported> {
    let lab = lab::built().ok_or_else(|| Unsupported("there are no hosts to send packets between".into()))?;
    let stacks = Pairing {
        client: StackKind::Kernel,
        server: StackKind::Engine,
    };
    cabled::check(stacks, config)?;
    let addresses = addresses::on_cable(config, 0);
    let source = cabled::kernel_end(lab, Side::Client, StackKind::Kernel, config, 0)?;
    let to = addresses.server[0];
    let reflector = if config.path == PathKind::Veth {
        let _visit = cabled::visit(lab.host_of_server()).map_err(|reason| Unsupported(reason.to_string()))?;
        reflector(config, to, |pool| on_cable(config, to, pool))
    } else {
        reflector(config, to, |pool| in_tunnel(lab, config, pool))
    }?;
    trust_neighbours(&lab.client)?;
    Ok(Hosts {
        source: source(),
        reflector,
        from: lab::client_address(config.ip),
        to,
    })
}

fn reflector(
    config: &RunConfig,
    at: SocketAddr,
    make_device: impl FnOnce(&FramePool) -> Result<Box<dyn Device>, Unsupported>,
) -> Result<Reflector, Unsupported> {
    let options = engine::Options::new(config, &[at.ip()], Side::Server);
    let mut engine = options.build(make_device)?;
    let socket = engine
        .udp_bind(at)
        .map_err(|error| Unsupported(format!("the engine does not bind {at} ({error})")))?;
    let waiter = Waiter::new(Span::ZERO)
        .map_err(|error| Unsupported(format!("the system gives no event descriptor ({error})")))?;
    Ok(Reflector {
        engine,
        socket,
        batch: PacketQueue::with_capacity(BATCH),
        waiter,
        _sink: (config.device == DeviceKind::Raw).then(|| sink(at)).transpose()?,
    })
}

fn on_cable(config: &RunConfig, at: SocketAddr, pool: &FramePool) -> Result<Box<dyn Device>, Unsupported> {
    if config.device != DeviceKind::Raw {
        return cabled::device(config, pool).map_err(|error| Unsupported(error.to_string()));
    }
    let local = match at.ip() {
        IpAddr::V4(local) => local,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let config = RawConfig {
        local,
        mtu: config.mtu,
        trusted: true,
    };
    let device = RawDevice::new(config, pool.clone()).map_err(|error| Unsupported(error.to_string()))?;
    Ok(Box::new(device))
}

fn in_tunnel(lab: &Lab, config: &RunConfig, pool: &FramePool) -> Result<Box<dyn Device>, Unsupported> {
    let device = cabled::tunnel(config, lab::DEVICE, pool).map_err(|error| Unsupported(error.to_string()))?;
    lab.address_the_kernel()
        .map_err(|reason| Unsupported(reason.to_string()))?;
    Ok(Box::new(device))
}

/// A socket of the kernel's that takes nothing, in the place of none, for which the kernel would complain of each datagram.
fn sink(at: SocketAddr) -> Result<Socket, Unsupported> {
    let nothing = [SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0)];
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, None).and_then(|socket| {
        socket.attach_filter(&nothing)?;
        socket.bind(&at.into())?;
        Ok(socket)
    });
    socket.map_err(|error| Unsupported(format!("the kernel cannot be kept from answering ({error})")))
}

fn trust_neighbours(client: &Host) -> Result<(), Unsupported> {
    let _visit = cabled::visit(client).map_err(|reason| Unsupported(reason.to_string()))?;
    for family in ["ipv4", "ipv6"] {
        let name = format!("net.{family}.neigh.{}.base_reachable_time_ms", lab::DEVICE);
        namespace::set(&name, REACHABLE)
            .map_err(|error| Unsupported(format!("{name} cannot be set ({error})")))?;
    }
    Ok(())
}
