//! Reno with byte counting, and the windows of NewReno's recovery (RFC 5681, RFC 3465, RFC 6582, RFC 6928).

use super::{Ack, initial_window, slow_start};

/// The window has room for two segments even after a loss.
const MIN_SSTHRESH_SEGMENTS: u32 = 2;

/// The state of RFC 5681's algorithms.
#[derive(Clone, Copy, Debug)]
pub struct Reno {
    cwnd: u32,
    ssthresh: u32,
    /// Octets acknowledged in congestion avoidance since the window last grew.
    bytes_acked: u32,
    /// What was in flight when the window last held the sender back; all, where nobody has told.
    used: u32,
    smss: u16,
}

impl Reno {
    pub(super) fn new(smss: u16) -> Self {
        let smss = smss.max(1);
        Self {
            cwnd: initial_window(smss),
            ssthresh: u32::MAX,
            bytes_acked: 0,
            used: u32::MAX,
            smss,
        }
    }

    pub(super) fn take_over(&mut self, cwnd: u32, ssthresh: u32) {
        (self.cwnd, self.ssthresh) = (cwnd, ssthresh);
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
    pub(super) fn on_ack(&mut self, ack: &Ack<'_>) {
        if self.cwnd < self.ssthresh {
            self.cwnd = slow_start(self.cwnd, ack.octets, self.used).min(self.ssthresh);
        } else {
            self.avoid_congestion(ack.octets);
        }
    }

    pub(super) const fn note_use(&mut self, flight: u32) {
        self.used = flight;
    }

    /// One segment more for each window that was acknowledged.
    #[inline]
    fn avoid_congestion(&mut self, acked: u32) {
        self.bytes_acked = self.bytes_acked.saturating_add(acked);
        if self.bytes_acked >= self.cwnd {
            self.bytes_acked = (self.bytes_acked - self.cwnd).min(self.cwnd);
            self.cwnd = self.cwnd.saturating_add(self.smss());
        }
    }

    pub(super) fn on_lost_syn(&mut self) {
        self.cwnd = self.smss();
    }

    pub(super) fn on_congestion(&mut self, flight: u32) {
        self.ssthresh = self.halved(flight);
        self.cwnd = self.ssthresh;
        self.bytes_acked = 0;
    }

    pub(super) fn on_retransmission_timeout(&mut self, flight: u32, again: bool) {
        if !again {
            self.ssthresh = self.halved(flight);
        }
        self.cwnd = self.smss();
        self.used = u32::MAX;
        self.bytes_acked = 0;
    }

    pub(super) fn on_idle_restart(&mut self) {
        self.cwnd = self.cwnd.min(initial_window(self.smss));
        self.bytes_acked = 0;
    }

    pub(super) fn set_smss(&mut self, smss: u16) {
        self.smss = smss.max(1);
        self.cwnd = self.cwnd.max(self.smss());
        self.ssthresh = self.ssthresh.max(MIN_SSTHRESH_SEGMENTS * self.smss());
    }

    fn halved(&self, flight: u32) -> u32 {
        (flight / 2).max(MIN_SSTHRESH_SEGMENTS * self.smss())
    }

    #[inline]
    pub(super) const fn smss(&self) -> u32 {
        self.smss as u32
    }
}
