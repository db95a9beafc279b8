//! The queue in front of a link's rate: tail drop, RED or CoDel.

use std::collections::VecDeque;

use super::settings::{Discipline, Limit, QueueSettings};
use crate::stack::Nanos;

/// Up to so many bytes in the queue are no standing queue to CoDel (RFC 8289 §4.2): a packet of the usual size.
const CODEL_SPARES: u64 = 1514;

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) since: Nanos,
    pub(super) bytes: u32,
    pub(super) item: T,
}

/// A queue in which packets wait for their turn.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: u64,
    red: Red,
    codel: Codel,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            red: Red::default(),
            codel: Codel::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Since when the first in the queue has waited.
    pub(super) fn first_since(&self) -> Option<Nanos> {
        self.waiting.front().map(|first| first.since)
    }

    /// Takes a packet in, or gives back what finds no room. `draw` is from 0 to 1; `idle` is how many packets like this one the link could have
    /// sent since it fell idle.
    pub(super) fn push(
        &mut self,
        packet: Waiting<T>,
        settings: QueueSettings,
        draw: f64,
        idle: f64,
    ) -> Result<(), T> {
        let (length, room) = match settings.limit {
            Limit::Packets(most) => (
                self.waiting.len() as u64,
                most.saturating_sub(self.waiting.len() as u64),
            ),
            Limit::Bytes(most) => (
                self.bytes,
                most.saturating_sub(self.bytes) / u64::from(packet.bytes.max(1)),
            ),
        };
        let early = match settings.discipline {
            Discipline::Red {
                low,
                high,
                most,
                weight,
            } => self
                .red
                .drops(length as f64, weight, idle, (low, high, most), draw),
            Discipline::TailDrop | Discipline::Codel { .. } => false,
        };
        if early || room == 0 {
            return Err(packet.item);
        }
        self.bytes += u64::from(packet.bytes);
        self.waiting.push_back(packet);
        Ok(())
    }

    /// Takes the next packet out at `now`; what CoDel drops goes to `dropped`.
    pub(super) fn pop(
        &mut self,
        now: Nanos,
        settings: QueueSettings,
        dropped: &mut Vec<T>,
    ) -> Option<Waiting<T>> {
        let Discipline::Codel { target, interval } = settings.discipline else {
            return self.take();
        };
        let (mut packet, mut late) = self.look(now, target, interval);
        if self.codel.dropping {
            self.codel.dropping = late;
            while self.codel.dropping && now >= self.codel.next {
                dropped.extend(packet.take().map(|packet| packet.item));
                self.codel.count += 1;
                (packet, late) = self.look(now, target, interval);
                self.codel.dropping = late;
                if late {
                    self.codel.next = self.codel.after(self.codel.next, interval);
                }
            }
        } else if late {
            dropped.extend(packet.take().map(|packet| packet.item));
            (packet, _) = self.look(now, target, interval);
            self.codel.begin(now, interval);
        }
        packet
    }

    fn take(&mut self) -> Option<Waiting<T>> {
        let packet = self.waiting.pop_front()?;
        self.bytes -= u64::from(packet.bytes);
        Some(packet)
    }

    /// The next packet, and whether packets have been late for a whole interval (RFC 8289 §5.4).
    fn look(&mut self, now: Nanos, target: Nanos, interval: Nanos) -> (Option<Waiting<T>>, bool) {
        let Some(packet) = self.take() else {
            self.codel.first_above = None;
            return (None, false);
        };
        let late = if now - packet.since < target || self.bytes <= CODEL_SPARES {
            self.codel.first_above = None;
            false
        } else {
            now >= *self.codel.first_above.get_or_insert(now + interval)
        };
        (Some(packet), late)
    }
}

/// What CoDel remembers (RFC 8289 §5.3).
#[derive(Default, Debug)]
struct Codel {
    first_above: Option<Nanos>,
    next: Nanos,
    count: u64,
    last_count: u64,
    dropping: bool,
}

impl Codel {
    fn begin(&mut self, now: Nanos, interval: Nanos) {
        self.dropping = true;
        let grown = self.count - self.last_count;
        let recent = now.saturating_sub(self.next) < 16 * interval;
        self.count = if grown > 1 && recent { grown } else { 1 };
        self.next = self.after(now, interval);
        self.last_count = self.count;
    }

    fn after(&self, time: Nanos, interval: Nanos) -> Nanos {
        time + (interval as f64 / (self.count as f64).sqrt()) as Nanos
    }
}

/// What RED remembers: the average length, and packets since the last that it dropped.
#[derive(Default, Debug)]
struct Red {
    average: f64,
    since: Option<u64>,
}

impl Red {
    fn drops(
        &mut self,
        length: f64,
        weight: f64,
        idle: f64,
        (low, high, most): (f64, f64, f64),
        draw: f64,
    ) -> bool {
        if length > 0.0 {
            self.average += weight * (length - self.average);
        } else {
            self.average *= (1.0 - weight).powf(idle);
        }
        if self.average < low {
            self.since = None;
            return false;
        }
        let since = self.since.map_or(0, |since| since + 1);
        let part = most * (self.average - low) / (high - low);
        let left = 1.0 - since as f64 * part;
        let drops = self.average >= high || left <= 0.0 || draw < part / left;
        self.since = Some(if drops { 0 } else { since });
        drops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Nanos = 1_000_000;

    fn waiting(since: Nanos, item: u32) -> Waiting<u32> {
        Waiting {
            since,
            bytes: 1000,
            item,
        }
    }

    #[test]
    fn a_limit_in_bytes_or_in_packets_is_kept_exactly() {
        for (limit, taken) in [(Limit::Packets(3), 3), (Limit::Bytes(4999), 4)] {
            let settings = QueueSettings {
                limit,
                ..QueueSettings::default()
            };
            let mut queue = Queue::new();
            let room = (0..9).filter(|&item| queue.push(waiting(0, item), settings, 0.5, 0.0).is_ok());
            assert_eq!(room.count(), taken, "{limit:?}");
        }
    }

    #[test]
    fn red_drops_as_the_paper_computes() {
        // Weight 1: the average is the length. At 6 of 4 to 8, half of 20 % is 10 %; with two spared since, 0.1 / (1 − 0.2) = 12.5 %.
        let mut red = Red::default();
        let bounds = (4.0, 8.0, 0.2);
        assert!(!red.drops(3.0, 1.0, 0.0, bounds, 0.0), "below the low bound");
        assert!(!red.drops(6.0, 1.0, 0.0, bounds, 0.101));
        assert!(!red.drops(6.0, 1.0, 0.0, bounds, 0.112), "0.1 / 0.9 = 0.111");
        assert!(red.drops(6.0, 1.0, 0.0, bounds, 0.124));
        assert!(
            red.drops(8.0, 1.0, 0.0, bounds, 0.999),
            "at the high bound all are dropped"
        );
        red.drops(0.0, 0.5, 2.0, bounds, 0.999);
        assert_eq!(red.average, 2.0, "8 × (1 − 0.5)² after two idle packet times");
    }

    /// 1 packet leaves every 10 ms, and two come: the queue stands, so CoDel drops at one interval above the target, then sooner and sooner.
    #[test]
    fn codel_drops_at_the_times_of_its_control_law() {
        let settings = QueueSettings {
            limit: Limit::Packets(1000),
            discipline: Discipline::Codel {
                target: 5 * MILLISECOND,
                interval: 100 * MILLISECOND,
            },
        };
        let mut queue = Queue::new();
        for item in 0..200 {
            queue.push(waiting(0, item), settings, 0.5, 0.0).expect("room");
        }
        let mut times = Vec::new();
        for step in 1..=40 {
            let (now, mut dropped) = (step * 10 * MILLISECOND, Vec::new());
            queue.pop(now, settings, &mut dropped);
            times.extend(dropped.iter().map(|_| now / MILLISECOND));
        }
        // First late at 10, so 110; then + 100 = 210; + 100/√2 = 280.7; + 100/√3 = 338.4; + 100/√4 = 388.4, each at the next packet.
        assert_eq!(times, [110, 210, 290, 340, 390]);
    }
}
