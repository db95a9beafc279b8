//! What was taken for a loss and was none: the response to it is taken back (RFC 4015).
//!
//! Three signs tell: an acknowledgment that echoes a timestamp from before the first retransmission (Eifel, RFC 3522), duplicates reported
//! for everything that was sent again (RFC 3708), and, after a timeout, the arrival of what was not sent again (F-RTO with SACK, RFC 5682
//! section 3).

use super::delivered::Delivered;
use crate::transport::tcp::congestion::Congestion;
use crate::transport::tcp::seq::SeqNumber;

/// What there was before the response to a loss.
#[derive(Debug)]
pub(super) struct Undo {
    congestion: Congestion,
    /// Octets that were sent again and not reported as duplicates.
    resent: u32,
    /// TSval of the first retransmission; `None` before it, or without timestamps.
    first_tsval: Option<u32>,
    /// Where the answers to what was sent during the recovery end; `None` while it runs.
    until: Option<SeqNumber>,
}

impl Undo {
    pub(super) fn new(congestion: Congestion) -> Self {
        Self {
            congestion,
            resent: 0,
            first_tsval: None,
            until: None,
        }
    }

    /// Octets are sent again under this timestamp.
    pub(super) fn note_resent(&mut self, octets: u32, tsval: Option<u32>) {
        self.resent = self.resent.saturating_add(octets);
        self.first_tsval = self.first_tsval.or(tsval);
    }

    /// The recovery is over; late duplicates are heard of until `snd_max` is acknowledged.
    pub(super) fn note_end(&mut self, snd_max: SeqNumber) {
        self.until = Some(snd_max);
    }

    pub(super) fn is_stale(&self, snd_una: SeqNumber) -> bool {
        self.resent == 0 || self.until.is_some_and(|until| snd_una.ge(until))
    }

    /// Octets came twice. Tells whether all that was sent again did.
    pub(super) fn on_duplicate(&mut self, octets: u32) -> bool {
        let before = self.resent;
        self.resent = before.saturating_sub(octets);
        before > 0 && self.resent == 0
    }

    /// Whether an acknowledgment of new data that echoes `tsecr` was caused by something older than the first retransmission.
    pub(super) fn is_answered_by_original(&self, tsecr: Option<u32>) -> bool {
        self.until.is_none()
            && matches!((self.first_tsval, tsecr), (Some(first), Some(echoed)) if is_before(echoed, first))
    }

    /// The congestion control as it was, which has lost nothing by now.
    pub(super) fn restore(&self) -> Congestion {
        self.congestion
    }
}

/// F-RTO: after a timeout that has everything marked lost, something arrived that was not sent again, and more is outstanding.
pub(super) fn shows_spurious_timeout(delivered: &Delivered, snd_una: SeqNumber, recover: SeqNumber) -> bool {
    delivered.lost > 0 && delivered.acknowledged > 0 && snd_una.lt(recover)
}

fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

#[cfg(test)]
mod tests {
    use super::Undo;
    use crate::transport::tcp::congestion::{Algorithm, Congestion};
    use crate::transport::tcp::seq::SeqNumber;

    fn undo() -> Undo {
        Undo::new(Congestion::new(Algorithm::Cubic, 1_000))
    }

    /// RFC 3522: only an echo from before the retransmission tells.
    #[test]
    fn an_older_echo_tells() {
        let mut undo = undo();
        assert!(!undo.is_answered_by_original(Some(1)));
        undo.note_resent(1_000, Some(u32::MAX));
        undo.note_resent(1_000, Some(5));
        assert!(undo.is_answered_by_original(Some(u32::MAX - 1)));
        for echo in [Some(u32::MAX), Some(0), Some(5), None] {
            assert!(!undo.is_answered_by_original(echo), "{echo:?}");
        }
    }

    #[test]
    fn all_that_was_sent_again_must_have_come_twice() {
        let mut undo = undo();
        assert!(!undo.on_duplicate(1_000));
        undo.note_resent(2_000, None);
        assert!(!undo.on_duplicate(1_000));
        assert!(undo.on_duplicate(1_000));
        assert!(!undo.on_duplicate(1_000));
    }

    #[test]
    fn it_is_stale_when_all_answers_have_come() {
        let mut undo = undo();
        undo.note_resent(1_000, None);
        assert!(!undo.is_stale(SeqNumber(0)));
        undo.note_end(SeqNumber(10));
        assert!(!undo.is_stale(SeqNumber(9)));
        assert!(undo.is_stale(SeqNumber(10)));
    }
}
