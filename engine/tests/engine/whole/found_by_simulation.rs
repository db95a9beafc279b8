//! Defects that simulations have found, each as small as it gets. The seeds are those that showed them first.

use std::net::SocketAddr;

use crate::support::peer::{ACK, FIN, OUR_PORT, PSH, SYN, Script, say};
use crate::support::{Family, Pair};
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
