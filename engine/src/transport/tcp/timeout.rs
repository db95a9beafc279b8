//! Timers: retransmission (RFC 6298), window probes (RFC 9293 section 3.8.6.1), delayed acknowledgments, FIN-WAIT-2, half-open entries and
//! TIME_WAIT.

use super::Tcp;
use super::connection::{Connection, ConnectionError, Deadline, Flags as Has, NO_QUEUE};
use super::output::Text;
use super::segment::Flags;
use super::state::State;
use super::trouble::{R1, SoftError};
use crate::internet::Output;
use crate::time::{Duration, Instant};

/// Connections whose timers are looked at in one go.
pub(super) const TIMER_BATCH: usize = 256;
/// Timeouts in a row after which the next hop may be gone: one may be a lost packet.
const SUSPICIOUS: u8 = 2;
/// The longest pause between window probes (RFC 9293 section 3.8.6.1 leaves it open; Linux's choice).
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(120);

impl Tcp {
    /// Runs the timers that are due, at most so many that a poll stays bounded.
    pub(crate) fn run_timers(&mut self, out: &mut Output<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel
            .advance(&mut self.connections, out.now, TIMER_BATCH, &mut due);
        for index in due.drain(..) {
            self.on_timer(out, index);
        }
        self.due = due;
        self.run_half_open_timers(out);
        self.expire_time_wait(out.now);
        self.widen_paths(out.now);
    }

    /// When the next timer runs out. May be early, never late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [
            self.wheel.next_deadline(),
            self.half_open.next_deadline(),
            self.time_wait.next_expiry(),
            self.next_widening(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Makes sure that the wheel wakes this connection no later than at `deadline`, which was just set. Nearly always it does so already,
    /// because of an earlier deadline that has moved on since.
    #[inline]
    pub(super) fn arm(&mut self, index: u32, deadline: Instant) {
        if !self.wheel.fires_by(&self.connections.get(index).link, deadline) {
            self.schedule(index, deadline);
        }
    }

    #[inline(never)]
    pub(super) fn schedule(&mut self, index: u32, deadline: Instant) {
        self.wheel.schedule(&mut self.connections, index, deadline);
    }

    /// The wheel woke a connection. It is lazy: the deadline may have moved on, then it is armed again.
    fn on_timer(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.ack_at.is_due(out.now) {
            connection.ack_at = Deadline::NEVER;
            connection.flags.set(Has::ACK_NOW);
            self.dirty.mark(index, connection);
        }
        if connection.quiet_at.is_due(out.now) && self.on_quiet_deadline(out, index) {
            return;
        }
        let connection = self.connections.get_mut(index);
        if let Some(due) = connection.retransmit_at.instant().filter(|due| *due <= out.now) {
            connection.retransmit_at = Deadline::NEVER;
            if connection.flags.has(Has::PROBING) {
                self.probe_window(out, index);
            } else if !self.on_loss_timer(out, index, due) {
                self.on_retransmission_timeout(out, index);
            }
        }
        // Whatever happened, a connection that is still there keeps its other deadlines.
        let connection = self.connections.get(index);
        if !connection.flags.has(Has::DETACHED)
            && let Some(deadline) = connection.next_deadline().instant()
        {
            self.arm(index, deadline);
        }
        if self.connections.get(index).flags.has(Has::PACED) {
            self.resume_pace(index, out.now);
        }
    }

    /// RFC 6298 section 5, RFC 5681 section 3.1 for the window; everything that the peer does not hold is sent again.
    fn on_retransmission_timeout(&mut self, out: &mut Output<'_>, index: u32) {
        self.counters.timeouts += 1;
        let connection = self.connections.get_mut(index);
        if connection.snd_wnd == 0 && !matches!(connection.state, State::SynSent | State::SynReceived) {
            // The window closed over what was sent: the peer is probed until it opens.
            connection.flags.set(Has::PROBING);
            return self.probe_window(out, index);
        }
        let limit = match connection.state {
            State::SynSent | State::SynReceived => self.config.syn_retries,
            _ => self.most_retries(index),
        };
        if self.is_out_of_patience(index, limit, out.now) {
            return self.fail(index, ConnectionError::TimedOut);
        }
        let connection = self.connections.get_mut(index);
        let first = connection.retries == 0;
        connection.retries = connection.retries.saturating_add(1);
        connection.rtt.back_off();
        connection.suspect_the_way(out);
        if matches!(connection.state, State::SynSent | State::SynReceived) {
            connection.flags.set(Has::SYN_RETRANSMITTED);
            connection.flags.clear(Has::RTT_RUNNING);
            connection.snd_nxt = connection.snd_una;
            return self.dirty.mark(index, connection);
        }
        let retries = connection.retries;
        if retries == R1 {
            self.note_trouble(index, SoftError::Unanswered);
        }
        if retries >= R1 && self.config.black_hole_detection {
            self.suspect_black_hole(index, out.now);
        } else if first {
            self.judge_trial(index, out.now);
        }
        self.lose_everything(index, !first, out.now);
    }

    /// How often a connection sends what nobody acknowledges. Nobody waits for an orphan.
    fn most_retries(&self, index: u32) -> u8 {
        if self.connections.get(index).flags.has(Has::ORPHAN) {
            self.config.orphan_retries.min(self.config.retries)
        } else {
            self.config.retries
        }
    }

    /// Text waits, and nothing is outstanding that would make the peer say more: its window is closed, or the text is too little.
    pub(super) fn start_probing(&mut self, index: u32, out: &Output<'_>) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::PROBING) && connection.retransmit_at.is_set() {
            return;
        }
        connection.flags.set(Has::PROBING);
        connection.retries = 0;
        let deadline = out.now + connection.rtt.rto();
        connection.retransmit_at = Deadline::at(deadline);
        self.arm(index, deadline);
    }

    /// Text that waits behind an open window goes now. Behind a closed one: sends an acknowledgment of a byte that the peer has already, which
    /// it must answer with its window. A peer that answers is never given up (MUST-37); one that does not is, after as many probes as
    /// retransmissions. An orphan is given up although the peer answers: with nobody to say that it is enough, closed windows would cost the
    /// peer nothing and us connections.
    fn probe_window(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.send == NO_QUEUE && !connection.flags.has(Has::FIN_QUEUED) {
            connection.flags.clear(Has::PROBING);
            return;
        }
        if self.override_waiting(out, index) {
            return;
        }
        if self.is_out_of_patience(index, self.most_retries(index), out.now) {
            return self.fail(index, ConnectionError::TimedOut);
        }
        let connection = self.connections.get_mut(index);
        connection.retries = connection.retries.saturating_add(1);
        connection.rtt.back_off();
        connection.suspect_the_way(out);
        let pause = connection.rtt.rto().min(MAX_PROBE_INTERVAL);
        connection.retransmit_at = Deadline::at(out.now + pause);
        let seq = connection.snd_una - 1;
        self.counters.window_probes += 1;
        if self.emit(out, index, Flags::ACK, seq, Text::None).is_none() {
            self.counters.replies_lost += 1;
        }
    }
}

impl Connection {
    /// Nobody has answered more than once: perhaps the next hop does not take packets any more (RFC 1122 section 3.3.1.4).
    fn suspect_the_way(&self, out: &mut Output<'_>) {
        if self.retries >= SUSPICIOUS {
            out.internet.suspect(out.now, &self.key.remote);
        }
    }
}
