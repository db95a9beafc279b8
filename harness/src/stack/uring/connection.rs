//! One connection over a ring: what was asked of the kernel for it, and what has come.

use std::collections::VecDeque;

use super::super::Ready;
use crate::sys::uring::{Arrived, Draft, Operation};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// Closed by the application; waits for its last bytes to go and for the end of the peer's stream.
    Closing,
    /// Nothing is left but to give the descriptor back; announced so afterwards.
    Ending(Ready),
}

/// A set of operations that the kernel has not completed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct InFlight(u16);

impl InFlight {
    pub(super) fn begin(&mut self, operation: Operation) {
        self.0 |= 1 << operation as u8;
    }

    pub(super) fn end(&mut self, operation: Operation) {
        self.0 &= !(1 << operation as u8);
    }

    pub(super) fn has(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u8 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    /// Its direct descriptor.
    pub(super) file: u32,
    pub(super) phase: Phase,
    pub(super) in_flight: InFlight,
    /// Received and not yet read, in order.
    pub(super) arrived: VecDeque<Arrived>,
    /// The end of the peer's stream has come, behind what is in `arrived`.
    pub(super) at_end: bool,
    /// What was written in this step, or while a send is in flight.
    pub(super) draft: Option<Draft>,
    /// The draft had no room for all; that it has gone is announced.
    pub(super) blocked: bool,
}

impl Connection {
    pub(super) fn connecting(file: u32) -> Self {
        let mut connection = Self::new(file, Phase::Connecting);
        connection.in_flight.begin(Operation::Connect);
        connection.in_flight.begin(Operation::Receive);
        connection
    }

    pub(super) fn accepted(file: u32) -> Self {
        Self::new(file, Phase::Open)
    }

    fn new(file: u32, phase: Phase) -> Self {
        Self {
            file,
            phase,
            in_flight: InFlight::default(),
            arrived: VecDeque::new(),
            at_end: false,
            draft: None,
            blocked: false,
        }
    }

    /// Whether the application still has it.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Ending(_))
    }

    /// Nothing but the close is to follow, unless it already was.
    pub(super) fn end(&mut self, ready: Ready) {
        if !matches!(self.phase, Phase::Ending(_)) {
            self.phase = Phase::Ending(ready);
        }
    }
}
