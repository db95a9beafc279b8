//! UDP, and the groups that a host is in.

use std::net::{IpAddr, SocketAddr};

use super::{Engine, output};
use crate::application::{BindError, ConnectionError, Datagram, SendError, UdpHandle};
use crate::frame::Payload;
use crate::internet::address::Address;
use crate::internet::{GroupError, Output};
use crate::link::Device;
use crate::time::Instant;

/// The part of the transmit queue that datagrams leave to connections that wait for room in it: an eighth.
const STREAMS_SHARE: usize = 8;

impl<D: Device> Engine<D> {
    /// The queue is full, or nearly. Who sends datagrams whenever there is room must not take all that a slow device makes: connections have
    /// their turn in polls only, and would never find any.
    #[cold]
    fn make_room_for_datagram(&mut self) -> Result<(), SendError> {
        let share = if self.transport.tcp.has_unsent() {
            self.transmit_queue.capacity() / STREAMS_SHARE
        } else {
            0
        };
        if self.transmit_queue.room() <= share {
            self.hand_over();
        }
        if self.transmit_queue.room() <= share {
            return Err(SendError::NoRoom);
        }
        Ok(())
    }

    /// Opens a UDP socket on `at`; the unspecified address stands for all of ours.
    ///
    /// # Errors
    /// If the address is taken or not ours, or there are as many sockets as configured.
    pub fn udp_bind(&mut self, at: SocketAddr) -> Result<UdpHandle, BindError> {
        let address = Address::from(at.ip());
        if !address.is_unspecified() && !self.internet.is_local(&address) {
            return Err(BindError::InvalidAddress);
        }
        self.transport.udp.bind(address, at.port()).map(UdpHandle)
    }

    /// Closes a UDP socket; what waits in it is dropped.
    pub fn udp_close(&mut self, socket: UdpHandle) {
        self.transport.udp.close(socket.0);
    }

    /// Sends a datagram whose `length` bytes `fill` produces in the very memory that will be sent.
    ///
    /// # Errors
    /// If the handle is stale, the datagram is too large, or there is no room now.
    pub fn udp_send_with(
        &mut self,
        socket: UdpHandle,
        to: SocketAddr,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), SendError> {
        if self.transmit_queue.room() <= self.transmit_queue.capacity() / STREAMS_SHARE {
            self.make_room_for_datagram()?;
        }
        self.transport
            .udp
            .send_with(output!(self), socket.0, to, length, fill)
    }

    /// Copies and sends a datagram.
    ///
    /// # Errors
    /// As [`Engine::udp_send_with`].
    pub fn udp_send(&mut self, socket: UdpHandle, to: SocketAddr, bytes: &[u8]) -> Result<(), SendError> {
        self.udp_send_with(socket, to, bytes.len(), &mut |target| {
            target.copy_from_slice(bytes);
        })
    }

    /// Sends a payload as a datagram without copying it.
    ///
    /// # Errors
    /// As [`Engine::udp_send_with`].
    pub fn udp_send_payload(
        &mut self,
        socket: UdpHandle,
        to: SocketAddr,
        payload: Payload,
    ) -> Result<(), SendError> {
        if self.transmit_queue.room() <= self.transmit_queue.capacity() / STREAMS_SHARE {
            self.make_room_for_datagram()?;
        }
        self.transport
            .udp
            .send_payload(output!(self), socket.0, to, payload)
    }

    /// The next datagram of a socket, in the memory where it arrived.
    pub fn udp_receive(&mut self, socket: UdpHandle) -> Option<Datagram> {
        self.transport.udp.receive(socket.0)
    }

    /// Says that what was sent to `peer` at `sent` has arrived there, as a reply shows that only the application understands. The next hop on
    /// the way then need not be probed (RFC 4861 section 7.3.1); TCP says so by itself, and a datagram that merely arrives does not, since
    /// nothing in it tells whether ours are heard. Claim nothing that is not so: a station that has left is found out later by it.
    pub fn udp_confirm(&mut self, peer: IpAddr, sent: Instant) {
        if self.internet.has_doubts() {
            self.internet.confirm(self.now, &peer.into(), sent);
        }
    }

    /// The ICMP error that a socket's datagrams met last, once.
    pub fn udp_take_error(&mut self, socket: UdpHandle) -> Option<ConnectionError> {
        self.transport.udp.take_error(socket.0)
    }

    /// Makes the host hear a multicast group, or by 255.255.255.255 broadcasts, those to a network on the link too: datagrams to there come to
    /// the socket that is bound to their port and to the unspecified address. What the engine sends there itself does not come back.
    ///
    /// # Errors
    /// If `group` is no such address, or the host is in [`MAX_GROUPS`](crate::internet::MAX_GROUPS).
    pub fn join_group(&mut self, group: IpAddr) -> Result<(), GroupError> {
        self.internet.join(self.now, &group.into())
    }

    /// Takes back one [`Engine::join_group`].
    ///
    /// # Errors
    /// If there was none.
    pub fn leave_group(&mut self, group: IpAddr) -> Result<(), GroupError> {
        self.internet.leave(self.now, &group.into())
    }
}
