//! Pacing: what the windows allow goes out evenly over the round trip and not at once, if the application wants that.

use super::Tcp;
use super::application::{Id, StreamError};
use super::congestion::Congestion;
use super::connection::{Connection, Flags as Has, NO_QUEUE};
use super::output::{QueueFull, note_limit};
use crate::config::Pacing;
use crate::internet::Output;
use crate::time::{Duration, Instant};

/// How much may go at once, in time: a tick of the timer wheel.
const BURST: Duration = Duration::from_nanos(1 << 20);
/// What may go at once however slow the path is, in segments.
const LEAST_BURST: u64 = 2;
/// In slow start the window doubles within a round trip, and so must the rate; Linux's choice. As a fraction.
const SLOW_START_GAIN: (u64, u64) = (2, 1);
/// Later the rate is a little above the window's, so that the window and not the pace is what limits; Linux's choice.
const AVOIDANCE_GAIN: (u64, u64) = (6, 5);

const SECOND: u64 = 1_000_000_000;

/// The pace of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Octets per second, if the application has set a limit.
    most: Option<u64>,
    /// When the next segment may go.
    next_at: Instant,
    /// A segment waits for that.
    waits: bool,
}

impl Tcp {
    /// Switches pacing of a connection.
    pub(crate) fn set_pacing(&mut self, id: Id, pacing: Pacing) -> Result<(), StreamError> {
        self.open_connection(id)?;
        let most = match pacing {
            Pacing::Off => {
                let connection = self.connections.get_mut(id.index);
                if connection.flags.take(Has::PACED) {
                    self.dirty.mark(id.index, connection);
                    self.rare_or_new(id.index).pace = None;
                }
                return Ok(());
            }
            Pacing::ByWindow => None,
            Pacing::UpTo(most) => Some(most.max(1)),
        };
        self.connections.get_mut(id.index).flags.set(Has::PACED);
        self.rare_or_new(id.index).pace = Some(Pace {
            most,
            next_at: Instant::ZERO,
            waits: false,
        });
        Ok(())
    }

    /// New data of a connection that is paced.
    pub(super) fn output_paced(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        if self.connections.get(index).send == NO_QUEUE {
            return Ok(());
        }
        let largest = self.largest_segment(out, index).min(self.burst(index));
        while !self.is_held_back(index, out.now) {
            let before = self.connections.get(index).snd_nxt;
            let goes_on = self.output_one_more(out, index, largest)?;
            let sent = self.connections.get(index).snd_nxt - before;
            self.note_paced(index, sent, out.now);
            if !goes_on {
                return Ok(());
            }
        }
        note_limit(self.connections.get_mut(index));
        Ok(())
    }

    /// Whether a segment must wait for its time. The timer wakes the connection then.
    pub(super) fn is_held_back(&mut self, index: u32, now: Instant) -> bool {
        let Some(pace) = self.pace(index) else {
            return false;
        };
        let next_at = pace.next_at;
        pace.waits = next_at > now;
        let waits = pace.waits;
        if waits {
            self.arm(index, next_at);
        }
        waits
    }

    /// Books octets as sent: their time passes before the next ones go.
    pub(super) fn note_paced(&mut self, index: u32, octets: u32, now: Instant) {
        let Some(rate) = self.pacing_rate(index) else {
            return;
        };
        let nanos = u64::from(octets).saturating_mul(SECOND) / rate;
        if let Some(pace) = self.pace(index) {
            // Time that nothing was sent in is not saved up, but for what the timer was late.
            pace.next_at = pace.next_at.max(now - BURST) + Duration::from_nanos(nanos);
        }
    }

    /// The timer has woken a connection that is paced.
    #[cold]
    pub(super) fn resume_pace(&mut self, index: u32, now: Instant) {
        let Some(pace) = self.pace(index).filter(|pace| pace.waits) else {
            return;
        };
        let next_at = pace.next_at;
        if next_at > now {
            return self.arm(index, next_at);
        }
        pace.waits = false;
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
    }

    /// Octets per second at which a connection is paced; `None` when it is not, or its round-trip time is not known.
    pub(super) fn pacing_rate(&mut self, index: u32) -> Option<u64> {
        let most = self.pace(index)?.most;
        let by_window = self.connections.get(index).window_rate();
        let rate = match (most, by_window) {
            (Some(most), Some(by_window)) => most.min(by_window),
            (Some(rate), None) | (None, Some(rate)) => rate,
            (None, None) => return None,
        };
        Some(rate.max(1))
    }

    /// Octets of the largest virtual segment: what goes in [`BURST`].
    fn burst(&mut self, index: u32) -> u32 {
        let least = LEAST_BURST * u64::from(self.connections.get(index).mss);
        let rate = self.pacing_rate(index).unwrap_or(u64::MAX);
        let octets = u128::from(rate) * u128::from(BURST.as_nanos()) / u128::from(SECOND);
        octets.max(u128::from(least)).min(u128::from(u32::MAX)) as u32
    }

    fn pace(&mut self, index: u32) -> Option<&mut Pace> {
        let flags = self.connections.get(index).flags;
        flags.has(Has::PACED).then_some(())?;
        self.rare(index)?.pace.as_mut()
    }
}

impl Connection {
    /// Octets per second that send the congestion window in a round trip, times a gain; `None` while that is not known.
    fn window_rate(&self) -> Option<u64> {
        let round_trip = self.rtt.srtt()?.as_nanos().max(1);
        let (window, ssthresh) = (self.congestion.window(), self.congestion.ssthresh());
        let grows = !matches!(self.congestion, Congestion::Fixed { .. });
        let (times, over) = if grows && window < ssthresh / 2 {
            SLOW_START_GAIN
        } else {
            AVOIDANCE_GAIN
        };
        let rate = u128::from(window) * u128::from(times * SECOND) / u128::from(over * round_trip);
        Some(rate.min(u128::from(u64::MAX)) as u64)
    }
}
