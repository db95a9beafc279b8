//! Explicit congestion notification (RFC 3168), said by a scripted peer, over both families.

use crate::support::Family;
use crate::support::peer::{ACK, CWR, ECE, PSH, SYN, Script, Segment, say};
use handfast::application::TcpHandle;
use handfast::config::{Congestion, Ecn};
use handfast::time::Duration;

const IRS: u32 = 5_000;
const MSS: u32 = 1_000;
const CAPABLE: u8 = 0b10;

/// A connection whose peer has asked for ECN and got it; the first number of ours.
fn granted(script: &mut Script) -> (TcpHandle, u32) {
    let at = script.local();
    let listener = script.engine.tcp_listen(at, 8).unwrap();
    let mut syn = say(SYN | ECE | CWR, IRS, 0);
    syn.mss = Some(MSS as u16);
    let syn_ack = script.tell(&syn).remove(0);
    assert_eq!(syn_ack.flags, SYN | ACK | ECE);
    script.tell(&say(ACK, IRS + 1, syn_ack.seq + 1));
    let connection = script.engine.tcp_accept(listener).expect("established");
    (connection, syn_ack.seq + 1)
}

fn both(test: impl Fn(Script)) {
    for family in Family::BOTH {
        test(Script::over(family, |config| {
            config.tcp.no_delay = true;
            config.tcp.congestion = Congestion::NewReno;
        }));
    }
}

/// Says a segment that a router has marked.
fn say_marked(script: &mut Script, segment: &Segment) -> Vec<Segment> {
    let mut packet = segment.encode(script.family);
    match script.family {
        Family::V4 => {
            packet[1] |= 0b11;
            // The class and the version are one word of the checksum.
            let sum = u16::from_be_bytes([packet[10], packet[11]]) - 3;
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        Family::V6 => packet[1] |= 0b11 << 4,
    }
    script.inject(&packet);
    script.hear()
}

/// The ECN field of a packet.
fn field(script: &Script, packet: &[u8]) -> u8 {
    match script.family {
        Family::V4 => packet[1] & 0b11,
        Family::V6 => packet[1] >> 4 & 0b11,
    }
}

/// The segments that the engine has sent, each with its ECN field.
fn hear(script: &mut Script) -> Vec<(u8, Segment)> {
    let packets = script.hear_packets();
    packets
        .iter()
        .map(|packet| (field(script, packet), Segment::decode(packet).expect("TCP")))
        .collect()
}

/// Section 6.1.4, 6.1.5: new text alone is capable; acknowledgments and what is sent again are not.
#[test]
fn new_text_alone_is_capable() {
    both(|mut script| {
        let (connection, snd_nxt) = granted(&mut script);
        script.engine.tcp_send(connection, &[1; 100]).unwrap();
        let heard = hear(&mut script);
        assert_eq!((heard.len(), heard[0].0), (1, CAPABLE));
        script.say(&say(ACK | PSH, IRS + 1, snd_nxt).text(b"hello"));
        let heard = hear(&mut script);
        assert_eq!((heard.len(), heard[0].0, heard[0].1.flags), (1, 0, ACK));
        let mut again = Vec::new();
        while again.is_empty() {
            script.now = script.engine.next_deadline().expect("a timer runs");
            again = hear(&mut script);
        }
        assert_eq!((again[0].0, again[0].1.seq), (0, snd_nxt));
    });
}

/// Section 6.1.3: a mark is echoed until the peer says that it has slowed down.
#[test]
fn a_mark_is_echoed_until_the_peer_slows_down() {
    both(|mut script| {
        let (_, snd_nxt) = granted(&mut script);
        let text = |number: u32| say(ACK | PSH, IRS + 1 + number * 100, snd_nxt).text(&[7; 100]);
        assert_eq!(script.tell(&text(0))[0].flags, ACK);
        assert_eq!(say_marked(&mut script, &text(1))[0].flags, ACK | ECE);
        assert_eq!(script.tell(&text(2))[0].flags, ACK | ECE);
        let mut slowed = text(3);
        slowed.flags |= CWR;
        assert_eq!(script.tell(&slowed)[0].flags, ACK);
        let mut marked_again = text(4);
        marked_again.flags |= CWR;
        assert_eq!(say_marked(&mut script, &marked_again)[0].flags, ACK | ECE);
        assert_eq!(script.engine.counters().tcp.ecn_marks_received, 2);
    });
}

/// Section 6.1.2: an echo halves the window once for a window of data, and the next new text says so, once.
#[test]
fn an_echo_reduces_the_window_once_in_a_window() {
    both(|mut script| {
        let (connection, snd_nxt) = granted(&mut script);
        script.engine.tcp_send(connection, &[1; 40_000]).unwrap();
        assert_eq!(hear(&mut script).len(), 10);
        script.pass(Duration::from_millis(20));
        let echo = |segments: u32| say(ACK | ECE, IRS + 1, snd_nxt + segments * MSS);
        let window = |script: &mut Script| script.engine.tcp_info(connection).unwrap().snd_cwnd;
        assert_eq!(script.tell(&echo(2)), [], "the flight is above the window");
        assert_eq!(window(&mut script), 5 * MSS);
        let heard = script.tell(&echo(7));
        let flags: Vec<_> = heard.iter().map(|segment| segment.flags & CWR).collect();
        assert_eq!(flags, [CWR, 0]);
        let heard = script.tell(&echo(10));
        assert!(heard.iter().all(|segment| segment.flags & CWR == 0));
        assert_eq!(script.engine.counters().tcp.ecn_reductions, 1);
        script.tell(&echo(12));
        assert_eq!(script.engine.counters().tcp.ecn_reductions, 2, "a new window");
        assert!(window(&mut script) < 5 * MSS);
    });
}

/// Section 6.1.1: who is not asked does not grant, and who may not ask does not.
#[test]
fn ecn_needs_both_ends() {
    for (ecn, asks, grants) in [
        (Ecn::Off, false, false),
        (Ecn::WhenAsked, false, true),
        (Ecn::Always, true, true),
    ] {
        let mut script = Script::new(|config| config.tcp.ecn = ecn);
        script.engine.tcp_connect(None, script.remote()).unwrap();
        let syn = script.hear().remove(0);
        assert_eq!(syn.flags & (ECE | CWR) == ECE | CWR, asks, "{ecn:?}");
        let at = script.local();
        script.engine.tcp_listen(at, 8).unwrap();
        let granted = script.tell(&say(SYN | ECE | CWR, IRS, 0))[0].flags & ECE != 0;
        assert_eq!(granted, grants, "{ecn:?}");
        for unasked in [SYN, SYN | ECE, SYN | CWR] {
            let syn_ack = script.tell(&say(unasked, IRS, 0).ports(u16::from(unasked), 80));
            assert_eq!(syn_ack[0].flags, SYN | ACK);
        }
    }
}
