//! What waits to be sent: corks, limits of what waits, and the time after which it goes all the same.

use crate::support::Family;
use crate::support::peer::{ACK, FIN, PSH, RST, SYN, Script, Segment, say};
use handfast::application::{ListenerHandle, TcpHandle};
use handfast::time::Duration;

const IRS: u32 = 5000;
const MSS: u32 = 1000;

/// An established connection whose peer takes segments of 1,000 octets, its listener, and the engine's next sequence number.
fn established(script: &mut Script) -> (TcpHandle, ListenerHandle, u32) {
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0).window(30_000);
    syn.mss = Some(MSS as u16);
    let next = script.tell(&syn)[0].seq + 1;
    script.tell(&say(ACK, IRS + 1, next).window(30_000));
    let connection = script.engine.tcp_accept(listener).expect("established");
    (connection, listener, next)
}

fn lengths(heard: &[Segment]) -> Vec<usize> {
    heard.iter().map(|segment| segment.text.len()).collect()
}

/// What is heard next, within ten seconds.
fn wait(script: &mut Script) -> Vec<Segment> {
    let pauses = (0..100).map(|_| script.pass(Duration::from_millis(100)));
    pauses
        .into_iter()
        .find(|heard| !heard.is_empty())
        .unwrap_or_default()
}

fn acknowledge(script: &mut Script, number: u32) -> Vec<Segment> {
    script.tell(&say(ACK, IRS + 1, number).window(30_000))
}

/// What was held back, and is lost when it goes at last, is sent again: the timer that ran for the cork is one of retransmissions now.
#[test]
fn what_a_cork_held_back_is_sent_again_when_it_is_lost() {
    for release in ["uncorked", "filled", "shut"] {
        let mut script = Script::new(|_| {});
        let (connection, _, next) = established(&mut script);
        script.engine.tcp_set_cork(connection, true).unwrap();
        script.engine.tcp_send(connection, &[7; 100]).unwrap();
        assert_eq!(
            script.pass(Duration::from_millis(150)),
            [],
            "{release}: it is corked"
        );
        match release {
            "uncorked" => script.engine.tcp_set_cork(connection, false).unwrap(),
            "filled" => assert_eq!(script.engine.tcp_send(connection, &[7; 900]), Ok(900)),
            _ => script.engine.tcp_shutdown(connection).unwrap(),
        }
        let sent = script.hear();
        assert_eq!((sent.len(), sent[0].seq), (1, next), "{release}");
        let again = script.pass(Duration::from_secs(4));
        let repeated = |segment: &&Segment| segment.seq == next && segment.text == sent[0].text;
        assert!(again.iter().filter(repeated).count() >= 2, "{release}: {again:?}");
        assert_eq!(script.engine.counters().tcp.window_probes, 0, "{release}");
    }
}

/// A cork that is forgotten delays each small write by a timeout, and loses nothing.
#[test]
fn a_forgotten_cork_delays_and_does_not_stop() {
    let mut script = Script::new(|_| {});
    let (connection, _, mut next) = established(&mut script);
    script.engine.tcp_set_cork(connection, true).unwrap();
    for _ in 0..5 {
        script.engine.tcp_send(connection, &[7; 100]).unwrap();
        let heard = wait(&mut script);
        assert_eq!(heard.len(), 1);
        assert_eq!(
            (heard[0].flags, heard[0].seq, heard[0].text.len()),
            (ACK | PSH, next, 100)
        );
        next += 100;
        acknowledge(&mut script, next);
    }
}

/// A tail behind full segments waits too, also when it is half of what the peer ever offered.
#[test]
fn a_cork_holds_a_tail_that_is_large_for_the_peer() {
    let mut script = Script::new(|_| {});
    let (connection, _, next) = established(&mut script);
    // The peer's window has never been larger than two segments.
    let mut small = Script::new(|_| {});
    let listener = small.engine.tcp_listen(small.local(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0).window(1500);
    syn.mss = Some(MSS as u16);
    let first = small.tell(&syn)[0].seq + 1;
    small.tell(&say(ACK, IRS + 1, first).window(1500));
    let narrow = small.engine.tcp_accept(listener).expect("established");
    small.engine.tcp_set_cork(narrow, true).unwrap();
    small.engine.tcp_send(narrow, &[7; 800]).unwrap();
    assert_eq!(small.hear(), []);

    script.engine.tcp_set_cork(connection, true).unwrap();
    script.engine.tcp_send(connection, &[7; 2700]).unwrap();
    assert_eq!(lengths(&script.hear()), [1000, 1000]);
    assert_eq!(acknowledge(&mut script, next + 2000), []);
    script.engine.tcp_set_cork(connection, false).unwrap();
    assert_eq!(lengths(&script.hear()), [700]);
}

/// A cork holds while a loss is repaired, and when what is sent is paced.
#[test]
fn a_cork_holds_in_recovery() {
    let mut script = Script::new(|_| {});
    let (connection, _, next) = established(&mut script);
    script.engine.tcp_send(connection, &[7; 5000]).unwrap();
    assert_eq!(script.hear().len(), 5);
    script.engine.tcp_set_cork(connection, true).unwrap();
    script.engine.tcp_send(connection, &[7; 300]).unwrap();
    for _ in 0..3 {
        let heard = acknowledge(&mut script, next);
        assert!(
            heard.iter().all(|segment| segment.text.len() == 1000),
            "{heard:?}"
        );
    }
    let heard = acknowledge(&mut script, next + 5000);
    assert_eq!(heard, []);
    script.engine.tcp_set_cork(connection, false).unwrap();
    assert_eq!(lengths(&script.hear()), [300]);
}

/// A write takes what the windows take now, and what may wait beyond; the application hears when less than half of that waits.
#[test]
fn what_may_wait_unsent_is_bounded() {
    let mut script = Script::new(|_| {});
    let (connection, _, next) = established(&mut script);
    let low_water = Some(4 * MSS);
    script
        .engine
        .tcp_set_unsent_low_water(connection, low_water)
        .unwrap();
    let window = script.engine.tcp_info(connection).unwrap().snd_cwnd;
    let taken = script.engine.tcp_send(connection, &vec![7; 100_000]).unwrap() as u32;
    assert_eq!(taken, window + 4 * MSS);
    script.hear();
    while script.engine.poll_event().is_some() {}
    assert_eq!(script.engine.tcp_send(connection, &[7; 10]), Ok(0));
    // Slow start lets twice as much follow as was acknowledged: two of the four that wait.
    acknowledge(&mut script, next + MSS);
    assert!(script.engine.poll_event().is_none(), "half of them wait still");
    acknowledge(&mut script, next + 2 * MSS);
    assert!(script.engine.poll_event().is_some(), "none waits");
    script.engine.tcp_set_unsent_low_water(connection, None).unwrap();
    assert_eq!(script.engine.tcp_send(connection, &vec![7; 100_000]), Ok(100_000));
}

/// A window that opens without an acknowledgment of anything lets go what waits, and so makes room too.
#[test]
fn an_opening_window_makes_room() {
    let mut script = Script::new(|_| {});
    let (connection, _, next) = established(&mut script);
    script
        .engine
        .tcp_set_unsent_low_water(connection, Some(MSS))
        .unwrap();
    script.engine.tcp_send(connection, &[7; 1000]).unwrap();
    script.hear();
    script.tell(&say(ACK, IRS + 1, next + MSS).window(0));
    while script.engine.poll_event().is_some() {}
    assert_eq!(
        script.engine.tcp_send(connection, &[7; 3000]),
        Ok(1000),
        "the window takes none"
    );
    assert!(script.engine.poll_event().is_none());
    assert_eq!(lengths(&acknowledge(&mut script, next + MSS)), [1000]);
    assert!(script.engine.poll_event().is_some());
}

/// The window's clamp holds whichever of the two is set first.
#[test]
fn a_clamp_and_a_buffer_may_come_in_either_order() {
    for clamp_first in [true, false] {
        let mut script = Script::new(|_| {});
        let (connection, ..) = established(&mut script);
        if clamp_first {
            script.engine.tcp_set_window_clamp(connection, 8_000).unwrap();
            script.engine.tcp_set_receive_buffer(connection, 50_000).unwrap();
        } else {
            script.engine.tcp_set_receive_buffer(connection, 50_000).unwrap();
            script.engine.tcp_set_window_clamp(connection, 8_000).unwrap();
        }
        assert_eq!(script.engine.tcp_info(connection).unwrap().rcv_buffer, 8_000);
        script.engine.tcp_set_window_clamp(connection, 60_000).unwrap();
        assert_eq!(script.engine.tcp_info(connection).unwrap().rcv_buffer, 50_000);
    }
}

/// A connection that waits for no FIN is reset in each of the two ways into FIN-WAIT-2, and leaves nothing behind.
#[test]
fn no_fin_is_waited_for_when_the_application_says_so() {
    for shut_before in [true, false] {
        let mut script = Script::new(|_| {});
        let (connection, _, next) = established(&mut script);
        script
            .engine
            .tcp_set_fin_wait_2(connection, Duration::ZERO)
            .unwrap();
        let last = if shut_before {
            script.engine.tcp_shutdown(connection).unwrap();
            assert_eq!(script.hear()[0].flags, FIN | ACK);
            assert_eq!(acknowledge(&mut script, next + 1), []);
            script.engine.tcp_close(connection);
            script.hear()
        } else {
            script.engine.tcp_close(connection);
            assert_eq!(script.hear()[0].flags, FIN | ACK);
            acknowledge(&mut script, next + 1)
        };
        assert_eq!((last.len(), last[0].flags & RST, last[0].seq), (1, RST, next + 1));
        assert_eq!(script.engine.tcp_memory().connections, 0);
        script.engine.check_invariants().unwrap();
    }
}

/// A listener that waits for text makes no connection of an acknowledgment, and does not take the wait for a round-trip time.
#[test]
fn a_deferred_connection_begins_with_its_text() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let limit = Duration::from_secs(60);
        script.engine.tcp_set_defer_accept(listener, limit).unwrap();
        let next = script.tell(&say(SYN, IRS, 0))[0].seq + 1;
        script.pass(Duration::from_millis(20));
        assert_eq!(script.tell(&say(ACK, IRS + 1, next)), []);
        assert!(script.engine.tcp_accept(listener).is_none());
        script.engine.check_invariants().unwrap();
        // Nothing is sent while the text is waited for.
        assert_eq!(script.pass(Duration::from_secs(20)), []);
        script.tell(&say(ACK | PSH, IRS + 1, next).text(b"hello"));
        let connection = script.engine.tcp_accept(listener).expect("text has come");
        let info = script.engine.tcp_info(connection).unwrap();
        assert_eq!((info.rcv_buffered, info.rtt), (5, None));
        script.engine.tcp_close_listener(listener);
        assert!(script.engine.tcp_set_defer_accept(listener, limit).is_err());
    }
}

/// A peer that never says anything is given up with its half-open entry, however long the listener would wait.
#[test]
fn a_deferred_connection_is_not_waited_for_for_ever() {
    let mut script = Script::new(|_| {});
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    script
        .engine
        .tcp_set_defer_accept(listener, Duration::from_secs(1 << 20))
        .unwrap();
    let next = script.tell(&say(SYN, IRS, 0))[0].seq + 1;
    script.tell(&say(ACK, IRS + 1, next));
    let heard = script.pass(Duration::from_secs(120));
    assert!(
        heard.iter().all(|segment| segment.flags == SYN | ACK),
        "{heard:?}"
    );
    assert_eq!(script.engine.tcp_memory().half_open, 0);
}
