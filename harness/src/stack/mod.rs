//! What a scenario needs of a TCP/UDP stack, and the stacks that give it.
//!
//! A [`Stack`] is *one end*: a client host or a server host. A scenario is written once against this trait and runs
//! on every stack; a stack knows nothing of scenarios. All calls are non-blocking, and none reads a clock: time comes
//! in through [`Stack::poll`].

mod addresses;
mod cabled;
mod engine;
mod kernel;
mod null;
#[cfg(test)]
pub(crate) mod oracle;
mod pair;
pub(crate) mod reflect;
mod slots;
mod smoltcp;
mod uring;

#[cfg(test)]
mod conformance;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(crate) use self::cabled::targets;
pub(crate) use self::pair::{MakeEnd, Pair, pair, pair_of_holder, prepare_process, split_pair};
use crate::config::{Closer, RunConfig};

/// Why a stack cannot do what was asked: said to the user as it stands, while the other stacks go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unsupported(pub(crate) String);

/// Nanoseconds since the start of the process, from the harness's one clock.
pub(crate) type Nanos = u64;

/// A connection of a [`Stack`]. `slot` is small and dense (a scenario keeps its per-connection state in a `Vec` indexed by it);
/// `generation` changes whenever the slot is reused, so that an event for an earlier connection is recognised.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Conn {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A bound datagram socket of a [`Stack`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Datagrams(pub(crate) u32);

/// What became true of a connection. Flags may come together in one event.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Ready(pub(crate) u8);

impl Ready {
    /// An outgoing connection is established (the SYN-ACK has come).
    pub(crate) const CONNECTED: Self = Self(1);
    /// A listener produced this connection; it is already accepted.
    pub(crate) const ACCEPTED: Self = Self(2);
    /// Data, or the end of the peer's stream, can be read. Announced for what has arrived since the last time: a reader that
    /// stops before [`Received::WouldBlock`] hears of the rest only with the next arrival.
    pub(crate) const READABLE: Self = Self(4);
    /// The send buffer has room again after a short `send`.
    pub(crate) const WRITABLE: Self = Self(8);
    /// The connection is over for the application: both directions closed and, for the end that closed first, its FIN
    /// acknowledged. Comes after `close` only, at most once; the slot may be reused afterwards.
    pub(crate) const CLOSED: Self = Self(16);
    /// The connection failed: refused, reset or timed out. The slot may be reused afterwards.
    pub(crate) const FAILED: Self = Self(32);
    /// Comes with [`Ready::FAILED`]: no local port was free towards the destination (EADDRNOTAVAIL), which a stack whose `connect` only
    /// queues learns too late to answer with [`ConnectError::PortsExhausted`].
    pub(crate) const NO_PORT: Self = Self(64);

    pub(crate) fn contains(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }
}

impl std::ops::BitOr for Ready {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A readiness event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) conn: Conn,
    pub(crate) ready: Ready,
}

/// What a read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// So many bytes were handed to the consumer (at least one).
    Bytes(usize),
    /// Nothing yet.
    WouldBlock,
    /// The peer has closed its direction and everything was read.
    EndOfStream,
}

/// Why a connection could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// No free local port towards this destination (EADDRNOTAVAIL).
    #[error("no free local port towards the destination")]
    PortsExhausted,
    /// The stack has no room for another connection.
    #[error("the stack holds as many connections as it can")]
    TooManyConnections,
    /// Anything else the stack answered.
    #[error("connect failed: {0}")]
    Other(std::io::ErrorKind),
}

/// The connection does not exist any more (reset, timed out, or never was).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the connection is gone")]
pub(crate) struct Gone;

/// Counters since the stack was made. `None` means that the stack cannot tell.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct StackCounters {
    pub(crate) retransmitted_segments: Option<u64>,
    pub(crate) copied_bytes: Option<u64>,
    pub(crate) payload_bytes: Option<u64>,
    pub(crate) system_calls: Option<u64>,
    pub(crate) packets: Option<u64>,
    /// TIME_WAIT entries held now.
    pub(crate) time_wait: Option<u64>,
    /// Connections that entered TIME_WAIT.
    pub(crate) time_wait_entered: Option<u64>,
    /// TIME_WAIT entries that ended early although no rule allows it.
    pub(crate) time_wait_violations: Option<u64>,
    /// TIME_WAIT entries that made way for a new connection by the rules.
    pub(crate) time_wait_reused: Option<u64>,
    /// Bytes mapped for TIME_WAIT entries and their index.
    pub(crate) time_wait_bytes: Option<u64>,
    /// Bytes mapped for connection state, index, handle and timer.
    pub(crate) connection_bytes: Option<u64>,
    /// Connections open now.
    pub(crate) connections: Option<u64>,
    /// SYNs answered with a SYN cookie (RFC 4987 section 3.6), because the half-open table was full.
    pub(crate) syn_cookies_sent: Option<u64>,
    /// Connections that a SYN cookie opened.
    pub(crate) syn_cookies_accepted: Option<u64>,
    /// The most half-open connections seen so far; of an end that is flooded.
    pub(crate) half_open_peak: Option<u64>,
    /// Bytes of the half-open table that were ever in use; of an end that is flooded.
    pub(crate) half_open_bytes: Option<u64>,
    /// What a flood of SYNs brought and was answered; of an end that is flooded.
    pub(crate) flood_syns: Option<u64>,
    pub(crate) flood_syn_acks: Option<u64>,
    pub(crate) flood_resets: Option<u64>,
    /// Packets that the stack dropped for want of room.
    pub(crate) dropped: Option<u64>,
    /// Datagrams that came and found no room in the buffer of their socket.
    pub(crate) datagrams_overflowed: Option<u64>,
    /// Datagrams that the stack took from the application and did not send.
    pub(crate) datagrams_unsent: Option<u64>,
    /// Packets that were lost in the stack's own device, which are unsent at an end that sends and came in vain at one that receives.
    pub(crate) device_dropped: Option<u64>,
    /// Heap allocations by the stack itself are counted by the harness's allocator, not here.
    pub(crate) polls_useful: Option<u64>,
    /// Polls that found nothing to do.
    pub(crate) polls_empty: Option<u64>,
}

/// Which end one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The end that connects.
    Client,
    /// The end that accepts.
    Server,
}

impl Side {
    /// Whether this end closes its connections before the other does, and so keeps their TIME_WAIT.
    pub(crate) fn closes_first(self, run: &RunConfig) -> bool {
        match run.closer {
            Closer::Client => self == Self::Client,
            Closer::Server => self == Self::Server,
        }
    }
}

/// One end of a stack under test.
pub(crate) trait Stack {
    /// Starts listening. Connections are accepted by the stack itself and announced with [`Ready::ACCEPTED`].
    fn listen(&mut self, at: SocketAddr, backlog: usize) -> std::io::Result<()>;

    /// Starts connecting; [`Ready::CONNECTED`] or [`Ready::FAILED`] follows. The stack chooses the local port.
    fn connect(&mut self, from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError>;

    /// Sends up to `length` bytes. The stack calls `fill` once or more with the memory to produce them in (its own
    /// buffer where it can send without copying), and returns how many bytes it took; fewer means that
    /// [`Ready::WRITABLE`] will follow, and that what was produced beyond has to be produced again.
    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone>;

    /// Hands at most `limit` bytes to `consume`, in place where the stack can.
    fn receive(&mut self, conn: Conn, limit: usize, consume: &mut dyn FnMut(&[u8]))
    -> Result<Received, Gone>;

    /// Closes with a FIN and gives the connection up; [`Ready::CLOSED`] or [`Ready::FAILED`] follows.
    /// Unread data does not keep this from happening.
    fn close(&mut self, conn: Conn);

    /// Resets the connection and gives it up; no event follows.
    fn abort(&mut self, conn: Conn);

    /// Binds a datagram socket.
    fn bind(&mut self, at: SocketAddr) -> std::io::Result<Datagrams>;

    /// Sends up to `count` datagrams of `length` bytes; `fill(i, bytes)` produces the `i`-th. Returns how many were taken: the
    /// first so many, though `fill` may have been called for more.
    fn send_datagrams(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize;

    /// Hands up to `limit` received datagrams to `consume` and returns how many there were.
    fn receive_datagrams(&mut self, socket: Datagrams, limit: usize, consume: &mut dyn FnMut(&[u8]))
    -> usize;

    /// Moves packets, runs timers and appends what became ready to `events`. `wait` is how long the stack may sleep when there is
    /// nothing to do (zero: not at all); a stack without a descriptor to sleep on returns at once.
    fn poll(&mut self, now: Nanos, wait: Duration, events: &mut Vec<Event>);

    /// Whether `connect` has found a port when it returns. Where it only queues, how long it takes says nothing.
    fn connects_at_once(&self) -> bool {
        true
    }

    /// The local port of a connection; `None` when the connection is gone, or where the stack cannot tell.
    fn local_port(&mut self, _conn: Conn) -> Option<u16> {
        None
    }

    /// Counters since the stack was made.
    fn counters(&self) -> StackCounters;

    /// `time_wait` of [`Stack::counters`], for those who look at it under load, where that one number is had for less than all.
    fn time_wait_held(&self) -> Option<u64> {
        self.counters().time_wait
    }

    /// Fills the TIME_WAIT table with `count` entries whose expiries are spread evenly over the next 60 s, without packets.
    /// Returns how many there are now; `None` when the stack has no such door (the scenario then makes them by closing
    /// connections).
    fn preload_time_wait(&mut self, _now: Nanos, _count: u64) -> Option<u64> {
        None
    }
}
