//! Tail loss probes: when nothing is heard of the last segments, one is sent again before the retransmission timer runs out, so that its
//! acknowledgment shows what is missing (RFC 8985 section 7).

use super::Probe;
use super::delivered::Reported;
use crate::internet::Output;
use crate::time::{Duration, Instant};
use crate::transport::tcp::Tcp;
use crate::transport::tcp::arrival::Arrival;
use crate::transport::tcp::connection::{Connection, Deadline, Flags as Has};
use crate::transport::tcp::rtt::MIN_PROBE_TIMEOUT;

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

    /// When a probe is due: PTO after the last transmission (RFC 8985 section 7.2). Never for a single segment: its acknowledgment may be
    /// delayed, by TLP.max_ack_delay of 200 ms, and by then the retransmission timer has run out.
    fn probe_at(&self, now: Instant) -> Option<Instant> {
        let has_tail = self.in_flight() > u32::from(self.mss);
        has_tail.then(|| self.last_sent(now) + self.rtt.probe_timeout())
    }
}

impl Tcp {
    /// The timer of a connection without loss, which was `due` now, has run out. True when it is not the retransmission timer: then a probe
    /// was sent, or the timer runs on.
    #[cold]
    pub(super) fn on_tail_timer(&mut self, out: &mut Output<'_>, index: u32, due: Instant) -> bool {
        let connection = self.connections.get_mut(index);
        if !connection.may_probe_tail() || connection.all_acknowledged() {
            return false;
        }
        let rto_at = due - connection.first_timeout() + connection.rtt.rto();
        if rto_at <= out.now {
            return false;
        }
        match connection.probe_at(out.now) {
            Some(at) if at > out.now => {
                connection.retransmit_at = Deadline::at(at.min(rto_at));
            }
            Some(_) => self.probe_tail(out, index),
            None => {
                let (_, loss) = self.loss_of(index, out.now);
                loss.rto_at = Some(rto_at);
                self.set_loss_timer(index);
            }
        }
        true
    }

    /// Sends a probe: new data if the peer's window has room, else the last segment again.
    fn probe_tail(&mut self, out: &mut Output<'_>, index: u32) {
        let unsent = self.unsent(index);
        let (connection, _) = self.loss_of(index, out.now);
        let mss = u32::from(connection.mss);
        let room = connection.snd_wnd.saturating_sub(connection.in_flight());
        let tail = if connection.flags.has(Has::FIN_SENT) {
            1
        } else {
            mss
        };
        let last = connection.snd_max - tail;
        let new = unsent.min(mss);
        let sends_new = new > 0 && new <= room;
        let sent = if sends_new {
            self.send_new(out, index, new).is_ok()
        } else {
            self.resend(out, index, last, tail).is_ok_and(|sent| sent > 0)
        };
        self.counters.tail_loss_probes += u64::from(sent);
        let (connection, loss) = self.loss_of(index, out.now);
        loss.probe = sent.then_some(Probe {
            end: connection.snd_max,
            again: !sends_new,
        });
        loss.rto_at = Some(out.now + connection.rtt.rto());
        self.set_loss_timer(index);
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
            is_answered && connection.flags.take(Has::TAIL_PROBED) && !both_arrived
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
