//! What the application does to connections and listeners.

mod closing;
mod notices;
mod opening;
mod reading;
mod setting;
mod writing;

use std::net::SocketAddr;

use super::Tcp;
use super::connection::ConnectionError;
use super::state::State;

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
}
