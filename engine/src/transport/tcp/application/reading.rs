//! Data to the application, and the room that it gives back.

use super::{Id, Read, StreamError};
use crate::frame::{Payload, RxChunk};
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::{Connection, Flags as Has};

impl Tcp {
    /// Takes up to `limit` bytes of what arrived, in the slot that it arrived in. The window reopens when the chunk is dropped.
    #[inline]
    pub(crate) fn receive_chunk(&mut self, id: Id, limit: usize) -> Result<Read<RxChunk>, StreamError> {
        let name = u64::from(id.generation) << 32 | u64::from(id.index);
        let credits = self.credits.clone();
        Ok(match self.receive_payload(id, limit)? {
            Read::Data(payload) => Read::Data(RxChunk::new(payload, name, credits)),
            Read::Nothing => Read::Nothing,
            Read::End => Read::End,
        })
    }

    /// Takes up to `limit` bytes without giving credit for them.
    #[inline]
    fn receive_payload(&mut self, id: Id, limit: usize) -> Result<Read<Payload>, StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if let Some(queue) = self.queues.receive.get(connection.receive)
            && let Some(payload) = queue.pop(limit)
        {
            if queue.is_empty() {
                self.queues.receive.detach(&mut connection.receive);
            }
            return Ok(Read::Data(payload));
        }
        nothing_to_read(connection)
    }

    /// Hands up to `limit` bytes to `consume` in place, and gives credit for them at once.
    #[inline]
    pub(crate) fn receive_with(
        &mut self,
        id: Id,
        limit: usize,
        mut consume: impl FnMut(&[u8]),
    ) -> Result<Read<usize>, StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        let Some(queue) = self.queues.receive.get(connection.receive) else {
            return nothing_to_read(connection);
        };
        let mut total = 0;
        while total < limit
            && let Some(payload) = queue.pop(limit - total)
        {
            consume(&payload);
            total += payload.len();
            payload.end();
        }
        if queue.is_empty() {
            self.queues.receive.detach(&mut connection.receive);
        }
        if total == 0 {
            return nothing_to_read(connection);
        }
        if connection.give_credit(total as u32) {
            self.dirty.mark(id.index, connection);
        }
        Ok(Read::Data(total))
    }

    /// Gives back what dropped chunks held.
    pub(crate) fn collect_credits(&mut self) {
        while let Some(credit) = self.credits.pop() {
            let id = Id {
                index: credit.connection as u32,
                generation: (credit.connection >> 32) as u32,
            };
            self.credit(id, credit.bytes);
        }
    }

    /// The application gave bytes back: the window may open.
    #[inline]
    fn credit(&mut self, id: Id, bytes: u32) {
        let Some(connection) = self.connections.lookup(id.index, id.generation) else {
            return;
        };
        if connection.give_credit(bytes) {
            self.dirty.mark(id.index, connection);
        }
    }
}

/// What a reader is told when nothing is queued.
fn nothing_to_read<T>(connection: &Connection) -> Result<Read<T>, StreamError> {
    match connection.error {
        _ if connection.flags.has(Has::FIN_RECEIVED) => Ok(Read::End),
        Some(error) => Err(error.into()),
        None if connection.flags.has(Has::DETACHED) => Ok(Read::End),
        None => Ok(Read::Nothing),
    }
}
