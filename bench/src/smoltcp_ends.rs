//! Two smoltcp interfaces.

use std::{fmt, time};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::smoltcp_wire::{WireEnd, pair};
use crate::{DATAGRAM, Ends, Turns};

const PORT: u16 = 7;
const SERVER: IpAddress = IpAddress::v4(10, 2, 0, 1);
/// Local ports that a client address has for connections.
const PORTS: usize = 60_000;
const FIRST_PORT: u16 = 1024;
const ABREAST: usize = 64;
const DATAGRAMS: usize = 128;

struct End {
    device: WireEnd,
    interface: Interface,
    sockets: SocketSet<'static>,
    datagrams: SocketHandle,
}

impl End {
    fn new(address: IpAddress, port: u16, mut device: WireEnd) -> Self {
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(address, 8))
                .expect("there is room for one");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || {
            udp::PacketBuffer::new(
                vec![udp::PacketMetadata::EMPTY; DATAGRAMS],
                vec![0; DATAGRAMS * DATAGRAM],
            )
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).expect("the port is free");
        let datagrams = sockets.add(socket);
        Self {
            device,
            interface,
            sockets,
            datagrams,
        }
    }

    fn poll(&mut self, now: Instant) {
        self.interface.poll(now, &mut self.device, &mut self.sockets);
    }

    fn add_tcp(&mut self, buffer: usize) -> SocketHandle {
        let bytes = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(bytes(), bytes());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        self.sockets.add(socket)
    }

    fn tcp(&mut self, socket: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(socket)
    }

    fn connect(&mut self, socket: SocketHandle, from: (IpAddress, u16)) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(socket);
        socket
            .connect(self.interface.context(), (SERVER, PORT), from)
            .expect("the socket is closed");
    }

    fn send(&mut self, socket: SocketHandle) {
        assert_eq!(self.tcp(socket).send_slice(b"!"), Ok(1));
    }

    fn receive(&mut self, socket: SocketHandle) {
        assert_eq!(self.tcp(socket).recv_slice(&mut [0; 8]), Ok(1));
    }
}

/// Two smoltcp interfaces on a wire of the same kind as the engine's, in virtual time.
pub struct SmoltcpEnds {
    client: End,
    server: End,
    now: Instant,
    buffer: usize,
    open: Vec<(SocketHandle, SocketHandle)>,
    passing: Option<(SocketHandle, SocketHandle)>,
    port: u16,
    turns: Turns,
}

impl fmt::Debug for SmoltcpEnds {
    /// smoltcp's interface has nothing to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmoltcpEnds")
            .field("open", &self.open.len())
            .finish_non_exhaustive()
    }
}

impl SmoltcpEnds {
    /// Interfaces whose connections have buffers of `buffer` bytes.
    pub fn new(buffer: usize) -> Self {
        let (near, far) = pair();
        Self {
            client: End::new(client_address(0), 1, near),
            server: End::new(SERVER, PORT, far),
            now: Instant::ZERO,
            buffer,
            open: Vec::new(),
            passing: None,
            port: FIRST_PORT,
            turns: Turns::default(),
        }
    }

    fn round(&mut self) {
        self.client.poll(self.now);
        self.server.poll(self.now);
        self.client.poll(self.now);
    }
}

fn client_address(index: usize) -> IpAddress {
    IpAddress::v4(10, 1, 0, 1 + (index / PORTS) as u8)
}

impl Ends for SmoltcpEnds {
    fn open(&mut self, count: usize, seconds: u64) -> usize {
        assert!(count <= PORTS, "one client address has {PORTS} ports");
        let start = time::Instant::now();
        while self.open.len() < count && start.elapsed().as_secs() < seconds {
            let first = self.open.len();
            for index in first..count.min(first + ABREAST) {
                let (client, server) = (self.client.add_tcp(self.buffer), self.server.add_tcp(self.buffer));
                self.server
                    .tcp(server)
                    .listen(PORT)
                    .expect("the socket is closed");
                self.client
                    .connect(client, (client_address(index), FIRST_PORT + index as u16));
                self.open.push((client, server));
            }
            self.round();
            self.server.poll(self.now);
            for &(client, server) in &self.open[first..] {
                let ours = self.client.tcp(client).local_endpoint();
                assert_eq!(self.server.tcp(server).remote_endpoint(), ours);
            }
        }
        self.open.len()
    }

    /// smoltcp keeps the socket itself in TIME_WAIT: it is used again at once, because nothing else lets it go on.
    fn connection(&mut self) {
        let (client, server) = match self.passing {
            Some(sockets) => sockets,
            None => *self
                .passing
                .insert((self.client.add_tcp(self.buffer), self.server.add_tcp(self.buffer))),
        };
        self.now += smoltcp::time::Duration::from_micros(10);
        self.port = FIRST_PORT.max(self.port.wrapping_add(1));
        self.server
            .tcp(server)
            .listen(PORT)
            .expect("the socket is closed");
        self.client.connect(client, (client_address(0), self.port));
        self.round();
        self.client.send(client);
        self.client.poll(self.now);
        self.server.poll(self.now);
        self.server.receive(server);
        self.server.send(server);
        self.server.poll(self.now);
        self.client.poll(self.now);
        self.client.receive(client);
        self.client.tcp(client).close();
        self.client.poll(self.now);
        self.server.poll(self.now);
        self.server.tcp(server).close();
        self.server.poll(self.now);
        self.round();
    }

    fn exchange(&mut self, batch: usize) {
        let first = self.turns;
        let count = self.open.len();
        for _ in 0..batch {
            self.client.send(self.open[self.turns.next(count)].0);
        }
        self.client.poll(self.now);
        self.server.poll(self.now);
        let mut turns = first;
        for _ in 0..batch {
            let (_, server) = self.open[turns.next(count)];
            self.server.receive(server);
            self.server.send(server);
        }
        self.server.poll(self.now);
        self.client.poll(self.now);
        let mut turns = first;
        for _ in 0..batch {
            self.client.receive(self.open[turns.next(count)].0);
        }
    }

    fn datagrams(&mut self, count: usize) {
        let socket = self
            .client
            .sockets
            .get_mut::<udp::Socket<'_>>(self.client.datagrams);
        for _ in 0..count {
            socket
                .send(DATAGRAM, (SERVER, PORT))
                .expect("the socket has room")
                .fill(1);
        }
        self.client.poll(self.now);
        self.server.poll(self.now);
        let socket = self
            .server
            .sockets
            .get_mut::<udp::Socket<'_>>(self.server.datagrams);
        for _ in 0..count {
            assert!(socket.recv().is_ok());
        }
    }

    fn stream(&mut self, bytes: usize) {
        let (client, server) = self.open[0];
        let (mut sent, mut received) = (0, 0);
        let mut sum = 0u64;
        while received < bytes {
            while sent < bytes && self.client.tcp(client).can_send() {
                sent += self
                    .client
                    .tcp(client)
                    .send(|target| {
                        let length = target.len().min(bytes - sent);
                        target[..length].fill(1);
                        (length, length)
                    })
                    .expect("the connection is open");
            }
            self.client.poll(self.now);
            self.server.poll(self.now);
            while self.server.tcp(server).can_recv() {
                received += self
                    .server
                    .tcp(server)
                    .recv(|bytes| {
                        sum += bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
                        (bytes.len(), bytes.len())
                    })
                    .expect("the connection is open");
            }
            self.server.poll(self.now);
        }
        assert_eq!(sum, bytes as u64);
    }
}
