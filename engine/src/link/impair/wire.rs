//! Packets on their way through an impaired wire: in order of arrival, but for those that are held back.

use std::collections::VecDeque;

use crate::frame::{Packet, PacketQueue};
use crate::time::{Duration, Instant};

/// A packet that others are to pass.
#[derive(Debug)]
struct Held {
    packet: Packet,
    /// The place in the order of arrival behind which it goes on.
    behind: u64,
    /// When it would have arrived.
    due: Instant,
    /// When it goes on even if too few others have passed.
    limit: Instant,
}

/// A bounded line of packets with the time at which each is due, and the packets held back beside it.
#[derive(Debug)]
pub(super) struct Wire {
    line: PacketQueue,
    due: VecDeque<Instant>,
    /// No packet is due before the one in front of it.
    latest: Instant,
    held: Vec<Held>,
    arrivals: u64,
}

impl Wire {
    /// A wire for `capacity` packets, of which up to `held` are held back.
    pub(super) fn new(capacity: usize, held: usize) -> Self {
        let line = PacketQueue::with_capacity(capacity);
        Self {
            due: VecDeque::with_capacity(line.capacity()),
            line,
            latest: Instant::ZERO,
            held: Vec::with_capacity(held),
            arrivals: 0,
        }
    }

    /// Whether there is room for another packet. Every packet held back has its place in the line reserved.
    pub(super) fn has_room(&self) -> bool {
        self.line.room() > self.held.len()
    }

    /// Moves the first packet of `source` to the end of the line, and those behind it whom it was the last to pass.
    pub(super) fn append(&mut self, source: &mut PacketQueue, due: Instant) {
        self.arrivals += 1;
        self.line.take_from(source, 1);
        self.note_due(due);
        self.release(|held, arrivals| held.behind <= arrivals);
    }

    /// Holds the first packet of `source` back until `places` later ones have passed it, or until `limit`.
    pub(super) fn hold(&mut self, source: &mut PacketQueue, due: Instant, places: u64, limit: Instant) {
        self.arrivals += 1;
        let packet = std::mem::take(source.get_mut(0).expect("the caller has looked at it"));
        source.pop_front();
        self.held.push(Held {
            packet,
            behind: self.arrivals + places,
            due,
            limit,
        });
        self.release(|held, arrivals| held.behind <= arrivals);
    }

    /// Lets the packets go on that were held back as long as they may.
    pub(super) fn release_overdue(&mut self, now: Instant) {
        self.release(|held, _| held.limit <= now);
    }

    fn release(&mut self, goes_on: impl Fn(&Held, u64) -> bool) {
        while let Some(index) = self.held.iter().position(|held| goes_on(held, self.arrivals)) {
            let held = self.held.remove(index);
            *self.line.push().expect("its place is reserved") = held.packet;
            self.note_due(held.due);
        }
    }

    fn note_due(&mut self, due: Instant) {
        self.latest = self.latest.max(due);
        self.due.push_back(self.latest);
    }

    /// Moves the packets that are due at `now` to `batch`, as far as there is room.
    pub(super) fn deliver(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let room = batch.room();
        let due = self.due.iter().take(room).take_while(|&&due| due <= now).count();
        let delivered = batch.take_from(&mut self.line, due);
        self.due.drain(..delivered);
        delivered
    }

    /// When the next packet arrives, or is held back no longer.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let limits = self.held.iter().map(|held| held.limit.max(held.due));
        limits.chain(self.due.front().copied()).min()
    }
}

/// A link that sends one bit after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    bits_per_second: u64,
    free_at: Instant,
}

impl Rate {
    pub(super) fn new(bits_per_second: u64) -> Self {
        Self {
            bits_per_second,
            free_at: Instant::ZERO,
        }
    }

    /// When the last bit of a packet of `bytes` has left that is handed to the link at `now`.
    pub(super) fn departure(&mut self, now: Instant, bytes: usize) -> Instant {
        let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(self.bits_per_second);
        let span = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now) + span;
        self.free_at
    }
}
