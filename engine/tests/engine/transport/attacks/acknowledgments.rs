//! A peer that lies about what it has received, to be sent more, or to have memory held.

use handfast::application::TcpHandle;
use handfast::time::Duration;
use handfast::transport::tcp::TcpInfo;

use super::established::{IRS, MSS, open, syn};
use super::victim::{Victim, scene};
use crate::support::peer::{ACK, Script, Segment, say};
use crate::support::{Family, read_all};

/// A sender with text for 40 segments, of which ten are on the way.
struct Sender {
    script: Script,
    victim: Victim,
    connection: TcpHandle,
    first: u32,
}

impl Sender {
    fn new(family: Family, sack: bool) -> Self {
        let (mut script, victim) = scene(family, |_| {});
        let peer = Segment {
            sack_permitted: sack,
            ..syn()
        };
        let (connection, first) = open(&mut script, &peer);
        let text = vec![7; 40 * MSS as usize];
        script.engine.tcp_send(connection, &text).unwrap();
        assert_eq!(script.hear().len(), 10);
        Self {
            script,
            victim,
            connection,
            first,
        }
    }

    fn over_both(sack: bool, test: impl Fn(&mut Self)) {
        for family in Family::BOTH {
            let mut sender = Self::new(family, sack);
            test(&mut sender);
            sender.victim.assert_unharmed(&mut sender.script);
        }
    }

    /// An acknowledgment of so many octets.
    fn ack(&self, octets: u32) -> Segment {
        say(ACK, IRS + 1, self.first.wrapping_add(octets))
    }

    fn tell(&mut self, segment: &Segment) -> Vec<Segment> {
        let heard = self.script.tell(segment);
        heard.into_iter().filter(|heard| !heard.text.is_empty()).collect()
    }

    fn info(&mut self) -> TcpInfo {
        self.script.engine.tcp_info(self.connection).expect("it is there")
    }

    /// Acknowledges whatever is on the way until all has arrived.
    fn complete(&mut self) {
        for _ in 0..100 {
            let info = self.info();
            if info.send_queued == 0 {
                return;
            }
            let end = 40 * MSS - info.send_queued + info.unacked;
            self.script.tell(&self.ack(end));
            self.script.pass(Duration::from_millis(300));
        }
        panic!("{} octets are left", self.info().send_queued);
    }
}

/// Class 33: what was not sent is not acknowledged, and such a claim opens no window.
#[test]
fn an_optimistic_acknowledgment_gains_nothing() {
    Sender::over_both(true, |sender| {
        let before = sender.info();
        for beyond in (1..2_000).chain([1 << 20, 1 << 30]) {
            assert_eq!(sender.tell(&sender.ack(10 * MSS + beyond)), []);
        }
        let after = sender.info();
        assert_eq!(
            (after.snd_cwnd, after.unacked, after.send_queued),
            (before.snd_cwnd, before.unacked, before.send_queued)
        );
        assert_eq!(
            sender.script.engine.counters().tcp.dropped_bad_acknowledgment,
            2_001
        );
    });
}

/// RFC 5961 sections 5.2 and 7: the text that comes with such a claim is not taken, and is answered as rarely as any challenge.
#[test]
fn text_with_an_optimistic_acknowledgment_is_challenged_within_the_limit() {
    Sender::over_both(true, |sender| {
        let forged = Segment {
            text: vec![9; 10],
            ..sender.ack(10 * MSS + 1)
        };
        let challenges: usize = (0..100).map(|_| sender.script.tell(&forged).len()).sum();
        assert_eq!(challenges, 10);
        let (text, _) = read_all(&mut sender.script.engine, sender.connection);
        assert_eq!(text, []);
    });
}

/// Class 34: a segment that is acknowledged octet by octet is worth a segment.
#[test]
fn divided_acknowledgments_are_worth_one() {
    Sender::over_both(true, |sender| {
        let before = sender.info().snd_cwnd;
        let mut new = 0;
        for octet in 1..=MSS {
            new += sender.tell(&sender.ack(octet)).len();
        }
        assert!(sender.info().snd_cwnd <= before + MSS);
        assert!(new <= 2, "{new} segments for one");
    });
}

/// Class 35: duplicates stand for no more segments than there are; with SACK those that report nothing stand for none.
#[test]
fn ten_thousand_forged_duplicates_gain_nothing() {
    Sender::over_both(false, |sender| {
        let heard: usize = (0..10_000).map(|_| sender.tell(&sender.ack(0)).len()).sum();
        assert!(heard <= 1 + 2 + 10, "{heard} segments for ten");
        let info = sender.info();
        assert!(info.unacked <= 20 * MSS && info.snd_cwnd <= 10 * MSS);
    });
    Sender::over_both(true, |sender| {
        let heard: usize = (0..10_000).map(|_| sender.tell(&sender.ack(0)).len()).sum();
        assert_eq!(heard, 0);
    });
}

/// Class 11: blocks that cannot be true change nothing, and what is reported is not let go before it is acknowledged.
#[test]
fn impossible_blocks_change_nothing() {
    Sender::over_both(true, |sender| {
        let first = sender.first;
        let at = |octets: u32| first.wrapping_add(octets);
        let impossible = [
            (at(2_000), at(2_000)),
            (at(3_000), at(2_000)),
            (at(9_000), at(10_001)),
            (at(20_000), at(30_000)),
            (at(1 << 31), at((1 << 31) + 1_000)),
            (at(5_000), at(4_000_000_000)),
            (at(0).wrapping_sub(100_000), at(0).wrapping_sub(99_000)),
            (at(0).wrapping_sub(100_000), at(5_000)),
        ];
        let before = sender.info();
        for block in impossible {
            assert_eq!(sender.tell(&sender.ack(0).sack(&[block])), [], "{block:?}");
            assert_eq!(sender.tell(&sender.ack(0).sack(&[block; 4])), [], "{block:?}");
        }
        assert_eq!(
            (sender.info().sacked, sender.info().snd_cwnd),
            (0, before.snd_cwnd)
        );
        let overlapping = [
            (at(2_000), at(5_000)),
            (at(3_000), at(6_000)),
            (at(2_000), at(6_000)),
            (at(4_000), at(4_500)),
        ];
        sender.tell(&sender.ack(0).sack(&overlapping));
        let info = sender.info();
        assert_eq!(
            (info.sacked, info.send_queued),
            (4_000, 40 * MSS),
            "held until acknowledged"
        );
        sender.complete();
    });
}

/// RFC 2018 section 3: beside a block is a gap. One that begins at its own acknowledgment, or before, contradicts itself: who said that octet
/// was missing? Believed to be reneging, each would have everything sent again.
#[test]
fn a_block_that_contradicts_its_acknowledgment_changes_nothing() {
    Sender::over_both(true, |sender| {
        let at = |octets: u32| sender.first.wrapping_add(octets);
        let contradictions = [
            (at(0), at(5 * MSS)),
            (at(0).wrapping_sub(1), at(5 * MSS)),
            (at(0), at(1)),
        ];
        for block in contradictions.into_iter().cycle().take(300) {
            assert_eq!(sender.tell(&sender.ack(0).sack(&[block])), [], "{block:?}");
        }
        let info = sender.info();
        assert_eq!((info.sacked, info.lost), (0, 0));
        sender.complete();
    });
}

/// RFC 2018 section 8: a peer may throw away what it has reported; the timer has all of it sent again.
#[test]
fn a_peer_that_takes_its_reports_back_gets_everything() {
    Sender::over_both(true, |sender| {
        let held = (
            sender.first.wrapping_add(MSS),
            sender.first.wrapping_add(10 * MSS),
        );
        sender.tell(&sender.ack(0).sack(&[held]));
        let mut again = Vec::new();
        for _ in 0..40 {
            again.extend(sender.script.pass(Duration::from_secs(1)));
        }
        let first = again.iter().find(|segment| segment.seq == sender.first);
        assert!(first.is_some());
        let second = sender.tell(&sender.ack(MSS));
        assert!(
            second
                .iter()
                .any(|segment| segment.seq == sender.first.wrapping_add(MSS)),
            "what was reported is sent again"
        );
        sender.complete();
    });
}

/// Class 36: a window that shrinks, closes over what is on the way, or comes out of an old segment.
#[test]
fn windows_that_shrink_do_no_harm() {
    Sender::over_both(true, |sender| {
        for window in [5_000, 100, 0, 1, 0] {
            assert_eq!(sender.tell(&sender.ack(0).window(window)), []);
        }
        assert_eq!(sender.info().snd_wnd, 0);
        let mut old = sender.ack(0).window(60_000);
        old.seq -= 1;
        sender.tell(&old);
        assert_eq!(sender.info().snd_wnd, 0, "an older segment");
        let probes = sender.script.pass(Duration::from_secs(30));
        assert!(!probes.is_empty() && probes.len() < 12, "{} probes", probes.len());
        assert_eq!(sender.tell(&sender.ack(10 * MSS).window(1)), []);
        let silly = sender.script.pass(Duration::from_millis(100));
        assert!(silly.iter().all(|segment| segment.text.len() <= 1));
        sender.tell(&sender.ack(10 * MSS).window(60_000));
        sender.complete();
    });
}
