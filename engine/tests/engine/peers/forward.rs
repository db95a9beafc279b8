//! What reaches the engine is passed on to a server of the kernel's, and what that answers, back.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread::JoinHandle;

use handfast::application::{Read as Received, TcpHandle, UdpHandle};
use handfast::link::Device;

use crate::support::kernel::Host;

type Peer = Host<Box<dyn Device>>;

/// One connection of a client, passed on to a server of the kernel's.
struct Passage {
    client: TcpHandle,
    server: TcpStream,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    client_ended: bool,
    server_ended: bool,
}

/// Bytes that a passage holds in each direction.
const HELD: usize = 1 << 20;

impl Passage {
    fn new(client: TcpHandle, server: SocketAddr) -> Self {
        let server = TcpStream::connect(server).expect("the server listens");
        server.set_nonblocking(true).expect("a socket");
        server.set_nodelay(true).expect("a socket");
        Self {
            client,
            server,
            to_server: Vec::new(),
            to_client: Vec::new(),
            client_ended: false,
            server_ended: false,
        }
    }

    /// Moves what can be moved; `true` while the passage is open.
    fn pump(&mut self, host: &mut Peer, buffer: &mut [u8]) -> bool {
        while self.to_server.len() < HELD && !self.client_ended {
            match host.engine.tcp_receive(self.client, buffer) {
                Ok(Received::Data(count)) => self.to_server.extend_from_slice(&buffer[..count]),
                Ok(Received::WouldBlock) => break,
                Ok(Received::End) | Err(_) => self.client_ended = true,
            }
        }
        while self.to_client.len() < HELD && !self.server_ended {
            match self.server.read(buffer) {
                Ok(0) => self.server_ended = true,
                Ok(count) => self.to_client.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.server_ended = true,
            }
        }
        let written = self.server.write(&self.to_server).unwrap_or(0);
        self.to_server.drain(..written);
        let sent = host.engine.tcp_send(self.client, &self.to_client).unwrap_or(0);
        self.to_client.drain(..sent);
        let is_over = (self.client_ended && self.to_server.is_empty())
            || (self.server_ended && self.to_client.is_empty());
        if is_over {
            host.engine.tcp_close(self.client);
        }
        !is_over
    }
}

/// Passes connections to the engine on to `server`, and does what there is to do beside, until `program` has ended.
pub(super) fn forward_until(
    host: &mut Peer,
    server: SocketAddr,
    program: JoinHandle<Option<String>>,
    mut beside: impl FnMut(&mut Peer, &mut [u8]),
) -> Option<String> {
    let at = SocketAddr::new(host.address(), server.port());
    let listener = host.engine.tcp_listen(at, 16).expect("a listener");
    let (mut passages, mut buffer) = (Vec::<Passage>::new(), vec![0; 128 << 10]);
    while !program.is_finished() {
        // Sockets of the kernel do not end the sleep of the engine's waiter here, so it does not sleep.
        host.glance();
        while let Some(client) = host.engine.tcp_accept(listener) {
            passages.push(Passage::new(client, server));
        }
        passages.retain_mut(|passage| passage.pump(host, &mut buffer));
        beside(host, &mut buffer);
    }
    host.engine.tcp_close_listener(listener);
    host.run_until_finished(program)
}

/// The datagrams that reach the engine, each sender's passed on to the server through a socket of its own, and what comes back.
pub(super) struct Exchange {
    socket: UdpHandle,
    server: SocketAddr,
    senders: HashMap<SocketAddr, UdpSocket>,
    pub(super) passed_on: usize,
}

impl Exchange {
    pub(super) fn new(host: &mut Peer, server: SocketAddr) -> Self {
        let at = SocketAddr::new(host.address(), server.port());
        Self {
            socket: host.engine.udp_bind(at).expect("a free port"),
            server,
            senders: HashMap::new(),
            passed_on: 0,
        }
    }

    pub(super) fn pump(&mut self, host: &mut Peer, buffer: &mut [u8]) {
        while let Some(datagram) = host.engine.udp_receive(self.socket) {
            let server = self.server;
            let through = self.senders.entry(datagram.source()).or_insert_with(|| {
                let socket = UdpSocket::bind((server.ip(), 0)).expect("a free port");
                socket.connect(server).expect("an address");
                socket.set_nonblocking(true).expect("a socket");
                socket
            });
            // A server that has heard enough is gone.
            self.passed_on += usize::from(through.send(&datagram.payload).is_ok());
        }
        for (&sender, socket) in &self.senders {
            while let Ok(count) = socket.recv(buffer) {
                let sent = host.engine.udp_send(self.socket, sender, &buffer[..count]);
                self.passed_on += usize::from(sent.is_ok());
                host.glance();
            }
        }
    }

    pub(super) fn end(self, host: &mut Peer) {
        host.engine.udp_close(self.socket);
    }
}
