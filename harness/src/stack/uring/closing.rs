//! How a connection ends. Its descriptor is given back when nothing is in flight on it, and its slot after that, so that no
//! completion can reach the next tenant of either.

use super::super::{Conn, Event, Ready};
use super::Uring;
use super::connection::Phase;
use crate::sys::uring::Operation;

impl Uring {
    /// Sends the FIN behind what is in flight, and waits for the peer's.
    pub(super) fn close_gracefully(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        match connection.phase {
            Phase::Connecting => {
                connection.end(Ready::CLOSED);
                self.wind_up(conn);
            }
            Phase::Open => {
                connection.phase = Phase::Closing;
                self.discard(conn);
                self.go_on_closing(conn);
            }
            Phase::Closing | Phase::Ending(_) => {}
        }
    }

    /// The next step of a connection that is closing, once its last bytes have gone.
    pub(super) fn go_on_closing(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        let sends = connection.draft.is_some() || connection.in_flight.has(Operation::Send);
        if connection.phase != Phase::Closing || sends {
            return;
        }
        if connection.at_end {
            connection.end(Ready::CLOSED);
            self.wind_up(conn);
        } else {
            connection.in_flight.begin(Operation::Shutdown);
            self.ring.shutdown(connection.file, conn.slot);
        }
    }

    /// Gives the connection up with a reset, and says nothing of it.
    pub(super) fn reset(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if matches!(connection.phase, Phase::Open | Phase::Closing) {
            self.ring.reset_on_close(connection.file, conn.slot);
        }
        connection.phase = Phase::Ending(Ready::default());
        self.discard(conn);
        self.discard_draft(conn);
        self.wind_up(conn);
    }

    pub(super) fn fail(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.get_mut(conn) {
            connection.end(Ready::FAILED);
        }
        self.discard(conn);
        self.discard_draft(conn);
        self.wind_up(conn);
    }

    /// Brings a connection that is ending one step further: cancels what is in flight, then closes.
    pub(super) fn wind_up(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        let in_flight = connection.in_flight;
        let ends = matches!(connection.phase, Phase::Ending(_));
        if !ends || in_flight.has(Operation::Cancel) || in_flight.has(Operation::Close) {
            return;
        }
        if in_flight.is_empty() {
            connection.in_flight.begin(Operation::Close);
            self.ring.close(connection.file, conn.slot);
        } else {
            connection.in_flight.begin(Operation::Cancel);
            self.ring.cancel(connection.file, conn.slot);
        }
    }

    /// The descriptor is closed.
    pub(super) fn closed(&mut self, conn: Conn, events: &mut Vec<Event>) {
        let phase = self.connections.get(conn).map(|connection| connection.phase);
        self.connections.release(conn);
        if let Some(Phase::Ending(ready)) = phase
            && ready != Ready::default()
        {
            events.push(Event { conn, ready });
        }
    }

    /// Gives back what was received and will not be read.
    pub(super) fn discard(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.get_mut(conn) {
            for arrived in connection.arrived.drain(..) {
                self.ring.give_back(arrived);
            }
        }
    }

    /// Gives back what was written and will not be sent.
    fn discard_draft(&mut self, conn: Conn) {
        let draft = self.connections.get_mut(conn).and_then(|one| one.draft.take());
        if let Some(draft) = draft {
            self.ring.discard(draft);
        }
    }
}
