//! One direction of the wire, as a function of time and packets.
//!
//! A packet may be lost; else it waits in the queue, takes its time at the link's rate, and is due when the delay has passed. Times follow from
//! when packets were offered, however late somebody looks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::fate::Fate;
use super::loss::Chain;
use super::queue::{Queue, Waiting};
use super::settings::{Link, Settings};
use super::truth::{Truth, Verdict};
use crate::stack::Nanos;

/// Bits of a byte, in nanoseconds of a second.
const BIT_NANOSECONDS: u128 = 8_000_000_000;

/// A packet that has come to the other end.
#[derive(Debug)]
pub(super) struct Delivery<P> {
    pub(super) packet: P,
    /// The bit to flip, as a number of any size.
    pub(super) corrupted: Option<u64>,
    /// Deliver it twice.
    pub(super) duplicated: bool,
}

/// A packet and what was decided about it.
#[derive(Debug)]
struct Numbered<P> {
    number: u64,
    fate: Fate,
    packet: P,
}

/// A packet that is due at a time.
#[derive(Debug)]
struct Scheduled<P> {
    due: Nanos,
    sent: Nanos,
    numbered: Numbered<P>,
}

impl<P> Scheduled<P> {
    fn key(&self) -> (Nanos, u64) {
        (self.due, self.numbered.number)
    }
}

impl<P> PartialEq for Scheduled<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for Scheduled<P> {}

impl<P> PartialOrd for Scheduled<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Scheduled<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Emulator<P> {
    link: Link,
    seed: u64,
    /// When the first packet was offered.
    origin: Option<Nanos>,
    number: u64,
    chain: Chain,
    queue: Queue<Numbered<P>>,
    /// When the link has sent what it is sending.
    free_at: Nanos,
    /// When the last packet that nobody may overtake is due.
    last_due: Nanos,
    scheduled: BinaryHeap<Reverse<Scheduled<P>>>,
    pub(super) truth: Truth,
}

impl<P> Emulator<P> {
    pub(super) fn new(link: Link, seed: u64, keeps_log: bool) -> Self {
        Self {
            link,
            seed,
            origin: None,
            number: 0,
            chain: Chain::default(),
            queue: Queue::new(),
            free_at: 0,
            last_due: 0,
            scheduled: BinaryHeap::new(),
            truth: Truth::new(keeps_log),
        }
    }

    /// Takes a packet of so many bytes. Time does not go back.
    pub(super) fn offer(&mut self, now: Nanos, bytes: u32, packet: P) {
        self.advance(now);
        self.origin.get_or_insert(now);
        self.number += 1;
        let number = self.number;
        self.truth.offered(now, bytes);
        let settings = self.settings(now).clone();
        let fate = Fate::of(self.seed, number, &settings, &mut self.chain);
        if fate.lost {
            self.truth.dropped(number, Verdict::Loss);
            return;
        }
        let idle = match sending_time(&settings, bytes) {
            0 => 0.0,
            time => now.saturating_sub(self.free_at) as f64 / time as f64,
        };
        let waiting = Waiting {
            since: now,
            bytes,
            item: Numbered { number, fate, packet },
        };
        if self.is_idle(now) && settings.queue.is_plain() {
            // The link takes it at once: it needs no place in the queue.
            self.send(now, waiting, &settings);
        } else if self
            .queue
            .push(waiting, settings.queue, fate.early, idle)
            .is_err()
        {
            self.truth.dropped(number, Verdict::Queue);
        }
        self.advance(now);
    }

    /// The next packet that is due by `now`.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Delivery<P>> {
        self.advance(now);
        if self.scheduled.peek()?.0.due > now {
            return None;
        }
        let Reverse(Scheduled { due, sent, numbered }) = self.scheduled.pop()?;
        let Numbered { number, fate, packet } = numbered;
        let verdict = match (fate.corrupted, fate.duplicated) {
            (Some(_), _) => Verdict::Corrupted,
            (None, true) => Verdict::Duplicated,
            (None, false) => Verdict::Passed,
        };
        self.truth.delivered(number, verdict, [sent, due, now]);
        Some(Delivery {
            packet,
            corrupted: fate.corrupted,
            duplicated: verdict == Verdict::Duplicated,
        })
    }

    /// When to look again.
    pub(super) fn next_time(&self) -> Option<Nanos> {
        let due = self.scheduled.peek().map(|first| first.0.due);
        let leaves = self.queue.first_since().map(|since| since.max(self.free_at));
        due.into_iter().chain(leaves).min()
    }

    /// Packets that were offered and are neither dropped nor delivered.
    pub(super) fn in_flight(&self) -> usize {
        self.queue.len() + self.scheduled.len()
    }

    fn settings(&self, now: Nanos) -> &Settings {
        self.link.at(now - self.origin.unwrap_or(now))
    }

    fn is_idle(&self, now: Nanos) -> bool {
        self.queue.len() == 0 && self.free_at <= now
    }

    /// Lets leave the queue what leaves it until `now`.
    fn advance(&mut self, now: Nanos) {
        let mut dropped = Vec::new();
        while let Some(since) = self.queue.first_since() {
            let turn = since.max(self.free_at);
            if turn > now {
                break;
            }
            let settings = self.settings(turn).clone();
            if let Some(waiting) = self.queue.pop(turn, settings.queue, &mut dropped) {
                self.send(turn, waiting, &settings);
            }
        }
        for packet in dropped {
            self.truth.dropped(packet.number, Verdict::Queue);
        }
    }

    fn send(&mut self, turn: Nanos, waiting: Waiting<Numbered<P>>, settings: &Settings) {
        self.free_at = turn + sending_time(settings, waiting.bytes);
        let fate = waiting.item.fate;
        // A negative number becomes 0.
        let delay = (settings.delay as f64 + fate.jitter) as Nanos;
        self.last_due = self.last_due.max(self.free_at + delay);
        self.scheduled.push(Reverse(Scheduled {
            due: self.last_due + fate.held,
            sent: waiting.since,
            numbered: waiting.item,
        }));
    }
}

/// How long the link is busy with a packet, rounded up.
fn sending_time(settings: &Settings, bytes: u32) -> Nanos {
    settings.rate.map_or(0, |rate| {
        (u128::from(bytes) * BIT_NANOSECONDS).div_ceil(rate.into()) as Nanos
    })
}
