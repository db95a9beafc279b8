//! How much a connection queues, in each direction.

use super::Tcp;
use super::application::{Id, StreamError};
use super::connection::Connection;
use super::send_queue::Limit;

/// What a receive queue holds at most, whatever is asked for: the largest window that there is, and a piece.
const LARGEST: u32 = 1 << 30;

impl Tcp {
    /// Sets how many octets the connection queues for sending. What is queued already stays.
    pub(crate) fn set_send_buffer(&mut self, id: Id, octets: u32) -> Result<(), StreamError> {
        self.open_connection(id)?;
        self.rare_or_new(id.index).send_buffer = Some(octets.clamp(1, LARGEST));
        Ok(())
    }

    /// Sets how many octets the connection queues for the application, and so how large a window it offers, which do not
    /// grow by themselves any more. A window that was offered is not taken back; it shrinks as the peer uses it.
    pub(crate) fn set_receive_buffer(&mut self, id: Id, octets: u32) -> Result<(), StreamError> {
        self.open_connection(id)?;
        self.rare_or_new(id.index).receive_buffer = Some(octets.clamp(1, LARGEST));
        self.limit_window(id.index);
        Ok(())
    }

    /// Sets the largest window that the connection offers, whatever its queue holds. One that was offered is not taken back.
    pub(crate) fn set_window_clamp(&mut self, id: Id, octets: u32) -> Result<(), StreamError> {
        self.open_connection(id)?;
        self.rare_or_new(id.index).window_clamp = Some(octets.clamp(1, LARGEST));
        self.limit_window(id.index);
        Ok(())
    }

    /// The application has set what the window is measured by.
    fn limit_window(&mut self, index: u32) {
        let (before, configured) = (self.connections.get(index).rcv_limit, self.config.receive_buffer);
        let rare = self.rare_or_new(index);
        rare.largest_receive_buffer = rare.largest_receive_buffer.max(before);
        // A queue that has grown by itself stays as large as it is.
        let queue = rare.receive_buffer.unwrap_or(before.max(configured));
        let limit = queue.min(rare.window_clamp.unwrap_or(LARGEST));
        let connection = self.connections.get_mut(index);
        connection.rcv_limit = limit;
        // Nothing comes back when no more was taken; it tells whether the peer must hear of a window that opened.
        if connection.state.is_synchronized() && connection.give_credit(0) {
            self.dirty.mark(index, connection);
        }
    }

    /// What the window was measured by when it was largest.
    pub(super) fn largest_receive_buffer(&self, index: u32, connection: &Connection) -> u32 {
        let rare = self.rare.get(&index);
        let before = rare.map_or(0, |rare| rare.largest_receive_buffer);
        before.max(connection.rcv_limit).max(self.config.receive_buffer)
    }

    /// How many octets the send queue of a connection holds.
    #[inline]
    pub(super) fn send_buffer(&mut self, index: u32) -> u32 {
        let own = self.rare(index).and_then(|rare| rare.send_buffer);
        own.unwrap_or(self.config.send_buffer)
    }

    /// How much a write may add to now.
    #[inline]
    pub(super) fn send_limit(&mut self, index: u32) -> Limit {
        let bytes = self.send_buffer(index);
        Limit {
            bytes: bytes.min(self.most_queued(index).unwrap_or(bytes)),
            pieces: self.config.queue_pieces as usize,
        }
    }
}

impl Connection {
    /// How many pieces a receive queue holds: as many as configured, but in a larger queue enough for all that the window invites, since
    /// the pieces of a long queue are not small.
    #[inline]
    pub(super) fn receive_pieces(&self, configured: u32) -> usize {
        configured.max(self.rcv_limit / super::receive_queue::COPYBREAK_BYTES as u32) as usize
    }
}
