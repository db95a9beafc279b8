//! One connection, as its stream and the driver share it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::application::TcpHandle;
use crate::application::asynchronous::shared::{Bell, State};
use crate::application::asynchronous::wakers::Wakers;
use crate::application::asynchronous::{Call, Failure, Piece, Shared};
use crate::config::{Congestion, KeepAlive, Pacing, UserTimeout};
use crate::time::Duration;

/// Bytes that a stream takes before the engine has taken them. Enough that a writer and a driver on two processors do not wait for each other.
const OUTGOING: usize = 128 << 10;
/// Pieces that wait in a stream for its reader; what comes beyond waits in the engine, whose queue has limits of its own.
const INCOMING: usize = 64;
/// A buffer that is empty and larger than this is given back.
const KEPT: usize = 8 << 10;

/// Something that can be set on a connection; see the method of [`Engine`](crate::engine::Engine) that has the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Setting {
    /// The Nagle algorithm off or on.
    NoDelay(bool),
    /// Questions to a peer that is quiet.
    KeepAlive(Option<KeepAlive>),
    /// What closing does with what is queued.
    Linger(Option<Duration>),
    /// How long data may stay unacknowledged.
    UserTimeout(UserTimeout),
    /// The Diffserv field of what is sent, six bits.
    Diffserv(u8),
    /// Bytes that the engine queues for sending.
    SendBuffer(u32),
    /// Bytes that the engine queues for the reader.
    ReceiveBuffer(u32),
    /// How what is sent is spread over time.
    Pacing(Pacing),
    /// The congestion control.
    Congestion(Congestion),
    /// Text that does not fill a segment waits for more.
    Cork(bool),
    /// Bytes that the engine queues beyond what the windows take. What the stream itself holds, up to 128 KiB, comes on top.
    UnsentLowWater(Option<u32>),
    /// The largest window that is offered.
    WindowClamp(u32),
    /// How long the closed connection waits for the peer's FIN.
    FinWait2(Duration),
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// To be opened.
    Wanted {
        local: Option<IpAddr>,
        limit: Option<Duration>,
    },
    /// The SYN is sent.
    Connecting(TcpHandle),
    /// Established, and the engine's handle good until the driver closes it.
    Open(TcpHandle),
    /// The engine knows nothing of it (any more).
    Gone,
}

/// A connection between its stream and the driver.
pub(crate) type Pipe = Shared<PipeState>;

/// Bytes in both directions, and what else the two ends tell each other.
#[derive(Debug)]
pub(crate) struct PipeState {
    pub(crate) stage: Stage,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: SocketAddr,
    /// What has arrived. The end of the stream, or the failure, comes behind it.
    pub(crate) incoming: VecDeque<Piece>,
    pub(crate) ended: bool,
    pub(crate) failure: Option<Failure>,
    /// Bytes that the program has done with since the driver came last.
    pub(crate) credit: usize,
    pub(crate) outgoing: VecDeque<u8>,
    /// No more is to be sent behind `outgoing`.
    pub(crate) shut: bool,
    /// The stream was dropped.
    pub(crate) dropped: bool,
    pub(crate) settings: Vec<Setting>,
    pub(super) no_delay: bool,
    pub(super) readers: Wakers,
    pub(super) writers: Wakers,
    bell: Bell,
}

impl State for PipeState {
    fn call(pipe: Arc<Pipe>) -> Call {
        Call::Pipe(pipe)
    }

    fn bell(&mut self) -> &mut Bell {
        &mut self.bell
    }

    fn fail(&mut self, failure: Failure, woken: &mut Vec<Waker>) {
        self.failure.get_or_insert(failure);
        self.outgoing = VecDeque::new();
        self.readers.take(woken);
        self.writers.take(woken);
    }
}

impl PipeState {
    pub(crate) fn new(stage: Stage, local: Option<SocketAddr>, remote: SocketAddr) -> Self {
        Self {
            stage,
            local,
            remote,
            incoming: VecDeque::new(),
            ended: false,
            failure: None,
            credit: 0,
            outgoing: VecDeque::new(),
            shut: false,
            dropped: false,
            settings: Vec::new(),
            no_delay: false,
            readers: Wakers::default(),
            writers: Wakers::default(),
            bell: match stage {
                Stage::Wanted { .. } => Bell::Wanted,
                _ => Bell::Quiet,
            },
        }
    }

    /// The driver has come.
    pub(crate) fn visited(&mut self) {
        self.bell = Bell::Quiet;
    }

    /// Whether the connection is established.
    pub(super) fn connected(&mut self) -> Poll<io::Result<()>> {
        match (self.stage, self.failure) {
            (_, Some(failure)) => Poll::Ready(Err(failure.into())),
            (Stage::Wanted { .. } | Stage::Connecting(_), None) => Poll::Pending,
            (Stage::Open(_) | Stage::Gone, None) => Poll::Ready(Ok(())),
        }
    }

    /// Whether a read would give something: bytes, the end, or an error.
    pub(super) fn readable(&mut self) -> Poll<io::Result<()>> {
        if !self.incoming.is_empty() || self.ended || self.failure.is_some() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Gives up to `limit` bytes to `consume`; zero at the end.
    pub(super) fn read(&mut self, limit: usize, mut consume: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        if limit == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut total = 0;
        while let Some(piece) = self.incoming.front_mut()
            && total < limit
        {
            let count = piece.len().min(limit - total);
            consume(&piece[..count]);
            total += count;
            if piece.advance(count) {
                self.incoming.pop_front();
                self.bell.want();
            }
        }
        self.credit += total;
        self.found(total)
    }

    /// Shows up to `limit` bytes to `show`, which stay.
    pub(super) fn peek(&mut self, limit: usize, mut show: impl FnMut(&[u8])) -> Poll<io::Result<usize>> {
        let mut total = 0;
        for piece in &self.incoming {
            let count = piece.len().min(limit - total);
            show(&piece[..count]);
            total += count;
        }
        if limit == 0 {
            return Poll::Ready(Ok(0));
        }
        self.found(total)
    }

    fn found(&self, bytes: usize) -> Poll<io::Result<usize>> {
        match self.failure {
            _ if bytes > 0 || self.ended => Poll::Ready(Ok(bytes)),
            Some(failure) => Poll::Ready(Err(failure.into())),
            None => Poll::Pending,
        }
    }

    /// Takes the next piece as it is; `None` at the end.
    pub(super) fn piece(&mut self) -> Poll<io::Result<Option<Piece>>> {
        match self.incoming.pop_front() {
            Some(piece) => Poll::Ready(Ok(Some(piece))),
            None => self.found(0).map_ok(|_| None),
        }
    }

    /// The program has done with bytes.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.credit += bytes;
        self.bell.want();
    }

    /// Whether a write would take something, or give an error.
    pub(super) fn writable(&mut self) -> Poll<io::Result<()>> {
        if self.outgoing.len() < OUTGOING || self.writing_fails().is_some() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Takes bytes as far as there is room.
    pub(super) fn write(&mut self, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.writing_fails() {
            return Poll::Ready(Err(failure.into()));
        }
        let mut taken = 0;
        for buffer in buffers {
            let count = buffer.len().min(OUTGOING - self.outgoing.len());
            self.outgoing.extend(&buffer[..count]);
            taken += count;
        }
        if taken > 0 {
            self.bell.want();
        } else if buffers.iter().any(|buffer| !buffer.is_empty()) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }

    fn writing_fails(&self) -> Option<Failure> {
        self.failure.or(self.shut.then_some(Failure::ShutDown))
    }

    /// Sends no more than was written.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure.into());
        }
        self.shut = true;
        self.bell.want();
        Ok(())
    }

    /// Has the driver set something.
    pub(super) fn set(&mut self, setting: Setting) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure.into());
        }
        if let Setting::NoDelay(no_delay) = setting {
            self.no_delay = no_delay;
        }
        self.settings.push(setting);
        self.bell.want();
        Ok(())
    }

    /// The program is done with the stream.
    pub(crate) fn drop_stream(&mut self) {
        self.dropped = true;
        self.shut = true;
        self.bell.want();
    }

    /// Whether the driver may bring another piece.
    pub(crate) fn takes_piece(&self) -> bool {
        self.incoming.len() < INCOMING && !self.ended && !self.dropped
    }

    /// The driver has brought pieces, or the end.
    pub(crate) fn wake_readers(&mut self, woken: &mut Vec<Waker>) {
        self.readers.take(woken);
    }

    /// The driver has taken `bytes` of `outgoing`.
    pub(crate) fn sent(&mut self, bytes: usize, woken: &mut Vec<Waker>) {
        self.outgoing.drain(..bytes);
        if self.outgoing.is_empty() && self.outgoing.capacity() > KEPT {
            self.outgoing = VecDeque::new();
        }
        self.writers.take(woken);
    }

    /// The handshake is complete.
    pub(crate) fn opened(
        &mut self,
        handle: TcpHandle,
        ends: Option<(SocketAddr, SocketAddr)>,
        woken: &mut Vec<Waker>,
    ) {
        self.stage = Stage::Open(handle);
        self.local = ends.map(|(local, _)| local);
        self.writers.take(woken);
    }
}
