//! The end that asks.

use std::collections::VecDeque;

use super::MOST_OUTSTANDING;
use crate::config::RunConfig;
use crate::load::addresses::AddressPlan;
use crate::load::exchange::{Exchange, Heard};
use crate::load::flows::Flows;
use crate::load::in_flight::InFlight;
use crate::load::open_loop::{OpenLoop, OpenTally};
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::load::{Actor, Next, Phase};
use crate::measure::recorder::Recorder;
use crate::stack::{Conn, ConnectError, Event, Gone, Nanos, Ready, Stack};

/// Connections that are being opened at one time.
const OPENING: usize = 256;

/// Opens its connections once, then keeps requests outstanding, or sends them when an open loop says so.
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
    /// What starts requests; `None` when the end of one starts the next.
    open_loop: Option<Box<OpenLoop>>,
    in_flight: InFlight,
    tally: Windowed<RrTally>,
}

/// A request that is outstanding.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// When an open loop was to send it; `sent_at` in a closed loop.
    intended: Nanos,
    sent_at: Nanos,
    exchange: Exchange,
}

/// What the client counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct RrTally {
    pub(crate) completed: u64,
    pub(crate) failures: Failures,
    pub(crate) latency: Recorder,
    /// Nanoseconds of the window from request (in an open loop from its intended start) to response, summed over the requests.
    pub(crate) operation_ns: Nanos,
    /// Connections opened before the load began.
    pub(crate) opened: u64,
    /// What an open loop offered.
    pub(crate) open_loop: Option<OpenTally>,
}

impl RrTally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.failures.add(&other.failures);
        self.latency.merge(&other.latency);
        self.operation_ns += other.operation_ns;
        self.opened += other.opened;
        match (&mut self.open_loop, &other.open_loop) {
            (Some(sum), Some(more)) => sum.add(more),
            (sum, more) => *sum = sum.take().or_else(|| more.clone()),
        }
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
            open_loop: None,
            in_flight: InFlight::new(),
            tally: Windowed::new(RrTally::default()),
        }
    }

    /// A client that sends a request when `open_loop` says so, one at a time on each of its connections.
    pub(super) fn started_by(mut self, open_loop: Option<Box<OpenLoop>>) -> Self {
        self.open_loop = open_loop;
        self
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
        let Request {
            intended, sent_at, ..
        } = *request;
        self.requests.remove(event.conn);
        let tally = &mut self.tally.current;
        if answered.is_ok() {
            tally.completed += 1;
            tally.latency.record(now - sent_at);
            if let Some(open_loop) = &mut self.open_loop {
                open_loop.ended(now, intended, sent_at);
            }
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
            self.send(stack, conn, now, now);
        }
    }

    /// Sends what is due on the connections that are free.
    fn ask_due(&mut self, stack: &mut dyn Stack, now: Nanos) -> Next {
        let Some(open_loop) = &mut self.open_loop else {
            return Next::OnEvent;
        };
        open_loop.arrive(now);
        let next = open_loop.next();
        while !self.waiting.is_empty()
            && let Some(intended) = self.open_loop.as_mut().and_then(|open_loop| open_loop.start())
            && let Some(conn) = self.waiting.pop_front()
        {
            self.send(stack, conn, now, intended);
        }
        next
    }

    fn send(&mut self, stack: &mut dyn Stack, conn: Conn, now: Nanos, intended: Nanos) {
        let mut request = Request {
            intended,
            sent_at: now,
            exchange: Exchange::request(self.message),
        };
        match request.exchange.send(stack, conn) {
            Ok(_) => self.requests.insert(conn, request),
            Err(Gone) => self.tally.current.failures.broken += 1,
        }
    }

    /// Requests that wait for a connection.
    fn unsent(&self) -> usize {
        self.open_loop.as_ref().map_or(0, |open_loop| open_loop.waiting())
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
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.enter(phase, now);
        }
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
        let mut next = Next::OnEvent;
        if self.open_loop.is_some() {
            next = self.ask_due(stack, now);
        } else if phase.loads() {
            self.ask(stack, now);
        }
        self.in_flight.set(now, self.requests.len() + self.unsent());
        next
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::Prepare => self.opening.is_empty() && (self.full || self.opened >= self.connections),
            Phase::Drain => self.requests.is_empty() && self.unsent() == 0,
            _ => false,
        }
    }

    fn tell(&self, beat: &mut Beat) {
        let tally = &self.tally.current;
        beat.operations = tally.completed;
        beat.failures = tally.failures.total();
        beat.latency.copy_from(&tally.latency);
        if let Some(open_loop) = &self.open_loop {
            open_loop.tell(beat);
        }
    }

    fn into_tally(self) -> RrTally {
        let unended = self.requests.len() + self.unsent();
        let mut tally = self.tally.into_measured();
        tally.operation_ns = self.in_flight.into_operation_ns();
        tally.failures.unended = unended as u64;
        if let Some(open_loop) = self.open_loop {
            let open_loop = open_loop.into_tally();
            tally.operation_ns += open_loop.late_ns;
            tally.open_loop = Some(open_loop);
        }
        tally.opened = self.opened as u64;
        tally
    }
}
