//! Rules about the surroundings of a connection: pushes, batches, groups, ICMP both ways, closed windows.

use crate::support::peer::{ACK, OUR_PORT, OURS, PSH, RST, SYN, Script, THEIR_PORT, THEIRS, say};
use etherparse::PacketBuilder;
use handfast::application::{ConnectError, ConnectionError, SoftError, TcpHandle};
use handfast::config::{KeepAlive, UserTimeout};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

const IRS: u32 = 9000;

fn plain() -> Script {
    Script::new(|_| {})
}

/// An established connection, and the engine's next sequence number.
fn established(script: &mut Script) -> (TcpHandle, u32) {
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let heard = script.tell(&say(SYN, IRS, 0));
    let snd_nxt = heard[0].seq.wrapping_add(1);
    assert_eq!(script.tell(&say(ACK, IRS + 1, snd_nxt)), []);
    (script.engine.tcp_accept(listener).expect("established"), snd_nxt)
}

/// MUST-46: nobody can be connected to at a group or at nobody's address.
#[test]
fn an_invalid_remote_address_is_refused() {
    let mut script = plain();
    for remote in [
        "224.0.0.1:80",
        "255.255.255.255:80",
        "0.0.0.0:80",
        "[ff02::1]:80",
        "[::]:80",
        "10.0.0.2:0",
    ] {
        let refused = script.engine.tcp_connect(None, remote.parse().unwrap());
        assert_eq!(refused, Err(ConnectError::InvalidRemoteAddress), "{remote}");
    }
}

/// MUST-57, MUST-63: a SYN that goes to a group, or claims to come from one, is not answered.
#[test]
fn a_syn_for_or_from_a_group_is_dropped() {
    let mut script = plain();
    script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let group = [224, 0, 0, 1];
    for (from, to) in [
        (THEIRS, group),
        (group, OURS),
        ([255; 4], OURS),
        (THEIRS, [255; 4]),
        ([0; 4], OURS),
    ] {
        let mut syn = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .tcp(THEIR_PORT, OUR_PORT, IRS, 1000)
            .syn()
            .write(&mut syn, &[])
            .unwrap();
        script.inject(&syn);
        assert!(script.hear_packets().is_empty(), "{from:?} to {to:?}");
    }
    assert_eq!(script.engine.tcp_memory().half_open, 0);
}

/// MUST-47, MUST-56, SHLD-25: unreachable and exceeded time may pass; a synchronized connection outlives them, and the application can ask.
#[test]
fn a_soft_error_does_not_end_a_connection() {
    for (kind, code, trouble) in [
        (3, 0, SoftError::NetworkUnreachable),
        (3, 1, SoftError::HostUnreachable),
        (3, 2, SoftError::PortUnreachable),
        (3, 3, SoftError::PortUnreachable),
        (3, 5, SoftError::NetworkUnreachable),
        (3, 13, SoftError::Prohibited),
        (11, 0, SoftError::TimeExceeded),
        (11, 1, SoftError::TimeExceeded),
        (12, 0, SoftError::ParameterProblem),
    ] {
        let mut script = plain();
        let (connection, _) = established(&mut script);
        script.engine.tcp_send(connection, b"lost").unwrap();
        let segment = script.hear_packets().remove(0);
        let mut error = Vec::new();
        PacketBuilder::ipv4(THEIRS, OURS, 64)
            .icmpv4_raw(kind, code, [0; 4])
            .write(&mut error, &segment)
            .unwrap();
        script.inject(&error);
        assert_eq!(
            script.engine.tcp_state(connection),
            Some(State::Established),
            "type {kind} code {code}"
        );
        assert_eq!(script.engine.tcp_error(connection), None);
        assert_eq!(script.engine.tcp_take_trouble(connection), Some(trouble));
    }
}

/// MUST-58, MUST-59: what has arrived together is processed before one acknowledgment goes out for all of it.
#[test]
fn a_batch_is_acknowledged_once() {
    let mut script = plain();
    let (_, snd_nxt) = established(&mut script);
    let segments: Vec<_> = (0..8)
        .map(|index| say(ACK, IRS + 1 + 536 * index, snd_nxt).text(&[7; 536]))
        .collect();
    let heard = script.tell_all(&segments);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 1 + 8 * 536));
}

/// MUST-61, SHLD-27: the last segment of what there is to send is pushed, and no other.
#[test]
fn the_last_segment_is_pushed() {
    let mut script = plain();
    let (connection, snd_nxt) = established(&mut script);
    script.engine.tcp_set_no_delay(connection, true).unwrap();
    script.engine.tcp_send(connection, &[1; 3 * 536 + 10]).unwrap();
    let heard = script.hear();
    let pushed: Vec<_> = heard.iter().map(|segment| segment.flags & PSH != 0).collect();
    assert_eq!(pushed, [false, false, false, true]);
    assert_eq!(heard[3].seq, snd_nxt + 3 * 536);
}

/// MUST-66: a window of zero keeps data out, but no reset.
#[test]
fn a_closed_window_still_hears_resets() {
    let mut script = Script::new(|config| config.tcp.receive_buffer = 536);
    let (connection, snd_nxt) = established(&mut script);
    let full = say(ACK | PSH, IRS + 1, snd_nxt).text(&[7; 536]);
    let heard = script.tell(&full);
    assert_eq!((heard[0].ack, heard[0].window), (IRS + 1 + 536, 0));
    let beyond = say(ACK, IRS + 1 + 536, snd_nxt).text(b"no room");
    assert_eq!(script.tell(&beyond)[0].ack, IRS + 1 + 536);
    assert_eq!(script.tell(&say(RST, IRS + 1 + 536, 0)), []);
    assert_eq!(script.engine.tcp_error(connection), Some(ConnectionError::Reset));
}

/// RFC 4443 section 2.4(f), and the same for IPv4: who asks closed ports all day is not answered all day.
#[test]
fn icmp_errors_are_limited() {
    let mut script = Script::new(|config| config.icmp_errors_per_second = 10);
    let mut datagram = Vec::new();
    PacketBuilder::ipv4(THEIRS, OURS, 64)
        .udp(THEIR_PORT, 9)
        .write(&mut datagram, b"anybody?")
        .unwrap();
    let mut errors = || -> usize {
        let asked = (0..100).map(|_| {
            script.inject(&datagram);
            script.hear_packets().len()
        });
        asked.sum()
    };
    let first = errors();
    assert!((1..=10).contains(&first), "{first} errors at once");
    assert_eq!(errors(), 0);
    script.pass(Duration::from_secs(1));
    script.inject(&datagram);
    assert_eq!(script.hear_packets().len(), 1);
}

/// An established connection that is asked after a minute of quiet, every second, three times.
fn kept_alive(script: &mut Script) -> (TcpHandle, u32) {
    let (connection, snd_nxt) = established(script);
    let rule = KeepAlive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(1),
        probes: 3,
    };
    script.engine.tcp_set_keep_alive(connection, Some(rule)).unwrap();
    (connection, snd_nxt)
}

/// MUST-25, MUST-28: nobody is asked who was not to be asked, and not before two hours.
#[test]
fn keep_alives_are_off_and_patient_by_default() {
    let mut script = plain();
    let (connection, _) = established(&mut script);
    assert_eq!(script.pass(Duration::from_secs(7300)), []);
    let rule = Some(KeepAlive::default());
    script.engine.tcp_set_keep_alive(connection, rule).unwrap();
    assert_eq!(script.pass(Duration::from_secs(7199)), []);
    assert_eq!(script.pass(Duration::from_secs(2)).len(), 1);
    script.engine.tcp_set_keep_alive(connection, None).unwrap();
    assert_eq!(script.pass(Duration::from_secs(7300)), []);
    assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
}

/// MUST-24, MUST-26, MUST-27, SHLD-12: a quiet peer is asked without data for what it has already, and each answer starts the wait again.
#[test]
fn a_quiet_peer_is_asked_and_its_answer_counts() {
    let mut script = plain();
    let (connection, snd_nxt) = kept_alive(&mut script);
    assert_eq!(script.pass(Duration::from_secs(59)), []);
    let heard = script.pass(Duration::from_millis(1100));
    assert_eq!(
        (heard.len(), heard[0].flags, heard[0].seq, heard[0].text.len()),
        (1, ACK, snd_nxt - 1, 0)
    );
    script.tell(&say(ACK, IRS + 1, snd_nxt));
    assert_eq!(script.pass(Duration::from_secs(59)), []);
    script.tell(&say(ACK, IRS + 1, snd_nxt).text(b"here I am"));
    assert_eq!(script.engine.counters().tcp.keep_alive_probes, 1);
    let probes = script.pass(Duration::from_secs(58));
    assert!(
        probes.iter().all(|segment| segment.seq == snd_nxt),
        "only the acknowledgment"
    );
    assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
}

/// MUST-26: while data is outstanding its retransmissions ask, and nothing else does.
#[test]
fn nobody_is_asked_while_data_is_outstanding() {
    let mut script = plain();
    let (connection, snd_nxt) = kept_alive(&mut script);
    script.engine.tcp_send(connection, b"data").unwrap();
    let heard = script.pass(Duration::from_secs(100));
    assert!(heard.iter().all(|segment| segment.seq == snd_nxt));
    assert_eq!(script.engine.counters().tcp.keep_alive_probes, 0);
}

/// MUST-29: one probe that nobody answers proves nothing; as many as agreed do.
#[test]
fn a_peer_that_answers_no_probe_is_gone() {
    let mut script = plain();
    let (connection, _) = kept_alive(&mut script);
    assert_eq!(script.pass(Duration::from_millis(62_500)).len(), 3);
    assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
    script.pass(Duration::from_secs(1));
    assert_eq!(
        script.engine.tcp_error(connection),
        Some(ConnectionError::TimedOut)
    );
}

/// MUST-21: the application says how long data may stay unacknowledged: for a while, or for ever.
#[test]
fn the_application_sets_the_user_timeout() {
    for (timeout, patience) in [
        (UserTimeout::After(Duration::from_secs(10)), Some(10)),
        (UserTimeout::After(Duration::from_secs(3600)), Some(3600)),
        (UserTimeout::Never, None),
    ] {
        let mut script = plain();
        let (connection, _) = established(&mut script);
        script.engine.tcp_set_user_timeout(connection, timeout).unwrap();
        script.engine.tcp_send(connection, b"anybody?").unwrap();
        script.pass(Duration::from_secs(patience.unwrap_or(1_000_000) - 1));
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
        script.pass(Duration::from_secs(2));
        let error = patience.map(|_| ConnectionError::TimedOut);
        assert_eq!(script.engine.tcp_error(connection), error, "{timeout:?}");
    }
}

/// The snapshot says what the wire has shown.
#[test]
fn a_snapshot_tells_what_the_wire_has_shown() {
    let mut script = plain();
    let (connection, snd_nxt) = established(&mut script);
    script.engine.tcp_send(connection, &[1; 1000]).unwrap();
    let heard = script.hear();
    let sent: usize = heard.iter().map(|segment| segment.text.len()).sum();
    let info = script.engine.tcp_info(connection).unwrap();
    assert_eq!(info.state, State::Established);
    assert_eq!(
        (info.timestamps, info.snd_wscale, info.snd_mss),
        (false, None, 536)
    );
    assert_eq!(
        (info.unacked as usize, info.notsent as usize),
        (sent, 1000 - sent)
    );
    assert_eq!(info.snd_wnd, 60_000);
    assert_eq!(info.rcv_wnd, u32::from(heard[0].window));
    let answer = say(ACK, IRS + 1, snd_nxt + sent as u32).text(b"12345");
    script.tell(&answer);
    script.hear();
    let info = script.engine.tcp_info(connection).unwrap();
    assert_eq!((info.rcv_buffered, info.retransmits), (5, 0));
    assert!(info.rtt.is_some() && info.snd_cwnd > 536);
}

/// MUST-48, SHLD-21, SHLD-22: the application's Diffserv value goes out unchanged, and it may change.
#[test]
fn the_application_sets_the_diffserv_field() {
    let mut script = plain();
    let (connection, _) = established(&mut script);
    script.engine.tcp_set_no_delay(connection, true).unwrap();
    for (set, on_the_wire) in [(0, 0), (46, 46 << 2), (8, 8 << 2), (0xff, 63 << 2)] {
        script.engine.tcp_set_diffserv(connection, set).unwrap();
        script.engine.tcp_send(connection, b"now").unwrap();
        let packets = script.hear_packets();
        assert_eq!((packets.len(), packets[0][1]), (1, on_the_wire));
    }
}

/// MUST-48: also what leaves the common path, an acknowledgment with SACK blocks.
#[test]
fn a_report_of_a_gap_has_the_diffserv_field_of_its_connection() {
    let mut script = plain();
    let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0);
    syn.sack_permitted = true;
    let snd_nxt = script.tell(&syn)[0].seq + 1;
    script.tell(&say(ACK, IRS + 1, snd_nxt));
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_set_diffserv(connection, 46).unwrap();
    script.say(&say(ACK, IRS + 101, snd_nxt).text(b"beyond a gap"));
    let packets = script.hear_packets();
    assert_eq!((packets.len(), packets[0][1]), (1, 46 << 2));
    assert!(packets[0].len() > 40 + 8, "with a SACK block");
}

/// MUST-61: the last segment is pushed also when it is sent again, and the others are not.
#[test]
fn the_last_segment_is_pushed_again() {
    let mut script = plain();
    let (connection, snd_nxt) = established(&mut script);
    script.engine.tcp_send(connection, &[1; 2 * 536]).unwrap();
    assert_eq!(script.hear().len(), 2);
    let again = script.pass(Duration::from_millis(1100));
    assert_eq!((again.len(), again[0].flags, again[0].seq), (1, ACK, snd_nxt));
    let again = script.tell(&say(ACK, IRS + 1, snd_nxt + 536));
    assert_eq!(
        (again.len(), again[0].flags, again[0].seq),
        (1, ACK | PSH, snd_nxt + 536)
    );
}
