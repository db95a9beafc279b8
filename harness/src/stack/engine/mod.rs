//! Handfast's engine as a [`Stack`]: one engine is one end.

mod ends;
mod memory;

pub(crate) use ends::{Between, pair, split_pair};
pub(crate) use memory::check as check_memory;

use std::cell::Cell;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use handfast::application::{
    ConnectError as Refusal, Event as News, ListenerHandle, Read, Readiness, TcpHandle, UdpHandle,
};
use handfast::config::{AddressBlock, Config, Route, StaticNeighbour};
use handfast::engine::{Budget, Engine as Handfast};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::time::Instant;

use super::{Conn, ConnectError, Datagrams, Event, Gone, Nanos, Ready, Received, Side, Stack, StackCounters};
use crate::config::{PathKind, RunConfig, ScenarioKind};
use crate::flood;
use crate::load::conductor::warm_up;
use crate::path::detour::{Detour, NOBODY};

/// Connections that may be closed in a second of a run: TIME_WAIT entries for which memory is touched ahead.
const CLOSES_PER_SECOND: f64 = 1_000_000.0;
/// The most TIME_WAIT entries that an end keeps: 60 s of more than a million closes a second.
const TIME_WAIT_ENTRIES: u32 = 100_000_000;

/// Connections that an end has room for however few it is asked for, where no packet is lost. A flow table for many more leaves the cache.
const LEAST_CONNECTIONS: u32 = 8_192;
/// The same where packets may be lost: connections that were closed long ago may still send again.
const LEAST_CONNECTIONS_WITH_LOSS: u32 = 65_536;

/// How an end is made.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    config: Config,
    pool: PoolConfig,
}

impl Options {
    /// The options of the end whose addresses are `addresses`. The keys of the two ends differ.
    pub(crate) fn new(run: &RunConfig, addresses: &[IpAddr], side: Side) -> Self {
        let mut secret = [side as u8 + 1; 32];
        secret[..8].copy_from_slice(&run.seed.to_le_bytes());
        let mut config = Config::new(secret, addresses.iter().copied().map(AddressBlock::single));
        if let Some(block) = common_block(addresses) {
            config.addresses = vec![block];
        }
        // Nobody else is on the wire.
        config.link.duplicate_address_detection = 0;
        let connections = u64::from(run.connections) * 4 + run.idle + 1024;
        let least = match run.path {
            PathKind::Memory => LEAST_CONNECTIONS,
            _ => LEAST_CONNECTIONS_WITH_LOSS,
        };
        config.tcp.connections = u32::try_from(connections).unwrap_or(u32::MAX).max(least);
        // All of them may be closed at a time.
        config.tcp.orphans = config.tcp.connections;
        config.tcp.half_open = run.connections.saturating_mul(2).max(4096);
        config.tcp.no_delay = run.scenario != ScenarioKind::Stream;
        config.tcp.time_wait_entries = TIME_WAIT_ENTRIES;
        config.tcp.time_wait_presize = presize(run, side);
        if let Some(range) = run.pressure.port_range {
            config.ephemeral_ports = range.low..=range.high;
        }
        config.destinations = addresses.len().max(64) as u32 * run.pressure.ports.unwrap_or(1) + 1024;
        Self { config, pool: pool() }
    }

    /// The same, as a station of its own on an interface that is the kernel's, too. That drops at once what comes for another station; what comes
    /// for its own it looks for a route for, and frees what it made for each later, thousands at a time, while everybody waits.
    pub(super) fn beside_kernel(mut self, side: Side) -> Self {
        self.config.link.hardware_address = Some([0x02, 0, 0, 0, 0x01, side as u8]);
        self
    }

    /// The same, which knows that whoever is behind the gateway of `detour` is nobody's neighbour, and whom to send to in their place.
    pub(super) fn with_detour(mut self, detour: &Detour) -> Self {
        let (link, network) = (detour.link, detour.network);
        let routes = [
            Route::on_link(link.0, link.1),
            Route::through(detour.gateway, network.0, network.1),
        ];
        for route in routes {
            let route = route.expect("no more bits than the family has");
            self.config.add_route(route).expect("the gateway is on the link");
        }
        self.config.link.static_neighbours.push(StaticNeighbour {
            address: detour.gateway,
            hardware_address: NOBODY,
        });
        self
    }

    /// The engine itself, over the device that `make_device` makes around its pool.
    pub(super) fn build<D: Device, E>(
        &self,
        make_device: impl FnOnce(&FramePool) -> Result<D, E>,
    ) -> Result<Handfast<D>, E> {
        let pool = FramePool::new(self.pool);
        pool.prefault();
        let device = make_device(&pool)?;
        Ok(Handfast::new(&self.config, pool, device))
    }
}

fn pool() -> PoolConfig {
    PoolConfig {
        small_slots: 8192,
        large_slots: 64,
        ..PoolConfig::default()
    }
}

/// TIME_WAIT entries that memory is made ready for: those of the end that closes first. The other one keeps none.
fn presize(run: &RunConfig, side: Side) -> u32 {
    let closes = matches!(
        run.scenario,
        ScenarioKind::Connect
            | ScenarioKind::Crr
            | ScenarioKind::Teardown
            | ScenarioKind::TimeWait
            | ScenarioKind::SynFlood
    );
    if !side.closes_first(run) {
        return 0;
    }
    let ahead = if closes {
        ((run.duration + warm_up(run)).as_secs_f64() * CLOSES_PER_SECOND) as u64
    } else {
        0
    };
    let entries = run.time_wait + ahead.min(u64::from(TIME_WAIT_ENTRIES));
    u32::try_from(entries).unwrap_or(u32::MAX).max(65_536)
}

/// The smallest block that holds all addresses, when there are so many that a list would be slow.
fn common_block(addresses: &[IpAddr]) -> Option<AddressBlock> {
    let (first, last) = (addresses.first()?, addresses.last()?);
    let common = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return None,
    };
    (addresses.len() > 4)
        .then(|| AddressBlock::new(*first, common as u8).expect("no more bits than the family has"))
}

/// One end: an engine over a device.
pub(crate) struct Engine<D> {
    engine: Handfast<D>,
    listeners: Vec<ListenerHandle>,
    datagrams: Vec<UdpHandle>,
    addresses: Vec<IpAddr>,
    remotes: Vec<SocketAddr>,
    payload_bytes: u64,
    polls_useful: u64,
    polls_empty: u64,
    /// What came of the flood that its device makes.
    flood: Option<Rc<Cell<flood::Tally>>>,
    /// The most half-open connections seen; `None` where nobody looks.
    half_open_peak: Option<usize>,
}

impl<D: Device> Engine<D> {
    /// An end over the device that `make_device` makes around the end's own pool. `remotes` are where it will connect to.
    pub(crate) fn new(
        options: &Options,
        addresses: &[IpAddr],
        remotes: &[SocketAddr],
        make_device: impl FnOnce(&FramePool) -> D,
    ) -> Self {
        let Ok(engine) = options.build(|pool| Ok::<_, Infallible>(make_device(pool)));
        Self {
            engine,
            listeners: Vec::new(),
            datagrams: Vec::new(),
            addresses: addresses.to_vec(),
            remotes: remotes.to_vec(),
            payload_bytes: 0,
            polls_useful: 0,
            polls_empty: 0,
            flood: None,
            half_open_peak: None,
        }
    }

    /// The same, looking at its half-open connections after every poll.
    pub(crate) fn watching_half_open(self) -> Self {
        Self {
            half_open_peak: Some(0),
            ..self
        }
    }

    /// The same, with a flood out of its device that is counted in `tally`.
    pub(crate) fn flooded(self, tally: Rc<Cell<flood::Tally>>) -> Self {
        Self {
            flood: Some(tally),
            ..self.watching_half_open()
        }
    }

    fn accept(&mut self, listener: ListenerHandle, events: &mut Vec<Event>) {
        while let Some(connection) = self.engine.tcp_accept(listener) {
            events.push(Event {
                conn: conn(connection),
                ready: Ready::ACCEPTED,
            });
        }
    }

    fn report(&mut self, connection: TcpHandle, news: Readiness, events: &mut Vec<Event>) {
        let ready = ready(news);
        if ready.contains(Ready::FAILED) {
            self.engine.tcp_close(connection);
        }
        if ready != Ready::default() {
            events.push(Event {
                conn: conn(connection),
                ready,
            });
        }
    }
}

fn conn(handle: TcpHandle) -> Conn {
    Conn {
        slot: handle.slot(),
        generation: handle.generation(),
    }
}

fn handle(conn: Conn) -> TcpHandle {
    TcpHandle::from_parts(conn.slot, conn.generation)
}

/// The harness's flags for the engine's.
fn ready(news: Readiness) -> Ready {
    let told = |from, flag| {
        if news.contains(from) {
            flag
        } else {
            Ready::default()
        }
    };
    told(Readiness::CONNECTED, Ready::CONNECTED)
        | told(Readiness::READABLE, Ready::READABLE)
        | told(Readiness::PEER_CLOSED, Ready::READABLE)
        | told(Readiness::WRITABLE, Ready::WRITABLE)
        | told(Readiness::CLOSED, Ready::CLOSED)
        | told(Readiness::FAILED, Ready::FAILED)
}

impl<D: Device> Stack for Engine<D> {
    fn listen(&mut self, at: SocketAddr, backlog: usize) -> std::io::Result<()> {
        let listener = self
            .engine
            .tcp_listen(at, backlog)
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::AddrInUse, error))?;
        self.listeners.push(listener);
        Ok(())
    }

    fn connect(&mut self, from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError> {
        let from = (!from.is_unspecified()).then_some(from);
        self.engine
            .tcp_connect(from, to)
            .map(conn)
            .map_err(|refusal| match refusal {
                Refusal::PortsExhausted | Refusal::TooManyDestinations => ConnectError::PortsExhausted,
                Refusal::TooManyConnections => ConnectError::TooManyConnections,
                Refusal::NoRoute => ConnectError::Other(std::io::ErrorKind::NetworkUnreachable),
                Refusal::InvalidLocalAddress | Refusal::InvalidRemoteAddress => {
                    ConnectError::Other(std::io::ErrorKind::InvalidInput)
                }
            })
    }

    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone> {
        let taken = self
            .engine
            .tcp_send_with(handle(conn), length, fill)
            .map_err(|_| Gone)?;
        self.payload_bytes += taken as u64;
        Ok(taken)
    }

    fn receive(
        &mut self,
        conn: Conn,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        match self.engine.tcp_receive_with(handle(conn), limit, consume) {
            Ok(Read::Data(bytes)) => Ok(Received::Bytes(bytes)),
            Ok(Read::WouldBlock) => Ok(Received::WouldBlock),
            Ok(Read::End) => Ok(Received::EndOfStream),
            Err(_) => Err(Gone),
        }
    }

    fn close(&mut self, conn: Conn) {
        // What was not read is read away, or the engine would tell the peer by a reset that it is lost.
        while let Ok(Read::Data(_)) = self
            .engine
            .tcp_receive_with(handle(conn), usize::MAX, &mut |_| {})
        {}
        self.engine.tcp_close(handle(conn));
    }

    fn abort(&mut self, conn: Conn) {
        self.engine.tcp_abort(handle(conn));
    }

    fn bind(&mut self, at: SocketAddr) -> std::io::Result<Datagrams> {
        let socket = self
            .engine
            .udp_bind(at)
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, error))?;
        self.datagrams.push(socket);
        Ok(Datagrams(self.datagrams.len() as u32 - 1))
    }

    fn send_datagrams(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        let socket = self.datagrams[socket.0 as usize];
        for index in 0..count {
            if self
                .engine
                .udp_send_with(socket, to, length, &mut |bytes| fill(index, bytes))
                .is_err()
            {
                return index;
            }
        }
        count
    }

    fn receive_datagrams(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let socket = self.datagrams[socket.0 as usize];
        for index in 0..limit {
            match self.engine.udp_receive(socket) {
                Some(datagram) => consume(&datagram.payload),
                None => return index,
            }
        }
        limit
    }

    fn poll(&mut self, now: Nanos, _wait: Duration, events: &mut Vec<Event>) {
        let progress = self.engine.poll(Instant::from_nanos(now), Budget::default());
        if let Some(peak) = &mut self.half_open_peak {
            *peak = (*peak).max(self.engine.tcp_memory().half_open);
        }
        if progress.is_idle() {
            self.polls_empty += 1;
        } else {
            self.polls_useful += 1;
        }
        while let Some(news) = self.engine.poll_event() {
            match news {
                News::Tcp(connection, ready) => self.report(connection, ready, events),
                News::Acceptable(listener) => self.accept(listener, events),
                News::Udp(_) => {}
            }
        }
    }

    fn local_port(&mut self, conn: Conn) -> Option<u16> {
        let (local, _) = self.engine.tcp_addresses(handle(conn))?;
        Some(local.port())
    }

    fn counters(&self) -> StackCounters {
        let counters = self.engine.counters();
        let time_wait = self.engine.time_wait();
        let memory = self.engine.tcp_memory();
        let flooded = self.flood.as_ref().map(|tally| tally.get());
        let copied = counters.device.copied_bytes
            + counters.tcp.application_bytes_copied
            + counters.tcp.gathered_bytes
            + counters.tcp.copybreak_bytes;
        StackCounters {
            retransmitted_segments: Some(counters.tcp.segments_retransmitted),
            copied_bytes: Some(copied + counters.udp.copied_bytes),
            payload_bytes: Some(self.payload_bytes),
            system_calls: Some(counters.device.system_calls),
            packets: Some(counters.device.sent),
            time_wait: Some(time_wait.len),
            time_wait_entered: Some(time_wait.entered),
            time_wait_violations: Some(time_wait.violations),
            time_wait_reused: Some(time_wait.reused),
            time_wait_bytes: Some(time_wait.mapped_bytes),
            connection_bytes: Some(memory.connection_bytes as u64),
            connections: Some(u64::from(memory.connections)),
            syn_cookies_sent: Some(counters.tcp.syn_cookies_sent),
            syn_cookies_accepted: Some(counters.tcp.syn_cookies_accepted),
            half_open_peak: self.half_open_peak.map(|peak| peak as u64),
            half_open_bytes: self.half_open_peak.map(|_| memory.half_open_bytes as u64),
            flood_syns: flooded.map(|flood| flood.syns),
            flood_syn_acks: flooded.map(|flood| flood.syn_acks),
            flood_resets: flooded.map(|flood| flood.resets),
            dropped: Some(counters.device.dropped + counters.udp.dropped_queue_full),
            datagrams_overflowed: Some(counters.udp.dropped_queue_full),
            datagrams_unsent: None,
            device_dropped: Some(counters.device.dropped),
            polls_useful: Some(self.polls_useful),
            polls_empty: Some(self.polls_empty),
        }
    }

    fn preload_time_wait(&mut self, now: Nanos, count: u64) -> Option<u64> {
        Some(
            self.engine
                .preload_time_wait(Instant::from_nanos(now), &self.addresses, &self.remotes, count),
        )
    }
}
