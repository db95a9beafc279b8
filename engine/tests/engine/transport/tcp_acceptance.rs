//! Which segments count, and how much of them: acknowledgments out of range, straddled windows, windows that shrink, old timestamps.

use crate::support::peer::{ACK, FIN, OUR_PORT, PSH, RST, SYN, Script, THEIR_PORT, say};
use crate::support::{Family, read_all};
use handfast::application::{ConnectionError, TcpHandle};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

const IRS: u32 = 5000;
/// The window that the peer offers unless it says otherwise.
const THEIR_WINDOW: u32 = 60_000;
const MSS: usize = 536;

/// An established connection over each family, and the engine's next sequence number.
fn both(test: impl Fn(Script, TcpHandle, u32)) {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let (connection, snd_nxt) = open(&mut script, None);
        test(script, connection, snd_nxt);
    }
}

fn open(script: &mut Script, tsval: Option<u32>) -> (TcpHandle, u32) {
    let at = script.local();
    let listener = script.engine.tcp_listen(at, 8).unwrap();
    let stamp = |mut segment: crate::support::peer::Segment| {
        segment.timestamps = tsval.map(|tsval| (tsval, 0));
        segment
    };
    let snd_nxt = script.tell(&stamp(say(SYN, IRS, 0)))[0].seq.wrapping_add(1);
    assert_eq!(script.tell(&stamp(say(ACK, IRS + 1, snd_nxt))), []);
    (script.engine.tcp_accept(listener).expect("established"), snd_nxt)
}

/// EV-ACK-2, MAY-12, RFC 5961 section 5: an acknowledgment of what was never sent, or from long before, is answered, and its text is not taken.
#[test]
fn an_acknowledgment_out_of_range_takes_its_text_along() {
    both(|mut script, connection, snd_nxt| {
        for ack in [snd_nxt.wrapping_add(1), snd_nxt.wrapping_sub(THEIR_WINDOW + 1)] {
            let heard = script.tell(&say(ACK | PSH, IRS + 1, ack).text(b"forged"));
            assert_eq!(heard.len(), 1);
            assert_eq!(
                (heard[0].flags, heard[0].seq, heard[0].ack),
                (ACK, snd_nxt, IRS + 1)
            );
        }
        let oldest = snd_nxt.wrapping_sub(THEIR_WINDOW);
        script.tell(&say(ACK | PSH, IRS + 1, oldest).text(b"real"));
        assert_eq!(read_all(&mut script.engine, connection).0, b"real");
    });
}

/// EV-ACK-1: in SYN-RECEIVED an acknowledgment of something else is reset, and the attempt goes on.
#[test]
fn a_wrong_last_acknowledgment_is_reset() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let at = script.local();
        let listener = script.engine.tcp_listen(at, 8).unwrap();
        let snd_nxt = script.tell(&say(SYN, IRS, 0))[0].seq.wrapping_add(1);
        for wrong in [snd_nxt.wrapping_sub(1), snd_nxt.wrapping_add(1)] {
            let heard = script.tell(&say(ACK, IRS + 1, wrong));
            assert_eq!((heard.len(), heard[0].flags, heard[0].seq), (1, RST, wrong));
            assert_eq!(script.engine.tcp_accept(listener), None);
        }
        script.tell(&say(ACK, IRS + 1, snd_nxt));
        assert!(script.engine.tcp_accept(listener).is_some());
    }
}

/// EV-SYNSENT-1, EV-SYNSENT-2, RFC 5961 section 3.2: in SYN-SENT whoever acknowledges anything but the SYN is reset, and a reset counts only
/// with the right acknowledgment.
#[test]
fn only_the_right_answer_ends_syn_sent() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let to = script.remote();
        let connection = script.engine.tcp_connect(None, to).unwrap();
        let syn = script.hear().remove(0);
        for wrong in [syn.seq, syn.seq.wrapping_add(2)] {
            for flags in [ACK, SYN | ACK] {
                let heard = script.tell(&say(flags, IRS, wrong).ports(THEIR_PORT, syn.from));
                assert_eq!((heard.len(), heard[0].flags, heard[0].seq), (1, RST, wrong));
            }
            let reset = say(RST | ACK, IRS, wrong).ports(THEIR_PORT, syn.from);
            assert_eq!(script.tell(&reset), []);
        }
        assert_eq!(script.engine.tcp_state(connection), Some(State::SynSent));
        let refusal = say(RST | ACK, 0, syn.seq.wrapping_add(1)).ports(THEIR_PORT, syn.from);
        assert_eq!(script.tell(&refusal), []);
        assert_eq!(
            script.engine.tcp_error(connection),
            Some(ConnectionError::Refused)
        );
    }
}

/// EV-ACK-3: a segment that is older than the one which set the window does not set it.
#[test]
fn an_old_segment_does_not_open_the_window() {
    both(|mut script, connection, snd_nxt| {
        let newer = say(ACK | PSH, IRS + 1, snd_nxt).text(b"new").window(100);
        script.tell(&newer);
        script.tell(&say(ACK, IRS, snd_nxt).window(9000));
        script.engine.tcp_set_no_delay(connection, true).unwrap();
        script.engine.tcp_send(connection, &[1; 2000]).unwrap();
        let sent: usize = script.hear().iter().map(|heard| heard.text.len()).sum();
        assert!(sent <= 100, "{sent} bytes in a window of 100");
        let update = script.tell(&say(ACK, IRS + 4, snd_nxt).window(9000));
        assert!(!update.is_empty(), "the window is open");
    });
}

/// EV-SEQ-2, EV-TEXT-1: of text that reaches out of the window on either side, what is inside is taken.
#[test]
fn text_is_trimmed_to_the_window() {
    let mut script = Script::new(|config| config.tcp.receive_buffer = 1000);
    let (connection, snd_nxt) = open(&mut script, None);
    script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).text(b"abc"));
    script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).text(b"abcdef"));
    let heard = script.tell(&say(ACK | PSH, IRS + 7, snd_nxt).text(&[b'x'; 1200]));
    assert_eq!((heard[0].ack, heard[0].window), (IRS + 1001, 0));
    let (text, _) = read_all(&mut script.engine, connection);
    assert_eq!((text.len(), &text[..7]), (1000, &b"abcdefx"[..]));
}

/// EV-TEXT-1: nothing follows a FIN.
#[test]
fn text_behind_a_fin_is_not_taken() {
    both(|mut script, connection, snd_nxt| {
        script.tell(&say(FIN | ACK, IRS + 1, snd_nxt).text(b"end"));
        script.tell(&say(ACK | PSH, IRS + 5, snd_nxt).text(b"more"));
        assert_eq!(read_all(&mut script.engine, connection), (b"end".to_vec(), true));
        assert_eq!(script.engine.tcp_state(connection), Some(State::CloseWait));
    });
}

/// SHLD-2: a reset may carry an explanation.
#[test]
fn a_reset_may_carry_text() {
    both(|mut script, connection, _| {
        assert_eq!(script.tell(&say(RST, IRS + 1, 0).text(b"go away")), []);
        assert_eq!(script.engine.tcp_error(connection), Some(ConnectionError::Reset));
    });
}

/// SHLD-28: what there is to send goes out in full segments.
#[test]
fn segments_are_full() {
    both(|mut script, connection, _| {
        script.engine.tcp_send(connection, &[1; 3000]).unwrap();
        let heard = script.hear();
        let full = if script.family == Family::V4 { MSS } else { 1220 };
        let (last, before) = heard.split_last().unwrap();
        assert!(before.iter().all(|segment| segment.text.len() == full));
        assert!(last.text.len() <= full);
    });
}

/// MUST-34, SHLD-15, SHLD-16: a peer that takes window back gets nothing new, and what it has room for again.
#[test]
fn a_window_may_shrink() {
    let mut script = Script::new(|_| {});
    let (connection, snd_nxt) = open(&mut script, None);
    script.engine.tcp_send(connection, &[1; 4 * MSS]).unwrap();
    assert_eq!(script.hear().len(), 4);
    assert_eq!(script.tell(&say(ACK, IRS + 1, snd_nxt).window(MSS as u16)), []);
    script.engine.tcp_send(connection, &[2; MSS]).unwrap();
    assert_eq!(script.hear(), [], "beyond the edge");
    let again = script.pass(Duration::from_millis(1500));
    assert!(!again.is_empty());
    let edge = snd_nxt.wrapping_add(MSS as u32);
    for segment in again {
        let end = segment.seq.wrapping_add(segment.text.len() as u32);
        assert!(segment.seq == snd_nxt && end == edge, "{segment:?}");
    }
    assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
}

/// SHLD-11: silence is borne for 100 s at least, and not for ever.
#[test]
fn a_silent_peer_is_given_up_late() {
    both(|mut script, connection, _| {
        script.engine.tcp_send(connection, b"anybody?").unwrap();
        script.pass(Duration::from_secs(100));
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
        script.pass(Duration::from_secs(3600));
        assert_eq!(
            script.engine.tcp_error(connection),
            Some(ConnectionError::TimedOut)
        );
    });
}

/// RFC 7323 section 5.5: after 24 days of silence, an older timestamp is no sign of an old segment.
#[test]
fn a_timestamp_grows_old() {
    for (days, is_taken) in [(20, false), (25, true)] {
        let mut script = Script::new(|_| {});
        let (connection, snd_nxt) = open(&mut script, Some(1000));
        script.pass(Duration::from_secs(days * 24 * 3600));
        script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).at(999).text(b"hello"));
        assert_eq!(
            !read_all(&mut script.engine, connection).0.is_empty(),
            is_taken,
            "{days} days"
        );
    }
}

/// RFC 7323 section 5.5: the same of the timestamp of a SYN, when the clock jumps before its handshake is complete.
#[test]
fn a_timestamp_grows_old_in_a_handshake() {
    for (family, days, is_taken) in [
        (Family::V4, 20, false),
        (Family::V4, 25, true),
        (Family::V6, 346, true),
    ] {
        let mut script = Script::over(family, |_| {});
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let syn_ack = script.tell(&say(SYN, IRS, 0).at(1000)).remove(0);
        script.now += Duration::from_secs(days * 24 * 3600);
        let first = say(ACK | PSH, IRS + 1, syn_ack.seq + 1);
        script.tell(&first.at(999).text(b"hello"));
        let connection = script.engine.tcp_accept(listener).expect("established");
        let (text, _) = read_all(&mut script.engine, connection);
        assert_eq!(!text.is_empty(), is_taken, "{days} days");
    }
}

/// RFC 7323 section 3.2: a segment that lacks the timestamp agreed on is dropped, and the connection lives.
#[test]
fn a_missing_timestamp_does_no_harm() {
    let mut script = Script::new(|_| {});
    let (connection, snd_nxt) = open(&mut script, Some(1000));
    assert_eq!(script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).text(b"bare")), []);
    script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).at(1000).text(b"stamped"));
    assert_eq!(read_all(&mut script.engine, connection).0, b"stamped");
}

/// RFC 7323 section 7.1: timestamps of different tuples tell nothing of each other; those of one tuple go on where they were.
#[test]
fn timestamps_have_an_offset_for_each_tuple() {
    let mut script = Script::new(|_| {});
    let at = script.local();
    script.engine.tcp_listen(at, 8).unwrap();
    let knock = |script: &mut Script, port| {
        let heard = script.tell(&say(SYN, IRS, 0).at(7).ports(port, OUR_PORT));
        script.tell(&say(RST, IRS + 1, 0).ports(port, OUR_PORT));
        heard[0].timestamps.expect("both ends use timestamps").0
    };
    let [first, second] = [1, 2].map(|port| knock(&mut script, port));
    assert_ne!(first, second);
    script.pass(Duration::from_millis(250));
    assert_eq!(knock(&mut script, 1).wrapping_sub(first), 250);
}
