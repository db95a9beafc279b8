//! The end that watches datagrams arrive.

use std::io;
use std::net::SocketAddr;

use super::{HEADER, UNNUMBERED};
use crate::load::pulse::Beat;
use crate::load::quiet::Silence;
use crate::load::{Actor, Next, Phase};
use crate::measure::reordering::{Observer, Sequence, Thresholds};
use crate::stack::{Datagrams, Event, Nanos, Stack};

/// Datagrams in one call.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) struct Receiver {
    at: SocketAddr,
    socket: Option<Datagrams>,
    observer: Observer,
    /// Every arrival, when they are to be kept.
    sequence: Option<Sequence>,
    silence: Silence,
}

/// What came of watching.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) observer: Observer,
    pub(super) sequence: Option<Sequence>,
}

impl Receiver {
    pub(super) fn new(at: SocketAddr, silence: Silence, keep_sequence: bool) -> Self {
        Self {
            at,
            socket: None,
            observer: Observer::new(Thresholds::default()),
            sequence: keep_sequence.then(Sequence::default),
            silence,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Actor for Receiver {
    type Tally = Option<Watched>;

    fn open(&mut self, stack: &mut dyn Stack) -> io::Result<()> {
        self.socket = Some(stack.bind(self.at)?);
        Ok(())
    }

    fn enter(&mut self, _phase: Phase, now: Nanos) {
        self.silence.restart(now);
    }

    fn step(&mut self, stack: &mut dyn Stack, _phase: Phase, now: Nanos, _events: &[Event]) -> Next {
        let Some(socket) = self.socket else {
            return Next::OnEvent;
        };
        let (observer, sequence) = (&mut self.observer, &mut self.sequence);
        let received = stack.receive_datagrams(socket, BATCH, &mut |bytes| {
            if bytes.len() < HEADER || word(bytes, 0) == UNNUMBERED {
                return;
            }
            let (number, sent_at, length) = (word(bytes, 0), word(bytes, 8), bytes.len() as u32);
            observer.observe(number, Some(now), Some(sent_at), length);
            if let Some(sequence) = sequence {
                sequence.push(number, sent_at, now, length);
            }
        });
        self.silence.looked(now, received);
        if received == BATCH {
            Next::Now
        } else {
            Next::OnEvent
        }
    }

    fn settled(&self, phase: Phase) -> bool {
        phase != Phase::Measure && (phase != Phase::Drain || self.silence.is_long())
    }

    fn tell(&self, beat: &mut Beat) {
        let (arrivals, delays) = self.observer.so_far();
        beat.operations = arrivals;
        beat.latency.copy_from(delays);
    }

    fn into_tally(self) -> Option<Watched> {
        Some(Watched {
            observer: self.observer,
            sequence: self.sequence,
        })
    }
}
