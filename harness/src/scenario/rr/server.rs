//! The end that answers.

use crate::load::exchange::{Exchange, Heard};
use crate::load::flows::Flows;
use crate::load::{Actor, Next, Phase};
use crate::stack::{Conn, Event, Gone, Nanos, Ready, Stack};

/// Answers each request as soon as it is complete.
#[derive(Debug)]
pub(super) struct Server {
    message: u32,
    flows: Flows<Exchange>,
}

impl Server {
    pub(super) fn new(message: u32) -> Self {
        Self {
            message,
            flows: Flows::new(),
        }
    }

    fn handle(&mut self, stack: &mut dyn Stack, event: Event) {
        let Event { conn, ready } = event;
        if ready.contains(Ready::ACCEPTED) {
            self.flows.insert(conn, Exchange::awaiting(self.message));
        }
        let Some(exchange) = self.flows.get_mut(conn) else {
            return;
        };
        let over = ready.contains(Ready::FAILED)
            // The client counts a connection that breaks.
            || advance(exchange, stack, conn, ready, self.message).unwrap_or(true);
        if over {
            self.flows.remove(conn);
        }
    }
}

/// True when the client has closed, and this end with it.
fn advance(
    exchange: &mut Exchange,
    stack: &mut dyn Stack,
    conn: Conn,
    ready: Ready,
    message: u32,
) -> Result<bool, Gone> {
    if !exchange.send(stack, conn)? || !ready.contains(Ready::READABLE) {
        return Ok(false);
    }
    match exchange.receive(stack, conn)? {
        Heard::Partly => Ok(false),
        Heard::Message => {
            exchange.answer(message);
            exchange.send(stack, conn)?;
            Ok(false)
        }
        Heard::EndOfStream => {
            stack.close(conn);
            Ok(true)
        }
    }
}

impl Actor for Server {
    type Tally = ();

    fn enter(&mut self, _phase: Phase, _now: Nanos) {}

    fn step(&mut self, stack: &mut dyn Stack, _phase: Phase, _now: Nanos, events: &[Event]) -> Next {
        for &event in events {
            self.handle(stack, event);
        }
        Next::OnEvent
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure
    }

    fn into_tally(self) {}
}
