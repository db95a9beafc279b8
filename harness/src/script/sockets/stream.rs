//! TCP sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;

use handfast::application::{ConnectError, Read, StreamError, TcpHandle};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

use super::{
    Attempt, Descriptor, Kind, Progress, Result, arguments, control_message, errno, failed, gather,
    new_number, returned, setting, urgent,
};
use crate::script::subject::Subject;
use crate::script::tree::Call;
use crate::script::verdict::Stop;
use crate::script::world::World;

pub(super) fn listen(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let backlog = arguments::integer(call, 1, "a backlog")?;
    let (default_port, local) = (world.network.settings.bind_port, world.network.settings.local);
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    match descriptor.kind {
        Kind::Fresh => {}
        Kind::Listener { .. } => return Ok(returned(0)),
        _ => return Ok(failed("EINVAL")),
    }
    let port = descriptor.port.unwrap_or(default_port);
    // Linux lets one more wait than it is told.
    let backlog = usize::try_from(backlog).unwrap_or(0).saturating_add(1);
    match world.engine().tcp_listen(SocketAddr::new(local, port), backlog) {
        Ok(handle) => {
            let waiting = VecDeque::new();
            set_kind(world, fd, Kind::Listener { handle, waiting });
            setting::apply_to_listener(world, fd);
            world.network.listening_port = Some(port);
            world.network.select(None);
            Ok(returned(0))
        }
        Err(_) => Ok(failed("EADDRINUSE")),
    }
}

fn set_kind(world: &mut World, fd: i64, kind: Kind) {
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.kind = kind;
    }
}

/// The next connection of a listener, if it has one.
pub(super) fn next_connection(world: &mut World, fd: i64) -> Option<TcpHandle> {
    let handle = match &mut world.sockets.get(fd)?.kind {
        Kind::Listener { waiting, handle } => match waiting.pop_front() {
            Some(connection) => return Some(connection),
            None => *handle,
        },
        _ => return None,
    };
    world.engine().tcp_accept(handle)
}

pub(super) fn accept(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    if !matches!(descriptor.kind, Kind::Listener { .. }) {
        return Ok(failed("EINVAL"));
    }
    let (nonblocking, no_delay) = (descriptor.nonblocking, descriptor.no_delay);
    let (inherited, congestion) = (descriptor.options.clone(), descriptor.congestion.clone());
    let Some(connection) = next_connection(world, fd) else {
        return Ok(if nonblocking {
            failed("EAGAIN")
        } else {
            Attempt::Blocks
        });
    };
    let number = new_number(call)?;
    let mut accepted = Descriptor::new(Kind::Stream(connection));
    accepted.nonblocking = arguments::words(call, 3).contains(&"SOCK_NONBLOCK");
    accepted.no_delay = no_delay;
    accepted.options = inherited;
    accepted.congestion = congestion;
    world.sockets.table.insert(number, accepted);
    if no_delay {
        let _ = world.engine().tcp_set_no_delay(connection, true);
    }
    setting::apply(world, number);
    if let Some((local, remote)) = world.engine().tcp_addresses(connection) {
        let flow = world.network.flow(local.port(), remote.port());
        world.network.select(Some(flow));
    }
    Ok(returned(number))
}

pub(super) fn connect(world: &mut World, call: &Call, fd: i64, progress: &mut Progress) -> Result<Attempt> {
    let Some(descriptor) = world.sockets.get(fd) else {
        return Ok(failed("EBADF"));
    };
    let nonblocking = descriptor.nonblocking;
    match descriptor.kind {
        Kind::Fresh => start(world, call, fd, nonblocking, progress),
        Kind::Stream(handle) => connecting(world, fd, handle, nonblocking, progress),
        _ => Ok(failed("EISCONN")),
    }
}

fn start(
    world: &mut World,
    call: &Call,
    fd: i64,
    nonblocking: bool,
    progress: &mut Progress,
) -> Result<Attempt> {
    let port = arguments::port(call, 1).unwrap_or(world.network.settings.connect_port);
    let (local, remote) = (
        world.network.settings.local,
        SocketAddr::new(world.network.settings.remote, port),
    );
    let handle = match world.engine().tcp_connect(Some(local), remote) {
        Ok(handle) => handle,
        Err(ConnectError::InvalidRemoteAddress) => return Ok(failed("EINVAL")),
        Err(ConnectError::NoRoute) => return Ok(failed("ENETUNREACH")),
        Err(ConnectError::InvalidLocalAddress | ConnectError::PortsExhausted) => {
            return Ok(failed("EADDRNOTAVAIL"));
        }
        Err(ConnectError::TooManyConnections | ConnectError::TooManyDestinations) => {
            return Ok(failed("ENOBUFS"));
        }
    };
    set_kind(world, fd, Kind::Stream(handle));
    let no_delay = world
        .sockets
        .get(fd)
        .is_some_and(|descriptor| descriptor.no_delay);
    if no_delay {
        let _ = world.engine().tcp_set_no_delay(handle, true);
    }
    setting::apply(world, fd);
    if let Some((local, remote)) = world.engine().tcp_addresses(handle) {
        world.network.begin_flow(local.port(), remote.port());
    }
    progress.started = true;
    Ok(if nonblocking {
        failed("EINPROGRESS")
    } else {
        Attempt::Blocks
    })
}

/// A connection that was started before, by this call or another.
fn connecting(
    world: &mut World,
    fd: i64,
    handle: TcpHandle,
    nonblocking: bool,
    progress: &Progress,
) -> Result<Attempt> {
    if let Some(error) = untold_error(world, fd, handle) {
        return Ok(failed(error));
    }
    Ok(match world.engine().tcp_state(handle) {
        Some(State::SynSent | State::SynReceived) if nonblocking => failed("EALREADY"),
        Some(State::SynSent | State::SynReceived) => Attempt::Blocks,
        Some(_) if progress.started => returned(0),
        _ => {
            let Some(descriptor) = world.sockets.get(fd) else {
                return Ok(failed("EBADF"));
            };
            // The first call after the handshake learns that it succeeded.
            if descriptor.options.insert("connected".to_owned(), 1).is_none() {
                returned(0)
            } else {
                failed("EISCONN")
            }
        }
    })
}

/// The error of a connection, told once.
pub(super) fn untold_error(world: &mut World, fd: i64, handle: TcpHandle) -> Option<&'static str> {
    let error = errno(world.engine().tcp_error(handle)?);
    let descriptor = world.sockets.get(fd)?;
    let is_news = !std::mem::replace(&mut descriptor.error_told, true);
    is_news.then_some(error)
}

fn stream_of(world: &mut World, fd: i64) -> std::result::Result<(TcpHandle, bool, bool), &'static str> {
    let descriptor = world.sockets.get(fd).ok_or("EBADF")?;
    match descriptor.kind {
        Kind::Stream(handle) => Ok((handle, descriptor.nonblocking, descriptor.read_shut)),
        Kind::Fresh | Kind::Listener { .. } => Err("ENOTCONN"),
        _ => Err("EINVAL"),
    }
}

/// What a call with this flag does besides.
const RECEIVE_FLAGS: [&str; 6] = [
    "MSG_DONTWAIT",
    "MSG_NOSIGNAL",
    "MSG_PEEK",
    "MSG_WAITALL",
    "MSG_TRUNC",
    "MSG_OOB",
];

pub(super) fn receive(world: &mut World, call: &Call, fd: i64, progress: &mut Progress) -> Result<Attempt> {
    let (length, flags) = arguments::length(call)?;
    arguments::check_flags(&flags, &RECEIVE_FLAGS)?;
    let (handle, nonblocking, read_shut) = match stream_of(world, fd) {
        Ok(stream) => stream,
        Err(error) => return Ok(failed(error)),
    };
    let peeks = flags.contains(&"MSG_PEEK");
    if flags.contains(&"MSG_OOB") {
        return urgent::receive(world, fd, length, peeks);
    }
    if length == 0 {
        return Ok(returned(0));
    }
    control_message::check_known(call)?;
    let at_once = nonblocking || flags.contains(&"MSG_DONTWAIT");
    if !peeks && !at_once && waits_for_more(world, fd, length, handle) {
        return Ok(Attempt::Blocks);
    }
    let found = if peeks {
        look(world, fd, handle, length)?
    } else {
        take(world, fd, handle, length - progress.moved)?
    };
    if let Ok(Some(bytes)) = found {
        progress.moved = if peeks { bytes } else { progress.moved + bytes };
    }
    if matches!(found, Ok(Some(bytes)) if bytes > 0) {
        control_message::check(world, call, fd)?;
    }
    let waits_for_all = flags.contains(&"MSG_WAITALL") && progress.moved < length;
    Ok(match found {
        Ok(Some(bytes)) if bytes > 0 && !waits_for_all => returned(progress.moved as i64),
        Ok(None) => returned(progress.moved as i64),
        Ok(Some(_)) if read_shut => returned(progress.moved as i64),
        Ok(Some(_)) if at_once => moved_or_again(progress),
        Ok(Some(_)) if has_waited(world, fd, "SO_RCVTIMEO", progress) => moved_or_again(progress),
        Ok(Some(_)) => Attempt::Blocks,
        Err(_) if progress.moved > 0 => returned(progress.moved as i64),
        Err(StreamError::Failed(_)) => untold_error(world, fd, handle).map_or_else(|| returned(0), failed),
        Err(StreamError::NoConnection | StreamError::ShutDown) => failed("ENOTCONN"),
    })
}

/// Whether fewer bytes are there than `SO_RCVLOWAT` asks for, and more may come.
fn waits_for_more(world: &mut World, fd: i64, length: usize, handle: TcpHandle) -> bool {
    let descriptor = world.sockets.get(fd);
    let least = descriptor.and_then(|descriptor| descriptor.options.get("SO_RCVLOWAT").copied());
    let least = usize::try_from(least.unwrap_or(1)).unwrap_or(1).min(length);
    least > 1
        && world.engine().tcp_info(handle).is_some_and(|info| {
            (info.rcv_buffered as usize) < least && !info.peer_closed && info.state != State::Closed
        })
}

/// Bytes found; `None` at the end of the stream.
type Found = std::result::Result<Option<usize>, StreamError>;

const STRANGE: &str = "what was read is not what arrived";

/// Reads up to `limit` bytes, up to the urgent mark at most.
fn take(world: &mut World, fd: i64, handle: TcpHandle, limit: usize) -> Result<Found> {
    if urgent::steps_over(world, fd) {
        let stepped = take_in_line(world, fd, handle, 1)?;
        urgent::advance(world, fd, 1);
        if !matches!(stepped, Ok(Some(_))) {
            return Ok(stepped);
        }
    }
    let limit = urgent::before_mark(world, fd, limit);
    let found = take_in_line(world, fd, handle, limit)?;
    if let Ok(Some(bytes)) = found {
        urgent::advance(world, fd, bytes);
    }
    Ok(found)
}

/// Reads what was looked at, or what the engine has.
fn take_in_line(world: &mut World, fd: i64, handle: TcpHandle, limit: usize) -> Result<Found> {
    let peeked = world.sockets.get(fd).map(|descriptor| &mut descriptor.peeked);
    let taken = peeked.map_or(0, |peeked| peeked.take(limit));
    if taken == limit {
        return Ok(Ok(Some(taken)));
    }
    let mut strange = false;
    let read = world
        .engine()
        .tcp_receive_with(handle, limit - taken, &mut |bytes| {
            strange |= bytes.iter().any(|byte| *byte != 0);
        });
    if strange {
        return Err(Stop::failed(STRANGE));
    }
    Ok(match read {
        Ok(Read::Data(bytes)) => Ok(Some(taken + bytes)),
        Ok(Read::WouldBlock) => Ok(Some(taken)),
        _ if taken > 0 => Ok(Some(taken)),
        Ok(Read::End) => Ok(None),
        Err(error) => Err(error),
    })
}

/// Looks at up to `limit` bytes, which stay to be read.
fn look(world: &mut World, fd: i64, handle: TcpHandle, limit: usize) -> Result<Found> {
    let limit = urgent::before_mark(world, fd, limit);
    loop {
        let held = world
            .sockets
            .get(fd)
            .map_or(0, |descriptor| descriptor.peeked.len());
        if held >= limit {
            return Ok(Ok(Some(limit)));
        }
        let chunk = match world.engine().tcp_receive_chunk(handle, limit - held) {
            Ok(Read::Data(chunk)) => chunk,
            Ok(Read::WouldBlock) => return Ok(Ok(Some(held))),
            _ if held > 0 => return Ok(Ok(Some(held))),
            Ok(Read::End) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        if let Some(descriptor) = world.sockets.get(fd) {
            descriptor.peeked.push(chunk);
            if !descriptor.peeked.is_zero() {
                return Err(Stop::failed(STRANGE));
            }
        }
    }
}

/// Whether a call has waited for as long as the option, in microseconds, says.
fn has_waited(world: &mut World, fd: i64, option: &str, progress: &mut Progress) -> bool {
    let now = world.now();
    let descriptor = world.sockets.get(fd);
    let micros = descriptor.and_then(|descriptor| descriptor.options.get(option).copied());
    match micros.map(u64::try_from) {
        Some(Ok(micros)) if micros > 0 => progress.has_waited(now, Duration::from_micros(micros)),
        _ => false,
    }
}

/// What a write with this flag does besides.
const SEND_FLAGS: [&str; 4] = ["MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_OOB", "MSG_MORE"];

pub(super) fn send(world: &mut World, call: &Call, fd: i64, progress: &mut Progress) -> Result<Attempt> {
    let (length, flags) = arguments::length(call)?;
    arguments::check_flags(&flags, &SEND_FLAGS)?;
    control_message::refuse(call)?;
    let (handle, nonblocking, _) = match stream_of(world, fd) {
        Ok(stream) => stream,
        Err("ENOTCONN") => return Ok(failed("EPIPE")),
        Err(error) => return Ok(failed(error)),
    };
    let nonblocking = nonblocking || flags.contains(&"MSG_DONTWAIT");
    if world.engine().tcp_state(handle) == Some(State::SynSent) {
        return Ok(if nonblocking {
            failed("EAGAIN")
        } else {
            Attempt::Blocks
        });
    }
    let rest = length - progress.moved;
    gather::apply(world, fd, flags.contains(&"MSG_MORE"));
    match queue(world, handle, rest, flags.contains(&"MSG_OOB")) {
        Ok(taken) => progress.moved += taken,
        Err(_) if progress.moved > 0 => return Ok(returned(progress.moved as i64)),
        Err(StreamError::Failed(_)) => {
            return Ok(failed(untold_error(world, fd, handle).unwrap_or("EPIPE")));
        }
        Err(StreamError::NoConnection | StreamError::ShutDown) => return Ok(failed("EPIPE")),
    }
    if progress.moved == length {
        return Ok(returned(length as i64));
    }
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.short_of_room = true;
    }
    if !nonblocking && !has_waited(world, fd, "SO_SNDTIMEO", progress) {
        return Ok(Attempt::Blocks);
    }
    Ok(moved_or_again(progress))
}

/// Queues zeros, and tells how many found room. The last octet of what is out of band is the urgent one.
fn queue(
    world: &mut World,
    handle: TcpHandle,
    length: usize,
    out_of_band: bool,
) -> std::result::Result<usize, StreamError> {
    let plain = length - usize::from(out_of_band && length > 0);
    let queued = world
        .engine()
        .tcp_send_with(handle, plain, &mut |target| target.fill(0))?;
    if queued < plain || plain == length {
        return Ok(queued);
    }
    Ok(queued + world.engine().tcp_send_urgent(handle, &[0])?)
}

/// What a call returns that may not wait.
fn moved_or_again(progress: &Progress) -> Attempt {
    match progress.moved {
        0 => failed("EAGAIN"),
        moved => returned(moved as i64),
    }
}

pub(super) fn shutdown(world: &mut World, call: &Call) -> Result<Attempt> {
    let fd = arguments::fd(call)?;
    let how = match arguments::words(call, 1).first() {
        Some(&"SHUT_RD") => 0,
        Some(&"SHUT_WR") => 1,
        Some(&"SHUT_RDWR") => 2,
        _ => arguments::integer(call, 1, "SHUT_RD, SHUT_WR or SHUT_RDWR")?,
    };
    let (handle, ..) = match stream_of(world, fd) {
        Ok(stream) => stream,
        Err(error) => return Ok(failed(error)),
    };
    if !(0..=2).contains(&how) {
        return Ok(failed("EINVAL"));
    }
    if world.engine().tcp_state(handle) == Some(State::Closed) {
        return Ok(failed("ENOTCONN"));
    }
    if how != 1
        && let Some(descriptor) = world.sockets.get(fd)
    {
        descriptor.read_shut = true;
    }
    if how != 0 && world.engine().tcp_shutdown(handle).is_err() {
        return Ok(failed("ENOTCONN"));
    }
    Ok(returned(0))
}
