//! Birth, life and death of connections, over IPv4 and IPv6.

use crate::support::{Family, Pair, read_all, wires};
use handfast::application::{ConnectionError, Read, Readiness, StreamError};
use handfast::link::memory::{LocalEnd, WireConfig};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

/// Over both families, over a wire of IP packets and over an Ethernet, with checksums and without.
fn both(test: impl Fn(Pair<LocalEnd>)) {
    for family in Family::BOTH {
        for trusted in [true, false] {
            let config = WireConfig {
                trusted,
                ..WireConfig::default()
            };
            for ends in wires(config) {
                test(Pair::new(family, ends));
            }
        }
    }
}

#[test]
fn request_and_response() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        assert!(pair.client_ready(client).contains(Readiness::CONNECTED));
        assert_eq!(pair.client.tcp_send(client, b"hello").unwrap(), 5);
        pair.settle();
        assert!(pair.server_ready(server).contains(Readiness::READABLE));
        assert_eq!(read_all(&mut pair.server, server).0, b"hello");
        pair.server.tcp_send(server, b"world").unwrap();
        pair.settle();
        assert_eq!(read_all(&mut pair.client, client).0, b"world");
    });
}

#[test]
fn four_way_teardown_leaves_time_wait_for_60_seconds() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        pair.client.tcp_close(client);
        pair.settle();
        assert_eq!(pair.server.tcp_state(server), Some(State::CloseWait));
        assert!(matches!(
            pair.server.tcp_receive(server, &mut [0; 8]),
            Ok(Read::End)
        ));
        pair.server.tcp_close(server);
        pair.settle();
        assert!(pair.client_ready(client).contains(Readiness::CLOSED));
        assert!(pair.server_ready(server).contains(Readiness::CLOSED));
        assert_eq!(pair.client.time_wait().len, 1);
        assert_eq!(pair.server.time_wait().len, 0);
        assert_eq!(pair.client.tcp_memory().connections, 0);
        pair.pass(Duration::from_millis(59_900));
        assert_eq!(pair.client.time_wait().len, 1);
        pair.pass(Duration::from_millis(200));
        assert_eq!(pair.client.time_wait().len, 0);
        assert_eq!(pair.client.time_wait().expired, 1);
        assert_eq!(pair.client.time_wait().violations, 0);
    });
}

/// Who still has the handle hears that the peer's stream has ended; who has given it up hears only when all is over.
#[test]
fn the_end_of_a_stream_is_an_event() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        pair.client_ready(client);
        pair.client.tcp_close(client);
        pair.settle();
        let ended = Readiness::READABLE | Readiness::PEER_CLOSED;
        assert!(pair.server_ready(server).contains(ended));
        assert_eq!(pair.client_ready(client), Readiness::NONE);
        pair.server.tcp_close(server);
        pair.settle();
        assert_eq!(pair.client_ready(client), Readiness::CLOSED);
    });
}

#[test]
fn half_close_lets_the_other_direction_go_on() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        pair.client.tcp_send(client, b"request").unwrap();
        pair.client.tcp_shutdown(client).unwrap();
        pair.settle();
        assert_eq!(pair.client.tcp_state(client), Some(State::FinWait2));
        assert_eq!(pair.client.tcp_send(client, b"more"), Err(StreamError::ShutDown));
        assert_eq!(read_all(&mut pair.server, server), (b"request".to_vec(), true));
        pair.server.tcp_send(server, b"response").unwrap();
        pair.pass(Duration::from_secs(3600));
        assert_eq!(read_all(&mut pair.client, client).0, b"response");
        pair.server.tcp_close(server);
        pair.settle();
        assert_eq!(pair.client.tcp_state(client), Some(State::TimeWait));
        assert!(matches!(
            pair.client.tcp_receive(client, &mut [0; 8]),
            Ok(Read::End)
        ));
        pair.client.tcp_close(client);
        assert_eq!(pair.client.tcp_state(client), None);
    });
}

#[test]
fn simultaneous_close_goes_through_closing() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        pair.client.tcp_close(client);
        pair.server.tcp_close(server);
        pair.settle();
        assert!(pair.client_ready(client).contains(Readiness::CLOSED));
        assert!(pair.server_ready(server).contains(Readiness::CLOSED));
        assert_eq!((pair.client.time_wait().len, pair.server.time_wait().len), (1, 1));
    });
}

#[test]
fn an_abort_resets_the_peer() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        pair.client.tcp_abort(client);
        pair.settle();
        assert!(pair.server_ready(server).contains(Readiness::FAILED));
        assert_eq!(pair.server.tcp_error(server), Some(ConnectionError::Reset));
        assert_eq!(
            pair.server.tcp_send(server, b"x"),
            Err(StreamError::Failed(ConnectionError::Reset))
        );
        pair.server.tcp_close(server);
        assert_eq!(pair.server.tcp_memory().connections, 0);
        assert_eq!((pair.client.time_wait().len, pair.server.time_wait().len), (0, 0));
    });
}

#[test]
fn a_port_without_listener_refuses() {
    both(|mut pair| {
        let client = pair.client.tcp_connect(None, pair.server_address()).unwrap();
        pair.settle();
        assert!(pair.client_ready(client).contains(Readiness::FAILED));
        assert_eq!(pair.client.tcp_error(client), Some(ConnectionError::Refused));
        assert_eq!(pair.client.counters().tcp.failed_opens, 1);
    });
}

#[test]
fn closing_with_unread_data_resets() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        pair.client.tcp_send(client, b"nobody reads this").unwrap();
        pair.settle();
        pair.server.tcp_close(server);
        pair.settle();
        assert_eq!(pair.client.tcp_error(client), Some(ConnectionError::Reset));
        assert_eq!(pair.server.counters().tcp.aborted_with_data, 1);
    });
}

#[test]
fn a_large_transfer_arrives_whole_and_in_order() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        let data: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 / 3) as u8).collect();
        let (mut sent, mut received) = (0, Vec::new());
        while received.len() < data.len() {
            sent += pair.client.tcp_send(client, &data[sent..]).unwrap();
            pair.settle();
            let before = received.len();
            received.extend(read_all(&mut pair.server, server).0);
            assert!(received.len() > before, "the transfer goes on");
        }
        assert!(received == data);
        assert_eq!(pair.client.counters().tcp.segments_retransmitted, 0);
    });
}

#[test]
fn chunks_keep_the_window_closed_until_they_are_dropped() {
    both(|mut pair| {
        let (client, server) = pair.connect();
        let mut chunks = Vec::new();
        let mut taken = 0;
        for _ in 0..100 {
            taken += pair.client.tcp_send(client, &[7; 50_000]).unwrap();
            pair.settle();
            while let Ok(Read::Data(chunk)) = pair.server.tcp_receive_chunk(server, usize::MAX) {
                chunks.push(chunk);
            }
        }
        let held: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        assert!(
            held <= 256 << 10,
            "{held} bytes are held against a window of 256 KiB"
        );
        assert!(taken > held, "the rest waits with the sender");
        drop(chunks);
        pair.settle();
        assert!(
            !read_all(&mut pair.server, server).0.is_empty(),
            "the window has reopened"
        );
    });
}

#[test]
fn nothing_leaks() {
    both(|mut pair| {
        let listener = pair.listen();
        for round in 0..50 {
            let (client, server) = pair.connect_to(listener);
            pair.client.tcp_send(client, &[1; 5000]).unwrap();
            pair.settle();
            read_all(&mut pair.server, server);
            if round % 2 == 0 {
                pair.server.tcp_close(server);
                pair.settle();
                pair.client.tcp_close(client);
            } else {
                pair.client.tcp_abort(client);
                pair.settle();
                pair.server.tcp_close(server);
            }
            pair.settle();
        }
        for engine in [&pair.client, &pair.server] {
            assert_eq!(engine.tcp_memory().connections, 0);
            engine.pool().audit().unwrap();
            let usage = engine.pool().usage();
            assert_eq!((usage.small, usage.large), (0, 0));
        }
    });
}
