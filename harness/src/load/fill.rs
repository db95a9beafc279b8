//! Fills the tables that the load is to find full: idle connections, and TIME_WAIT entries.

#[cfg(test)]
mod tests;

use super::addresses::AddressPlan;
use super::cycle;
use super::holders::{Holders, Plan};
use super::{Actor, Next, Phase};
use crate::config::{Close, Closer};
use crate::load::cycle::Cycle;
use crate::load::flows::Flows;
use crate::stack::{Conn, ConnectError, Event, Nanos, Ready, Stack};

/// Connections that are opened at one time.
const OPENING: usize = 256;
/// Idle connections that there is room for from the start. Nobody has as many as may be asked for.
const ROOM: u64 = 1 << 20;
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
    /// Those of them that other processes hold.
    pub(crate) elsewhere: u64,
    /// Those of these that broke.
    pub(crate) lost: u64,
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
    /// What the load needs was given up again.
    has_made_room: bool,
    /// How other processes may hold what the stack does not take.
    plan: Option<Plan>,
    holders: Option<Holders>,
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
    /// An end whose idle connections other processes may hold by `plan` where the stack has no room.
    pub(super) fn new(fill: Fill, addresses: AddressPlan, plan: Option<Plan>) -> Self {
        Self {
            fill,
            opening: Flows::new(),
            idle: Vec::with_capacity(fill.idle.min(ROOM) as usize),
            full: false,
            has_made_room: false,
            plan,
            holders: None,
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
                Err(ConnectError::TooManyConnections) => self.full = true,
                Err(_) => return Next::Now,
            }
        }
        if self.full && self.opening.is_empty() && !self.has_made_room {
            let room = self.idle.len() as u64;
            self.make_room(stack);
            let plan = self.plan.as_ref();
            self.holders = plan.map(|plan| plan.start(self.idle_wanted(), room));
        }
        Next::OnEvent
    }

    /// Idle connections that this end itself has open.
    pub(super) fn held(&self) -> u64 {
        self.idle.len() as u64
    }

    fn has_opened_all_it_can(&self) -> bool {
        let holders_are_done = || self.holders.as_ref().is_none_or(Holders::are_done);
        self.opening.is_empty() && (self.idle_wanted() == 0 || self.has_made_room && holders_are_done())
    }

    fn idle_wanted(&self) -> u64 {
        self.fill
            .idle
            .saturating_sub((self.idle.len() + self.opening.len()) as u64)
    }

    /// The stack is full: gives up as many idle connections as the load will need.
    fn make_room(&mut self, stack: &mut dyn Stack) {
        self.has_made_room = true;
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

    fn enter(&mut self, phase: Phase, _now: Nanos) {
        let Some(holders) = self.holders.as_mut().filter(|_| phase == Phase::Prepare) else {
            return;
        };
        holders.stop_opening();
        if holders.held() > 0 {
            note!(
                "warning: {} idle connections are held by further processes ({}), as one has no room for more than {}",
                holders.held(),
                holders.count(),
                self.idle.len()
            );
        }
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        if phase == Phase::OpenIdle {
            self.open_idle(stack, events)
        } else {
            self.fill_time_wait(stack, now, events)
        }
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::OpenIdle => self.has_opened_all_it_can(),
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
        let elsewhere = self.holders.as_ref().map_or(0, Holders::held);
        Filled {
            idle: self.held() + elsewhere,
            elsewhere,
            lost: self.holders.as_ref().map_or(0, Holders::lost),
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
            time_wait: self.preloaded.unwrap_or(0),
            ..Filled::default()
        }
    }
}
