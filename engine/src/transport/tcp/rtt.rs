//! The round-trip time and the retransmission timeout that follows from it (RFC 6298).

use crate::time::Duration;

/// The timeout before any measurement (RFC 6298 section 2.1).
pub const INITIAL_RTO: Duration = Duration::from_secs(1);

/// The timeout for the first data after a SYN was lost and nothing was measured (RFC 6298 section 5.7).
pub const RTO_AFTER_LOST_SYN: Duration = Duration::from_secs(3);

/// The least by which the timeout exceeds the smoothed round-trip time. RFC 6298 section 2.4 has 1 s for the whole; this is Linux's choice, five
/// delayed ACKs of 40 ms. On top of SRTT, because on a steady path RTTVAR vanishes, and the delayed ACK of some peers is as long. For those who
/// wait for it to attack, see [`TcpConfig::random_back_off`](crate::config::TcpConfig::random_back_off).
pub const MIN_RTO: Duration = Duration::from_millis(200);

/// The longest timeout, back-off included (RFC 6298 section 2.5 asks for 60 s or more).
pub const MAX_RTO: Duration = Duration::from_secs(120);

/// The shortest time before a tail loss probe: RFC 8985 leaves it open. A probe that a pause of the process or a coarse timer provokes
/// costs more than the 10 ms do.
pub const MIN_PROBE_TIMEOUT: Duration = Duration::from_millis(10);

/// A longer measurement is taken as this one, 4.5 minutes. Eight times this fits into 32 bits.
const LONGEST_SAMPLE_NANOS: u64 = (1 << 28) * 1_000;

/// Enough doublings to take the shortest timeout past the longest one.
const MAX_BACK_OFF: u8 = 10;

/// What was done since the last measurement, or before the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Since {
    Nothing,
    /// A SYN was lost; counts before the first measurement only.
    SynLost,
    /// A tail loss probe was sent.
    Probed,
}

/// The estimator of one connection. 12 bytes.
///
/// Averages are kept in fixed point, SRTT in eighths and RTTVAR in quarters of a microsecond, so that the gains of the
/// RFC (1/8 and 1/4) are shifts, and averages of few microseconds do not stick at a rounded value.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    /// SRTT in 1/8 µs; 0 before the first measurement.
    srtt_eighths: u32,
    /// RTTVAR in 1/4 µs.
    rttvar_quarters: u32,
    back_off: u8,
    since_sample: Since,
    shortest: Shortest,
}

impl RttEstimator {
    /// An estimator that has measured nothing.
    pub const fn new() -> Self {
        Self {
            srtt_eighths: 0,
            rttvar_quarters: 0,
            back_off: 0,
            since_sample: Since::Nothing,
            shortest: Shortest::NONE,
        }
    }

    /// Takes a measurement and ends any back-off (RFC 6298 sections 2.2 and 2.3).
    ///
    /// By Karn's rule `rtt` must not come from a segment that was sent twice, unless a timestamp tells which copy was
    /// acknowledged (section 3). It counts in whole microseconds, rounded up, from 1 µs to 268 s.
    #[inline(always)]
    pub fn sample(&mut self, rtt: Duration) {
        let rtt = in_micros(rtt);
        self.note_shortest(rtt);
        self.average(rtt);
    }

    /// Takes a measurement by a clock of milliseconds: `rtt`, or up to `error` longer. The averages take the former, and
    /// [`min_rtt`](Self::min_rtt) what the round trip cannot have exceeded: with less, the answer to an earlier transmission would pass for
    /// one to a later.
    pub fn sample_coarse(&mut self, rtt: Duration, error: Duration) {
        self.note_shortest(in_micros(rtt + error));
        self.average(in_micros(rtt));
    }

    #[inline(always)]
    fn note_shortest(&mut self, rtt: u32) {
        if rtt < self.shortest.as_micros() {
            self.shortest = Shortest::of(rtt);
        }
    }

    #[inline(always)]
    fn average(&mut self, rtt: u32) {
        (self.back_off, self.since_sample) = (0, Since::Nothing);
        if self.srtt_eighths == 0 {
            self.srtt_eighths = rtt * 8;
            self.rttvar_quarters = rtt * 2;
        } else {
            let error = rtt.abs_diff(self.srtt_eighths / 8);
            self.rttvar_quarters = self.rttvar_quarters - self.rttvar_quarters / 4 + error;
            self.srtt_eighths = self.srtt_eighths - self.srtt_eighths / 8 + rtt;
        }
    }

    /// SRTT, the smoothed round-trip time; `None` before the first measurement.
    #[inline]
    pub const fn srtt(&self) -> Option<Duration> {
        match self.srtt_eighths {
            0 => None,
            eighths => Some(Duration::from_nanos(eighths as u64 * 1_000 / 8)),
        }
    }

    /// The shortest round-trip time of all, rounded down by at most 1/2048; zero before the first measurement. One that only timestamps have
    /// measured is known to a tick, and rounded up to it.
    #[inline]
    pub const fn min_rtt(&self) -> Duration {
        self.shortest.as_duration()
    }

    /// PTO: how long to wait for an acknowledgment before a tail loss probe, while that is not longer than RTO: twice the smoothed
    /// round-trip time (RFC 8985 section 7.2), but [`MIN_PROBE_TIMEOUT`] at least; 1 s before the first measurement.
    #[inline]
    pub fn probe_timeout(&self) -> Duration {
        if self.srtt_eighths == 0 {
            return INITIAL_RTO;
        }
        let twice = Duration::from_nanos(u64::from(self.srtt_eighths) * 250);
        twice.max(MIN_PROBE_TIMEOUT)
    }

    /// Whether a tail loss probe may be sent: a round-trip time was measured, and since the last probe (RFC 8985 section 7.3).
    pub const fn may_probe(&self) -> bool {
        self.srtt_eighths != 0 && !matches!(self.since_sample, Since::Probed)
    }

    /// A tail loss probe is sent.
    pub const fn note_probe(&mut self) {
        self.since_sample = Since::Probed;
    }

    /// RTTVAR, the mean deviation of the round-trip time; zero before the first measurement.
    #[inline]
    pub const fn rttvar(&self) -> Duration {
        Duration::from_nanos(self.rttvar_quarters as u64 * 1_000 / 4)
    }

    /// RTO, the time to wait for an acknowledgment: [`MIN_RTO`] to [`MAX_RTO`], back-off included.
    #[inline]
    pub fn rto(&self) -> Duration {
        let backed_off = Duration::from_nanos(self.base_rto().as_nanos() << self.back_off);
        backed_off.min(MAX_RTO)
    }

    #[inline]
    fn base_rto(&self) -> Duration {
        if self.srtt_eighths == 0 {
            return if self.since_sample == Since::SynLost {
                RTO_AFTER_LOST_SYN
            } else {
                INITIAL_RTO
            };
        }
        const MARGIN_MICROS: u32 = (MIN_RTO.as_nanos() / 1_000) as u32;
        let micros = self.srtt_eighths / 8 + self.rttvar_quarters.max(MARGIN_MICROS);
        Duration::from_micros(u64::from(micros))
    }

    /// How often the timeout was doubled.
    pub const fn doublings(&self) -> u8 {
        self.back_off
    }

    /// Doubles the timeout, because it has run out (RFC 6298 section 5.5).
    #[inline]
    pub fn back_off(&mut self) {
        self.back_off = (self.back_off + 1).min(MAX_BACK_OFF);
    }

    /// Ends the back-off without a measurement, because new data was acknowledged.
    #[inline]
    pub fn reset_back_off(&mut self) {
        self.back_off = 0;
    }

    /// Data transmission begins after a handshake that needed a second SYN or SYN,ACK: the back-off of the handshake
    /// ends, and until something is measured the timeout is [`RTO_AFTER_LOST_SYN`] (RFC 6298 section 5.7).
    pub fn on_handshake_with_lost_syn(&mut self) {
        self.back_off = 0;
        self.since_sample = Since::SynLost;
    }
}

/// A span of microseconds in two bytes, a number of 12 bits times a power of two, so that longer spans are larger numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Shortest(u16);

impl Shortest {
    const BITS: u32 = 12;
    const NONE: Self = Self(u16::MAX);
    const LONGEST: u32 = (1 << 27) - 1;

    #[inline]
    fn of(micros: u32) -> Self {
        let micros = micros.min(Self::LONGEST);
        let shift = (u32::BITS - micros.leading_zeros()).saturating_sub(Self::BITS);
        // The top bit of a shifted number is always set, so that the numbers order as the spans do.
        Self((shift << Self::BITS) as u16 | (micros >> shift) as u16)
    }

    const fn as_duration(self) -> Duration {
        if self.0 == Self::NONE.0 {
            return Duration::ZERO;
        }
        Duration::from_micros(self.as_micros() as u64)
    }

    #[inline]
    const fn as_micros(self) -> u32 {
        (self.0 as u32 & ((1 << Self::BITS) - 1)) << (self.0 >> Self::BITS)
    }
}

impl Default for RttEstimator {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole microseconds, rounded up, at least 1.
#[inline]
fn in_micros(rtt: Duration) -> u32 {
    // Bounded before it is divided: a division with a remainder takes twice as long.
    let before = rtt.as_nanos().clamp(1, LONGEST_SAMPLE_NANOS) - 1;
    (before / 1_000 + 1) as u32
}

#[cfg(test)]
mod tests;
