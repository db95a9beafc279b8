//! `poll` and `epoll`: which descriptors can do something without blocking.

use handfast::time::Duration;
use handfast::transport::tcp::state::State;

use super::control::value;
use super::{
    Attempt, Descriptor, Kind, Progress, Result, arguments, datagram, failed, new_number, option, returned,
    stream, urgent,
};
use crate::script::subject::Subject;
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;
use crate::script::world::World;

const IN: i64 = 1;
const PRIORITY: i64 = 2;
const OUT: i64 = 4;
const ERR: i64 = 8;
const HUP: i64 = 16;
const NVAL: i64 = 32;
const READ_NORMAL: i64 = 64;
const WRITE_NORMAL: i64 = 256;
const READ_HUP: i64 = 0x2000;
const ONCE: i64 = 1 << 30;
const EDGES: i64 = 1 << 31;

/// What an epoll descriptor waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interest {
    fd: i64,
    events: i64,
    /// What is handed back.
    data: i64,
    /// What was true when it was looked at last, for `EPOLLET`.
    seen: i64,
    /// Bytes that all connections had received when it was looked at last.
    received: u64,
    /// `EPOLLONESHOT` has told, and tells nothing until it is set anew.
    spent: bool,
}

/// What a descriptor is ready for.
fn readiness(world: &mut World, fd: i64) -> i64 {
    let Some(descriptor) = world.sockets.get(fd) else {
        return NVAL;
    };
    match descriptor.kind {
        Kind::Fresh => OUT | HUP,
        Kind::Epoll(_) => 0,
        Kind::Listener { .. } => listener_readiness(world, fd),
        Kind::Datagram { .. } => datagram_readiness(world, fd),
        Kind::Stream(_) => stream_readiness(world, fd),
    }
}

fn listener_readiness(world: &mut World, fd: i64) -> i64 {
    let Some(connection) = stream::next_connection(world, fd) else {
        return 0;
    };
    if let Some(Descriptor {
        kind: Kind::Listener { waiting, .. },
        ..
    }) = world.sockets.get(fd)
    {
        waiting.push_front(connection);
    }
    IN | READ_NORMAL
}

fn datagram_readiness(world: &mut World, fd: i64) -> i64 {
    let Some(datagram) = datagram::next_datagram(world, fd) else {
        return OUT | WRITE_NORMAL;
    };
    if let Some(Descriptor {
        kind: Kind::Datagram { waiting, .. },
        ..
    }) = world.sockets.get(fd)
    {
        waiting.push_front(datagram);
    }
    IN | READ_NORMAL | OUT | WRITE_NORMAL
}

fn stream_readiness(world: &mut World, fd: i64) -> i64 {
    let limit = option::send_buffer(world, fd);
    let Some(snapshot) = option::snapshot(world, fd) else {
        return HUP;
    };
    let failed = match world
        .sockets
        .get(fd)
        .map(|descriptor| (&descriptor.kind, descriptor.error_told))
    {
        Some((Kind::Stream(handle), false)) => {
            let handle = *handle;
            world.engine().tcp_error(handle).is_some()
        }
        _ => false,
    };
    let mut ready = 0;
    if urgent::is_pending(world, fd) {
        ready |= PRIORITY;
    }
    if failed {
        ready |= ERR;
    }
    let least = option::receive_low_water(world, fd);
    if snapshot.rcv_buffered >= least || snapshot.peer_closed || snapshot.state == State::Closed {
        ready |= IN | READ_NORMAL;
    }
    if snapshot.peer_closed || snapshot.state == State::Closed {
        ready |= READ_HUP;
    }
    if snapshot.state == State::Closed {
        ready |= HUP;
    }
    let opening = matches!(snapshot.state, State::SynSent | State::SynReceived);
    let few_wait = option::unsent_low_water(world, fd).is_none_or(|most| snapshot.notsent < most.div_ceil(2));
    if !opening && few_wait && snapshot.send_queued <= limit / 3 * 2 {
        ready |= OUT | WRITE_NORMAL;
    }
    ready
}

/// When a call with a timeout in milliseconds gives up; `None` when it never does.
fn has_timed_out(world: &World, timeout: i64, progress: &mut Progress) -> bool {
    let Ok(timeout) = u64::try_from(timeout) else {
        return false;
    };
    progress.has_waited(world.now(), Duration::from_millis(timeout))
}

pub(super) fn poll(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let Some(Expression::List(polled)) = call.arguments.first() else {
        return Err(Stop::failed("argument 1 of poll must be a list"));
    };
    let timeout = arguments::integer(call, 2, "a timeout")?;
    let mut count = 0;
    let mut told = Vec::new();
    for entry in polled {
        let number = |name| entry.field(name).and_then(value);
        let (Some(fd), Some(events)) = (number("fd"), number("events")) else {
            return Err(Stop::failed("poll needs {fd=…, events=…, revents=…}"));
        };
        let found = readiness(world, fd) & (events | ERR | HUP | NVAL);
        count += i64::from(found != 0);
        told.push((fd, found, number("revents")));
    }
    if count == 0 && !has_timed_out(world, timeout, progress) {
        return Ok(Attempt::Blocks);
    }
    for (fd, found, expected) in told {
        if expected.is_some_and(|expected| expected != found) {
            return Err(Stop::failed(format!(
                "poll tells {found:#x} of descriptor {fd}, expected {:#x}",
                expected.unwrap_or(0)
            )));
        }
    }
    Ok(returned(count))
}

pub(super) fn create(world: &mut World, call: &Call) -> Result<Attempt> {
    let number = new_number(call)?;
    world
        .sockets
        .table
        .insert(number, Descriptor::new(Kind::Epoll(Vec::new())));
    Ok(returned(number))
}

pub(super) fn control(world: &mut World, call: &Call) -> Result<Attempt> {
    let (own, fd) = (arguments::fd(call)?, arguments::integer(call, 2, "a descriptor")?);
    let operation = arguments::words(call, 1)
        .first()
        .copied()
        .unwrap_or_default()
        .to_owned();
    let interest = call.arguments.get(3).and_then(interest_in);
    let exists = world.sockets.get(fd).is_some();
    let Some(Descriptor {
        kind: Kind::Epoll(interests),
        ..
    }) = world.sockets.get(own)
    else {
        return Ok(failed("EINVAL"));
    };
    let known = interests.iter().position(|interest| interest.fd == fd);
    match (operation.as_str(), known, interest) {
        _ if !exists => Ok(failed("EBADF")),
        ("EPOLL_CTL_ADD", Some(_), _) => Ok(failed("EEXIST")),
        ("EPOLL_CTL_MOD" | "EPOLL_CTL_DEL", None, _) => Ok(failed("ENOENT")),
        ("EPOLL_CTL_DEL", Some(at), _) => {
            interests.remove(at);
            Ok(returned(0))
        }
        ("EPOLL_CTL_ADD" | "EPOLL_CTL_MOD", _, Some((events, data))) => {
            interests.retain(|interest| interest.fd != fd);
            interests.push(Interest {
                fd,
                events,
                data,
                seen: 0,
                received: 0,
                spent: false,
            });
            Ok(returned(0))
        }
        _ => Err(Stop::unsupported(format!("{operation} with such events"))),
    }
}

/// `{events=EPOLLIN, fd=4}`: what is waited for, and what is handed back.
pub(in crate::script) fn interest_in(event: &Expression) -> Option<(i64, i64)> {
    let data = ["fd", "ptr", "u32", "u64"]
        .iter()
        .find_map(|name| event.field(name));
    Some((value(event.field("events")?)?, value(data?)?))
}

/// What an interest has to tell now.
fn look(world: &mut World, interest: &mut Interest) -> i64 {
    let ready = readiness(world, interest.fd) & (interest.events | ERR | HUP);
    let before = std::mem::replace(&mut interest.seen, ready);
    if interest.spent {
        return 0;
    }
    if interest.events & EDGES != 0 {
        let received = world.engine().counters().tcp.bytes_received;
        let is_more = std::mem::replace(&mut interest.received, received) != received;
        let descriptor = world.sockets.get(interest.fd);
        let had_no_room = ready & OUT != 0
            && descriptor.is_some_and(|descriptor| std::mem::take(&mut descriptor.short_of_room));
        if ready & !before == 0 && !is_more && !had_no_room {
            return 0;
        }
    }
    interest.spent = ready != 0 && interest.events & ONCE != 0;
    ready
}

pub(super) fn wait(world: &mut World, call: &Call, progress: &mut Progress) -> Result<Attempt> {
    let own = arguments::fd(call)?;
    let timeout = arguments::integer(call, 3, "a timeout")?;
    let interests = match world.sockets.get(own).map(|descriptor| &descriptor.kind) {
        Some(Kind::Epoll(interests)) => interests.clone(),
        _ => return Ok(failed("EINVAL")),
    };
    let mut ready = Vec::new();
    let mut looked_at = Vec::new();
    for mut interest in interests {
        let events = look(world, &mut interest);
        if events != 0 {
            ready.push((events, interest.data));
        }
        looked_at.push(interest);
    }
    if let Some(Descriptor {
        kind: Kind::Epoll(interests),
        ..
    }) = world.sockets.get(own)
    {
        *interests = looked_at;
    }
    if ready.is_empty() && !has_timed_out(world, timeout, progress) {
        return Ok(Attempt::Blocks);
    }
    answer(call, &ready)
}

/// What `epoll_wait` returns for events and their data, which are held against what the script says.
pub(in crate::script) fn answer(call: &Call, ready: &[(i64, i64)]) -> Result<Attempt> {
    let expected = call.arguments.get(1).and_then(interest_in);
    if let (Some((events, data)), Some(first)) = (expected, ready.first())
        && !ready.contains(&(events, data))
    {
        return Err(Stop::failed(format!(
            "epoll_wait tells {:#x} of {}, expected {events:#x} of {data}",
            first.0, first.1
        )));
    }
    Ok(returned(ready.len() as i64))
}
