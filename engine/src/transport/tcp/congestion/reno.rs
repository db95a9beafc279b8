//! Reno with byte counting, and the windows of NewReno's recovery (RFC 5681, RFC 3465, RFC 6582, RFC 6928).

/// The initial window is this many segments, while they are not larger than those of Ethernet (RFC 6928 section 2).
const INITIAL_SEGMENTS: u32 = 10;
const INITIAL_OCTETS: u32 = 14_600;

/// The window has room for two segments even after a loss.
const MIN_SSTHRESH_SEGMENTS: u32 = 2;

/// What slow start adds for one ACK, at most, in segments (RFC 3465 sections 2.2 and 2.3): two, so that delayed ACKs
/// cost no speed; one after a timeout, when an ACK may cover what had left the network long before.
const SLOW_START_LIMIT: u32 = 2;
const SLOW_START_LIMIT_AFTER_TIMEOUT: u32 = 1;

/// The state of RFC 5681's algorithms.
#[derive(Clone, Copy, Debug)]
pub struct Reno {
    cwnd: u32,
    ssthresh: u32,
    /// Octets acknowledged in congestion avoidance since the window last grew.
    bytes_acked: u32,
    smss: u16,
    /// Whether the current slow start follows a retransmission timeout.
    after_timeout: bool,
}

impl Reno {
    pub(super) fn new(smss: u16) -> Self {
        let mut reno = Self {
            cwnd: 0,
            ssthresh: u32::MAX,
            bytes_acked: 0,
            smss: smss.max(1),
            after_timeout: false,
        };
        reno.cwnd = reno.initial_window();
        reno
    }

    #[inline]
    pub(super) const fn window(&self) -> u32 {
        self.cwnd
    }

    #[inline]
    pub(super) const fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    /// Half a window is enough in slow start, for it doubles within one round trip; later there must not be room for
    /// another segment.
    #[inline]
    pub(super) const fn is_limiting(&self, flight: u32) -> bool {
        if self.in_slow_start() {
            flight > self.cwnd / 2
        } else {
            flight > self.cwnd.saturating_sub(self.smss())
        }
    }

    #[inline]
    pub(super) fn on_ack(&mut self, acked: u32, was_limiting: bool) {
        if !was_limiting {
            return;
        }
        if self.in_slow_start() {
            self.slow_start(acked);
        } else {
            self.avoid_congestion(acked);
        }
    }

    #[inline]
    fn slow_start(&mut self, acked: u32) {
        let limit = if self.after_timeout {
            SLOW_START_LIMIT_AFTER_TIMEOUT
        } else {
            SLOW_START_LIMIT
        };
        self.cwnd = self.cwnd.saturating_add(acked.min(limit * self.smss()));
        self.after_timeout &= self.in_slow_start();
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

    pub(super) fn enter_recovery(&mut self, flight: u32, departed: u32) {
        self.ssthresh = self.halved(flight);
        self.cwnd = self.ssthresh.saturating_add(departed.saturating_mul(self.smss()));
        self.leave_growth();
    }

    pub(super) fn on_duplicate_ack(&mut self, flight: u32) {
        let most = self.ssthresh.saturating_add(flight).max(self.cwnd);
        self.cwnd = self.cwnd.saturating_add(self.smss()).min(most);
    }

    pub(super) fn on_partial_ack(&mut self, acked: u32) {
        let smss = self.smss();
        let for_the_retransmission = if acked >= smss { smss } else { 0 };
        self.cwnd = self
            .cwnd
            .saturating_sub(acked)
            .saturating_add(for_the_retransmission)
            .max(smss);
    }

    pub(super) fn exit_recovery(&mut self, flight: u32) {
        let smss = self.smss();
        self.cwnd = self.ssthresh.min(flight.max(smss).saturating_add(smss));
    }

    pub(super) fn on_retransmission_timeout(&mut self, flight: u32, again: bool) {
        if !again {
            self.ssthresh = self.halved(flight);
        }
        self.cwnd = self.smss();
        self.leave_growth();
        self.after_timeout = true;
    }

    pub(super) fn on_idle_restart(&mut self) {
        self.cwnd = self.cwnd.min(self.initial_window());
        self.bytes_acked = 0;
    }

    pub(super) fn set_smss(&mut self, smss: u16) {
        self.smss = smss.max(1);
        self.cwnd = self.cwnd.max(self.smss());
        self.ssthresh = self.ssthresh.max(MIN_SSTHRESH_SEGMENTS * self.smss());
    }

    fn leave_growth(&mut self) {
        self.bytes_acked = 0;
        self.after_timeout = false;
    }

    fn initial_window(&self) -> u32 {
        (INITIAL_SEGMENTS * self.smss()).min(INITIAL_OCTETS.max(2 * self.smss()))
    }

    fn halved(&self, flight: u32) -> u32 {
        (flight / 2).max(MIN_SSTHRESH_SEGMENTS * self.smss())
    }

    #[inline]
    const fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    #[inline]
    const fn smss(&self) -> u32 {
        self.smss as u32
    }
}
