//! CUBIC (RFC 9438), with HyStart++ (RFC 9406) in slow start and byte counting (RFC 3465) everywhere.

use super::hystart::{Growth, HyStart};
use super::{Ack, initial_window, slow_start};

/// β_cubic as a fraction (section 4.6).
const BETA: (u32, u32) = (7, 10);
/// (1 + β_cubic) / 2, for fast convergence (section 4.7).
const CONVERGENCE: (u32, u32) = (17, 20);
/// α_cubic = 3 (1 − β) / (1 + β) as a fraction (section 4.3).
const ALPHA: (u64, u64) = (9, 17);
/// 1/C, doubled so that it is whole: C is 0.4 segments/s³ (section 5).
const TWICE_INVERSE_C: u64 = 5;
/// The window has room for two segments even after a loss.
const MIN_SEGMENTS: u32 = 2;
/// Milliseconds³ in a second³.
const CUBIC_MILLISECONDS: u64 = 1_000_000_000;

/// The state of one connection; 36 bytes. Windows are octets.
#[derive(Clone, Copy, Debug)]
pub struct Cubic {
    cwnd: u32,
    ssthresh: u32,
    /// W_max: the window before the last reduction, or less for others to take (section 4.7).
    w_max: u32,
    smss: u16,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    SlowStart {
        hystart: HyStart,
        /// What was in flight when the window last held the sender back; all, where nobody has told.
        used: u32,
    },
    /// Congestion avoidance whose next acknowledgment begins an epoch.
    Waiting,
    Avoidance {
        /// The start of the epoch, in milliseconds of the wrapping clock.
        epoch: u32,
        /// K, in milliseconds.
        k: u32,
        /// W_est, and 2⁻¹⁶ths of an octet.
        w_est: u32,
        w_est_fraction: u16,
        /// 2⁻¹⁶ths of an octet that the window has grown.
        cwnd_fraction: u16,
    },
}

impl Phase {
    const fn slow_start() -> Self {
        Self::SlowStart {
            hystart: HyStart::new(),
            used: u32::MAX,
        }
    }
}

impl Cubic {
    pub(super) fn new(smss: u16) -> Self {
        let smss = smss.max(1);
        Self {
            cwnd: initial_window(smss),
            ssthresh: u32::MAX,
            w_max: 0,
            smss,
            phase: Phase::slow_start(),
        }
    }

    pub(super) fn take_over(&mut self, cwnd: u32, ssthresh: u32) {
        (self.cwnd, self.ssthresh) = (cwnd, ssthresh);
        if cwnd >= ssthresh {
            self.phase = Phase::Waiting;
        }
    }

    #[inline]
    pub(super) const fn window(&self) -> u32 {
        self.cwnd
    }

    #[inline]
    pub(super) const fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    #[inline]
    pub(super) const fn smss(&self) -> u32 {
        self.smss as u32
    }

    #[inline]
    pub(super) const fn note_use(&mut self, flight: u32) {
        if let Phase::SlowStart { used, .. } = &mut self.phase {
            *used = flight;
        }
    }

    #[inline]
    pub(super) fn on_ack(&mut self, ack: &Ack<'_>, rtt: impl FnOnce() -> Option<u16>) {
        if self.cwnd < self.ssthresh {
            self.slow_start(ack, rtt());
        } else {
            self.avoid_congestion(ack);
        }
    }

    fn slow_start(&mut self, ack: &Ack<'_>, rtt: Option<u16>) {
        if !matches!(self.phase, Phase::SlowStart { .. }) {
            self.phase = Phase::slow_start();
        }
        let Phase::SlowStart { hystart, used } = &mut self.phase else {
            return;
        };
        // RFC 9406 section 4.2 has HyStart++ in the initial slow start only.
        let growth = if self.ssthresh == u32::MAX {
            hystart.on_ack(ack, rtt)
        } else {
            Growth::Octets(ack.octets)
        };
        let (Growth::Octets(octets) | Growth::LastOctets(octets)) = growth;
        self.cwnd = slow_start(self.cwnd, octets, *used).min(self.ssthresh);
        if matches!(growth, Growth::LastOctets(_)) {
            self.ssthresh = self.cwnd;
        }
        if self.cwnd >= self.ssthresh {
            self.phase = Phase::Waiting;
        }
    }

    fn avoid_congestion(&mut self, ack: &Ack<'_>) {
        let now = ack.now.as_millis() as u32;
        if !matches!(self.phase, Phase::Avoidance { .. }) {
            self.begin_epoch(now);
        }
        let (cwnd, smss, w_max, ssthresh) = (self.cwnd, u64::from(self.smss), self.w_max, self.ssthresh);
        let Phase::Avoidance {
            epoch,
            k,
            w_est,
            w_est_fraction,
            cwnd_fraction,
        } = &mut self.phase
        else {
            return;
        };
        // The part of the window that is acknowledged, in 2⁻³¹ths: a product with 32 bits more does not overflow.
        let share = (u64::from(ack.octets.min(cwnd)) << 31) / u64::from(cwnd);
        // Section 4.3: α is 1 from where the reduction began.
        let prior = u64::from(ssthresh) * u64::from(BETA.1) / u64::from(BETA.0);
        let alpha = if u64::from(*w_est) >= prior { (1, 1) } else { ALPHA };
        let friendly = (share * smss * alpha.0 / alpha.1) >> 15;
        add_fixed(w_est, w_est_fraction, friendly);
        let rtt = ack.srtt_millis();
        let target = cubic(now.wrapping_sub(*epoch).saturating_add(rtt), *k, w_max, smss)
            .clamp(cwnd, cwnd.saturating_add(cwnd / 2));
        let growth = (u64::from(target - cwnd) * share) >> 15;
        add_fixed(&mut self.cwnd, cwnd_fraction, growth);
        self.cwnd = self.cwnd.max(*w_est);
    }

    /// K is the time that the function takes to come back to W_max (section 4.2): none when the window is there already.
    fn begin_epoch(&mut self, now: u32) {
        self.w_max = self.w_max.max(self.cwnd);
        let below = u64::from(self.w_max - self.cwnd);
        let cube = below * TWICE_INVERSE_C * (CUBIC_MILLISECONDS / 2) / u64::from(self.smss);
        self.phase = Phase::Avoidance {
            epoch: now,
            k: cube_root(cube),
            w_est: self.cwnd,
            w_est_fraction: 0,
            cwnd_fraction: 0,
        };
    }

    pub(super) fn on_lost_syn(&mut self) {
        self.cwnd = u32::from(self.smss);
    }

    pub(super) fn on_congestion(&mut self, flight: u32) {
        self.reduce(flight);
        self.cwnd = self.ssthresh;
        self.phase = Phase::Waiting;
    }

    pub(super) fn on_retransmission_timeout(&mut self, flight: u32, again: bool) {
        if !again {
            self.reduce(flight);
        }
        self.cwnd = u32::from(self.smss);
        // Section 4.8: congestion avoidance starts anew from where slow start ends.
        self.w_max = 0;
        self.phase = Phase::slow_start();
    }

    /// Multiplicative decrease and fast convergence (sections 4.6 and 4.7). The window counts only as far as it was used.
    fn reduce(&mut self, flight: u32) {
        let used = self.cwnd.min(flight.max(u32::from(self.smss)));
        self.w_max = if used < self.w_max {
            scale(used, CONVERGENCE)
        } else {
            used
        };
        self.ssthresh = scale(flight, BETA).max(MIN_SEGMENTS * u32::from(self.smss));
    }

    pub(super) fn on_idle_restart(&mut self) {
        self.cwnd = self.cwnd.min(initial_window(self.smss));
        self.on_unused();
    }

    /// The window is not what limits the sender. The time t must leave that out (section 4.2), so a new epoch begins behind it.
    #[inline]
    pub(super) fn on_unused(&mut self) {
        if matches!(self.phase, Phase::Avoidance { .. }) {
            self.phase = Phase::Waiting;
        }
    }

    pub(super) fn set_smss(&mut self, smss: u16) {
        self.smss = smss.max(1);
        self.cwnd = self.cwnd.max(u32::from(self.smss));
        self.ssthresh = self.ssthresh.max(MIN_SEGMENTS * u32::from(self.smss));
        self.on_unused();
    }
}

/// W_cubic(t) = C (t − K)³ + W_max (section 4.2), times in milliseconds.
fn cubic(t: u32, k: u32, w_max: u32, smss: u64) -> u32 {
    let distance = i128::from(t) - i128::from(k);
    let offset = distance.pow(3) * i128::from(smss * 2) / i128::from(TWICE_INVERSE_C * CUBIC_MILLISECONDS);
    (i128::from(w_max) + offset).clamp(0, i128::from(u32::MAX)) as u32
}

/// Adds 2⁻¹⁶ths.
fn add_fixed(whole: &mut u32, fraction: &mut u16, sixteenths: u64) {
    let sum = u64::from(*fraction) + sixteenths;
    *fraction = sum as u16;
    *whole = whole.saturating_add(u32::try_from(sum >> 16).unwrap_or(u32::MAX));
}

fn scale(octets: u32, (numerator, denominator): (u32, u32)) -> u32 {
    (u64::from(octets) * u64::from(numerator) / u64::from(denominator)) as u32
}

/// The largest number whose cube is not larger, bit by bit.
fn cube_root(cube: u64) -> u32 {
    let mut root = 0_u64;
    for bit in (0..21).rev() {
        let candidate = root | 1 << bit;
        if candidate.pow(3) <= cube {
            root = candidate;
        }
    }
    root as u32
}

#[cfg(test)]
mod tests;
