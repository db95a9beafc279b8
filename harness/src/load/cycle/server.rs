//! The end that accepts.

use super::Cycle;
use crate::config::{Close, Closer};
use crate::load::exchange::{Exchange, Heard, peer_closed};
use crate::load::flows::Flows;
use crate::load::{Actor, Next, Phase};
use crate::stack::{Conn, Event, Gone, Nanos, Ready, Stack};

/// Answers each message, and closes first or second.
#[derive(Debug)]
pub(crate) struct Server {
    cycle: Cycle,
    /// Those that this end has not closed yet.
    flows: Flows<Flow>,
    /// Those that the next step resets: a reset overtakes what it follows, and the client is to see that first.
    resets: Vec<Conn>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    exchange: Exchange,
    /// The request is here.
    answered: bool,
}

/// What this end has done with a connection in one step.
enum Turn {
    Open,
    Closed,
    ToReset,
}

impl Server {
    pub(crate) fn new(cycle: Cycle) -> Self {
        Self {
            cycle,
            flows: Flows::new(),
            resets: Vec::with_capacity(cycle.in_flight as usize),
        }
    }

    fn handle(&mut self, stack: &mut dyn Stack, event: Event) {
        let Event { conn, ready } = event;
        if ready.contains(Ready::ACCEPTED) {
            self.flows.insert(conn, Flow::new(self.cycle.message));
        }
        let Some(flow) = self.flows.get_mut(conn) else {
            return;
        };
        // A connection that is gone has nothing left to close: the client counts it.
        let turn = if ready.contains(Ready::FAILED) {
            Turn::Closed
        } else {
            flow.advance(stack, conn, ready, &self.cycle)
                .unwrap_or(Turn::Closed)
        };
        match turn {
            Turn::Open => return,
            Turn::Closed => {}
            Turn::ToReset => self.resets.push(conn),
        }
        self.flows.remove(conn);
    }
}

impl Flow {
    fn new(message: u32) -> Self {
        Self {
            exchange: Exchange::awaiting(message),
            answered: message == 0,
        }
    }

    fn advance(
        &mut self,
        stack: &mut dyn Stack,
        conn: Conn,
        ready: Ready,
        cycle: &Cycle,
    ) -> Result<Turn, Gone> {
        let readable = ready.contains(Ready::READABLE);
        if !self.answered {
            return if readable {
                self.answer(stack, conn, cycle)
            } else {
                Ok(Turn::Open)
            };
        }
        if !self.exchange.send(stack, conn)? {
            return Ok(Turn::Open);
        }
        if cycle.closer == Closer::Server {
            return Ok(close_first(stack, conn, cycle.close));
        }
        Ok(if readable && peer_closed(stack, conn)? {
            close(stack, conn)
        } else {
            Turn::Open
        })
    }

    /// Answers the request once it is complete. A client closes after it has the answer, so its end is not looked for here.
    fn answer(&mut self, stack: &mut dyn Stack, conn: Conn, cycle: &Cycle) -> Result<Turn, Gone> {
        match self.exchange.receive(stack, conn)? {
            Heard::Partly => return Ok(Turn::Open),
            Heard::EndOfStream => return Ok(close(stack, conn)),
            Heard::Message => {}
        }
        self.answered = true;
        self.exchange.answer(cycle.message);
        let sent = self.exchange.send(stack, conn)?;
        let closes = sent && cycle.closer == Closer::Server;
        Ok(if closes {
            close_first(stack, conn, cycle.close)
        } else {
            Turn::Open
        })
    }
}

fn close(stack: &mut dyn Stack, conn: Conn) -> Turn {
    stack.close(conn);
    Turn::Closed
}

fn close_first(stack: &mut dyn Stack, conn: Conn, how: Close) -> Turn {
    match how {
        Close::Fin => close(stack, conn),
        Close::Rst => Turn::ToReset,
    }
}

impl Actor for Server {
    type Tally = ();

    fn enter(&mut self, _phase: Phase, _now: Nanos) {}

    fn step(&mut self, stack: &mut dyn Stack, _phase: Phase, _now: Nanos, events: &[Event]) -> Next {
        for conn in self.resets.drain(..) {
            stack.abort(conn);
        }
        for &event in events {
            self.handle(stack, event);
        }
        if self.resets.is_empty() {
            Next::OnEvent
        } else {
            Next::Now
        }
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure
            && (phase != Phase::Drain || (self.flows.is_empty() && self.resets.is_empty()))
    }

    fn into_tally(self) {}
}
