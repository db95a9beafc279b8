//! What runs out while data is outstanding: a reordering window, the patience with the tail, the retransmission timer.

use super::delivered::Delivered;
use super::undo::Undo;
use super::{Loss, Phase};
use crate::internet::Output;
use crate::time::{Duration, Instant};
use crate::transport::random::SplitMix64;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::{Connection, Flags as Has};
use crate::transport::tcp::seq::SeqNumber;

impl Tcp {
    /// The connection's timer, which was `due` now, has run out. True when it was not the retransmission timer.
    pub(in crate::transport::tcp) fn on_loss_timer(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        due: Instant,
    ) -> bool {
        if !self.connections.get(index).flags.has(Has::LOSS) {
            return self.on_tail_timer(out, index, due);
        }
        let now = out.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let (_, loss) = self.loss_of(index, now);
        if is_due(loss.probe_at) && self.probe_if_due(out, index) {
            return true;
        }
        let (_, loss) = self.loss_of(index, now);
        if is_due(loss.rto_at) {
            return false;
        }
        if is_due(loss.reorder_at) {
            self.on_reordering_window_end(index, now);
        }
        self.set_loss_timer(index);
        true
    }

    /// What has not arrived by now is lost (RFC 8985 section 6.3).
    fn on_reordering_window_end(&mut self, index: u32, now: Instant) {
        let (connection, loss) = self.loss_of(index, now);
        loss.reorder_at = None;
        let lost_again = loss.detect(connection, now);
        let nothing = Delivered::default();
        let begins = loss.phase == Phase::Disorder && loss.scoreboard.lost() > 0;
        if begins {
            loss.enter_recovery(connection, &nothing);
        } else if loss.phase == Phase::Recovery {
            loss.reduce(connection, &nothing, lost_again);
        }
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
        self.counters.fast_recoveries += u64::from(begins);
    }

    /// The retransmission timer ran out: everything that the peer does not hold is lost, and the segment at SND.UNA goes first (RFC 8985
    /// section 6.3, RFC 5682). `again` when it ran out for this segment before.
    pub(in crate::transport::tcp) fn lose_everything(&mut self, index: u32, again: bool, now: Instant) {
        let rto = self.timeout_again(index);
        let rto_at = self.before_patience_ends(index, now + rto);
        let (connection, loss) = self.loss_of(index, now);
        if !again {
            let probe = loss.probe.filter(|probe| probe.again);
            loss.undo = Some(Undo::of_timeout(
                connection.congestion,
                loss.is_repairing(),
                probe.map(|probe| probe.tsval),
            ));
        }
        connection
            .congestion
            .on_retransmission_timeout(connection.flight_size(0), again);
        connection.flags.set(Has::ECN_REDUCED);
        loss.phase = Phase::Timeout;
        loss.give_up_on_all(connection, again);
        loss.rto_at = Some(rto_at);
        self.set_loss_timer(index);
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
    }

    /// What is outstanding is sent again: the peer had no room for it when its window closed, or the path none for segments of that size.
    /// That is no sign of congestion.
    pub(in crate::transport::tcp) fn resend_everything(&mut self, index: u32, now: Instant) {
        let rto = self.connections.get(index).rtt.rto();
        let rto_at = self.before_patience_ends(index, now + rto);
        let (connection, loss) = self.loss_of(index, now);
        loss.phase = Phase::Timeout;
        loss.undo = None;
        loss.give_up_on_all(connection, false);
        loss.rto_at = Some(rto_at);
        self.set_loss_timer(index);
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
    }
}

impl Tcp {
    /// How long to wait for the answer to a retransmission: RTO, and after a timeout perhaps more
    /// ([`TcpConfig::random_back_off`](crate::config::TcpConfig::random_back_off)).
    pub(super) fn timeout_again(&self, index: u32) -> Duration {
        let connection = self.connections.get(index);
        if connection.retries == 0 || !self.config.random_back_off {
            return connection.rtt.rto();
        }
        random_timeout(
            connection.rtt.rto(),
            connection.hash,
            connection.snd_una,
            connection.retries,
        )
    }
}

/// RTO, and up to a quarter more. Only who knows the key of the flow table, which makes the `hash`, can tell how much.
fn random_timeout(rto: Duration, hash: u64, snd_una: SeqNumber, retries: u8) -> Duration {
    let seed = hash ^ u64::from(snd_una.0) << 32 ^ u64::from(retries);
    let quarter = rto.as_nanos() / 4;
    rto + Duration::from_nanos(SplitMix64::new(seed).next() % quarter)
}

impl Loss {
    /// Marks all that is outstanding as lost. A peer who does not answer is not believed any more (RFC 2018 section 8).
    fn give_up_on_all(&mut self, connection: &mut Connection, distrusts: bool) {
        let (snd_una, snd_max) = (connection.snd_una, connection.snd_max);
        if distrusts {
            // What arrives now may be what was reported before.
            self.undo = None;
        }
        if distrusts || !self.scoreboard.has_room() {
            self.scoreboard.clear(snd_una);
        }
        self.scoreboard.lose_all(snd_una, snd_max);
        self.rack.restart(snd_una);
        self.recover = snd_max;
        (self.reorder_at, self.probe_at) = (None, None);
        self.probe = None;
        self.dup_acks = 0;
        connection.flags.clear(Has::RTT_RUNNING | Has::TAIL_PROBED);
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, SeqNumber, random_timeout};

    const RTO: Duration = Duration::from_millis(300);

    fn timeout(hash: u64, snd_una: u32, retries: u8) -> Duration {
        random_timeout(RTO, hash, SeqNumber(snd_una), retries)
    }

    #[test]
    fn up_to_a_quarter_is_added() {
        let all = || (0..1_000).map(|hash| timeout(hash, 1, 1).as_micros());
        let (shortest, longest) = (all().min().unwrap(), all().max().unwrap());
        assert!((300_000..301_000).contains(&shortest), "{shortest} us");
        assert!((374_000..375_000).contains(&longest), "{longest} us");
    }

    /// Whoever has seen one timeout can't foresee that of another connection, of later data, or after another try.
    #[test]
    fn each_timeout_is_another() {
        for hash in [0, u64::MAX] {
            let first = timeout(hash, 1, 1);
            for other in [timeout(hash ^ 1, 1, 1), timeout(hash, 2, 1), timeout(hash, 1, 2)] {
                assert_ne!(first, other, "{hash:x}");
            }
        }
    }
}
