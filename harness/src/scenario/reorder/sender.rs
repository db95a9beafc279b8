//! The end that numbers datagrams and sends them.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::{HEADER, Impairment, UNNUMBERED};
use crate::load::holdback::HoldBack;
use crate::load::pace::Pace;
use crate::load::relay::Relay;
use crate::load::{Actor, Ends, Next, Phase};
use crate::stack::{Datagrams, Event, Nanos, Stack};
use crate::wire::GREETING_PORT;

/// Datagrams in one step. Few enough that a receiver in the same thread keeps up, and a relay's socket has room.
const BATCH: usize = 32;
/// Uncounted datagrams that follow the last counted one, so that nothing stays held back.
const FLUSH: usize = 4 * BATCH;

/// Number and send time of a datagram.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    number: u64,
    sent_at: Nanos,
}

#[derive(Debug)]
pub(super) struct Sender {
    from: IpAddr,
    to: SocketAddr,
    length: usize,
    socket: Option<Datagrams>,
    path: Path,
    /// In the order in which they leave.
    leaving: Vec<Stamp>,
    /// Datagrams that count, so far.
    numbered: u64,
    flushed: usize,
    pace: Option<Pace>,
    has_greeted: bool,
}

#[derive(Debug)]
enum Path {
    Relay(Relay),
    HoldBack(HoldBack<Stamp>),
    Clear,
}

impl Sender {
    /// # Errors
    /// When a relay is needed and cannot be had.
    pub(super) fn new(
        ends: &Ends,
        length: usize,
        impairment: Impairment,
        seed: u64,
        pace: Option<Pace>,
    ) -> io::Result<Self> {
        let receiver = ends.server_addresses[0];
        let path = match impairment {
            Impairment::Relay => Path::Relay(Relay::towards(receiver, seed)?),
            Impairment::Sender => Path::HoldBack(HoldBack::new(seed)),
            Impairment::Device | Impairment::Wire => Path::Clear,
        };
        let to = if let Path::Relay(relay) = &path {
            relay.address()?
        } else {
            receiver
        };
        Ok(Self {
            from: ends.client_addresses[0],
            to,
            length,
            socket: None,
            path,
            leaving: Vec::with_capacity(4 * BATCH),
            numbered: 0,
            flushed: 0,
            pace,
            has_greeted: false,
        })
    }

    fn produce(&mut self, stamp: Stamp) {
        match &mut self.path {
            Path::HoldBack(hold_back) => hold_back.push(stamp, &mut |stamp| self.leaving.push(stamp)),
            Path::Relay(_) | Path::Clear => self.leaving.push(stamp),
        }
    }

    fn produce_batch(&mut self, phase: Phase, now: Nanos) {
        let mut batch = BATCH;
        if let Some(pace) = &mut self.pace {
            batch = pace.allowed(now, batch);
            pace.sent(batch);
        }
        for _ in 0..batch {
            let counts = phase == Phase::Measure;
            self.numbered += u64::from(counts);
            let number = if counts { self.numbered } else { UNNUMBERED };
            self.produce(Stamp { number, sent_at: now });
        }
    }

    /// Whether datagrams are to leave in `phase`. A paced sender sends only those that count, so that what the link's record says of all is what
    /// was found of them.
    fn sends(&self, phase: Phase) -> bool {
        match self.pace {
            Some(_) => phase == Phase::Measure,
            None => phase.loads() || self.flushes(phase),
        }
    }

    fn flushes(&self, phase: Phase) -> bool {
        self.pace.is_none() && phase == Phase::Drain && self.flushed < FLUSH
    }

    /// Lets the stack find the other host before anything counts, where there is no other uncounted datagram.
    fn greet(&mut self, stack: &mut dyn Stack) {
        let Some(socket) = self.socket.filter(|_| self.pace.is_some() && !self.has_greeted) else {
            return;
        };
        let to = SocketAddr::new(self.to.ip(), GREETING_PORT);
        let taken = stack.send_datagrams(socket, to, 1, self.length, &mut |_, bytes| bytes.fill(0));
        self.has_greeted = taken == 1;
    }

    fn transmit(&mut self, stack: &mut dyn Stack) {
        let Some(socket) = self.socket else { return };
        let leaving = &self.leaving;
        let mut fill = |place: usize, bytes: &mut [u8]| leaving[place].write(bytes);
        let taken = stack.send_datagrams(socket, self.to, leaving.len(), self.length, &mut fill);
        self.leaving.drain(..taken);
    }
}

impl Stamp {
    fn write(&self, bytes: &mut [u8]) {
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..HEADER].copy_from_slice(&self.sent_at.to_le_bytes());
        bytes[HEADER..].fill(0);
    }
}

impl Actor for Sender {
    /// Datagrams that were numbered.
    type Tally = u64;

    fn open(&mut self, stack: &mut dyn Stack) -> io::Result<()> {
        self.socket = Some(stack.bind(SocketAddr::new(self.from, 0))?);
        Ok(())
    }

    fn enter(&mut self, _phase: Phase, _now: Nanos) {}

    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, _events: &[Event]) -> Next {
        self.greet(stack);
        let flushes = self.flushes(phase);
        // What the stack has not taken goes first.
        if self.leaving.len() < BATCH && self.sends(phase) {
            self.produce_batch(phase, now);
            self.flushed += if flushes { BATCH } else { 0 };
        }
        self.transmit(stack);
        if let Path::Relay(relay) = &mut self.path {
            relay.pump();
        }
        Next::Now
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure
            && (phase != Phase::Drain || (!self.flushes(phase) && self.leaving.is_empty()))
    }

    fn into_tally(self) -> u64 {
        self.numbered
    }
}
