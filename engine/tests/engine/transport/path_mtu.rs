//! How large segments may be: what routers say of it (RFC 1191, RFC 8201, RFC 5927 section 7), and what their silence says (RFC 4821).

use crate::support::Family;
use crate::support::peer::{ACK, SYN, Script, Segment, say, too_big};
use handfast::application::TcpHandle;
use handfast::config::Congestion;
use handfast::time::Duration;

const IRS: u32 = 5000;
/// What the peer announces.
const MSS: u16 = 1400;

/// An engine that sends to a peer over a path with routers.
struct Sender {
    script: Script,
    connection: TcpHandle,
    first: u32,
}

impl Sender {
    fn new(family: Family) -> Self {
        let mut script = Script::over(family, |config| {
            config.tcp.congestion = Congestion::NewReno;
            config.tcp.no_delay = true;
            config.tcp.random_back_off = false;
        });
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let mut syn = say(SYN, IRS, 0);
        (syn.mss, syn.sack_permitted) = (Some(MSS), true);
        let first = script.tell(&syn)[0].seq + 1;
        script.tell(&say(ACK, IRS + 1, first));
        let connection = script.engine.tcp_accept(listener).expect("established");
        Self {
            script,
            connection,
            first,
        }
    }

    /// Sends so many octets and returns the packets.
    fn send(&mut self, octets: usize) -> Vec<Vec<u8>> {
        self.script
            .engine
            .tcp_send(self.connection, &vec![7; octets])
            .unwrap();
        self.script.hear_packets()
    }

    fn complain(&mut self, packet: &[u8], mtu: u32) -> Vec<Segment> {
        let message = too_big(self.script.family, packet, mtu);
        self.script.inject(&message);
        self.script.hear()
    }

    /// The peer has so many octets.
    fn acknowledge(&mut self, octets: u32) -> Vec<Segment> {
        self.script.tell(&say(ACK, IRS + 1, self.first + octets))
    }

    fn mss(&mut self) -> u32 {
        self.script.engine.tcp_info(self.connection).unwrap().snd_mss
    }

    fn cwnd(&mut self) -> u32 {
        self.script.engine.tcp_info(self.connection).unwrap().snd_cwnd
    }
}

/// Octets of headers without options.
fn headers(family: Family) -> u32 {
    match family {
        Family::V4 => 40,
        Family::V6 => 60,
    }
}

fn both(test: impl Fn(Sender)) {
    for family in Family::BOTH {
        test(Sender::new(family));
    }
}

/// RFC 1191 section 6.5, RFC 8201 section 5.4: everything that is outstanding goes again at once, in segments that fit, and the window
/// stays, for nothing says that the path is congested.
#[test]
fn what_was_too_large_is_cut_anew_and_sent_again_at_once() {
    both(|mut sender| {
        let packets = sender.send(3 * usize::from(MSS));
        let (cwnd, mtu) = (sender.cwnd(), 1300);
        let heard = sender.complain(&packets[0], mtu);
        let mss = mtu - headers(sender.script.family);
        assert_eq!(sender.mss(), mss);
        assert_eq!(sender.cwnd(), cwnd);
        let starts: Vec<_> = heard.iter().map(|segment| segment.seq - sender.first).collect();
        assert_eq!(starts, [0, mss, 2 * mss, 3 * mss]);
        assert!(heard.iter().all(|segment| segment.text.len() as u32 <= mss));
        let total: usize = heard.iter().map(|segment| segment.text.len()).sum();
        assert_eq!(total, 3 * usize::from(MSS));
        sender.acknowledge(3 * u32::from(MSS));
        assert!(sender.cwnd() >= cwnd);
        let counters = sender.script.engine.counters().tcp;
        assert_eq!((counters.timeouts, counters.path_mtu_reductions), (0, 1));
    });
}

/// The routers complain about each segment that was too large; what went again meanwhile fits.
#[test]
fn further_complaints_about_the_same_flight_change_nothing() {
    both(|mut sender| {
        let packets = sender.send(3 * usize::from(MSS));
        sender.complain(&packets[0], 1300);
        for packet in &packets[1..] {
            assert_eq!(sender.complain(packet, 1300), []);
        }
        assert_eq!(sender.script.engine.counters().tcp.path_mtu_reductions, 1);
    });
}

/// RFC 5927 section 4.1: who does not know a sequence number that is outstanding is not believed.
#[test]
fn a_message_that_quotes_nothing_outstanding_is_ignored() {
    both(|mut sender| {
        let packets = sender.send(usize::from(MSS));
        sender.acknowledge(u32::from(MSS));
        let later = sender.send(usize::from(MSS));
        assert_eq!(sender.complain(&packets[0], 1300), [], "acknowledged");
        let mut beyond = later[0].clone();
        let at = if sender.script.family == Family::V4 {
            24
        } else {
            44
        };
        let seq = (sender.first + 2 * u32::from(MSS)).to_be_bytes();
        beyond[at..at + 4].copy_from_slice(&seq);
        assert_eq!(sender.complain(&beyond, 1300), [], "not sent yet");
        assert_eq!(sender.mss(), u32::from(MSS));
        assert_eq!(sender.script.engine.counters().tcp.icmp_errors_ignored, 2);
    });
}

/// RFC 5927 section 7, RFC 8201 section 4: no message makes segments larger, nor smaller than anybody needs.
#[test]
fn a_message_neither_widens_nor_starves() {
    both(|mut sender| {
        let packets = sender.send(usize::from(MSS));
        let full = u32::from(MSS) + headers(sender.script.family);
        for mtu in [full, full + 1, 9000, 65_535] {
            assert_eq!(sender.complain(&packets[0], mtu), []);
            assert_eq!(sender.mss(), u32::from(MSS), "{mtu}");
        }
    });
    let mut sender = Sender::new(Family::V4);
    let packets = sender.send(usize::from(MSS));
    for mtu in [68, 296, 551, 552] {
        sender.complain(&packets[0], mtu);
        assert_eq!(sender.mss(), 552 - headers(Family::V4), "{mtu}");
    }
    assert_eq!(sender.script.engine.counters().tcp.path_mtu_reductions, 1);
    let mut sender = Sender::new(Family::V6);
    let packets = sender.send(usize::from(MSS));
    for mtu in [0, 68, 1279] {
        assert_eq!(sender.complain(&packets[0], mtu), [], "{mtu} is no MTU of IPv6");
        assert_eq!(sender.mss(), u32::from(MSS), "{mtu}");
    }
    sender.complain(&packets[0], 1280);
    assert_eq!(sender.mss(), 1280 - headers(Family::V6));
}

/// RFC 1191 section 7.1: a router that does not know better says 0, and the next smaller MTU that links have is tried.
#[test]
fn a_message_without_mtu_takes_the_next_plateau() {
    let mut sender = Sender::new(Family::V4);
    let packets = sender.send(usize::from(MSS));
    sender.complain(&packets[0], 0);
    assert_eq!(sender.mss(), 1006 - 40);
    let mut message = too_big(Family::V4, &packets[0], 0);
    sender.script.inject(&message);
    assert_eq!(sender.mss(), 552 - 40, "508 is less than anybody needs");
    message.truncate(40);
    sender.script.inject(&message);
    assert_eq!(sender.mss(), 552 - 40, "a message that is cut short");
}

/// RFC 1191 section 6.3, RFC 8201 section 4: after ten minutes full segments are tried again.
#[test]
fn a_message_is_believed_for_ten_minutes() {
    both(|mut sender| {
        let packets = sender.send(usize::from(MSS));
        sender.complain(&packets[0], 1300);
        sender.acknowledge(u32::from(MSS));
        sender.script.pass(Duration::from_secs(599));
        assert_eq!(sender.mss(), 1300 - headers(sender.script.family));
        sender.script.pass(Duration::from_secs(2));
        assert_eq!(sender.mss(), u32::from(MSS));
        let packets = sender.send(usize::from(MSS));
        assert_eq!(packets.len(), 1, "the probe is a full segment");
        let heard = sender.complain(&packets[0], 1300);
        assert_eq!(heard.len(), 2, "and the path says no again");
    });
}

/// The path is not remembered longer than the connection.
#[test]
fn a_connection_that_ends_leaves_no_deadline() {
    both(|mut sender| {
        let packets = sender.send(usize::from(MSS));
        sender.complain(&packets[0], 1300);
        sender.script.engine.tcp_abort(sender.connection);
        sender.script.pass(Duration::from_secs(100));
        assert_eq!(sender.script.engine.next_deadline(), None);
    });
}

/// Attack class 30: a path that swallows full segments without a word. When three retransmissions have not been answered, smaller ones are tried, and pass.
#[test]
fn a_black_hole_is_walked_around() {
    both(|mut sender| {
        let least = if sender.script.family == Family::V4 {
            700
        } else {
            1220
        };
        let total = 20 * u32::from(MSS);
        let passes = |heard: Vec<Segment>| -> Vec<Segment> {
            let fits = |segment: &Segment| segment.text.len() <= least;
            heard.into_iter().filter(fits).collect()
        };
        let sent = sender.send(total as usize);
        let mut arrived: Vec<_> = passes(sent.iter().filter_map(|packet| Segment::decode(packet)).collect());
        let mut next = sender.first;
        for _ in 0..600 {
            for segment in std::mem::take(&mut arrived) {
                if segment.seq == next {
                    next += segment.text.len() as u32;
                }
            }
            if next == sender.first + total {
                break;
            }
            arrived = passes(sender.script.tell(&say(ACK, IRS + 1, next)));
            arrived.extend(passes(sender.script.pass(Duration::from_millis(100))));
        }
        assert_eq!(next - sender.first, total);
        let counters = sender.script.engine.counters().tcp;
        assert!(counters.path_mtu_suspicions >= 1);
        assert!(counters.timeouts < 10, "{}", counters.timeouts);
    });
}

/// After ten minutes full segments are tried again; on a path that still swallows them, one timeout tells.
#[test]
fn a_black_hole_is_looked_at_again() {
    for swallows in [true, false] {
        let mut sender = Sender::new(Family::V4);
        sender.send(usize::from(MSS));
        sender.script.pass(Duration::from_secs(16));
        sender.acknowledge(u32::from(MSS));
        assert_eq!(sender.mss(), 700);
        sender.script.pass(Duration::from_secs(600));
        assert_eq!(sender.mss(), u32::from(MSS));
        sender.send(2 * usize::from(MSS));
        if !swallows {
            sender.acknowledge(2 * u32::from(MSS));
            sender.send(2 * usize::from(MSS));
        }
        let before = sender.script.engine.counters().tcp.timeouts;
        while sender.script.engine.counters().tcp.timeouts == before {
            sender.script.pass(Duration::from_millis(100));
        }
        let expected = if swallows { 700 } else { u32::from(MSS) };
        assert_eq!(sender.mss(), expected);
        sender.script.engine.tcp_abort(sender.connection);
        sender.script.pass(Duration::from_secs(100));
        assert_eq!(sender.script.engine.next_deadline(), None);
    }
}

/// A peer who is gone for good looks the same, but a segment that is small already says nothing of the path.
#[test]
fn small_segments_are_under_no_suspicion() {
    both(|mut sender| {
        sender.send(100);
        sender.script.pass(Duration::from_secs(60));
        let counters = sender.script.engine.counters().tcp;
        assert!(counters.timeouts >= 5);
        assert_eq!((sender.mss(), counters.path_mtu_suspicions), (u32::from(MSS), 0));
    });
}
