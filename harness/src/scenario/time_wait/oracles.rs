//! What TIME_WAIT does to a client whose ports are few: rules of Linux, and of the engine, that the harness has to measure as
//! they are. Each is played with 1,000 local ports, in a network namespace or a virtual minute of its own.

mod engine;
mod kernel;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::{Close, Closer};
use crate::load::addresses::AddressPlan;
use crate::load::cycle::{Client, Cycle, CycleTally, Server};
use crate::load::{Actor, Ends, Phase};
use crate::measure::cpu;
use crate::stack::{Event, Nanos, Stack, StackCounters};

/// Local ports of a client.
const PORTS: u64 = 1000;
/// When a rule that does not hold is given up.
const PATIENCE: Nanos = 90_000_000_000;

/// A client and a server over two ends, one connection after another.
struct Bench {
    stacks: [Box<dyn Stack>; 2],
    client: Client,
    server: Server,
    events: [Vec<Event>; 2],
    started: Nanos,
    now: Nanos,
    /// The most time between two steps: so late may the end of a connection be noticed.
    longest_round: Nanos,
    /// Advances the time between two steps.
    clock: fn(Nanos) -> Nanos,
}

/// Who closes, and how.
#[derive(Clone, Copy)]
struct Closing(Closer, Close);

const BY_CLIENT: Closing = Closing(Closer::Client, Close::Fin);

impl Bench {
    fn new(
        stacks: [Box<dyn Stack>; 2],
        from: IpAddr,
        to: &[SocketAddr],
        Closing(closer, close): Closing,
        clock: fn(Nanos) -> Nanos,
    ) -> Self {
        let [client, mut server] = stacks;
        let ends = Ends {
            generator: 0,
            client_addresses: vec![from],
            listen_addresses: to.to_vec(),
            server_addresses: to.to_vec(),
        };
        for &at in to {
            server.listen(at, 128).expect("nothing else listens");
        }
        let cycle = Cycle {
            in_flight: 1,
            message: 0,
            close,
            closer,
            time_wait_limit: None,
        };
        let tuples = PORTS * to.len() as u64;
        let now = clock(0);
        Self {
            stacks: [client, server],
            client: Client::new(cycle, AddressPlan::all(&ends)).watching_tuples(tuples, cpu::now),
            server: Server::new(cycle),
            events: Default::default(),
            started: now,
            now,
            longest_round: 0,
            clock,
        }
    }

    /// Goes on until `enough`, which is told what was counted since the start and how much time has passed.
    fn run_until(&mut self, enough: impl Fn(&CycleTally, Nanos) -> bool) {
        let began = self.now;
        while !enough(self.client.tally(), self.now - self.started) {
            assert!(
                self.now - began < PATIENCE,
                "{:?} after {PATIENCE} ns",
                self.client.tally().failures
            );
            self.round(Phase::WarmUp);
        }
    }

    /// Lets the connection in flight end.
    fn settle(&mut self) {
        while !self.client.settled(Phase::Drain) {
            self.round(Phase::Drain);
        }
    }

    fn round(&mut self, phase: Phase) {
        let [client, server] = &mut self.stacks;
        self.client.step(&mut **client, phase, self.now, &self.events[0]);
        self.events[0].clear();
        server.poll(self.now, Duration::ZERO, &mut self.events[1]);
        self.server.step(&mut **server, phase, self.now, &self.events[1]);
        self.events[1].clear();
        client.poll(self.now, Duration::ZERO, &mut self.events[0]);
        let now = (self.clock)(self.now);
        self.longest_round = self.longest_round.max(now - self.now);
        self.now = now;
    }

    fn established(&self) -> u64 {
        self.client.tally().completed
    }

    fn refused(&self) -> u64 {
        self.client.tally().failures.ports_exhausted
    }

    /// The shortest time after which a four-tuple was used again: at most this, for where other programs have the core an end is noticed late.
    fn shortest_reuse(&self) -> Option<Nanos> {
        let reuse = self.client.tally().tuples.clone()?.reuse.into_histogram();
        (!reuse.is_empty()).then(|| reuse.min() + self.longest_round)
    }

    fn counters(&self, end: usize) -> StackCounters {
        self.stacks[end].counters()
    }
}

/// No connection failed but for want of a port.
fn only_ports_were_missing(bench: &Bench) {
    let failures = bench.client.tally().failures;
    assert_eq!(failures.total(), failures.ports_exhausted, "{failures:?}");
}
