//! The end that asks.

use std::collections::VecDeque;

use super::MOST_OUTSTANDING;
use crate::config::RunConfig;
use crate::load::addresses::AddressPlan;
use crate::load::exchange::{Exchange, Heard};
use crate::load::flows::Flows;
use crate::load::in_flight::InFlight;
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::load::{Actor, Next, Phase};
use crate::measure::recorder::Recorder;
use crate::stack::{Conn, ConnectError, Event, Gone, Nanos, Ready, Stack};

/// Connections that are being opened at one time.
const OPENING: usize = 256;

/// Opens its connections once, then keeps requests outstanding.
#[derive(Debug)]
pub(super) struct Client {
    connections: usize,
    message: u32,
    addresses: AddressPlan,
    opening: Flows<()>,
    opened: usize,
    /// The stack takes no more.
    full: bool,
    /// Open connections without a request, the one that has waited longest first.
    waiting: VecDeque<Conn>,
    requests: Flows<Request>,
    in_flight: InFlight,
    tally: Windowed<RrTally>,
}

/// A request that is outstanding.
#[derive(Clone, Copy, Debug)]
struct Request {
    sent_at: Nanos,
    exchange: Exchange,
}

/// What the client counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct RrTally {
    pub(crate) completed: u64,
    pub(crate) failures: Failures,
    pub(crate) latency: Recorder,
    /// Nanoseconds from request to response, summed over the requests.
    pub(crate) operation_ns: Nanos,
    /// Connections opened before the load began.
    pub(crate) opened: u64,
}

impl RrTally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.failures.add(&other.failures);
        self.latency.merge(&other.latency);
        self.operation_ns += other.operation_ns;
        self.opened += other.opened;
    }
}

impl Client {
    pub(super) fn new(config: &RunConfig, addresses: AddressPlan) -> Self {
        Self {
            connections: config.connections as usize,
            message: config.message,
            addresses,
            opening: Flows::new(),
            opened: 0,
            full: false,
            waiting: VecDeque::with_capacity(config.connections as usize),
            requests: Flows::new(),
            in_flight: InFlight::new(),
            tally: Windowed::new(RrTally::default()),
        }
    }

    fn open(&mut self, stack: &mut dyn Stack, events: &[Event]) -> Next {
        for event in events {
            if self.opening.remove(event.conn).is_some() && event.ready.contains(Ready::CONNECTED) {
                self.waiting.push_back(event.conn);
                self.opened += 1;
            }
        }
        while !self.full
            && self.opening.len() < OPENING
            && self.opening.len() + self.opened < self.connections
        {
            let (from, to) = self.addresses.next();
            match stack.connect(from, to) {
                Ok(conn) => self.opening.insert(conn, ()),
                Err(ConnectError::TooManyConnections) => self.full = true,
                Err(_) => return Next::Now,
            }
        }
        Next::OnEvent
    }

    fn handle(&mut self, stack: &mut dyn Stack, now: Nanos, event: Event) {
        let Some(request) = self.requests.get_mut(event.conn) else {
            return;
        };
        let answered = if event.ready.contains(Ready::FAILED) {
            Err(Gone)
        } else {
            request.advance(stack, event.conn, event.ready)
        };
        if answered == Ok(false) {
            return;
        }
        let took = now - request.sent_at;
        self.requests.remove(event.conn);
        let tally = &mut self.tally.current;
        if answered.is_ok() {
            tally.completed += 1;
            tally.latency.record(took);
            self.waiting.push_back(event.conn);
        } else {
            tally.failures.broken += 1;
        }
    }

    fn ask(&mut self, stack: &mut dyn Stack, now: Nanos) {
        while self.requests.len() < MOST_OUTSTANDING as usize {
            let Some(conn) = self.waiting.pop_front() else {
                return;
            };
            let mut request = Request {
                sent_at: now,
                exchange: Exchange::request(self.message),
            };
            match request.exchange.send(stack, conn) {
                Ok(_) => self.requests.insert(conn, request),
                Err(Gone) => self.tally.current.failures.broken += 1,
            }
        }
    }
}

impl Request {
    /// True when the response is complete.
    fn advance(&mut self, stack: &mut dyn Stack, conn: Conn, ready: Ready) -> Result<bool, Gone> {
        if !self.exchange.send(stack, conn)? || !ready.contains(Ready::READABLE) {
            return Ok(false);
        }
        match self.exchange.receive(stack, conn)? {
            Heard::Message => Ok(true),
            Heard::Partly => Ok(false),
            Heard::EndOfStream => Err(Gone),
        }
    }
}

impl Actor for Client {
    type Tally = RrTally;

    fn enter(&mut self, phase: Phase, now: Nanos) {
        self.in_flight.enter(phase, now);
        self.tally.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        if phase == Phase::Prepare {
            return self.open(stack, events);
        }
        for &event in events {
            self.handle(stack, now, event);
        }
        if phase.loads() {
            self.ask(stack, now);
        }
        self.in_flight.set(now, self.requests.len());
        Next::OnEvent
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::Prepare => self.opening.is_empty() && (self.full || self.opened >= self.connections),
            Phase::Drain => self.requests.is_empty(),
            _ => false,
        }
    }

    fn tell(&self, beat: &mut Beat) {
        let tally = &self.tally.current;
        beat.operations = tally.completed;
        beat.failures = tally.failures.total();
        beat.latency.copy_from(&tally.latency);
    }

    fn into_tally(self) -> RrTally {
        let mut tally = self.tally.into_measured();
        tally.operation_ns = self.in_flight.into_operation_ns();
        tally.failures.unended = self.requests.len() as u64;
        tally.opened = self.opened as u64;
        tally
    }
}
