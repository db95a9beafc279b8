//! Fills the tables that the load is to find full: idle connections, and TIME_WAIT entries.

#[cfg(test)]
mod tests;

use super::addresses::AddressPlan;
use super::cycle;
use super::{Actor, Next, Phase};
use crate::config::{Close, Closer};
use crate::load::cycle::Cycle;
use crate::load::flows::Flows;
use crate::stack::{Conn, ConnectError, Event, Nanos, Ready, Stack};

/// Connections that are opened at one time.
const OPENING: usize = 256;
/// Silence after which an accepting end takes it that nothing more comes.
const QUIET: Nanos = 5_000_000;

/// What to fill in, for one generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fill {
    /// Connections that stay open and do nothing.
    pub(super) idle: u64,
    /// TIME_WAIT entries.
    pub(super) time_wait: u64,
    /// The end that holds them.
    pub(super) closer: Closer,
    /// Connections that the load will need beside the idle ones.
    pub(super) headroom: u32,
}

impl Fill {
    pub(super) fn is_needed_in(&self, phase: Phase) -> bool {
        match phase {
            Phase::OpenIdle => self.idle > 0,
            Phase::FillTimeWait => self.time_wait > 0,
            _ => false,
        }
    }

    /// Connections without data, closed by the end that is to hold the entries.
    fn cycle(&self) -> Cycle {
        Cycle {
            in_flight: OPENING as u32,
            message: 0,
            close: Close::Fin,
            closer: self.closer,
            time_wait_limit: None,
        }
    }
}

/// What was reached.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Filled {
    /// Idle connections open.
    pub(crate) idle: u64,
    /// TIME_WAIT entries made.
    pub(crate) time_wait: u64,
}

/// The client end.
#[derive(Debug)]
pub(super) struct Opener {
    fill: Fill,
    addresses: AddressPlan,
    opening: Flows<()>,
    idle: Vec<Conn>,
    /// The stack takes no more idle connections.
    full: bool,
    door: Door,
    closer: cycle::Client,
}

/// How TIME_WAIT entries are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Door {
    Untried,
    /// The stack has put so many in without packets.
    Preloaded(u64),
    /// By opening and closing connections.
    Closing,
    /// The other end does it.
    Elsewhere,
}

impl Opener {
    pub(super) fn new(fill: Fill, addresses: AddressPlan) -> Self {
        Self {
            fill,
            opening: Flows::new(),
            idle: Vec::with_capacity(fill.idle as usize),
            full: false,
            door: Door::Untried,
            closer: cycle::Client::new(fill.cycle(), addresses.clone()),
            addresses,
        }
    }

    fn open_idle(&mut self, stack: &mut dyn Stack, events: &[Event]) -> Next {
        for event in events {
            if self.opening.remove(event.conn).is_some() && event.ready.contains(Ready::CONNECTED) {
                self.idle.push(event.conn);
            }
        }
        while !self.full && self.opening.len() < OPENING && self.idle_wanted() > 0 {
            let (from, to) = self.addresses.next();
            match stack.connect(from, to) {
                Ok(conn) => self.opening.insert(conn, ()),
                Err(ConnectError::TooManyConnections) => self.make_room(stack),
                Err(_) => return Next::Now,
            }
        }
        Next::OnEvent
    }

    fn idle_wanted(&self) -> u64 {
        self.fill
            .idle
            .saturating_sub((self.idle.len() + self.opening.len()) as u64)
    }

    /// The stack is full: gives up as many idle connections as the load will need.
    fn make_room(&mut self, stack: &mut dyn Stack) {
        self.full = true;
        let kept = self.idle.len().saturating_sub(self.fill.headroom as usize);
        for conn in self.idle.drain(kept..) {
            stack.abort(conn);
        }
    }

    fn fill_time_wait(&mut self, stack: &mut dyn Stack, now: Nanos, events: &[Event]) -> Next {
        if self.door == Door::Untried {
            self.door = self.try_door(stack, now);
        }
        if self.door != Door::Closing {
            return Next::OnEvent;
        }
        let tally = self.closer.tally();
        let started = tally.attempts - tally.failures.total();
        let phase = if started < self.fill.time_wait {
            Phase::WarmUp
        } else {
            Phase::Drain
        };
        self.closer.step(stack, phase, now, events)
    }

    fn try_door(&self, stack: &mut dyn Stack, now: Nanos) -> Door {
        let here = self.fill.closer == Closer::Client;
        match stack.preload_time_wait(now, if here { self.fill.time_wait } else { 0 }) {
            Some(held) if here => Door::Preloaded(held),
            Some(_) => Door::Elsewhere,
            None => Door::Closing,
        }
    }

    fn entries_made(&self) -> u64 {
        match self.door {
            Door::Preloaded(held) => held,
            Door::Closing => self.closer.tally().completed,
            Door::Untried | Door::Elsewhere => 0,
        }
    }
}

impl Actor for Opener {
    type Tally = Filled;

    fn enter(&mut self, _phase: Phase, _now: Nanos) {}

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        if phase == Phase::OpenIdle {
            self.open_idle(stack, events)
        } else {
            self.fill_time_wait(stack, now, events)
        }
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::OpenIdle => self.opening.is_empty() && (self.full || self.idle_wanted() == 0),
            Phase::FillTimeWait => match self.door {
                Door::Untried => false,
                Door::Preloaded(_) | Door::Elsewhere => true,
                Door::Closing => {
                    self.entries_made() >= self.fill.time_wait && self.closer.settled(Phase::Drain)
                }
            },
            _ => true,
        }
    }

    fn into_tally(self) -> Filled {
        Filled {
            idle: self.idle.len() as u64,
            time_wait: self.entries_made(),
        }
    }
}

/// The server end.
#[derive(Debug)]
pub(super) struct Acceptor {
    fill: Fill,
    now: Nanos,
    last_event: Nanos,
    preloaded: Option<u64>,
    tried_door: bool,
    closer: cycle::Server,
}

impl Acceptor {
    pub(super) fn new(fill: Fill) -> Self {
        Self {
            fill,
            now: 0,
            last_event: 0,
            preloaded: None,
            tried_door: false,
            closer: cycle::Server::new(fill.cycle()),
        }
    }
}

impl Actor for Acceptor {
    type Tally = Filled;

    fn enter(&mut self, _phase: Phase, now: Nanos) {
        self.last_event = now;
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        self.now = now;
        if !events.is_empty() {
            self.last_event = now;
        }
        if phase == Phase::OpenIdle {
            return Next::OnEvent;
        }
        if !self.tried_door && self.fill.closer == Closer::Server {
            self.preloaded = stack.preload_time_wait(now, self.fill.time_wait);
        }
        self.tried_door = true;
        self.closer.step(stack, phase, now, events)
    }

    /// The client knows when all is opened or closed; this end waits until the last of it has come here as well, because
    /// the scenario must not take a late idle connection for one of its own.
    fn settled(&self, phase: Phase) -> bool {
        (phase == Phase::OpenIdle || self.tried_door) && self.now >= self.last_event + QUIET
    }

    fn into_tally(self) -> Filled {
        Filled {
            idle: 0,
            time_wait: self.preloaded.unwrap_or(0),
        }
    }
}
