//! What the application does to connections and listeners.

use std::net::SocketAddr;

use super::Tcp;
use super::congestion::Algorithm;
use super::connection::{Connection, ConnectionError, Flags as Has};
use super::events::Notice;
use super::listen::InUse;
use super::send_queue::Refused;
use super::state::State;
use crate::config;
use crate::frame::{Payload, Purpose, RxChunk, Size};
use crate::internet::Output;
use crate::internet::address::Address;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;
use crate::transport::ports::DestinationId;
use crate::transport::ready::Ready;

/// Names a connection: its slot, and which connection of that slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id {
    /// The slot; small, and used again.
    pub index: u32,
    /// Which connection of that slot.
    pub generation: u32,
}

/// Why a connection could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Every local port towards the destination is taken, by connections or by TIME_WAIT. More local addresses help.
    #[error(
        "no local port towards the destination is free; use more local addresses, or wait for TIME_WAIT to pass"
    )]
    PortsExhausted,
    /// As many connections as `TcpConfig::connections` exist.
    #[error("as many connections as configured exist; raise TcpConfig::connections")]
    TooManyConnections,
    /// As many destinations as `Config::destinations` are in use.
    #[error("as many destinations as configured are in use; raise Config::destinations")]
    TooManyDestinations,
    /// The local address is not one of the engine's, or is of another family than the remote one.
    #[error("the local address is not the engine's own, or of another family than the remote one")]
    InvalidLocalAddress,
    /// No route leads to the remote address; `Config::add_route` adds one.
    #[error("no route leads to the remote address; add one with Config::add_route")]
    NoRoute,
    /// The remote address is unspecified, multicast or broadcast, or the port is 0 (RFC 9293 MUST-46).
    #[error("the remote address or port cannot be connected to")]
    InvalidRemoteAddress,
}

/// The connection does not take or give data any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StreamError {
    /// The handle names no connection.
    #[error("no such connection")]
    NoConnection,
    /// The application has shut its direction down.
    #[error("the sending direction is shut down")]
    ShutDown,
    /// The connection failed.
    #[error(transparent)]
    Failed(#[from] ConnectionError),
}

/// What a read found.
#[derive(Debug)]
pub(crate) enum Read<T> {
    Data(T),
    Nothing,
    End,
}

impl Tcp {
    pub(crate) fn listen(
        &mut self,
        address: Option<Address>,
        port: u16,
        backlog: usize,
    ) -> Result<Id, InUse> {
        let index = self.listeners.open(address, port, backlog)?;
        Ok(Id {
            index,
            generation: self.listeners.get_mut(index).generation,
        })
    }

    /// Closes a listener; connections that nobody accepted are reset.
    pub(crate) fn close_listener(&mut self, out: &mut Output<'_>, id: Id) {
        if self.listeners.lookup(id.index, id.generation).is_none() {
            return;
        }
        for index in self.listeners.close(id.index) {
            let generation = self.connections.get(index).generation;
            self.abort(out, Id { index, generation });
        }
    }

    /// The next connection that a listener has established.
    #[inline]
    pub(crate) fn accept(&mut self, id: Id) -> Option<Id> {
        let listener = self.listeners.lookup(id.index, id.generation)?;
        let index = listener.accept.pop_front()?;
        Some(Id {
            index,
            generation: self.connections.get(index).generation,
        })
    }

    pub(crate) fn connect(
        &mut self,
        now: Instant,
        local: Address,
        remote: Address,
        remote_port: u16,
    ) -> Result<Id, ConnectError> {
        if !self.connections.has_room() {
            return Err(ConnectError::TooManyConnections);
        }
        let towards = FlowKey {
            local,
            remote,
            local_port: 0,
            remote_port,
        }
        .hash(&self.port_hasher);
        let destination = self
            .ports
            .destination(local, remote, remote_port, towards)
            .map_err(|_| ConnectError::TooManyDestinations)?;
        let (key, hash) = self.free_tuple(destination, local, remote, remote_port)?;
        let origin = self.isn.origin(&key);
        let index = self
            .conceive(&key, hash, origin.initial(now), origin.timestamp_offset(), now)
            .ok_or(ConnectError::TooManyConnections)?;
        self.connections.get_mut(index).destination = Some(destination);
        if !self.insert_flow(&key, hash, Flow::Connection(index)) {
            self.ports.release(destination, key.local_port);
            self.connections.remove(index);
            return Err(ConnectError::TooManyConnections);
        }
        self.counters.active_opens += 1;
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
        Ok(Id {
            index,
            generation: connection.generation,
        })
    }

    /// A local port towards a destination that neither a connection, nor TIME_WAIT, nor a listener has.
    fn free_tuple(
        &mut self,
        destination: DestinationId,
        local: Address,
        remote: Address,
        remote_port: u16,
    ) -> Result<(FlowKey, u64), ConnectError> {
        // The allocator knows every port that it gave away. Only connections that peers opened to our ports can stand in the way besides.
        for _ in 0..PORT_ATTEMPTS {
            let Some(local_port) = self.ports.allocate(destination) else {
                break;
            };
            let key = FlowKey {
                local,
                remote,
                local_port,
                remote_port,
            };
            let hash = key.hash(&self.flow_hasher);
            let foreign = self.listeners.is_listening(local_port)
                || (self.passive > 0 && self.find(&key, hash).is_some())
                || self.waits(&key);
            if !foreign {
                return Ok((key, hash));
            }
            self.ports.release(destination, local_port);
        }
        self.counters.ports_exhausted += 1;
        Err(ConnectError::PortsExhausted)
    }

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
                self.starved.push_back(id);
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
    pub(super) fn can_feed_starved(&self) -> bool {
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
    pub(super) fn sendable(&mut self, id: Id) -> Result<u32, StreamError> {
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

    /// Switches the Nagle algorithm (RFC 9293 MUST-17).
    pub(crate) fn set_no_delay(&mut self, id: Id, no_delay: bool) -> Result<(), StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if no_delay {
            connection.flags.set(Has::NO_DELAY);
            self.dirty.mark(id.index, connection);
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

    /// The state of a connection; `None` when the handle names none.
    pub(crate) fn state(&mut self, id: Id) -> Option<State> {
        self.connections
            .lookup(id.index, id.generation)
            .map(|connection| connection.state)
    }

    /// Why a connection failed.
    pub(crate) fn error(&mut self, id: Id) -> Option<ConnectionError> {
        self.connections.lookup(id.index, id.generation)?.error
    }

    /// Both ends of a connection.
    pub(crate) fn addresses(&mut self, id: Id) -> Option<(SocketAddr, SocketAddr)> {
        let key = self.connections.lookup(id.index, id.generation)?.key;
        Some((
            SocketAddr::new(key.local.into(), key.local_port),
            SocketAddr::new(key.remote.into(), key.remote_port),
        ))
    }

    /// The next news of a connection.
    #[inline]
    pub(crate) fn pop_notice(&mut self) -> Option<(Id, Ready)> {
        loop {
            let Notice {
                index,
                generation,
                ready,
            } = self.notices.pop()?;
            let id = Id { index, generation };
            if !ready.is_empty() {
                return Some((id, ready));
            }
            // The entry of a connection that has gone since is overtaken by its last news.
            if let Some(connection) = self.connections.lookup(index, generation) {
                connection.flags.clear(Has::EVENT_QUEUED);
                return Some((id, std::mem::take(&mut connection.ready)));
            }
        }
    }

    /// Whether a listener has connections to accept.
    #[inline]
    pub(crate) fn has_announcement(&self) -> bool {
        self.listeners.has_announcement()
    }

    /// The next listener that has connections to accept.
    pub(crate) fn pop_listener(&mut self) -> Option<Id> {
        self.listeners
            .pop_announcement()
            .map(|(index, generation)| Id { index, generation })
    }
}

/// Ports that are tried before the destination counts as exhausted. Each failure means that a peer's connection has just that tuple.
const PORT_ATTEMPTS: usize = 64;

/// Whether the application may write to a connection.
#[inline]
fn may_write(connection: &Connection) -> Result<(), StreamError> {
    match connection.error {
        Some(error) => Err(error.into()),
        None if connection.flags.has(Has::FIN_QUEUED | Has::DETACHED) => Err(StreamError::ShutDown),
        None => Ok(()),
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
