//! Segments from the past of a connection, and forged timestamps (RFC 7323 section 5).

use handfast::application::ConnectionError;
use handfast::time::Duration;

use super::established::{IRS, open, syn};
use super::victim::{Victim, scene};
use crate::support::peer::{ACK, PSH, RST, Script, Segment, say};
use crate::support::{Family, read_all};

fn both(test: impl Fn(&mut Script, &mut Victim)) {
    for family in Family::BOTH {
        let (mut script, mut victim) = scene(family, |_| {});
        test(&mut script, &mut victim);
        victim.assert_unharmed(&mut script);
    }
}

/// Class 18: one tick before the last is old, also where the clock wraps; the segment is acknowledged and dropped. A reset needs no time.
#[test]
fn one_tick_before_the_last_is_old() {
    for last in [1_000, 0, 1 << 31, u32::MAX] {
        both(|script, _| {
            let (connection, snd_nxt) = open(script, &syn().at(last));
            let old = say(ACK | PSH, IRS + 1, snd_nxt)
                .text(b"old")
                .at(last.wrapping_sub(1));
            let heard = script.tell(&old);
            assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 1));
            let far = say(ACK | PSH, IRS + 1, snd_nxt)
                .text(b"far")
                .at(last.wrapping_add(1 << 31));
            script.tell(&far);
            assert_eq!(read_all(&mut script.engine, connection).0, b"");
            assert_eq!(script.engine.counters().tcp.dropped_paws, 2);
            let new = say(ACK | PSH, IRS + 1, snd_nxt)
                .text(b"new")
                .at(last.wrapping_add(1));
            script.tell(&new);
            assert_eq!(read_all(&mut script.engine, connection).0, b"new");
            script.tell(&say(RST, IRS + 4, 0).at(last.wrapping_sub(1)));
            assert_eq!(script.engine.tcp_error(connection), Some(ConnectionError::Reset));
        });
    }
}

/// Section 5.5: after 25 days without a segment the clock may have wrapped, and any timestamp is good.
#[test]
fn after_24_days_no_timestamp_is_old() {
    both(|script, _| {
        let (connection, snd_nxt) = open(script, &syn().at(1_000));
        let old = say(ACK | PSH, IRS + 1, snd_nxt).text(b"late").at(999);
        script.pass(Duration::from_secs(23 * 24 * 3600));
        script.tell(&old);
        assert_eq!(read_all(&mut script.engine, connection).0, b"");
        script.pass(Duration::from_secs(2 * 24 * 3600));
        script.tell(&old);
        assert_eq!(read_all(&mut script.engine, connection).0, b"late");
    });
}

/// Section 4.3: only what is acceptable, and not beyond the last acknowledgment, sets the timestamp that is echoed: a forged one would have
/// every honest segment dropped as old.
#[test]
fn the_timestamp_of_a_bad_segment_is_forgotten() {
    both(|script, _| {
        let (connection, snd_nxt) = open(script, &syn().at(1_000));
        let far = 1_000_000;
        let bad: [Segment; 5] = [
            say(ACK | PSH, IRS + 1 + 100_000, snd_nxt).text(b"beyond"),
            say(ACK | PSH, IRS - 100, snd_nxt).text(b"before"),
            say(ACK | PSH, IRS + 500, snd_nxt).text(b"early"),
            say(0, IRS + 1, 0).text(b"no acknowledgment"),
            say(RST, IRS + 2, 0),
        ];
        for segment in bad {
            script.tell(&segment.at(far));
        }
        let heard = script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).text(b"good").at(1_001));
        assert_eq!(
            heard.last().unwrap().timestamps.map(|(_, tsecr)| tsecr),
            Some(1_001)
        );
        assert_eq!(read_all(&mut script.engine, connection).0, b"good");
    });
}

/// With a delayed acknowledgment the earliest unacknowledged timestamp is echoed, so that the delay counts (section 4.3).
#[test]
fn the_earliest_unacknowledged_timestamp_is_echoed() {
    let (mut script, _) = scene(Family::V4, |config| config.tcp.quick_acks = 0);
    let (_, snd_nxt) = open(&mut script, &syn().at(1_000));
    let text = |at: u32, tsval: u32| say(ACK | PSH, IRS + 1 + at, snd_nxt).text(&[1; 10]).at(tsval);
    assert_eq!(script.tell(&text(0, 1_001)), []);
    assert_eq!(script.tell(&text(10, 1_002)), []);
    let heard = script.pass(Duration::from_millis(50));
    assert_eq!((heard[0].ack, heard[0].timestamps.unwrap().1), (IRS + 21, 1_001));
}
