//! `setsockopt` and `getsockopt`: any option that has a number.

use std::os::fd::AsFd;

use socket2::Socket;

use super::calls;
use super::info::Info;
use crate::script::sockets::{self, Attempt, Result, arguments, returned};
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::sys;

/// Linux's numbers of options.
const NAMES: [(&str, i32); 47] = [
    ("SO_REUSEADDR", libc::SO_REUSEADDR),
    ("SO_TYPE", libc::SO_TYPE),
    ("SO_ERROR", libc::SO_ERROR),
    ("SO_SNDBUF", libc::SO_SNDBUF),
    ("SO_RCVBUF", libc::SO_RCVBUF),
    ("SO_KEEPALIVE", libc::SO_KEEPALIVE),
    ("SO_OOBINLINE", libc::SO_OOBINLINE),
    ("SO_PRIORITY", libc::SO_PRIORITY),
    ("SO_LINGER", libc::SO_LINGER),
    ("SO_REUSEPORT", libc::SO_REUSEPORT),
    ("SO_RCVLOWAT", libc::SO_RCVLOWAT),
    ("SO_RCVTIMEO", libc::SO_RCVTIMEO),
    ("SO_SNDTIMEO", libc::SO_SNDTIMEO),
    ("SO_ACCEPTCONN", libc::SO_ACCEPTCONN),
    ("SO_MARK", libc::SO_MARK),
    ("SO_MAX_PACING_RATE", libc::SO_MAX_PACING_RATE),
    ("SO_INCOMING_CPU", libc::SO_INCOMING_CPU),
    ("SO_ZEROCOPY", libc::SO_ZEROCOPY),
    ("SO_BUSY_POLL", libc::SO_BUSY_POLL),
    ("TCP_NODELAY", libc::TCP_NODELAY),
    ("TCP_MAXSEG", libc::TCP_MAXSEG),
    ("TCP_CORK", libc::TCP_CORK),
    ("TCP_KEEPIDLE", libc::TCP_KEEPIDLE),
    ("TCP_KEEPINTVL", libc::TCP_KEEPINTVL),
    ("TCP_KEEPCNT", libc::TCP_KEEPCNT),
    ("TCP_SYNCNT", libc::TCP_SYNCNT),
    ("TCP_LINGER2", libc::TCP_LINGER2),
    ("TCP_DEFER_ACCEPT", libc::TCP_DEFER_ACCEPT),
    ("TCP_WINDOW_CLAMP", libc::TCP_WINDOW_CLAMP),
    ("TCP_QUICKACK", libc::TCP_QUICKACK),
    ("TCP_CONGESTION", libc::TCP_CONGESTION),
    ("TCP_THIN_LINEAR_TIMEOUTS", libc::TCP_THIN_LINEAR_TIMEOUTS),
    ("TCP_USER_TIMEOUT", libc::TCP_USER_TIMEOUT),
    ("TCP_FASTOPEN", libc::TCP_FASTOPEN),
    ("TCP_NOTSENT_LOWAT", libc::TCP_NOTSENT_LOWAT),
    ("TCP_FASTOPEN_CONNECT", libc::TCP_FASTOPEN_CONNECT),
    ("TCP_INQ", 36),
    ("IP_TOS", libc::IP_TOS),
    ("IP_TTL", libc::IP_TTL),
    ("IP_RECVERR", libc::IP_RECVERR),
    ("IP_MTU_DISCOVER", libc::IP_MTU_DISCOVER),
    ("IP_MTU", libc::IP_MTU),
    ("IPV6_UNICAST_HOPS", libc::IPV6_UNICAST_HOPS),
    ("IPV6_MTU_DISCOVER", libc::IPV6_MTU_DISCOVER),
    ("IPV6_RECVERR", libc::IPV6_RECVERR),
    ("IPV6_V6ONLY", libc::IPV6_V6ONLY),
    ("IPV6_TCLASS", libc::IPV6_TCLASS),
];

/// The name of an option, its level and number.
fn named(call: &Call) -> Result<(&str, i32, i32)> {
    let level = match arguments::words(call, 1).first().copied().unwrap_or_default() {
        "SOL_SOCKET" => libc::SOL_SOCKET,
        "SOL_TCP" | "IPPROTO_TCP" => libc::IPPROTO_TCP,
        "SOL_IP" | "IPPROTO_IP" => libc::IPPROTO_IP,
        "SOL_IPV6" | "IPPROTO_IPV6" => libc::IPPROTO_IPV6,
        other => return Err(Stop::unsupported(format!("level {other}"))),
    };
    let Some(Expression::Word(name)) = call.arguments.get(2) else {
        return Err(Stop::failed(format!(
            "argument 3 of {} must be an option",
            call.name
        )));
    };
    if name == "TCP_INFO" {
        return Ok((name, level, libc::TCP_INFO));
    }
    let known = NAMES.iter().find(|(known, _)| known == name);
    known
        .map(|(_, number)| (name.as_str(), level, *number))
        .ok_or_else(|| Stop::unsupported(name.clone()))
}

/// The only element of a list, or the value itself.
fn unwrapped(expression: &Expression) -> &Expression {
    match expression {
        Expression::List(elements) if elements.len() == 1 => &elements[0],
        other => other,
    }
}

/// The value as the kernel reads it.
fn bytes_of(name: &str, value: &Expression) -> Result<Vec<u8>> {
    let field = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| value.field(name));
        found.and_then(Expression::integer)
    };
    let structure = match name {
        "SO_LINGER" => field(["onoff", "l_onoff"])
            .zip(field(["linger", "l_linger"]))
            .map(|(on, time)| [(on as i32).to_ne_bytes(), (time as i32).to_ne_bytes()].concat()),
        "SO_RCVTIMEO" | "SO_SNDTIMEO" => field(["tv_sec", "tv_sec"])
            .zip(field(["tv_usec", "tv_usec"]))
            .map(|(seconds, micros)| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat()),
        _ => None,
    };
    structure
        .or_else(|| match value {
            Expression::Text(text) => Some(text.as_bytes().to_vec()),
            other => sockets::value(other).map(|number| (number as i32).to_ne_bytes().to_vec()),
        })
        .ok_or_else(|| Stop::unsupported(format!("{name} with the value {value}")))
}

pub(super) fn set(call: &Call, socket: &Socket) -> Result<Attempt> {
    let (name, level, number) = named(call)?;
    let value = call
        .arguments
        .get(3)
        .ok_or_else(|| Stop::failed("setsockopt needs a value"))?;
    let bytes = bytes_of(name, unwrapped(value))?;
    calls::outcome(sys::set_option_bytes(socket.as_fd(), level, number, &bytes).map(|()| 0))
}

pub(super) fn get(call: &Call, socket: &Socket) -> Result<Attempt> {
    let (name, level, number) = named(call)?;
    let wanted = unwrapped(call.arguments.get(3).unwrap_or(&Expression::Ellipsis));
    if name == "TCP_INFO" {
        return get_info(wanted, socket);
    }
    let mut bytes = [0; 64];
    let len = match sys::option_bytes(socket.as_fd(), level, number, &mut bytes) {
        Ok(len) => len.min(bytes.len()),
        Err(error) => return calls::told(&error),
    };
    if let Expression::Text(wanted) = wanted {
        let found = String::from_utf8_lossy(&bytes[..len]);
        let found = found.trim_end_matches('\0');
        return as_expected(name, found == wanted, found, wanted);
    }
    let [a, b, c, d, ..] = bytes;
    let found = i64::from(i32::from_ne_bytes([a, b, c, d]));
    match sockets::value(wanted) {
        Some(wanted) => as_expected(name, found == wanted, found, wanted),
        None if *wanted == Expression::Ellipsis => Ok(returned(0)),
        None => Err(Stop::unsupported(format!("{name} with such a value"))),
    }
}

fn as_expected(
    name: &str,
    same: bool,
    found: impl std::fmt::Display,
    wanted: impl std::fmt::Display,
) -> Result<Attempt> {
    if same {
        return Ok(returned(0));
    }
    Err(Stop::failed(format!("{name} is {found}, expected {wanted}")))
}

fn get_info(wanted: &Expression, socket: &Socket) -> Result<Attempt> {
    let info = match Info::of(socket.as_fd()) {
        Ok(info) => info,
        Err(error) => return calls::told(&error),
    };
    let fields = match wanted {
        Expression::Structure(fields) => fields.as_slice(),
        _ => &[],
    };
    for (name, wanted) in fields {
        let name = name.as_deref().unwrap_or_default();
        let found = info.field(name).ok_or_else(|| Stop::unsupported(name))?;
        if sockets::value(wanted).is_some_and(|wanted| wanted != found) {
            return Err(Stop::failed(format!("{name} is {found}, expected {wanted}")));
        }
    }
    Ok(returned(0))
}
