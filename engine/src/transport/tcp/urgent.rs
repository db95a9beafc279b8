//! Urgent data (RFC 9293 section 3.8.5, RFC 6093). It travels and is read in line with all other data; what is kept is where it ends.

use super::Tcp;
use super::application::{Id, StreamError};
use super::arrival::Arrival;
use super::connection::{Connection, Flags as Has};
use super::segment::{EmitHeader, Flags};
use super::seq::SeqNumber;
use super::state::State;
use crate::transport::ready::Ready;

/// Where urgent data ends, in each direction: the sequence number of the octet after it (MUST-62, RFC 6093 section 3).
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Urgent {
    /// SND.UP, while [`Has::SENDS_URGENT`] is set.
    snd_up: SeqNumber,
    /// RCV.UP, while [`Has::HEARS_URGENT`] is set.
    rcv_up: SeqNumber,
}

impl Tcp {
    /// What the application has written so far is urgent up to its last octet (MUST-30, MUST-31). The peer hears of it at once, even when
    /// its window is closed.
    pub(crate) fn mark_urgent(&mut self, id: Id) -> Result<(), StreamError> {
        let index = self.sendable(id)?;
        let connection = self.connections.get_mut(index);
        let queued = self
            .queues
            .send
            .get(connection.send)
            .map_or(0, |queue| queue.len());
        if queued == 0 {
            return Ok(());
        }
        let syn = u32::from(!connection.state.is_synchronized());
        let end = connection.snd_una + syn + queued;
        connection.flags.set(Has::SENDS_URGENT | Has::ACK_NOW);
        self.dirty.mark(index, connection);
        self.rare_or_new(index).urgent.snd_up = end;
        Ok(())
    }

    /// Adds the urgent pointer to the header of a segment of a connection that sends urgent data. Further away than the field can tell, it
    /// points as far as it can; later segments tell the rest.
    #[cold]
    pub(super) fn point_at_urgent(&mut self, index: u32, header: &mut EmitHeader) {
        if !self.connections.get(index).flags.has(Has::SENDS_URGENT) {
            return;
        }
        let up = self.rare_or_new(index).urgent.snd_up;
        let connection = self.connections.get_mut(index);
        if up.le(connection.snd_una) {
            return connection.flags.clear(Has::SENDS_URGENT);
        }
        if header.seq.lt(up) {
            header.flags |= Flags::URG;
            header.urgent = (up - header.seq).min(u32::from(u16::MAX)) as u16;
        }
    }

    /// The urgent pointer of a segment: the application hears of it when it points behind what it has read and behind where an earlier one
    /// did (MUST-32). After the peer's FIN it has no meaning.
    pub(super) fn on_urgent(&mut self, index: u32, arrival: &Arrival<'_>) {
        let connection = self.connections.get_mut(index);
        let up = arrival.header.seq + u32::from(arrival.header.urgent);
        let hears = matches!(
            connection.state,
            State::Established | State::FinWait1 | State::FinWait2
        );
        if !hears || connection.flags.has(Has::ORPHAN) || up.le(surely_read(connection)) {
            return;
        }
        let is_pending = connection.flags.has(Has::HEARS_URGENT);
        let urgent = &mut self.rare_or_new(index).urgent;
        if is_pending && up.le(urgent.rcv_up) {
            return;
        }
        urgent.rcv_up = up;
        let connection = self.connections.get_mut(index);
        connection.flags.set(Has::HEARS_URGENT);
        self.notices.add(index, connection, Ready::URGENT);
    }

    /// A segment has arrived for a connection to which urgent data was announced: the mark is forgotten once it lies behind.
    #[cold]
    pub(super) fn forget_urgent_if_read(&mut self, index: u32) {
        let up = self.rare(index).map(|rare| rare.urgent.rcv_up);
        let connection = self.connections.get_mut(index);
        if up.is_none_or(|up| up.le(surely_read(connection))) {
            connection.flags.clear(Has::HEARS_URGENT);
        }
    }

    /// How many octets there are from the next one to be read to the end of the urgent data, arrived or not; `None` when all that was
    /// announced is read (MUST-33). O(pieces that wait to be read).
    pub(crate) fn urgent_mark(&mut self, id: Id) -> Option<u32> {
        let connection = self.connections.lookup(id.index, id.generation)?;
        let (flags, rcv_nxt) = (connection.flags, connection.rcv_nxt);
        flags.has(Has::HEARS_URGENT).then_some(())?;
        let queue = self.queues.receive.get(connection.receive);
        let unread = queue.map_or(0, |queue| queue.queued_bytes()) as u32;
        let next = rcv_nxt - u32::from(flags.has(Has::FIN_RECEIVED)) - unread;
        let up = self.rare(id.index)?.urgent.rcv_up;
        u32::try_from(up.distance(next)).ok().filter(|&left| left > 0)
    }
}

/// The application has read everything before this; it may have read more.
fn surely_read(connection: &Connection) -> SeqNumber {
    let fin = u32::from(connection.flags.has(Has::FIN_RECEIVED));
    connection.rcv_nxt - fin - connection.rcv_buffered
}
