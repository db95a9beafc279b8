//! Loss: how it is reported, found, repaired and, when it was none, forgiven.
//!
//! `report` is the receiver's part. The sender's begins when something is amiss: a SACK block, a duplicate acknowledgment, a timer. Only
//! then does a connection get a [`Loss`], from a slab, and its flag sends its acknowledgments and its output through this
//! folder; it gives it back when all is well again. `scoreboard` keeps what is known of each octet, `rack` finds what is lost, `prr` says
//! how much may be sent, `undo` finds out that nothing was lost, `probe` asks when nothing is heard of the tail.

mod acknowledged;
mod delivered;
mod probe;
mod prr;
mod rack;
pub(super) mod ranges;
pub(super) mod report;
mod scoreboard;
mod timers;
mod transmit;
mod undo;

pub(super) use self::rack::Reordering;

use self::prr::Prr;
use self::rack::Rack;
use self::scoreboard::Scoreboard;
use self::undo::Undo;
use super::Tcp;
use super::connection::{Connection, Deadline, Flags as Has};
use super::invariants::{Checked, ensure};
use super::seq::SeqNumber;
use crate::time::{Duration, Instant};

/// Duplicate acknowledgments, or segments that arrived later, that mean a loss (RFC 5681 section 3.2).
const DUP_THRESH: u32 = 3;

/// What a connection does about loss (the states of RFC 6582 and RFC 5682).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Phase {
    /// Something has arrived out of order, or may still be heard of; the window is as always.
    #[default]
    Disorder,
    /// Fast recovery until `recover` is acknowledged.
    Recovery,
    /// The retransmission timer ran out; slow start until `recover` is acknowledged.
    Timeout,
}

/// A tail loss probe that is under way (RFC 8985 section 7.3).
#[derive(Clone, Copy, Debug)]
struct Probe {
    /// TLP.end_seq.
    end: SeqNumber,
    /// TLP.is_retrans.
    again: bool,
    /// TSval without its offset, when it was sent.
    tsval: u32,
}

/// What a connection knows of its losses. Exists only while there is something to know.
#[derive(Debug, Default)]
pub(super) struct Loss {
    scoreboard: Scoreboard,
    rack: Rack,
    phase: Phase,
    /// SND.MAX when the phase began: RecoveryPoint.
    recover: SeqNumber,
    prr: Prr,
    /// The window of a fast recovery, in octets.
    window: u32,
    /// The number of the first retransmission whose loss is another sign of congestion (RFC 5681 section 4.3).
    next_sign: u32,
    undo: Option<Undo>,
    probe: Option<Probe>,
    /// Duplicate acknowledgments of a peer without SACK.
    dup_acks: u32,
    /// SND.NXT when a DSACK widened the reordering window; it counts once in a round trip.
    dsack_round: Option<SeqNumber>,
    /// Since when the peer has acknowledged nothing, if a probe has put the retransmission timeout off since.
    silent_since: Option<Instant>,
    rto_at: Option<Instant>,
    reorder_at: Option<Instant>,
    /// When a tail loss probe is due, or later if new data was sent; nothing is known to be missing while it waits.
    probe_at: Option<Instant>,
}

impl Connection {
    /// FlightSize, on which the response to a loss is based (RFC 5681 section 2), with `acknowledged` octets that were part of it a moment ago. No
    /// more counts than the window has let out: what the peer holds beyond a gap is part of the flight, and may come to be more than half of it
    /// when one recovery follows upon another, and what limited transmit has sent must not count.
    pub(super) fn flight_size(&self, acknowledged: u32) -> u32 {
        (self.snd_max - self.snd_una + acknowledged).min(self.congestion.window())
    }
}

impl Loss {
    /// Nothing is known yet.
    fn begin(&mut self, connection: &Connection, now: Instant) {
        let srtt = connection.rtt.srtt().unwrap_or(Duration::ZERO);
        self.scoreboard.clear(connection.snd_una);
        self.rack.reset(connection.snd_una, srtt);
        self.rack
            .note_originals_sent(connection.snd_max, connection.last_sent(now));
        self.phase = Phase::Disorder;
        self.recover = connection.snd_una;
        self.window = 0;
        self.dup_acks = 0;
        (self.undo, self.probe, self.dsack_round) = (None, None, None);
        // The timer may have been set for a probe, which would come earlier.
        let earlier = connection.first_timeout();
        let timer = connection.retransmit_at.instant();
        self.rto_at = timer.map(|timer| timer - earlier + connection.rtt.rto());
        (self.silent_since, self.reorder_at, self.probe_at) = (None, None, None);
    }

    /// Octets that are on the way (RFC 6675 section 4, SetPipe, with RACK's losses). Each duplicate acknowledgment of a peer without
    /// SACK stands for a segment that has left.
    fn pipe(&self, connection: &Connection) -> u32 {
        let departed = self.dup_acks.saturating_mul(u32::from(connection.mss));
        let known = self.scoreboard.sacked() + self.scoreboard.lost();
        (connection.snd_max - connection.snd_una)
            .saturating_sub(known)
            .saturating_sub(departed)
    }

    /// How much may be sent: the window of the phase, less what is on the way.
    fn allowance(&self, connection: &Connection) -> u32 {
        let has_ssthresh = connection.congestion.ssthresh() != u32::MAX;
        let window = if self.phase == Phase::Recovery && has_ssthresh {
            self.window
        } else {
            connection.congestion.window()
        };
        window.saturating_sub(self.pipe(connection))
    }

    /// Whether nothing is known to be missing, and only a probe waits for its time.
    fn only_awaits_probe(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Since when the peer has acknowledged nothing, if a probe has put the retransmission timeout off since.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// The earliest of the timers that loss needs.
    fn first_timer(&self) -> Option<Instant> {
        [self.rto_at, self.reorder_at, self.probe_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether a loss is being repaired without waiting for the timer.
    pub(super) fn is_recovering(&self) -> bool {
        self.phase == Phase::Recovery
    }

    /// Whether a loss is being repaired, by duplicates or after a timeout.
    pub(super) fn is_repairing(&self) -> bool {
        self.phase != Phase::Disorder
    }

    /// Octets that the peer holds beyond `snd_una`; without SACK, a segment for each duplicate acknowledgment.
    pub(super) fn sacked(&self, mss: u32) -> u32 {
        self.scoreboard.sacked() + self.dup_acks.saturating_mul(mss)
    }

    /// Octets that were found lost, those that were sent again since included.
    pub(super) fn lost(&self) -> u32 {
        self.scoreboard.lost() + self.scoreboard.resent()
    }

    /// Octets that were sent again and not heard of since.
    pub(super) fn resent(&self) -> u32 {
        self.scoreboard.resent()
    }

    /// Checks the scoreboard, and that the connection's one timer is the earliest of those that loss needs.
    pub(super) fn check(&self, connection: &Connection) -> Checked {
        self.scoreboard.check(connection.snd_una, connection.snd_max)?;
        let first = self.first_timer();
        ensure!(
            !self.only_awaits_probe() || (self.phase == Phase::Disorder && self.scoreboard.is_empty()),
            "a probe of the tail waits, and something is known to be missing"
        );
        let timer = connection.retransmit_at.instant();
        ensure!(
            timer == first || connection.flags.has(Has::PROBING | Has::DIRTY),
            "the timer is set to {timer:?}, loss needs it at {first:?}"
        );
        Ok(())
    }

    /// Whether there is nothing left to know: the connection is as any other.
    fn is_over(&self, connection: &Connection) -> bool {
        let all_is_told = self.phase == Phase::Disorder
            && self.scoreboard.is_empty()
            && self.probe.is_none()
            && !self.only_awaits_probe()
            && self.dup_acks == 0
            && self
                .undo
                .as_ref()
                .is_none_or(|undo| undo.is_stale(connection.snd_una))
            && (connection.flags.has(Has::SACK) || connection.snd_una.gt(self.recover));
        connection.all_acknowledged() || all_is_told
    }
}

impl Tcp {
    /// The connection's knowledge of loss, new if it has none.
    fn loss_of(&mut self, index: u32, now: Instant) -> (&mut Connection, &mut Loss) {
        let connection = self.connections.get_mut(index);
        let loss = self.queues.loss.attach(&mut connection.loss);
        if !connection.flags.has(Has::LOSS) {
            loss.begin(connection, now);
            connection.flags.set(Has::LOSS);
        }
        (connection, loss)
    }

    /// The congestion control as it was before a loss is of no use any more.
    pub(super) fn forget_undo(&mut self, index: u32) {
        if let Some(loss) = self.queues.loss.get(self.connections.get(index).loss) {
            loss.undo = None;
        }
    }

    /// Gives back what a connection knows of loss.
    pub(super) fn forget_loss(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.flags.clear(Has::LOSS);
        self.queues.loss.detach(&mut connection.loss);
    }

    /// Forgets loss when there is nothing left to know; an unanswered question about the tail becomes a flag.
    fn forget_loss_if_over(&mut self, index: u32) -> bool {
        let connection = self.connections.get_mut(index);
        let loss = self.queues.loss.attach(&mut connection.loss);
        if !loss.is_over(connection) {
            return false;
        }
        // One that was new data, or has more behind it, would be answered by now.
        if loss.probe.is_some() {
            connection.flags.set(Has::TAIL_PROBED);
        }
        let rto_at = loss.rto_at;
        self.forget_loss(index);
        self.resume_tail_timer(index, rto_at);
        true
    }

    /// Without loss the timer is set for a probe of the tail, and the retransmission timeout is counted from there: as it stood with loss, it
    /// would be taken for the probe's, and begin anew with every acknowledgment that tells nothing.
    fn resume_tail_timer(&mut self, index: u32, rto_at: Option<Instant>) {
        let connection = self.connections.get_mut(index);
        if let Some(rto_at) =
            rto_at.filter(|_| !connection.all_acknowledged() && !connection.flags.has(Has::PROBING))
        {
            let deadline = rto_at - connection.rtt.rto() + connection.first_timeout();
            connection.retransmit_at = Deadline::at(deadline);
            self.arm(index, deadline);
        }
    }

    /// Sets the connection's timer to the earliest of those that loss needs.
    fn set_loss_timer(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::PROBING) {
            return;
        }
        let loss = self.queues.loss.attach(&mut connection.loss);
        let first = loss.first_timer();
        connection.retransmit_at = first.map_or(Deadline::NEVER, Deadline::at);
        if let Some(first) = first {
            self.arm(index, first);
        }
    }
}
