//! What TCP counts of what comes in: each segment once, by what becomes of it.

use crate::support::Family;
use crate::support::peer::{ACK, FIN, PSH, RST, SYN, Script, Segment, say};
use handfast::application::{Read, TcpHandle};
use handfast::time::Duration;
use handfast::transport::tcp::TcpCounters;

/// The peer's initial sequence number, and that of its first text.
const IRS: u32 = 5000;
const FIRST: u32 = IRS + 1;

/// An established connection, and what its peer acknowledges.
fn established(script: &mut Script, tsval: Option<u32>) -> (TcpHandle, u32) {
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let stamp = |mut segment: Segment| {
        segment.timestamps = tsval.map(|tsval| (tsval, 0));
        segment
    };
    let heard = script.tell(&stamp(say(SYN, IRS, 0)));
    let snd_nxt = heard[0].seq.wrapping_add(1);
    script.tell(&stamp(say(ACK, FIRST, snd_nxt)));
    (script.engine.tcp_accept(listener).expect("established"), snd_nxt)
}

/// How many were dropped, by the reason.
fn dropped(counters: &TcpCounters) -> [(&'static str, u64); 7] {
    [
        ("malformed", counters.dropped_malformed),
        ("checksum", counters.dropped_checksum),
        ("paws", counters.dropped_paws),
        ("out of window", counters.dropped_out_of_window),
        ("bad acknowledgment", counters.dropped_bad_acknowledgment),
        ("unexpected", counters.dropped_unexpected),
        ("queue full", counters.dropped_queue_full),
    ]
}

/// Drops that the packet causes.
fn causes(script: &mut Script, packet: &[u8]) -> Vec<(&'static str, u64)> {
    let before = dropped(&script.engine.counters().tcp);
    script.inject(packet);
    script.hear();
    let after = dropped(&script.engine.counters().tcp);
    before
        .iter()
        .zip(after)
        .map(|((_, before), (reason, after))| (reason, after - before))
        .filter(|(_, drops)| *drops > 0)
        .collect()
}

/// A segment with an octet of the TCP header changed.
fn spoilt(segment: &Segment, family: Family, at: usize, octet: u8) -> Vec<u8> {
    let mut packet = segment.encode(family);
    let header = packet.len() - segment.text.len() - 20;
    packet[header + at] = octet;
    packet
}

#[test]
fn a_segment_that_is_dropped_is_counted_by_the_reason() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let (_, snd_nxt) = established(&mut script, None);
        let text = say(ACK, FIRST, snd_nxt).text(b"text");
        let cases = [
            ("malformed", spoilt(&text, family, 12, 0x40)),
            ("checksum", spoilt(&text, family, 16, 0)),
            (
                "out of window",
                say(ACK, FIRST - 9, snd_nxt).text(b"text").encode(family),
            ),
            (
                "bad acknowledgment",
                say(ACK, FIRST, snd_nxt + 1).text(b"text").encode(family),
            ),
            (
                "bad acknowledgment",
                say(ACK, FIRST, snd_nxt - 70_000).text(b"text").encode(family),
            ),
            (
                "unexpected",
                say(PSH, FIRST, snd_nxt).text(b"text").encode(family),
            ),
        ];
        for (reason, packet) in cases {
            assert_eq!(causes(&mut script, &packet), [(reason, 1)]);
        }
        let counters = script.engine.counters().tcp;
        assert_eq!((counters.segments_received, counters.bytes_received), (2 + 6, 0));
    }
}

#[test]
fn a_segment_from_the_past_is_counted_as_such() {
    let mut script = Script::new(|_| {});
    let (_, snd_nxt) = established(&mut script, Some(1000));
    let text = say(ACK, FIRST, snd_nxt).text(b"text");
    let stamped = text.clone().at(999).encode(script.family);
    assert_eq!(causes(&mut script, &stamped), [("paws", 1)]);
    let bare = text.encode(script.family);
    assert_eq!(causes(&mut script, &bare), [("paws", 1)]);
}

/// A probe lies outside the window so that it is answered: that nothing is taken from it is no drop.
#[test]
fn a_probe_is_no_dropped_segment() {
    let mut script = Script::new(|_| {});
    let (_, snd_nxt) = established(&mut script, None);
    let family = script.family;
    let probe = say(ACK, FIRST - 1, snd_nxt);
    assert_eq!(causes(&mut script, &probe.encode(family)), []);
    let further_out = say(ACK, FIRST - 2, snd_nxt).encode(family);
    assert_eq!(causes(&mut script, &further_out), [("out of window", 1)]);
    let with_text = probe.text(b"t").encode(family);
    assert_eq!(causes(&mut script, &with_text), [("out of window", 1)]);
}

/// An engine whose queues hold eight pieces.
fn of_eight_pieces() -> Script {
    Script::new(|config| {
        config.tcp.receive_buffer = 4096;
        config.tcp.receive_buffer_limit = 4096;
        config.tcp.queue_pieces = 8;
    })
}

/// So many segments of ten octets each from the octet on, with so many octets of them missing in between.
fn tens(script: &mut Script, from: u32, snd_nxt: u32, count: u32, gap: u32) -> Vec<Segment> {
    (0..count)
        .flat_map(|number| {
            let seq = FIRST + from + number * (10 + gap);
            script.tell(&say(ACK, seq, snd_nxt).text(&[1; 10]))
        })
        .collect()
}

fn read_all(script: &mut Script, connection: TcpHandle) -> usize {
    let mut total = 0;
    while let Ok(Read::Data(read)) = script.engine.tcp_receive(connection, &mut [0; 100]) {
        total += read;
    }
    total
}

#[test]
fn text_that_finds_no_room_in_the_queue_is_counted() {
    let mut script = of_eight_pieces();
    let (connection, snd_nxt) = established(&mut script, None);
    tens(&mut script, 0, snd_nxt, 9, 0);
    let counters = script.engine.counters().tcp;
    assert_eq!((counters.dropped_queue_full, counters.bytes_received), (1, 80));
    assert_eq!(read_all(&mut script, connection), 80);
}

/// Beyond a gap a queue holds half as many pieces.
#[test]
fn early_text_that_finds_no_room_is_counted() {
    let mut script = of_eight_pieces();
    let (connection, snd_nxt) = established(&mut script, None);
    tens(&mut script, 10, snd_nxt, 6, 10);
    let counters = script.engine.counters().tcp;
    assert_eq!((counters.out_of_order, counters.dropped_queue_full), (6, 2));
    assert_eq!(counters.bytes_received, 0);
    let heard = tens(&mut script, 0, snd_nxt, 6, 10);
    assert_eq!(heard.last().expect("an answer").ack, FIRST + 80);
    assert_eq!(script.engine.counters().tcp.bytes_received, 80);
    assert_eq!(read_all(&mut script, connection), 80);
}

/// What is early and becomes due may find the queue full: it is forgotten, as it must not be reported as held any more.
#[test]
fn early_text_that_is_due_and_finds_no_room_is_counted() {
    let mut script = of_eight_pieces();
    let (connection, snd_nxt) = established(&mut script, None);
    tens(&mut script, 0, snd_nxt, 6, 0);
    tens(&mut script, 70, snd_nxt, 3, 0);
    let heard = tens(&mut script, 60, snd_nxt, 1, 0);
    assert_eq!(heard.last().expect("an answer").ack, FIRST + 80);
    let counters = script.engine.counters().tcp;
    assert_eq!((counters.dropped_queue_full, counters.bytes_received), (1, 80));
    assert_eq!(read_all(&mut script, connection), 80);
}

/// From the seventeenth piece on small text is copied together, whether it comes in order or was early.
#[test]
fn text_that_is_copied_together_is_counted() {
    let mut script = Script::new(|_| {});
    let (connection, snd_nxt) = established(&mut script, None);
    tens(&mut script, 0, snd_nxt, 16, 0);
    assert_eq!(script.engine.counters().tcp.copybreak_bytes, 0);
    tens(&mut script, 160, snd_nxt, 2, 0);
    assert_eq!(script.engine.counters().tcp.copybreak_bytes, 20);
    tens(&mut script, 190, snd_nxt, 2, 0);
    tens(&mut script, 180, snd_nxt, 1, 0);
    let counters = script.engine.counters().tcp;
    assert_eq!((counters.copybreak_bytes, counters.bytes_received), (50, 210));
    assert_eq!(read_all(&mut script, connection), 210);
}

#[test]
fn what_ends_connections_is_counted() {
    let mut script = Script::new(|_| {});
    let (connection, snd_nxt) = established(&mut script, None);
    script.engine.tcp_close(connection);
    assert_eq!(script.hear()[0].flags, FIN | ACK);
    let heard = script.tell(&say(ACK, FIRST, snd_nxt).text(b"too late"));
    assert_eq!(heard[0].flags & RST, RST);
    assert_eq!(script.engine.counters().tcp.aborted_with_data, 1);

    let mut script = Script::new(|_| {});
    established(&mut script, None);
    script.tell(&say(RST, FIRST, 0));
    assert_eq!(script.engine.counters().tcp.resets_received, 1);
}

/// Whichever way a segment takes: answering a SYN, with text or without, with the FIN, out of TIME_WAIT, or to nobody's connection.
#[test]
fn each_segment_that_leaves_is_counted_once() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let mut heard = script.tell(&say(SYN, IRS, 0));
        let snd_nxt = heard[0].seq.wrapping_add(1);
        heard.extend(script.tell(&say(ACK, FIRST, snd_nxt)));
        let connection = script.engine.tcp_accept(listener).expect("established");
        assert_eq!(script.engine.tcp_send(connection, &[1; 2000]), Ok(2000));
        heard.extend(script.hear());
        heard.extend(script.tell(&say(ACK, FIRST, snd_nxt + 2000).text(b"text")));
        heard.extend(script.pass(Duration::from_secs(1)));
        assert_eq!(read_all(&mut script, connection), 4);
        script.engine.tcp_close(connection);
        heard.extend(script.hear());
        let fin = say(FIN | ACK, FIRST + 4, snd_nxt + 2001);
        heard.extend(script.tell(&fin));
        heard.extend(script.tell(&fin));
        heard.extend(script.tell(&say(ACK, 1, 2).ports(3, 4)));
        let flags: Vec<_> = heard.iter().map(|segment| segment.flags & !PSH).collect();
        let told =
            [SYN | ACK, ACK, FIN | ACK, RST].map(|kind| flags.iter().filter(|&&is| is == kind).count());
        assert!(told.iter().all(|&count| count > 0), "{told:?} of each");
        let counters = script.engine.counters().tcp;
        assert_eq!(counters.segments_sent, heard.len() as u64);
        let text: usize = heard.iter().map(|segment| segment.text.len()).sum();
        assert_eq!((counters.bytes_sent, text), (2000, 2000));
    }
}
