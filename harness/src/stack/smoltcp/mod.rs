//! smoltcp as its users run it at its best: sockets and buffers reused, Nagle off, listeners renewed at once.
//!
//! smoltcp has no backlog, so a listening socket is replaced between two packets when it was taken. It has no list of
//! what became ready, so all connections are looked at after a poll that changed any. It holds TIME_WAIT in the
//! socket itself and lets that socket be used again at once, as is done here: **no TIME_WAIT is kept**, `time_wait`
//! is 0, and every close that owed one is counted in `time_wait_violations`.

mod connection;
mod device;
mod ports;
pub(super) mod wire;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smoltcp::iface::{self, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, IpEndpoint, IpListenEndpoint};

use self::connection::{Connection, Phase};
use self::device::Device;
use self::ports::Ports;
use self::wire::Wire;
use super::slots::Slots;
use super::{Conn, ConnectError, Datagrams, Event, Gone, Nanos, Ready, Received, Stack, StackCounters};
use crate::config::{Checksums, RunConfig, ScenarioKind};

/// Connections of one end at most. Each packet is matched against every socket in turn, so that more than this take
/// longer to open than a run lasts.
pub(super) const MOST_CONNECTIONS: u64 = 16_384;
/// Datagrams that a socket holds in each direction.
const DATAGRAM_QUEUE: usize = 256;

/// How one end is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub(super) mtu: usize,
    pub(super) checksums: Checksums,
    /// Bytes of a connection's send buffer, and of its receive buffer.
    pub(super) buffer: usize,
    /// Bytes of the largest datagram.
    pub(super) datagram: usize,
    pub(super) seed: u64,
}

impl Options {
    pub(super) fn new(config: &RunConfig) -> Self {
        let message = config.message as usize;
        Self {
            mtu: config.mtu as usize,
            checksums: config.checksums,
            buffer: match config.scenario {
                // What is fastest here: larger rings leave the second-level cache.
                ScenarioKind::Stream if config.mtu < 9000 => 64 << 10,
                ScenarioKind::Stream => 256 << 10,
                _ => message.next_power_of_two().clamp(1 << 10, 64 << 10),
            },
            datagram: message.max(64),
            seed: config.seed,
        }
    }
}

/// One end of a wire with smoltcp on it.
pub(super) struct Smoltcp<W: Wire> {
    options: Options,
    device: Device<W>,
    interface: Interface,
    sockets: SocketSet<'static>,
    listeners: Vec<Listener>,
    connections: Slots<Connection>,
    /// TCP sockets that no connection uses.
    idle: Vec<SocketHandle>,
    /// The same, which still have a reset to send.
    resetting: Vec<SocketHandle>,
    /// Ended by a call; announced by the next poll.
    ended: Vec<Event>,
    datagram_sockets: Vec<SocketHandle>,
    ports: Ports,
    tally: Tally,
}

#[derive(Debug)]
struct Listener {
    at: IpListenEndpoint,
    socket: SocketHandle,
}

/// What this end counts.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    tcp_sockets: u64,
    time_wait_cut: u64,
    payload_sent: u64,
    payload_received: u64,
    polls_useful: u64,
    polls_empty: u64,
}

impl<W: Wire> Smoltcp<W> {
    /// An end that owns `address` and answers for every other one too.
    pub(super) fn new(wire: W, address: IpAddr, options: Options) -> Self {
        let mut device = Device::new(wire, options.mtu, options.checksums);
        let mut config = iface::Config::new(HardwareAddress::Ip);
        config.random_seed = options.seed;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(address.into(), 8))
                .expect("room for one address");
        });
        interface.set_any_ip(true);
        Self {
            options,
            device,
            interface,
            sockets: SocketSet::new(Vec::new()),
            listeners: Vec::new(),
            connections: Slots::new(),
            idle: Vec::new(),
            resetting: Vec::new(),
            ended: Vec::new(),
            datagram_sockets: Vec::new(),
            ports: Ports::new(),
            tally: Tally::default(),
        }
    }

    fn idle_socket(&mut self) -> SocketHandle {
        self.idle.pop().unwrap_or_else(|| {
            let buffer = || tcp::SocketBuffer::new(vec![0; self.options.buffer]);
            let mut socket = tcp::Socket::new(buffer(), buffer());
            socket.set_nagle_enabled(false);
            socket.set_congestion_control(tcp::CongestionControl::None);
            self.tally.tcp_sockets += 1;
            self.sockets.add(socket)
        })
    }

    fn listening_socket(&mut self, at: IpListenEndpoint) -> Result<SocketHandle, tcp::ListenError> {
        let handle = self.idle_socket();
        let listening = self.sockets.get_mut::<tcp::Socket<'_>>(handle).listen(at);
        listening.inspect_err(|_| self.idle.push(handle))?;
        Ok(handle)
    }

    /// Puts a fresh socket in the place of each listening one that a SYN has just taken.
    fn renew_listeners(&mut self) {
        for index in 0..self.listeners.len() {
            let Listener { at, socket } = self.listeners[index];
            if !self.sockets.get::<tcp::Socket<'_>>(socket).is_listening() {
                self.connections
                    .insert(Connection::new(socket, Phase::Accepting, None));
                self.listeners[index].socket = self
                    .listening_socket(at)
                    .expect("this endpoint was listened on before");
            }
        }
    }

    fn move_packets(&mut self, now: Instant) -> bool {
        self.interface.poll_maintenance(now);
        let mut changed = false;
        loop {
            match self
                .interface
                .poll_ingress_single(now, &mut self.device, &mut self.sockets)
            {
                PollIngressSingleResult::None => break,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => {
                    changed = true;
                    self.renew_listeners();
                }
            }
        }
        while self
            .interface
            .poll_egress(now, &mut self.device, &mut self.sockets)
            == PollResult::SocketStateChanged
        {
            changed = true;
        }
        changed
    }

    fn collect_events(&mut self, events: &mut Vec<Event>) {
        let first = events.len();
        let mut some_never_were = false;
        for (conn, connection) in self.connections.iter_mut() {
            let socket = self.sockets.get_mut(connection.socket);
            let ready = connection.advance(socket);
            if ready != Ready::default() {
                events.push(Event { conn, ready });
            }
        }
        for event in &events[first..] {
            if event.ready.contains(Ready::CLOSED) || event.ready.contains(Ready::FAILED) {
                self.give_back(event.conn);
                some_never_were |= event.ready == Connection::NEVER_WAS;
            }
        }
        if some_never_were {
            events.retain(|event| event.ready != Connection::NEVER_WAS);
        }
    }

    /// Frees everything that an ended connection holds.
    fn give_back(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.take(conn) {
            self.retire(&connection);
        }
        self.connections.release(conn);
    }

    fn retire(&mut self, connection: &Connection) {
        if let Some(port) = connection.local_port {
            self.ports.release(port);
        }
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
        if socket.state() == tcp::State::TimeWait {
            self.tally.time_wait_cut += 1;
            self.idle.push(connection.socket);
        } else {
            socket.abort();
            self.resetting.push(connection.socket);
        }
    }

    /// A socket forgets its peer once its reset is on the wire, and one that owes none has forgotten it already.
    fn collect_reset_sockets(&mut self) {
        let (sockets, idle) = (&self.sockets, &mut self.idle);
        self.resetting.retain(|&handle| {
            let waits = sockets.get::<tcp::Socket<'_>>(handle).remote_endpoint().is_some();
            if !waits {
                idle.push(handle);
            }
            waits
        });
    }

    fn connect_socket(
        &mut self,
        handle: SocketHandle,
        from: IpAddr,
        to: SocketAddr,
        port: u16,
    ) -> Result<(), tcp::ConnectError> {
        let local = IpListenEndpoint {
            addr: (!from.is_unspecified()).then(|| from.into()),
            port,
        };
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.interface.context(), IpEndpoint::from(to), local)
    }
}

impl<W: Wire> Stack for Smoltcp<W> {
    /// The backlog has no meaning here: a listening socket is replaced before the next packet is looked at.
    fn listen(&mut self, at: SocketAddr, _backlog: usize) -> io::Result<()> {
        let at = IpListenEndpoint::from(IpEndpoint::from(at));
        let socket = self
            .listening_socket(at)
            .map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        self.listeners.push(Listener { at, socket });
        Ok(())
    }

    fn connect(&mut self, from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError> {
        if self.connections.len() as u64 >= MOST_CONNECTIONS {
            return Err(ConnectError::TooManyConnections);
        }
        let port = self.ports.allocate().ok_or(ConnectError::PortsExhausted)?;
        let socket = self.idle_socket();
        if self.connect_socket(socket, from, to, port).is_err() {
            self.ports.release(port);
            self.idle.push(socket);
            return Err(ConnectError::Other(ErrorKind::InvalidInput));
        }
        Ok(self
            .connections
            .insert(Connection::new(socket, Phase::Connecting, Some(port))))
    }

    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone> {
        let connection = self.connections.get_mut(conn).ok_or(Gone)?;
        let sent = connection.send(self.sockets.get_mut(connection.socket), length, fill)?;
        self.tally.payload_sent += sent as u64;
        Ok(sent)
    }

    fn receive(
        &mut self,
        conn: Conn,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        let connection = self.connections.get_mut(conn).ok_or(Gone)?;
        let received = connection.receive(self.sockets.get_mut(connection.socket), limit, consume)?;
        if let Received::Bytes(length) = received {
            self.tally.payload_received += length as u64;
        }
        Ok(received)
    }

    fn close(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else {
            return;
        };
        if connection.close(self.sockets.get_mut(connection.socket)) {
            self.ended.push(Event {
                conn,
                ready: Ready::CLOSED,
            });
        }
    }

    fn abort(&mut self, conn: Conn) {
        self.ended.retain(|event| event.conn != conn);
        self.give_back(conn);
    }

    fn bind(&mut self, at: SocketAddr) -> io::Result<Datagrams> {
        let buffer = || {
            udp::PacketBuffer::new(
                vec![udp::PacketMetadata::EMPTY; DATAGRAM_QUEUE],
                vec![0; DATAGRAM_QUEUE * self.options.datagram],
            )
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        let port = match at.port() {
            0 => self.ports.allocate().ok_or(ErrorKind::AddrNotAvailable)?,
            port => port,
        };
        let addr = (!at.ip().is_unspecified()).then(|| at.ip().into());
        socket
            .bind(IpListenEndpoint { addr, port })
            .map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        self.datagram_sockets.push(self.sockets.add(socket));
        Ok(Datagrams(
            u32::try_from(self.datagram_sockets.len() - 1).expect("few datagram sockets"),
        ))
    }

    fn send_datagrams(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        let Some(&handle) = self.datagram_sockets.get(socket.0 as usize) else {
            return 0;
        };
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
        let to = IpEndpoint::from(to);
        let mut sent = 0;
        while sent < count
            && let Ok(bytes) = socket.send(length, to)
        {
            fill(sent, bytes);
            sent += 1;
        }
        self.tally.payload_sent += (sent * length) as u64;
        sent
    }

    fn receive_datagrams(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let Some(&handle) = self.datagram_sockets.get(socket.0 as usize) else {
            return 0;
        };
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
        let mut received = 0;
        while received < limit
            && let Ok((bytes, _)) = socket.recv()
        {
            self.tally.payload_received += bytes.len() as u64;
            consume(bytes);
            received += 1;
        }
        received
    }

    fn poll(&mut self, now: Nanos, _wait: Duration, events: &mut Vec<Event>) {
        for event in std::mem::take(&mut self.ended) {
            self.give_back(event.conn);
            events.push(event);
        }
        let now = Instant::from_micros(i64::try_from(now / 1000).unwrap_or(i64::MAX));
        if self.move_packets(now) {
            self.tally.polls_useful += 1;
            self.collect_events(events);
        } else {
            self.tally.polls_empty += 1;
        }
        self.collect_reset_sockets();
    }

    fn counters(&self) -> StackCounters {
        let socket_bytes = size_of::<tcp::Socket<'_>>() + 2 * self.options.buffer + size_of::<Connection>();
        let device = self.device.tally;
        StackCounters {
            // Into the packet at one end and out of it at the other; the application writes and reads in place.
            copied_bytes: Some(self.tally.payload_sent + self.tally.payload_received),
            payload_bytes: Some(self.tally.payload_sent),
            system_calls: Some(0),
            packets: Some(device.sent + device.received),
            time_wait: Some(0),
            time_wait_entered: None,
            time_wait_violations: Some(self.tally.time_wait_cut),
            time_wait_reused: Some(0),
            time_wait_bytes: Some(0),
            connection_bytes: Some(self.tally.tcp_sockets * socket_bytes as u64),
            connections: Some(self.connections.len() as u64),
            dropped: Some(device.dropped),
            polls_useful: Some(self.tally.polls_useful),
            polls_empty: Some(self.tally.polls_empty),
            ..StackCounters::default()
        }
    }
}
