//! A datagram socket as a program holds it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::post::{Post, PostState};
use crate::application::asynchronous::shared::Shared;
use crate::application::asynchronous::tcp::now;
use crate::application::asynchronous::{Failure, Network};

/// A UDP socket over the engine, for any thread and any executor.
///
/// A datagram counts as sent when the socket has taken it; if the engine refuses it, the next operation gives the error. Of ICMP errors only a
/// socket that is connected is told.
pub struct UdpSocket {
    post: Arc<Post>,
}

impl UdpSocket {
    /// Opens a socket at `at`: the unspecified address stands for all addresses of the engine, port 0 for one that is free and that nobody can
    /// guess (RFC 6056).
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not the engine's and when no port is free; `QuotaExceeded` when there are as many
    /// sockets as configured.
    pub async fn bind(network: &Network, at: SocketAddr) -> io::Result<Self> {
        let socket = Self {
            post: Shared::new(network.mailbox(), PostState::new(at)),
        };
        socket
            .post
            .until(|state| &mut state.writers, PostState::bound)
            .await?;
        Ok(socket)
    }

    /// Sends to `peer` from now on, and hears of nobody else.
    pub fn connect(&self, peer: SocketAddr) {
        self.post.act(|state| state.connect(peer));
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// None; the signature is that of others.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.post.lock().at)
    }

    /// Whom the socket is connected to.
    ///
    /// # Errors
    /// `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let peer = self.post.lock().peer;
        peer.ok_or_else(|| Failure::NoPeer.into())
    }

    /// Sends a datagram, when there is room for it.
    ///
    /// # Errors
    /// What came of an earlier datagram, or `ConnectionAborted` when the engine has ended.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.post
            .until(|state| &mut state.writers, |state| state.send(bytes, Some(to)))
            .await
    }

    /// Sends a datagram to the peer.
    ///
    /// # Errors
    /// As [`UdpSocket::send_to`]; `NotConnected` without a peer.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.post
            .until(|state| &mut state.writers, |state| state.send(bytes, None))
            .await
    }

    /// Waits for a datagram. What does not fit into `buffer` is lost.
    ///
    /// # Errors
    /// What came of an earlier datagram (`ConnectionRefused` when nobody was at the port), or `ConnectionAborted` when the engine has ended.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.post
            .until(|state| &mut state.readers, |state| state.receive(buffer, false))
            .await
    }

    /// As [`UdpSocket::recv_from`], without saying from whom.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// Waits for a datagram and leaves it.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.post
            .until(|state| &mut state.readers, |state| state.receive(buffer, true))
            .await
    }

    /// Waits until there is a datagram or an error.
    ///
    /// # Errors
    /// None; the operation gives it.
    pub async fn readable(&self) -> io::Result<()> {
        self.post
            .until(|state| &mut state.readers, PostState::readable)
            .await
    }

    /// Waits until there is room for a datagram, or an error.
    ///
    /// # Errors
    /// None; the operation gives it.
    pub async fn writable(&self) -> io::Result<()> {
        self.post
            .until(|state| &mut state.writers, PostState::writable)
            .await
    }

    /// Takes a datagram that is there.
    ///
    /// # Errors
    /// `WouldBlock` when none is, and as [`UdpSocket::recv_from`].
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        now(self.post.act(|state| state.receive(buffer, false)))
    }

    /// Sends a datagram if there is room.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, and as [`UdpSocket::send_to`].
    pub fn try_send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        now(self.post.act(|state| state.send(bytes, Some(to))))
    }

    /// As [`UdpSocket::recv_from`], for a `poll_` method; the task that called last is woken.
    ///
    /// # Errors
    /// As [`UdpSocket::recv_from`].
    pub fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let received = self.post.poll(
            context,
            |state| &mut state.readers,
            |state| state.receive(buffer.initialize_unfilled(), false),
        );
        received.map_ok(|(count, from)| {
            buffer.advance(count);
            from
        })
    }

    /// As [`UdpSocket::send_to`], for a `poll_` method; the task that called last is woken.
    ///
    /// # Errors
    /// As [`UdpSocket::send_to`].
    pub fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.post.poll(
            context,
            |state| &mut state.writers,
            |state| state.send(bytes, Some(to)),
        )
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.post.act(PostState::drop_socket);
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.post.lock();
        f.debug_struct("UdpSocket")
            .field("local", &state.at)
            .field("peer", &state.peer)
            .finish_non_exhaustive()
    }
}
