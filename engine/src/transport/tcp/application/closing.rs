//! The end of a connection by its application: of one direction, of both, or at once.

use super::{Id, StreamError};
use crate::internet::Output;
use crate::time::Duration;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::Flags as Has;
use crate::transport::tcp::state::State;

impl Tcp {
    /// Closes the sending direction; what is queued is still sent.
    pub(crate) fn shutdown(&mut self, id: Id) -> Result<(), StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if !connection.flags.has(Has::DETACHED) {
            self.queue_fin(id.index);
        }
        Ok(())
    }

    /// Has a FIN follow what is queued.
    #[inline(always)]
    fn queue_fin(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::FIN_QUEUED) {
            return;
        }
        connection.flags.set(Has::FIN_QUEUED);
        // Before the handshake is complete the FIN waits, as data would (RFC 9293 section 3.10.4): our SYN still has to be acknowledged.
        if connection.state.is_synchronized() {
            connection.state = connection.state.on_close_requested();
        }
        self.dirty.mark(index, connection);
    }

    /// Closes both directions and gives the handle up. With data unread, the peer is told by a reset that it is lost (SHLD-3).
    pub(crate) fn close(&mut self, out: &mut Output<'_>, id: Id) {
        let Some(connection) = self.connections.lookup(id.index, id.generation) else {
            return;
        };
        if connection.flags.has(Has::DETACHED) {
            return self.free(id.index);
        }
        if connection.flags.has(Has::ORPHAN) {
            return;
        }
        let unread = self
            .queues
            .receive
            .get(connection.receive)
            .is_some_and(|queue| !queue.is_empty());
        let linger = self.lingers(id.index);
        if linger == Some(Duration::ZERO) {
            return self.abort(out, id);
        }
        if !self.orphan(id.index, linger, out.now) {
            self.send_reset(out, id.index);
            return self.finish(id.index);
        }
        if unread {
            self.counters.aborted_with_data += 1;
            self.send_reset(out, id.index);
            return self.finish(id.index);
        }
        let state = self.connections.get(id.index).state;
        match state {
            State::SynSent => return self.finish(id.index),
            State::FinWait2 if !self.await_fin(out, id.index) => return,
            _ => {}
        }
        self.queue_fin(id.index);
    }

    /// Resets the connection and gives the handle up, without an event.
    pub(crate) fn abort(&mut self, out: &mut Output<'_>, id: Id) {
        if self.connections.lookup(id.index, id.generation).is_none() {
            return;
        }
        self.send_reset(out, id.index);
        self.detach(id.index, true);
        self.free(id.index);
    }
}
