//! The end that connects.

use super::flow::{Fate, Flow, Stage};
use super::tuples::{Clock, TupleTally, Tuples};
use super::{Cycle, Occupancy};
use crate::load::addresses::AddressPlan;
use crate::load::flows::Flows;
use crate::load::in_flight::InFlight;
use crate::load::open_loop::{OpenLoop, OpenTally};
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::load::{Actor, Next, Phase};
use crate::measure::recorder::Recorder;
use crate::stack::{Conn, ConnectError, Event, Nanos, Ready, Stack};

/// Nanoseconds between two looks at the TIME_WAIT table.
const LOOK_EVERY: Nanos = 10_000_000;

/// Keeps a number of connections in flight, or starts them when an open loop says so.
#[derive(Debug)]
pub(crate) struct Client {
    cycle: Cycle,
    addresses: AddressPlan,
    flows: Flows<Flow>,
    in_flight: InFlight,
    /// The last events told of a connection for which no port was free.
    lacks_port: bool,
    tally: Windowed<CycleTally>,
    tuples: Option<Box<Tuples>>,
    /// What starts connections; `None` when the end of one starts the next.
    open_loop: Option<Box<OpenLoop>>,
    look_at: Nanos,
    time_wait: u64,
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
    /// Nanoseconds of the window from `connect` (in an open loop from the intended start) to the end, summed over the connections.
    pub(crate) operation_ns: u64,
    /// Set-up times by the number of TIME_WAIT entries held, where asked for.
    pub(crate) occupancy: Option<Occupancy>,
    /// What became of the four-tuples, where asked for.
    pub(crate) tuples: Option<TupleTally>,
    /// What an open loop offered.
    pub(crate) open_loop: Option<OpenTally>,
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
            lacks_port: false,
            tally: Windowed::new(CycleTally {
                occupancy,
                ..CycleTally::default()
            }),
            tuples: None,
            open_loop: None,
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

    /// A client that starts a connection when `open_loop` says so, and as many at most as were to be in flight.
    pub(crate) fn started_by(mut self, open_loop: Option<Box<OpenLoop>>) -> Self {
        self.open_loop = open_loop;
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
                if let Some(open_loop) = &mut self.open_loop {
                    open_loop.ended(now, flow.intended, flow.started);
                }
                if let Some(tuples) = &mut self.tuples {
                    tuples.ended(flow.tuple, now);
                }
            }
            Fate::Broken => tally.failures.broken += 1,
            Fate::NoPort => {
                self.lacks_port = true;
                tally.failures.refused(ConnectError::PortsExhausted);
                if let Some(tuples) = &mut self.tuples {
                    tuples.ran_out(now);
                }
            }
        }
        self.flows.remove(event.conn);
    }

    fn top_up(&mut self, stack: &mut dyn Stack, now: Nanos) -> Next {
        while self.has_room() {
            if let Err(refused) = self.start(stack, now, now) {
                // Trying again at once would only fail again; the next step may find a port.
                self.tally.current.failures.refused(refused);
                return Next::Now;
            }
            // Nor would more than one attempt a step where the stack says so later.
            if self.lacks_port {
                break;
            }
        }
        Next::OnEvent
    }

    /// Starts what is due. A connection that is refused has failed: in an open loop there is no second attempt.
    fn start_due(&mut self, stack: &mut dyn Stack, now: Nanos) -> Next {
        self.arrive(now);
        while self.has_room()
            && let Some(intended) = self.open_loop.as_mut().and_then(|open_loop| open_loop.start())
        {
            if let Err(refused) = self.start(stack, now, intended) {
                self.tally.current.failures.refused(refused);
            }
        }
        self.open_loop
            .as_ref()
            .map_or(Next::OnEvent, |open_loop| open_loop.next())
    }

    fn arrive(&mut self, now: Nanos) {
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.arrive(now);
        }
    }

    fn has_room(&self) -> bool {
        self.flows.len() < self.cycle.in_flight as usize
    }

    /// Connections that wait for room.
    fn waiting(&self) -> usize {
        self.open_loop.as_ref().map_or(0, |open_loop| open_loop.waiting())
    }

    fn start(&mut self, stack: &mut dyn Stack, now: Nanos, intended: Nanos) -> Result<(), ConnectError> {
        let pair = self.addresses.turn();
        self.tally.current.attempts += 1;
        let conn = self.connect(stack)?;
        self.flows
            .insert(conn, Flow::new(intended, now, self.cycle.message, pair));
        Ok(())
    }

    fn connect(&mut self, stack: &mut dyn Stack) -> Result<Conn, ConnectError> {
        let (from, to) = self.addresses.next();
        let (Some(tuples), Some(counted)) = (&mut self.tuples, &mut self.tally.current.tuples) else {
            return stack.connect(from, to);
        };
        let before = (tuples.clock)();
        let result = stack.connect(from, to);
        let after = (tuples.clock)();
        tuples.begin(before);
        let has_answered = result.is_ok() || result == Err(ConnectError::PortsExhausted);
        if has_answered && stack.connects_at_once() {
            tuples.called(counted, before, after, self.time_wait, result.is_ok());
        }
        result
    }

    fn look_at_time_wait(&mut self, stack: &dyn Stack, now: Nanos) {
        let wanted = self.cycle.time_wait_limit.is_some() || self.tally.current.occupancy.is_some();
        if wanted && now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.time_wait = stack.time_wait_held().unwrap_or(0);
        }
    }
}

impl Actor for Client {
    type Tally = CycleTally;

    fn enter(&mut self, phase: Phase, now: Nanos) {
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.enter(phase, now);
        }
        self.in_flight.enter(phase, now);
        self.tally.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        self.look_at_time_wait(stack, now);
        self.lacks_port = false;
        for &event in events {
            self.handle(stack, now, event);
        }
        let next = if self.open_loop.is_some() {
            self.start_due(stack, now)
        } else if phase.loads() {
            self.top_up(stack, now)
        } else {
            Next::OnEvent
        };
        self.in_flight.set(now, self.flows.len() + self.waiting());
        next
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::Measure => self
                .cycle
                .time_wait_limit
                .is_some_and(|limit| self.time_wait >= limit),
            Phase::Drain => self.flows.is_empty() && self.waiting() == 0,
            _ => true,
        }
    }

    fn tell(&self, beat: &mut Beat) {
        let tally = &self.tally.current;
        beat.operations = tally.completed;
        beat.failures = tally.failures.total();
        beat.latency.copy_from(&tally.setup);
        if let Some(open_loop) = &self.open_loop {
            open_loop.tell(beat);
        }
    }

    fn into_tally(self) -> CycleTally {
        let unended = self.flows.len() + self.waiting();
        let mut tally = self.tally.into_measured();
        tally.operation_ns = self.in_flight.into_operation_ns();
        tally.failures.unended = unended as u64;
        if let Some(open_loop) = self.open_loop {
            let open_loop = open_loop.into_tally();
            tally.operation_ns += open_loop.late_ns;
            tally.open_loop = Some(open_loop);
        }
        if let (Some(tuples), Some(counted)) = (&self.tuples, &mut tally.tuples) {
            counted.exhausted_after = tuples.exhausted_after();
        }
        tally
    }
}
