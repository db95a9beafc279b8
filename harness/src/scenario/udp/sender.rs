//! The end that sends.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::payload::{COUNTED, UNCOUNTED, stamp};
use super::{BATCH, Udp};
use crate::load::open_loop::{OpenLoop, OpenTally};
use crate::load::pace::Pace;
use crate::load::pulse::Beat;
use crate::load::tally::Windowed;
use crate::load::{Actor, Ends, Next, Phase};
use crate::stack::{Datagrams, Event, Nanos, Stack};

/// Sends one batch a step, so that a receiver in the same thread keeps up, or what an open loop says is due.
#[derive(Debug)]
pub(super) struct Sender {
    from: IpAddr,
    to: SocketAddr,
    length: usize,
    socket: Option<Datagrams>,
    sent: Windowed<u64>,
    /// What starts datagrams; `None` when they are sent as fast as they go.
    open_loop: Option<Box<OpenLoop>>,
    /// What the path allows where no open loop says when.
    pace: Option<Pace>,
    /// Those of an open loop that were to be sent in the window, whenever they were.
    counted: u64,
}

/// What the sender counts.
#[derive(Debug)]
pub(crate) struct SenderTally {
    /// Datagrams handed to the stack that count.
    pub(super) sent: u64,
    /// What an open loop offered; without response and service times, which the receiver knows.
    pub(super) open_loop: Option<OpenTally>,
}

impl Sender {
    pub(super) fn new(udp: &Udp, ends: &Ends) -> Self {
        Self {
            from: ends.client_addresses[0],
            to: ends.server_addresses[0],
            length: udp.length,
            socket: None,
            sent: Windowed::new(0),
            open_loop: udp.open_loop.map(|plan| plan.of_generator(ends.generator)),
            pace: udp.pace,
            counted: 0,
        }
    }

    fn send_due(&mut self, stack: &mut dyn Stack, socket: Datagrams, now: Nanos) -> Next {
        let Some(open_loop) = &mut self.open_loop else {
            return Next::OnEvent;
        };
        open_loop.arrive(now);
        let due = open_loop.waiting().min(BATCH);
        let sent = stack.send_datagrams(socket, self.to, due, self.length, &mut |place, bytes| {
            let intended = open_loop.peek(place).unwrap_or(now);
            stamp(bytes, open_loop.counts(intended), intended, now);
        });
        for _ in 0..sent {
            let intended = open_loop.start();
            self.counted += u64::from(intended.is_some_and(|intended| open_loop.counts(intended)));
        }
        if open_loop.waiting() > 0 {
            Next::Now
        } else {
            open_loop.next()
        }
    }

    /// Datagrams that are due and have not been sent.
    fn unsent(&self) -> usize {
        self.open_loop.as_ref().map_or(0, |open_loop| open_loop.waiting())
    }
}

impl Actor for Sender {
    type Tally = SenderTally;

    fn open(&mut self, stack: &mut dyn Stack) -> io::Result<()> {
        self.socket = Some(stack.bind(SocketAddr::new(self.from, 0))?);
        Ok(())
    }

    fn enter(&mut self, phase: Phase, now: Nanos) {
        if let Some(open_loop) = &mut self.open_loop {
            open_loop.enter(phase, now);
        }
        self.sent.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, _events: &[Event]) -> Next {
        let Some(socket) = self.socket else {
            return Next::OnEvent;
        };
        if self.open_loop.is_some() {
            return self.send_due(stack, socket, now);
        }
        if !phase.loads() {
            return Next::OnEvent;
        }
        let mark = if phase == Phase::Measure {
            COUNTED
        } else {
            UNCOUNTED
        };
        let batch = self.pace.as_mut().map_or(BATCH, |pace| pace.allowed(now, BATCH));
        let sent = stack.send_datagrams(socket, self.to, batch, self.length, &mut |_, bytes| {
            bytes.fill(mark);
        });
        if let Some(pace) = &mut self.pace {
            pace.sent(sent);
        }
        self.sent.current += sent as u64;
        Next::Now
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure && (phase != Phase::Drain || self.unsent() == 0)
    }

    fn tell(&self, beat: &mut Beat) {
        if let Some(open_loop) = &self.open_loop {
            open_loop.tell(beat);
        }
    }

    fn into_tally(self) -> SenderTally {
        let Some(open_loop) = self.open_loop else {
            return SenderTally {
                sent: self.sent.into_measured(),
                open_loop: None,
            };
        };
        let left = open_loop.waiting_counted();
        let mut tally = open_loop.into_tally();
        tally.dropped += left;
        SenderTally {
            sent: self.counted,
            open_loop: Some(tally),
        }
    }
}
