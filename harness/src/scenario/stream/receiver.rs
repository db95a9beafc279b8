//! The end that receives.

use crate::load::pattern::Verifier;
use crate::load::pulse::Beat;
use crate::load::tally::Windowed;
use crate::load::{Actor, Next, Phase};
use crate::stack::{Conn, Event, Nanos, Ready, Received, Stack};

/// Bytes that one call reads at most.
const READ: usize = 1 << 20;
/// Reads in one step at most.
const READS: usize = 16;

/// Reads and verifies whatever has come.
#[derive(Debug)]
pub(super) struct Receiver {
    /// The connection that carries the stream, and whether there may be more to read.
    stream: Option<(Conn, bool)>,
    verifier: Verifier,
    bytes: Windowed<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiverTally {
    /// Bytes received in the window.
    pub(crate) bytes: u64,
    /// Whether every byte of the whole run was the one that was sent.
    pub(crate) intact: bool,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            stream: None,
            verifier: Verifier::default(),
            bytes: Windowed::new(0),
        }
    }

    fn handle(&mut self, event: Event) {
        if event.ready.contains(Ready::ACCEPTED) {
            self.stream = Some((event.conn, false));
        }
        if let Some((conn, readable)) = &mut self.stream
            && *conn == event.conn
            && event.ready.contains(Ready::READABLE)
        {
            *readable = true;
        }
    }

    fn read(&mut self, stack: &mut dyn Stack) -> Next {
        let Self {
            stream: Some((conn, readable)),
            verifier,
            bytes,
        } = self
        else {
            return Next::OnEvent;
        };
        let mut reads = 0;
        while *readable {
            if reads == READS {
                return Next::Now;
            }
            reads += 1;
            match stack.receive(*conn, READ, &mut |chunk| verifier.verify(chunk)) {
                Ok(Received::Bytes(length)) => bytes.current += length as u64,
                Ok(Received::WouldBlock | Received::EndOfStream) | Err(_) => *readable = false,
            }
        }
        Next::OnEvent
    }
}

impl Actor for Receiver {
    type Tally = ReceiverTally;

    fn enter(&mut self, phase: Phase, _now: Nanos) {
        self.bytes.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, _phase: Phase, _now: Nanos, events: &[Event]) -> Next {
        for &event in events {
            self.handle(event);
        }
        self.read(stack)
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure
    }

    fn tell(&self, beat: &mut Beat) {
        beat.operations = self.bytes.current;
    }

    fn into_tally(self) -> ReceiverTally {
        ReceiverTally {
            intact: self.verifier.is_intact(),
            bytes: self.bytes.into_measured(),
        }
    }
}
