//! Listening, accepting, connecting.

use super::{ConnectError, Id};
use crate::internet::Output;
use crate::internet::address::Address;
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;
use crate::transport::ports::DestinationId;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::destination::towards;
use crate::transport::tcp::listen::InUse;

/// Ports that are tried before the destination counts as exhausted. Each failure means that a peer's connection has just that tuple.
const PORT_ATTEMPTS: usize = 64;

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

    // In line, because who reads the handle at once from where it was put in two pieces waits for both to reach the cache.
    #[inline(always)]
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
        let destination = towards(&mut self.ports, &self.port_hasher, local, remote, remote_port)
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
            self.flows.prefetch(hash);
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
}
