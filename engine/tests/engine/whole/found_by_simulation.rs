//! Defects that simulations have found, each as small as it gets. The seeds are those that showed them first.

use std::net::SocketAddr;

use crate::support::peer::{ACK, FIN, OUR_PORT, PSH, RST, SYN, Script, say};
use crate::support::{Family, Pair, read_all};
use handfast::config::Congestion;
use handfast::engine::Budget;
use handfast::link::memory::{WireConfig, pair};
use handfast::time::Duration;

const IRS: u32 = 5000;

/// Seed 1. A handle that was given up cannot be given up again: that would count an orphan twice.
#[test]
fn closing_twice_is_closing_once() {
    for family in Family::BOTH {
        let mut pair = Pair::new(family, pair(WireConfig::default()));
        let (client, server) = pair.connect();
        pair.client.tcp_close(client);
        pair.client.tcp_close(client);
        pair.settle();
        pair.server.tcp_close(server);
        pair.server.tcp_close(server);
        pair.settle();
        assert_eq!(pair.client.time_wait().len, 1);
        assert_eq!(pair.server.tcp_memory().connections, 0);
    }
}

/// Seed 60. Over a wire whose ends trust each other nobody computes a checksum, and that is no missing one (RFC 8200 section 8.1).
#[test]
fn datagrams_pass_a_trusted_wire_without_checksums() {
    for family in Family::BOTH {
        let mut pair = Pair::new(family, pair(WireConfig::default()));
        let to = SocketAddr::new(family.server(), 9);
        let from = pair.client.udp_bind(SocketAddr::new(family.client(), 9)).unwrap();
        let socket = pair.server.udp_bind(to).unwrap();
        pair.client.udp_send(from, to, b"unsummed").unwrap();
        pair.settle();
        let datagram = pair.server.udp_receive(socket).expect("it arrives");
        assert_eq!(&*datagram.payload, b"unsummed");
    }
}

/// Seed 63. A timer that had become the retransmission timeout was taken for that of a tail loss probe after each acknowledgment that told nothing,
/// so that a peer who asks now and then whether we are there kept the lost segment from being sent again, for ever.
#[test]
fn acknowledgments_that_tell_nothing_do_not_put_off_the_timeout() {
    let mut script = Script::new(|_| {});
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0);
    syn.sack_permitted = true;
    let first = script.tell(&syn).remove(0).seq + 1;
    script.pass(Duration::from_millis(40));
    script.tell(&say(ACK, IRS + 1, first));
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_send(connection, b"lost").unwrap();
    assert_eq!(script.hear().len(), 1);
    let mut sent_again = 0;
    for _ in 0..40 {
        let heard = script.pass(Duration::from_millis(100));
        sent_again += heard.iter().filter(|segment| segment.text == b"lost").count();
        script.tell(&say(ACK, IRS + 1, first));
    }
    assert!(sent_again > 0, "nothing was sent again in four seconds");
}

/// Seed 84. The octets before a FIN that came early carry an older sequence number than SND.WL1. What they acknowledge moves SND.UNA, and the window
/// that they tell is the newest all the same: the one that was known reached too far behind the new SND.UNA.
#[test]
fn an_acknowledgment_of_new_data_brings_its_window_however_old_its_text() {
    let mut script = Script::new(|config| config.tcp.no_delay = true);
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0).window(1000);
    syn.mss = Some(1000);
    let first = script.tell(&syn).remove(0).seq + 1;
    script.tell(&say(ACK, IRS + 1, first).window(1000));
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_send(connection, &[7; 1500]).unwrap();
    let sent: usize = script.hear().iter().map(|segment| segment.text.len()).sum();
    assert_eq!(sent, 1000);
    script.tell(&say(ACK | FIN, IRS + 101, first).window(1000));
    let heard = script.tell(&say(ACK, IRS + 1, first + 1000).window(0).text(&[3; 100]));
    let beyond: usize = heard.iter().map(|segment| segment.text.len()).sum();
    assert_eq!(beyond, 0, "octets for a window that is closed");
}

/// Seed 118. Both SYNs cross, and the acknowledgment of ours comes while our SYN,ACK still waits to be sent.
#[test]
fn a_crossed_syn_may_be_acknowledged_before_it_is_answered() {
    let mut script = Script::new(|config| config.ephemeral_ports = OUR_PORT..=OUR_PORT);
    let connection = script.engine.tcp_connect(None, Script::theirs()).unwrap();
    let iss = script.hear().remove(0).seq;
    script.tell_all(&[say(SYN, IRS, 0), say(ACK, IRS + 1, iss + 1)]);
    script.engine.check_invariants().unwrap();
    assert_eq!(script.engine.tcp_send(connection, b"on"), Ok(2));
    assert_eq!(script.hear().last().map(|segment| segment.seq), Some(iss + 1));
}

/// Seed 7817. After months of quiet the timestamp that is known is as old as after 24 days (RFC 7323 section 5.5), although the
/// milliseconds since then no longer fit into 32 bits; and the first that comes takes its place, to be echoed.
#[test]
fn after_months_of_quiet_a_timestamp_is_taken_whatever_it_says() {
    for days in [25, 60, 640] {
        let mut script = Script::new(|_| {});
        let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
        let first = script.tell(&say(SYN, IRS, 0).at(1000)).remove(0).seq + 1;
        script.tell(&say(ACK, IRS + 1, first).at(1000));
        script.engine.tcp_accept(listener).expect("established");
        script.pass(Duration::from_secs(days * 24 * 3600));
        let heard = script.tell(&say(ACK | PSH, IRS + 1, first).text(&[1; 10]).at(999));
        let answer = heard.last().map(|segment| segment.ack);
        assert_eq!(answer.unwrap_or(IRS + 1), IRS + 11, "after {days} days");
        let heard = script.tell(&say(ACK | PSH, IRS + 1, first).text(&[1; 10]).at(999));
        let echoed = heard.last().and_then(|segment| segment.timestamps);
        assert_eq!(echoed.map(|(_, tsecr)| tsecr), Some(999), "after {days} days");
    }
}

/// Seeds 1034 and 7621. An answer that comes soon after a retransmission is the original's, and says nothing of what was sent before. When no
/// round-trip time is known, because the SYN,ACK was sent twice, nobody can tell what is soon (RFC 8985 section 6.2 step 2).
#[test]
fn an_answer_to_the_original_does_not_show_the_loss_of_a_retransmission() {
    let mut script = Script::new(|config| {
        config.tcp.no_delay = true;
        config.tcp.congestion = Congestion::Fixed(20_000);
    });
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0);
    (syn.mss, syn.sack_permitted) = (Some(1000), true);
    let first = script.tell(&syn).remove(0).seq + 1;
    script.pass(Duration::from_millis(1500));
    script.tell(&say(ACK, IRS + 1, first));
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_send(connection, &[7; 8000]).unwrap();
    assert_eq!(script.hear().len(), 8);
    script.pass(Duration::from_millis(40));
    let held = |left: u32, right: u32| (first + left * 1000, first + right * 1000);
    let gaps = say(ACK, IRS + 1, first).sack(&[held(3, 5), held(1, 2)]);
    let again: Vec<u32> = script
        .tell(&gaps)
        .iter()
        .map(|segment| segment.seq - first)
        .collect();
    assert_eq!(again, [0, 2000]);
    script.pass(Duration::from_millis(1));
    let late = say(ACK, IRS + 1, first).sack(&[held(1, 5)]);
    let heard = script.tell(&late);
    assert!(heard.is_empty(), "{heard:?}");
}

/// Seeds 2369, 3654, 6682 and 26902. What was written in tiny pieces is sent again in full segments: in as many as before, most of them were lost
/// in the same short queue time and again.
#[test]
fn tiny_segments_are_sent_again_as_one() {
    let mut script = Script::new(|config| config.tcp.no_delay = true);
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0);
    syn.mss = Some(1000);
    let first = script.tell(&syn).remove(0).seq + 1;
    script.tell(&say(ACK, IRS + 1, first));
    let connection = script.engine.tcp_accept(listener).expect("established");
    let text: Vec<u8> = (0..400_u32).map(|at| (at % 251) as u8).collect();
    for write in text.chunks(4) {
        script.engine.tcp_send(connection, write).unwrap();
        assert_eq!(script.hear().len(), 1);
    }
    let again = script.pass(Duration::from_millis(1100));
    let texts: Vec<&[u8]> = again.iter().map(|segment| segment.text.as_slice()).collect();
    assert_eq!(texts, [&text]);
}

/// Seed 2369, at first sight. Probes of a closed window double the timeout, and that is over when the window opens, also by an acknowledgment of
/// new data, after which nothing may be left to measure by.
#[test]
fn the_back_off_of_window_probes_ends_with_them() {
    let mut script = Script::new(|config| config.tcp.no_delay = true);
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0).window(2000);
    syn.mss = Some(1000);
    let first = script.tell(&syn).remove(0).seq + 1;
    script.tell(&say(ACK, IRS + 1, first).window(2000));
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_send(connection, &[7; 2000]).unwrap();
    assert_eq!(script.hear().len(), 2);
    script.tell(&say(ACK, IRS + 1, first + 1000).window(0));
    script.pass(Duration::from_secs(20));
    let doublings = |script: &mut Script| script.engine.tcp_info(connection).expect("living").backoff;
    assert!(doublings(&mut script) > 3);
    script.tell(&say(ACK, IRS + 1, first + 2000).window(2000));
    assert_eq!(doublings(&mut script), 0);
}

/// Seeds 15036 and 28592. A listener that closes resets all whom nobody has accepted, however few packets the transmit queue holds: who is not
/// told, and has said everything, waits for ever.
#[test]
fn resets_wait_for_room_in_the_transmit_queue() {
    let mut script = Script::new(|config| config.transmit_queue = 2);
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    for port in 4001..=4006 {
        let first = script.tell(&say(SYN, IRS, 0).ports(port, OUR_PORT)).remove(0).seq + 1;
        script.tell(&say(ACK, IRS + 1, first).ports(port, OUR_PORT));
    }
    script.engine.tcp_close_listener(listener);
    let heard = script.hear();
    let told: Vec<u16> = heard
        .iter()
        .filter(|segment| segment.flags == RST | ACK && segment.ack == IRS + 1)
        .map(|segment| segment.to)
        .collect();
    assert_eq!(told, [4001, 4002, 4003, 4004, 4005, 4006]);
}

/// Seeds 20839 and 37129. When SYNs cross, ours goes twice, without and with an acknowledgment, and the answer may be to the first: a round-trip
/// time that is counted from the second is too short.
#[test]
fn a_crossed_syn_is_measured_from_the_first() {
    let mut script = Script::new(|config| config.ephemeral_ports = OUR_PORT..=OUR_PORT);
    let connection = script.engine.tcp_connect(None, Script::theirs()).unwrap();
    let iss = script.hear().remove(0).seq;
    script.pass(Duration::from_millis(7));
    script.tell(&say(SYN, IRS, 0));
    script.pass(Duration::from_millis(5));
    script.tell(&say(SYN | ACK, IRS, iss + 1));
    let info = script.engine.tcp_info(connection).expect("living");
    assert_eq!(info.rtt, Some(Duration::from_millis(12)));
}

/// Seed 22369. A SYN that comes again brings the timestamp that is to be echoed (RFC 7323 section 4.3).
#[test]
fn a_repeated_syn_renews_the_timestamp() {
    let mut script = Script::new(|_| {});
    script.engine.tcp_listen(Script::ours(), 8).unwrap();
    for tsval in [1000, 2000] {
        let answer = script.tell(&say(SYN, IRS, 0).at(tsval)).remove(0);
        assert_eq!(answer.timestamps.map(|(_, tsecr)| tsecr), Some(tsval));
    }
}

/// Seed 34067. After idleness the restart window (RFC 5681 section 4.1) holds for the first segment too, which may be a virtual one of 64 KiB.
#[test]
fn idleness_restarts_the_window_before_a_virtual_segment() {
    let mut pair = Pair::new(Family::V4, pair(WireConfig::default()));
    let (client, server) = pair.connect();
    for _ in 0..20 {
        pair.client.tcp_send(client, &[7; 30_000]).unwrap();
        pair.settle();
        read_all(&mut pair.server, server);
        pair.settle();
    }
    let info = pair.client.tcp_info(client).expect("living");
    assert!(info.snd_cwnd > 60_000, "{info:?}");
    pair.pass(Duration::from_secs(10));
    pair.client.tcp_send(client, &[7; 50_000]).unwrap();
    pair.client.poll(pair.now, Budget::default());
    let info = pair.client.tcp_info(client).expect("living");
    assert!(info.unacked > 0 && info.unacked <= 14_600, "{info:?}");
}

/// Seed 80944. The table of half-open connections counts milliseconds, and what it rounds away made the shortest round trip too short, so that
/// the answer to a first transmission passed for one to a second.
#[test]
fn the_handshake_never_makes_the_shortest_round_trip_too_short() {
    for micros in [1_001, 1_999, 6_569] {
        for offset in [1, 400, 999] {
            let mut script = Script::new(|_| {});
            let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
            script.pass(Duration::from_micros(offset));
            let mut syn = say(SYN, IRS, 0);
            syn.sack_permitted = true;
            let first = script.tell(&syn).remove(0).seq + 1;
            script.pass(Duration::from_micros(micros));
            script.tell(&say(ACK, IRS + 1, first));
            let connection = script.engine.tcp_accept(listener).expect("established");
            if let Some(shortest) = script.engine.tcp_info(connection).unwrap().min_rtt {
                let rounded_down = micros * 2047 / 2048;
                assert!(
                    shortest.as_micros() >= rounded_down,
                    "{shortest:?} of {micros} us"
                );
            }
        }
    }
}

/// Seed 108529. A FIN behind text that found the receive queue full was taken for the next octet: the stream seemed to end before that text.
#[test]
fn a_fin_does_not_overtake_text_that_finds_no_room() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |config| {
            config.tcp.set_receive_buffer(4_000);
            config.tcp.queue_pieces = 16;
        });
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let first = script.tell(&say(SYN, IRS, 0))[0].seq + 1;
        script.tell(&say(ACK, IRS + 1, first));
        let connection = script.engine.tcp_accept(listener).expect("established");
        for seq in IRS + 1..IRS + 17 {
            script.tell(&say(ACK | PSH, seq, first).text(b"s"));
        }
        let last = say(ACK | PSH | FIN, IRS + 17, first).text(&[b'l'; 536]);
        let answer = script.tell(&last).pop().expect("an acknowledgment");
        assert_eq!(answer.ack, IRS + 17, "neither the text nor the FIN was taken");
        assert_eq!(read_all(&mut script.engine, connection), (b"s".repeat(16), false));
        let answer = script.tell(&last).pop().expect("an acknowledgment");
        assert_eq!(answer.ack, IRS + 17 + 537);
        assert_eq!(read_all(&mut script.engine, connection), (b"l".repeat(536), true));
    }
}
