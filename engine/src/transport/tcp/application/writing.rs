//! Data from the application, copied or not.

use std::collections::HashSet;

use super::{Id, StreamError};
use crate::frame::{Payload, Purpose, Size};
use crate::transport::ready::Ready;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::{Connection, Flags as Has};
use crate::transport::tcp::send_queue::Refused;

impl Tcp {
    /// Lets `fill` produce up to `length` bytes in the engine's own memory.
    #[inline]
    pub(crate) fn send_with(
        &mut self,
        id: Id,
        length: usize,
        fill: impl FnMut(&mut [u8]),
    ) -> Result<usize, StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        may_write(connection)?;
        let queue = self.queues.send.attach(&mut connection.send);
        if queue.may_carve(length) && length <= self.config.send_buffer as usize {
            if queue.carve(length, &mut self.memory, fill).is_ok() {
                self.dirty.mark(id.index, connection);
                return Ok(length);
            }
            return Ok(self.after_write(id, length, Err(Refused::NoFrame)));
        }
        let mut fill = fill;
        let limit = self.send_limit(id.index);
        let connection = self.connections.get_mut(id.index);
        let queue = self.queues.send.attach(&mut connection.send);
        let taken = queue.gather(length, &mut self.memory, &limit, &mut fill);
        Ok(self.after_write(id, length, taken))
    }

    /// What a write of `length` bytes leads to, of which the queue has taken all, a part, or nothing.
    #[inline(never)]
    fn after_write(&mut self, id: Id, length: usize, taken: Result<usize, Refused>) -> usize {
        let taken = taken.unwrap_or_else(|refused| {
            if refused == Refused::NoFrame {
                self.await_slots(id);
            }
            0
        });
        let connection = self.connections.get_mut(id.index);
        if let Some(queue) = self.queues.send.get(connection.send)
            && queue.is_empty()
        {
            self.queues.send.detach(&mut connection.send);
        }
        if taken < length {
            connection.flags.set(Has::WANTS_ROOM);
        }
        if taken > 0 {
            self.dirty.mark(id.index, connection);
        }
        taken
    }

    /// Notes that a connection found the pool empty. Whoever tries again and again must not make the list longer than connections are many: it is
    /// looked through when it could be twice as long.
    #[cold]
    fn await_slots(&mut self, id: Id) {
        if self.starved.back() == Some(&id) {
            return;
        }
        if self.starved.len() >= 2 * self.connections.len() as usize {
            let mut seen = HashSet::new();
            self.starved.retain(|id| {
                let connection = self.connections.lookup(id.index, id.generation);
                connection.is_some_and(|connection| connection.flags.has(Has::WANTS_ROOM))
                    && seen.insert(id.index)
            });
        }
        self.starved.push_back(id);
    }

    /// Tells connections that found the pool empty when it has slots again.
    pub(crate) fn feed_starved(&mut self) {
        while self.can_feed_starved() {
            let Some(id) = self.starved.pop_front() else {
                return;
            };
            if let Some(connection) = self.connections.lookup(id.index, id.generation)
                && connection.flags.take(Has::WANTS_ROOM)
            {
                self.notices.add(id.index, connection, Ready::WRITABLE);
            }
        }
    }

    /// Whether a connection that found the pool empty waits although it has slots again: the application may have given them back since.
    #[inline]
    pub(in crate::transport::tcp) fn can_feed_starved(&self) -> bool {
        !self.starved.is_empty() && self.memory.pool.can_allocate(Purpose::Application, Size::Small)
    }

    /// Queues a payload without copying it; gives it back when there is no room.
    pub(crate) fn send_payload(&mut self, id: Id, payload: Payload) -> Result<Option<Payload>, StreamError> {
        let index = self.sendable(id)?;
        let limit = self.send_limit(index);
        let connection = self.connections.get_mut(index);
        let queue = self.queues.send.attach(&mut connection.send);
        let refused = queue.push(payload, &limit).err();
        if queue.is_empty() {
            self.queues.send.detach(&mut connection.send);
        }
        if refused.is_some() {
            connection.flags.set(Has::WANTS_ROOM);
        } else {
            self.dirty.mark(index, connection);
        }
        Ok(refused)
    }

    #[inline]
    pub(in crate::transport::tcp) fn sendable(&mut self, id: Id) -> Result<u32, StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        may_write(connection)?;
        Ok(id.index)
    }

    /// Counts bytes that were copied between the application's memory and the engine's.
    pub(crate) fn note_application_copy(&mut self, bytes: usize) {
        self.counters.application_bytes_copied += bytes as u64;
    }
}

/// Whether the application may write to a connection.
#[inline]
fn may_write(connection: &Connection) -> Result<(), StreamError> {
    match connection.error {
        Some(error) => Err(error.into()),
        None if connection.flags.has(Has::FIN_QUEUED | Has::DETACHED) => Err(StreamError::ShutDown),
        None => Ok(()),
    }
}
