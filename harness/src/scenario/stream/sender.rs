//! The end that sends.

use crate::load::addresses::AddressPlan;
use crate::load::pattern::Producer;
use crate::load::pulse::Beat;
use crate::load::tally::{Failures, Windowed};
use crate::load::{Actor, Next, Phase};
use crate::stack::{Conn, Event, Nanos, Ready, Stack};

/// Writes in one step at most, so that a stack with deep buffers hears of its peer in time.
const WRITES: usize = 16;

/// Opens one connection and writes whenever there is room.
#[derive(Debug)]
pub(super) struct Sender {
    write: usize,
    addresses: AddressPlan,
    state: State,
    producer: Producer,
    failures: Windowed<Failures>,
    connected: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Start,
    Connecting(Conn),
    Writable(Conn),
    /// The send buffer is full.
    Blocked(Conn),
    Broken,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderTally {
    pub(crate) failures: Failures,
    /// Whether there was ever a connection.
    pub(crate) connected: bool,
}

impl Sender {
    pub(super) fn new(write: u32, addresses: AddressPlan) -> Self {
        Self {
            write: write as usize,
            addresses,
            state: State::Start,
            producer: Producer::default(),
            failures: Windowed::new(Failures::default()),
            connected: false,
        }
    }

    fn connect(&mut self, stack: &mut dyn Stack) {
        let (from, to) = self.addresses.next();
        if let Ok(conn) = stack.connect(from, to) {
            self.state = State::Connecting(conn);
        }
    }

    fn handle(&mut self, event: Event) {
        let failed = event.ready.contains(Ready::FAILED);
        self.state = match self.state {
            // Nothing was sent yet, so another connection is as good.
            State::Connecting(conn) if event.conn == conn && failed => State::Start,
            State::Connecting(conn) if event.conn == conn && event.ready.contains(Ready::CONNECTED) => {
                self.connected = true;
                State::Writable(conn)
            }
            State::Writable(conn) | State::Blocked(conn) if event.conn == conn && failed => self.broken(),
            State::Blocked(conn) if event.conn == conn && event.ready.contains(Ready::WRITABLE) => {
                State::Writable(conn)
            }
            unchanged => unchanged,
        };
    }

    fn broken(&mut self) -> State {
        self.failures.current.broken += 1;
        State::Broken
    }

    fn write(&mut self, stack: &mut dyn Stack) -> Next {
        for _ in 0..WRITES {
            let State::Writable(conn) = self.state else {
                return Next::OnEvent;
            };
            let producer = &mut self.producer;
            let start = producer.position;
            let rest = rest_of_write(start, self.write);
            match stack.send(conn, rest, &mut |bytes| producer.produce(bytes)) {
                Ok(taken) => {
                    producer.position = start + taken as u64;
                    if taken < rest {
                        self.state = State::Blocked(conn);
                    }
                }
                Err(_) => self.state = self.broken(),
            }
        }
        Next::Now
    }
}

/// Of what was taken in part the rest comes next, as from a program that has a whole buffer to write; what follows begins on a word again.
fn rest_of_write(position: u64, write: usize) -> usize {
    write - (position % write as u64) as usize
}

impl Actor for Sender {
    type Tally = SenderTally;

    fn enter(&mut self, phase: Phase, _now: Nanos) {
        self.failures.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, _now: Nanos, events: &[Event]) -> Next {
        for &event in events {
            self.handle(event);
        }
        if self.state == State::Start && phase == Phase::Prepare {
            self.connect(stack);
        }
        if phase.loads() {
            self.write(stack)
        } else {
            Next::OnEvent
        }
    }

    fn settled(&self, phase: Phase) -> bool {
        match phase {
            Phase::Prepare => self.connected,
            phase => phase != Phase::Measure,
        }
    }

    fn tell(&self, beat: &mut Beat) {
        beat.failures = self.failures.current.total();
    }

    fn into_tally(self) -> SenderTally {
        SenderTally {
            failures: self.failures.into_measured(),
            connected: self.connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rest_of_write;

    #[test]
    fn the_rest_of_a_write_that_was_taken_in_part_comes_next() {
        assert_eq!(rest_of_write(0, 64), 64);
        assert_eq!(rest_of_write(10, 64), 54);
        assert_eq!(rest_of_write(128, 64), 64);
    }
}
