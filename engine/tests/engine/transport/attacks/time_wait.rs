//! TIME_WAIT: ended early (RFC 1337), or begun anew by a SYN (RFC 6191).

use handfast::time::Duration;

use super::established::{IRS, open, syn};
use super::victim::scene;
use crate::support::Family;
use crate::support::peer::{ACK, FIN, PSH, RST, SYN, Script, Segment, say};

/// A connection that the engine closed first, in TIME_WAIT. Returns the number behind its FIN.
fn waiting(script: &mut Script, tsval: Option<u32>) -> u32 {
    let stamp = |segment: Segment| Segment {
        timestamps: tsval.map(|tsval| (tsval, 0)),
        ..segment
    };
    let (connection, snd_nxt) = open(script, &stamp(syn()));
    script.engine.tcp_close(connection);
    assert_eq!(script.hear()[0].flags, FIN | ACK);
    script.tell(&stamp(say(FIN | ACK, IRS + 1, snd_nxt + 1)));
    assert_eq!(script.engine.time_wait().len, 1);
    snd_nxt + 1
}

/// Class 16: no reset, old text or old acknowledgment ends TIME_WAIT or prolongs it, and each is answered once at most.
#[test]
fn nothing_old_moves_the_end_of_time_wait() {
    for family in Family::BOTH {
        let (mut script, mut victim) = scene(family, |_| {});
        let snd_nxt = waiting(&mut script, None);
        script.pass(Duration::from_secs(30));
        for offset in [0, 1, 1_000, 65_534] {
            assert_eq!(script.tell(&say(RST, IRS + 2 + offset, 0)), []);
            assert_eq!(script.tell(&say(RST | ACK, IRS + 2 + offset, snd_nxt)), []);
        }
        let old = [
            say(ACK | PSH, IRS - 500, snd_nxt).text(b"old"),
            say(ACK, IRS - 500, snd_nxt - 1),
            say(ACK | PSH, IRS + 2, snd_nxt).text(b"beyond the FIN"),
        ];
        for segment in &old {
            let heard = script.tell(segment);
            assert_eq!(heard.len(), 1);
            assert_eq!(
                (heard[0].flags, heard[0].seq, heard[0].ack),
                (ACK, snd_nxt, IRS + 2)
            );
        }
        script.pass(Duration::from_millis(29_900));
        assert_eq!(script.engine.time_wait().len, 1);
        script.pass(Duration::from_millis(200));
        assert_eq!(script.engine.time_wait().len, 0, "after 60 s, as without them");
        assert_eq!(script.engine.time_wait().violations, 0);
        victim.assert_unharmed(&mut script);
    }
}

/// Class 17: the cases of RFC 6191 section 2. What may not begin anew is acknowledged, and TIME_WAIT stays.
#[test]
fn a_syn_begins_anew_only_when_it_cannot_be_old() {
    const LAST: u32 = IRS + 1;
    let cases = [
        (Some(100), LAST - 1_000, Some(101), true, "a newer timestamp"),
        (
            Some(100),
            LAST + 1_000,
            Some(100),
            true,
            "the same, a higher number",
        ),
        (
            Some(100),
            LAST + 1_000,
            None,
            true,
            "none any more, a higher number",
        ),
        (Some(100), LAST + 1_000, Some(99), false, "an older timestamp"),
        (
            Some(100),
            LAST - 1_000,
            Some(100),
            false,
            "the same, a lower number",
        ),
        (
            Some(100),
            LAST - 1_000,
            None,
            false,
            "none any more, a lower number",
        ),
        (None, LAST - 1_000, Some(1), true, "a timestamp now"),
        (None, LAST + 1_000, None, true, "never one, a higher number"),
        (None, LAST - 1_000, None, false, "never one, a lower number"),
    ];
    for family in Family::BOTH {
        for (old, seq, new, begins, case) in cases {
            let (mut script, mut victim) = scene(family, |_| {});
            let snd_nxt = waiting(&mut script, old);
            let at = script.local();
            script.engine.tcp_listen(at, 8).unwrap();
            let mut again = say(SYN, seq, 0);
            again.timestamps = new.map(|tsval| (tsval, 0));
            let heard = script.tell(&again);
            assert_eq!(heard.len(), 1, "{case}");
            if begins {
                assert_eq!((heard[0].flags, heard[0].ack), (SYN | ACK, seq + 1), "{case}");
                assert!(
                    heard[0].seq.wrapping_sub(snd_nxt) < 1 << 31,
                    "our numbers go on too: {case}"
                );
            } else {
                assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 2), "{case}");
            }
            assert_eq!(script.engine.time_wait().len, u64::from(!begins), "{case}");
            victim.assert_unharmed(&mut script);
        }
    }
}

/// The place that a reused entry leaves in the queue goes when its turn comes, though nobody is in TIME_WAIT any more. An engine that still had it
/// due would never sleep again.
#[test]
fn nothing_is_due_for_ever_after_the_last_entry_was_reused() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        waiting(&mut script, Some(100));
        let at = script.local();
        let listener = script.engine.tcp_listen(at, 8).unwrap();
        let mut again = say(SYN, IRS + 1_000, 0);
        again.timestamps = Some((101, 0));
        assert_eq!(script.tell(&again).len(), 1);
        script.tell(&say(RST, IRS + 1_001, 0));
        script.engine.tcp_close_listener(listener);
        script.pass(Duration::from_secs(120));
        assert_eq!(script.engine.time_wait().len, 0);
        assert_eq!(script.engine.next_deadline(), None, "{family:?}");
    }
}
