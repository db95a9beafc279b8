//! The engine against smoltcp 0.14, another implementation written by others, in one process and in virtual time: each end as client and as
//! server, over both families, over clean and impaired wires; and as twins, whose applications must see the same when they do the same
//! ([`differential`]).
//!
//! What smoltcp does otherwise, and what is left out for it:
//!
//! | smoltcp | so here |
//! |---|---|
//! | TIME-WAIT lasts 10 s and belongs to the socket | the state is looked at when both have closed, not later |
//! | remembers four gaps of a stream | what lies beyond is sent again by the engine |
//! | does not tell why a connection failed | a failure is a failure, refused, reset or timed out |
//! | closes with what was not read as if it had been | programmes read what they are sent, or abort |

mod differential;
mod ends;
mod programme;
mod sieve;
mod wire;

use std::net::SocketAddr;

use crate::support::{Family, PORT, config};
use handfast::application::{Read, TcpHandle};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::{Duration, Instant};
use handfast::transport::tcp::state::State;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as TheirInstant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use wire::{Adapter, DEPTH};

const AMOUNT: usize = 200_000;
const SEEDS: u64 = 20;
/// Virtual time after which a transfer that has not ended is stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Client,
    Server,
}

/// The byte of a direction's stream at a place; the sequence does not repeat within a window.
fn byte_at(place: usize) -> u8 {
    ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// The bytes from `place` on, as many as one call offers; fewer at the end of the stream.
fn offer(place: usize) -> Vec<u8> {
    (place..AMOUNT.min(place + 4099)).map(byte_at).collect()
}

fn check(place: usize, bytes: &[u8]) -> usize {
    let wrong = bytes.iter().zip(place..).find(|&(&byte, at)| byte != byte_at(at));
    assert_eq!(wrong, None, "the first wrong byte and its place");
    bytes.len()
}

/// What an end's application has done so far.
#[derive(Default, Debug)]
struct Progress {
    sent: usize,
    received: usize,
    closed: bool,
    ended: bool,
}

impl Progress {
    fn is_over(&self) -> bool {
        self.closed && self.ended
    }
}

struct Meeting {
    engine: Engine<Impair<LocalEnd>>,
    connection: Option<TcpHandle>,
    adapter: Adapter<Impair<LocalEnd>>,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    now: Instant,
    ours: Progress,
    theirs: Progress,
}

impl Meeting {
    /// An engine of that role and smoltcp in the other, who are about to connect.
    fn new(family: Family, role: Role, impairment: ImpairConfig) -> Self {
        let (near, far) = pair(WireConfig {
            trusted: false,
            max_segment: 0,
            queue: DEPTH,
            ..WireConfig::default()
        });
        let wrap = |end, seed| {
            let pool = FramePool::new(PoolConfig::default());
            Impair::new(end, ImpairConfig { seed, ..impairment }, pool).expect("values in range")
        };
        let near = wrap(near, impairment.seed);
        let mut adapter = Adapter::new(wrap(far, !impairment.seed));
        let pool = FramePool::new(PoolConfig::default());
        let engine = Engine::new(&config(1, family.client()), pool, near);
        let mut settings = Config::new(HardwareAddress::Ip);
        settings.random_seed = impairment.seed;
        let mut interface = Interface::new(settings, &mut adapter, TheirInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(family.server().into(), 8);
            addresses.push(own).expect("there is room for one");
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; 64 << 10]);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(tcp::Socket::new(buffer(), buffer()));
        let mut meeting = Self {
            engine,
            connection: None,
            adapter,
            interface,
            sockets,
            socket,
            now: Instant::from_secs(1000),
            ours: Progress::default(),
            theirs: Progress::default(),
        };
        meeting.open(family, role);
        meeting
    }

    fn open(&mut self, family: Family, role: Role) {
        let theirs = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        match role {
            Role::Client => {
                theirs.listen(PORT).expect("the socket is closed");
                self.poll();
                let at = SocketAddr::new(family.server(), PORT);
                self.connection = Some(self.engine.tcp_connect(None, at).expect("a connection"));
            }
            Role::Server => {
                let at = SocketAddr::new(family.client(), PORT);
                let listener = self.engine.tcp_listen(at, 4).expect("a listener");
                let context = self.interface.context();
                theirs.connect(context, at, 50_000).expect("the socket is closed");
                while self.connection.is_none() {
                    self.step();
                    self.connection = self.engine.tcp_accept(listener);
                }
            }
        }
    }

    fn poll(&mut self) {
        self.adapter.now = self.now;
        for _ in 0..4 {
            self.engine.poll(self.now, Budget::default());
            while self.engine.poll_event().is_some() {}
            let now = self.their_now();
            self.interface.poll(now, &mut self.adapter, &mut self.sockets);
        }
        if let Err(violation) = self.engine.check_invariants() {
            panic!("at {:?}: {violation}", self.now);
        }
    }

    fn their_now(&self) -> TheirInstant {
        let nanos = self.now.saturating_since(Instant::ZERO).as_nanos();
        TheirInstant::from_micros((nanos / 1000) as i64)
    }

    /// When either end, or the wire between them, has something to do next.
    fn next_deadline(&mut self) -> Option<Instant> {
        let now = self.their_now();
        let theirs = self.interface.poll_at(now, &self.sockets);
        let theirs = theirs.map(|at| Instant::ZERO + Duration::from_micros(at.total_micros() as u64));
        let wire = self.adapter.device.next_deadline();
        [self.engine.next_deadline(), theirs, wire]
            .into_iter()
            .flatten()
            .min()
    }

    /// Polls both, and lets half a millisecond pass, or all the time in which nothing would happen.
    fn step(&mut self) {
        self.poll();
        let soon = self.now + Duration::from_micros(500);
        self.now = self.next_deadline().map_or(soon, |due| due.max(soon));
        assert!(
            self.now < Instant::from_secs(1000) + PATIENCE,
            "{:?} {:?}",
            self.ours,
            self.theirs
        );
    }

    fn work_ours(&mut self) {
        let connection = self.connection.expect("open");
        while self.ours.sent < AMOUNT {
            let bytes = offer(self.ours.sent);
            match self.engine.tcp_send(connection, &bytes).expect("it stands") {
                0 => break,
                taken => self.ours.sent += taken,
            }
        }
        if self.ours.sent == AMOUNT && !self.ours.closed {
            self.engine.tcp_shutdown(connection).expect("it stands");
            self.ours.closed = true;
        }
        let mut bytes = [0; 5003];
        while !self.ours.ended {
            match self
                .engine
                .tcp_receive(connection, &mut bytes)
                .expect("it stands")
            {
                Read::Data(count) => self.ours.received += check(self.ours.received, &bytes[..count]),
                Read::WouldBlock => break,
                Read::End => self.ours.ended = true,
            }
        }
    }

    fn work_theirs(&mut self) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        while self.theirs.sent < AMOUNT && socket.can_send() {
            let bytes = offer(self.theirs.sent);
            self.theirs.sent += socket.send_slice(&bytes).expect("it stands");
        }
        if self.theirs.sent == AMOUNT && !self.theirs.closed {
            socket.close();
            self.theirs.closed = true;
        }
        let mut bytes = [0; 5003];
        while let Ok(count) = socket.recv_slice(&mut bytes)
            && count > 0
        {
            self.theirs.received += check(self.theirs.received, &bytes[..count]);
        }
        self.theirs.ended |= socket.recv_slice(&mut bytes) == Err(tcp::RecvError::Finished);
    }

    /// Both send their streams at the same time and close when all is sent.
    fn exchange(&mut self) {
        while !(self.ours.is_over() && self.theirs.is_over()) {
            self.step();
            self.work_ours();
            self.work_theirs();
        }
        assert_eq!((self.ours.received, self.theirs.received), (AMOUNT, AMOUNT));
    }

    fn their_state(&self) -> tcp::State {
        self.sockets.get::<tcp::Socket<'_>>(self.socket).state()
    }

    /// Goes on until both ends are in CLOSED or TIME-WAIT: neither is left with a FIN that nobody acknowledged.
    fn part(&mut self) {
        let connection = self.connection.expect("open");
        loop {
            let ours = self.engine.tcp_state(connection);
            let theirs = self.their_state();
            let is_ours = matches!(ours, None | Some(State::Closed | State::TimeWait));
            if is_ours && matches!(theirs, tcp::State::Closed | tcp::State::TimeWait) {
                return;
            }
            self.step();
        }
    }
}

fn for_all(impairment: ImpairConfig) {
    for seed in 0..SEEDS {
        let family = Family::BOTH[seed as usize % 2];
        let role = [Role::Client, Role::Server][seed as usize / 2 % 2];
        let mut meeting = Meeting::new(family, role, ImpairConfig { seed, ..impairment });
        meeting.exchange();
        meeting.part();
    }
}

#[test]
fn streams_cross_a_clean_wire() {
    for_all(ImpairConfig::default());
}

#[test]
fn streams_cross_a_wire_that_loses() {
    for_all(ImpairConfig {
        loss: 0.03,
        ..ImpairConfig::default()
    });
}

#[test]
fn streams_cross_a_wire_that_doubles() {
    for_all(ImpairConfig {
        duplication: 0.1,
        ..ImpairConfig::default()
    });
}

#[test]
fn streams_cross_a_wire_that_reorders() {
    for_all(ImpairConfig {
        reordering: 0.1,
        ..ImpairConfig::default()
    });
}

#[test]
fn streams_cross_a_wire_that_jitters() {
    for_all(ImpairConfig {
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(5),
        ..ImpairConfig::default()
    });
}
