//! The end that receives.

use std::io;
use std::net::SocketAddr;

use super::payload::{is_counted, times};
use super::{BATCH, Udp};
use crate::load::pulse::Beat;
use crate::load::quiet::Silence;
use crate::load::tally::Windowed;
use crate::load::{Actor, Ends, Next, Phase};
use crate::measure::recorder::Recorder;
use crate::stack::{Datagrams, Event, Nanos, Stack};

/// Receiving calls in one step at most.
const CALLS: usize = 16;

/// Receives and reads every byte.
#[derive(Debug)]
pub(super) struct Receiver {
    at: SocketAddr,
    socket: Option<Datagrams>,
    received: Windowed<u64>,
    /// Those sent in the window, whenever they came.
    counted: u64,
    /// How long those took that an open loop sent.
    delays: Option<Box<Delays>>,
    silence: Silence,
}

/// How long the datagrams of an open loop took.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays {
    /// Nanoseconds from the intended sending.
    pub(super) response: Recorder,
    /// Nanoseconds from the actual sending.
    pub(super) service: Recorder,
}

impl Delays {
    /// The times were taken by the clock that `now` is of, on another core perhaps.
    fn record(&mut self, (intended, sent): (Nanos, Nanos), now: Nanos) {
        self.response.record(now.saturating_sub(intended));
        self.service.record(now.saturating_sub(sent));
    }
}

/// What the receiver counts.
#[derive(Debug)]
pub(crate) struct ReceiverTally {
    pub(super) received: u64,
    pub(super) counted: u64,
    pub(super) delays: Option<Box<Delays>>,
}

impl Receiver {
    pub(super) fn new(udp: &Udp, ends: &Ends) -> Self {
        Self {
            at: ends.listen_addresses[0],
            socket: None,
            received: Windowed::new(0),
            counted: 0,
            delays: udp.open_loop.map(|_| Box::default()),
            silence: Silence::new(udp.pace.is_some()),
        }
    }

    fn receive(&mut self, stack: &mut dyn Stack, socket: Datagrams, now: Nanos) -> usize {
        let counted = &mut self.counted;
        match &mut self.delays {
            None => stack.receive_datagrams(socket, BATCH, &mut |bytes| {
                *counted += u64::from(is_counted(bytes));
            }),
            Some(delays) => stack.receive_datagrams(socket, BATCH, &mut |bytes| {
                if let Some(times) = times(bytes) {
                    *counted += 1;
                    delays.record(times, now);
                }
            }),
        }
    }
}

impl Actor for Receiver {
    type Tally = ReceiverTally;

    fn open(&mut self, stack: &mut dyn Stack) -> io::Result<()> {
        self.socket = Some(stack.bind(self.at)?);
        Ok(())
    }

    fn enter(&mut self, phase: Phase, now: Nanos) {
        self.received.enter(phase);
        self.silence.restart(now);
    }

    fn step(&mut self, stack: &mut dyn Stack, _phase: Phase, now: Nanos, _events: &[Event]) -> Next {
        let Some(socket) = self.socket else {
            return Next::OnEvent;
        };
        for _ in 0..CALLS {
            let received = self.receive(stack, socket, now);
            self.received.current += received as u64;
            self.silence.looked(now, received);
            if received < BATCH {
                return Next::OnEvent;
            }
        }
        Next::Now
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure && (phase != Phase::Drain || self.silence.is_long())
    }

    fn tell(&self, beat: &mut Beat) {
        beat.operations = self.received.current;
        if let Some(delays) = &self.delays {
            beat.latency.copy_from(&delays.service);
            beat.response.copy_from(&delays.response);
        }
    }

    fn into_tally(self) -> ReceiverTally {
        ReceiverTally {
            received: self.received.into_measured(),
            counted: self.counted,
            delays: self.delays,
        }
    }
}
