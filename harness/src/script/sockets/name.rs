//! `getsockname` and `getpeername`: the ends of a connection.

use super::{Attempt, Kind, Result, arguments, failed, returned};
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::script::world::World;

pub(super) fn get(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let is_ours = call.name == "getsockname";
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    let bound = descriptor.port;
    let port = match &descriptor.kind {
        Kind::Epoll(_) => return Ok(failed("ENOTSOCK")),
        Kind::Datagram { peer, .. } if !is_ours => *peer,
        Kind::Stream(handle) => {
            let handle = *handle;
            let ends = world.engine().tcp_addresses(handle);
            ends.map(|(local, remote)| if is_ours { local.port() } else { remote.port() })
        }
        _ if is_ours => Some(bound.unwrap_or(0)),
        _ => None,
    };
    match port {
        Some(port) => answer(call, port),
        None => Ok(failed("ENOTCONN")),
    }
}

/// Holds the port that was found against the one of the script's address, if it names one. Addresses are those of the script's network, whatever
/// the script calls them.
pub(in crate::script) fn answer(call: &Call, port: u16) -> Result<Attempt> {
    match call.arguments.get(1) {
        Some(Expression::Ellipsis | Expression::Structure(_)) => {}
        _ => {
            return Err(Stop::failed(format!(
                "argument 2 of {} must be `...` or {{sa_family=…, sin_port=htons(…), …}}",
                call.name
            )));
        }
    }
    match arguments::port(call, 1) {
        Some(expected) if expected != port => Err(Stop::failed(format!(
            "{} tells port {port}, expected {expected}",
            call.name
        ))),
        _ => Ok(returned(0)),
    }
}
