//! Acknowledgments that tell of loss, or come while there is some.

use super::delivered::{Delivered, Reported};
use super::prr::Prr;
use super::rack::Hint;
use super::undo::Undo;
use super::{DUP_THRESH, Loss, Phase};
use crate::time::{Duration, Instant};
use crate::transport::tcp::Tcp;
use crate::transport::tcp::acknowledgment::{echoed_rtt, grow};
use crate::transport::tcp::arrival::Arrival;
use crate::transport::tcp::connection::{Connection, Flags as Has};
use crate::transport::tcp::input::past_tick;
use crate::transport::tcp::options::{SackBlock, SackBlocks};

impl Tcp {
    /// An acknowledgment that moved SND.UNA by `acknowledged` octets, 0 too, and has SACK blocks or meets a connection that knows of loss;
    /// or a duplicate one.
    #[cold]
    pub(in crate::transport::tcp) fn on_loss_acknowledgment(
        &mut self,
        index: u32,
        arrival: &Arrival<'_>,
        acknowledged: u32,
        now: Instant,
    ) {
        let blocks = self.sack_blocks_of(index, arrival);
        let connection = self.connections.get_mut(index);
        let reported = Reported::of(
            &blocks,
            connection.snd_una,
            connection.snd_max,
            connection.max_snd_wnd,
        );
        self.answer_tail_probe(index, arrival, &reported, acknowledged, now);
        let connection = self.connections.get_mut(index);
        let has_news =
            !reported.held.as_slice().is_empty() || (acknowledged == 0 && !connection.flags.has(Has::SACK));
        if !connection.flags.has(Has::LOSS) && !has_news {
            if reported.duplicate.is_some() {
                connection.reordering.note_spurious();
            }
            if acknowledged > 0 {
                grow(connection, arrival.header.options.timestamps, acknowledged, now);
            }
            return;
        }
        self.take_acknowledgment(index, arrival, &reported, acknowledged, now);
        if !self.forget_loss_if_over(index) {
            self.set_loss_timer(index);
        }
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
    }

    /// An acknowledgment of less than another one before it, which has overtaken it. What it reports and no other did is news all the same
    /// (RFC 6675 section 4), but only for a fast recovery that is under way, and only once: were it always listened to, a peer that can't be brought
    /// further, because it lacks what somebody else has acknowledged in its name, would have the rest sent again with every answer, for ever.
    #[cold]
    pub(in crate::transport::tcp) fn on_overtaken_acknowledgment(
        &mut self,
        index: u32,
        arrival: &Arrival<'_>,
        now: Instant,
    ) {
        let blocks = self.sack_blocks_of(index, arrival);
        let connection = self.connections.get_mut(index);
        let Some(loss) = self.queues.loss.get(connection.loss) else {
            return;
        };
        let mut reported = Reported::of(
            &blocks,
            connection.snd_una,
            connection.snd_max,
            connection.max_snd_wnd,
        );
        // Below SND.UNA is what was beyond a gap then, and nothing that came twice.
        reported.duplicate = None;
        let is_known = |block: &SackBlock| loss.scoreboard.holds(block.left, block.right);
        if !loss.is_recovering() || reported.held.as_slice().iter().all(is_known) {
            return;
        }
        self.take_acknowledgment(index, arrival, &reported, 0, now);
        self.set_loss_timer(index);
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
    }

    /// The blocks of the segment that is being processed.
    fn sack_blocks_of(&self, index: u32, arrival: &Arrival<'_>) -> SackBlocks {
        let counts = self.connections.get(index).flags.has(Has::SACK);
        if counts && !arrival.header.options.sack.is_empty() {
            self.sack_blocks
        } else {
            SackBlocks::default()
        }
    }

    fn take_acknowledgment(
        &mut self,
        index: u32,
        arrival: &Arrival<'_>,
        reported: &Reported,
        acknowledged: u32,
        now: Instant,
    ) {
        let (connection, loss) = self.loss_of(index, now);
        if acknowledged > 0 || !reported.held.as_slice().is_empty() {
            (loss.probe_at, loss.silent_since) = (None, None);
        }
        let mut delivered = Delivered::take(&mut loss.scoreboard, acknowledged, reported, connection.snd_una);
        loss.note_duplicate_acks(connection, &mut delivered);
        if loss.scoreboard.is_sacked(connection.snd_una) {
            loss.scoreboard.renege();
            loss.undo = None;
        }
        if delivered.reordered {
            connection.reordering.note_seen();
        }
        let echoed = echoed(connection, arrival);
        if acknowledged > 0 {
            let exact = delivered.round_trip(&loss.rack, echoed, now);
            measure(connection, arrival, exact, now);
            loss.rto_at = Some(now + connection.rtt.rto());
        }
        let hint = Hint {
            echoed,
            min_rtt: connection.rtt.min_rtt(),
        };
        delivered.tell(&mut loss.rack, hint, now);
        let was_spurious = loss.is_spurious(connection, arrival, reported, &delivered);
        if was_spurious {
            loss.undo(connection, now);
        }
        let found = loss.detect(connection, now);
        let began = loss.follow(connection, arrival, &delivered, found, now);
        self.counters.recoveries_undone += u64::from(was_spurious);
        self.counters.fast_recoveries += u64::from(began);
    }
}

/// The window grows by an acknowledgment outside of fast recovery. The one that ends it leaves the window at ssthresh (RFC 6582 section 3.2
/// step 3). After a timeout it is a segment at most for each acknowledgment, up to that of all that was outstanding, and what arrived long
/// ago is none of it (RFC 3465 section 2.3).
fn grow_after(
    was: Phase,
    connection: &mut Connection,
    arrival: &Arrival<'_>,
    delivered: &Delivered,
    now: Instant,
) {
    match was {
        Phase::Disorder if delivered.acknowledged > 0 => {
            grow(
                connection,
                arrival.header.options.timestamps,
                delivered.acknowledged,
                now,
            );
        }
        Phase::Timeout => {
            let octets = delivered.octets.min(u32::from(connection.mss));
            connection.flags.set(Has::WINDOW_LIMITED);
            grow(connection, arrival.header.options.timestamps, octets, now);
        }
        Phase::Disorder | Phase::Recovery => {}
    }
}

/// A round-trip time by the timestamp, of which Karn's rule says nothing; without one, an acknowledgment of new data ends no back-off. `exact`
/// is what the timestamp shows to be the answer to a retransmission whose time is known.
fn measure(connection: &mut Connection, arrival: &Arrival<'_>, exact: Option<Duration>, now: Instant) {
    connection.flags.clear(Has::RTT_RUNNING);
    if let Some(exact) = exact {
        return connection.rtt.sample(exact);
    }
    if let Some(ticks) = echoed_rtt(
        connection.flags,
        connection.ts_offset,
        arrival.header.options.timestamps,
        now,
    ) {
        // A tick of the timestamp clock says less than what was measured before.
        if ticks > 0 {
            let rtt = Duration::from_millis(u64::from(ticks));
            connection.rtt.sample_coarse(rtt, past_tick(now));
        } else {
            connection.rtt.reset_back_off();
        }
    }
}

/// What the timestamp clock showed when the segment was sent that `arrival` answers.
fn echoed(connection: &Connection, arrival: &Arrival<'_>) -> Option<u32> {
    let stamp = arrival
        .header
        .options
        .timestamps
        .filter(|_| connection.flags.has(Has::TIMESTAMPS));
    stamp.map(|stamp| stamp.tsecr.wrapping_sub(connection.ts_offset))
}

impl Loss {
    /// Without SACK, duplicate acknowledgments are counted: each stands for a segment that has arrived, and no more for segments than
    /// there are, so that forged ones gain nothing. An acknowledgment of new data takes those of its segments back, but for the one that
    /// was missing.
    fn note_duplicate_acks(&mut self, connection: &Connection, delivered: &mut Delivered) {
        if connection.flags.has(Has::SACK) {
            return;
        }
        let mss = u32::from(connection.mss);
        if delivered.acknowledged > 0 {
            delivered.octets = delivered.acknowledged.min(mss);
            let others = match self.phase {
                Phase::Recovery => (delivered.acknowledged / mss).saturating_sub(1),
                Phase::Disorder | Phase::Timeout => u32::MAX,
            };
            self.dup_acks = self.dup_acks.saturating_sub(others);
            return;
        }
        let most = match self.phase {
            Phase::Disorder => DUP_THRESH,
            Phase::Recovery => (self.recover - connection.snd_una) / mss,
            Phase::Timeout => 0,
        };
        if self.dup_acks < most {
            self.dup_acks += 1;
            delivered.octets = mss;
        }
    }

    fn is_spurious(
        &mut self,
        connection: &mut Connection,
        arrival: &Arrival<'_>,
        reported: &Reported,
        delivered: &Delivered,
    ) -> bool {
        if let Some(duplicate) = reported.duplicate {
            self.widen_window(connection);
            if self
                .undo
                .as_mut()
                .is_some_and(|undo| undo.on_duplicate(&duplicate))
            {
                return true;
            }
        }
        let Some(undo) = &self.undo else {
            return false;
        };
        let (to, from) = (connection.snd_una, connection.snd_una - delivered.acknowledged);
        let by_timestamp = undo.is_answered_by_original(from, to, echoed(connection, arrival));
        let by_arrival = self.phase == Phase::Timeout
            && connection.flags.has(Has::SACK)
            && undo.shows_spurious_timeout(delivered, connection.snd_una, self.recover);
        by_timestamp || by_arrival
    }

    /// RFC 8985 section 6.2 step 4: a DSACK widens the reordering window, once in a round trip.
    fn widen_window(&mut self, connection: &mut Connection) {
        if self.dsack_round.is_none_or(|round| connection.snd_una.ge(round)) {
            self.dsack_round = Some(connection.snd_nxt);
            connection.reordering.note_spurious();
        }
    }

    /// Takes the response back: nothing was lost (RFC 4015 section 3.2).
    fn undo(&mut self, connection: &mut Connection, now: Instant) {
        let Some(undo) = self.undo.take() else {
            return;
        };
        // Of two states with the same window the one before the loss has the higher threshold.
        if undo.restore().window() >= connection.congestion.window() {
            connection.congestion = undo.restore();
        }
        connection.reordering.note_seen();
        connection.rtt.reset_back_off();
        self.phase = Phase::Disorder;
        self.dup_acks = 0;
        self.scoreboard.find_all();
        let highest = self.scoreboard.highest_sacked();
        self.rack.acquit(connection.snd_una, highest, now);
    }

    /// Finds what is lost: by RACK, or without SACK by the third duplicate acknowledgment (RFC 5681 section 3.2) and by partial
    /// acknowledgments (RFC 6582 section 3.2 step 3). Tells of a retransmission that is lost.
    pub(super) fn detect(&mut self, connection: &Connection, now: Instant) -> Option<u32> {
        let mss = u32::from(connection.mss);
        if !connection.flags.has(Has::SACK) {
            let is_new = self.phase == Phase::Disorder
                && self.dup_acks >= DUP_THRESH
                && connection.snd_una.ge(self.recover);
            // What was sent in a recovery is outstanding behind its end, and nothing has overtaken that.
            let is_partial = self.phase == Phase::Recovery && connection.snd_una.lt(self.recover);
            if is_new || is_partial {
                let head = connection.snd_una;
                let end = (head + mss).min(connection.snd_max);
                self.scoreboard.lose_original(head, end);
            }
            return None;
        }
        let later = self.scoreboard.sacked() > (DUP_THRESH - 1) * mss;
        let srtt = connection.rtt.srtt().unwrap_or(Duration::ZERO);
        let window = connection.reordering.window(
            connection.rtt.min_rtt(),
            srtt,
            later || self.phase != Phase::Disorder,
        );
        let found = self
            .rack
            .detect(&mut self.scoreboard, connection.snd_una, window, now);
        self.reorder_at = found.again_at;
        found.resent
    }

    /// Does what the phase says. Tells whether a recovery began.
    fn follow(
        &mut self,
        connection: &mut Connection,
        arrival: &Arrival<'_>,
        delivered: &Delivered,
        lost_again: Option<u32>,
        now: Instant,
    ) -> bool {
        let was = self.phase;
        if was != Phase::Disorder && connection.snd_una.ge(self.recover) {
            self.leave(connection);
        }
        match self.phase {
            Phase::Disorder if self.scoreboard.lost() > 0 => {
                self.enter_recovery(connection, delivered);
                return true;
            }
            Phase::Recovery => self.reduce(connection, delivered, lost_again),
            _ => grow_after(was, connection, arrival, delivered, now),
        }
        false
    }

    /// Fast recovery begins (RFC 6675 section 5 step 4, RFC 9937 section 6).
    pub(super) fn enter_recovery(&mut self, connection: &mut Connection, delivered: &Delivered) {
        self.undo = Some(Undo::new(connection.congestion));
        self.probe = None;
        connection.flags.clear(Has::TAIL_PROBED);
        self.phase = Phase::Recovery;
        self.recover = connection.snd_max;
        self.begin_reduction(connection, delivered);
        self.window = self.prr_window(connection, delivered, false);
    }

    fn begin_reduction(&mut self, connection: &mut Connection, delivered: &Delivered) {
        let flight = connection.snd_max - connection.snd_una;
        // What limited transmit has sent beyond the window does not count (RFC 5681 section 3.2 step 2).
        let used = connection.flight_size(0).min(connection.congestion.window());
        connection.congestion.on_congestion(used);
        connection.flags.set(Has::ECN_REDUCED);
        let newly = delivered.sacked + delivered.acknowledged;
        let recover_fs = (flight + newly).saturating_sub(self.scoreboard.sacked());
        self.prr = Prr::new(recover_fs, connection.congestion.ssthresh());
        self.next_sign = self.rack.next_number();
    }

    /// An acknowledgment in fast recovery. A retransmission that was lost means congestion once more (RFC 5681 section 4.3).
    pub(super) fn reduce(
        &mut self,
        connection: &mut Connection,
        delivered: &Delivered,
        lost_again: Option<u32>,
    ) {
        let is_sign = |number: u32| number.wrapping_sub(self.next_sign).cast_signed() >= 0;
        if lost_again.is_some_and(is_sign) {
            self.begin_reduction(connection, delivered);
        }
        let is_safe = delivered.acknowledged > 0 && lost_again.is_none();
        self.window = self.prr_window(connection, delivered, is_safe);
    }

    fn prr_window(&mut self, connection: &Connection, delivered: &Delivered, is_safe: bool) -> u32 {
        let pipe = self.pipe(connection);
        self.prr
            .on_ack(delivered.octets, pipe, is_safe, u32::from(connection.mss))
    }

    /// Everything that the phase is about is acknowledged; the window is ssthresh.
    fn leave(&mut self, connection: &mut Connection) {
        if self.phase == Phase::Recovery {
            connection.reordering.note_recovery();
        }
        self.phase = Phase::Disorder;
        self.dup_acks = 0;
        if let Some(undo) = &mut self.undo {
            undo.note_end(connection.snd_max);
        }
    }
}
