//! A naive sender that keeps the time of every transmission, as RFC 8985 has it, with its network and its receiver.

use crate::time::{Duration, Instant};
use crate::transport::tcp::input::timestamp_clock;
use crate::transport::tcp::options::MAX_SACK_BLOCKS;

/// Octets of each segment.
pub(super) const MSS: u32 = 10;

/// What the sender knows of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// Sent once.
    Sent,
    Lost,
    /// Sent again, as this transmission.
    Again(usize),
    Arrived,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Transmission {
    pub(super) segment: usize,
    pub(super) sent_at: Instant,
    /// Segments that had been sent by then.
    pub(super) segments: usize,
    /// The number that a retransmission has.
    pub(super) number: Option<u32>,
}

/// A segment that was sent once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Original {
    pub(super) known: Known,
    /// When something arrived that was sent later.
    pub(super) overtaken_at: Option<Instant>,
    /// Its reordering window is over.
    pub(super) is_judged: bool,
}

/// The naive sender, with its network and its receiver.
pub(super) struct Model {
    pub(super) transmissions: Vec<Transmission>,
    /// Those that are on the way.
    pub(super) network: Vec<usize>,
    pub(super) has_arrived: Vec<bool>,
    pub(super) segments: Vec<Original>,
    pub(super) una: usize,
    pub(super) rtt: Duration,
    /// When the first flight was complete, and its segments.
    pub(super) flight: (Instant, usize),
    /// Arrivals from which losses follow: the order of sending, when it was sent, when it arrived.
    pub(super) evidence: Vec<(usize, Instant, Instant)>,
    /// The same of what is held when nothing was lost after all: that was sent once, for all that is known.
    pub(super) presumed: Vec<(usize, Instant, Instant)>,
}

/// What both find.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Losses {
    pub(super) octets: u32,
    pub(super) resent: Option<u32>,
    pub(super) again_at: Option<Instant>,
}

impl Model {
    pub(super) fn send(&mut self, segment: usize, number: Option<u32>, now: Instant) {
        self.network.push(self.transmissions.len());
        self.transmissions.push(Transmission {
            segment,
            sent_at: now,
            segments: self.segments.len(),
            number,
        });
    }

    /// The original of a segment: originals are sent in order.
    pub(super) fn original_of(&self, segment: usize) -> usize {
        let is_it = |sent: &Transmission| sent.segment == segment && sent.number.is_none();
        self.transmissions.iter().position(is_it).expect("was sent")
    }

    pub(super) fn overtake(&mut self, segments: usize, at: Instant) {
        for segment in self.segments[..segments]
            .iter_mut()
            .filter(|segment| !segment.is_judged)
        {
            segment.overtaken_at = segment.overtaken_at.or(Some(at));
        }
    }

    /// Blocks beyond the gap, that with `latest` first.
    pub(super) fn blocks(&self, latest: usize) -> Vec<(usize, usize)> {
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for segment in (self.una..self.has_arrived.len()).filter(|segment| self.has_arrived[*segment]) {
            match blocks.last_mut() {
                Some((_, end)) if *end == segment => *end += 1,
                _ => blocks.push((segment, segment + 1)),
            }
        }
        blocks.sort_by_key(|(start, end)| !(*start..*end).contains(&latest));
        blocks.truncate(MAX_SACK_BLOCKS);
        blocks
    }

    /// These segments have arrived. Returns the latest retransmission among them.
    pub(super) fn learn(&mut self, news: &[usize], now: Instant) -> Option<usize> {
        let mut latest = None;
        for &segment in news {
            match std::mem::replace(&mut self.segments[segment].known, Known::Arrived) {
                Known::Sent | Known::Lost => {
                    let original = self.original_of(segment);
                    self.evidence
                        .push((original, self.transmissions[original].sent_at, now));
                    self.overtake(segment + 1, now);
                }
                Known::Again(transmission) => latest = latest.max(Some(transmission)),
                Known::Arrived => {}
            }
        }
        latest
    }

    /// A retransmission has arrived, if it cannot have been an earlier transmission.
    pub(super) fn learn_of_resent(
        &mut self,
        transmission: Option<usize>,
        echoed: Option<u32>,
        min_rtt: Duration,
        now: Instant,
    ) {
        let Some(transmission) = transmission else { return };
        let Transmission {
            sent_at, segments, ..
        } = self.transmissions[transmission];
        let rtt = now.saturating_since(sent_at);
        let is_earlier = echoed.is_some_and(|echoed| echoed < timestamp_clock(sent_at));
        if is_earlier || rtt < min_rtt || (echoed.is_none() && min_rtt == Duration::ZERO) {
            return;
        }
        self.rtt = rtt;
        self.evidence.push((transmission, sent_at, now));
        let (complete_at, flight) = self.flight;
        let due = if segments <= flight {
            complete_at + rtt
        } else {
            now
        };
        self.overtake(segments, due.min(now));
    }

    /// Whether something has arrived that was sent after this transmission.
    pub(super) fn is_overtaken(&self, transmission: usize) -> bool {
        self.evidence.iter().any(|(order, ..)| *order > transmission)
    }

    /// RFC 8985 section 6.2 step 5 with the very times: some later transmission took so long that this one should be here too.
    pub(super) fn is_lost_by_rfc(&self, transmission: usize, window: Duration, now: Instant) -> bool {
        let sent_at = self.transmissions[transmission].sent_at;
        let is_due =
            |sent: Instant, arrived: Instant| sent_at + arrived.saturating_since(sent) + window <= now;
        let all = self.evidence.iter().chain(&self.presumed);
        let mut later = all.filter(|(order, ..)| *order > transmission);
        later.any(|(_, sent, arrived)| is_due(*sent, *arrived))
    }

    pub(super) fn detect(&mut self, window: Duration, now: Instant) -> Losses {
        let mut losses = Losses::default();
        self.detect_originals(&mut losses, window, now);
        self.detect_resent(&mut losses, window, now);
        losses
    }

    pub(super) fn detect_originals(&mut self, losses: &mut Losses, window: Duration, now: Instant) {
        for segment in self.una..self.segments.len() {
            let Original {
                known,
                overtaken_at,
                is_judged,
            } = self.segments[segment];
            if is_judged {
                continue;
            }
            let Some(at) = overtaken_at else { return };
            if at + window > now {
                losses.again_at = Some(at + window);
                return;
            }
            self.segments[segment].is_judged = true;
            if known == Known::Sent {
                assert!(
                    self.is_lost_by_rfc(self.original_of(segment), window, now),
                    "{segment} is lost too early"
                );
                self.segments[segment].known = Known::Lost;
                losses.octets += MSS;
            }
        }
    }

    pub(super) fn detect_resent(&mut self, losses: &mut Losses, window: Duration, now: Instant) {
        for transmission in 0..self.transmissions.len() {
            let Transmission {
                segment,
                sent_at,
                number,
                ..
            } = self.transmissions[transmission];
            if self.segments[segment].known != Known::Again(transmission) {
                continue;
            }
            if !self.is_overtaken(transmission) {
                return;
            }
            let due = sent_at + self.rtt + window;
            if due > now {
                losses.again_at = Some(losses.again_at.map_or(due, |at| at.min(due)));
                return;
            }
            self.segments[segment].known = Known::Lost;
            losses.octets += MSS;
            losses.resent = number;
        }
    }

    /// Nothing has arrived out of order yet.
    pub(super) fn forget_order(&mut self) {
        for segment in &mut self.segments {
            (segment.overtaken_at, segment.is_judged) = (None, false);
        }
    }
}
