//! The kernel's stack through non-blocking sockets and edge-triggered epoll, as a good application uses it.
//!
//! The columns `kernel` and `kernel-tuned` are this code with different [`Options`].
//!
//! Closing follows the sockets interface, which tells nothing of ACKs: the end that closes first shuts its direction
//! down and is done when it reads the end of the peer's stream; the end that had read that end before is done at once.

mod connection;
pub(super) mod datagram;
pub(super) mod nstat;
pub(super) mod tuning;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Interest, Token};
use socket2::{Domain, Socket, Type};

use self::connection::{Connection, Phase};
use self::datagram::DatagramSocket;
use self::nstat::Nstat;
pub(crate) use self::tuning::Options;
use super::slots::Slots;
use super::{Conn, ConnectError, Datagrams, Event, Gone, Nanos, Ready, Received, Stack, StackCounters};
use crate::path::host::{Host, Visit};
use crate::sys;

/// Events that one `epoll_wait` fetches at most.
const EVENT_BATCH: usize = 1024;
/// Bytes that one read or write moves at most. Writers produce every byte here first, and larger buffers leave the
/// second-level cache: with 1 MiB a stream cost a fifth more.
const BUFFER: usize = 64 << 10;

/// One end of connections over kernel sockets. Both ends may live in one thread, or in one each.
#[derive(Debug)]
pub(crate) struct Kernel {
    options: Options,
    /// Where its sockets are; `None` for the host that the threads of the process are on.
    host: Option<&'static Host>,
    epoll: mio::Poll,
    fetched: mio::Events,
    listeners: Vec<TcpListener>,
    connections: Slots<Connection>,
    /// Ended without a descriptor that would announce it; announced by the next poll.
    ended: Vec<Event>,
    datagram_sockets: Vec<DatagramSocket>,
    scratch: Box<[u8]>,
    tally: Tally,
    baseline: Baseline,
}

/// What this end counts itself.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    system_calls: u64,
    payload_bytes: u64,
    polls_useful: u64,
    polls_empty: u64,
}

/// What the namespace and the machine had counted when this end was made.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Baseline {
    nstat: Nstat,
    slab_bytes: u64,
}

impl Kernel {
    /// # Errors
    /// Fails when the kernel gives no epoll descriptor.
    pub(crate) fn new(options: Options) -> io::Result<Self> {
        Self::with_host(options, None)
    }

    /// An end on another host than the one that the threads of the process are on.
    ///
    /// # Errors
    /// As [`Kernel::new`], and when the host cannot be visited.
    pub(crate) fn on(host: &'static Host, options: Options) -> io::Result<Self> {
        Self::with_host(options, Some(host))
    }

    fn with_host(options: Options, host: Option<&'static Host>) -> io::Result<Self> {
        let _visit = host.map(Host::visit).transpose()?;
        Ok(Self {
            host,
            epoll: mio::Poll::new()?,
            fetched: mio::Events::with_capacity(EVENT_BATCH),
            listeners: Vec::new(),
            connections: Slots::new(),
            ended: Vec::new(),
            datagram_sockets: Vec::new(),
            scratch: vec![0; BUFFER].into_boxed_slice(),
            tally: Tally::default(),
            baseline: Baseline::now(),
            options,
        })
    }

    fn visit(&self) -> io::Result<Option<Visit>> {
        self.host.map(Host::visit).transpose()
    }

    fn start_connecting(&mut self, from: IpAddr, to: SocketAddr) -> io::Result<Connection> {
        let _visit = self.visit()?;
        let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), None)?;
        self.tally.system_calls += 3;
        if self.options.nodelay {
            self.tally.system_calls += 1;
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(algorithm) = self.options.congestion_control {
            self.tally.system_calls += 1;
            socket.set_tcp_congestion(algorithm.as_bytes())?;
        }
        if let Some((low, high)) = self.options.local_ports {
            self.tally.system_calls += 1;
            sys::set_local_port_range(socket.as_fd(), low, high)?;
        }
        if !from.is_unspecified() {
            self.tally.system_calls += 2;
            sys::bind_address_without_port(socket.as_fd())?;
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => Ok(Connection::new(
                std::net::TcpStream::from(socket),
                Phase::Connecting,
            )),
        }
    }

    fn watch(&mut self, connection: Connection) -> io::Result<Conn> {
        let conn = self.connections.insert(connection);
        let connection = self.connections.get_mut(conn).expect("just inserted");
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.epoll
            .registry()
            .register(&mut connection.stream, connection_token(conn), interest)
            .inspect_err(|_| self.connections.release(conn))?;
        Ok(conn)
    }

    /// Closes the descriptor now and announces `ready` with the next poll.
    fn end(&mut self, conn: Conn, ready: Ready) {
        if self.connections.take(conn).is_some() {
            self.tally.system_calls += 1;
            self.ended.push(Event { conn, ready });
        }
    }

    fn announce_ended(&mut self, events: &mut Vec<Event>) {
        for event in self.ended.drain(..) {
            self.connections.release(event.conn);
            events.push(event);
        }
    }

    fn accept_all(&mut self, listener: usize, events: &mut Vec<Event>) {
        loop {
            self.tally.system_calls += 1;
            let stream = match self.listeners[listener].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(_) => return,
            };
            self.tally.system_calls += 1;
            if let Ok(conn) = self.watch(Connection::accepted(stream)) {
                events.push(Event {
                    conn,
                    ready: Ready::ACCEPTED,
                });
            }
        }
    }

    /// Translates what epoll says of one connection.
    fn advance(&mut self, conn: Conn, fetched: &mio::event::Event, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        let ready = if fetched.is_error() {
            Ready::FAILED
        } else {
            connection.advance(fetched, &self.options, &mut self.scratch, &mut self.tally)
        };
        if ready.contains(Ready::FAILED) || ready.contains(Ready::CLOSED) {
            self.tally.system_calls += 1;
            self.connections.release(conn);
        }
        if ready != Ready::default() {
            events.push(Event { conn, ready });
        }
    }
}

impl Stack for Kernel {
    fn listen(&mut self, at: SocketAddr, backlog: usize) -> io::Result<()> {
        let _visit = self.visit()?;
        let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), None)?;
        socket.set_reuse_address(true)?;
        // The kernel copies both to every accepted connection, which saves two calls each.
        socket.set_tcp_nodelay(self.options.nodelay)?;
        if let Some(algorithm) = self.options.congestion_control {
            socket.set_tcp_congestion(algorithm.as_bytes())?;
        }
        socket.bind(&at.into())?;
        let backlog = backlog.max(self.options.backlog);
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let mut listener = TcpListener::from_std(socket.into());
        let token = Token(LISTENER | self.listeners.len());
        self.epoll
            .registry()
            .register(&mut listener, token, Interest::READABLE)?;
        self.listeners.push(listener);
        Ok(())
    }

    fn connect(&mut self, from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError> {
        if self.connections.len() >= self.options.connections {
            return Err(ConnectError::TooManyConnections);
        }
        self.start_connecting(from, to)
            .and_then(|connection| self.watch(connection))
            .map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRNOTAVAIL) => ConnectError::PortsExhausted,
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    ConnectError::TooManyConnections
                }
                _ => ConnectError::Other(error.kind()),
            })
    }

    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone> {
        let connection = self
            .connections
            .get_mut(conn)
            .filter(|one| one.is_open())
            .ok_or(Gone)?;
        match connection.send(length, fill, &mut self.scratch, &mut self.tally) {
            Ok(sent) => Ok(sent),
            Err(Gone) => {
                self.end(conn, Ready::FAILED);
                Err(Gone)
            }
        }
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
            .filter(|one| one.is_open())
            .ok_or(Gone)?;
        let limit = limit.min(self.scratch.len());
        match connection.receive(&mut self.scratch[..limit], &mut self.tally) {
            Ok(received) => {
                if let Received::Bytes(length) = received {
                    consume(&self.scratch[..length]);
                }
                Ok(received)
            }
            Err(Gone) => {
                self.end(conn, Ready::FAILED);
                Err(Gone)
            }
        }
    }

    fn close(&mut self, conn: Conn) {
        let Some(connection) = self
            .connections
            .get_mut(conn)
            .filter(|one| one.phase != Phase::Closing)
        else {
            return;
        };
        let ready = connection.close(&mut self.scratch, &mut self.tally);
        if ready != Ready::default() {
            self.end(conn, ready);
        }
    }

    fn abort(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.take(conn) {
            self.tally.system_calls += 2;
            connection.reset();
        } else {
            self.ended.retain(|event| event.conn != conn);
        }
        self.connections.release(conn);
    }

    fn bind(&mut self, at: SocketAddr) -> io::Result<Datagrams> {
        let _visit = self.visit()?;
        let mut socket = DatagramSocket::bind(at, &self.options)?;
        let index = self.datagram_sockets.len();
        self.epoll
            .registry()
            .register(socket.source(), Token(DATAGRAMS | index), Interest::READABLE)?;
        self.datagram_sockets.push(socket);
        Ok(Datagrams(u32::try_from(index).expect("few datagram sockets")))
    }

    fn send_datagrams(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        let Some(socket) = self.datagram_sockets.get_mut(socket.0 as usize) else {
            return 0;
        };
        let sent = socket.send(to, count, length, fill, &mut self.tally);
        self.tally.payload_bytes += (sent * length) as u64;
        sent
    }

    fn receive_datagrams(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let Some(socket) = self.datagram_sockets.get_mut(socket.0 as usize) else {
            return 0;
        };
        socket.receive(limit, consume, &mut self.tally)
    }

    fn poll(&mut self, _now: Nanos, wait: Duration, events: &mut Vec<Event>) {
        self.announce_ended(events);
        let wait = if events.is_empty() { wait } else { Duration::ZERO };
        let mut fetched = std::mem::replace(&mut self.fetched, mio::Events::with_capacity(0));
        self.tally.system_calls += 1;
        // The only error is an interruption by a signal, after which there is nothing to hand out.
        let interrupted = self.epoll.poll(&mut fetched, Some(wait)).is_err();
        if interrupted || fetched.is_empty() {
            self.tally.polls_empty += 1;
        } else {
            self.tally.polls_useful += 1;
            for event in &fetched {
                match source(event.token()) {
                    Source::Connection(conn) => self.advance(conn, event, events),
                    Source::Listener(index) => self.accept_all(index, events),
                    Source::Datagrams => {}
                }
            }
        }
        self.fetched = fetched;
    }

    fn local_port(&mut self, conn: Conn) -> Option<u16> {
        self.tally.system_calls += 1;
        let local = self.connections.get_mut(conn)?.stream.local_addr().ok()?;
        Some(local.port())
    }

    fn counters(&self) -> StackCounters {
        let own = StackCounters {
            payload_bytes: Some(self.tally.payload_bytes),
            system_calls: Some(self.tally.system_calls),
            connections: Some(self.connections.len() as u64),
            polls_useful: Some(self.tally.polls_useful),
            polls_empty: Some(self.tally.polls_empty),
            ..StackCounters::default()
        };
        match (self.options.counts_namespace, self.visit()) {
            (true, Ok(_visit)) => self.baseline.with_namespace(own),
            _ => own,
        }
    }

    fn time_wait_held(&self) -> Option<u64> {
        if !self.options.counts_namespace {
            return None;
        }
        let _visit = self.visit().ok()?;
        nstat::time_wait_held()
    }
}

impl Baseline {
    /// Bytes of a TIME_WAIT entry (`tw_sock_TCP`) and of its port's bind bucket, as `slabinfo` of Linux 6.18 on
    /// x86-64 has them. An estimate: the file is readable for root alone, and caches of like size are merged.
    const TIME_WAIT_ENTRY: u64 = 256 + 128;

    /// What the calling thread's host has counted so far.
    pub(super) fn now() -> Self {
        Self {
            nstat: Nstat::read().unwrap_or_default(),
            slab_bytes: nstat::slab_bytes().unwrap_or_default(),
        }
    }

    /// Adds what the kernel counts for all ends on the host.
    pub(super) fn with_namespace(&self, own: StackCounters) -> StackCounters {
        let Ok(now) = Nstat::read() else { return own };
        let counted = now.since(&self.nstat);
        let time_wait = nstat::time_wait_held();
        let time_wait_bytes = time_wait.map(|entries| entries * Self::TIME_WAIT_ENTRY);
        let grown = nstat::slab_bytes().map(|bytes| bytes.saturating_sub(self.slab_bytes));
        StackCounters {
            retransmitted_segments: Some(counted.retransmitted_segments),
            time_wait,
            time_wait_entered: Some(counted.time_wait_entered),
            time_wait_violations: Some(counted.time_wait_overflow + counted.time_wait_killed),
            time_wait_reused: Some(counted.time_wait_recycled),
            time_wait_bytes,
            // Half, because the other end's sockets are in the same slabs.
            connection_bytes: grown.map(|bytes| bytes.saturating_sub(time_wait_bytes.unwrap_or(0)) / 2),
            syn_cookies_sent: Some(counted.syn_cookies_sent),
            syn_cookies_accepted: Some(counted.syn_cookies_accepted),
            dropped: Some(counted.listen_drops + counted.udp_receive_buffer_errors),
            datagrams_overflowed: Some(counted.udp_receive_buffer_errors),
            datagrams_unsent: Some(counted.udp_send_buffer_errors),
            ..own
        }
    }
}

/// Tokens: a generation above a slot for connections; these slots, which no connection reaches, for the rest.
const LISTENER: usize = 0xffff_0000;
const DATAGRAMS: usize = 0xfffe_0000;

enum Source {
    Connection(Conn),
    Listener(usize),
    Datagrams,
}

fn connection_token(conn: Conn) -> Token {
    Token((conn.generation as usize) << 32 | conn.slot as usize)
}

fn source(token: Token) -> Source {
    let slot = token.0 & 0xffff_ffff;
    match slot & 0xffff_0000 {
        LISTENER => Source::Listener(slot & 0xffff),
        DATAGRAMS => Source::Datagrams,
        _ => Source::Connection(Conn {
            slot: slot as u32,
            generation: (token.0 >> 32) as u32,
        }),
    }
}
