//! Proportional rate reduction: how the flight comes down to ssthresh during a recovery (RFC 9937).

/// The state of one recovery. All amounts are octets.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Prr {
    /// What has arrived since the recovery began.
    prr_delivered: u32,
    /// What was sent since then.
    prr_out: u32,
    /// RecoverFS: the flight that the recovery began with, without what had arrived before.
    recover_fs: u32,
    ssthresh: u32,
}

impl Prr {
    pub(super) fn new(recover_fs: u32, ssthresh: u32) -> Self {
        Self {
            prr_delivered: 0,
            prr_out: 0,
            recover_fs: recover_fs.max(1),
            ssthresh,
        }
    }

    /// Octets were sent, for the first time or again.
    pub(super) fn note_sent(&mut self, octets: u32) {
        self.prr_out = self.prr_out.saturating_add(octets);
    }

    /// The window after an acknowledgment by which `delivered` octets have arrived and `pipe` are on the way. `is_safe` is SafeACK: it
    /// moved SND.UNA and told of no further loss; then the sender may do as in slow start, else it sends what has left (PRR-SSRB and
    /// PRR-CRB).
    pub(super) fn on_ack(&mut self, delivered: u32, pipe: u32, is_safe: bool, smss: u32) -> u32 {
        self.prr_delivered = self.prr_delivered.saturating_add(delivered);
        let sndcnt = if pipe > self.ssthresh {
            let proportion = u64::from(self.prr_delivered) * u64::from(self.ssthresh);
            let due = proportion.div_ceil(u64::from(self.recover_fs));
            (due as u32).saturating_sub(self.prr_out)
        } else {
            let bound = self.prr_delivered.saturating_sub(self.prr_out).max(delivered);
            let growth = if is_safe { smss } else { 0 };
            (bound + growth).min(self.ssthresh - pipe)
        };
        // The first retransmission never waits, nor does one that nothing on the way would let go.
        let first = if self.prr_out == 0 || pipe == 0 { smss } else { 0 };
        pipe.saturating_add(sndcnt.max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::Prr;

    const SMSS: u32 = 1_000;

    /// RFC 9937 section 6: with one loss of 20 segments, seven acknowledgments of ten send a segment, and the flight is ssthresh in the end.
    #[test]
    fn the_flight_shrinks_in_proportion() {
        let mut prr = Prr::new(20 * SMSS, 14 * SMSS);
        let mut pipe = 19 * SMSS;
        let mut sent = 0;
        for acknowledgments in 1..20 {
            pipe -= SMSS;
            let window = prr.on_ack(SMSS, pipe, false, SMSS);
            while window >= pipe + SMSS {
                pipe += SMSS;
                sent += 1;
                prr.note_sent(SMSS);
            }
            assert!(acknowledgments != 10 || sent == 7, "{sent} by ten");
        }
        assert_eq!((pipe, sent), (14 * SMSS, 14));
    }

    /// Section 5: after a burst of losses the flight grows back to ssthresh, by what arrived or, on safe acknowledgments, a segment more.
    #[test]
    fn a_flight_below_ssthresh_grows_only_when_that_is_safe() {
        for (is_safe, window) in [(false, 3 * SMSS), (true, 4 * SMSS)] {
            let mut prr = Prr::new(20 * SMSS, 10 * SMSS);
            assert_eq!(prr.on_ack(SMSS, 2 * SMSS, is_safe, SMSS), window);
        }
        let mut prr = Prr::new(20 * SMSS, 10 * SMSS);
        assert_eq!(prr.on_ack(20 * SMSS, 2 * SMSS, true, SMSS), 10 * SMSS);
    }

    /// Section 6: a flight of ssthresh is no more reduced, and does not grow either.
    #[test]
    fn a_flight_of_ssthresh_stays() {
        let mut prr = Prr::new(20 * SMSS, 10 * SMSS);
        prr.note_sent(SMSS);
        assert_eq!(prr.on_ack(10 * SMSS, 10 * SMSS, true, SMSS), 10 * SMSS);
    }

    #[test]
    fn the_first_retransmission_never_waits() {
        let mut prr = Prr::new(20 * SMSS, 10 * SMSS);
        assert_eq!(prr.on_ack(0, 19 * SMSS, false, SMSS), 20 * SMSS);
        prr.note_sent(SMSS);
        assert_eq!(prr.on_ack(0, 19 * SMSS, false, SMSS), 19 * SMSS);
    }
}
