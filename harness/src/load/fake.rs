//! A bench for actors in virtual time: two ends without a stack between them, and faults on demand.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Actor, Ends, Phase};
use crate::config::{
    Checksums, Close, Closer, DeviceKind, IpVersion, Pairing, PathKind, Placement, Pressure, RunConfig,
    ScenarioKind, StackKind,
};
use crate::stack::{
    self, Conn, ConnectError, Datagrams, Event, Gone, Nanos, Ready, Received, Stack, StackCounters,
};

/// Virtual nanoseconds that pass between the steps of the two ends, unless a test says otherwise.
pub(crate) const HALF_ROUND: Nanos = 500;

/// The defaults of a run of `scenario`, short and with few connections.
pub(crate) fn config(scenario: ScenarioKind) -> RunConfig {
    RunConfig {
        scenario,
        path: PathKind::Memory,
        placement: Placement::SameCore,
        generators: 1,
        connections: 4,
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
        duration: Duration::from_millis(50),
        seed: 1,
    }
}

/// What goes wrong at an end.
#[derive(Default, Debug)]
pub(crate) struct Faults {
    /// So many calls of `connect` are refused.
    pub(crate) refused: usize,
    /// So many connections fail for want of a port, after `connect` has returned.
    pub(crate) portless: usize,
    /// This many connections are established at most.
    pub(crate) room: Option<usize>,
    /// The next connection that is announced breaks instead.
    pub(crate) breaks: bool,
    /// What the stack is to say of its TIME_WAIT entries.
    pub(crate) time_wait: Option<u64>,
    /// Entries can be put in without packets.
    pub(crate) has_door: bool,
}

/// One end, with faults.
pub(crate) struct Faulty {
    inner: Box<dyn Stack>,
    pub(crate) faults: Faults,
    connects: usize,
    broken: Vec<Conn>,
}

impl Faulty {
    fn new(inner: Box<dyn Stack>) -> Self {
        Self {
            inner,
            faults: Faults::default(),
            connects: 0,
            broken: Vec::new(),
        }
    }
}

impl Stack for Faulty {
    fn listen(&mut self, at: SocketAddr, backlog: usize) -> std::io::Result<()> {
        self.inner.listen(at, backlog)
    }

    fn connect(&mut self, from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError> {
        if self.faults.refused > 0 {
            self.faults.refused -= 1;
            return Err(ConnectError::PortsExhausted);
        }
        if self.faults.room.is_some_and(|room| self.connects >= room) {
            return Err(ConnectError::TooManyConnections);
        }
        self.connects += 1;
        self.inner.connect(from, to)
    }

    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone> {
        self.inner.send(conn, length, fill)
    }

    fn receive(
        &mut self,
        conn: Conn,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        self.inner.receive(conn, limit, consume)
    }

    fn close(&mut self, conn: Conn) {
        self.inner.close(conn);
    }

    fn abort(&mut self, conn: Conn) {
        self.inner.abort(conn);
    }

    fn bind(&mut self, at: SocketAddr) -> std::io::Result<Datagrams> {
        self.inner.bind(at)
    }

    fn send_datagrams(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        self.inner.send_datagrams(socket, to, count, length, fill)
    }

    fn receive_datagrams(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        self.inner.receive_datagrams(socket, limit, consume)
    }

    fn poll(&mut self, now: Nanos, wait: Duration, events: &mut Vec<Event>) {
        for conn in self.broken.drain(..) {
            self.inner.abort(conn);
        }
        self.inner.poll(now, wait, events);
        for event in events {
            if !event.ready.contains(Ready::CONNECTED) {
                continue;
            }
            if std::mem::take(&mut self.faults.breaks) {
                event.ready = Ready::FAILED;
                self.broken.push(event.conn);
            } else if self.faults.portless > 0 {
                self.faults.portless -= 1;
                event.ready = Ready::FAILED | Ready::NO_PORT;
                self.broken.push(event.conn);
            }
        }
    }

    fn connects_at_once(&self) -> bool {
        self.inner.connects_at_once()
    }

    fn local_port(&mut self, conn: Conn) -> Option<u16> {
        self.inner.local_port(conn)
    }

    fn counters(&self) -> StackCounters {
        StackCounters {
            time_wait: self.faults.time_wait,
            ..self.inner.counters()
        }
    }

    fn preload_time_wait(&mut self, _now: Nanos, count: u64) -> Option<u64> {
        self.faults.has_door.then_some(count)
    }
}

/// Two ends and a clock that only steps move.
pub(crate) struct Rig {
    pub(crate) client: Faulty,
    pub(crate) server: Faulty,
    pub(crate) ends: Ends,
    pub(crate) now: Nanos,
    /// Virtual nanoseconds that pass between the steps of the two ends.
    pub(crate) half_round: Nanos,
    /// Whether the server is stopped.
    pub(crate) stalled: bool,
    events: [Vec<Event>; 2],
}

impl Rig {
    pub(crate) fn new(config: &RunConfig) -> Self {
        let pair = stack::pair(Pairing::of(StackKind::Null), config, 0).expect("needs nothing");
        let ends = Ends {
            generator: 0,
            client_addresses: pair.client_addresses,
            listen_addresses: pair.listen_addresses,
            server_addresses: pair.server_addresses,
        };
        let (client, mut server) = (Faulty::new(pair.client), Faulty::new(pair.server));
        for &at in &ends.listen_addresses {
            server.listen(at, 128).expect("nothing else listens");
        }
        Self {
            client,
            server,
            ends,
            now: 0,
            half_round: HALF_ROUND,
            stalled: false,
            events: Default::default(),
        }
    }

    /// Announces `phase`, and drives both actors for `rounds`.
    pub(crate) fn run(
        &mut self,
        client: &mut impl Actor,
        server: &mut impl Actor,
        phase: Phase,
        rounds: usize,
    ) {
        client.enter(phase, self.now);
        server.enter(phase, self.now);
        self.go_on(client, server, phase, rounds);
    }

    /// Drives both actors for `rounds` more in the phase that was announced.
    pub(crate) fn go_on(
        &mut self,
        client: &mut impl Actor,
        server: &mut impl Actor,
        phase: Phase,
        rounds: usize,
    ) {
        for _ in 0..rounds {
            client.step(&mut self.client, phase, self.now, &self.events[0]);
            self.events[0].clear();
            if !self.stalled {
                self.server.poll(self.now, Duration::ZERO, &mut self.events[1]);
            }
            self.now += self.half_round;
            if !self.stalled {
                server.step(&mut self.server, phase, self.now, &self.events[1]);
                self.events[1].clear();
            }
            self.client.poll(self.now, Duration::ZERO, &mut self.events[0]);
            self.now += self.half_round;
        }
    }

    /// A run of which 5 s of virtual time count, in the second of which the server is stopped. A round takes 0.1 ms.
    pub(crate) fn run_with_stall(&mut self, client: &mut impl Actor, server: &mut impl Actor) {
        const SECOND: usize = 10_000;
        self.half_round = 50_000;
        for phase in [Phase::Prepare, Phase::WarmUp, Phase::Measure] {
            self.run(client, server, phase, SECOND);
        }
        self.stalled = true;
        self.go_on(client, server, Phase::Measure, SECOND);
        self.stalled = false;
        self.go_on(client, server, Phase::Measure, 3 * SECOND);
        self.run(client, server, Phase::Drain, SECOND);
    }

    /// A whole run: `rounds` of warm-up, `rounds` that count, and a drain.
    pub(crate) fn run_all(&mut self, client: &mut impl Actor, server: &mut impl Actor, rounds: usize) {
        for phase in [Phase::Prepare, Phase::WarmUp, Phase::Measure, Phase::Drain] {
            self.run(client, server, phase, rounds);
        }
    }
}
