//! Connections: how they begin, end, and fare.

use std::net::{IpAddr, SocketAddr};

use super::{AddressInUse, Engine, ListenerClosed, output};
use crate::application::{
    ConnectError, ConnectionError, ListenerHandle, SoftError, StreamError, TcpHandle, TcpInfo,
};
use crate::internet::Output;
use crate::internet::address::Address;
use crate::link::Device;
use crate::time::Duration;
use crate::transport::tcp::state::State;

impl<D: Device> Engine<D> {
    /// Waits for connections to `at`; the unspecified address stands for all of ours. At most `backlog` wait to be accepted, one at
    /// least. While so many do, a SYN is dropped, and so is the last acknowledgment of a handshake that had begun: its peer says it again,
    /// and is heard when there is room. Nobody is reset for that.
    ///
    /// # Errors
    /// If that address and port have a listener.
    pub fn tcp_listen(&mut self, at: SocketAddr, backlog: usize) -> Result<ListenerHandle, AddressInUse> {
        let address = Address::from(at.ip());
        let address = (!address.is_unspecified()).then_some(address);
        self.transport
            .tcp
            .listen(address, at.port(), backlog)
            .map(ListenerHandle)
            .map_err(|_| AddressInUse(at))
    }

    /// Has a listener's connections begin with the first text of the peer and not with the acknowledgment before it, so that whoever accepts
    /// one has something to read (`TCP_DEFER_ACCEPT`). Each waits for `limit`, rounded up to what a number of SYN-ACKs take, 1 s, 3 s, 7 s and so
    /// on; then its SYN-ACK goes again, and an acknowledgment is enough. Zero, the default, waits for none. Nor do handshakes under SYN cookies.
    ///
    /// # Errors
    /// If the listener is closed.
    pub fn tcp_set_defer_accept(
        &mut self,
        listener: ListenerHandle,
        limit: Duration,
    ) -> Result<(), ListenerClosed> {
        let set = self.transport.tcp.set_defer_accept(listener.0, limit);
        set.ok_or(ListenerClosed)
    }

    /// The next connection that a listener has established.
    pub fn tcp_accept(&mut self, listener: ListenerHandle) -> Option<TcpHandle> {
        self.transport.tcp.accept(listener.0).map(TcpHandle)
    }

    /// Closes a listener and resets the connections that nobody accepted.
    pub fn tcp_close_listener(&mut self, listener: ListenerHandle) {
        self.transport.tcp.close_listener(output!(self), listener.0);
    }

    /// Starts to connect to `remote`, from `local` or from the engine's first address of that family. The local port is chosen by RFC 6056.
    /// [`Readiness::CONNECTED`](crate::application::Readiness::CONNECTED) or `FAILED` follows.
    ///
    /// # Errors
    /// If the addresses cannot be used, or there is no room or no free port.
    pub fn tcp_connect(
        &mut self,
        local: Option<IpAddr>,
        remote: SocketAddr,
    ) -> Result<TcpHandle, ConnectError> {
        let to = Address::from(remote.ip());
        if to.is_unspecified() || to.is_multicast() || to.is_limited_broadcast() || remote.port() == 0 {
            return Err(ConnectError::InvalidRemoteAddress);
        }
        if !self.internet.has_route(&to) {
            return Err(ConnectError::NoRoute);
        }
        let from = match local {
            Some(local) => Address::from(local),
            None => self
                .internet
                .source_for(&to)
                .ok_or(ConnectError::InvalidLocalAddress)?,
        };
        if from.is_v4() != to.is_v4() || !self.internet.is_local(&from) {
            return Err(ConnectError::InvalidLocalAddress);
        }
        self.transport
            .tcp
            .connect(self.now, from, to, remote.port())
            .map(TcpHandle)
    }

    /// Closes the sending direction once everything queued is sent; receiving goes on.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn tcp_shutdown(&mut self, connection: TcpHandle) -> Result<(), StreamError> {
        self.transport.tcp.shutdown(connection.0)
    }

    /// Closes both directions and gives the handle up. What is queued is still sent; if received data was not read, the peer is told by a reset.
    /// `CLOSED` or `FAILED` is the last event of the handle, unless it came already.
    pub fn tcp_close(&mut self, connection: TcpHandle) {
        self.transport.tcp.close(output!(self), connection.0);
    }

    /// Resets the connection and gives the handle up; no event follows.
    pub fn tcp_abort(&mut self, connection: TcpHandle) {
        self.transport.tcp.abort(output!(self), connection.0);
    }

    /// What the trouble is that [`Readiness::TROUBLE`](crate::application::Readiness::TROUBLE) told of last, once. The connection goes on
    /// (RFC 9293 sections 3.8.3 and 3.9.1.8).
    pub fn tcp_take_trouble(&mut self, connection: TcpHandle) -> Option<SoftError> {
        self.transport.tcp.take_trouble(connection.0)
    }

    /// The state of a connection; `None` when the handle is stale.
    pub fn tcp_state(&mut self, connection: TcpHandle) -> Option<State> {
        self.transport.tcp.state(connection.0)
    }

    /// What a connection looks like just now; `None` when the handle is stale.
    pub fn tcp_info(&mut self, connection: TcpHandle) -> Option<TcpInfo> {
        self.transport.tcp.info(connection.0, self.now)
    }

    /// Why a connection failed; `None` when it did not.
    pub fn tcp_error(&mut self, connection: TcpHandle) -> Option<ConnectionError> {
        self.transport.tcp.error(connection.0)
    }

    /// The local and the remote end of a connection; `None` when the handle is stale.
    pub fn tcp_addresses(&mut self, connection: TcpHandle) -> Option<(SocketAddr, SocketAddr)> {
        self.transport.tcp.addresses(connection.0)
    }
}
