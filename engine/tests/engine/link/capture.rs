//! What the engine sends, judged by somebody else: runs are captured, and tshark reads the file.

use crate::support::tshark::{Scratch, filtered};
use crate::support::{Family, Pair, read_all};
use handfast::link::capture::Capture;
use handfast::link::memory::{LocalEnd, WireConfig, pair};

type Captured = Capture<LocalEnd, Vec<u8>>;

/// Nothing of this may be found on a wire that loses nothing, between two ends that keep to the protocol.
const FAULTS: &str = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 \
    || _ws.expert.severity == error || _ws.expert.severity == warning || tcp.connection.rst \
    || tcp.analysis.retransmission || tcp.analysis.out_of_order || tcp.analysis.lost_segment \
    || tcp.analysis.zero_window || tcp.analysis.window_full || tcp.analysis.ack_lost_segment";

/// Two engines on a wire of 1,500 bytes that trusts nobody; what the client's device sees is captured.
fn captured(family: Family) -> Pair<Captured> {
    let (client, server) = pair(WireConfig {
        trusted: false,
        max_segment: 0,
        ..WireConfig::default()
    });
    // A snap length of one byte keeps the other side's capture small; it is the same traffic.
    Pair::new(
        family,
        (
            Capture::new(client, Vec::new(), 0),
            Capture::new(server, Vec::new(), 1),
        ),
    )
}

/// Connect, one byte there and one back, close by FIN: so many times, one after the other.
fn short_connections(family: Family, count: usize) -> Vec<u8> {
    let mut pair = captured(family);
    let listener = pair.listen();
    for _ in 0..count {
        let (client, server) = pair.connect_to(listener);
        pair.client.tcp_send(client, b"?").unwrap();
        pair.settle();
        assert_eq!(read_all(&mut pair.server, server).0, b"?");
        pair.server.tcp_send(server, b"!").unwrap();
        pair.settle();
        assert_eq!(read_all(&mut pair.client, client).0, b"!");
        pair.client.tcp_close(client);
        pair.settle();
        pair.server.tcp_close(server);
        pair.settle();
    }
    assert_eq!(pair.client.time_wait().len, count as u64);
    pair.client.into_device().finish().unwrap()
}

/// One connection that carries so many bytes one way.
fn stream(family: Family, bytes: usize) -> Vec<u8> {
    let mut pair = captured(family);
    let (client, server) = pair.connect();
    let (mut sent, mut received) = (0, 0);
    while received < bytes {
        let rest = vec![0x5a; (bytes - sent).min(64 << 10)];
        sent += pair.client.tcp_send(client, &rest).unwrap();
        pair.settle();
        let arrived = read_all(&mut pair.server, server).0.len();
        assert!(arrived > 0, "the transfer goes on");
        received += arrived;
    }
    pair.client.tcp_close(client);
    pair.settle();
    pair.server.tcp_close(server);
    pair.settle();
    pair.client.into_device().finish().unwrap()
}

/// Has a capture judged: every packet is TCP, at least `packets` of them, and none has a fault.
fn judge(name: &str, packets: usize, capture: &[u8]) {
    let file = Scratch::new(name, capture);
    let Some(found) = filtered(&file, "tcp") else {
        eprintln!(
            "SKIPPED: tshark is not installed, so nobody but ourselves has checked the packets of {name}"
        );
        return;
    };
    assert!(
        found.len() >= packets,
        "{name}: {} packets of at least {packets}",
        found.len()
    );
    assert_eq!(filtered(&file, "!tcp").unwrap(), [""; 0], "{name}: not TCP");
    assert_eq!(filtered(&file, FAULTS).unwrap(), [""; 0], "{name}");
}

/// MUST-2, MUST-4: several hundred connections from SYN to TIME_WAIT.
#[test]
fn short_connections_are_beyond_reproach() {
    judge("crr-v4", 300 * 9, &short_connections(Family::V4, 300));
    judge("crr-v6", 300 * 9, &short_connections(Family::V6, 300));
}

/// MUST-2, SHLD-28: a megabyte in segments that fill the wire's packets.
#[test]
fn a_stream_is_beyond_reproach() {
    judge("stream-v4", 1_000_000 / 1448, &stream(Family::V4, 1_000_000));
    judge("stream-v6", 1_000_000 / 1428, &stream(Family::V6, 1_000_000));
}

/// A judge who never objects proves nothing: one flipped bit in the middle of the text is found.
#[test]
fn a_flipped_bit_is_found() {
    let mut capture = stream(Family::V4, 100_000);
    let middle = capture.len() / 2;
    capture[middle] ^= 1;
    let file = Scratch::new("flipped", &capture);
    match filtered(&file, FAULTS) {
        Some(found) => assert_eq!(found.len(), 1, "{found:?}"),
        None => eprintln!("SKIPPED: tshark is not installed"),
    }
}
