//! Clocks that an embedder may have: that stand still while the machine sleeps and go on hours or years later, that go back, that begin anywhere
//! and end. Nothing panics, no timer storms, and what is idle is there afterwards.

use std::net::SocketAddr;

use handfast::application::{ListenerHandle, Read, TcpHandle};
use handfast::config::{KeepAlive, Pacing};
use handfast::engine::{Budget, Engine};
use handfast::frame::PoolConfig;
use handfast::link::memory::{LocalEnd, WireConfig, ethernet_pair, pair};
use handfast::time::{Duration, Instant};

use crate::support::{Family, PORT, Pair, STATIONS, read_all, small_config};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Jumps around all that wraps: 24.9 days, 49.7 and 52.1 days, and beyond; three of the last come near the end of time.
const JUMPS: [Duration; 15] = [
    Duration::from_millis(1),
    Duration::from_secs(1),
    Duration::from_secs(HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(13 * DAY),
    Duration::from_secs(25 * DAY),
    Duration::from_millis((1 << 32) - 1),
    Duration::from_millis(1 << 32),
    Duration::from_millis((1 << 32) + 30_000),
    Duration::from_nanos((1 << 52) - (1 << 20)),
    Duration::from_nanos(1 << 52),
    Duration::from_secs(80 * DAY),
    Duration::from_secs(400 * DAY),
    Duration::from_secs(10 * 365 * DAY),
    Duration::from_secs(150 * 365 * DAY),
];
/// Packets that two ends exchange, at most, because of a jump: what a few connections have to say once.
const STORM: u64 = 60;

type Ends = Pair<LocalEnd>;

fn ends(family: Family, is_ethernet: bool) -> Ends {
    let end = |secret, address| small_config(secret, address, 64);
    let wire = WireConfig {
        trusted: false,
        max_segment: 0,
        ..WireConfig::default()
    };
    let devices = if is_ethernet {
        ethernet_pair(wire, STATIONS)
    } else {
        pair(wire)
    };
    let memory = PoolConfig {
        small_slots: 512,
        large_slots: 64,
        loans: 1,
        guaranteed_percent: 10,
    };
    let (client, server) = (end(1, family.client()), end(2, family.server()));
    Pair::with_pools(family, devices, client, server, memory)
}

fn exchanged(ends: &Ends) -> u64 {
    let sent = |end: &Engine<LocalEnd>| end.counters().device.sent;
    sent(&ends.client) + sent(&ends.server)
}

/// The clock of both ends jumps; they settle, and their deadlines are in the future then.
fn jump(ends: &mut Ends, span: Duration) {
    let before = exchanged(ends);
    ends.now += span;
    ends.settle();
    ends.check_invariants();
    let sent = exchanged(ends) - before;
    assert!(sent <= STORM, "{sent} packets after a jump by {span:?}");
    let next = ends.next_deadline();
    assert!(next.is_none_or(|next| next > ends.now), "{next:?} after {span:?}");
}

fn talk(ends: &mut Ends, client: TcpHandle, server: TcpHandle) {
    ends.client.tcp_send(client, b"question").unwrap();
    ends.settle();
    assert_eq!(read_all(&mut ends.server, server), (b"question".into(), false));
    ends.server.tcp_send(server, b"answer").unwrap();
    ends.settle();
    assert_eq!(read_all(&mut ends.client, client), (b"answer".into(), false));
}

/// A connection that was idle goes on, however long nobody looked.
#[test]
fn what_is_idle_outlives_any_jump() {
    for family in Family::BOTH {
        for is_ethernet in [false, true] {
            for span in JUMPS {
                let mut ends = ends(family, is_ethernet);
                let (client, server) = ends.connect();
                talk(&mut ends, client, server);
                for _ in 0..3 {
                    jump(&mut ends, span);
                    talk(&mut ends, client, server);
                }
            }
        }
    }
}

/// Connections in every stage of life, none of which anybody hears of; then the clock jumps, and goes on from deadline to deadline.
#[test]
fn whatever_runs_ends_after_any_jump() {
    for family in Family::BOTH {
        for is_ethernet in [false, true] {
            for span in JUMPS {
                let mut ends = ends(family, is_ethernet);
                let busy = busy(&mut ends);
                for _ in 0..3 {
                    jump(&mut ends, span);
                }
                for (client, server) in busy.open {
                    ends.client.tcp_close(client);
                    ends.server.tcp_close(server);
                }
                ends.client.tcp_close(busy.begun);
                ends.server.tcp_close_listener(busy.listener);
                ends.pass(Duration::from_secs(3 * DAY));
                let left = [&ends.client, &ends.server].map(|end| {
                    let time_wait = end.time_wait();
                    (end.tcp_memory().connections, time_wait.len, time_wait.violations)
                });
                assert_eq!(left, [(0, 0, 0); 2], "{family:?} after {span:?}");
                assert_eq!(ends.next_deadline(), None, "{family:?} after {span:?}");
            }
        }
    }
}

/// What [`busy`] leaves.
struct Busy {
    listener: ListenerHandle,
    /// Connections of client and server that are open still.
    open: Vec<(TcpHandle, TcpHandle)>,
    /// The server does not know of it yet.
    begun: TcpHandle,
}

/// Text that nobody reads behind a closed window, paced text, a keep-alive, an orphan, TIME_WAIT, and a handshake, text and a datagram in
/// fragments that are on their way.
fn busy(ends: &mut Ends) -> Busy {
    let listener = ends.listen();
    let mut open: Vec<_> = (0..5).map(|_| ends.connect_to(listener)).collect();
    let [stuffed, paced, kept] = [open[0], open[1], open[2]];
    while ends.client.tcp_send(stuffed.0, &[1; 20_000]).unwrap() > 0 {
        ends.settle();
    }
    ends.client.tcp_set_pacing(paced.0, Pacing::UpTo(10_000)).unwrap();
    ends.client.tcp_send(paced.0, &[2; 50_000]).unwrap();
    let rule = KeepAlive {
        idle: Duration::from_secs(10),
        ..KeepAlive::default()
    };
    ends.server.tcp_set_keep_alive(kept.1, Some(rule)).unwrap();
    let (orphan, waiting) = (open.remove(3), open.remove(3));
    ends.client.tcp_close(orphan.0);
    ends.client.tcp_close(waiting.0);
    ends.settle();
    ends.server.tcp_close(waiting.1);
    ends.settle();
    assert_eq!(ends.client.time_wait().len, 1);
    // The server learns of nothing that follows before the jump.
    let socket = ends.client.udp_bind(SocketAddr::new(ends.family.client(), PORT));
    let socket = socket.expect("a free port");
    let at = ends.server_address();
    let begun = ends.client.tcp_connect(None, at).unwrap();
    ends.client.tcp_send(kept.0, b"late").unwrap();
    ends.client.udp_send(socket, at, &[3; 4000]).unwrap();
    ends.client.poll(ends.now, Budget::default());
    open.push(orphan);
    Busy {
        listener,
        open,
        begun,
    }
}

/// A clock that goes back stands still for the engine, until it is where it was.
#[test]
fn a_clock_that_goes_back_stands_still() {
    for family in Family::BOTH {
        let mut ends = ends(family, true);
        let (client, server) = ends.connect();
        let latest = ends.now;
        for back in [Duration::from_nanos(1), Duration::from_secs(900), Duration::MAX] {
            ends.now = latest - back;
            for end in [&mut ends.client, &mut ends.server] {
                end.poll(ends.now, Budget::default());
                let next = end.next_deadline();
                assert!(
                    next.is_none_or(|next| next >= latest),
                    "{next:?} is before {latest:?}"
                );
            }
            // Whoever waits for such a deadline by his own clock waits a little longer; what needs no timer goes on.
            ends.client.tcp_send(client, b"back").unwrap();
            for _ in 0..4 {
                ends.client.poll(ends.now, Budget::default());
                ends.server.poll(ends.now, Budget::default());
            }
            ends.check_invariants();
            let read = ends.server.tcp_receive(server, &mut [0; 9]);
            assert!(matches!(read, Ok(Read::Data(4))));
        }
        ends.now = latest;
        ends.pass(Duration::from_secs(1));
        talk(&mut ends, client, server);
    }
}

/// Ends whose clocks differ by anything, and jump one at a time.
#[test]
fn each_end_has_a_clock_of_its_own() {
    for family in Family::BOTH {
        // Timestamps that seem to go back are those of old duplicates (RFC 7323 section 5.2).
        let goes_on = |span: &&Duration| span.as_millis() as u32 <= i32::MAX as u32;
        for span in JUMPS.iter().filter(goes_on) {
            let mut ends = ends(family, false);
            let (client, server) = ends.connect();
            talk(&mut ends, client, server);
            let far = ends.now + *span;
            for round in 0..20 {
                ends.server.tcp_send(server, b"tick").unwrap();
                let then = far + Duration::from_millis(round);
                ends.server.poll(then, Budget::default());
                ends.client.poll(ends.now, Budget::default());
                ends.server.poll(then, Budget::default());
                ends.check_invariants();
            }
            // The last ones wait for an acknowledgment of those before.
            for _ in 0..4 {
                ends.client.poll(ends.now, Budget::default());
                ends.server.poll(far, Budget::default());
            }
            let (read, _) = read_all(&mut ends.client, client);
            assert_eq!(read, b"tick".repeat(20), "{span:?}");
        }
    }
}

/// The last seconds of time, and its end, at which nothing is due later than now: no panic, and what needs no timer goes on.
#[test]
fn time_ends_without_a_panic() {
    let end = Instant::from_nanos(u64::MAX);
    for family in Family::BOTH {
        for is_ethernet in [false, true] {
            let mut ends = ends(family, is_ethernet);
            ends.now = end - Duration::from_secs(HOUR);
            let (client, server) = busy(&mut ends).open[2];
            for (left, word) in [(2_000_000_000, b"some"), (1, b"last"), (0, b"over"), (0, b"past")] {
                ends.now = end - Duration::from_nanos(left);
                ends.client.tcp_send(client, word).unwrap();
                for _ in 0..20 {
                    ends.client.poll(ends.now, Budget::default());
                    ends.server.poll(ends.now, Budget::default());
                    let next = ends.next_deadline();
                    assert!(next.is_none_or(|next| next >= ends.now), "{next:?}");
                }
            }
            let (read, _) = read_all(&mut ends.server, server);
            assert_eq!(read, b"latesomelastoverpast");
        }
    }
}
