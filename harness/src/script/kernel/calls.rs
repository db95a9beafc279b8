//! Calls, as the kernel takes them.

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;

use handfast::time::Duration;
use rustix::fs::OFlags;
use socket2::{Domain, Protocol, Socket, Type};

use super::Kernel;
use super::descriptor::{self, Descriptor};
use super::{epoll, option, transfer};
use crate::script::IpVersion;
use crate::script::sockets::{self, Attempt, Progress, Result, arguments, error_name, failed, returned};
use crate::script::subject::Subject;
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::sys;

/// Makes a call, or another attempt at one that blocks.
pub(super) fn attempt(kernel: &mut Kernel, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    match call.name.as_str() {
        "socket" => socket(kernel, call),
        "poll" => poll(kernel, call, progress),
        "epoll_create" | "epoll_create1" => epoll::create(kernel, call),
        "epoll_ctl" => epoll::control(kernel, call),
        "epoll_wait" => epoll::wait(kernel, call, progress),
        "close" => close(kernel, call),
        "bind" | "listen" | "accept" | "accept4" | "connect" | "shutdown" | "fcntl" | "ioctl" | "read"
        | "recv" | "recvfrom" | "readv" | "recvmsg" | "write" | "send" | "sendto" | "writev" | "sendmsg"
        | "setsockopt" | "getsockopt" | "getsockname" | "getpeername" => on_socket(kernel, call, progress),
        _ => Err(Stop::unsupported(format!(
            "call {} against the kernel",
            call.name
        ))),
    }
}

fn on_socket(kernel: &mut Kernel, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let Some(socket) = kernel.descriptors.get(&fd).and_then(Descriptor::socket) else {
        return Ok(failed("EBADF"));
    };
    // A second handle to the same socket: the table of descriptors may change meanwhile.
    let socket = &socket.try_clone().map_err(broken)?;
    match call.name.as_str() {
        "bind" => bind(kernel, call, socket),
        "listen" => listen(kernel, call, socket),
        "accept" | "accept4" => accept(kernel, call, socket),
        "connect" => connect(kernel, call, socket, progress),
        "shutdown" => shutdown(call, socket),
        "fcntl" => fcntl(call, socket),
        "ioctl" => ioctl(call, socket),
        "setsockopt" => option::set(call, socket),
        "getsockopt" => option::get(call, socket),
        "getsockname" | "getpeername" => name(call, socket),
        "read" | "recv" | "recvfrom" | "readv" | "recvmsg" => {
            let now = kernel.now();
            transfer::receive(call, socket, progress, now)
        }
        _ => {
            let now = kernel.now();
            transfer::send(kernel, call, socket, progress, now)
        }
    }
}

/// What a call that was made returned.
pub(super) fn outcome(result: io::Result<i64>) -> Result<Attempt> {
    match result {
        Ok(value) => Ok(returned(value)),
        Err(error) => told(&error),
    }
}

/// An error of the kernel's as a script names it.
pub(super) fn told(error: &io::Error) -> Result<Attempt> {
    let name = error
        .raw_os_error()
        .and_then(|number| error_name(i64::from(number)));
    name.map(failed)
        .ok_or_else(|| Stop::unsupported(format!("the error `{error}`")))
}

fn broken(error: io::Error) -> Stop {
    Stop::failed(format!("the descriptor cannot be used ({error})"))
}

fn socket(kernel: &mut Kernel, call: &Call) -> Result<Attempt> {
    let words = arguments::words(call, 1);
    let kind = match (words.contains(&"SOCK_STREAM"), words.contains(&"SOCK_DGRAM")) {
        (true, _) => Type::STREAM,
        (_, true) => Type::DGRAM,
        _ => return Err(Stop::unsupported(format!("socket type {}", words.join("|")))),
    };
    let domain = match kernel.network.settings.version {
        IpVersion::Ipv4 => Domain::IPV4,
        IpVersion::Ipv6 | IpVersion::Mapped => Domain::IPV6,
    };
    let protocol = match arguments::words(call, 2).first() {
        Some(&"IPPROTO_TCP") => Some(Protocol::TCP),
        Some(&"IPPROTO_UDP") => Some(Protocol::UDP),
        Some(&"IPPROTO_IP") | None => None,
        Some(strange) => return Err(Stop::unsupported(format!("protocol {strange}"))),
    };
    let made = match Socket::new(domain, kind, protocol) {
        Ok(made) => made,
        Err(error) => return told(&error),
    };
    made.set_nonblocking(words.contains(&"SOCK_NONBLOCK"))
        .map_err(broken)?;
    if kind == Type::STREAM {
        let name = kernel.congestion.as_bytes();
        made.set_tcp_congestion(name)
            .map_err(|_| Stop::unsupported(format!("congestion control {}", kernel.congestion)))?;
    }
    let number = sockets::new_number(call)?;
    kernel.descriptors.insert(number, Descriptor::Socket(made));
    kernel.network.select(None);
    Ok(returned(number))
}

/// An address of ours or the peer's for a socket of this script.
pub(super) fn address(kernel: &Kernel, of: IpAddr, port: u16) -> SocketAddr {
    match (kernel.network.settings.version, of) {
        (IpVersion::Mapped, IpAddr::V4(of)) => SocketAddr::new(of.to_ipv6_mapped().into(), port),
        _ => SocketAddr::new(of, port),
    }
}

fn bind(kernel: &mut Kernel, call: &Call, socket: &Socket) -> Result<Attempt> {
    let settings = &kernel.network.settings;
    let port = arguments::port(call, 1).unwrap_or(settings.bind_port);
    let (local, peer_port) = (settings.local, settings.connect_port);
    let bound = socket.bind(&address(kernel, local, port).into());
    if bound.is_ok() && socket.r#type().ok() == Some(Type::DGRAM) {
        let flow = kernel.network.flow(port, peer_port);
        kernel.network.select(Some(flow));
    }
    outcome(bound.map(|()| 0))
}

fn listen(kernel: &mut Kernel, call: &Call, socket: &Socket) -> Result<Attempt> {
    let backlog = arguments::integer(call, 1, "a backlog")?;
    let listens = socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX));
    if listens.is_ok() {
        let at = socket.local_addr().map_err(broken)?;
        kernel.network.listening_port = at.as_socket().map(|at| at.port());
        kernel.network.select(None);
    }
    outcome(listens.map(|()| 0))
}

fn accept(kernel: &mut Kernel, call: &Call, socket: &Socket) -> Result<Attempt> {
    let waits = !descriptor::is_nonblocking(socket) && socket.is_listener().unwrap_or(false);
    if waits && descriptor::readiness(socket.as_fd(), libc::POLLIN) == 0 {
        return Ok(Attempt::Blocks);
    }
    let accepted = match socket.accept() {
        Ok((accepted, _)) => accepted,
        Err(error) => return told(&error),
    };
    let nonblocking = arguments::words(call, 3).contains(&"SOCK_NONBLOCK");
    accepted.set_nonblocking(nonblocking).map_err(broken)?;
    if let Some((local, remote)) = descriptor::ports(&accepted) {
        let flow = kernel.network.flow(local, remote);
        kernel.network.select(Some(flow));
    }
    let number = sockets::new_number(call)?;
    kernel.descriptors.insert(number, Descriptor::Socket(accepted));
    Ok(returned(number))
}

fn connect(kernel: &mut Kernel, call: &Call, socket: &Socket, progress: &mut Progress) -> Result<Attempt> {
    if progress.started {
        return connecting(socket);
    }
    let settings = &kernel.network.settings;
    let port = arguments::port(call, 1).unwrap_or(settings.connect_port);
    let to = address(kernel, settings.remote, port);
    let waits = !descriptor::is_nonblocking(socket);
    socket.set_nonblocking(true).map_err(broken)?;
    let begun = socket.connect(&to.into());
    let known_before = descriptor::ports(socket).is_some();
    let local = socket.local_addr().map_err(broken)?;
    socket.set_nonblocking(!waits).map_err(broken)?;
    let in_progress = matches!(&begun, Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS));
    let is_datagram = socket.r#type().ok() == Some(Type::DGRAM);
    if let Some(local) = local.as_socket()
        && (in_progress || (is_datagram && known_before))
    {
        kernel.network.begin_flow(local.port(), port);
    }
    if in_progress && waits {
        progress.started = true;
        return Ok(Attempt::Blocks);
    }
    outcome(begun.map(|()| 0))
}

/// A connection that this call has started.
fn connecting(socket: &Socket) -> Result<Attempt> {
    if descriptor::readiness(socket.as_fd(), libc::POLLOUT) == 0 {
        return Ok(Attempt::Blocks);
    }
    match socket.take_error().map_err(broken)? {
        Some(error) => told(&error),
        None => Ok(returned(0)),
    }
}

fn shutdown(call: &Call, socket: &Socket) -> Result<Attempt> {
    let how = match arguments::words(call, 1).first() {
        Some(&"SHUT_RD") => 0,
        Some(&"SHUT_WR") => 1,
        Some(&"SHUT_RDWR") => 2,
        _ => arguments::integer(call, 1, "SHUT_RD, SHUT_WR or SHUT_RDWR")?,
    };
    let how = match how {
        0 => Shutdown::Read,
        1 => Shutdown::Write,
        2 => Shutdown::Both,
        _ => return Ok(failed("EINVAL")),
    };
    outcome(socket.shutdown(how).map(|()| 0))
}

fn close(kernel: &mut Kernel, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    match kernel.descriptors.remove(&fd) {
        None => Ok(failed("EBADF")),
        Some(Descriptor::Socket(socket))
            if socket
                .linger()
                .is_ok_and(|time| time.is_some_and(|t| !t.is_zero())) =>
        {
            let closing = Descriptor::Closing(thread::spawn(move || drop(socket)));
            kernel.descriptors.insert(fd, closing);
            Ok(Attempt::Blocks)
        }
        Some(Descriptor::Socket(_) | Descriptor::Epoll(_)) => Ok(returned(0)),
        Some(Descriptor::Closing(closing)) if closing.is_finished() => Ok(returned(0)),
        Some(closing) => {
            kernel.descriptors.insert(fd, closing);
            Ok(Attempt::Blocks)
        }
    }
}

fn name(call: &Call, socket: &Socket) -> Result<Attempt> {
    let found = match call.name.as_str() {
        "getsockname" => socket.local_addr(),
        _ => socket.peer_addr(),
    };
    match found {
        Ok(at) => sockets::name::answer(call, at.as_socket().map_or(0, |at| at.port())),
        Err(error) => told(&error),
    }
}

fn fcntl(call: &Call, socket: &Socket) -> Result<Attempt> {
    let command = arguments::words(call, 1).first().copied().unwrap_or_default();
    match command {
        "F_GETFL" => {
            let flags = rustix::fs::fcntl_getfl(socket.as_fd()).map_err(io::Error::from);
            outcome(flags.map(|flags| i64::from(flags.bits() & (OFlags::RDWR | OFlags::NONBLOCK).bits())))
        }
        "F_SETFL" => {
            let flags = call.arguments.get(2).and_then(sockets::value);
            let flags = flags
                .and_then(|flags| u32::try_from(flags).ok())
                .ok_or_else(|| Stop::unsupported("F_SETFL with other flags"))?;
            let set = rustix::fs::fcntl_setfl(socket.as_fd(), OFlags::from_bits_retain(flags));
            outcome(set.map(|()| 0).map_err(io::Error::from))
        }
        "F_GETFD" | "F_SETFD" => Ok(returned(0)),
        _ => Err(Stop::unsupported(format!("fcntl {command}"))),
    }
}

fn ioctl(call: &Call, socket: &Socket) -> Result<Attempt> {
    let request = arguments::words(call, 1).first().copied().unwrap_or_default();
    let argument = call.arguments.get(2).and_then(sockets::value);
    let code = match request {
        "FIONBIO" => {
            let on = argument.ok_or_else(|| Stop::failed("FIONBIO needs [0] or [1]"))?;
            return outcome(socket.set_nonblocking(on != 0).map(|()| 0));
        }
        "SIOCINQ" | "FIONREAD" => libc::FIONREAD,
        "SIOCOUTQ" | "TIOCOUTQ" => libc::TIOCOUTQ,
        "SIOCOUTQNSD" => 0x894b,
        "SIOCATMARK" => 0x8905,
        _ => return Err(Stop::unsupported(format!("ioctl {request}"))),
    };
    match (sys::queued(socket.as_fd(), code), argument) {
        (Ok(found), Some(expected)) if i64::from(found) != expected => Err(Stop::failed(format!(
            "{request} gives {found}, expected {expected}"
        ))),
        (found, _) => outcome(found.map(|_| 0)),
    }
}

fn poll(kernel: &mut Kernel, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let Some(Expression::List(entries)) = call.arguments.first() else {
        return Err(Stop::failed("argument 1 of poll must be a list"));
    };
    let timeout = arguments::integer(call, 2, "a timeout")?;
    let number = |entry: &Expression, name| entry.field(name).and_then(sockets::value);
    let mut polled = Vec::new();
    for entry in entries {
        let (Some(fd), Some(events)) = (number(entry, "fd"), number(entry, "events")) else {
            return Err(Stop::failed("poll needs {fd=…, events=…, revents=…}"));
        };
        let socket = kernel.descriptors.get(&fd).and_then(Descriptor::socket);
        polled.push(libc::pollfd {
            fd: socket.map_or(i32::MAX, AsRawFd::as_raw_fd),
            events: events as i16,
            revents: 0,
        });
    }
    let ready = sys::wait_for(&mut polled, Duration::ZERO.into()).map_err(broken)?;
    let waits = match u64::try_from(timeout) {
        Ok(millis) => !progress.has_waited(kernel.now(), Duration::from_millis(millis)),
        Err(_) => true,
    };
    if ready == 0 && waits {
        return Ok(Attempt::Blocks);
    }
    for (entry, found) in entries.iter().zip(&polled) {
        let found = i64::from(found.revents);
        if let Some(expected) = number(entry, "revents").filter(|expected| *expected != found) {
            return Err(Stop::failed(format!(
                "poll tells {found:#x}, expected {expected:#x}"
            )));
        }
    }
    Ok(returned(ready as i64))
}
