//! `fcntl` and `ioctl`.

use super::{Attempt, Kind, Result, arguments, failed, returned};
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::script::world::World;

/// Linux's numbers of the flags of a file.
const READ_WRITE: i64 = 2;
const NONBLOCK: i64 = 0o4000;

/// The value of a name, where results and options use it.
pub(super) fn named(word: &str) -> Option<i64> {
    Some(match word {
        "O_RDONLY" => 0,
        "O_RDWR" => READ_WRITE,
        "O_NONBLOCK" => NONBLOCK,
        "POLLIN" | "EPOLLIN" => 1,
        "POLLPRI" | "EPOLLPRI" => 2,
        "POLLOUT" | "EPOLLOUT" => 4,
        "POLLERR" | "EPOLLERR" => 8,
        "POLLHUP" | "EPOLLHUP" => 16,
        "POLLRDNORM" => 64,
        "POLLWRNORM" => 256,
        "POLLRDHUP" | "EPOLLRDHUP" => 0x2000,
        "EPERM" => 1,
        "EAGAIN" => 11,
        "EPIPE" => 32,
        "ECONNRESET" => 104,
        "ETIMEDOUT" => 110,
        "ECONNREFUSED" => 111,
        "EHOSTUNREACH" => 113,
        _ => return crate::script::info::constant(word),
    })
}

/// A number, or names of numbers joined by `|`.
pub(in crate::script) fn value(expression: &Expression) -> Option<i64> {
    match expression {
        Expression::Word(word) => named(word),
        Expression::Flags(parts) => parts.iter().try_fold(0, |sum, part| Some(sum | value(part)?)),
        Expression::List(elements) if elements.len() == 1 => value(&elements[0]),
        other => other.integer(),
    }
}

pub(super) fn fcntl(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let command = arguments::words(call, 1)
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    match command.as_str() {
        "F_GETFL" => {
            let nonblock = if descriptor.nonblocking { NONBLOCK } else { 0 };
            Ok(returned(READ_WRITE | nonblock))
        }
        "F_SETFL" => {
            let flags = call
                .arguments
                .get(2)
                .and_then(value)
                .ok_or_else(|| Stop::unsupported("F_SETFL with other flags"))?;
            descriptor.nonblocking = flags & NONBLOCK != 0;
            Ok(returned(0))
        }
        _ => Err(Stop::unsupported(format!("fcntl {command}"))),
    }
}

pub(super) fn ioctl(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let request = arguments::words(call, 1)
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    let handle = match world.sockets.get(fd).map(|descriptor| &descriptor.kind) {
        Some(Kind::Stream(handle)) => *handle,
        Some(_) => return Ok(failed("EINVAL")),
        None => return Ok(failed("EBADF")),
    };
    let snapshot = world.engine().tcp_info(handle);
    let snapshot = snapshot.ok_or_else(|| Stop::failed("the connection is gone"))?;
    let found = match request.as_str() {
        "SIOCINQ" | "FIONREAD" => snapshot.rcv_buffered,
        "SIOCOUTQ" | "TIOCOUTQ" => snapshot.send_queued,
        "SIOCOUTQNSD" => snapshot.send_queued.saturating_sub(snapshot.unacked),
        _ => return Err(Stop::unsupported(format!("ioctl {request}"))),
    };
    match call.arguments.get(2).and_then(value) {
        Some(expected) if expected != i64::from(found) => Err(Stop::failed(format!(
            "{request} gives {found}, expected {expected}"
        ))),
        _ => Ok(returned(0)),
    }
}
