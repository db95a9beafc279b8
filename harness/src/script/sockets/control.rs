//! `fcntl` and `ioctl`.

use super::{Attempt, Descriptor, Kind, Result, arguments, failed, returned, urgent};
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
        "POLLRDNORM" | "EPOLLRDNORM" => 64,
        "POLLWRNORM" | "EPOLLWRNORM" => 256,
        "EPOLLONESHOT" => 1 << 30,
        "EPOLLET" => 1 << 31,
        "POLLRDHUP" | "EPOLLRDHUP" => 0x2000,
        "IP_PMTUDISC_DONT" | "IPV6_PMTUDISC_DONT" => 0,
        "IP_PMTUDISC_WANT" | "IPV6_PMTUDISC_WANT" => 1,
        "IP_PMTUDISC_DO" | "IPV6_PMTUDISC_DO" => 2,
        _ => return errno(word).or_else(|| crate::script::info::constant(word)),
    })
}

/// Errors that a socket can meet, with Linux's numbers.
const ERRORS: [(&str, i64); 42] = [
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EINTR", 4),
    ("EIO", 5),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("EWOULDBLOCK", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("ENODEV", 19),
    ("EINVAL", 22),
    ("EMFILE", 24),
    ("EPIPE", 32),
    ("EDOM", 33),
    ("EPROTO", 71),
    ("ENOTSOCK", 88),
    ("EDESTADDRREQ", 89),
    ("EMSGSIZE", 90),
    ("EPROTOTYPE", 91),
    ("ENOPROTOOPT", 92),
    ("EPROTONOSUPPORT", 93),
    ("ESOCKTNOSUPPORT", 94),
    ("EOPNOTSUPP", 95),
    ("EAFNOSUPPORT", 97),
    ("EADDRINUSE", 98),
    ("EADDRNOTAVAIL", 99),
    ("ENETDOWN", 100),
    ("ENETUNREACH", 101),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ENOBUFS", 105),
    ("EISCONN", 106),
    ("ENOTCONN", 107),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTDOWN", 112),
    ("EHOSTUNREACH", 113),
    ("EALREADY", 114),
    ("EINPROGRESS", 115),
];

fn errno(name: &str) -> Option<i64> {
    let known = ERRORS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number)
}

/// The name of an error. Where one number has two, `EAGAIN` goes before `EWOULDBLOCK`.
pub(in crate::script) fn error_name(number: i64) -> Option<&'static str> {
    let known = ERRORS.iter().find(|(_, known)| *known == number);
    known.map(|(name, _)| *name)
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
        // Descriptors of scripts are not inherited by anybody.
        "F_GETFD" | "F_SETFD" => Ok(returned(0)),
        _ => Err(Stop::unsupported(format!("fcntl {command}"))),
    }
}

fn set_nonblocking(world: &mut World, fd: i64, call: &Call) -> Result<Attempt> {
    let on = call
        .arguments
        .get(2)
        .and_then(value)
        .ok_or_else(|| Stop::failed("FIONBIO needs [0] or [1]"))?;
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    descriptor.nonblocking = on != 0;
    Ok(returned(0))
}

pub(super) fn ioctl(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let request = arguments::words(call, 1)
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    if request == "FIONBIO" {
        return set_nonblocking(world, fd, call);
    }
    let (handle, read) = match world.sockets.get(fd) {
        Some(Descriptor {
            kind: Kind::Stream(handle),
            peeked,
            ..
        }) => (*handle, peeked.read() as u32),
        Some(_) => return Ok(failed("EINVAL")),
        None => return Ok(failed("EBADF")),
    };
    let snapshot = world.engine().tcp_info(handle);
    let snapshot = snapshot.ok_or_else(|| Stop::failed("the connection is gone"))?;
    let found = match request.as_str() {
        "SIOCINQ" | "FIONREAD" => snapshot.rcv_buffered.saturating_sub(read),
        "SIOCOUTQ" | "TIOCOUTQ" => snapshot.send_queued,
        "SIOCATMARK" => u32::from(urgent::is_at_mark(world, fd)),
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
