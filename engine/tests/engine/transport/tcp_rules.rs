//! What RFC 9293, RFC 5961, RFC 1337, RFC 6191 and RFC 7323 say to single segments, said by a scripted peer.

use crate::support::Family;
use crate::support::peer::{
    ACK, FIN, OUR_PORT, OURS, PSH, RST, SYN, Script, Segment, THEIR_PORT, THEIRS, say,
};
use etherparse::PacketBuilder;
use handfast::application::{ConnectError, ConnectionError, ListenerHandle, TcpHandle};
use handfast::config::UserTimeout;
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

/// The peer's initial sequence number.
const IRS: u32 = 5000;

/// An established connection, its listener, and the engine's next sequence number.
fn established(script: &mut Script) -> (TcpHandle, ListenerHandle, u32) {
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let iss = open(script, &say(SYN, IRS, 0));
    (
        script.engine.tcp_accept(listener).expect("established"),
        listener,
        iss + 1,
    )
}

/// Says a SYN and the last ACK; returns the engine's initial sequence number.
fn open(script: &mut Script, syn: &Segment) -> u32 {
    let heard = script.tell(syn);
    assert_eq!(
        (heard.len(), heard[0].flags, heard[0].ack),
        (1, SYN | ACK, syn.seq.wrapping_add(1))
    );
    let mut last = say(ACK, syn.seq.wrapping_add(1), heard[0].seq.wrapping_add(1)).ports(syn.from, syn.to);
    last.timestamps = syn.timestamps;
    assert_eq!(script.tell(&last), []);
    heard[0].seq
}

fn plain() -> Script {
    Script::new(|_| {})
}

/// The same over IPv4 and over IPv6.
fn both(test: impl Fn(Script)) {
    for family in Family::BOTH {
        test(Script::over(family, |_| {}));
    }
}

/// A connection that the engine closed first, in TIME_WAIT.
fn waiting(script: &mut Script, tsval: Option<u32>) -> u32 {
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let stamp = |mut segment: Segment| {
        segment.timestamps = tsval.map(|tsval| (tsval, 0));
        segment
    };
    let snd_nxt = open(script, &stamp(say(SYN, IRS, 0))) + 1;
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_close(connection);
    let heard = script.hear();
    assert_eq!((heard[0].flags, heard[0].seq), (FIN | ACK, snd_nxt));
    let heard = script.tell(&stamp(say(FIN | ACK, IRS + 1, snd_nxt + 1)));
    assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 2));
    assert_eq!(script.engine.time_wait().len, 1);
    snd_nxt + 1
}

/// A slot's timer outlives its connection: what it was set for never happens to the next one, whose own comes in time.
#[test]
fn a_connection_has_the_timers_of_no_other() {
    both(|mut script| {
        let (first, listener, _) = established(&mut script);
        script.engine.tcp_send(first, b"lost").unwrap();
        assert_eq!(script.hear().len(), 1);
        script.engine.tcp_abort(first);
        assert_eq!(script.hear()[0].flags, RST | ACK);
        script.pass(Duration::from_millis(500));

        open(&mut script, &say(SYN, IRS, 0).ports(THEIR_PORT + 1, OUR_PORT));
        let second = script.engine.tcp_accept(listener).expect("established");
        assert_eq!(second.slot(), first.slot());
        script.engine.tcp_send(second, b"lost").unwrap();
        assert_eq!(script.hear().len(), 1);
        assert_eq!(script.pass(Duration::from_millis(990)), []);
        assert_eq!(script.pass(Duration::from_millis(20)).len(), 1);
    });
}

/// EV-RST-1: outside the window a reset is nothing, inside it is challenged, and exactly at RCV.NXT it is believed.
#[test]
fn a_reset_must_be_exact() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        assert_eq!(script.tell(&say(RST, IRS.wrapping_sub(100), 0)), []);
        let heard = script.tell(&say(RST, IRS + 100, 0));
        assert_eq!(
            (heard[0].flags, heard[0].seq, heard[0].ack),
            (ACK, snd_nxt, IRS + 1)
        );
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
        assert_eq!(script.tell(&say(RST, IRS + 1, 0)), []);
        assert_eq!(script.engine.tcp_error(connection), Some(ConnectionError::Reset));
    });
}

/// EV-SYN-1: a SYN in a synchronized state is challenged, and the connection lives.
#[test]
fn a_syn_is_challenged() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        for seq in [IRS, IRS + 1, IRS + 500] {
            let heard = script.tell(&say(SYN, seq, 0));
            assert!(
                heard
                    .iter()
                    .all(|answer| (answer.flags, answer.seq) == (ACK, snd_nxt))
            );
        }
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
    });
}

/// RFC 5961 section 7: challenges are limited.
#[test]
fn challenges_are_limited() {
    both(|mut script| {
        established(&mut script);
        let heard: usize = (0..100).map(|_| script.tell(&say(SYN, IRS + 500, 0)).len()).sum();
        assert_eq!(heard, 10);
        assert_eq!(script.engine.counters().tcp.challenge_acks_limited, 90);
        script.pass(Duration::from_secs(1));
        assert_eq!(script.tell(&say(SYN, IRS + 500, 0)).len(), 1);
    });
}

/// RFC 5961 section 7: the limit is tunable.
#[test]
fn the_limit_of_challenges_is_a_knob() {
    let mut script = Script::new(|config| config.tcp.challenges = 3);
    established(&mut script);
    let heard: usize = (0..100).map(|_| script.tell(&say(SYN, IRS + 500, 0)).len()).sum();
    assert_eq!(heard, 3);
}

/// EV-CLOSED-1: both forms of the reset, and none for a reset.
#[test]
fn a_closed_port_resets() {
    both(|mut script| {
        let heard = script.tell(&say(SYN, IRS, 0));
        assert_eq!(
            (heard[0].flags, heard[0].seq, heard[0].ack),
            (RST | ACK, 0, IRS + 1)
        );
        let heard = script.tell(&say(ACK, IRS, 77));
        assert_eq!((heard[0].flags, heard[0].seq), (RST, 77));
        assert_eq!(script.tell(&say(RST, IRS, 0)), []);
    });
}

/// RFC 1337: a reset does not end TIME_WAIT.
#[test]
fn a_reset_does_not_assassinate_time_wait() {
    both(|mut script| {
        waiting(&mut script, None);
        assert_eq!(script.tell(&say(RST, IRS + 2, 0)), []);
        assert_eq!(script.engine.time_wait().len, 1);
        assert_eq!(script.engine.counters().tcp.time_wait_resets_ignored, 1);
    });
}

/// EV-FIN-2: a FIN that comes again is acknowledged and begins 2MSL anew.
#[test]
fn a_fin_that_comes_again_restarts_time_wait() {
    both(|mut script| {
        let snd_nxt = waiting(&mut script, None);
        script.pass(Duration::from_secs(50));
        let heard = script.tell(&say(FIN | ACK, IRS + 1, snd_nxt));
        assert_eq!(
            (heard[0].flags, heard[0].seq, heard[0].ack),
            (ACK, snd_nxt, IRS + 2)
        );
        script.pass(Duration::from_secs(55));
        assert_eq!(
            script.engine.time_wait().len,
            1,
            "105 s after it began, 55 s after it was restarted"
        );
        script.pass(Duration::from_secs(70));
        assert_eq!(script.engine.time_wait().len, 0);
    });
}

/// SHLD-4, MAY-2: a SYN may end TIME_WAIT with a newer timestamp, or a higher sequence number.
#[test]
fn a_new_incarnation_ends_time_wait() {
    for (tsval, old, new) in [
        (
            Some(100),
            say(SYN, IRS + 9000, 0).at(99),
            say(SYN, IRS - 1000, 0).at(101),
        ),
        (None, say(SYN, IRS - 1000, 0), say(SYN, IRS + 9000, 0)),
    ] {
        let mut script = plain();
        waiting(&mut script, tsval);
        let heard = script.tell(&old);
        assert_eq!(heard[0].flags, ACK, "an old duplicate is acknowledged");
        assert_eq!(script.engine.time_wait().len, 1);
        let heard = script.tell(&new);
        assert_eq!((heard[0].flags, heard[0].ack), (SYN | ACK, new.seq + 1));
        let status = script.engine.time_wait();
        assert_eq!((status.len, status.reused, status.violations), (0, 1, 0));
    }
}

/// RFC 7323 section 5: an old timestamp is acknowledged and dropped.
#[test]
fn paws_drops_the_past() {
    both(|mut script| {
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let snd_nxt = open(&mut script, &say(SYN, IRS, 0).at(1000)) + 1;
        let connection = script.engine.tcp_accept(listener).unwrap();
        let heard = script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).at(999).text(b"old"));
        assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 1));
        assert_eq!(script.engine.counters().tcp.dropped_paws, 1);
        script.tell(&say(ACK | PSH, IRS + 1, snd_nxt).at(1001).text(b"new"));
        assert_eq!(crate::support::read_all(&mut script.engine, connection).0, b"new");
    });
}

/// MUST-36, MUST-37: a closed window is probed for as long as the peer answers, and data goes on when it opens.
#[test]
fn a_closed_window_is_probed() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        script.tell(&say(ACK, IRS + 1, snd_nxt).window(0));
        script.engine.tcp_send(connection, b"waiting").unwrap();
        assert_eq!(script.hear(), []);
        for _ in 0..30 {
            let probes = script.pass(Duration::from_secs(130));
            assert!(!probes.is_empty(), "the window is probed");
            script.tell(&say(ACK, IRS + 1, snd_nxt).window(0));
        }
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
        let heard = script.tell(&say(ACK, IRS + 1, snd_nxt).window(1000));
        assert_eq!(
            (heard[0].seq, heard[0].text.as_slice()),
            (snd_nxt, &b"waiting"[..])
        );
    });
}

/// MUST-15, MUST-16: without the option, IPv4 peers take 536 bytes and IPv6 peers 1220.
#[test]
fn the_default_segment_size() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        script.engine.tcp_send(connection, &[1; 2000]).unwrap();
        let heard = script.hear();
        let expected = match script.family {
            Family::V4 => 536,
            Family::V6 => 1220,
        };
        assert_eq!((heard[0].seq, heard[0].text.len()), (snd_nxt, expected));
    });
}

/// MUST-17, SHLD-7: a small segment waits for the acknowledgment of the one before, unless Nagle is off.
#[test]
fn nagle_holds_small_segments_back() {
    for no_delay in [false, true] {
        let mut script = plain();
        let (connection, _, snd_nxt) = established(&mut script);
        script.engine.tcp_set_no_delay(connection, no_delay).unwrap();
        script.engine.tcp_send(connection, b"one").unwrap();
        assert_eq!(script.hear().len(), 1);
        script.engine.tcp_send(connection, b"two").unwrap();
        assert_eq!(script.hear().len(), usize::from(no_delay));
        let heard = script.tell(&say(ACK, IRS + 1, snd_nxt + 3));
        assert_eq!(heard.len(), usize::from(!no_delay));
    }
}

/// SHLD-18, SHLD-19, MUST-40: the first segments are acknowledged at once, then every second or after 40 ms.
#[test]
fn acknowledgments_wait_for_company_but_not_long() {
    let mut script = Script::new(|config| config.tcp.quick_acks = 1);
    let (_, _, snd_nxt) = established(&mut script);
    let full = |number: u32| say(ACK, IRS + 1 + number * 536, snd_nxt).text(&[0; 536]);
    assert_eq!(script.tell(&full(0)).len(), 1, "quick");
    assert_eq!(script.tell(&full(1)), [], "delayed");
    assert_eq!(script.tell(&full(2)).len(), 1, "the second");
    assert_eq!(script.tell(&full(3)), []);
    assert_eq!(script.pass(Duration::from_millis(39)), []);
    let heard = script.pass(Duration::from_millis(2));
    assert_eq!((heard.len(), heard[0].ack), (1, IRS + 1 + 4 * 536));
}

/// SHLD-18: how many segments are acknowledged at once can be set on a connection, and what waits goes out with it.
#[test]
fn acknowledgments_can_be_made_quick_again() {
    let mut script = Script::new(|config| config.tcp.quick_acks = 0);
    let (connection, _, snd_nxt) = established(&mut script);
    let full = |number: u32| say(ACK, IRS + 1 + number * 536, snd_nxt).text(&[0; 536]);
    assert_eq!(script.tell(&full(0)), [], "delayed");
    script.engine.tcp_set_quick_acks(connection, 0).unwrap();
    assert_eq!(script.hear(), [], "still");
    script.engine.tcp_set_quick_acks(connection, 2).unwrap();
    assert_eq!(script.hear().len(), 1, "what waited goes out");
    assert_eq!(script.tell(&full(1)).len(), 1, "quick");
    assert_eq!(script.tell(&full(2)).len(), 1, "quick");
    assert_eq!(script.tell(&full(3)), [], "delayed again");
}

/// MAY-13, SHLD-31, EV-FIN-1: what comes early is kept and reported; a FIN counts in its turn.
#[test]
fn early_text_and_an_early_fin_wait_for_their_turn() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        let heard = script.tell(&say(ACK | FIN, IRS + 4, snd_nxt).text(b"def"));
        assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 1));
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
        let heard = script.tell(&say(ACK, IRS + 1, snd_nxt).text(b"abc"));
        assert_eq!(heard.last().unwrap().ack, IRS + 8);
        assert_eq!(
            crate::support::read_all(&mut script.engine, connection),
            (b"abcdef".to_vec(), true)
        );
        assert_eq!(script.engine.tcp_state(connection), Some(State::CloseWait));
    });
}

/// SHLD-14, EV-TEXT-1: RCV.NXT + RCV.WND never moves left, however little is read.
#[test]
fn the_window_is_never_retracted() {
    let mut script = Script::new(|config| config.tcp.receive_buffer = 10_000);
    let (_, _, snd_nxt) = established(&mut script);
    let mut edge = 0;
    for number in 0..30 {
        let text = say(ACK, IRS + 1 + number * 300, snd_nxt).text(&[0; 300]);
        for heard in script.tell(&text) {
            let new_edge = heard.ack + u32::from(heard.window);
            assert!(new_edge >= edge, "{new_edge} is left of {edge}");
            edge = new_edge;
        }
    }
    assert!(edge > 0);
}

/// MUST-10: SYNs that cross make one connection.
#[test]
fn crossing_syns_make_one_connection() {
    both(|mut script| {
        let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
        let syn = script.hear().remove(0);
        let crossed = say(SYN, IRS, 0).ports(THEIR_PORT, syn.from);
        let heard = script.tell(&crossed);
        assert_eq!(
            (heard[0].flags, heard[0].seq, heard[0].ack),
            (SYN | ACK, syn.seq, IRS + 1)
        );
        script.tell(&say(SYN | ACK, IRS, syn.seq + 1).ports(THEIR_PORT, syn.from));
        assert_eq!(script.engine.tcp_state(connection), Some(State::Established));
    });
}

/// RFC 6298: the SYN-ACK that answers a crossed SYN is sent again after a second, two, four; that its peer does SACK makes it no tail to be probed.
#[test]
fn an_answer_to_a_crossed_syn_is_sent_again_at_doubling_intervals() {
    both(|mut script| {
        let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
        let syn = script.hear().remove(0);
        let mut crossed = say(SYN, IRS, 0).ports(THEIR_PORT, syn.from);
        crossed.sack_permitted = true;
        assert_eq!(script.tell(&crossed).len(), 1);
        let sent = script.now;
        for seconds in [1, 3, 7, 15] {
            let until =
                |script: &Script, millis| (sent + Duration::from_millis(millis)).saturating_since(script.now);
            let early = script.pass(until(&script, seconds * 1000 - 50));
            assert_eq!(early, [], "before {seconds} s");
            let again = script.pass(until(&script, seconds * 1000 + 50));
            assert_eq!(again.len(), 1, "after {seconds} s");
            assert_eq!((again[0].flags, again[0].seq), (SYN | ACK, syn.seq));
            // Counts retransmissions anew, and is no reason for others.
            let timeout = UserTimeout::After(Duration::from_secs(100));
            script.engine.tcp_set_user_timeout(connection, timeout).unwrap();
            script.engine.check_invariants().unwrap();
        }
    });
}

/// RFC 9293 section 3.10.4: a FIN waits for the handshake, also where SYNs crossed, and is not counted with our SYN.
#[test]
fn a_close_between_crossing_syns_waits_for_the_handshake() {
    both(|mut script| {
        let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
        let syn = script.hear().remove(0);
        script.tell(&say(SYN, IRS, 0).ports(THEIR_PORT, syn.from));
        script.engine.tcp_close(connection);
        assert_eq!(script.hear(), []);
        script.engine.check_invariants().unwrap();
        let heard = script.tell(&say(ACK, IRS + 1, syn.seq + 1).ports(THEIR_PORT, syn.from));
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].flags, heard[0].seq), (FIN | ACK, syn.seq + 1));
        script.engine.check_invariants().unwrap();
    });
}

/// RFC 9293 section 3.3.2: a SYN-ACK is sent again, and the entry goes in the end.
#[test]
fn a_syn_ack_is_sent_again() {
    both(|mut script| {
        script.engine.tcp_listen(script.local(), 8).unwrap();
        let first = script.tell(&say(SYN, IRS, 0));
        let again = script.pass(Duration::from_secs(120));
        assert_eq!(again.len(), 5);
        assert!(
            again
                .iter()
                .all(|heard| (heard.flags, heard.seq) == (SYN | ACK, first[0].seq))
        );
        assert_eq!(script.engine.tcp_memory().half_open, 0);
    });
}

/// RFC 5961 section 7: what a half-open connection answers is limited too, and each SYN-ACK that goes again sets the limit back.
#[test]
fn challenges_of_a_half_open_connection_are_limited() {
    both(|mut script| {
        script.engine.tcp_listen(script.local(), 8).unwrap();
        let iss = script.tell(&say(SYN, IRS, 0))[0].seq;
        let others: Vec<_> = (0..30)
            .flat_map(|number| script.tell(&say(SYN, IRS + 100 + number, 0)))
            .collect();
        assert_eq!(others.len(), 10);
        assert!(
            others
                .iter()
                .all(|heard| (heard.flags, heard.seq, heard.ack) == (ACK, iss + 1, IRS + 1))
        );
        assert_eq!(script.engine.counters().tcp.challenge_acks_limited, 20);
        script.pass(Duration::from_millis(1100));
        assert_eq!(script.tell(&say(ACK, IRS + 100_000, iss + 1)).len(), 1);
    });
}

/// RFC 5961 section 4: a peer that has forgotten its attempt answers the challenge with an exact reset, and can begin anew.
#[test]
fn a_peer_that_starts_anew_gets_through() {
    both(|mut script| {
        script.engine.tcp_listen(script.local(), 8).unwrap();
        script.tell(&say(SYN, IRS, 0));
        let challenge = script.tell(&say(SYN, IRS + 5000, 0)).remove(0);
        assert_eq!(script.tell(&say(RST, challenge.ack, 0)), []);
        assert_eq!(script.engine.tcp_memory().half_open, 0);
        open(&mut script, &say(SYN, IRS + 5000, 0));
    });
}

/// Without cookies, a full half-open table takes no SYN more, and says so in a counter.
#[test]
fn a_full_half_open_table_drops_syns() {
    let mut script = Script::new(|config| {
        config.tcp.half_open = 4;
        config.tcp.syn_cookies = false;
    });
    script.engine.tcp_listen(script.local(), 8).unwrap();
    for port in 1..=10 {
        let answers = script.tell(&say(SYN, IRS, 0).ports(port, OUR_PORT)).len();
        assert_eq!(answers, usize::from(port <= 4));
    }
    assert_eq!(script.engine.counters().tcp.dropped_half_open_full, 6);
}

/// Ports that are used up come back when TIME_WAIT is over.
#[test]
fn used_up_ports_come_back_after_time_wait() {
    let mut script = Script::new(|config| config.ephemeral_ports = 2000..=2009);
    for _ in 0..10 {
        let connection = script.engine.tcp_connect(None, script.remote()).unwrap();
        let syn = script.hear().remove(0);
        script.tell(&say(SYN | ACK, IRS, syn.seq + 1).ports(THEIR_PORT, syn.from));
        script.engine.tcp_close(connection);
        script.hear();
        script.tell(&say(FIN | ACK, IRS + 1, syn.seq + 2).ports(THEIR_PORT, syn.from));
    }
    assert_eq!(script.engine.time_wait().len, 10);
    assert_eq!(
        script.engine.tcp_connect(None, script.remote()),
        Err(ConnectError::PortsExhausted)
    );
    script.pass(Duration::from_secs(61));
    assert!(script.engine.tcp_connect(None, script.remote()).is_ok());
}

/// EV-ACK-4: a FIN that was sent is acknowledged also while a timeout has everything sent again and its turn has not come.
#[test]
fn a_fin_is_acknowledged_while_data_is_sent_again() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        script.engine.tcp_send(connection, &[1; 2000]).unwrap();
        script.engine.tcp_shutdown(connection).unwrap();
        assert_eq!(script.hear().last().unwrap().flags & FIN, FIN);
        let again = script.pass(Duration::from_millis(1500));
        assert!(
            again
                .iter()
                .all(|heard| heard.seq == snd_nxt && heard.flags & FIN == 0)
        );
        assert_eq!(script.tell(&say(ACK, IRS + 1, snd_nxt + 2001)), []);
        assert_eq!(script.engine.tcp_state(connection), Some(State::FinWait2));
        assert_eq!(script.pass(Duration::from_secs(10)), []);
    });
}

/// RFC 9293 section 3.10.4: a FIN follows what is queued, and takes no packet of its own for that. When the segment is lost, both come again.
#[test]
fn a_fin_goes_with_the_last_text() {
    both(|mut script| {
        let (connection, _, snd_nxt) = established(&mut script);
        script.engine.tcp_send(connection, b"goodbye").unwrap();
        script.engine.tcp_shutdown(connection).unwrap();
        let heard = script.hear();
        assert_eq!(heard.len(), 1);
        assert_eq!((heard[0].flags, heard[0].seq), (PSH | FIN | ACK, snd_nxt));
        let again = script.pass(Duration::from_millis(1500));
        assert_eq!((again[0].flags, again[0].seq), (PSH | FIN | ACK, snd_nxt));
        assert_eq!(again[0].text, b"goodbye");
        assert_eq!(script.tell(&say(ACK, IRS + 1, snd_nxt + 8)), []);
        assert_eq!(script.engine.tcp_state(connection), Some(State::FinWait2));
    });
}

/// RFC 1122 section 3.2.2.6: a ping is answered with what it carried.
#[test]
fn a_ping_is_answered() {
    let mut script = plain();
    let mut ping = Vec::new();
    PacketBuilder::ipv4(THEIRS, OURS, 64)
        .icmpv4_echo_request(7, 9)
        .write(&mut ping, b"are you there?")
        .unwrap();
    script.inject(&ping);
    let answers = script.hear_packets();
    assert_eq!((answers.len(), answers[0][20]), (1, 0), "an echo reply");
    assert_eq!(answers[0][24..], ping[24..]);
}

/// RFC 1122 section 4.1.3.3: a port unreachable reaches the socket whose datagram it quotes.
#[test]
fn a_port_unreachable_reaches_the_socket() {
    let mut script = plain();
    let socket = script.engine.udp_bind(script.local()).unwrap();
    script
        .engine
        .udp_send(socket, script.remote(), b"anybody?")
        .unwrap();
    let datagram = script.hear_packets().remove(0);
    let mut unreachable = Vec::new();
    PacketBuilder::ipv4(THEIRS, OURS, 64)
        .icmpv4_raw(3, 3, [0; 4])
        .write(&mut unreachable, &datagram)
        .unwrap();
    script.inject(&unreachable);
    assert_eq!(
        script.engine.udp_take_error(socket),
        Some(ConnectionError::Refused)
    );
    assert_eq!(script.engine.udp_take_error(socket), None);
}
