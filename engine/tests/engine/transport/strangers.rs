//! Segments that are nearly of a connection. The flow table finds by a few bits of a hash, and only the whole tuple says whose a segment is.

use crate::support::Family;
use crate::support::peer::{ACK, OUR_PORT, RST, SYN, Script, Segment, THEIR_PORT, say};
use handfast::application::{ListenerHandle, TcpHandle};

const IRS: u32 = 5000;
/// Ports on both sides from which strangers say something: so many that hundreds share the bits by which the table finds.
const OUR_PORTS: u16 = 16;
const THEIR_PORTS: u16 = 1024;

/// An engine with a small table, so that all flows are in few buckets.
fn small(family: Family) -> Script {
    Script::over(family, |config| {
        config.tcp.connections = 4;
        config.tcp.half_open = 4;
        config.tcp.syn_cookies = false;
    })
}

/// A listener, and what acknowledges its answer to a SYN.
fn half_open(script: &mut Script) -> (ListenerHandle, u32) {
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let heard = script.tell(&say(SYN, IRS, 0));
    (listener, heard[0].seq.wrapping_add(1))
}

fn established(script: &mut Script) -> (TcpHandle, u32) {
    let (listener, snd_nxt) = half_open(script);
    script.tell(&say(ACK, IRS + 1, snd_nxt));
    (script.engine.tcp_accept(listener).expect("established"), snd_nxt)
}

/// What is answered when the segment comes from everywhere but where it should.
fn from_everywhere(script: &mut Script, segment: &Segment) -> Vec<Segment> {
    (0..OUR_PORTS)
        .flat_map(|to| {
            let from_all: Vec<_> = (0..THEIR_PORTS)
                .map(|from| (THEIR_PORT + from, OUR_PORT + to))
                .filter(|ports| *ports != (THEIR_PORT, OUR_PORT))
                .map(|(from, to)| segment.clone().ports(from, to))
                .collect();
            let heard: Vec<_> = from_all
                .chunks(128)
                .flat_map(|batch| script.tell_all(batch))
                .collect();
            assert_eq!(heard.len(), from_all.len(), "each is answered");
            heard
        })
        .collect()
}

#[test]
fn text_of_a_stranger_reaches_no_connection() {
    for family in Family::BOTH {
        let mut script = small(family);
        let (_, snd_nxt) = established(&mut script);
        for ack in [snd_nxt, snd_nxt + 1] {
            let text = say(ACK, IRS + 1, ack).text(b"text");
            let heard = from_everywhere(&mut script, &text);
            assert!(
                heard
                    .iter()
                    .all(|answer| answer.flags == RST && answer.seq == ack)
            );
        }
        let counters = script.engine.counters().tcp;
        assert_eq!((counters.bytes_received, counters.challenge_acks), (0, 0));
    }
}

#[test]
fn an_acknowledgment_of_a_stranger_completes_no_handshake() {
    for family in Family::BOTH {
        let mut script = small(family);
        let (listener, snd_nxt) = half_open(&mut script);
        let heard = from_everywhere(&mut script, &say(ACK, IRS + 1, snd_nxt));
        assert!(
            heard
                .iter()
                .all(|answer| answer.flags == RST && answer.seq == snd_nxt)
        );
        assert!(script.engine.tcp_accept(listener).is_none());
    }
}

/// What comes together with the reset that ends its connection belongs to nobody.
#[test]
fn text_behind_a_reset_finds_no_connection() {
    for family in Family::BOTH {
        let mut script = small(family);
        let (connection, snd_nxt) = established(&mut script);
        let text = say(ACK, IRS + 1, snd_nxt).text(b"text");
        let heard = script.tell_all(&[say(RST, IRS + 1, 0), text]);
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].flags, heard[0].seq), (RST, snd_nxt));
        assert!(script.engine.tcp_error(connection).is_some());
    }
}
