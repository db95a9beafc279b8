//! What happens when room runs out: in the queue of connections to accept, in the transmit queue, and in the receive window.

use crate::support::Family;
use crate::support::peer::{ACK, OUR_PORT, PSH, RST, SYN, Script, Segment, say};
use handfast::application::{ListenerHandle, Read, TcpHandle};
use handfast::frame::PoolConfig;
use handfast::time::Duration;

const IRS: u32 = 7000;
/// What an IPv4 peer takes that has announced nothing.
const MSS: u32 = 536;

fn listen(script: &mut Script, backlog: usize) -> ListenerHandle {
    let at = script.local();
    script.engine.tcp_listen(at, backlog).unwrap()
}

/// The SYN-ACK that a SYN from `port` is answered with, if it is.
fn knock(script: &mut Script, port: u16) -> Option<Segment> {
    script.tell(&say(SYN, IRS, 0).ports(port, OUR_PORT)).pop()
}

/// The last acknowledgment of a handshake.
fn complete(syn_ack: &Segment) -> Segment {
    say(ACK, IRS + 1, syn_ack.seq.wrapping_add(1)).ports(syn_ack.to, OUR_PORT)
}

/// A full accept queue takes no SYN, and answers none: the peer asks again.
#[test]
fn a_full_accept_queue_takes_no_syn() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let listener = listen(&mut script, 2);
        for port in [1, 2] {
            let syn_ack = knock(&mut script, port).expect("there is room");
            assert_eq!(script.tell(&complete(&syn_ack)), []);
        }
        assert_eq!(knock(&mut script, 3), None);
        assert_eq!(script.engine.counters().tcp.dropped_accept_queue_full, 1);
        assert!(script.engine.tcp_accept(listener).is_some());
        assert!(knock(&mut script, 3).is_some(), "there is room again");
    }
}

/// A handshake that ends when the queue is full stays half-open, without a reset, and is completed once there is room.
#[test]
fn a_handshake_waits_for_room_in_the_accept_queue() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let listener = listen(&mut script, 1);
        let [first, second] = [1, 2].map(|port| knock(&mut script, port).expect("nobody waits yet"));
        assert_eq!(script.tell(&complete(&first)), []);
        assert_eq!(script.tell(&complete(&second)), [], "no reset");
        assert_eq!(script.engine.tcp_memory().half_open, 1);
        assert!(script.engine.tcp_accept(listener).is_some());
        let again = script.pass(Duration::from_secs(2));
        assert_eq!((again[0].flags, again[0].seq), (SYN | ACK, second.seq));
        assert_eq!(script.tell(&complete(&again[0])), []);
        assert!(script.engine.tcp_accept(listener).is_some());
    }
}

/// Nobody would say a reset again: what finds the transmit queue full goes as soon as there is room, however much it is.
#[test]
fn resets_wait_for_room_in_the_transmit_queue() {
    const CONNECTIONS: u16 = 100;
    let mut script = Script::new(|config| config.transmit_queue = 4);
    let listener = listen(&mut script, CONNECTIONS.into());
    for port in 1..=CONNECTIONS {
        let syn_ack = knock(&mut script, port).expect("there is room");
        script.tell(&complete(&syn_ack));
    }
    while let Some(connection) = script.engine.tcp_accept(listener) {
        script.engine.tcp_abort(connection);
    }
    let heard = script.hear();
    assert!(heard.iter().all(|segment| segment.flags == RST | ACK));
    assert!(heard.iter().map(|segment| segment.to).eq(1..=CONNECTIONS));
    assert_eq!(script.engine.counters().tcp.replies_lost, 0);
}

/// The right edges of the window that the peer hears of.
fn edges(heard: &[Segment]) -> impl Iterator<Item = u32> {
    heard
        .iter()
        .map(|segment| segment.ack + u32::from(segment.window))
}

/// An established connection of such a buffer whose window the peer has filled, and the window's right edge.
fn filled(buffer: u32) -> (Script, TcpHandle, u32) {
    let mut script = Script::new(|config| config.tcp.receive_buffer = buffer);
    let listener = listen(&mut script, 1);
    let syn_ack = knock(&mut script, 9).expect("there is room");
    let last = complete(&syn_ack);
    script.tell(&last);
    let connection = script.engine.tcp_accept(listener).expect("established");
    let mut edge = IRS + 1 + u32::from(syn_ack.window);
    let mut seq = IRS + 1;
    while seq < edge {
        let len = (edge - seq).min(MSS);
        let text = say(ACK | PSH, seq, last.ack)
            .ports(9, OUR_PORT)
            .text(&vec![1; len as usize]);
        edge = edges(&script.tell(&text)).fold(edge, u32::max);
        seq += len;
    }
    (script, connection, edge)
}

fn read(script: &mut Script, connection: TcpHandle, bytes: usize) -> usize {
    match script.engine.tcp_receive(connection, &mut vec![0; bytes]) {
        Ok(Read::Data(read)) => read,
        other => panic!("{other:?}"),
    }
}

/// MUST-39: however small the bites in which the application reads, the window opens by steps that are worth a segment: one of full size, or
/// half the buffer where that is less.
#[test]
fn a_window_opens_by_worthwhile_steps() {
    for (buffer, step) in [(4096, MSS), (800, 400)] {
        let (mut script, connection, mut edge) = filled(buffer);
        let (last, mut unread) = (edge, buffer as usize);
        while unread > 0 {
            unread -= read(&mut script, connection, 7);
            for new in edges(&script.pass(Duration::from_millis(100))) {
                assert!(
                    new == edge || new >= edge + step,
                    "the edge moves by {}",
                    new.wrapping_sub(edge)
                );
                edge = new;
            }
        }
        assert!(edge > last + buffer - step, "all of the buffer is offered again");
    }
}

/// A window that is closed opens before everything is read, or the peer would have to probe for it.
#[test]
fn a_closed_window_opens_as_soon_as_a_segment_fits() {
    let (mut script, connection, edge) = filled(4096);
    assert_eq!(read(&mut script, connection, MSS as usize - 1), MSS as usize - 1);
    assert_eq!(script.hear(), []);
    assert_eq!(read(&mut script, connection, 1), 1);
    assert_eq!(edges(&script.hear()).collect::<Vec<_>>(), [edge + MSS]);
}

/// RFC 9293 section 3.8.6.2.2: a peer that does not scale its windows can be told of 65,535 octets, however much room there is; while it
/// knows of nearly that, reading is no reason for a packet.
#[test]
fn reading_with_an_open_window_sends_no_update() {
    let mut script = Script::new(|config| config.tcp.quick_acks = 0);
    let listener = listen(&mut script, 1);
    let syn_ack = knock(&mut script, 1).expect("there is room");
    script.tell(&complete(&syn_ack));
    let connection = script.engine.tcp_accept(listener).expect("established");
    let text = say(ACK, IRS + 1, syn_ack.seq + 1)
        .ports(1, OUR_PORT)
        .text(&[7; 100]);
    assert_eq!(script.tell(&text), [], "the acknowledgment is delayed");
    let mut buffer = [0; 200];
    let read = script.engine.tcp_receive(connection, &mut buffer);
    assert!(matches!(read, Ok(Read::Data(100))), "{read:?}");
    assert_eq!(script.hear(), [], "and nothing else is due");
    assert_eq!(script.pass(Duration::from_millis(50)).len(), 1);
}

/// Segments beyond a gap must not hold every slot that the missing one could be received into, whatever their order: the peer would be told
/// for ever that it is missing.
#[test]
fn what_came_early_leaves_a_slot_for_what_is_missing() {
    const TEXT: usize = 8000;
    let slots = PoolConfig {
        small_slots: 64,
        large_slots: 7,
        ..PoolConfig::default()
    };
    for step in [1, 2] {
        let mut script = Script::with_slots(slots, |_| {});
        let listener = listen(&mut script, 2);
        let syn_ack = knock(&mut script, 1).expect("there is room");
        script.tell(&complete(&syn_ack));
        let connection = script.engine.tcp_accept(listener).expect("it waits");
        let segment = |number: usize| {
            say(ACK | PSH, IRS + 1 + (number * TEXT) as u32, syn_ack.seq + 1)
                .ports(1, OUR_PORT)
                .text(&[number as u8; TEXT])
        };
        // The window of a peer without window scaling ends before the ninth.
        for number in (1..8).step_by(step).cycle().take(40) {
            script.tell(&segment(number));
        }
        for number in (0..8).cycle().take(64) {
            script.tell(&segment(number));
        }
        let mut received = Vec::new();
        while let Ok(Read::Data(chunk)) = script.engine.tcp_receive_chunk(connection, usize::MAX) {
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received.len(), 8 * TEXT, "every {step} of them came early");
        assert!(
            received
                .iter()
                .enumerate()
                .all(|(at, &byte)| byte == (at / TEXT) as u8)
        );
    }
}

/// A device may hand a segment over in pieces: each has its place, early or not.
#[test]
fn early_text_in_pieces_is_put_together() {
    let mut script = Script::new(|_| {});
    let listener = listen(&mut script, 1);
    let syn_ack = knock(&mut script, 9).expect("there is room");
    let last = complete(&syn_ack);
    script.tell(&last);
    let connection = script.engine.tcp_accept(listener).expect("established");
    for (at, text) in [(4, b"efgh"), (0, b"abcd")] {
        let segment = say(ACK, IRS + 1 + at, last.ack).ports(9, OUR_PORT).text(text);
        script.inject_in_two(&segment.encode(Family::V4), 3);
    }
    assert_eq!(script.hear().last().map(|heard| heard.ack), Some(IRS + 9));
    let mut text = Vec::new();
    while let Ok(Read::Data(chunk)) = script.engine.tcp_receive_chunk(connection, usize::MAX) {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"abcdefgh");
}
