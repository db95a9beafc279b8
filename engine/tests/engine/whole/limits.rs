//! How long connections last that the application waits for, or has given up: attempts, lingering, orphans, FIN-WAIT-2 (attack classes 13
//! to 15), and how much they queue.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::support::Family;
use crate::support::peer::{ACK, FIN, PSH, RST, SYN, Script, Segment, THEIR_PORT, say};
use handfast::application::{ConnectionError, Event, Readiness, SoftError, StreamError, TcpHandle};
use handfast::config::{Config, KeepAlive, UserTimeout};
use handfast::frame::Size;
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

const IRS: u32 = 5000;

/// An established connection, and the engine's next sequence number.
fn established(script: &mut Script) -> (TcpHandle, u32) {
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let first = script.tell(&say(SYN, IRS, 0))[0].seq + 1;
    script.tell(&say(ACK, IRS + 1, first));
    let connection = script.engine.tcp_accept(listener).expect("established");
    while script.engine.poll_event().is_some() {}
    (connection, first)
}

fn both(change: impl Fn(&mut Config), test: impl Fn(Script)) {
    for family in Family::BOTH {
        test(Script::over(family, &change));
    }
}

/// All that the application has heard.
fn news(script: &mut Script) -> Readiness {
    std::iter::from_fn(|| script.engine.poll_event()).fold(Readiness::NONE, |all, event| match event {
        Event::Tcp(_, ready) => all | ready,
        _ => all,
    })
}

fn resets(heard: &[Segment]) -> usize {
    heard.iter().filter(|segment| segment.flags & RST != 0).count()
}

/// An attempt to connect takes as long as it was given, to the millisecond and not to the next retransmission.
#[test]
fn an_attempt_to_connect_has_a_limit() {
    let limit = Duration::from_millis(2500);
    both(
        |config| config.tcp.connect_timeout = Some(limit),
        |mut script| {
            let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
            script.pass(Duration::from_millis(2499));
            assert_eq!(script.engine.tcp_state(connection), Some(State::SynSent));
            script.pass(Duration::from_millis(3));
            assert_eq!(
                script.engine.tcp_error(connection),
                Some(ConnectionError::TimedOut)
            );
            assert!(news(&mut script).contains(Readiness::FAILED));
        },
    );
    both(
        |_| {},
        |mut script| {
            let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
            script.engine.tcp_set_connect_timeout(connection, limit).unwrap();
            script.engine.tcp_set_keep_alive(connection, None).unwrap();
            script.pass(Duration::from_millis(2503));
            assert_eq!(
                script.engine.tcp_error(connection),
                Some(ConnectionError::TimedOut)
            );
            let late = script.engine.tcp_set_connect_timeout(connection, limit);
            assert_eq!(late, Err(StreamError::ShutDown));
        },
    );
}

/// The limit of the attempt says nothing of the connection that came of it; keep-alives that were asked for meanwhile begin then.
#[test]
fn an_open_connection_has_no_limit_of_its_attempt() {
    both(
        |config| config.tcp.connect_timeout = Some(Duration::from_secs(5)),
        |mut script| {
            let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
            let idle = Duration::from_secs(60);
            let rule = KeepAlive {
                idle,
                ..KeepAlive::default()
            };
            script.engine.tcp_set_keep_alive(connection, Some(rule)).unwrap();
            let syn = script.hear().remove(0);
            let answer = say(SYN | ACK, IRS, syn.seq + 1).ports(syn.to, syn.from);
            script.tell(&answer);
            assert!(script.pass(Duration::from_secs(59)).is_empty());
            assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
            assert_eq!(script.pass(Duration::from_secs(2)).len(), 1, "a keep-alive");
        },
    );
}

/// Closing with a linger of zero resets, and nothing is left.
#[test]
fn lingering_for_no_time_aborts() {
    both(
        |_| {},
        |mut script| {
            let (connection, _) = established(&mut script);
            script.engine.tcp_send(connection, b"never mind").unwrap();
            script
                .engine
                .tcp_set_linger(connection, Some(Duration::ZERO))
                .unwrap();
            script.engine.tcp_close(connection);
            assert_eq!(resets(&script.hear()), 1);
            assert_eq!(script.engine.tcp_memory().connections, 0);
        },
    );
}

/// Closing with a linger gives the data so long, and resets what is not through by then.
#[test]
fn lingering_is_bounded() {
    both(
        |_| {},
        |mut script| {
            let (connection, _) = established(&mut script);
            script.engine.tcp_send(connection, b"undelivered").unwrap();
            let limit = Some(Duration::from_secs(4));
            script.engine.tcp_set_linger(connection, limit).unwrap();
            script.engine.tcp_close(connection);
            assert_eq!(resets(&script.pass(Duration::from_millis(3990))), 0);
            assert_eq!(script.engine.tcp_memory().connections, 1);
            assert_eq!(resets(&script.pass(Duration::from_millis(20))), 1);
            assert_eq!(script.engine.tcp_memory().connections, 0);
            assert!(news(&mut script).contains(Readiness::FAILED));
            assert_eq!(script.engine.counters().tcp.linger_timeouts, 1);
        },
    );
}

/// What is through in time ends as always, and the limit bounds FIN-WAIT-2 as well.
#[test]
fn lingering_that_succeeds_is_an_ordinary_close() {
    both(
        |_| {},
        |mut script| {
            let (connection, first) = established(&mut script);
            script.engine.tcp_send(connection, b"delivered").unwrap();
            let limit = Some(Duration::from_secs(4));
            script.engine.tcp_set_linger(connection, limit).unwrap();
            script.engine.tcp_close(connection);
            script.hear();
            script.tell(&say(ACK, IRS + 1, first + 10));
            assert_eq!(resets(&script.pass(Duration::from_secs(3))), 0);
            script.tell(&say(FIN | ACK, IRS + 1, first + 10));
            assert_eq!(script.engine.time_wait().len, 1);
            assert_eq!(resets(&script.pass(Duration::from_secs(10))), 0);
        },
    );
}

/// Attack class 15: a peer who never sends his FIN holds an orphan for the configured time; half-closed, a connection receives for ever.
#[test]
fn a_missing_fin_holds_an_orphan_but_not_for_ever() {
    both(
        |_| {},
        |mut script| {
            let (connection, first) = established(&mut script);
            script.engine.tcp_shutdown(connection).unwrap();
            script.hear();
            script.tell(&say(ACK, IRS + 1, first + 1));
            script.pass(Duration::from_secs(7200));
            assert_eq!(script.engine.tcp_state(connection), Some(State::FinWait2));
            let text = say(ACK | PSH, IRS + 1, first + 1).text(b"late");
            script.tell(&text);
            assert_eq!(
                crate::support::read_all(&mut script.engine, connection).0,
                b"late"
            );
            script.engine.tcp_close(connection);
            script.pass(Duration::from_secs(59));
            assert_eq!(script.engine.tcp_memory().connections, 1);
            script.pass(Duration::from_secs(2));
            assert_eq!(script.engine.tcp_memory().connections, 0);
            assert_eq!(script.engine.counters().tcp.fin_wait_2_timeouts, 1);
        },
    );
}

/// Attack class 14: a closed window that is confirmed for ever keeps a connection as long as its application, and an orphan for some
/// probes, ever further apart.
#[test]
fn a_closed_window_does_not_keep_an_orphan() {
    both(
        |_| {},
        |mut script| {
            let (connection, first) = established(&mut script);
            let closed = say(ACK, IRS + 1, first).window(0);
            script.tell(&closed);
            script.engine.tcp_send(connection, b"waits").unwrap();
            for _ in 0..50 {
                script.pass(Duration::from_secs(60));
                script.tell(&closed);
            }
            assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
            script.engine.tcp_close(connection);
            let before = script.engine.counters().tcp.window_probes;
            let mut minutes = 0;
            while script.engine.tcp_memory().connections > 0 {
                let probes = script.pass(Duration::from_secs(60));
                assert!(probes.len() <= 1, "probes stay apart");
                script.tell(&closed);
                minutes += 1;
                assert!(minutes < 30, "the orphan is never given up");
            }
            assert_eq!(script.engine.counters().tcp.window_probes - before, 8);
        },
    );
}

/// A peer who is silent keeps an orphan for fewer retransmissions than a connection that somebody waits for.
#[test]
fn a_silent_peer_keeps_an_orphan_for_some_retransmissions() {
    both(
        |_| {},
        |mut script| {
            let (connection, _) = established(&mut script);
            script
                .engine
                .tcp_set_user_timeout(connection, UserTimeout::Never)
                .unwrap();
            script.engine.tcp_send(connection, b"unheard").unwrap();
            script.engine.tcp_close(connection);
            script.pass(Duration::from_secs(3600));
            assert_eq!(script.engine.tcp_memory().connections, 0);
            assert_eq!(
                script.engine.counters().tcp.timeouts,
                9,
                "the last one after 8 retransmissions"
            );
        },
    );
}

/// Attack class 13: peers who complete handshakes and close their windows hold as many orphans as allowed; closing the next one resets.
#[test]
fn orphans_are_limited_in_number() {
    both(
        |config| config.tcp.orphans = 3,
        |mut script| {
            let listener = script.engine.tcp_listen(script.local(), 64).unwrap();
            for peer in 0..20 {
                let from = THEIR_PORT + peer;
                let to = script.local().port();
                let first = script.tell(&say(SYN, IRS, 0).ports(from, to))[0].seq + 1;
                script.tell(&say(ACK, IRS + 1, first).ports(from, to).window(0));
                let connection = script.engine.tcp_accept(listener).unwrap();
                script.engine.tcp_send(connection, b"stuck").unwrap();
                script.engine.tcp_close(connection);
                assert_eq!(resets(&script.hear()), usize::from(peer >= 3));
            }
            assert_eq!(script.engine.tcp_memory().connections, 3);
            assert_eq!(script.engine.counters().tcp.orphans_refused, 17);
            script.pass(Duration::from_secs(3600));
            assert_eq!(script.engine.tcp_memory().connections, 0);
        },
    );
}

/// MUST-20, SHLD-9, SHLD-10: after three retransmissions the application hears of trouble, and the connection goes on until R2.
#[test]
fn trouble_is_reported_at_r1_and_ends_at_r2() {
    both(
        |config| config.tcp.random_back_off = false,
        |mut script| {
            let (connection, _) = established(&mut script);
            script.engine.tcp_send(connection, b"lost").unwrap();
            script.pass(Duration::from_millis(14_900));
            assert_eq!(script.engine.counters().tcp.timeouts, 3);
            assert!(!news(&mut script).contains(Readiness::TROUBLE));
            script.pass(Duration::from_millis(200));
            assert!(news(&mut script).contains(Readiness::TROUBLE));
            assert_eq!(
                script.engine.tcp_take_trouble(connection),
                Some(SoftError::Unanswered)
            );
            assert_eq!(script.engine.tcp_take_trouble(connection), None);
            assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
            script.pass(Duration::from_secs(2000));
            assert_eq!(
                script.engine.tcp_error(connection),
                Some(ConnectionError::TimedOut)
            );
        },
    );
}

/// A larger send buffer takes more at once, a smaller one less; what it refuses comes back as room.
#[test]
fn the_send_buffer_is_the_connections_own() {
    both(
        |config| config.tcp.send_buffer = 10_000,
        |mut script| {
            let (connection, first) = established(&mut script);
            assert_eq!(script.engine.tcp_send(connection, &[1; 50_000]), Ok(10_000));
            script.engine.tcp_set_send_buffer(connection, 30_000).unwrap();
            assert_eq!(script.engine.tcp_send(connection, &[1; 50_000]), Ok(20_000));
            script.engine.tcp_set_send_buffer(connection, 0).unwrap();
            assert_eq!(script.engine.tcp_send(connection, b"no room"), Ok(0));
            let mut next = first;
            let mut heard = script.hear();
            while let Some(last) = heard.last() {
                next = last.seq + last.text.len() as u32;
                heard = script.tell(&say(ACK, IRS + 1, next));
            }
            assert_eq!(next - first, 30_000);
            assert!(news(&mut script).contains(Readiness::WRITABLE));
        },
    );
}

/// Woken for each octet that becomes free, a writer would write octet by octet.
#[test]
fn a_refused_writer_hears_when_half_of_the_buffer_is_free() {
    both(
        |config| config.tcp.send_buffer = 4000,
        |mut script| {
            let (connection, first) = established(&mut script);
            assert_eq!(script.engine.tcp_send(connection, &[1; 5000]), Ok(4000));
            script.hear();
            news(&mut script);
            for (acknowledged, is_told) in [(1999, false), (2000, true), (3000, false)] {
                script.tell(&say(ACK, IRS + 1, first + acknowledged));
                assert_eq!(news(&mut script).contains(Readiness::WRITABLE), is_told);
            }
        },
    );
}

/// A larger receive buffer opens the window at once; a smaller one never takes back what was offered (SHLD-14).
#[test]
fn the_receive_buffer_is_the_connections_own() {
    both(
        |config| config.tcp.receive_buffer = 10_000,
        |mut script| {
            let (connection, first) = established(&mut script);
            script.engine.tcp_set_receive_buffer(connection, 40_000).unwrap();
            let heard = script.hear();
            assert_eq!((heard.len(), heard[0].window), (1, 40_000));
            script.engine.tcp_set_receive_buffer(connection, 5_000).unwrap();
            assert_eq!(script.hear(), []);
            let mut edge = 40_000;
            for round in 0..80 {
                let text = say(ACK | PSH, IRS + 1 + 500 * round, first).text(&[1; 500]);
                for answer in script.tell(&text) {
                    let new = answer.ack - IRS - 1 + u32::from(answer.window);
                    assert!(new >= edge, "{new} is left of {edge}");
                    edge = new;
                }
                crate::support::read_all(&mut script.engine, connection);
            }
            let window = script.engine.tcp_info(connection).unwrap().rcv_wnd;
            assert!(window <= 5_000, "{window}");
        },
    );
}

/// A write that found the pool empty is asked for again when the application gives slots back, even if no packet comes and no timer is due.
#[test]
fn memory_that_comes_back_between_polls_makes_room() {
    both(
        |_| {},
        |mut script| {
            let (connection, _) = established(&mut script);
            let hoard: Vec<_> = std::iter::from_fn(|| script.engine.allocate(Size::Small)).collect();
            assert_eq!(script.engine.tcp_send(connection, b"wants a slot"), Ok(0));
            script.poll();
            let is_due = |script: &Script| script.engine.next_deadline() == Some(script.now);
            assert!(!is_due(&script), "nothing can be done without memory");
            drop(hoard);
            assert!(is_due(&script), "a poll would tell the writer");
            script.poll();
            assert!(news(&mut script).contains(Readiness::WRITABLE));
            assert!(!is_due(&script));
        },
    );
}

/// A keep-alive without a pause between questions, or before the first, asks no more often than once in a second, and whoever answers stays:
/// not even while data waits for its acknowledgment does the engine have to be polled without end.
#[test]
fn the_shortest_keep_alive_is_a_second() {
    both(
        |_| {},
        |mut script| {
            let (connection, first) = established(&mut script);
            let rule = KeepAlive {
                idle: Duration::ZERO,
                interval: Duration::ZERO,
                probes: 3,
            };
            script.engine.tcp_set_keep_alive(connection, Some(rule)).unwrap();
            script.engine.tcp_send(connection, b"unanswered").unwrap();
            script.poll();
            for round in 0..20 {
                let next = script.engine.next_deadline().expect("retransmissions");
                assert!(round == 0 || next > script.now, "polled for nothing at {next:?}");
                script.now = script.now.max(next);
                script.poll();
            }
            script.hear();
            let answer = say(ACK, IRS + 1, first + 10);
            assert_eq!(script.tell(&answer), []);
            for _ in 0..5 {
                let asked = script.pass(Duration::from_millis(1001));
                assert_eq!(asked.len(), 1, "a question in a second");
                script.tell(&answer);
            }
            assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
        },
    );
}

/// All places for listeners taken once are places again when their listeners have closed.
#[test]
fn a_full_table_of_listeners_has_room_again() {
    let mut script = Script::new(|_| {});
    let ip = script.local().ip();
    let open = |script: &mut Script, port| script.engine.tcp_listen(SocketAddr::new(ip, port), 1);
    let mut last = None;
    for port in 1..=u16::MAX {
        last = Some(open(&mut script, port).expect("a place"));
    }
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 1);
    assert!(script.engine.tcp_listen(any, 1).is_err(), "no place is left");
    script.engine.tcp_close_listener(last.expect("the last"));
    assert!(open(&mut script, u16::MAX).is_ok());
}

/// Writers that find the pool empty, however often, wait once each, and hear when it is not.
#[test]
fn failed_writes_take_no_memory() {
    let mut script = Script::new(|config| config.tcp.connections = 16);
    let (first, _) = established(&mut script);
    let second = script.engine.tcp_connect(None, script.remote()).unwrap();
    let held: Vec<_> = [Size::Small, Size::Large]
        .into_iter()
        .flat_map(|size| std::iter::from_fn(|| script.engine.allocate(size)).collect::<Vec<_>>())
        .collect();
    for _ in 0..10_000 {
        for connection in [first, second] {
            assert_eq!(script.engine.tcp_send(connection, &[7; 1_000]), Ok(0));
        }
    }
    script.engine.check_invariants().expect("two waits");
    drop(held);
    script.poll();
    let heard: Vec<_> = std::iter::from_fn(|| script.engine.poll_event()).collect();
    for connection in [first, second] {
        let is_told = |event: &Event| matches!(event, Event::Tcp(of, ready) if *of == connection && ready.contains(Readiness::WRITABLE));
        assert_eq!(
            heard.iter().filter(|event| is_told(event)).count(),
            1,
            "{heard:?}"
        );
        assert_eq!(script.engine.tcp_send(connection, &[7; 1_000]), Ok(1_000));
    }
}
