//! One connection of the end that connects.

use super::Cycle;
use super::tuples::Tuple;
use crate::config::{Close, Closer};
use crate::load::exchange::{Exchange, Heard, peer_closed};
use crate::stack::{Conn, Gone, Nanos, Ready, Stack};

/// A connection in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// When an open loop was to start it; `started` in a closed loop.
    pub(super) intended: Nanos,
    pub(super) started: Nanos,
    exchange: Exchange,
    pub(super) stage: Stage,
    /// The pair of addresses, and the local port where tuples are watched.
    pub(super) tuple: Tuple,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Connecting,
    Exchanging,
    /// The message is here; the server closes.
    AwaitingEnd,
    Closing,
}

/// What became of a connection in one step.
pub(super) enum Fate {
    Open,
    Ended,
    Broken,
    /// It never was, for want of a port.
    NoPort,
}

impl Flow {
    pub(super) fn new(intended: Nanos, started: Nanos, message: u32, pair: u32) -> Self {
        Self {
            intended,
            started,
            exchange: Exchange::request(message),
            stage: Stage::Connecting,
            tuple: Tuple { pair, port: 0 },
        }
    }

    pub(super) fn advance(
        &mut self,
        stack: &mut dyn Stack,
        conn: Conn,
        ready: Ready,
        cycle: &Cycle,
    ) -> Result<Fate, Gone> {
        if ready.contains(Ready::CLOSED) {
            return Ok(Fate::Ended);
        }
        if ready.contains(Ready::NO_PORT) {
            return Ok(Fate::NoPort);
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
