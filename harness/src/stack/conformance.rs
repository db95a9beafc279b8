//! What every stack must do, written once and run on each. Rounds are bounded; time is what the rig says.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::kernel::nstat::Nstat;
use super::*;
use crate::config::{
    Checksums, Close, Closer, DeviceKind, IpVersion, Pairing, PathKind, Placement, Pressure, RunConfig,
    ScenarioKind, StackKind,
};
use crate::sys::uring::Ring;

/// More than any exchange here needs; in virtual time 2 s.
const ROUNDS: usize = 20_000;
const ROUND: Nanos = 100_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Client,
    Server,
}
use End::{Client, Server};

/// A pair of ends and everything that they have announced.
struct Rig {
    client: Box<dyn Stack>,
    server: Box<dyn Stack>,
    from: IpAddr,
    listen: SocketAddr,
    to: SocketAddr,
    now: Nanos,
    announced: Vec<(End, Event)>,
}

impl Rig {
    fn new(kind: StackKind, placement: Placement) -> Self {
        Self::with(kind, placement, &config(placement))
    }

    fn with(kind: StackKind, placement: Placement, config: &RunConfig) -> Self {
        let (client, server, clients, listen, servers) = match placement {
            Placement::SameCore => {
                let pair = pair(Pairing::of(kind), config, 0).expect("supported");
                (
                    pair.client,
                    pair.server,
                    pair.client_addresses,
                    pair.listen_addresses,
                    pair.server_addresses,
                )
            }
            Placement::Split => {
                let pair = split_pair(Pairing::of(kind), config, 0).expect("supported");
                let (client, server) = ((pair.client)(), (pair.server)());
                (
                    client,
                    server,
                    pair.client_addresses,
                    pair.listen_addresses,
                    pair.server_addresses,
                )
            }
        };
        let (from, to) = (clients[0], servers[0]);
        Self {
            client,
            server,
            from,
            listen: listen[0],
            to,
            now: 0,
            announced: Vec::new(),
        }
    }

    fn listening(kind: StackKind, placement: Placement) -> Self {
        let mut rig = Self::new(kind, placement);
        rig.server.listen(rig.listen, 128).expect("listen");
        rig
    }

    fn end(&mut self, end: End) -> &mut dyn Stack {
        match end {
            Client => self.client.as_mut(),
            Server => self.server.as_mut(),
        }
    }

    fn poll(&mut self) {
        self.now += ROUND;
        for end in [Client, Server] {
            let (now, mut events) = (self.now, Vec::new());
            self.end(end).poll(now, Duration::from_millis(1), &mut events);
            self.announced
                .extend(events.into_iter().map(|event| (end, event)));
        }
    }

    /// Polls until `done` says so.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..ROUNDS {
            if done(self) {
                return;
            }
            self.poll();
        }
        panic!("{what} did not happen; announced: {:?}", self.announced);
    }

    fn count(&self, end: End, conn: Conn, ready: Ready) -> usize {
        let wanted =
            |(of, event): &&(End, Event)| *of == end && event.conn == conn && event.ready.contains(ready);
        self.announced.iter().filter(wanted).count()
    }

    fn until_ready(&mut self, end: End, conn: Conn, ready: Ready) {
        self.until(&format!("{end:?} {conn:?} {ready:?}"), |rig| {
            rig.count(end, conn, ready) > 0
        });
    }

    fn accepted(&self) -> Vec<Conn> {
        let events = self
            .announced
            .iter()
            .filter(|(end, event)| *end == Server && event.ready.contains(Ready::ACCEPTED));
        events.map(|(_, event)| event.conn).collect()
    }

    /// A connection as client and server know it.
    fn connect(&mut self) -> (Conn, Conn) {
        let before = self.accepted().len();
        let client = self.client.connect(self.from, self.to).expect("connect");
        self.until_ready(Client, client, Ready::CONNECTED);
        self.until("accept", |rig| rig.accepted().len() > before);
        (client, self.accepted()[before])
    }

    fn send_all(&mut self, end: End, conn: Conn, message: &[u8]) {
        let sent = self.end(end).send(conn, message.len(), &mut |room| {
            assert_eq!(room.len(), message.len(), "a small message goes in one piece");
            room.copy_from_slice(message);
        });
        assert_eq!(sent, Ok(message.len()));
    }

    fn read_exactly(&mut self, end: End, conn: Conn, length: usize) -> Vec<u8> {
        let mut read = Vec::new();
        self.until("the message", |rig| {
            while read.len() < length {
                let limit = length - read.len();
                match rig
                    .end(end)
                    .receive(conn, limit, &mut |bytes| read.extend_from_slice(bytes))
                {
                    Ok(Received::Bytes(count)) => assert!(count <= limit),
                    other => {
                        assert_eq!(other, Ok(Received::WouldBlock));
                        return false;
                    }
                }
            }
            true
        });
        read
    }

    fn until_end_of_stream(&mut self, end: End, conn: Conn) {
        self.until("the end of the stream", |rig| {
            rig.end(end).receive(conn, 1, &mut |_| ()) == Ok(Received::EndOfStream)
        });
    }

    /// `first` closes, the other end reads that and closes too.
    fn close(&mut self, first: (End, Conn), second: (End, Conn)) {
        self.end(first.0).close(first.1);
        self.until_end_of_stream(second.0, second.1);
        self.end(second.0).close(second.1);
        self.until_ready(second.0, second.1, Ready::CLOSED);
        self.until_ready(first.0, first.1, Ready::CLOSED);
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            self.poll();
        }
    }

    fn assert_all_gone(&mut self) {
        for end in [Client, Server] {
            assert_eq!(self.end(end).counters().connections, Some(0), "{end:?}");
        }
    }
}

fn config(placement: Placement) -> RunConfig {
    RunConfig {
        scenario: ScenarioKind::Crr,
        path: PathKind::Memory,
        placement,
        generators: 1,
        connections: 100,
        idle: 0,
        time_wait: 0,
        close: Close::Fin,
        closer: Closer::Client,
        message: 1,
        mtu: 1500,
        checksums: Checksums::Device,
        device: DeviceKind::Packet,
        ip: IpVersion::V4,
        open_loop: None,
        flood: None,
        pressure: Pressure::default(),
        link: None,
        duration: Duration::from_secs(1),
        seed: 1,
    }
}

fn echo_and_close_by(first: End, kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let (client, server) = rig.connect();
    rig.send_all(Client, client, b"handfast");
    rig.until_ready(Server, server, Ready::READABLE);
    assert_eq!(rig.read_exactly(Server, server, 8), b"handfast");
    rig.send_all(Server, server, b"tsafdnah");
    rig.until_ready(Client, client, Ready::READABLE);
    assert_eq!(rig.read_exactly(Client, client, 8), b"tsafdnah");
    match first {
        Client => rig.close((Client, client), (Server, server)),
        Server => rig.close((Server, server), (Client, client)),
    }
    rig.settle();
    for (end, conn) in [(Client, client), (Server, server)] {
        assert_eq!(rig.count(end, conn, Ready::CLOSED), 1, "{end:?}");
        assert_eq!(rig.count(end, conn, Ready::FAILED), 0, "{end:?}");
    }
    rig.assert_all_gone();
}

fn echo_and_close_by_client(kind: StackKind, placement: Placement) {
    echo_and_close_by(Client, kind, placement);
}

fn echo_and_close_by_server(kind: StackKind, placement: Placement) {
    echo_and_close_by(Server, kind, placement);
}

fn closing_leaves_unread_data_behind(kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let (client, server) = rig.connect();
    rig.send_all(Server, server, b"unread");
    rig.until_ready(Client, client, Ready::READABLE);
    rig.close((Client, client), (Server, server));
    rig.assert_all_gone();
}

fn both_ends_may_close_at_once(kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let (client, server) = rig.connect();
    rig.client.close(client);
    rig.server.close(server);
    rig.until_ready(Client, client, Ready::CLOSED);
    rig.until_ready(Server, server, Ready::CLOSED);
    rig.assert_all_gone();
}

fn abort_fails_the_peer(kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let (client, server) = rig.connect();
    rig.announced.clear();
    rig.client.abort(client);
    rig.until_ready(Server, server, Ready::FAILED);
    rig.settle();
    assert_eq!(
        rig.announced.iter().filter(|(end, _)| *end == Client).count(),
        0,
        "{:?}",
        rig.announced
    );
    assert_eq!(rig.count(Server, server, Ready::FAILED), 1);
    assert_eq!(rig.server.send(server, 1, &mut |_| ()), Err(Gone));
    assert_eq!(rig.client.receive(client, 1, &mut |_| ()), Err(Gone));
    rig.assert_all_gone();
}

fn nobody_listening_fails_the_connect(kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let nobody = SocketAddr::new(rig.to.ip(), 1);
    let client = rig.client.connect(rig.from, nobody).expect("started");
    rig.until_ready(Client, client, Ready::FAILED);
    assert_eq!(rig.count(Client, client, Ready::CONNECTED), 0);
    rig.assert_all_gone();
}

fn byte_at(offset: usize) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 8)) as u8
}

/// Sends until the stack takes no more, and says how far it came.
fn send_from(rig: &mut Rig, conn: Conn, offset: usize, total: usize) -> usize {
    let mut sent = offset;
    while sent < total {
        let mut position = sent;
        let taken = rig.client.send(conn, (total - sent).min(50_000), &mut |room| {
            for byte in room {
                *byte = byte_at(position);
                position += 1;
            }
        });
        let taken = taken.expect("open");
        sent += taken;
        if taken < 50_000 {
            break;
        }
    }
    sent
}

fn a_megabyte_arrives_byte_for_byte(kind: StackKind, placement: Placement) {
    const TOTAL: usize = 1 << 20;
    let mut rig = Rig::listening(kind, placement);
    let (client, server) = rig.connect();
    let (mut sent, mut received) = (send_from(&mut rig, client, 0, TOTAL), 0);
    rig.until("the last byte", |rig| {
        let writable = rig
            .announced
            .iter()
            .any(|(end, event)| *end == Client && event.ready.contains(Ready::WRITABLE));
        rig.announced.clear();
        if writable {
            sent = send_from(rig, client, sent, TOTAL);
        }
        while let Received::Bytes(_) = rig
            .server
            .receive(server, 5000, &mut |bytes| {
                assert!(bytes.len() <= 5000);
                for &byte in bytes {
                    assert_eq!(byte, byte_at(received), "at {received}");
                    received += 1;
                }
            })
            .expect("open")
        {}
        received == TOTAL
    });
    assert_eq!(sent, TOTAL);
    rig.close((Client, client), (Server, server));
    assert_eq!(rig.client.counters().payload_bytes, Some(TOTAL as u64));
}

fn a_hundred_connections_at_once(kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let clients: Vec<_> = (0..100)
        .map(|_| rig.client.connect(rig.from, rig.to).expect("connect"))
        .collect();
    for &client in &clients {
        rig.until_ready(Client, client, Ready::CONNECTED);
    }
    rig.until("accept", |rig| rig.accepted().len() == 100);
    let servers = rig.accepted();
    assert!(
        clients.iter().chain(&servers).all(|conn| conn.slot < 100),
        "slots are dense"
    );
    for (number, &client) in (0..).zip(&clients) {
        rig.send_all(Client, client, &[number]);
    }
    let mut numbers = HashSet::new();
    for &server in &servers {
        numbers.insert(rig.read_exactly(Server, server, 1)[0]);
    }
    assert_eq!(numbers.len(), 100, "each connection carried its own byte");
    for &client in &clients {
        rig.client.close(client);
    }
    for &server in &servers {
        rig.until_end_of_stream(Server, server);
        rig.server.close(server);
    }
    for (&client, &server) in clients.iter().zip(&servers) {
        rig.until_ready(Client, client, Ready::CLOSED);
        rig.until_ready(Server, server, Ready::CLOSED);
    }
    rig.assert_all_gone();
}

fn a_reused_slot_has_another_generation(kind: StackKind, placement: Placement) {
    let mut rig = Rig::listening(kind, placement);
    let (first, first_server) = rig.connect();
    rig.close((Client, first), (Server, first_server));
    let (second, second_server) = rig.connect();
    assert_eq!(first.slot, second.slot);
    assert_ne!(first.generation, second.generation);
    assert_ne!(first_server, second_server);
    assert_eq!(rig.client.send(first, 1, &mut |_| ()), Err(Gone));
    rig.client.close(first);
    rig.client.abort(first);
    rig.send_all(Client, second, b"!");
    assert_eq!(
        rig.read_exactly(Server, second_server, 1),
        b"!",
        "the old name leaves the new one alone"
    );
}

fn datagrams_go_both_ways(kind: StackKind, placement: Placement) {
    let datagrams = RunConfig {
        scenario: ScenarioKind::Udp,
        ..config(placement)
    };
    let mut rig = Rig::with(kind, placement, &datagrams);
    let ip = if rig.from.is_unspecified() {
        rig.to.ip()
    } else {
        rig.from
    };
    let here = SocketAddr::new(ip, rig.to.port() - 1);
    let client = rig.client.bind(here).expect("bind");
    let server = rig.server.bind(rig.listen).expect("bind");
    for (sender, socket, receiver, peer, to) in [
        (Client, client, Server, server, rig.to),
        (Server, server, Client, client, here),
    ] {
        // More than one run of offloaded segments, of a length that changes.
        for length in [20, 60] {
            let sent = rig
                .end(sender)
                .send_datagrams(socket, to, 100, length, &mut |index, bytes| {
                    assert_eq!(bytes.len(), length);
                    bytes.fill(index as u8);
                });
            assert_eq!(sent, 100);
            let mut received = 0;
            rig.until("the datagrams", |rig| {
                let count = rig.end(receiver).receive_datagrams(peer, 7, &mut |bytes| {
                    assert_eq!(bytes, vec![received as u8; length]);
                    received += 1;
                });
                assert!(count <= 7);
                received == 100
            });
        }
    }
}

macro_rules! on_every_stack {
    ($($test:ident),* $(,)?) => {
        on_every_stack! { @ kernel, Kernel, SameCore: $($test),* }
        on_every_stack! { @ kernel_split, Kernel, Split: $($test),* }
        on_every_stack! { @ kernel_tuned, KernelTuned, SameCore: $($test),* }
        on_every_stack! { @ smoltcp, Smoltcp, SameCore: $($test),* }
        on_every_stack! { @ smoltcp_split, Smoltcp, Split: $($test),* }
        on_every_stack! { @ null, Null, SameCore: $($test),* }
        on_every_stack! { @ engine, Engine, SameCore: $($test),* }
        on_every_stack! { @ engine_split, Engine, Split: $($test),* }
    };
    (@ $name:ident, $kind:ident, $placement:ident: $($test:ident),*) => {
        mod $name {
            use super::{Placement, StackKind};

            $(
                #[test]
                fn $test() {
                    super::$test(StackKind::$kind, Placement::$placement);
                }
            )*
        }
    };
}

on_every_stack! {
    echo_and_close_by_client,
    echo_and_close_by_server,
    closing_leaves_unread_data_behind,
    both_ends_may_close_at_once,
    abort_fails_the_peer,
    nobody_listening_fails_the_connect,
    a_megabyte_arrives_byte_for_byte,
    a_hundred_connections_at_once,
    a_reused_slot_has_another_generation,
    datagrams_go_both_ways,
}

macro_rules! on_rings {
    ($($test:ident),* $(,)?) => {
        on_rings! { @ kernel_uring, SameCore: $($test),* }
        on_rings! { @ kernel_uring_split, Split: $($test),* }
    };
    (@ $name:ident, $placement:ident: $($test:ident),*) => {
        mod $name {
            use super::{Placement, StackKind, rings_are_given};

            $(
                #[test]
                fn $test() {
                    if rings_are_given() {
                        super::$test(StackKind::KernelUring, Placement::$placement);
                    }
                }
            )*
        }
    };
}

on_rings! {
    echo_and_close_by_client,
    echo_and_close_by_server,
    closing_leaves_unread_data_behind,
    both_ends_may_close_at_once,
    abort_fails_the_peer,
    nobody_listening_fails_the_connect,
    a_megabyte_arrives_byte_for_byte,
    a_hundred_connections_at_once,
    a_reused_slot_has_another_generation,
    datagrams_go_both_ways,
}

fn rings_are_given() -> bool {
    let probed = Ring::probe();
    if let Err(error) = &probed {
        eprintln!("SKIPPED: no io_uring here: {error}");
    }
    probed.is_ok()
}

#[test]
fn what_cannot_be_done_is_said() {
    let million = RunConfig {
        idle: 1_000_000,
        ..config(Placement::SameCore)
    };
    let refused = pair(Pairing::of(StackKind::Smoltcp), &million, 0).expect_err("too many");
    assert!(refused.0.contains("every socket"), "{refused:?}");
    let computed = RunConfig {
        checksums: Checksums::Computed,
        ..config(Placement::SameCore)
    };
    assert!(pair(Pairing::of(StackKind::Kernel), &computed, 0).is_err());
    assert!(split_pair(Pairing::of(StackKind::Null), &config(Placement::Split), 0).is_err());
    let open_files = RunConfig {
        connections: u32::MAX,
        ..config(Placement::SameCore)
    };
    let refused = pair(Pairing::of(StackKind::KernelTuned), &open_files, 0).expect_err("too many");
    assert!(refused.0.contains("descriptors"), "{refused:?}");
}

#[test]
fn smoltcp_verifies_what_it_computes() {
    let placement = Placement::SameCore;
    let computed = RunConfig {
        checksums: Checksums::Computed,
        ..config(placement)
    };
    let mut rig = Rig::with(StackKind::Smoltcp, placement, &computed);
    rig.server.listen(rig.listen, 1).expect("listen");
    let (client, server) = rig.connect();
    rig.send_all(Client, client, b"sum");
    assert_eq!(rig.read_exactly(Server, server, 3), b"sum");
}

#[test]
fn smoltcp_owns_up_to_every_time_wait_it_cuts() {
    let mut rig = Rig::listening(StackKind::Smoltcp, Placement::SameCore);
    for _ in 0..3 {
        let (client, server) = rig.connect();
        rig.close((Client, client), (Server, server));
    }
    let counters = rig.client.counters();
    assert_eq!(
        (counters.time_wait, counters.time_wait_violations),
        (Some(0), Some(3))
    );
    assert_eq!(rig.server.counters().time_wait_violations, Some(0));
}

#[test]
fn the_kernel_counts_its_time_wait() {
    let mut rig = Rig::listening(StackKind::Kernel, Placement::SameCore);
    let before = Nstat::read().expect("readable");
    let (client, server) = rig.connect();
    rig.close((Client, client), (Server, server));
    let counted = Nstat::read().expect("readable").since(&before);
    assert!(counted.time_wait_entered >= 1, "{counted:?}");
    assert!(rig.client.counters().time_wait.is_some_and(|held| held >= 1));
    assert_eq!(rig.server.counters().time_wait, None, "one end speaks for both");
    assert!(rig.server.counters().system_calls.is_some_and(|calls| calls >= 6));
}
