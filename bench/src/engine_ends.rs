//! Two engines.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time;

use handfast::application::{ListenerHandle, Read, TcpHandle, UdpHandle};
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::{Duration, Instant};

use crate::{DATAGRAM, Ends, Turns};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
const PORT: u16 = 7;
/// Client addresses: enough that no port comes back inside 60 s.
const CLIENTS: u32 = 1024;
/// What the clock goes forward by with each whole connection: 6 million entries in TIME_WAIT at most.
const CONNECTION_SPAN_MICROS: u64 = 10;
const ABREAST: usize = 64;

/// Two engines on one wire in memory that trusts its ends, in virtual time.
#[derive(Debug)]
pub struct EngineEnds {
    client: Engine<LocalEnd>,
    server: Engine<LocalEnd>,
    now: Instant,
    listener: ListenerHandle,
    sockets: (UdpHandle, UdpHandle),
    open: Vec<(TcpHandle, TcpHandle)>,
    connected: u32,
    turns: Turns,
    /// Connections that are between two steps of their lives.
    abreast: Vec<TcpHandle>,
}

fn engine(address: Ipv4Addr, prefix: u8, connections: usize, device: LocalEnd) -> Engine<LocalEnd> {
    let block = AddressBlock::new(address.into(), prefix).expect("IPv4 has 32 bits");
    let mut config = Config::new([address.octets()[1]; 32], [block]);
    config.tcp.connections = (connections + 1024) as u32;
    config.tcp.orphans = config.tcp.connections;
    config.tcp.no_delay = true;
    let pool = FramePool::new(PoolConfig::default());
    pool.prefault();
    Engine::new(&config, pool, device)
}

impl EngineEnds {
    /// Engines with room for `connections` open at a time.
    pub fn new(connections: usize) -> Self {
        Self::over(WireConfig::default(), connections)
    }

    /// As [`EngineEnds::new`], with another wire between them.
    pub fn over(wire: WireConfig, connections: usize) -> Self {
        let (near, far) = pair(wire);
        let mut client = engine(Ipv4Addr::new(10, 1, 0, 0), 16, connections, near);
        let mut server = engine(SERVER, 32, connections, far);
        let listener = server
            .tcp_listen((SERVER, PORT).into(), 1024)
            .expect("nobody else listens");
        let sockets = (
            client
                .udp_bind((Ipv4Addr::UNSPECIFIED, 1).into())
                .expect("the port is free"),
            server.udp_bind((SERVER, PORT).into()).expect("the port is free"),
        );
        let now = Instant::from_secs(1);
        Self {
            client,
            server,
            now,
            listener,
            sockets,
            open: Vec::new(),
            connected: 0,
            turns: Turns::default(),
            abreast: Vec::new(),
        }
    }

    fn poll_client(&mut self) {
        self.client.poll(self.now, Budget::default());
        while self.client.poll_event().is_some() {}
    }

    fn poll_server(&mut self) {
        self.server.poll(self.now, Budget::default());
        while self.server.poll_event().is_some() {}
    }

    /// There and back.
    fn round(&mut self) {
        self.poll_client();
        self.poll_server();
        self.poll_client();
    }

    /// Rounds until nothing is left to do at this time; acknowledgments first wait for what the application may have to say.
    fn settle(&mut self) {
        loop {
            self.poll_client();
            self.poll_server();
            let deadlines = [self.client.next_deadline(), self.server.next_deadline()];
            let waits = deadlines
                .into_iter()
                .flatten()
                .any(|deadline| deadline <= self.now);
            let is_idle = self.client.poll(self.now, Budget::default()).is_idle();
            if is_idle && self.server.poll(self.now, Budget::default()).is_idle() && !waits {
                return;
            }
        }
    }

    fn connect(&mut self) -> TcpHandle {
        let local = IpAddr::from(Ipv4Addr::from_bits(0x0a01_0000 + self.connected % CLIENTS));
        self.connected = self.connected.wrapping_add(1);
        self.client
            .tcp_connect(Some(local), SocketAddr::from((SERVER, PORT)))
            .expect("a port is free")
    }

    fn accept(&mut self) -> TcpHandle {
        self.server
            .tcp_accept(self.listener)
            .expect("the handshake is complete")
    }
}

impl EngineEnds {
    /// So many whole connections side by side, each as in [`Ends::connection`]: a byte there and back, closed by the client.
    pub fn connections(&mut self, count: usize) {
        self.now += Duration::from_micros(CONNECTION_SPAN_MICROS * count as u64);
        let mut abreast = std::mem::take(&mut self.abreast);
        abreast.extend((0..count).map(|_| self.connect()));
        self.round();
        for &client in &abreast {
            send(&mut self.client, client);
        }
        self.poll_client();
        self.poll_server();
        let accepted = abreast.len();
        for _ in 0..count {
            let server = self.accept();
            receive(&mut self.server, server);
            send(&mut self.server, server);
            abreast.push(server);
        }
        self.poll_server();
        self.poll_client();
        for client in abreast.drain(..accepted) {
            receive(&mut self.client, client);
            self.client.tcp_close(client);
        }
        self.poll_client();
        self.poll_server();
        for server in abreast.drain(..) {
            self.server.tcp_close(server);
        }
        self.abreast = abreast;
        self.poll_server();
        self.round();
    }
}

fn send(engine: &mut Engine<LocalEnd>, connection: TcpHandle) {
    assert_eq!(engine.tcp_send(connection, b"!"), Ok(1));
}

fn receive(engine: &mut Engine<LocalEnd>, connection: TcpHandle) {
    let read = engine.tcp_receive(connection, &mut [0; 8]);
    assert!(matches!(read, Ok(Read::Data(1))), "{read:?}");
}

impl Ends for EngineEnds {
    fn open(&mut self, count: usize, seconds: u64) -> usize {
        let start = time::Instant::now();
        while self.open.len() < count && start.elapsed().as_secs() < seconds {
            let abreast = ABREAST.min(count - self.open.len());
            let clients: Vec<_> = (0..abreast).map(|_| self.connect()).collect();
            self.settle();
            for client in clients {
                let server = self.accept();
                self.open.push((client, server));
            }
        }
        self.open.len()
    }

    fn connection(&mut self) {
        self.connections(1);
    }

    fn exchange(&mut self, batch: usize) {
        let first = self.turns;
        let count = self.open.len();
        for _ in 0..batch {
            send(&mut self.client, self.open[self.turns.next(count)].0);
        }
        self.poll_client();
        self.poll_server();
        let mut turns = first;
        for _ in 0..batch {
            let (_, server) = self.open[turns.next(count)];
            receive(&mut self.server, server);
            send(&mut self.server, server);
        }
        self.poll_server();
        self.poll_client();
        let mut turns = first;
        for _ in 0..batch {
            receive(&mut self.client, self.open[turns.next(count)].0);
        }
    }

    fn datagrams(&mut self, count: usize) {
        for _ in 0..count {
            let to = SocketAddr::from((SERVER, PORT));
            self.client
                .udp_send_with(self.sockets.0, to, DATAGRAM, &mut |bytes| bytes.fill(1))
                .expect("the wire has room");
        }
        self.poll_client();
        self.poll_server();
        for _ in 0..count {
            assert!(self.server.udp_receive(self.sockets.1).is_some());
        }
    }

    fn stream(&mut self, bytes: usize) {
        let (client, server) = self.open[0];
        let (mut sent, mut received) = (0, 0);
        let mut sum = 0u64;
        while received < bytes {
            sent += self
                .client
                .tcp_send_with(client, bytes - sent, &mut |target| target.fill(1))
                .expect("the connection is open");
            self.poll_client();
            self.poll_server();
            while let Ok(Read::Data(read)) = self.server.tcp_receive_with(server, usize::MAX, &mut |bytes| {
                sum += bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            }) {
                received += read;
            }
            self.poll_server();
        }
        assert_eq!(sum, bytes as u64);
    }
}
