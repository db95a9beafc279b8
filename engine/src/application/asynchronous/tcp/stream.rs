//! A connection as a program holds it.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::pipe::{Pipe, PipeState, Setting, Stage};
use crate::application::asynchronous::shared::Shared;
use crate::application::asynchronous::{Chunk, Failure, Network};
use crate::time::Duration;

/// A TCP connection over the engine, for any thread and any executor. It implements `AsyncRead` and `AsyncWrite` of tokio and of futures-io.
///
/// A failed connection gives everything that arrived before, and then its error to each read and write. Dropping the stream closes it in the
/// background; what was written before is sent.
pub struct TcpStream {
    pipe: Arc<Pipe>,
}

impl TcpStream {
    pub(super) fn new(pipe: Arc<Pipe>) -> Self {
        Self { pipe }
    }

    /// Connects to `remote`. The engine gives up after its own time, see [`TcpConfig::syn_retries`](crate::config::TcpConfig::syn_retries).
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `HostUnreachable`; `NetworkUnreachable` without a route, `AddrNotAvailable` when no local port is
    /// free, `QuotaExceeded` when there are as many connections as configured, and `InvalidInput` for what cannot be connected to.
    pub async fn connect(network: &Network, remote: SocketAddr) -> io::Result<Self> {
        Self::open(network, None, remote, None).await
    }

    /// Connects to `remote` within `limit`.
    ///
    /// # Errors
    /// As [`TcpStream::connect`].
    pub async fn connect_timeout(network: &Network, remote: SocketAddr, limit: Duration) -> io::Result<Self> {
        Self::open(network, None, remote, Some(limit)).await
    }

    /// Connects to `remote` from an address of the engine, within `limit` if there is one.
    ///
    /// # Errors
    /// As [`TcpStream::connect`]; `AddrNotAvailable` if `local` is not one of the engine's, too.
    pub async fn connect_from(
        network: &Network,
        local: IpAddr,
        remote: SocketAddr,
        limit: Option<Duration>,
    ) -> io::Result<Self> {
        Self::open(network, Some(local), remote, limit).await
    }

    async fn open(
        network: &Network,
        local: Option<IpAddr>,
        remote: SocketAddr,
        limit: Option<Duration>,
    ) -> io::Result<Self> {
        let state = PipeState::new(Stage::Wanted { local, limit }, None, remote);
        let stream = Self::new(Shared::new(network.mailbox(), state));
        stream
            .pipe
            .until(|state| &mut state.writers, PipeState::connected)
            .await?;
        Ok(stream)
    }

    /// Our end.
    ///
    /// # Errors
    /// `ConnectionAborted` if the engine had ended before it was known.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let local = self.pipe.lock().local;
        local.ok_or_else(|| Failure::NoDriver.into())
    }

    /// The peer's end.
    ///
    /// # Errors
    /// None; the signature is that of others.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.pipe.lock().remote)
    }

    /// Switches the Nagle algorithm off or on.
    ///
    /// # Errors
    /// That of the connection, if it has failed.
    pub fn set_nodelay(&self, no_delay: bool) -> io::Result<()> {
        self.set(Setting::NoDelay(no_delay))
    }

    /// Whether the Nagle algorithm was switched off.
    ///
    /// # Errors
    /// None; the signature is that of others.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.pipe.lock().no_delay)
    }

    /// Sets something on the connection, before anything that is written from now on.
    ///
    /// # Errors
    /// That of the connection, if it has failed.
    pub fn set(&self, setting: Setting) -> io::Result<()> {
        self.pipe.act(|state| state.set(setting))
    }

    /// The failure of the connection, if it has failed.
    pub fn error(&self) -> Option<io::Error> {
        self.pipe.lock().failure.map(io::Error::from)
    }

    /// Waits until there is something to read: bytes, the end, or an error.
    ///
    /// # Errors
    /// None; the read gives it.
    pub async fn readable(&self) -> io::Result<()> {
        self.pipe
            .until(|state| &mut state.readers, PipeState::readable)
            .await
    }

    /// Waits until a write would take something, or give an error.
    ///
    /// # Errors
    /// None; the write gives it.
    pub async fn writable(&self) -> io::Result<()> {
        self.pipe
            .until(|state| &mut state.writers, PipeState::writable)
            .await
    }

    /// Reads what is there; zero at the end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there, and that of the connection.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        now(self
            .pipe
            .act(|state| read_vectored(state, &mut [IoSliceMut::new(buffer)])))
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room, `BrokenPipe` after the shutdown, and that of the connection.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// As [`TcpStream::try_write`].
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        now(self.pipe.act(|state| state.write(buffers)))
    }

    /// Waits for bytes and copies them without taking them; zero at the end.
    ///
    /// # Errors
    /// That of the connection.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pipe
            .until(|state| &mut state.readers, |state| peek(state, buffer))
            .await
    }

    /// As [`TcpStream::peek`], for a `poll_` method; the task that called last is woken.
    ///
    /// # Errors
    /// That of the connection.
    pub fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.pipe.poll(
            context,
            |state| &mut state.readers,
            |state| state.peek(buffer.remaining(), |bytes| buffer.put_slice(bytes)),
        )
    }

    /// Waits for bytes and takes them without copying, in the memory in which they arrived; `None` at the end.
    ///
    /// # Errors
    /// That of the connection.
    pub async fn chunk(&self) -> io::Result<Option<Chunk>> {
        let piece = self
            .pipe
            .until(|state| &mut state.readers, PipeState::piece)
            .await?;
        Ok(piece.map(|piece| Chunk::new(piece, self.pipe.clone())))
    }

    /// As [`TcpStream::chunk`], for a `poll_` method; the task that called last is woken.
    ///
    /// # Errors
    /// That of the connection.
    pub fn poll_chunk(&self, context: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        self.pipe
            .poll(context, |state| &mut state.readers, PipeState::piece)
            .map_ok(|piece| piece.map(|piece| Chunk::new(piece, self.pipe.clone())))
    }

    /// Waits until there is something to read; the task that called last is woken.
    ///
    /// # Errors
    /// None; the read gives it.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe
            .poll(context, |state| &mut state.readers, PipeState::readable)
    }

    /// Waits until a write would take something; the task that called last is woken.
    ///
    /// # Errors
    /// None; the write gives it.
    pub fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe
            .poll(context, |state| &mut state.writers, PipeState::writable)
    }

    /// Two halves for one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf::new(self), WriteHalf::new(self))
    }

    /// Two halves for two tasks. Dropping the writing half shuts the sending direction down.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        OwnedReadHalf::pair(self)
    }

    pub(super) fn read_with(
        &self,
        context: &Context<'_>,
        limit: usize,
        consume: impl FnMut(&[u8]),
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll(
            context,
            |state| &mut state.readers,
            |state| state.read(limit, consume),
        )
    }

    pub(super) fn read_into(
        &self,
        context: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pipe.poll(
            context,
            |state| &mut state.readers,
            |state| read_vectored(state, buffers),
        )
    }

    pub(super) fn write_from(
        &self,
        context: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pipe
            .poll(context, |state| &mut state.writers, |state| state.write(buffers))
    }

    pub(super) fn shut_down(&self) -> io::Result<()> {
        self.pipe.act(PipeState::shut_down)
    }
}

/// Fills the buffers one after another.
fn read_vectored(state: &mut PipeState, buffers: &mut [IoSliceMut<'_>]) -> Poll<io::Result<usize>> {
    let limit = buffers.iter().map(|buffer| buffer.len()).sum();
    let mut rest = buffers.iter_mut();
    let mut target: &mut [u8] = &mut [];
    state.read(limit, |mut bytes| {
        while !bytes.is_empty() {
            if target.is_empty() {
                target = rest.next().map_or(&mut [], |buffer| &mut **buffer);
                continue;
            }
            let count = bytes.len().min(target.len());
            let (now, later) = std::mem::take(&mut target).split_at_mut(count);
            now.copy_from_slice(&bytes[..count]);
            (target, bytes) = (later, &bytes[count..]);
        }
    })
}

fn peek(state: &mut PipeState, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut filled = 0;
    state.peek(buffer.len(), |bytes| {
        buffer[filled..filled + bytes.len()].copy_from_slice(bytes);
        filled += bytes.len();
    })
}

/// What an operation that does not wait gives.
pub(in crate::application::asynchronous) fn now<T>(outcome: Poll<io::Result<T>>) -> io::Result<T> {
    match outcome {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.pipe.act(PipeState::drop_stream);
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.pipe.lock();
        f.debug_struct("TcpStream")
            .field("local", &state.local)
            .field("peer", &state.remote)
            .field("failure", &state.failure)
            .finish_non_exhaustive()
    }
}
