//! The end that connects.

use super::batch::{Batch, TeardownTally};
use crate::config::{Closer, RunConfig};
use crate::load::addresses::AddressPlan;
use crate::load::exchange::peer_closed;
use crate::load::flows::Flows;
use crate::load::pulse::Beat;
use crate::load::{Actor, Next, Phase};
use crate::stack::{Conn, Event, Gone, Nanos, Ready, Stack};

/// Sets a batch up, and closes it or watches it being closed.
#[derive(Debug)]
pub(super) struct Client {
    size: usize,
    closer: Closer,
    addresses: AddressPlan,
    /// Connections of this batch that are still to be started.
    missing: usize,
    connecting: Flows<()>,
    established: Vec<Conn>,
    /// The whole batch was established in the step before: the final ACKs have left since.
    ready: bool,
    batch: Batch,
    /// Connections that the server closes, and whether this end has followed.
    followed: Flows<bool>,
}

impl Client {
    pub(super) fn new(config: &RunConfig, addresses: AddressPlan) -> Self {
        Self {
            size: config.connections as usize,
            closer: config.closer,
            addresses,
            missing: 0,
            connecting: Flows::new(),
            established: Vec::with_capacity(config.connections as usize),
            ready: false,
            batch: Batch::new(config.close),
            followed: Flows::new(),
        }
    }

    fn handle(&mut self, stack: &mut dyn Stack, event: Event) {
        let Event { conn, ready } = event;
        if ready.contains(Ready::CONNECTED) && self.connecting.remove(conn).is_some() {
            match self.closer {
                Closer::Client => self.established.push(conn),
                Closer::Server => self.followed.insert(conn, false),
            }
        }
        if ready.contains(Ready::FAILED) && self.connecting.remove(conn).is_some() {
            self.batch.failures().broken += 1;
            self.missing += 1;
        }
        self.follow(stack, conn, ready);
    }

    /// Closes after the server has. The next batch is set up only when every FIN of this one is acknowledged.
    fn follow(&mut self, stack: &mut dyn Stack, conn: Conn, ready: Ready) {
        let Some(closed) = self.followed.get_mut(conn) else {
            return;
        };
        if ready.contains(Ready::CLOSED) || ready.contains(Ready::FAILED) {
            self.followed.remove(conn);
        } else if !*closed {
            match peer_closed(stack, conn) {
                Ok(false) => {}
                Ok(true) => {
                    stack.close(conn);
                    *closed = true;
                }
                Err(Gone) => {
                    self.followed.remove(conn);
                }
            }
        }
    }

    fn set_up(&mut self, stack: &mut dyn Stack) -> Next {
        while self.missing > 0 {
            let (from, to) = self.addresses.next();
            match stack.connect(from, to) {
                Ok(conn) => {
                    self.connecting.insert(conn, ());
                    self.missing -= 1;
                }
                Err(refused) => {
                    self.batch.failures().refused(refused);
                    return Next::Now;
                }
            }
        }
        Next::OnEvent
    }

    fn is_between_batches(&self) -> bool {
        self.missing == 0
            && self.connecting.is_empty()
            && self.established.is_empty()
            && self.followed.is_empty()
            && self.batch.is_over()
    }

    /// Closes the batch one step after it is complete.
    fn close_when_ready(&mut self, stack: &mut dyn Stack, now: Nanos) -> Next {
        if self.established.len() < self.size {
            return Next::OnEvent;
        }
        if std::mem::replace(&mut self.ready, true) {
            self.batch.begin(stack, now, &mut self.established);
            self.ready = false;
        }
        Next::Now
    }
}

impl Actor for Client {
    type Tally = TeardownTally;

    fn enter(&mut self, phase: Phase, now: Nanos) {
        self.batch.enter(phase, now);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next {
        self.batch.advance(now, events);
        for &event in events {
            self.handle(stack, event);
        }
        if !phase.loads() || !self.batch.is_over() {
            return Next::OnEvent;
        }
        if self.is_between_batches() {
            self.missing = self.size;
        }
        let next = self.set_up(stack);
        match self.close_when_ready(stack, now) {
            Next::Now => Next::Now,
            Next::At(_) | Next::OnEvent => next,
        }
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
