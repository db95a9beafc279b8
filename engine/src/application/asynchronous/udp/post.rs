//! A datagram socket, as the program and the driver share it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::application::UdpHandle;
use crate::application::asynchronous::shared::{Bell, State};
use crate::application::asynchronous::wakers::Wakers;
use crate::application::asynchronous::{Call, Failure, Piece, Shared};

/// Datagrams that wait in the socket for the program; what comes beyond waits in the engine, and is lost when that is full.
const INCOMING: usize = 64;
/// Datagrams, and bytes, that wait for the engine. A single larger datagram is taken, too.
const OUTGOING: usize = 64;
const OUTGOING_BYTES: usize = 256 << 10;

/// A datagram socket between the program and the driver.
pub(crate) type Post = Shared<PostState>;

/// Datagrams in both directions, and what else the two ends tell each other.
#[derive(Debug)]
pub(crate) struct PostState {
    /// Where it is bound; with the port that was chosen, once it is.
    pub(crate) at: SocketAddr,
    pub(crate) handle: Option<UdpHandle>,
    pub(crate) incoming: VecDeque<(Piece, SocketAddr)>,
    pub(crate) outgoing: VecDeque<(Box<[u8]>, SocketAddr)>,
    pub(crate) dropped: bool,
    pub(super) peer: Option<SocketAddr>,
    outgoing_bytes: usize,
    /// What the next operation is told, once.
    pub(crate) news: Option<Failure>,
    failure: Option<Failure>,
    /// The driver left datagrams where they are because too many wait here.
    pub(crate) stalled: bool,
    pub(super) readers: Wakers,
    pub(super) writers: Wakers,
    bell: Bell,
}

impl State for PostState {
    fn call(post: Arc<Post>) -> Call {
        Call::Post(post)
    }

    fn bell(&mut self) -> &mut Bell {
        &mut self.bell
    }

    fn fail(&mut self, failure: Failure, woken: &mut Vec<Waker>) {
        self.failure.get_or_insert(failure);
        self.readers.take(woken);
        self.writers.take(woken);
    }
}

impl PostState {
    pub(super) fn new(at: SocketAddr) -> Self {
        Self {
            at,
            handle: None,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
            dropped: false,
            peer: None,
            outgoing_bytes: 0,
            news: None,
            failure: None,
            stalled: false,
            readers: Wakers::default(),
            writers: Wakers::default(),
            bell: Bell::Wanted,
        }
    }

    /// The driver has come.
    pub(crate) fn visited(&mut self) {
        self.bell = Bell::Quiet;
    }

    /// Whether the driver may bring another datagram.
    pub(crate) fn takes_datagram(&mut self) -> bool {
        self.stalled = self.incoming.len() >= INCOMING;
        !self.stalled
    }

    /// Keeps a datagram, unless the socket is connected to somebody else.
    pub(crate) fn arrived(&mut self, piece: Piece, from: SocketAddr) {
        if self.peer.is_none_or(|peer| peer == from) {
            self.incoming.push_back((piece, from));
        }
    }

    /// Notes what came of an earlier datagram; `false` when the program is not told. One that talks to many would take the trouble of one for
    /// the end of all (as with sockets of the kernel).
    pub(crate) fn report(&mut self, failure: Failure) -> bool {
        let told = self.peer.is_some();
        if told {
            self.news = Some(failure);
        }
        told
    }

    /// Datagrams, or an error, have come.
    pub(crate) fn wake_readers(&mut self, woken: &mut Vec<Waker>) {
        self.readers.take(woken);
    }

    /// The first datagram of `outgoing` is sent, or will never be.
    pub(crate) fn sent(&mut self) {
        if let Some((bytes, _)) = self.outgoing.pop_front() {
            self.outgoing_bytes -= bytes.len();
        }
    }

    /// The socket is bound, or there is room for datagrams.
    pub(crate) fn wake_writers(&mut self, woken: &mut Vec<Waker>) {
        self.writers.take(woken);
    }

    pub(super) fn bound(&mut self) -> Poll<io::Result<()>> {
        match (self.handle, self.failure) {
            (_, Some(failure)) => Poll::Ready(Err(failure.into())),
            (Some(_), None) => Poll::Ready(Ok(())),
            (None, None) => Poll::Pending,
        }
    }

    pub(super) fn connect(&mut self, peer: SocketAddr) {
        self.peer = Some(peer);
        self.incoming.retain(|(_, from)| *from == peer);
        self.bell.want();
    }

    pub(super) fn readable(&mut self) -> Poll<io::Result<()>> {
        if self.incoming.is_empty() && self.news.is_none() && self.failure.is_none() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Copies as much of the next datagram as there is room for; the rest is lost.
    pub(super) fn receive(&mut self, buffer: &mut [u8], keep: bool) -> Poll<io::Result<(usize, SocketAddr)>> {
        if let Some(news) = self.news.take() {
            return Poll::Ready(Err(news.into()));
        }
        let Some((piece, from)) = self.incoming.front() else {
            return match self.failure {
                Some(failure) => Poll::Ready(Err(failure.into())),
                None => Poll::Pending,
            };
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        let from = *from;
        if !keep {
            self.incoming.pop_front();
            if self.stalled {
                self.bell.want();
            }
        }
        Poll::Ready(Ok((count, from)))
    }

    fn has_room(&self, length: usize) -> bool {
        self.outgoing.is_empty()
            || (self.outgoing.len() < OUTGOING && self.outgoing_bytes + length <= OUTGOING_BYTES)
    }

    pub(super) fn writable(&mut self) -> Poll<io::Result<()>> {
        if self.has_room(1) || self.news.is_some() || self.failure.is_some() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Takes a datagram.
    pub(super) fn send(&mut self, bytes: &[u8], to: Option<SocketAddr>) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.news.take().or(self.failure) {
            return Poll::Ready(Err(failure.into()));
        }
        let Some(to) = to.or(self.peer) else {
            return Poll::Ready(Err(Failure::NoPeer.into()));
        };
        if !self.has_room(bytes.len()) {
            return Poll::Pending;
        }
        self.outgoing_bytes += bytes.len();
        self.outgoing.push_back((bytes.into(), to));
        self.bell.want();
        Poll::Ready(Ok(bytes.len()))
    }

    pub(super) fn drop_socket(&mut self) {
        self.dropped = true;
        self.bell.want();
    }
}
