//! `setsockopt` and `getsockopt`.

use handfast::application::TcpInfo;

use super::control::value;
use super::{Attempt, Kind, Result, arguments, datagram, failed, returned, stream};
use crate::script::configuration::doubled;
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::script::world::World;

/// The name of the option, the third argument.
fn name_of(call: &Call) -> Result<String> {
    match call.arguments.get(2) {
        Some(Expression::Word(word)) => Ok(word.clone()),
        _ => Err(Stop::failed(format!(
            "argument 3 of {} must be an option",
            call.name
        ))),
    }
}

pub(super) fn set(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let name = name_of(call)?;
    if world.sockets.get(fd).is_none() {
        return Ok(failed("EBADF"));
    }
    let given = call
        .arguments
        .get(3)
        .ok_or_else(|| Stop::failed("setsockopt needs a value"))?;
    if name == "SO_LINGER" {
        return set_linger(world, fd, given);
    }
    if let Expression::Text(text) = unwrapped(given) {
        return match (name.as_str(), text.as_str()) {
            ("TCP_CONGESTION", "reno") => Ok(returned(0)),
            _ => Err(Stop::unsupported(format!("{name} {text}"))),
        };
    }
    let given = value(given).ok_or_else(|| Stop::unsupported(format!("{name} with such a value")))?;
    set_number(world, fd, &name, given)
}

/// The only element of a list, or the value itself.
fn unwrapped(expression: &Expression) -> &Expression {
    match expression {
        Expression::List(elements) if elements.len() == 1 => &elements[0],
        other => other,
    }
}

fn set_linger(world: &mut World, fd: i64, given: &Expression) -> Result<Attempt> {
    let given = unwrapped(given);
    let field = |name| given.field(name).and_then(Expression::integer);
    let (Some(on), Some(seconds)) = (
        field("onoff").or_else(|| field("l_onoff")),
        field("linger").or_else(|| field("l_linger")),
    ) else {
        return Err(Stop::failed("SO_LINGER needs {onoff=…, linger=…}"));
    };
    if on != 0 && seconds != 0 {
        return Err(Stop::unsupported("SO_LINGER with a time"));
    }
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.resets = on != 0;
    }
    Ok(returned(0))
}

fn set_number(world: &mut World, fd: i64, name: &str, given: i64) -> Result<Attempt> {
    match name {
        "SO_REUSEADDR" | "SO_REUSEPORT" | "SO_SNDBUF" | "SO_RCVBUF" | "SO_PRIORITY" | "SO_MARK"
        | "IPV6_V6ONLY" => {}
        "TCP_NODELAY" => return set_no_delay(world, fd, given != 0),
        "IP_TTL" | "IPV6_UNICAST_HOPS" => set_ttl(world, name, given)?,
        // Off is what the engine always does.
        "SO_KEEPALIVE" | "TCP_CORK" | "TCP_USER_TIMEOUT" | "TCP_DEFER_ACCEPT" | "SO_OOBINLINE" | "IP_TOS"
        | "IPV6_TCLASS" | "TCP_FASTOPEN" | "SO_ZEROCOPY" | "SO_TIMESTAMPING" | "IP_RECVERR"
            if given == 0 => {}
        "IP_MTU_DISCOVER" | "IPV6_MTU_DISCOVER" | "IPV6_RECVERR" if given == 0 => {}
        _ => return Err(Stop::unsupported(format!("{name} [{given}]"))),
    }
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.options.insert(name.to_owned(), given);
    }
    Ok(returned(0))
}

fn set_no_delay(world: &mut World, fd: i64, on: bool) -> Result<Attempt> {
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    descriptor.no_delay = on;
    if let Kind::Stream(handle) = descriptor.kind
        && world.engine().tcp_set_no_delay(handle, on).is_err()
    {
        return Ok(failed("EINVAL"));
    }
    Ok(returned(0))
}

/// The TTL is the engine's, so it can be set while there is no engine.
fn set_ttl(world: &mut World, name: &str, given: i64) -> Result<()> {
    if world.is_running() {
        return Err(Stop::unsupported(format!("{name} while the engine runs")));
    }
    world.config.ttl = u8::try_from(given).map_err(|_| Stop::unsupported(format!("{name} [{given}]")))?;
    Ok(())
}

pub(super) fn get(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let name = name_of(call)?;
    if world.sockets.get(fd).is_none() {
        return Ok(failed("EBADF"));
    }
    let wanted = call.arguments.get(3).unwrap_or(&Expression::Ellipsis);
    if name == "TCP_INFO" && *wanted == Expression::Ellipsis {
        return Ok(returned(0));
    }
    let found = current(world, fd, &name)?;
    match unwrapped(wanted) {
        Expression::Ellipsis => Ok(returned(0)),
        wanted => match value(wanted) {
            Some(expected) if expected == found => Ok(returned(0)),
            Some(expected) => Err(Stop::failed(format!("{name} is {found}, expected {expected}"))),
            None => Err(Stop::unsupported(format!("{name} with such a value"))),
        },
    }
}

fn current(world: &mut World, fd: i64, name: &str) -> Result<i64> {
    let (send_buffer, receive_buffer) = (world.config.tcp.send_buffer, world.config.tcp.receive_buffer);
    let ttl = world.config.ttl;
    let snapshot = snapshot(world, fd);
    let Some(descriptor) = world.sockets.get(fd) else {
        return Err(Stop::failed("no such descriptor"));
    };
    let stored = descriptor.options.get(name).copied();
    let no_delay = descriptor.no_delay;
    Ok(match name {
        "SO_ERROR" => take_error(world, fd),
        "SO_SNDBUF" => stored.map_or(i64::from(send_buffer), |value| i64::from(doubled(value))),
        "SO_RCVBUF" => stored.map_or(i64::from(receive_buffer), |value| i64::from(doubled(value))),
        "TCP_NODELAY" => i64::from(no_delay),
        "TCP_MAXSEG" => snapshot.map_or(536, |snapshot| i64::from(snapshot.snd_mss)),
        "IP_TTL" | "IPV6_UNICAST_HOPS" => i64::from(ttl),
        "SO_TYPE" => 1 + i64::from(matches!(descriptor.kind, Kind::Datagram { .. })),
        "SO_ACCEPTCONN" => i64::from(matches!(descriptor.kind, Kind::Listener { .. })),
        "SO_REUSEADDR" | "SO_REUSEPORT" | "SO_PRIORITY" | "SO_KEEPALIVE" | "TCP_CORK"
        | "TCP_USER_TIMEOUT" => stored.unwrap_or(0),
        _ => return Err(Stop::unsupported(name)),
    })
}

fn take_error(world: &mut World, fd: i64) -> i64 {
    let kind = world.sockets.get(fd).map(|descriptor| &descriptor.kind);
    let name = match kind {
        Some(Kind::Stream(handle)) => {
            let handle = *handle;
            stream::untold_error(world, fd, handle)
        }
        Some(Kind::Datagram {
            handle: Some(handle), ..
        }) => {
            let handle = *handle;
            datagram::pending_error(world, handle)
        }
        _ => None,
    };
    name.and_then(super::control::named).unwrap_or(0)
}

/// What the connection of a descriptor looks like.
pub(super) fn snapshot(world: &mut World, fd: i64) -> Option<TcpInfo> {
    match world.sockets.get(fd)?.kind {
        Kind::Stream(handle) => world.engine().tcp_info(handle),
        _ => None,
    }
}
