//! Tail loss probes: when nothing is heard of the last segments, one is sent again before the retransmission timer runs out, so that its
//! acknowledgment shows what is missing (RFC 8985 section 7).

use super::Probe;
use super::delivered::Reported;
use crate::internet::Output;
use crate::time::{Duration, Instant};
use crate::transport::tcp::Tcp;
use crate::transport::tcp::arrival::Arrival;
use crate::transport::tcp::connection::{Connection, Flags as Has};
use crate::transport::tcp::input::timestamp_clock;
use crate::transport::tcp::rtt::MIN_PROBE_TIMEOUT;

/// TLP.max_ack_delay: the longest that a peer is expected to delay an acknowledgment (RFC 8985 section 7.2).
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);

impl Connection {
    /// How long to wait for an acknowledgment: PTO while a tail loss probe may tell something, else RTO. Whether it really does is
    /// decided when the time is over.
    #[inline]
    pub(in crate::transport::tcp) fn first_timeout(&self) -> Duration {
        if !self.may_probe_tail() {
            return self.rtt.rto();
        }
        // MIN_RTO is longer than the shortest probe timeout, which need not be compared with RTO.
        match self.rtt.probe_timeout() {
            MIN_PROBE_TIMEOUT => MIN_PROBE_TIMEOUT,
            longer => longer.min(self.rtt.rto()),
        }
    }

    /// RFC 8985 section 7.3: the peer does SACK, nothing is known to be missing, and no probe is unanswered. A SYN that crossed the peer's is no
    /// tail, although his has agreed to SACK.
    #[inline]
    fn may_probe_tail(&self) -> bool {
        self.flags.has(Has::SACK)
            && self.state.is_synchronized()
            && !self.flags.has(Has::LOSS | Has::TAIL_PROBED)
            && self.retries == 0
    }

    /// When a probe is due: PTO after the last transmission of new data, but not after the retransmission timer runs out at `rto_at`, however
    /// often new data is sent (RFC 8985 section 7.2). What is no more than one full segment may wait for a delayed acknowledgment.
    fn probe_at(&self, rto_at: Instant, now: Instant) -> Instant {
        let is_single = self.in_flight() <= u32::from(self.mss);
        let delay = if is_single { MAX_ACK_DELAY } else { Duration::ZERO };
        let at = self.last_sent(now) + self.rtt.probe_timeout() + delay;
        at.min(rto_at)
    }
}

impl Tcp {
    /// The timer of a connection without loss, which was `due` now, has run out. True when it is not the retransmission timer: then a probe
    /// was sent, or waits, or the timer runs on.
    #[cold]
    pub(super) fn on_tail_timer(&mut self, out: &mut Output<'_>, index: u32, due: Instant) -> bool {
        let connection = self.connections.get_mut(index);
        if !connection.may_probe_tail() || connection.all_acknowledged() {
            return false;
        }
        let rto_at = due - connection.first_timeout() + connection.rtt.rto();
        if rto_at <= out.now && !connection.rtt.may_probe() {
            return false;
        }
        let (_, loss) = self.loss_of(index, out.now);
        loss.rto_at = Some(rto_at);
        if self.probe_if_due(out, index) {
            return true;
        }
        self.set_loss_timer(index);
        rto_at > out.now
    }

    /// Sends a probe, or has it wait for its time. False when none may be sent before something is heard of the peer (RFC 8985 section 7.3), who
    /// must have a window and must not have been waited for too long already.
    pub(super) fn probe_if_due(&mut self, out: &mut Output<'_>, index: u32) -> bool {
        let (connection, loss) = self.loss_of(index, out.now);
        let rto_at = loss.rto_at.unwrap_or(out.now);
        let silent_since = rto_at - connection.rtt.rto();
        loss.probe_at = None;
        if !connection.rtt.may_probe() || connection.snd_wnd == 0 {
            return false;
        }
        let at = connection.probe_at(rto_at, out.now);
        if at > out.now {
            loss.probe_at = Some(at);
            self.set_loss_timer(index);
            return true;
        }
        let ends = self.patience_ends(index, silent_since);
        if ends.is_some_and(|end| end <= out.now) {
            return false;
        }
        self.probe_tail(out, index);
        let rto_at = out.now + self.connections.get(index).rtt.rto();
        let (_, loss) = self.loss_of(index, out.now);
        loss.silent_since = Some(silent_since);
        loss.rto_at = Some(ends.map_or(rto_at, |end| end.min(rto_at)));
        self.set_loss_timer(index);
        true
    }

    /// Sends a probe: new data if the peer's window has room, else the last segment again.
    fn probe_tail(&mut self, out: &mut Output<'_>, index: u32) {
        let unsent = self.unsent(index);
        let (connection, loss) = self.loss_of(index, out.now);
        loss.rack
            .note_originals_sent(connection.snd_max, connection.last_sent(out.now));
        let room = connection.snd_wnd.saturating_sub(connection.in_flight());
        let new = unsent.min(u32::from(connection.mss));
        let sends_new = new > 0 && new <= room;
        let sent = if sends_new {
            self.send_new(out, index, new).is_ok()
        } else {
            let len = self.last_segment_len(index);
            let last = self.connections.get(index).snd_max - len;
            self.resend(out, index, last, len).is_ok()
        };
        self.counters.tail_loss_probes += u64::from(sent);
        let (connection, loss) = self.loss_of(index, out.now);
        if sent {
            connection.rtt.note_probe();
        }
        loss.probe = sent.then_some(Probe {
            end: connection.snd_max,
            again: !sends_new,
            tsval: timestamp_clock(out.now),
        });
    }

    /// The text and the FIN of the last segment. It goes again even when there is no memory to copy what was written in small pieces: a probe
    /// that ended before the last octet would not show whether that is missing.
    fn last_segment_len(&self, index: u32) -> u32 {
        let connection = self.connections.get(index);
        let queue = self.queues.send.peek(connection.send);
        let text = queue.map_or(0, |queue| queue.last_sent(u32::from(connection.mss)));
        text + u32::from(connection.flags.has(Has::FIN_SENT))
    }

    /// The last probe is answered, of which nothing but a flag was left. False when there was none.
    fn end_tail_probe(&mut self, index: u32) -> bool {
        let connection = self.connections.get_mut(index);
        // No probe was to follow so far, so that the timer is that of retransmission.
        let rto_at = connection.retransmit_at.instant();
        let had_one = connection.flags.take(Has::TAIL_PROBED);
        if had_one {
            self.resume_tail_timer(index, rto_at);
        }
        had_one
    }

    /// An acknowledgment after a probe. When nothing shows that both copies arrived, the probe has repaired a loss, and that means
    /// congestion (RFC 8985 section 7.4).
    pub(super) fn answer_tail_probe(
        &mut self,
        index: u32,
        arrival: &Arrival<'_>,
        reported: &Reported,
        acknowledged: u32,
        now: Instant,
    ) {
        let connection = self.connections.get_mut(index);
        let is_bare = acknowledged == 0 && arrival.text_len == 0 && reported.held.as_slice().is_empty();
        let both_arrived = reported.duplicate.is_some() || is_bare;
        let repaired = if connection.flags.has(Has::LOSS) {
            let (connection, loss) = self.loss_of(index, now);
            let Some(probe) = loss.probe.filter(|probe| connection.snd_una.ge(probe.end)) else {
                return;
            };
            let is_answered = !probe.again || both_arrived || connection.snd_una.gt(probe.end);
            if is_answered {
                loss.probe = None;
            }
            is_answered && probe.again && !both_arrived
        } else {
            let is_answered = both_arrived || acknowledged > 0;
            is_answered && self.end_tail_probe(index) && !both_arrived
        };
        if repaired {
            let connection = self.connections.get_mut(index);
            connection
                .congestion
                .on_congestion(connection.flight_size(acknowledged));
            self.counters.fast_recoveries += 1;
        }
    }
}
