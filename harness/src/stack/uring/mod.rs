//! The kernel's stack through io_uring: one system call submits what a whole step asked for and fetches what has completed.
//!
//! Accept and receive are multishot, of datagrams too, received bytes come in buffers that the kernel chooses from a ring of provided ones, and
//! sockets are direct descriptors, which take no place in the process's table of open files. Each ring has a table of its own, as
//! large as `RLIMIT_NOFILE` allows.
//!
//! A connection has one send in flight, and what it writes in a step, or meanwhile, goes in the next one. What has been received for connections that nobody reads keeps its buffers; when none is left, the
//! others wait until some are read.

mod closing;
mod completion;
mod connection;
#[cfg(test)]
mod datagram_tests;
mod datagrams;
mod shape;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use self::connection::{Connection, Phase};
use self::datagrams::DatagramSocket;
pub(super) use self::shape::{check, shape};
use super::kernel::{Baseline, Options, nstat};
use super::slots::Slots;
use super::{Conn, ConnectError, Datagrams, Event, Gone, Nanos, Ready, Received, Stack, StackCounters};
use crate::path::host::Host;
use crate::sys::uring::{Operation, Ring, Shape, SocketOptions};

/// One end of connections over a ring. It lives in the thread that made it.
#[derive(Debug)]
pub(crate) struct Uring {
    options: Options,
    /// Where its listeners are; `None` for the host that the threads of the process are on. It connects from that one only.
    host: Option<&'static Host>,
    ring: Ring,
    listeners: Vec<Listener>,
    connections: Slots<Connection>,
    /// Connections whose receive ended because no buffer was left.
    starved: Vec<Conn>,
    /// Connections that began a draft since the last poll.
    written: Vec<Conn>,
    datagram_sockets: Vec<DatagramSocket>,
    tally: Tally,
    baseline: Baseline,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// A multishot accept is in force.
    accepting: bool,
}

/// What this end counts itself, besides entries of the ring.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    payload_bytes: u64,
    /// Calls of `setsockopt` under load.
    option_calls: u64,
    polls_useful: u64,
    polls_empty: u64,
}

impl Uring {
    /// # Errors
    /// As [`Ring::new`].
    pub(crate) fn new(options: Options, shape: Shape) -> io::Result<Self> {
        Self::with_host(options, shape, None)
    }

    /// An end that listens on another host than the one that the threads of the process are on.
    ///
    /// # Errors
    /// As [`Uring::new`], and when the host cannot be visited.
    pub(crate) fn on(host: &'static Host, options: Options, shape: Shape) -> io::Result<Self> {
        Self::with_host(options, shape, Some(host))
    }

    fn with_host(options: Options, shape: Shape, host: Option<&'static Host>) -> io::Result<Self> {
        let _visit = host.map(Host::visit).transpose()?;
        let sockets = SocketOptions {
            nodelay: options.nodelay,
            congestion_control: options.congestion_control,
            local_ports: options.local_ports,
        };
        Ok(Self {
            options,
            host,
            ring: Ring::new(shape, sockets)?,
            listeners: Vec::new(),
            connections: Slots::new(),
            starved: Vec::new(),
            written: Vec::new(),
            datagram_sockets: Vec::new(),
            tally: Tally::default(),
            baseline: Baseline::now(),
        })
    }

    fn accept(&mut self, index: usize) {
        let listener = &mut self.listeners[index];
        listener.accepting = true;
        self.ring.accept(listener.socket.as_fd(), index as u32);
    }

    /// Tries again what ended for want of buffers or descriptors.
    fn resume(&mut self) {
        for conn in std::mem::take(&mut self.starved) {
            self.receive_again(conn);
        }
        for index in 0..self.listeners.len() {
            if !self.listeners[index].accepting {
                self.accept(index);
            }
        }
        self.receive_datagrams_again();
    }

    fn receive_again(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.get_mut(conn)
            && !matches!(connection.phase, Phase::Ending(_))
        {
            connection.in_flight.begin(Operation::Receive);
            self.ring.receive(connection.file, conn.slot);
        }
    }

    fn send_drafts(&mut self, events: &mut Vec<Event>) {
        let mut written = std::mem::take(&mut self.written);
        for conn in written.drain(..) {
            self.send_draft(conn, events);
        }
        self.written = written;
    }

    /// Sends what was written, unless a send is in flight, behind which it goes.
    fn send_draft(&mut self, conn: Conn, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if connection.in_flight.has(Operation::Send) {
            return;
        }
        let Some(draft) = connection.draft.take() else {
            return;
        };
        connection.in_flight.begin(Operation::Send);
        self.ring.send(connection.file, conn.slot, draft);
        if std::mem::take(&mut connection.blocked) && connection.phase == Phase::Open {
            events.push(Event {
                conn,
                ready: Ready::WRITABLE,
            });
        }
    }
}

impl Stack for Uring {
    fn listen(&mut self, at: SocketAddr, backlog: usize) -> io::Result<()> {
        let _visit = self.host.map(Host::visit).transpose()?;
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(self.options.nodelay)?;
        if let Some(algorithm) = self.options.congestion_control {
            socket.set_tcp_congestion(algorithm.as_bytes())?;
        }
        socket.bind(&at.into())?;
        let backlog = backlog.max(self.options.backlog);
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        self.listeners.push(Listener {
            socket: socket.into(),
            accepting: false,
        });
        self.accept(self.listeners.len() - 1);
        Ok(())
    }

    fn connect(&mut self, from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError> {
        // An end that listens has its descriptors chosen by the kernel, and those chosen here would collide.
        if !self.listeners.is_empty() || self.host.is_some() {
            return Err(ConnectError::Other(io::ErrorKind::Unsupported));
        }
        if self.connections.len() >= self.options.connections {
            return Err(ConnectError::TooManyConnections);
        }
        let conn = self.connections.insert(Connection::connecting(0));
        self.connections.get_mut(conn).expect("just inserted").file = conn.slot;
        let from = SocketAddr::new(from, 0);
        self.ring.connect(conn.slot, conn.slot, from, to);
        Ok(conn)
    }

    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone> {
        let connection = self
            .connections
            .get_mut(conn)
            .filter(|one| one.phase == Phase::Open)
            .ok_or(Gone)?;
        if length == 0 {
            return Ok(0);
        }
        let (ring, written) = (&mut self.ring, &mut self.written);
        let draft = connection.draft.get_or_insert_with(|| {
            written.push(conn);
            ring.draft()
        });
        let taken = ring.write(draft, length, fill);
        connection.blocked |= taken < length;
        Ok(taken)
    }

    fn receive(
        &mut self,
        conn: Conn,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        let connection = self
            .connections
            .get_mut(conn)
            .filter(|one| one.phase == Phase::Open)
            .ok_or(Gone)?;
        let Some(first) = connection.arrived.front_mut() else {
            return Ok(if connection.at_end {
                Received::EndOfStream
            } else {
                Received::WouldBlock
            });
        };
        let bytes = self.ring.bytes(first);
        let length = bytes.len().min(limit);
        consume(&bytes[..length]);
        first.consume(length);
        if first.is_empty() {
            let spent = connection.arrived.pop_front().expect("it was looked at");
            self.ring.give_back(spent);
        }
        Ok(Received::Bytes(length))
    }

    fn close(&mut self, conn: Conn) {
        self.close_gracefully(conn);
    }

    fn abort(&mut self, conn: Conn) {
        self.reset(conn);
    }

    fn bind(&mut self, at: SocketAddr) -> io::Result<Datagrams> {
        self.bind_datagrams(at)
    }

    fn send_datagrams(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        self.send_runs(socket, to, count, length, fill)
    }

    fn receive_datagrams(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        self.receive_runs(socket, limit, consume)
    }

    fn poll(&mut self, _now: Nanos, wait: Duration, events: &mut Vec<Event>) {
        self.resume();
        self.send_drafts(events);
        let wait = if events.is_empty() { wait } else { Duration::ZERO };
        self.ring.enter(wait);
        let mut found = false;
        while let Some(completion) = self.ring.next_completion() {
            found = true;
            self.complete(completion, events);
        }
        if found {
            self.tally.polls_useful += 1;
        } else {
            self.tally.polls_empty += 1;
        }
    }

    fn connects_at_once(&self) -> bool {
        false
    }

    fn counters(&self) -> StackCounters {
        let own = StackCounters {
            payload_bytes: Some(self.tally.payload_bytes),
            system_calls: Some(self.ring.enters() + self.tally.option_calls),
            connections: Some(self.connections.len() as u64),
            polls_useful: Some(self.tally.polls_useful),
            polls_empty: Some(self.tally.polls_empty),
            ..StackCounters::default()
        };
        let visit = self.host.map(Host::visit).transpose();
        match (self.options.counts_namespace, visit) {
            (true, Ok(_visit)) => self.baseline.with_namespace(own),
            _ => own,
        }
    }

    fn time_wait_held(&self) -> Option<u64> {
        if !self.options.counts_namespace {
            return None;
        }
        let _visit = self.host.map(Host::visit).transpose().ok()?;
        nstat::time_wait_held()
    }
}
