//! Tail loss probes: when nothing is heard of the last segments, one is sent again before the retransmission timer runs out, so that its
//! acknowledgment shows what is missing (RFC 8985 section 7).

use super::Probe;
use super::delivered::Reported;
use crate::internet::Output;
use crate::time::Duration;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::arrival::Arrival;
use crate::transport::tcp::connection::{Connection, Flags as Has};
use crate::transport::tcp::state::State;

impl Connection {
    /// How long to wait for an acknowledgment: PTO when a tail loss probe can tell something, else RTO.
    #[inline]
    pub(in crate::transport::tcp) fn first_timeout(&self) -> Duration {
        let rto = self.rtt.rto();
        if self.probes_tail() {
            self.rtt.probe_timeout().min(rto)
        } else {
            rto
        }
    }

    /// Whether a probe is due before a retransmission: the peer does SACK, and more than one segment is outstanding. Of a single segment
    /// the acknowledgment may be delayed, by TLP.max_ack_delay of 200 ms, and by then the retransmission timer has run out.
    #[inline]
    fn probes_tail(&self) -> bool {
        self.flags.has(Has::SACK)
            && !self.flags.has(Has::LOSS | Has::TAIL_PROBED)
            && self.in_flight() > u32::from(self.mss)
            && self.retries == 0
    }
}

impl Tcp {
    /// Sends a probe in place of a retransmission, if one is due: new data if the peer's window has room, else the last segment again.
    #[cold]
    pub(super) fn probe_tail(&mut self, out: &mut Output<'_>, index: u32) -> bool {
        let connection = self.connections.get(index);
        let is_embryonic = matches!(connection.state, State::SynSent | State::SynReceived);
        if !connection.probes_tail() || is_embryonic || connection.all_acknowledged() {
            return false;
        }
        let mss = u32::from(connection.mss);
        let room = connection.snd_wnd.saturating_sub(connection.in_flight());
        let last = connection.snd_max - mss.min(connection.in_flight());
        let last = if connection.flags.has(Has::FIN_SENT) {
            connection.snd_max - 1
        } else {
            last
        };
        let new = self.unsent(index).min(mss);
        self.loss_of(index);
        let sends_new = new > 0 && new <= room;
        let sent = if sends_new {
            self.send_new(out, index, new).is_ok()
        } else {
            self.resend(out, index, last, mss).is_ok_and(|sent| sent > 0)
        };
        self.counters.tail_loss_probes += u64::from(sent);
        let (connection, loss) = self.loss_of(index);
        loss.probe = sent.then_some(Probe {
            end: connection.snd_max,
            again: !sends_new,
        });
        loss.rto_at = Some(out.now + connection.rtt.rto());
        self.set_loss_timer(index);
        true
    }

    /// An acknowledgment after a probe. When nothing shows that both copies arrived, the probe has repaired a loss, and that means
    /// congestion (RFC 8985 section 7.4).
    pub(super) fn answer_tail_probe(
        &mut self,
        index: u32,
        arrival: &Arrival<'_>,
        reported: &Reported,
        acknowledged: u32,
    ) {
        let connection = self.connections.get_mut(index);
        let is_bare = acknowledged == 0 && arrival.text_len == 0 && reported.held.as_slice().is_empty();
        let both_arrived = reported.duplicate.is_some() || is_bare;
        let repaired = if connection.flags.has(Has::LOSS) {
            let (connection, loss) = self.loss_of(index);
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
            let flight = connection.snd_max - connection.snd_una + acknowledged;
            connection.congestion.on_congestion(flight);
            self.counters.fast_recoveries += 1;
        }
    }
}
