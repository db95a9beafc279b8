//! Pacing and the choice of the congestion control, on single connections.

use crate::support::peer::{ACK, SYN, Script, Segment, say};
use handfast::application::TcpHandle;
use handfast::config::{Congestion, Pacing};
use handfast::time::{Duration, Instant};

const IRS: u32 = 5000;
const MSS: u32 = 1000;

/// An engine that sends to a peer whose round-trip time of 40 ms is known.
struct Sender {
    script: Script,
    connection: TcpHandle,
    first: u32,
}

impl Sender {
    fn new(congestion: Congestion) -> Self {
        let mut script = Script::new(|config| config.tcp.congestion = congestion);
        let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
        let mut syn = say(SYN, IRS, 0);
        (syn.mss, syn.sack_permitted) = (Some(MSS as u16), true);
        let first = script.tell(&syn)[0].seq + 1;
        script.tell(&say(ACK, IRS + 1, first));
        let connection = script.engine.tcp_accept(listener).expect("established");
        let mut sender = Self {
            script,
            connection,
            first,
        };
        sender.send(1);
        sender.script.pass(Duration::from_millis(40));
        sender.acknowledge(1);
        sender
    }

    fn send(&mut self, segments: u32) -> Vec<Segment> {
        let text = vec![7; (segments * MSS) as usize];
        self.script.engine.tcp_send(self.connection, &text).unwrap();
        self.script.hear()
    }

    fn acknowledge(&mut self, segments: u32) -> Vec<Segment> {
        self.script.tell(&say(ACK, IRS + 1, self.first + segments * MSS))
    }

    fn cwnd(&mut self) -> u32 {
        self.script.engine.tcp_info(self.connection).unwrap().snd_cwnd
    }

    /// When each segment leaves, from now on, for so long.
    fn departures(&mut self, span: Duration) -> Vec<(Instant, usize)> {
        let end = self.script.now + span;
        let mut departures = Vec::new();
        while let Some(next) = self.script.engine.next_deadline().filter(|next| *next <= end) {
            self.script.now = self.script.now.max(next);
            let heard = self.script.hear();
            if !heard.is_empty() {
                departures.push((self.script.now, heard.len()));
            }
        }
        self.script.now = end;
        departures
    }
}

/// Without pacing a window goes at once; with it, at the rate of the window: 30 segments of 40 ms at a gain of 1.2 take 33 ms.
#[test]
fn a_window_is_spread_over_the_round_trip() {
    let window = Congestion::Fixed(30 * MSS);
    let mut unpaced = Sender::new(window);
    assert_eq!(unpaced.send(30).len(), 30);
    let mut paced = Sender::new(window);
    paced
        .script
        .engine
        .tcp_set_pacing(paced.connection, Pacing::ByWindow)
        .unwrap();
    let started = paced.script.now;
    let at_once = paced.send(30).len();
    assert!((1..=4).contains(&at_once), "{at_once} at once");
    let departures = paced.departures(Duration::from_millis(60));
    let total: usize = departures.iter().map(|(_, segments)| segments).sum();
    assert_eq!(at_once + total, 30);
    assert!(
        departures.iter().all(|(_, segments)| *segments <= 4),
        "{departures:?}"
    );
    let last = departures.last().unwrap().0.saturating_since(started);
    assert!(
        last >= Duration::from_millis(20) && last <= Duration::from_millis(40),
        "{last:?}"
    );
}

/// A limit counts even when the window would allow more: 100 kB/s are 100 segments in a second.
#[test]
fn a_limit_holds_back_more_than_the_window() {
    let mut sender = Sender::new(Congestion::Fixed(60 * MSS));
    sender
        .script
        .engine
        .tcp_set_pacing(sender.connection, Pacing::UpTo(100_000))
        .unwrap();
    let at_once = sender.send(60).len();
    let departures = sender.departures(Duration::from_millis(150));
    let sent = at_once + departures.iter().map(|(_, segments)| segments).sum::<usize>();
    assert!((14..=19).contains(&sent), "{sent} segments in 150 ms");
    let info = sender.script.engine.tcp_info(sender.connection).unwrap();
    assert_eq!(info.pacing_rate, Some(100_000));
}

/// Switched off, what was held back goes at once.
#[test]
fn pacing_can_be_switched_off() {
    let mut sender = Sender::new(Congestion::Fixed(30 * MSS));
    sender
        .script
        .engine
        .tcp_set_pacing(sender.connection, Pacing::UpTo(1))
        .unwrap();
    let at_once = sender.send(30).len();
    assert!(at_once <= 3, "{at_once}");
    sender
        .script
        .engine
        .tcp_set_pacing(sender.connection, Pacing::Off)
        .unwrap();
    assert_eq!(at_once + sender.script.hear().len(), 30);
}

/// Retransmissions are paced like everything else, and all arrives.
#[test]
fn what_is_sent_again_is_paced_too() {
    let mut sender = Sender::new(Congestion::Fixed(30 * MSS));
    sender
        .script
        .engine
        .tcp_set_pacing(sender.connection, Pacing::ByWindow)
        .unwrap();
    sender.send(20);
    sender.departures(Duration::from_millis(40));
    // The first ten are missing.
    let held = say(ACK, IRS + 1, sender.first + MSS);
    let blocks = [(sender.first + 11 * MSS, sender.first + 21 * MSS)];
    let at_once = sender.script.tell(&held.sack(&blocks)).len();
    let departures = sender.departures(Duration::from_millis(60));
    let total = at_once + departures.iter().map(|(_, segments)| segments).sum::<usize>();
    assert!(at_once <= 4, "{at_once} at once");
    assert!(total >= 10, "{total}");
    sender.acknowledge(21);
    let info = sender.script.engine.tcp_info(sender.connection).unwrap();
    assert_eq!(info.unacked, 0);
}

/// An open connection takes its window along; a fixed one says nothing of the path.
#[test]
fn the_congestion_control_is_chosen_per_connection() {
    let mut sender = Sender::new(Congestion::Cubic);
    let window = sender.cwnd();
    for choice in [Congestion::NewReno, Congestion::Cubic, Congestion::NewReno] {
        sender
            .script
            .engine
            .tcp_set_congestion(sender.connection, choice)
            .unwrap();
        assert_eq!(sender.cwnd(), window);
    }
    let fixed = Congestion::Fixed(123_456);
    sender
        .script
        .engine
        .tcp_set_congestion(sender.connection, fixed)
        .unwrap();
    assert_eq!(sender.cwnd(), 123_456);
    sender
        .script
        .engine
        .tcp_set_congestion(sender.connection, Congestion::NewReno)
        .unwrap();
    assert_eq!(sender.cwnd(), 10 * MSS);
}

/// The choice that was made before the handshake is over holds after it.
#[test]
fn the_congestion_control_can_be_chosen_before_the_handshake() {
    let mut script = Script::new(|_| {});
    let connection = script.engine.tcp_connect(None, Script::theirs()).unwrap();
    script
        .engine
        .tcp_set_congestion(connection, Congestion::Fixed(77_000))
        .unwrap();
    let syn = script.hear().remove(0);
    script.tell(&say(SYN | ACK, IRS, syn.seq + 1).ports(syn.to, syn.from));
    assert_eq!(script.engine.tcp_info(connection).unwrap().snd_cwnd, 77_000);
}
