//! Two engines on one wire in virtual time.

pub(crate) mod kernel;
pub(crate) mod namespace;
pub(crate) mod peer;
pub(crate) mod random;
pub(crate) mod station;
pub(crate) mod talker;
pub(crate) mod tshark;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};
use handfast::application::{Event, ListenerHandle, Read, Readiness, TcpHandle};
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::link::ethernet::MacAddress;
use handfast::link::memory::{LocalEnd, WireConfig, ethernet_pair, pair};
use handfast::time::{Duration, Instant};

pub(crate) const PORT: u16 = 7;

/// The address family that a test runs over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn client(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 0, 0, 1).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
        }
    }

    /// The IP header of a packet from the server to the client, to be built on.
    pub(crate) fn to_client(self) -> PacketBuilderStep<IpHeaders> {
        match (self.server(), self.client()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
            _ => unreachable!("both ends are of one family"),
        }
    }

    /// A UDP datagram from the server to the client, with its headers.
    pub(crate) fn datagram_to_client(self, port: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = self.to_client().udp(4000, port);
        builder
            .write(&mut packet, payload)
            .expect("a datagram fits into a packet");
        packet
    }

    /// Octets of a packet that a router quotes: header and eight octets with IPv4, as much as fits into the least MTU with IPv6.
    pub(crate) fn quoted(self) -> usize {
        match self {
            Self::V4 => 28,
            Self::V6 => 1232,
        }
    }

    pub(crate) fn server(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 0, 0, 2).into(),
            Self::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into(),
        }
    }
}

/// The configuration of one end, which a test may change before it makes the pair.
pub(crate) fn config(secret: u8, address: IpAddr) -> Config {
    let mut config = Config::new([secret; 32], [AddressBlock::single(address)]);
    // An address is ours at once and without reports about groups; tests of those switch them on.
    config.link.duplicate_address_detection = 0;
    config.link.group_reports = false;
    config
}

/// [`config`] of an end with few connections, which costs little to make.
pub(crate) fn small_config(secret: u8, address: IpAddr, connections: u32) -> Config {
    let mut config = config(secret, address);
    config.tcp.connections = connections;
    config.tcp.half_open = 8;
    config.tcp.time_wait_presize = 1;
    config
}

/// The two stations of a test's Ethernet.
pub(crate) const STATIONS: [MacAddress; 2] = [MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2])];

/// The same wire in both of its forms: one that carries IP packets, and an Ethernet.
pub(crate) fn wires(config: WireConfig) -> [(LocalEnd, LocalEnd); 2] {
    [pair(config), ethernet_pair(config, STATIONS)]
}

/// How often an engine may ask to be polled and do nothing: a timer that sleeps long wakes once for each level of the wheel.
const MOST_IN_VAIN: u32 = 8;

/// A client, a server, and the time.
pub(crate) struct Pair<D: Device> {
    pub(crate) client: Engine<D>,
    pub(crate) server: Engine<D>,
    pub(crate) now: Instant,
    pub(crate) family: Family,
    pub(crate) client_events: Vec<Event>,
    pub(crate) server_events: Vec<Event>,
    /// The invariants are looked at after every so many rounds of polls.
    pub(crate) rounds_per_check: u64,
    rounds: u64,
}

impl<D: Device> Pair<D> {
    pub(crate) fn new(family: Family, devices: (D, D)) -> Self {
        Self::with_configs(
            family,
            devices,
            config(1, family.client()),
            config(2, family.server()),
        )
    }

    pub(crate) fn with_configs(family: Family, devices: (D, D), client: Config, server: Config) -> Self {
        Self::with_pools(family, devices, client, server, PoolConfig::default())
    }

    /// With memory of a size of its own. The invariants of a pool are looked at after every step, which costs as much as it has slots.
    pub(crate) fn with_pools(
        family: Family,
        devices: (D, D),
        client: Config,
        server: Config,
        memory: PoolConfig,
    ) -> Self {
        let pool = || FramePool::new(memory);
        Self {
            client: Engine::new(&client, pool(), devices.0),
            server: Engine::new(&server, pool(), devices.1),
            now: Instant::from_secs(1000),
            family,
            client_events: Vec::new(),
            server_events: Vec::new(),
            rounds_per_check: 1,
            rounds: 0,
        }
    }

    /// Polls both ends until neither has anything to do now.
    pub(crate) fn settle(&mut self) {
        let mut in_vain = 0;
        for _ in 0..10_000 {
            let client = self.client.poll(self.now, Budget::default());
            self.client_events
                .extend(std::iter::from_fn(|| self.client.poll_event()));
            let server = self.server.poll(self.now, Budget::default());
            self.server_events
                .extend(std::iter::from_fn(|| self.server.poll_event()));
            let waiting = self.next_deadline().is_some_and(|deadline| deadline <= self.now);
            self.rounds += 1;
            if self.rounds.is_multiple_of(self.rounds_per_check) {
                self.check_invariants();
            }
            if !client.is_idle() || !server.is_idle() {
                in_vain = 0;
                continue;
            }
            if !waiting {
                return;
            }
            in_vain += 1;
            assert!(
                in_vain < MOST_IN_VAIN,
                "asked to be polled at {:?}, it is {:?}, nothing happens",
                self.next_deadline(),
                self.now
            );
        }
        panic!("two engines talk for ever");
    }

    pub(crate) fn check_invariants(&self) {
        for engine in [&self.client, &self.server] {
            if let Err(violation) = engine.check_invariants() {
                panic!("at {:?}: {violation}", self.now);
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.client.next_deadline(), self.server.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets `span` pass, stopping at every deadline on the way.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            match self.next_deadline() {
                Some(deadline) if deadline <= end => self.now = self.now.max(deadline),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    pub(crate) fn server_address(&self) -> SocketAddr {
        SocketAddr::new(self.family.server(), PORT)
    }

    pub(crate) fn listen(&mut self) -> ListenerHandle {
        self.server.tcp_listen(self.server_address(), 128).unwrap()
    }

    /// An established connection: the client's handle and the server's.
    pub(crate) fn connect(&mut self) -> (TcpHandle, TcpHandle) {
        let listener = self.listen();
        self.connect_to(listener)
    }

    pub(crate) fn connect_to(&mut self, listener: ListenerHandle) -> (TcpHandle, TcpHandle) {
        let client = self.client.tcp_connect(None, self.server_address()).unwrap();
        self.settle();
        let server = self
            .server
            .tcp_accept(listener)
            .expect("the handshake is complete");
        (client, server)
    }

    /// Everything that the client was told of a connection since it was asked last.
    pub(crate) fn client_ready(&mut self, of: TcpHandle) -> Readiness {
        take_ready(&mut self.client_events, of)
    }

    pub(crate) fn server_ready(&mut self, of: TcpHandle) -> Readiness {
        take_ready(&mut self.server_events, of)
    }
}

fn take_ready(events: &mut Vec<Event>, of: TcpHandle) -> Readiness {
    let mut ready = Readiness::NONE;
    events.retain(|event| match event {
        Event::Tcp(handle, news) if *handle == of => {
            ready |= *news;
            false
        }
        _ => true,
    });
    ready
}

/// Reads everything that is there; `true` with it when the stream has ended.
pub(crate) fn read_all<D: Device>(engine: &mut Engine<D>, connection: TcpHandle) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match engine.tcp_receive_chunk(connection, usize::MAX) {
            Ok(Read::Data(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(Read::End) => return (bytes, true),
            Ok(Read::WouldBlock) | Err(_) => return (bytes, false),
        }
    }
}
