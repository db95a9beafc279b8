//! Urgent data as sockets have it: the engine delivers all octets in line and tells where the mark is (RFC 6093); a read stops at the mark, and
//! the octet before it is read by itself (`MSG_OOB`), unless the script wants it in line (`SO_OOBINLINE`).

use super::{Attempt, Kind, Result, failed, returned};
use crate::script::world::World;

/// What the application of a descriptor has done about urgent data.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Urgent {
    /// Octets of the stream that it has read, or stepped over.
    read: u64,
    /// The place in the stream of the urgent octet that it has read by itself.
    taken: Option<u64>,
}

/// The urgent octet that comes next.
#[derive(Clone, Copy, Debug)]
struct Next {
    /// Octets before it that were not read.
    ahead: usize,
    has_arrived: bool,
    was_taken: bool,
    is_in_line: bool,
}

fn next(world: &mut World, fd: i64) -> Option<Next> {
    let descriptor = world.sockets.get(fd)?;
    let Kind::Stream(handle) = descriptor.kind else {
        return None;
    };
    let (held, urgent) = (descriptor.peeked.len(), descriptor.urgent);
    let is_in_line = descriptor
        .options
        .get("SO_OOBINLINE")
        .is_some_and(|value| *value != 0);
    let waiting = world.engine().tcp_info(handle)?.rcv_buffered as usize;
    let end = held + world.engine().tcp_urgent_mark(handle)? as usize;
    let ahead = end - 1;
    Some(Next {
        ahead,
        has_arrived: waiting >= end,
        was_taken: urgent.taken == Some(urgent.read + ahead as u64),
        is_in_line,
    })
}

/// How many of `limit` octets a read may take: none beyond the urgent one, unless it begins there.
pub(super) fn before_mark(world: &mut World, fd: i64, limit: usize) -> usize {
    match next(world, fd) {
        Some(next) if next.ahead > 0 => limit.min(next.ahead),
        _ => limit,
    }
}

/// Whether the next octet is urgent and not for those who read in line.
pub(super) fn steps_over(world: &mut World, fd: i64) -> bool {
    next(world, fd).is_some_and(|next| next.ahead == 0 && next.has_arrived && !next.is_in_line)
}

/// Octets were read or stepped over.
pub(super) fn advance(world: &mut World, fd: i64, octets: usize) {
    if let Some(descriptor) = world.sockets.get(fd) {
        descriptor.urgent.read += octets as u64;
    }
}

/// Whether the next octet is the urgent one.
pub(super) fn is_at_mark(world: &mut World, fd: i64) -> bool {
    next(world, fd).is_some_and(|next| next.ahead == 0)
}

/// Whether urgent data was announced that was read in no way yet.
pub(super) fn is_pending(world: &mut World, fd: i64) -> bool {
    next(world, fd).is_some_and(|next| !next.was_taken)
}

/// `recv` with `MSG_OOB`: never blocks.
pub(super) fn receive(world: &mut World, fd: i64, length: usize, peeks: bool) -> Result<Attempt> {
    let Some(next) = next(world, fd).filter(|next| !next.is_in_line && !next.was_taken) else {
        return Ok(failed("EINVAL"));
    };
    if !next.has_arrived {
        return Ok(failed("EAGAIN"));
    }
    if let Some(descriptor) = world.sockets.get(fd).filter(|_| !peeks) {
        descriptor.urgent.taken = Some(descriptor.urgent.read + next.ahead as u64);
    }
    Ok(returned(length.min(1) as i64))
}
