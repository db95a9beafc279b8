//! The end that accepts.

use super::batch::{Batch, TeardownTally};
use crate::config::{Closer, RunConfig};
use crate::load::exchange::peer_closed;
use crate::load::flows::Flows;
use crate::load::pulse::Beat;
use crate::load::{Actor, Next, Phase};
use crate::stack::{Conn, Event, Nanos, Ready, Stack};

/// Silence after which a batch is closed though a connection of it is missing: one that broke on the way.
const QUIET: Nanos = 10_000_000;

/// Closes second, or collects a batch and closes it.
#[derive(Debug)]
pub(super) struct Server {
    size: usize,
    closer: Closer,
    established: Vec<Conn>,
    last_accept: Nanos,
    /// The whole batch was accepted in the step before: the client has had time to see it established.
    ready: bool,
    batch: Batch,
    /// Connections that the client is to close.
    followed: Flows<()>,
}

impl Server {
    pub(super) fn new(config: &RunConfig) -> Self {
        Self {
            size: config.connections as usize,
            closer: config.closer,
            established: Vec::with_capacity(config.connections as usize),
            last_accept: 0,
            ready: false,
            batch: Batch::new(config.close),
            followed: Flows::new(),
        }
    }

    fn handle(&mut self, stack: &mut dyn Stack, now: Nanos, event: Event) {
        let Event { conn, ready } = event;
        if ready.contains(Ready::ACCEPTED) {
            self.last_accept = now;
            match self.closer {
                Closer::Client => self.followed.insert(conn, ()),
                Closer::Server => self.established.push(conn),
            }
        }
        if self.followed.get_mut(conn).is_none() {
            return;
        }
        if ready.contains(Ready::FAILED) {
            self.followed.remove(conn);
        } else if ready.contains(Ready::READABLE) && peer_closed(stack, conn).unwrap_or(true) {
            stack.close(conn);
            self.followed.remove(conn);
        }
    }

    fn batch_is_complete(&self, now: Nanos) -> bool {
        let quiet = now >= self.last_accept + QUIET;
        self.established.len() >= self.size || (quiet && !self.established.is_empty())
    }
}

impl Actor for Server {
    type Tally = TeardownTally;

    fn enter(&mut self, phase: Phase, now: Nanos) {
        self.batch.enter(phase, now);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        self.batch.advance(now, events);
        for &event in events {
            self.handle(stack, now, event);
        }
        if !phase.loads() || !self.batch.is_over() || !self.batch_is_complete(now) {
            return Next::OnEvent;
        }
        if std::mem::replace(&mut self.ready, true) {
            self.batch.begin(stack, now, &mut self.established);
            self.ready = false;
        }
        Next::Now
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure && (phase != Phase::Drain || self.batch.is_over())
    }

    fn tell(&self, beat: &mut Beat) {
        self.batch.tell(beat);
    }

    fn into_tally(self) -> TeardownTally {
        self.batch.into_tally()
    }
}
