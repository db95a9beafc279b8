//! `udp`: one-way datagrams of one flow. Received datagrams count; what was sent in the window and had not arrived when the
//! drain was over is lost.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::{Measurement, Run, Unsupported, bill};
use crate::load::pace::Pace;
use crate::load::pulse::Beat;
use crate::load::quiet::Silence;
use crate::load::tally::Windowed;
use crate::load::{Actor, Ends, Next, Phase, Script};
use crate::stack::{Datagrams, Event, Nanos, Stack};

/// Datagrams in one call.
const BATCH: usize = 64;
/// Receiving calls in one step at most.
const CALLS: usize = 16;
/// First byte of a datagram that was sent in the window, and of one that was not.
const COUNTED: u8 = 1;
const UNCOUNTED: u8 = 0;

struct Udp {
    length: usize,
    pace: Option<Pace>,
}

impl Script for Udp {
    type Client = Sender;
    type Server = Receiver;

    fn client(&self, ends: &Ends) -> io::Result<Sender> {
        Ok(Sender {
            from: ends.client_addresses[0],
            to: ends.server_addresses[0],
            length: self.length,
            socket: None,
            sent: Windowed::new(0),
            pace: self.pace,
        })
    }

    fn server(&self, ends: &Ends) -> Receiver {
        Receiver {
            at: ends.listen_addresses[0],
            socket: None,
            received: Windowed::new(0),
            counted: 0,
            silence: Silence::new(self.pace.is_some()),
        }
    }
}

/// Sends one batch a step, so that a receiver in the same thread keeps up.
#[derive(Debug)]
struct Sender {
    from: IpAddr,
    to: SocketAddr,
    length: usize,
    socket: Option<Datagrams>,
    sent: Windowed<u64>,
    pace: Option<Pace>,
}

impl Actor for Sender {
    type Tally = u64;

    fn open(&mut self, stack: &mut dyn Stack) -> io::Result<()> {
        self.socket = Some(stack.bind(SocketAddr::new(self.from, 0))?);
        Ok(())
    }

    fn enter(&mut self, phase: Phase, _now: Nanos) {
        self.sent.enter(phase);
    }

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, _events: &[Event]) -> Next {
        let Some(socket) = self.socket.filter(|_| phase.loads()) else {
            return Next::OnEvent;
        };
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
        phase != Phase::Measure
    }

    fn into_tally(self) -> u64 {
        self.sent.into_measured()
    }
}

/// Receives and reads every byte.
#[derive(Debug)]
struct Receiver {
    at: SocketAddr,
    socket: Option<Datagrams>,
    received: Windowed<u64>,
    /// Those sent in the window, whenever they came.
    counted: u64,
    silence: Silence,
}

#[derive(Clone, Copy, Debug)]
struct ReceiverTally {
    received: u64,
    counted: u64,
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
            let counted = &mut self.counted;
            let received = stack.receive_datagrams(socket, BATCH, &mut |bytes| {
                let same = bytes.iter().fold(COUNTED, |all, byte| all & byte);
                *counted += u64::from(same == COUNTED && !bytes.is_empty());
            });
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
    }

    fn into_tally(self) -> ReceiverTally {
        ReceiverTally {
            received: self.received.into_measured(),
            counted: self.counted,
        }
    }
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    if run.config.message == 0 {
        return Err(Unsupported(
            "a datagram needs a byte that says whether it counts".into(),
        ));
    }
    let outcome = run.drive(&Udp {
        length: run.config.message as usize,
        pace: Pace::of(run.config),
    })?;
    let sum = |part: fn(&ReceiverTally) -> u64| {
        outcome
            .generators
            .iter()
            .map(|one| part(&one.server.tally))
            .sum::<u64>()
    };
    let (received, counted) = (sum(|tally| tally.received), sum(|tally| tally.counted));
    let sent: u64 = outcome.generators.iter().map(|one| one.client.tally).sum();
    let mut found = Measurement::default();
    let rate = outcome.rate(|one| (one.server.tally.received as f64, one.server.span));
    found.set("datagrams_per_second", rate);
    found.set_bill(&bill::DATAGRAM, &outcome, received as f64);
    found.set_count("sent", Some(sent));
    found.set_count("lost", Some(sent.saturating_sub(counted)));
    found.set_stack(run, &outcome, received);
    found.check_rate(&outcome, received, 0);
    Ok(found)
}
