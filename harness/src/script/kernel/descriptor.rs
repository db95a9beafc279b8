//! What the script's descriptors stand for.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use handfast::time::Duration;
use socket2::{SockAddr, Socket, Type};

use crate::sys;

/// A socket, or one that is being closed and takes its time.
#[derive(Debug)]
pub(super) enum Descriptor {
    Socket(Socket),
    /// Whoever closes it waits (`SO_LINGER`).
    Closing(JoinHandle<()>),
    Epoll(Arc<OwnedFd>),
}

/// A descriptor and what it is polled for.
pub(super) fn polled(of: BorrowedFd<'_>, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd: of.as_raw_fd(),
        events,
        revents: 0,
    }
}

/// What of `events`, and of errors, is true of a socket now.
pub(super) fn readiness(of: BorrowedFd<'_>, events: i16) -> i16 {
    let mut entry = [polled(of, events)];
    match sys::wait_for(&mut entry, Duration::ZERO.into()) {
        Ok(_) => entry[0].revents,
        Err(_) => libc::POLLERR,
    }
}

impl Descriptor {
    pub(super) fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Socket(socket) => Some(socket),
            Self::Closing(_) | Self::Epoll(_) => None,
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.socket().is_some_and(|socket| {
            socket.r#type().ok() == Some(Type::STREAM) && socket.is_listener().ok() == Some(false)
        })
    }

    /// Our port and the peer's.
    pub(super) fn ports(&self) -> Option<(u16, u16)> {
        ports(self.socket()?)
    }
}

/// Our port and the peer's.
pub(super) fn ports(socket: &Socket) -> Option<(u16, u16)> {
    let port = |address: SockAddr| address.as_socket().as_ref().map(SocketAddr::port);
    Some((port(socket.local_addr().ok()?)?, port(socket.peer_addr().ok()?)?))
}

/// Whether calls on a socket return at once.
pub(super) fn is_nonblocking(socket: &Socket) -> bool {
    let flags = rustix::fs::fcntl_getfl(socket.as_fd());
    flags.is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK))
}
