//! UDP sockets.

use std::net::SocketAddr;

use handfast::application::{BindError, Datagram, SendError, UdpHandle};

use super::{Attempt, Kind, Result, arguments, errno, failed, returned};
use crate::script::tree::Call;
use crate::script::world::World;

/// Where the ports of sockets begin that were not bound.
const FIRST_PORT: u16 = 40_000;

pub(super) fn bind(world: &mut World, fd: i64, port: u16) -> Result<Attempt> {
    let at = SocketAddr::new(world.network.settings.local, port);
    let handle = match world.engine().udp_bind(at) {
        Ok(handle) => handle,
        Err(BindError::InUse) => return Ok(failed("EADDRINUSE")),
        Err(BindError::InvalidAddress) => return Ok(failed("EADDRNOTAVAIL")),
        Err(BindError::TooManySockets) => return Ok(failed("ENOBUFS")),
    };
    if let Some(descriptor) = world.sockets.get(fd)
        && let Kind::Datagram { handle: bound, .. } = &mut descriptor.kind
    {
        *bound = Some(handle);
        descriptor.port = Some(port);
    }
    let flow = world.network.flow(port, world.network.settings.connect_port);
    world.network.select(Some(flow));
    Ok(returned(0))
}

/// The engine's socket, its port and its peer's; or how the call fails without them.
type Bound = std::result::Result<(UdpHandle, u16, Option<u16>), Attempt>;

/// What a descriptor is bound to; it is bound now if it was not.
fn bound(world: &mut World, fd: i64) -> Result<Bound> {
    let known = match world.sockets.get(fd) {
        Some(descriptor) => match descriptor.kind {
            Kind::Datagram { handle, peer, .. } => Some((handle, descriptor.port, peer)),
            _ => None,
        },
        None => None,
    };
    let Some((handle, port, peer)) = known else {
        return Ok(Err(failed("EBADF")));
    };
    if let (Some(handle), Some(port)) = (handle, port) {
        return Ok(Ok((handle, port, peer)));
    }
    let port = FIRST_PORT + world.sockets.next_port;
    world.sockets.next_port += 1;
    match bind(world, fd, port)? {
        Attempt::Returned(outcome) if outcome.error.is_none() => bound(world, fd),
        refused => Ok(Err(refused)),
    }
}

pub(super) fn connect(world: &mut World, call: &Call, fd: i64) -> Result<Attempt> {
    let peer_port = arguments::port(call, 1).unwrap_or(world.network.settings.connect_port);
    let (_, port, _) = match bound(world, fd)? {
        Ok(bound) => bound,
        Err(refused) => return Ok(refused),
    };
    if let Some(descriptor) = world.sockets.get(fd)
        && let Kind::Datagram { peer, .. } = &mut descriptor.kind
    {
        *peer = Some(peer_port);
    }
    let flow = world.network.flow(port, peer_port);
    world.network.select(Some(flow));
    Ok(returned(0))
}

/// The ICMP error that a connected socket met, as `send` and `recv` return it.
pub(super) fn pending_error(world: &mut World, handle: UdpHandle) -> Option<&'static str> {
    world.engine().udp_take_error(handle).map(errno)
}

pub(super) fn send(world: &mut World, call: &Call, fd: i64) -> Result<Attempt> {
    let (length, flags) = arguments::length(call)?;
    arguments::check_flags(&flags, &["MSG_DONTWAIT", "MSG_NOSIGNAL"])?;
    let (handle, port, peer) = match bound(world, fd)? {
        Ok(bound) => bound,
        Err(refused) => return Ok(refused),
    };
    let to_port = if call.name == "sendto" {
        arguments::port(call, 4)
            .or(peer)
            .unwrap_or(world.network.settings.connect_port)
    } else {
        match peer {
            Some(peer) => peer,
            None => return Ok(failed("EDESTADDRREQ")),
        }
    };
    if peer.is_some()
        && let Some(error) = pending_error(world, handle)
    {
        return Ok(failed(error));
    }
    let flow = world.network.flow(port, to_port);
    world.network.select(Some(flow));
    let to = SocketAddr::new(world.network.settings.remote, to_port);
    let sent = world
        .engine()
        .udp_send_with(handle, to, length, &mut |target| target.fill(0));
    Ok(match sent {
        Ok(()) => returned(length as i64),
        Err(SendError::TooLarge { .. }) => failed("EMSGSIZE"),
        Err(SendError::NoRoom) => failed("ENOBUFS"),
        Err(SendError::NoSocket) => failed("EBADF"),
        Err(SendError::NoSource) => failed("ENETUNREACH"),
        Err(SendError::WrongFamily) => failed("EAFNOSUPPORT"),
    })
}

/// The next datagram of a socket, if it has one.
pub(super) fn next_datagram(world: &mut World, fd: i64) -> Option<Datagram> {
    let handle = match &mut world.sockets.get(fd)?.kind {
        Kind::Datagram { handle, waiting, .. } => match waiting.pop_front() {
            Some(datagram) => return Some(datagram),
            None => (*handle)?,
        },
        _ => return None,
    };
    world.engine().udp_receive(handle)
}

pub(super) fn receive(world: &mut World, call: &Call, fd: i64) -> Result<Attempt> {
    let (length, flags) = arguments::length(call)?;
    arguments::check_flags(&flags, &["MSG_DONTWAIT", "MSG_NOSIGNAL"])?;
    let (handle, _, peer) = match bound(world, fd)? {
        Ok(bound) => bound,
        Err(refused) => return Ok(refused),
    };
    if let Some(datagram) = next_datagram(world, fd) {
        return Ok(returned(datagram.payload.len().min(length) as i64));
    }
    if peer.is_some()
        && let Some(error) = pending_error(world, handle)
    {
        return Ok(failed(error));
    }
    let nonblocking = world
        .sockets
        .get(fd)
        .is_some_and(|descriptor| descriptor.nonblocking);
    Ok(if nonblocking || flags.contains(&"MSG_DONTWAIT") {
        failed("EAGAIN")
    } else {
        Attempt::Blocks
    })
}
