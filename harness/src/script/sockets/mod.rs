//! The calls of an application: descriptors, what they stand for in the engine, and when a call returns.

pub(super) mod arguments;
mod close;
mod control;
mod control_message;
mod datagram;
mod gather;
pub(super) mod interest;
pub(super) mod name;
mod option;
mod peek;
mod setting;
mod stream;
mod urgent;

use std::collections::{BTreeMap, VecDeque};

use handfast::application::{ConnectionError, Datagram, ListenerHandle, TcpHandle, UdpHandle};
use handfast::time::{Duration, Instant};

pub(super) use self::control::{error_name, value};
use self::interest::Interest;
use self::peek::Peeked;
use self::urgent::Urgent;
use super::tree::{Call, Expression};
use super::verdict::Stop;
use super::world::World;

/// What a call returned: a number, and the name of an error with -1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    pub(super) value: i64,
    pub(super) error: Option<&'static str>,
}

/// How far a call has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempt {
    Returned(Outcome),
    /// It waits for the engine.
    Blocks,
}

/// What a call that blocks has done already.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Progress {
    /// Bytes moved.
    pub(super) moved: usize,
    /// The connection was started.
    pub(super) started: bool,
    /// When a call with a timeout gives up.
    until: Option<Instant>,
}

impl Progress {
    /// Whether a call that may wait for `patience` has waited for so long.
    pub(super) fn has_waited(&mut self, now: Instant, patience: Duration) -> bool {
        now >= *self.until.get_or_insert(now + patience)
    }

    /// When a call that waits returns at the latest.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

pub(super) fn returned(value: i64) -> Attempt {
    Attempt::Returned(Outcome { value, error: None })
}

pub(super) fn failed(error: &'static str) -> Attempt {
    Attempt::Returned(Outcome {
        value: -1,
        error: Some(error),
    })
}

fn errno(error: ConnectionError) -> &'static str {
    match error {
        ConnectionError::Reset => "ECONNRESET",
        ConnectionError::Refused => "ECONNREFUSED",
        ConnectionError::TimedOut => "ETIMEDOUT",
        ConnectionError::Unreachable => "EHOSTUNREACH",
    }
}

/// What a descriptor stands for.
#[derive(Debug)]
enum Kind {
    /// A TCP socket that neither listens nor connects.
    Fresh,
    Listener {
        handle: ListenerHandle,
        /// Connections that were accepted to see whether there are any.
        waiting: VecDeque<TcpHandle>,
    },
    Stream(TcpHandle),
    Datagram {
        handle: Option<UdpHandle>,
        peer: Option<u16>,
        /// Datagrams that were received to see whether there are any.
        waiting: VecDeque<Datagram>,
    },
    Epoll(Vec<Interest>),
}

/// One descriptor.
#[derive(Debug)]
struct Descriptor {
    kind: Kind,
    nonblocking: bool,
    no_delay: bool,
    /// The engine holds back what does not fill a segment.
    corked: bool,
    port: Option<u16>,
    /// The error of the connection was told.
    error_told: bool,
    read_shut: bool,
    /// What was looked at and not read.
    peeked: Peeked,
    /// `close` resets.
    resets: bool,
    /// The congestion control that was chosen.
    congestion: Option<String>,
    /// A write has found no room since this was told to an edge-triggered epoll.
    short_of_room: bool,
    /// How far the application is in the stream, and what it knows of urgent data.
    urgent: Urgent,
    /// Options that were set and change nothing, for those who ask.
    options: BTreeMap<String, i64>,
}

impl Descriptor {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            nonblocking: false,
            no_delay: false,
            corked: false,
            port: None,
            error_told: false,
            read_shut: false,
            peeked: Peeked::default(),
            resets: false,
            congestion: None,
            short_of_room: false,
            urgent: Urgent::default(),
            options: BTreeMap::new(),
        }
    }
}

/// Descriptors by the numbers that the script gives them.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    table: BTreeMap<i64, Descriptor>,
    next_port: u16,
}

impl Sockets {
    fn get(&mut self, fd: i64) -> Option<&mut Descriptor> {
        self.table.get_mut(&fd)
    }

    /// The connections that descriptors stand for.
    pub(super) fn streams(&self) -> impl Iterator<Item = TcpHandle> {
        self.table
            .values()
            .filter_map(|descriptor| match descriptor.kind {
                Kind::Stream(handle) => Some(handle),
                _ => None,
            })
    }
}

/// Makes a call, or another attempt at one that blocks.
pub(super) fn attempt(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    match call.name.as_str() {
        "read" | "recv" | "recvfrom" | "write" | "send" | "sendto" if arguments::points_nowhere(call)? => {
            Ok(failed("EFAULT"))
        }
        "socket" => socket(world, call),
        "bind" => bind(world, call),
        "listen" => stream::listen(world, call),
        "accept" | "accept4" => stream::accept(world, call),
        "connect" => connect(world, call, progress),
        "read" | "recv" | "recvfrom" | "readv" | "recvmsg" => read(world, call, progress),
        "write" | "send" | "sendto" | "writev" | "sendmsg" => write(world, call, progress),
        "shutdown" => stream::shutdown(world, call),
        "close" => close::close(world, call, progress),
        "setsockopt" => option::set(world, call),
        "getsockopt" => option::get(world, call),
        "fcntl" => control::fcntl(world, call),
        "getsockname" | "getpeername" => name::get(world, call),
        "ioctl" => control::ioctl(world, call),
        "poll" => interest::poll(world, call, progress),
        "epoll_create" | "epoll_create1" => interest::create(world, call),
        "epoll_ctl" => interest::control(world, call),
        "epoll_wait" => interest::wait(world, call, progress),
        _ => Err(Stop::unsupported(format!("call {}", call.name))),
    }
}

/// The number that the script gives to a new descriptor.
pub(super) fn new_number(call: &Call) -> Result<i64> {
    match &call.result {
        Some(Expression::Integer(number)) if *number >= 0 => Ok(*number),
        _ => Err(Stop::failed(format!(
            "{} succeeds here, and returns a descriptor",
            call.name
        ))),
    }
}

fn socket(world: &mut World, call: &Call) -> Result<Attempt> {
    let words = arguments::words(call, 1);
    let kind = if words.contains(&"SOCK_STREAM") {
        Kind::Fresh
    } else if words.contains(&"SOCK_DGRAM") {
        Kind::Datagram {
            handle: None,
            peer: None,
            waiting: VecDeque::new(),
        }
    } else {
        return Err(Stop::unsupported(format!("socket type {}", words.join("|"))));
    };
    let protocol = arguments::words(call, 2);
    if let Some(strange) = protocol
        .iter()
        .find(|word| !matches!(**word, "IPPROTO_TCP" | "IPPROTO_UDP" | "IPPROTO_IP"))
    {
        return Err(Stop::unsupported(format!("protocol {strange}")));
    }
    let number = new_number(call)?;
    let mut descriptor = Descriptor::new(kind);
    descriptor.nonblocking = words.contains(&"SOCK_NONBLOCK");
    world.sockets.table.insert(number, descriptor);
    world.network.select(None);
    Ok(returned(number))
}

fn bind(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let port = arguments::port(call, 1).unwrap_or(world.network.settings.bind_port);
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    if descriptor.port.is_some() {
        return Ok(failed("EINVAL"));
    }
    descriptor.port = Some(port);
    if matches!(descriptor.kind, Kind::Datagram { .. }) {
        return datagram::bind(world, fd, port);
    }
    Ok(returned(0))
}

fn is_datagram(world: &mut World, fd: i64) -> bool {
    world
        .sockets
        .get(fd)
        .is_some_and(|descriptor| matches!(descriptor.kind, Kind::Datagram { .. }))
}

fn connect(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    if is_datagram(world, fd) {
        return datagram::connect(world, call, fd);
    }
    stream::connect(world, call, fd, progress)
}

fn read(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    if is_datagram(world, fd) {
        return datagram::receive(world, call, fd);
    }
    stream::receive(world, call, fd, progress)
}

fn write(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    if is_datagram(world, fd) {
        return datagram::send(world, call, fd);
    }
    stream::send(world, call, fd, progress)
}
