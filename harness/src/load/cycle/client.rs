//! The end that connects.

use super::tuples::{Clock, Tuple, TupleTally, Tuples};
use super::{Cycle, Occupancy};
use crate::config::{Close, Closer};
use crate::load::addresses::AddressPlan;
use crate::load::exchange::{Exchange, Heard, peer_closed};
use crate::load::flows::Flows;
use crate::load::in_flight::InFlight;
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::load::{Actor, Next, Phase};
use crate::measure::recorder::Recorder;
use crate::stack::{Conn, ConnectError, Event, Gone, Nanos, Ready, Stack};

/// Nanoseconds between two looks at the TIME_WAIT table.
const LOOK_EVERY: Nanos = 10_000_000;

/// Keeps a number of connections in flight.
#[derive(Debug)]
pub(crate) struct Client {
    cycle: Cycle,
    addresses: AddressPlan,
    flows: Flows<Flow>,
    in_flight: InFlight,
    tally: Windowed<CycleTally>,
    tuples: Option<Box<Tuples>>,
    look_at: Nanos,
    time_wait: u64,
}

/// A connection in flight.
#[derive(Clone, Copy, Debug)]
struct Flow {
    started: Nanos,
    exchange: Exchange,
    stage: Stage,
    /// The pair of addresses, and the local port where tuples are watched.
    tuple: Tuple,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Connecting,
    Exchanging,
    /// The message is here; the server closes.
    AwaitingEnd,
    Closing,
}

/// What became of a connection in one step.
enum Fate {
    Open,
    Ended,
    Broken,
}

/// What the client counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CycleTally {
    /// Connections that went through the whole cycle.
    pub(crate) completed: u64,
    /// Calls of `connect`.
    pub(crate) attempts: u64,
    pub(crate) failures: Failures,
    /// RFC 3511 Appendix B as a client sees it: from `connect` to established.
    pub(crate) setup: Recorder,
    /// Nanoseconds from `connect` to the end, summed over the connections.
    pub(crate) operation_ns: u64,
    /// Set-up times by the number of TIME_WAIT entries held, where asked for.
    pub(crate) occupancy: Option<Occupancy>,
    /// What became of the four-tuples, where asked for.
    pub(crate) tuples: Option<TupleTally>,
}

impl Client {
    pub(crate) fn new(cycle: Cycle, addresses: AddressPlan) -> Self {
        Self::with_occupancy(cycle, addresses, None)
    }

    /// A client that also records set-up times against the number of TIME_WAIT entries.
    pub(crate) fn with_occupancy(cycle: Cycle, addresses: AddressPlan, occupancy: Option<Occupancy>) -> Self {
        Self {
            cycle,
            addresses,
            flows: Flows::new(),
            in_flight: InFlight::new(),
            tally: Windowed::new(CycleTally {
                occupancy,
                ..CycleTally::default()
            }),
            tuples: None,
            look_at: 0,
            time_wait: 0,
        }
    }

    /// A client that also follows what becomes of its `space` four-tuples. It reads `clock` around every connect.
    pub(crate) fn watching_tuples(mut self, space: u64, clock: Clock) -> Self {
        self.tuples = Some(Box::new(Tuples::new(space, clock)));
        self.tally = Windowed::new(CycleTally {
            tuples: Some(TupleTally::new(space)),
            ..self.tally.current
        });
        self
    }

    /// What is being counted now.
    pub(crate) fn tally(&self) -> &CycleTally {
        &self.tally.current
    }

    fn handle(&mut self, stack: &mut dyn Stack, now: Nanos, event: Event) {
        let Some(flow) = self.flows.get_mut(event.conn) else {
            return;
        };
        let tally = &mut self.tally.current;
        if event.ready.contains(Ready::CONNECTED) && flow.stage == Stage::Connecting {
            let took = now - flow.started;
            tally.setup.record(took);
            if let Some(occupancy) = &mut tally.occupancy {
                occupancy.record(self.time_wait, took);
            }
            flow.stage = Stage::Exchanging;
            if let (Some(tuples), Some(counted)) = (&mut self.tuples, &mut tally.tuples)
                && let Some(port) = stack.local_port(event.conn)
            {
                flow.tuple.port = port;
                tuples.established(counted, flow.tuple, now);
            }
        }
        let fate = flow
            .advance(stack, event.conn, event.ready, &self.cycle)
            .unwrap_or(Fate::Broken);
        match fate {
            Fate::Open => return,
            Fate::Ended => {
                tally.completed += 1;
                if let Some(tuples) = &mut self.tuples {
                    tuples.ended(flow.tuple, now);
                }
            }
            Fate::Broken => tally.failures.broken += 1,
        }
        self.flows.remove(event.conn);
    }

    fn top_up(&mut self, stack: &mut dyn Stack, now: Nanos) -> Next {
        while self.flows.len() < self.cycle.in_flight as usize {
            let pair = self.addresses.turn();
            self.tally.current.attempts += 1;
            match self.connect(stack) {
                Ok(conn) => self.flows.insert(conn, Flow::new(now, self.cycle.message, pair)),
                Err(refused) => {
                    // Trying again at once would only fail again; the next step may find a port.
                    self.tally.current.failures.refused(refused);
                    return Next::Now;
                }
            }
        }
        Next::OnEvent
    }

    fn connect(&mut self, stack: &mut dyn Stack) -> Result<Conn, ConnectError> {
        let (from, to) = self.addresses.next();
        let (Some(tuples), Some(counted)) = (&mut self.tuples, &mut self.tally.current.tuples) else {
            return stack.connect(from, to);
        };
        let before = (tuples.clock)();
        let result = stack.connect(from, to);
        let after = (tuples.clock)();
        if result.is_ok() || result == Err(ConnectError::PortsExhausted) {
            tuples.called(counted, before, after, self.time_wait, result.is_ok());
        }
        result
    }

    fn look_at_time_wait(&mut self, stack: &dyn Stack, now: Nanos) {
        let wanted = self.cycle.time_wait_limit.is_some() || self.tally.current.occupancy.is_some();
        if wanted && now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.time_wait = stack.counters().time_wait.unwrap_or(0);
        }
    }
}

impl Flow {
    fn new(started: Nanos, message: u32, pair: u32) -> Self {
        Self {
            started,
            exchange: Exchange::request(message),
            stage: Stage::Connecting,
            tuple: Tuple { pair, port: 0 },
        }
    }

    fn advance(
        &mut self,
        stack: &mut dyn Stack,
        conn: Conn,
        ready: Ready,
        cycle: &Cycle,
    ) -> Result<Fate, Gone> {
        if ready.contains(Ready::CLOSED) {
            return Ok(Fate::Ended);
        }
        if ready.contains(Ready::FAILED) {
            // A server that resets may cut off its own answer, or be so fast that nobody sees the connection established.
            return Ok(if cycle.server_resets() {
                Fate::Ended
            } else {
                Fate::Broken
            });
        }
        if self.stage == Stage::Exchanging {
            self.exchange(stack, conn, ready, cycle)?;
        }
        if self.stage == Stage::AwaitingEnd {
            return self.end(stack, conn, cycle);
        }
        Ok(Fate::Open)
    }

    fn exchange(
        &mut self,
        stack: &mut dyn Stack,
        conn: Conn,
        ready: Ready,
        cycle: &Cycle,
    ) -> Result<(), Gone> {
        let sent = self.exchange.send(stack, conn)?;
        let may_read = ready.contains(Ready::READABLE) || cycle.message == 0;
        if !(sent && may_read) {
            return Ok(());
        }
        match self.exchange.receive(stack, conn)? {
            Heard::Message => self.stage = Stage::AwaitingEnd,
            Heard::EndOfStream => return Err(Gone),
            Heard::Partly => {}
        }
        Ok(())
    }

    /// Closes when it is this end's turn.
    fn end(&mut self, stack: &mut dyn Stack, conn: Conn, cycle: &Cycle) -> Result<Fate, Gone> {
        if cycle.closer == Closer::Server && !peer_closed(stack, conn)? {
            return Ok(Fate::Open);
        }
        if cycle.closer == Closer::Client && cycle.close == Close::Rst {
            stack.abort(conn);
            return Ok(Fate::Ended);
        }
        stack.close(conn);
        self.stage = Stage::Closing;
        Ok(Fate::Open)
    }
}

impl Actor for Client {
    type Tally = CycleTally;

    fn enter(&mut self, phase: Phase, now: Nanos) {
        self.in_flight.enter(phase, now);
        self.tally.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        self.look_at_time_wait(stack, now);
        for &event in events {
            self.handle(stack, now, event);
        }
        let next = if phase.loads() {
            self.top_up(stack, now)
        } else {
            Next::OnEvent
        };
        self.in_flight.set(now, self.flows.len());
        next
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::Measure => self
                .cycle
                .time_wait_limit
                .is_some_and(|limit| self.time_wait >= limit),
            Phase::Drain => self.flows.is_empty(),
            _ => true,
        }
    }

    fn tell(&self, beat: &mut Beat) {
        let tally = &self.tally.current;
        beat.operations = tally.completed;
        beat.failures = tally.failures.total();
        beat.latency.copy_from(&tally.setup);
    }

    fn into_tally(self) -> CycleTally {
        let mut tally = self.tally.into_measured();
        tally.operation_ns = self.in_flight.into_operation_ns();
        tally.failures.unended = self.flows.len() as u64;
        if let (Some(tuples), Some(counted)) = (&self.tuples, &mut tally.tuples) {
            counted.exhausted_after = tuples.exhausted_after();
        }
        tally
    }
}
