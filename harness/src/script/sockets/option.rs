//! `setsockopt` and `getsockopt`.

use handfast::application::TcpInfo;

use super::control::value;
use super::{Attempt, Kind, Result, arguments, datagram, failed, gather, returned, setting, stream};
use crate::script::configuration::doubled;
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::script::world::World;
use crate::script::{info, shell};

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
    match (name.as_str(), unwrapped(given)) {
        ("SO_LINGER", given) => set_linger(world, fd, given),
        ("SO_RCVTIMEO" | "SO_SNDTIMEO", given) => set_timeout(world, fd, &name, given),
        ("TCP_CONGESTION", Expression::Text(algorithm)) => set_congestion(world, fd, algorithm),
        (_, given) => {
            let number =
                value(given).ok_or_else(|| Stop::unsupported(format!("{name} with the value {given}")))?;
            set_number(world, fd, &name, number)
        }
    }
}

/// What Linux has and the engine has not.
const OTHER_ALGORITHMS: [&str; 15] = [
    "bbr",
    "bic",
    "cdg",
    "dctcp",
    "highspeed",
    "htcp",
    "hybla",
    "illinois",
    "lp",
    "nv",
    "scalable",
    "vegas",
    "veno",
    "westwood",
    "yeah",
];

fn set_congestion(world: &mut World, fd: i64, algorithm: &str) -> Result<Attempt> {
    if shell::congestion(algorithm).is_none() {
        if OTHER_ALGORITHMS.contains(&algorithm) {
            return Err(Stop::unsupported(format!("TCP_CONGESTION {algorithm}")));
        }
        return Ok(failed("ENOENT"));
    }
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.congestion = Some(algorithm.to_owned());
    }
    setting::apply(world, fd);
    Ok(returned(0))
}

/// `{tv_sec=…, tv_usec=…}`, kept in microseconds; 0 is for ever.
fn set_timeout(world: &mut World, fd: i64, name: &str, given: &Expression) -> Result<Attempt> {
    let field = |name| given.field(name).and_then(Expression::integer);
    let micros = match (field("tv_sec"), field("tv_usec")) {
        (Some(seconds), Some(micros)) => seconds.checked_mul(1_000_000).and_then(|s| s.checked_add(micros)),
        _ => return Err(Stop::failed(format!("{name} needs {{tv_sec=…, tv_usec=…}}"))),
    };
    let Some(micros) = micros.filter(|micros| (0..=1 << 50).contains(micros)) else {
        return Ok(failed("EDOM"));
    };
    keep(world, fd, name, micros);
    Ok(returned(0))
}

fn keep(world: &mut World, fd: i64, name: &str, given: i64) {
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.options.insert(name.to_owned(), given);
    }
}

/// The only element of a list, or the value itself.
fn unwrapped(expression: &Expression) -> &Expression {
    match expression {
        Expression::List(elements) if elements.len() == 1 => &elements[0],
        other => other,
    }
}

fn set_linger(world: &mut World, fd: i64, given: &Expression) -> Result<Attempt> {
    let field = |name| given.field(name).and_then(Expression::integer);
    let (Some(on), Some(seconds)) = (
        field("onoff").or_else(|| field("l_onoff")),
        field("linger").or_else(|| field("l_linger")),
    ) else {
        return Err(Stop::failed("SO_LINGER needs {onoff=…, linger=…}"));
    };
    if !(0..=65_535).contains(&seconds) {
        return Ok(failed("EDOM"));
    }
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.resets = on != 0 && seconds == 0;
    }
    // `close` waits for so long at most.
    keep(
        world,
        fd,
        "linger",
        if on != 0 && seconds > 0 {
            seconds * 1000
        } else {
            -1
        },
    );
    setting::apply(world, fd);
    Ok(returned(0))
}

fn set_number(world: &mut World, fd: i64, name: &str, given: i64) -> Result<Attempt> {
    match name {
        // Before there is an engine, they are the engine's, for the window scale is chosen with the SYN.
        "SO_SNDBUF" if !world.is_running() => world.config.tcp.send_buffer = doubled(given),
        "SO_RCVBUF" if !world.is_running() => world.config.tcp.set_receive_buffer(doubled(given)),
        "SO_REUSEADDR" | "SO_REUSEPORT" | "SO_SNDBUF" | "SO_RCVBUF" | "SO_PRIORITY" | "SO_MARK"
        | "SO_OOBINLINE" | "IPV6_V6ONLY" => {}
        "TCP_NODELAY" => return set_no_delay(world, fd, given != 0),
        "TCP_QUICKACK" => set_quick_ack(world, fd, given != 0),
        "SO_RCVLOWAT" | "TCP_INQ" => {
            if !(0..=i64::from(i32::MAX)).contains(&given) || (name == "TCP_INQ" && given > 1) {
                return Ok(failed("EINVAL"));
            }
        }
        "IP_TTL" | "IPV6_UNICAST_HOPS" => set_ttl(world, name, given)?,
        "TCP_CORK" => {
            keep(world, fd, name, i64::from(given != 0));
            gather::apply(world, fd, false);
            return Ok(returned(0));
        }
        "TCP_LINGER2" => return set_fin_wait_2(world, fd, given),
        "TCP_DEFER_ACCEPT" => return set_defer_accept(world, fd, given),
        "TCP_WINDOW_CLAMP" => return set_window_clamp(world, fd, given),
        "TCP_MAXSEG" => return set_max_segment(world, fd, given),
        "TCP_SYNCNT" => return set_syn_retries(world, given),
        _ if setting::NAMES.contains(&name) => {
            if !setting::is_legal(name, given) {
                return Ok(failed("EINVAL"));
            }
        }
        // Off is what the engine always does.
        "TCP_FASTOPEN" | "SO_ZEROCOPY" | "SO_TIMESTAMPING" | "IP_RECVERR" | "IPV6_RECVERR" if given == 0 => {}
        // The engine always finds out the MTU of the path, so WANT and DO describe it.
        "IP_MTU_DISCOVER" | "IPV6_MTU_DISCOVER" if given == 1 || given == 2 => {}
        _ => return Err(Stop::unsupported(format!("{name} [{given}]"))),
    }
    keep(world, fd, name, given);
    setting::apply(world, fd);
    Ok(returned(0))
}

/// Linux waits for two minutes at most, and for nothing at all below zero.
const LONGEST_FIN_WAIT_2: i64 = 120;

fn set_fin_wait_2(world: &mut World, fd: i64, given: i64) -> Result<Attempt> {
    keep(world, fd, "TCP_LINGER2", given.clamp(-1, LONGEST_FIN_WAIT_2));
    setting::apply(world, fd);
    Ok(returned(0))
}

/// Of a listener, or of what is to become one. Linux counts in SYN-ACKs, and says so when asked.
fn set_defer_accept(world: &mut World, fd: i64, given: i64) -> Result<Attempt> {
    if given > 0
        && matches!(
            world.sockets.get(fd).map(|descriptor| &descriptor.kind),
            Some(Kind::Stream(_))
        )
    {
        return Err(Stop::unsupported(format!(
            "TCP_DEFER_ACCEPT [{given}] of a connection: it is an option of listeners"
        )));
    }
    keep(world, fd, "TCP_DEFER_ACCEPT", setting::whole_timeouts(given));
    setting::apply_to_listener(world, fd);
    Ok(returned(0))
}

/// Half of the smallest receive buffer that Linux has.
const LEAST_CLAMP: i64 = 1_152;

fn set_window_clamp(world: &mut World, fd: i64, given: i64) -> Result<Attempt> {
    let is_connection = matches!(
        world.sockets.get(fd).map(|descriptor| &descriptor.kind),
        Some(Kind::Stream(_))
    );
    if given <= 0 && is_connection {
        return Ok(failed("EINVAL"));
    }
    let given = given.clamp(LEAST_CLAMP, 1 << 30);
    if !world.is_running() {
        // The window of the SYN, and its scale, are the engine's.
        let before = world.config.tcp.receive_buffer;
        world.config.tcp.set_receive_buffer(before.min(given as u32));
    }
    keep(world, fd, "TCP_WINDOW_CLAMP", given);
    setting::apply(world, fd);
    Ok(returned(0))
}

/// Linux's least and largest.
const MAX_SEGMENTS: std::ops::RangeInclusive<i64> = 88..=32_767;

/// The largest segment is the engine's, so it can be set while there is no engine.
fn set_max_segment(world: &mut World, fd: i64, given: i64) -> Result<Attempt> {
    if !MAX_SEGMENTS.contains(&given) {
        return Ok(failed("EINVAL"));
    }
    if world.is_running() && i64::from(world.config.tcp.max_segment) != given {
        return Err(Stop::unsupported(format!(
            "TCP_MAXSEG [{given}] while the engine runs"
        )));
    }
    world.config.tcp.max_segment = given as u16;
    keep(world, fd, "TCP_MAXSEG", given);
    Ok(returned(0))
}

/// The number is the engine's, so it can be set while there is no engine.
fn set_syn_retries(world: &mut World, given: i64) -> Result<Attempt> {
    if !(1..=127).contains(&given) {
        return Ok(failed("EINVAL"));
    }
    if world.is_running() && i64::from(world.config.tcp.syn_retries) != given {
        return Err(Stop::unsupported(format!(
            "TCP_SYNCNT [{given}] while the engine runs"
        )));
    }
    world.config.tcp.syn_retries = given as u8;
    Ok(returned(0))
}

/// Linux counts sixteen segments, as the engine does at the start of a connection.
const QUICK_ACKS: u8 = 16;

fn set_quick_ack(world: &mut World, fd: i64, on: bool) {
    if let Some(Kind::Stream(handle)) = world.sockets.get(fd).map(|descriptor| &descriptor.kind) {
        let handle = *handle;
        // A connection that is over acknowledges nothing any more.
        let _ = world
            .engine()
            .tcp_set_quick_acks(handle, if on { QUICK_ACKS } else { 0 });
    }
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
    match name.as_str() {
        "TCP_INFO" => return get_info(world, fd, unwrapped(wanted)),
        "TCP_CONGESTION" => return get_congestion(world, fd, unwrapped(wanted)),
        _ => {}
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

/// `{tcpi_state=TCP_ESTABLISHED, …}`: the fields that are named are compared.
fn get_info(world: &mut World, fd: i64, wanted: &Expression) -> Result<Attempt> {
    let fields = match wanted {
        Expression::Structure(fields) => fields.as_slice(),
        Expression::Ellipsis => &[],
        other => return Err(Stop::unsupported(format!("TCP_INFO {other}"))),
    };
    let Some(snapshot) = snapshot(world, fd) else {
        return Err(Stop::unsupported("TCP_INFO of a socket without a connection"));
    };
    let link = world.link();
    for (name, wanted) in fields {
        let name = name.as_deref().unwrap_or_default();
        let found = info::field(name, link, &snapshot).ok_or_else(|| Stop::unsupported(name))?;
        if value(wanted).is_some_and(|wanted| wanted != found) {
            return Err(Stop::failed(format!("{name} is {found}, expected {wanted}")));
        }
    }
    Ok(returned(0))
}

fn get_congestion(world: &mut World, fd: i64, wanted: &Expression) -> Result<Attempt> {
    let default = shell::congestion_name(world.config.tcp.congestion);
    let own = world
        .sockets
        .get(fd)
        .and_then(|descriptor| descriptor.congestion.clone());
    let found = own.as_deref().unwrap_or(default);
    match wanted {
        Expression::Text(wanted) if wanted != found => Err(Stop::failed(format!(
            "TCP_CONGESTION is {found}, expected {wanted}"
        ))),
        _ => Ok(returned(0)),
    }
}

fn current(world: &mut World, fd: i64, name: &str) -> Result<i64> {
    let (send_buffer, receive_buffer) = (world.config.tcp.send_buffer, world.config.tcp.receive_buffer);
    let ttl = world.config.ttl;
    let syn_retries = i64::from(world.config.tcp.syn_retries);
    let fin_wait_2 = (world.config.tcp.fin_wait_2.as_millis() / 1000) as i64;
    let snapshot = snapshot(world, fd);
    let path_mtu = snapshot.map(|of| of.path_mtu.unwrap_or(world.link().mtu));
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
        "TCP_MAXSEG" => snapshot.map_or(stored.unwrap_or(536), |snapshot| i64::from(snapshot.snd_mss)),
        "IP_MTU" | "IPV6_MTU" => path_mtu.map_or(Err(Stop::unsupported(name)), |mtu| Ok(i64::from(mtu)))?,
        "TCP_SYNCNT" => syn_retries,
        "IP_TTL" | "IPV6_UNICAST_HOPS" => i64::from(ttl),
        "SO_TYPE" => 1 + i64::from(matches!(descriptor.kind, Kind::Datagram { .. })),
        "SO_ACCEPTCONN" => i64::from(matches!(descriptor.kind, Kind::Listener { .. })),
        "SO_REUSEADDR" | "SO_REUSEPORT" | "SO_PRIORITY" | "SO_OOBINLINE" | "TCP_CORK" | "TCP_INQ" => {
            stored.unwrap_or(0)
        }
        "TCP_DEFER_ACCEPT" => stored.unwrap_or(0),
        "TCP_LINGER2" => stored.filter(|given| *given != 0).unwrap_or(fin_wait_2),
        "SO_RCVLOWAT" => stored.unwrap_or(1).max(1),
        "TCP_QUICKACK" => stored.unwrap_or(1),
        _ => match stored.or_else(|| setting::default(name)) {
            Some(value) => value,
            None => return Err(Stop::unsupported(name)),
        },
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

/// Bytes that the connection of a descriptor queues for sending.
pub(super) fn send_buffer(world: &mut World, fd: i64) -> u32 {
    let descriptor = world.sockets.get(fd);
    let given = descriptor.and_then(|descriptor| descriptor.options.get("SO_SNDBUF").copied());
    given.map_or(world.config.tcp.send_buffer, doubled)
}

/// Bytes that make a descriptor readable.
pub(super) fn receive_low_water(world: &mut World, fd: i64) -> u32 {
    let descriptor = world.sockets.get(fd);
    let given = descriptor.and_then(|descriptor| descriptor.options.get("SO_RCVLOWAT").copied());
    given
        .and_then(|given| u32::try_from(given).ok())
        .unwrap_or(1)
        .max(1)
}

/// Bytes that may wait unsent; `None` for as many as there is room for.
pub(super) fn unsent_low_water(world: &mut World, fd: i64) -> Option<u32> {
    let given = world.sockets.get(fd)?.options.get("TCP_NOTSENT_LOWAT").copied()?;
    u32::try_from(given).ok().filter(|most| *most > 0)
}

/// What the connection of a descriptor looks like.
pub(super) fn snapshot(world: &mut World, fd: i64) -> Option<TcpInfo> {
    match world.sockets.get(fd)?.kind {
        Kind::Stream(handle) => world.engine().tcp_info(handle),
        _ => None,
    }
}
