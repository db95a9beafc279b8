//! What the application chooses for one connection.

use super::{Id, StreamError};
use crate::config;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::congestion::Algorithm;
use crate::transport::tcp::connection::Flags as Has;

impl Tcp {
    /// Switches the Nagle algorithm (RFC 9293 MUST-17). Switching it off lets go once what a cork holds back.
    pub(crate) fn set_no_delay(&mut self, id: Id, no_delay: bool) -> Result<(), StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if no_delay {
            connection.flags.set(Has::NO_DELAY);
            self.dirty.mark(id.index, connection);
            if connection.flags.has(Has::CORKED) {
                self.push_corked(id.index);
            }
        } else {
            connection.flags.clear(Has::NO_DELAY);
        }
        Ok(())
    }

    /// Has the next `count` segments with text acknowledged at once. An acknowledgment that waits goes out, unless `count` is 0.
    pub(crate) fn set_quick_acks(&mut self, id: Id, count: u8) -> Result<(), StreamError> {
        self.open_connection(id)?;
        let connection = self.connections.get_mut(id.index);
        connection.quick_acks = count;
        if count > 0 && connection.ack_at.is_set() {
            connection.flags.set(Has::ACK_NOW);
            self.dirty.mark(id.index, connection);
        }
        Ok(())
    }

    /// Sets the Diffserv field of the segments that follow (RFC 9293 MUST-48, SHLD-21).
    pub(crate) fn set_diffserv(&mut self, id: Id, diffserv: u8) -> Result<(), StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        connection.traffic_class = diffserv << 2;
        Ok(())
    }

    /// Gives a connection another congestion control; it goes on with the window that it has.
    pub(crate) fn set_congestion(
        &mut self,
        id: Id,
        congestion: config::Congestion,
    ) -> Result<(), StreamError> {
        let connection = self.open_connection(id)?;
        let (state, mss) = (connection.state, connection.mss);
        let algorithm = Algorithm::from(congestion);
        if !state.is_synchronized() {
            self.rare_or_new(id.index).algorithm = Some(algorithm);
            return Ok(());
        }
        self.forget_undo(id.index);
        self.connections
            .get_mut(id.index)
            .congestion
            .switch(algorithm, mss);
        Ok(())
    }
}
