//! What was taken for a loss and was none: the response to it is taken back (RFC 4015).
//!
//! Three signs tell: an acknowledgment of the first octets that were sent again, which echoes a timestamp from before that (Eifel, RFC
//! 3522), duplicates reported for everything that was sent again (RFC 3708), and, after a timeout, the arrival of what was not sent again
//! (F-RTO with SACK, RFC 5682 section 3).
//!
//! On a path that loses a lot, one recovery begins while retransmissions of the one before are still on the way. Those are answered too, with
//! older timestamps, and say nothing of this one: whatever lies before its first retransmission does not count.

use super::delivered::Delivered;
use crate::transport::tcp::congestion::Congestion;
use crate::transport::tcp::options::SackBlock;
use crate::transport::tcp::seq::SeqNumber;

/// What there was before the response to a loss.
#[derive(Debug)]
pub(super) struct Undo {
    congestion: Congestion,
    /// Octets that were sent again and not reported as duplicates.
    resent: u32,
    /// Where the first retransmission began; `None` before it.
    first: Option<SeqNumber>,
    /// TSval of the first retransmission, a tail loss probe before it included; `None` before it, or without timestamps.
    first_tsval: Option<u32>,
    /// Whether what was not sent again may show that the timeout was spurious: nothing was being repaired before it.
    heeds_originals: bool,
    /// Where the answers to what was sent during the recovery end; `None` while it runs.
    until: Option<SeqNumber>,
}

impl Undo {
    pub(super) fn new(congestion: Congestion) -> Self {
        Self {
            congestion,
            resent: 0,
            first: None,
            first_tsval: None,
            heeds_originals: false,
            until: None,
        }
    }

    /// The same for a timeout. One in the middle of a repair is no matter of F-RTO (RFC 5682 section 2.1 step 1): what arrives then may be
    /// what was sent again before. The answer to a `probe`, which was sent again under this timestamp, is none to an original either.
    pub(super) fn of_timeout(congestion: Congestion, was_repairing: bool, probe: Option<u32>) -> Self {
        Self {
            heeds_originals: !was_repairing,
            first_tsval: probe,
            ..Self::new(congestion)
        }
    }

    /// The octets `start..end` are sent again under this timestamp.
    pub(super) fn note_resent(&mut self, start: SeqNumber, end: SeqNumber, tsval: Option<u32>) {
        self.resent = self.resent.saturating_add(end - start);
        if self.first.is_none() {
            self.first = Some(start);
            self.first_tsval = self.first_tsval.or(tsval);
        }
    }

    /// The recovery is over; late duplicates are heard of until `snd_max` is acknowledged.
    pub(super) fn note_end(&mut self, snd_max: SeqNumber) {
        self.until = Some(snd_max);
    }

    pub(super) fn is_stale(&self, snd_una: SeqNumber) -> bool {
        self.resent == 0 || self.until.is_some_and(|until| snd_una.ge(until))
    }

    /// Octets came twice. Tells whether all that was sent again did.
    pub(super) fn on_duplicate(&mut self, duplicate: &SackBlock) -> bool {
        let before = self.resent;
        if self.first.is_some_and(|first| duplicate.left.ge(first)) {
            self.resent = before.saturating_sub(duplicate.right - duplicate.left);
        }
        before > 0 && self.resent == 0
    }

    /// Whether an acknowledgment that moved SND.UNA from `from` to `to` and echoes `tsecr` was caused by something older than the first
    /// retransmission, and is of that.
    pub(super) fn is_answered_by_original(&self, from: SeqNumber, to: SeqNumber, tsecr: Option<u32>) -> bool {
        let is_of_first = self.first.is_some_and(|first| from.le(first) && first.lt(to));
        self.until.is_none()
            && is_of_first
            && matches!((self.first_tsval, tsecr), (Some(first), Some(echoed)) if is_before(echoed, first))
    }

    /// F-RTO: whether something has arrived that was not sent again after a timeout that has everything marked lost, and more is outstanding.
    pub(super) fn shows_spurious_timeout(
        &self,
        delivered: &Delivered,
        snd_una: SeqNumber,
        recover: SeqNumber,
    ) -> bool {
        self.heeds_originals && delivered.lost > 0 && delivered.acknowledged > 0 && snd_una.lt(recover)
    }

    /// The congestion control as it was, which has lost nothing by now.
    pub(super) fn restore(&self) -> Congestion {
        self.congestion
    }
}

fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

#[cfg(test)]
mod tests {
    use super::Undo;
    use crate::transport::tcp::congestion::{Algorithm, Congestion};
    use crate::transport::tcp::options::SackBlock;
    use crate::transport::tcp::seq::SeqNumber;

    fn undo() -> Undo {
        Undo::new(Congestion::new(Algorithm::Cubic, 1_000))
    }

    const fn seq(number: u32) -> SeqNumber {
        SeqNumber(number)
    }

    /// RFC 3522: only an echo from before the retransmission tells.
    #[test]
    fn an_older_echo_tells() {
        let mut undo = undo();
        let is_original = |undo: &Undo, echo| undo.is_answered_by_original(seq(0), seq(1_000), echo);
        assert!(!is_original(&undo, Some(1)));
        undo.note_resent(seq(0), seq(1_000), Some(u32::MAX));
        undo.note_resent(seq(1_000), seq(2_000), Some(5));
        assert!(is_original(&undo, Some(u32::MAX - 1)));
        for echo in [Some(u32::MAX), Some(0), Some(5), None] {
            assert!(!is_original(&undo, echo), "{echo:?}");
        }
    }

    /// What an earlier recovery sent again is answered with an older timestamp, and no original.
    #[test]
    fn an_older_echo_tells_of_the_first_retransmission_only() {
        let mut undo = undo();
        undo.note_resent(seq(3_000), seq(4_000), Some(10));
        let is_original = |from, to| undo.is_answered_by_original(seq(from), seq(to), Some(9));
        assert!(!is_original(1_000, 3_000));
        assert!(is_original(1_000, 3_001));
        assert!(is_original(3_000, 9_000));
        assert!(!is_original(3_001, 9_000));
    }

    #[test]
    fn all_that_was_sent_again_must_have_come_twice() {
        let mut undo = undo();
        let twice = |undo: &mut Undo, left| {
            undo.on_duplicate(&SackBlock {
                left: seq(left),
                right: seq(left + 1_000),
            })
        };
        assert!(!twice(&mut undo, 5_000));
        undo.note_resent(seq(5_000), seq(7_000), None);
        assert!(!twice(&mut undo, 3_000), "sent again for another reason");
        assert!(!twice(&mut undo, 5_000));
        assert!(twice(&mut undo, 6_000));
        assert!(!twice(&mut undo, 6_000));
    }

    #[test]
    fn it_is_stale_when_all_answers_have_come() {
        let mut undo = undo();
        undo.note_resent(seq(0), seq(1_000), None);
        assert!(!undo.is_stale(seq(0)));
        undo.note_end(seq(10));
        assert!(!undo.is_stale(seq(9)));
        assert!(undo.is_stale(seq(10)));
    }
}
