//! HyStart++: the end of slow start before the first loss (RFC 9406).

use super::Ack;
use crate::transport::tcp::seq::SeqNumber;

/// MIN_RTT_THRESH and MAX_RTT_THRESH, in milliseconds (section 4.3).
const MIN_RTT_THRESH: u16 = 4;
const MAX_RTT_THRESH: u16 = 16;
/// MIN_RTT_DIVISOR.
const MIN_RTT_DIVISOR: u16 = 8;
/// N_RTT_SAMPLE: measurements that a round needs to count.
const N_RTT_SAMPLE: u8 = 8;
/// CSS_GROWTH_DIVISOR: how much slower conservative slow start grows.
const CSS_GROWTH_DIVISOR: u32 = 4;
/// CSS_ROUNDS: rounds of conservative slow start before congestion avoidance.
const CSS_ROUNDS: u8 = 5;
/// No measurement.
const NONE: u16 = u16::MAX;

/// The state of a slow start. Round-trip times are in milliseconds, as timestamps tell them; 12 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    window_end: SeqNumber,
    last_round_min: u16,
    current_round_min: u16,
    /// cssBaselineMinRtt; [`NONE`] outside conservative slow start.
    css_baseline_min: u16,
    samples: u8,
    /// Rounds of conservative slow start that have ended.
    css_rounds: u8,
}

/// What slow start does with an acknowledgment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Growth {
    /// The window grows by so many octets.
    Octets(u32),
    /// The same, and slow start is over.
    LastOctets(u32),
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self {
            window_end: SeqNumber(0),
            last_round_min: NONE,
            current_round_min: NONE,
            css_baseline_min: NONE,
            samples: 0,
            css_rounds: 0,
        }
    }

    /// An acknowledgment of `ack.octets`, and the round-trip time that its timestamp tells, if it has one. A sender without timestamps
    /// does slow start as RFC 5681 has it.
    pub(super) fn on_ack(&mut self, ack: &Ack<'_>, rtt: Option<u16>) -> Growth {
        let Some(rtt) = rtt else {
            return Growth::Octets(ack.octets);
        };
        self.current_round_min = self.current_round_min.min(rtt);
        self.samples = self.samples.saturating_add(1);
        self.look_for_delay();
        let growth = if self.is_conservative() {
            ack.octets.div_ceil(CSS_GROWTH_DIVISOR)
        } else {
            ack.octets
        };
        if ack.snd_una.ge(self.window_end) && self.start_round(ack.snd_nxt) {
            Growth::LastOctets(growth)
        } else {
            Growth::Octets(growth)
        }
    }

    /// Delay that has grown since the last round begins conservative slow start; delay that has gone again ends it (section 4.2).
    fn look_for_delay(&mut self) {
        if self.samples < N_RTT_SAMPLE || self.current_round_min == NONE {
            return;
        }
        if self.is_conservative() {
            if self.current_round_min < self.css_baseline_min {
                self.css_baseline_min = NONE;
                self.css_rounds = 0;
            }
        } else if self.last_round_min != NONE {
            let threshold = (self.last_round_min / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
            if self.current_round_min >= self.last_round_min.saturating_add(threshold) {
                self.css_baseline_min = self.current_round_min;
            }
        }
    }

    /// A round ends with what was in flight when it began. Tells whether it was the last one of conservative slow start.
    fn start_round(&mut self, snd_nxt: SeqNumber) -> bool {
        self.window_end = snd_nxt;
        self.last_round_min = self.current_round_min;
        self.current_round_min = NONE;
        self.samples = 0;
        if self.is_conservative() {
            self.css_rounds += 1;
        }
        self.css_rounds >= CSS_ROUNDS
    }

    const fn is_conservative(&self) -> bool {
        self.css_baseline_min != NONE
    }
}
