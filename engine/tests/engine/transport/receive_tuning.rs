//! The receive buffer grows to what path and application make use of, and what was offered is never taken back.

use crate::support::peer::{ACK, PSH, SYN, Script, say};
use crate::support::{Family, Pair, config};
use handfast::application::{Read, TcpHandle};
use handfast::config::Config;
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::Duration;
use proptest::prelude::*;

const SMALL: u32 = 64 << 10;
const LIMIT: u32 = 1 << 20;
const TOTAL: usize = 8 << 20;

type Wires = Pair<Impair<LocalEnd>>;

/// Two engines with a round trip of 50 ms between them, of which the client sends.
fn far_apart(change: impl Fn(&mut Config)) -> Wires {
    let family = Family::V4;
    let (near, far) = pair(WireConfig {
        trusted: false,
        max_segment: 0,
        queue: 4096,
        ..WireConfig::default()
    });
    let wrap = |end, seed| {
        let pool = FramePool::new(PoolConfig::default());
        let impairment = ImpairConfig {
            seed,
            delay: Duration::from_millis(25),
            capacity: 4096,
            ..ImpairConfig::default()
        };
        Impair::new(end, impairment, pool).expect("values in range")
    };
    let mut server = config(2, family.server());
    server.tcp.receive_buffer = SMALL;
    server.tcp.receive_buffer_limit = LIMIT;
    change(&mut server);
    let mut client = config(1, family.client());
    client.tcp.send_buffer = 4 << 20;
    client.tcp.queue_pieces = 8192;
    Pair::with_configs(family, (wrap(near, 1), wrap(far, 2)), client, server)
}

/// Sends everything, and reads it when `reads`. Returns the server's end and the time that it took, at most a minute.
fn transfer(pair: &mut Wires, reads: bool) -> (TcpHandle, Duration) {
    let listener = pair.listen();
    let client = pair.client.tcp_connect(None, pair.server_address()).unwrap();
    pair.pass(Duration::from_millis(100));
    let server = pair.server.tcp_accept(listener).expect("established");
    let started = pair.now;
    let text = vec![7; 64 << 10];
    let mut bytes = vec![0; 64 << 10];
    let (mut sent, mut received) = (0, 0);
    while received < TOTAL && pair.now < started + Duration::from_secs(60) {
        pair.settle();
        while sent < TOTAL {
            match pair
                .client
                .tcp_send(client, &text[..text.len().min(TOTAL - sent)])
                .unwrap()
            {
                0 => break,
                taken => sent += taken,
            }
        }
        while reads && let Ok(Read::Data(length)) = pair.server.tcp_receive(server, &mut bytes) {
            received += length;
        }
        pair.settle();
        match pair.next_deadline() {
            Some(next) => pair.now = pair.now.max(next),
            None => break,
        }
    }
    (server, pair.now.saturating_since(started))
}

fn buffer(pair: &mut Wires, server: TcpHandle) -> u32 {
    pair.server.tcp_info(server).unwrap().rcv_buffer
}

/// With 64 KiB in each round trip of 50 ms, 8 MiB take over 6 s. An application that reads is given room until the path is full.
#[test]
fn a_reader_far_away_is_given_room() {
    let mut fixed = far_apart(|config| config.tcp.receive_buffer_limit = SMALL);
    let (server, slow) = transfer(&mut fixed, true);
    assert_eq!(buffer(&mut fixed, server), SMALL);
    assert!(slow > Duration::from_secs(6), "{slow:?}");
    let mut tuned = far_apart(|_| {});
    let (server, fast) = transfer(&mut tuned, true);
    assert_eq!(buffer(&mut tuned, server), LIMIT);
    assert!(fast.as_nanos() * 3 < slow.as_nanos(), "{fast:?} against {slow:?}");
}

/// Who does not read gets what he was promised and no more.
#[test]
fn nobody_who_does_not_read_is_given_room() {
    let mut pair = far_apart(|_| {});
    let (server, _) = transfer(&mut pair, false);
    assert_eq!(buffer(&mut pair, server), SMALL);
    let held = pair.server.tcp_info(server).unwrap().rcv_buffered;
    assert!(held <= SMALL + 1460, "{held}");
}

/// What the application has set stays.
#[test]
fn a_buffer_that_was_set_does_not_grow() {
    let mut pair = far_apart(|_| {});
    let listener = pair.listen();
    let client = pair.client.tcp_connect(None, pair.server_address()).unwrap();
    pair.pass(Duration::from_millis(100));
    let server = pair.server.tcp_accept(listener).unwrap();
    pair.server.tcp_set_receive_buffer(server, 2 * SMALL).unwrap();
    let mut bytes = vec![0; 64 << 10];
    for _ in 0..100 {
        pair.client.tcp_send(client, &[7; 64 << 10]).unwrap();
        pair.pass(Duration::from_millis(10));
        while let Ok(Read::Data(_)) = pair.server.tcp_receive(server, &mut bytes) {}
    }
    assert_eq!(buffer(&mut pair, server), 2 * SMALL);
}

/// Near by, the smallest buffer is enough: nothing is gained by more.
#[test]
fn nothing_grows_without_a_round_trip_to_fill() {
    let family = Family::V4;
    let mut server = config(2, family.server());
    server.tcp.receive_buffer = SMALL;
    let mut pair = Pair::with_configs(
        family,
        pair(WireConfig::default()),
        config(1, family.client()),
        server,
    );
    let (client, server) = pair.connect();
    let mut bytes = vec![0; 64 << 10];
    for _ in 0..100 {
        pair.client.tcp_send(client, &[7; 64 << 10]).unwrap();
        pair.settle();
        while let Ok(Read::Data(_)) = pair.server.tcp_receive(server, &mut bytes) {}
    }
    assert_eq!(pair.server.tcp_info(server).unwrap().rcv_buffer, SMALL);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// SHLD-14: whatever arrives, is read and is set, the right edge of the window, as the peer computes it, never moves left.
    #[test]
    fn the_edge_never_moves_left(
        shift in 0_u8..=14,
        buffer in 1_u32..200_000,
        steps in prop::collection::vec((1_usize..1400, 0_usize..3000, 0_u32..400_000), 1..60),
    ) {
        let mut script = Script::new(|config| {
            config.tcp.receive_buffer = buffer;
            // The limit chooses the scale.
            config.tcp.receive_buffer_limit = (1 << 16) << shift.min(13);
        });
        let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
        let mut syn = say(SYN, 0, 0);
        syn.window_scale = Some(7);
        let answer = script.tell(&syn).remove(0);
        let scale = u32::from(answer.window_scale.unwrap());
        let first = answer.seq + 1;
        let mut edge = 1 + u32::from(answer.window);
        script.tell(&say(ACK, 1, first));
        let connection = script.engine.tcp_accept(listener).unwrap();
        let mut next = 1;
        let mut bytes = vec![0; 3000];
        for (text, read, set) in steps {
            let text = text.min((edge - next) as usize);
            let mut heard = script.tell(&say(ACK | PSH, next, first).text(&vec![7; text]));
            next += text as u32;
            let _ = script.engine.tcp_receive(connection, &mut bytes[..read]);
            if set % 4 == 0 {
                script.engine.tcp_set_receive_buffer(connection, set).unwrap();
            }
            heard.extend(script.pass(Duration::from_millis(50)));
            for segment in heard {
                prop_assert_eq!(segment.ack, next);
                let new = segment.ack + (u32::from(segment.window) << scale);
                prop_assert!(new >= edge || edge - new < 1 << scale, "{} is left of {}", new, edge);
                edge = edge.max(new);
            }
        }
    }
}
