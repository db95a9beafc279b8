//! A listener as a program holds it, and as it shares it with the driver.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::pipe::Pipe;
use super::stream::TcpStream;
use crate::application::ListenerHandle;
use crate::application::asynchronous::shared::{Bell, State};
use crate::application::asynchronous::wakers::Wakers;
use crate::application::asynchronous::{Call, Failure, Network, Shared};
use crate::time::Duration;

/// Connections that wait in the engine to be accepted, unless the program says otherwise: as many as with tokio, whose listeners these stand in for.
const BACKLOG: usize = 1024;
/// Connections that the driver accepts ahead of the program; the others wait in the engine.
const AHEAD: usize = 32;

/// A listener between the program and the driver.
pub(crate) type Door = Shared<DoorState>;

/// What the program and the driver tell each other of a listener.
#[derive(Debug)]
pub(crate) struct DoorState {
    /// Where to listen; with the port that was chosen, once it listens.
    pub(crate) at: SocketAddr,
    pub(crate) backlog: usize,
    pub(crate) handle: Option<ListenerHandle>,
    /// What the driver is to set: how long connections wait for the first text.
    pub(crate) defers: Option<Duration>,
    pub(crate) accepted: VecDeque<Arc<Pipe>>,
    /// The driver left connections where they are because too many wait here.
    pub(crate) stalled: bool,
    pub(crate) dropped: bool,
    failure: Option<Failure>,
    wakers: Wakers,
    bell: Bell,
}

impl State for DoorState {
    fn call(door: Arc<Door>) -> Call {
        Call::Door(door)
    }

    fn bell(&mut self) -> &mut Bell {
        &mut self.bell
    }

    fn fail(&mut self, failure: Failure, woken: &mut Vec<Waker>) {
        self.failure.get_or_insert(failure);
        self.wakers.take(woken);
    }
}

impl DoorState {
    /// The driver has come.
    pub(crate) fn visited(&mut self) {
        self.bell = Bell::Quiet;
    }

    /// Whether the driver may bring another connection.
    pub(crate) fn takes_connection(&mut self) -> bool {
        self.stalled = self.accepted.len() >= AHEAD;
        !self.stalled
    }

    /// The driver listens, or has brought connections.
    pub(crate) fn wake(&mut self, woken: &mut Vec<Waker>) {
        self.wakers.take(woken);
    }

    fn listening(&mut self) -> Poll<io::Result<()>> {
        match (self.handle, self.failure) {
            (_, Some(failure)) => Poll::Ready(Err(failure.into())),
            (Some(_), None) => Poll::Ready(Ok(())),
            (None, None) => Poll::Pending,
        }
    }

    fn accept(&mut self) -> Poll<io::Result<Arc<Pipe>>> {
        if let Some(pipe) = self.accepted.pop_front() {
            if self.stalled {
                self.bell.want();
            }
            return Poll::Ready(Ok(pipe));
        }
        match self.failure {
            Some(failure) => Poll::Ready(Err(failure.into())),
            None => Poll::Pending,
        }
    }
}

/// Accepts TCP connections over the engine. Dropping it closes the port and resets the connections that nobody accepted.
pub struct TcpListener {
    door: Arc<Door>,
}

impl TcpListener {
    /// Listens at `at`: the unspecified address stands for all addresses of the engine, port 0 for one that is free. At most 1024 connections
    /// wait in the engine to be accepted, see [`Engine::tcp_listen`](crate::engine::Engine::tcp_listen).
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` when no port is free.
    pub async fn bind(network: &Network, at: SocketAddr) -> io::Result<Self> {
        Self::bind_with_backlog(network, at, BACKLOG).await
    }

    /// Listens at `at`; at most `backlog` connections wait in the engine to be accepted.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    pub async fn bind_with_backlog(network: &Network, at: SocketAddr, backlog: usize) -> io::Result<Self> {
        let state = DoorState {
            at,
            backlog,
            handle: None,
            defers: None,
            accepted: VecDeque::new(),
            stalled: false,
            dropped: false,
            failure: None,
            wakers: Wakers::default(),
            bell: Bell::Wanted,
        };
        let listener = Self {
            door: Shared::new(network.mailbox(), state),
        };
        listener
            .door
            .until(|state| &mut state.wakers, DoorState::listening)
            .await?;
        Ok(listener)
    }

    /// Has connections begin with the first text of the peer, for which each waits so long, see
    /// [`Engine::tcp_set_defer_accept`](crate::engine::Engine::tcp_set_defer_accept).
    ///
    /// # Errors
    /// `ConnectionAborted` when the engine has ended.
    pub fn set_defer_accept(&self, limit: Duration) -> io::Result<()> {
        self.door.act(|state| {
            state.defers = Some(limit);
            state.bell.want();
            state.failure.map_or(Ok(()), |failure| Err(failure.into()))
        })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// `ConnectionAborted` when the engine has ended.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let pipe = self
            .door
            .until(|state| &mut state.wakers, DoorState::accept)
            .await?;
        Ok(stream(pipe))
    }

    /// As [`TcpListener::accept`], for a `poll_` method; the task that called last is woken.
    ///
    /// # Errors
    /// As [`TcpListener::accept`].
    pub fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.door
            .poll(context, |state| &mut state.wakers, DoorState::accept)
            .map_ok(stream)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None; the signature is that of others.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.door.lock().at)
    }

    /// The connections as a stream that has no end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }
}

fn stream(pipe: Arc<Pipe>) -> (TcpStream, SocketAddr) {
    let remote = pipe.lock().remote;
    (TcpStream::new(pipe), remote)
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.door.act(|state| {
            state.dropped = true;
            state.bell.want();
        });
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(&self.door.lock().at).finish()
    }
}

/// What [`TcpListener::incoming`] gives.
#[derive(Debug)]
pub struct Incoming<'a>(&'a TcpListener);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_accept(context)
            .map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
