//! What loss recovery does, rule by rule: a scripted peer says what he has, and hears what is sent again.

mod reordering;
mod reports;
mod virtual_segments;

use crate::support::peer::{ACK, OUR_PORT, SYN, Script, Segment, say};
use handfast::application::TcpHandle;
use handfast::config::{Config, Congestion};
use handfast::time::Duration;
use handfast::transport::tcp::{Limit, TcpCounters, TcpInfo};

/// The peer's initial sequence number.
const IRS: u32 = 5000;
/// Octets of a segment, without timestamps.
const MSS: u32 = 1000;
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// What the peer offers in his SYN.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Sack,
    Plain,
    /// SACK and timestamps.
    Stamped,
}

/// An engine that sends segments, numbered from 0 on, to a peer.
struct Sender {
    script: Script,
    connection: TcpHandle,
    first: u32,
    stamped: bool,
    /// TSval of what was sent last.
    tsval: u32,
}

impl Sender {
    /// A connection whose round-trip time is known and whose window is 20 segments.
    fn new(peer: Peer, congestion: Congestion) -> Self {
        Self::with(peer, |config| config.tcp.congestion = congestion)
    }

    fn with(peer: Peer, configure: impl FnOnce(&mut Config)) -> Self {
        let script = Script::new(|config| {
            config.tcp.no_delay = true;
            config.tcp.random_back_off = false;
            configure(config);
        });
        let mut sender = Self::on(script, peer);
        assert_eq!(sender.send(10), (0..10).collect::<Vec<_>>());
        sender.pass(ROUND_TRIP);
        assert_eq!(sender.acknowledge(10, &[]), []);
        sender
    }

    /// A connection that has sent nothing yet.
    fn on(mut script: Script, peer: Peer) -> Self {
        let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
        let mut syn = say(SYN, IRS, 0);
        syn.sack_permitted = peer != Peer::Plain;
        let stamped = peer == Peer::Stamped;
        syn.mss = Some(if stamped { MSS as u16 + 12 } else { MSS as u16 });
        syn.timestamps = stamped.then_some((1, 0));
        let heard = script.tell(&syn).remove(0);
        let tsval = heard.timestamps.map_or(0, |(tsval, _)| tsval);
        let first = heard.seq + 1;
        let mut last = say(ACK, IRS + 1, first);
        last.timestamps = stamped.then_some((1, tsval));
        script.tell(&last);
        let connection = script.engine.tcp_accept(listener).expect("established");
        Self {
            script,
            connection,
            first,
            stamped,
            tsval,
        }
    }

    /// Queues so many segments of data; tells which segments go out.
    fn send(&mut self, segments: u32) -> Vec<u32> {
        let text = vec![7; (segments * MSS) as usize];
        assert_eq!(
            self.script.engine.tcp_send(self.connection, &text),
            Ok(text.len())
        );
        let heard = self.script.hear();
        self.numbers(&heard)
    }

    /// The numbers of the segments that have text.
    fn numbers(&mut self, heard: &[Segment]) -> Vec<u32> {
        let texts = heard.iter().filter(|segment| !segment.text.is_empty());
        if let Some((tsval, _)) = heard.last().and_then(|segment| segment.timestamps) {
            self.tsval = tsval;
        }
        texts.map(|segment| (segment.seq - self.first) / MSS).collect()
    }

    fn edge(&self, number: u32) -> u32 {
        self.first + number * MSS
    }

    /// Acknowledges everything before segment `next`, and selectively the segments of each range; tells which segments follow.
    fn acknowledge(&mut self, next: u32, held: &[(u32, u32)]) -> Vec<u32> {
        let tsecr = self.tsval;
        self.echo(next, held, tsecr)
    }

    fn echo(&mut self, next: u32, held: &[(u32, u32)], tsecr: u32) -> Vec<u32> {
        let blocks: Vec<_> = held
            .iter()
            .map(|(left, right)| (self.edge(*left), self.edge(*right)))
            .collect();
        let mut segment = say(ACK, IRS + 1, self.edge(next)).sack(&blocks);
        segment.timestamps = self.stamped.then_some((1, tsecr));
        let heard = self.script.tell(&segment);
        self.numbers(&heard)
    }

    fn pass(&mut self, span: Duration) -> Vec<u32> {
        let heard = self.script.pass(span);
        self.numbers(&heard)
    }

    fn info(&mut self) -> TcpInfo {
        self.script.engine.tcp_info(self.connection).unwrap()
    }

    fn counters(&self) -> TcpCounters {
        self.script.engine.counters().tcp
    }

    /// How many segments may be outstanding, when nothing is now.
    fn window(&mut self) -> usize {
        self.send(60).len()
    }
}

fn sack() -> Sender {
    Sender::new(Peer::Sack, Congestion::Cubic)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// RFC 6582 section 3.2 step 3: the acknowledgment that ends fast recovery leaves the window at ssthresh.
#[test]
fn the_end_of_recovery_leaves_the_window_at_ssthresh() {
    for peer in [Peer::Plain, Peer::Sack] {
        let mut sender = Sender::new(peer, Congestion::NewReno);
        sender.send(20);
        sender.pass(ROUND_TRIP);
        for held in 12..15 {
            let blocks = [(11, held)];
            sender.acknowledge(10, if peer == Peer::Sack { &blocks } else { &[] });
        }
        sender.pass(ROUND_TRIP);
        sender.acknowledge(30, &[]);
        let info = sender.script.engine.tcp_info(sender.connection).unwrap();
        assert!(!info.in_recovery && !info.in_disorder);
        assert_eq!((info.snd_ssthresh, info.snd_cwnd), (10 * MSS, 10 * MSS));
    }
}

/// RFC 3465 section 2.3: after a timeout an acknowledgment adds one segment at most, also the one that covers all that was outstanding.
#[test]
fn after_a_timeout_one_acknowledgment_adds_one_segment() {
    for congestion in [Congestion::Cubic, Congestion::NewReno] {
        let mut sender = Sender::new(Peer::Plain, congestion);
        sender.send(20);
        sender.pass(Duration::from_millis(400));
        sender.acknowledge(30, &[]);
        let info = sender.script.engine.tcp_info(sender.connection).unwrap();
        assert_eq!(info.snd_cwnd, 2 * MSS, "{congestion:?}");
    }
}

/// RFC 6675, RFC 8985: one loss in a window of 20 costs one retransmission, and no timeout.
#[test]
fn one_loss_costs_one_retransmission() {
    for congestion in [Congestion::Cubic, Congestion::NewReno] {
        let mut sender = Sender::new(Peer::Sack, congestion);
        assert_eq!(sender.send(20), (10..30).collect::<Vec<_>>());
        sender.pass(ROUND_TRIP);
        let mut again = Vec::new();
        for held in 12..=30 {
            again.extend(sender.acknowledge(10, &[(11, held)]));
        }
        assert_eq!(again, [10]);
        sender.pass(ROUND_TRIP);
        assert_eq!(sender.acknowledge(30, &[]), []);
        assert_eq!(sender.pass(millis(5000)), []);
        let counters = sender.counters();
        assert_eq!((counters.segments_retransmitted, counters.timeouts), (1, 0));
        assert_eq!(counters.fast_recoveries, 1);
    }
}

/// RFC 6675 section 5: several losses of a window are repaired in one round trip, in order, and nothing that the peer holds is sent
/// again.
#[test]
fn several_losses_are_repaired_in_one_round_trip() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    let mut again = Vec::new();
    for held in 20..=30 {
        again.extend(sender.acknowledge(10, &[(18, held), (14, 17), (11, 13)]));
    }
    assert_eq!(again, [10, 13, 17]);
    assert_eq!(sender.acknowledge(30, &[]), []);
    assert_eq!(sender.counters().timeouts, 0);
}

/// RFC 9937: in a recovery the flight comes down to seven tenths, and the window is ssthresh when it ends.
#[test]
fn the_window_after_a_recovery_is_ssthresh() {
    for (congestion, window) in [(Congestion::Cubic, 14), (Congestion::NewReno, 10)] {
        let mut sender = Sender::new(Peer::Sack, congestion);
        sender.send(20);
        sender.pass(ROUND_TRIP);
        for held in 12..=30 {
            sender.acknowledge(10, &[(11, held)]);
        }
        sender.pass(ROUND_TRIP);
        sender.acknowledge(30, &[]);
        assert_eq!(sender.window(), window);
    }
}

/// RFC 8985 section 7: when the tail is lost, a probe makes the peer tell what is missing, long before the retransmission timer.
#[test]
fn a_lost_tail_is_probed() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    assert_eq!(sender.acknowledge(25, &[]), []);
    assert_eq!(sender.pass(millis(85)), [29]);
    sender.pass(ROUND_TRIP);
    // What has arrived lets one segment go, and each acknowledgment after it one more than it acknowledges (RFC 9937 section 6).
    assert_eq!(sender.acknowledge(25, &[(29, 30)]), [25]);
    assert_eq!(sender.acknowledge(26, &[(29, 30)]), [26, 27]);
    assert_eq!(sender.acknowledge(28, &[(29, 30)]), [28]);
    assert_eq!(sender.acknowledge(30, &[]), []);
    let counters = sender.counters();
    assert_eq!((counters.tail_loss_probes, counters.timeouts), (1, 0));
}

/// RFC 8985 section 7.3: a probe is new data, if there is any.
#[test]
fn a_probe_prefers_new_data() {
    let mut sender = sack();
    assert_eq!(sender.send(25).len(), 20);
    assert_eq!(sender.pass(millis(85)), [30]);
}

/// RFC 8985 section 7.2: the acknowledgment of a single segment may be delayed, and the probe comes when the retransmission timer would have run
/// out, which then comes after it. A probe alone tells of no congestion (section 7.3).
#[test]
fn a_single_segment_is_probed_before_its_timeout() {
    let mut sender = sack();
    let window = |sender: &mut Sender| sender.info().snd_cwnd / MSS;
    sender.send(1);
    assert_eq!(sender.pass(millis(235)), []);
    assert_eq!(sender.pass(millis(10)), [10]);
    let counters = sender.counters();
    assert_eq!((counters.tail_loss_probes, counters.timeouts), (1, 0));
    assert_eq!(window(&mut sender), 20);
    assert_eq!(sender.pass(millis(230)), []);
    assert_eq!(sender.pass(millis(15)), [10]);
    assert_eq!((sender.counters().timeouts, window(&mut sender)), (1, 1));
}

/// RFC 3522: a timeout behind a probe was spurious when the original has arrived, not when the probe has, which came in the place of one that was
/// lost.
#[test]
fn the_answer_to_a_probe_undoes_no_timeout() {
    for (of_probe, undone) in [(true, 0), (false, 1)] {
        let mut sender = Sender::new(Peer::Stamped, Congestion::Cubic);
        sender.send(1);
        let original = sender.tsval;
        assert_eq!(sender.pass(millis(245)), [10]);
        let probe = sender.tsval;
        assert_eq!(sender.pass(millis(245)), [10]);
        sender.echo(11, &[], if of_probe { probe } else { original });
        let counters = sender.counters();
        assert_eq!((counters.timeouts, counters.recoveries_undone), (1, undone));
    }
}

/// RFC 8985 section 7.2, RFC 6298 section 5.1: new data puts a probe off, but not beyond the retransmission timer, which new data does not move
/// either.
#[test]
fn new_data_puts_no_timer_off_for_ever() {
    let mut sender = sack();
    sender.send(1);
    let mut again = Vec::new();
    for step in 1..=14 {
        let sent = sender.pass(millis(35));
        again.extend(sent.into_iter().map(|segment| (segment, step * 35)));
        sender.send(1);
    }
    assert_eq!(again, [(16, 245), (10, 490)]);
}

/// RFC 8985 section 7.3: after a probe there is no other before a round-trip time was measured, and its answer measures none.
#[test]
fn a_probe_needs_a_measurement_since_the_last() {
    let mut sender = sack();
    sender.send(2);
    assert_eq!(sender.pass(millis(85)), [11]);
    sender.acknowledge(12, &[]);
    sender.send(2);
    // Both copies have arrived: the probe is answered.
    sender.acknowledge(12, &[(11, 12)]);
    assert_eq!(sender.pass(millis(235)), []);
    assert_eq!(sender.pass(millis(10)), [12], "the timer");
    sender.acknowledge(14, &[]);
    sender.send(2);
    sender.acknowledge(16, &[]);
    sender.send(2);
    assert_eq!(sender.pass(millis(85)), [17], "one was measured");
}

/// RFC 8985 section 7.4: a probe that repairs a loss tells of congestion, unless both copies have arrived.
#[test]
fn a_repaired_tail_is_congestion() {
    for (both_arrive, reductions) in [(false, 1), (true, 0)] {
        let mut sender = sack();
        sender.send(4);
        assert_eq!(sender.pass(millis(85)), [13]);
        sender.acknowledge(14, &[]);
        if both_arrive {
            sender.acknowledge(14, &[(13, 14)]);
        }
        sender.send(4);
        sender.pass(ROUND_TRIP);
        sender.acknowledge(18, &[]);
        assert_eq!(sender.counters().fast_recoveries, reductions);
    }
}

/// RFC 8985 section 6.2: what arrives late, but within the reordering window, is not sent again.
#[test]
fn reordering_causes_no_retransmission() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    assert_eq!(sender.acknowledge(10, &[(11, 12)]), []);
    assert_eq!(sender.acknowledge(10, &[(11, 13)]), []);
    assert_eq!(sender.pass(millis(5)), []);
    assert_eq!(sender.acknowledge(13, &[]), []);
    // The path is known to reorder now: however many arrive later, the window counts.
    for held in 15..=30 {
        assert_eq!(sender.acknowledge(13, &[(14, held)]), []);
    }
    assert_eq!(sender.pass(millis(5)), []);
    assert_eq!(sender.acknowledge(30, &[]), []);
    assert_eq!(sender.pass(millis(3000)), []);
    assert_eq!(sender.counters().fast_recoveries, 0);
}

/// RFC 8985 section 6.3: fewer than three later arrivals tell when the reordering window is over.
#[test]
fn the_reordering_window_ends() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    assert_eq!(sender.acknowledge(10, &[(11, 12)]), []);
    assert_eq!(sender.pass(millis(9)), []);
    assert_eq!(sender.counters().fast_recoveries, 0);
    assert_eq!(sender.pass(millis(3)), [10]);
    assert_eq!(sender.counters().fast_recoveries, 1);
}

/// RFC 8985 section 6.2: a retransmission that is lost is found when something that was sent later arrives.
#[test]
fn a_lost_retransmission_is_found() {
    let mut sender = sack();
    assert_eq!(sender.send(40).len(), 20);
    sender.pass(ROUND_TRIP);
    let mut sent = Vec::new();
    for held in 12..=30 {
        sent.extend(sender.acknowledge(10, &[(11, held)]));
    }
    assert_eq!(sent.iter().filter(|number| **number == 10).count(), 1);
    assert!(sent.len() > 5, "{sent:?}");
    sender.pass(ROUND_TRIP);
    let last = *sent.last().expect("several");
    let mut again = sender.acknowledge(10, &[(11, last + 1)]);
    again.extend(sender.pass(millis(5)));
    assert!(again.contains(&10), "{again:?} after {sent:?}");
    let counters = sender.counters();
    assert_eq!((counters.segments_retransmitted, counters.timeouts), (2, 0));
}

/// RFC 2883, RFC 3708: when everything that was sent again came twice, the window is as it was.
#[test]
fn duplicates_undo_a_recovery() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    let mut again = Vec::new();
    for held in [13, 14, 15] {
        again.extend(sender.acknowledge(10, &[(11, held)]));
    }
    assert_eq!(again, [10]);
    // The first copy arrives after all, then the second.
    sender.acknowledge(28, &[]);
    assert_eq!(sender.counters().recoveries_undone, 0);
    sender.acknowledge(28, &[(10, 11)]);
    assert_eq!(sender.counters().recoveries_undone, 1);
    sender.acknowledge(30, &[]);
    assert!(sender.window() >= 20);
}

/// RFC 3522: an echo from before the retransmission says the same, a round trip earlier.
#[test]
fn an_old_echo_undoes_a_recovery() {
    let mut sender = Sender::new(Peer::Stamped, Congestion::Cubic);
    sender.send(20);
    let original = sender.tsval;
    sender.pass(ROUND_TRIP);
    for held in [13, 14, 15] {
        sender.echo(10, &[(11, held)], original);
    }
    assert_eq!(sender.counters().segments_retransmitted, 1);
    sender.echo(15, &[], original);
    assert_eq!(sender.counters().recoveries_undone, 1);
    assert_eq!(sender.pass(millis(5)), []);
}

/// Seed 3632 of the simulator. The recovery is undone, but what was sent again for it was sent last a moment ago (RFC 8985 section 5.2): it is not
/// lost again before that can be answered.
#[test]
fn what_was_sent_again_keeps_its_time_when_the_recovery_is_undone() {
    let mut sender = Sender::new(Peer::Stamped, Congestion::Cubic);
    sender.send(10);
    sender.pass(ROUND_TRIP);
    let old = sender.tsval;
    assert_eq!(sender.acknowledge(10, &[(11, 14), (15, 16)]), [10, 14]);
    sender.pass(millis(5));
    assert_eq!(sender.echo(14, &[(15, 18)], old), []);
    assert_eq!(sender.counters().recoveries_undone, 1);
    assert_eq!(sender.pass(millis(30)), []);
}

/// RFC 7661, and Linux's rule: more than half of a window in flight lets slow start go on to twice as much, also while the last acknowledgments
/// come, when there is little in flight.
#[test]
fn a_window_that_was_nearly_filled_grows_to_twice_what_was_sent() {
    let mut sender = Sender::new(Peer::Plain, Congestion::NewReno);
    assert_eq!(sender.send(18).len(), 18);
    sender.pass(ROUND_TRIP);
    for next in 11..=28 {
        sender.acknowledge(next, &[]);
    }
    assert_eq!(sender.window(), 36);
}

/// Slow start is not held to what was in flight before the first gap while a path goes on to reorder and there is always one.
#[test]
fn a_window_grows_on_a_path_that_always_reorders() {
    let mut sender = Sender::new(Peer::Sack, Congestion::NewReno);
    sender.send(120);
    sender.pass(ROUND_TRIP);
    sender.acknowledge(10, &[(11, 12)]);
    sender.acknowledge(10, &[(11, 12), (13, 14)]);
    for next in (12..40).step_by(2) {
        sender.acknowledge(next, &[(next + 1, next + 2)]);
        sender.acknowledge(next, &[(next + 1, next + 2), (next + 3, next + 4)]);
        sender.pass(millis(1));
    }
    let info = sender.script.engine.tcp_info(sender.connection).unwrap();
    assert!(info.in_disorder);
    assert_eq!(sender.counters().segments_retransmitted, 0);
    assert_eq!(info.snd_cwnd, 48 * MSS);
}

/// RFC 5682 section 3: after a timeout, the arrival of what was not sent again shows that nothing was lost.
#[test]
fn a_spurious_timeout_is_undone() {
    let mut sender = sack();
    sender.send(20);
    let probed = sender.pass(millis(85));
    assert_eq!(probed, [29]);
    assert_eq!(sender.pass(millis(400)).first(), Some(&10));
    // The acknowledgments were only delayed.
    assert_eq!(sender.acknowledge(14, &[]), []);
    assert_eq!(sender.acknowledge(20, &[]), []);
    let counters = sender.counters();
    assert_eq!((counters.timeouts, counters.recoveries_undone), (1, 1));
}

/// RFC 2018 section 8: a peer may drop what he reported; it is sent again when he acknowledges less than he held.
#[test]
fn what_a_peer_drops_again_is_sent_again() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    for held in 12..=30 {
        sender.acknowledge(10, &[(11, held)]);
    }
    let mut again = sender.acknowledge(11, &[]);
    let mut next = 11;
    while next < 30 {
        assert!(again.contains(&next), "segment {next} is not in {again:?}");
        next += 1;
        again.extend(sender.acknowledge(next, &[]));
    }
    assert_eq!(sender.counters().timeouts, 0);
}

/// RFC 2018 section 5: after a timeout for the same segment again, what was reported is not believed any more.
#[test]
fn a_second_timeout_forgets_what_was_reported() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    sender.acknowledge(10, &[(11, 30)]);
    let mut sent = sender.pass(millis(2000));
    assert!(sent.iter().all(|number| *number == 10), "{sent:?}");
    assert!(sender.counters().timeouts >= 2);
    sent = sender.acknowledge(11, &[]);
    assert_eq!(sent.first(), Some(&11));
}

/// RFC 2018, RFC 5961: blocks that cannot be true change nothing.
#[test]
fn impossible_blocks_are_ignored() {
    let mut sender = sack();
    sender.send(20);
    sender.pass(ROUND_TRIP);
    let (left, right) = (sender.edge(12), sender.edge(15));
    for block in [
        (right, left),
        (left, left),
        (left, sender.edge(30) + 1),
        (sender.edge(40), sender.edge(45)),
        (left.wrapping_sub(1 << 30), left.wrapping_sub((1 << 30) - 1000)),
        (left.wrapping_add(1 << 31), right.wrapping_add(1 << 31)),
    ] {
        let heard = sender
            .script
            .tell(&say(ACK, IRS + 1, sender.edge(10)).sack(&[block]));
        assert_eq!(heard, [], "{block:?}");
    }
    assert_eq!(sender.pass(millis(15)), []);
    sender.acknowledge(30, &[]);
    assert_eq!(sender.counters().segments_retransmitted, 0);
}

/// RFC 3042: the first two duplicate acknowledgments each let one new segment go, the third the lost one.
#[test]
fn limited_transmit() {
    for (peer, held) in [(Peer::Plain, None), (Peer::Sack, Some(11))] {
        let mut sender = Sender::new(peer, Congestion::NewReno);
        assert_eq!(sender.send(30).len(), 20);
        let mut sent = Vec::new();
        for count in 1..=3 {
            let blocks: Vec<_> = held.iter().map(|left| (*left, left + count)).collect();
            sent.push(sender.acknowledge(10, &blocks));
        }
        assert_eq!(sent, [vec![30], vec![31], vec![10]]);
    }
}

/// RFC 3042 section 2: with SACK, a duplicate acknowledgment without news lets nothing go.
#[test]
fn a_duplicate_without_news_says_nothing() {
    let mut sender = sack();
    sender.send(30);
    for _ in 0..100 {
        assert_eq!(sender.acknowledge(10, &[]), []);
    }
    assert_eq!(sender.acknowledge(10, &[(11, 12)]), [30]);
    for _ in 0..100 {
        assert_eq!(sender.acknowledge(10, &[(11, 12)]), []);
    }
}

/// RFC 6582: without SACK, each partial acknowledgment shows the next hole.
#[test]
fn partial_acknowledgments_show_the_next_hole() {
    let mut sender = Sender::new(Peer::Plain, Congestion::NewReno);
    sender.send(20);
    sender.pass(ROUND_TRIP);
    let mut again = Vec::new();
    for _ in 0..17 {
        again.extend(sender.acknowledge(10, &[]));
    }
    assert_eq!(again, [10]);
    assert_eq!(sender.acknowledge(14, &[]), [14]);
    assert_eq!(sender.acknowledge(19, &[]), [19]);
    assert_eq!(sender.acknowledge(30, &[]), []);
    let counters = sender.counters();
    assert_eq!((counters.fast_recoveries, counters.timeouts), (1, 0));
}

/// Duplicate acknowledgments stand for no more than what is outstanding, however many are forged.
#[test]
fn forged_duplicates_gain_nothing() {
    let mut sender = Sender::new(Peer::Plain, Congestion::NewReno);
    assert_eq!(sender.send(60).len(), 20);
    let mut sent = 0;
    for _ in 0..10_000 {
        sent += sender.acknowledge(10, &[]).len();
    }
    assert!(sent <= 20, "{sent} segments");
}

/// RFC 6298 section 5.5: the timeout doubles each time, and the connection is given up in the end (RFC 9293 section 3.8.3).
#[test]
fn the_timeout_doubles_and_ends() {
    let mut sender = sack();
    sender.send(1);
    let mut times = Vec::new();
    while sender.script.engine.tcp_error(sender.connection).is_none() {
        let next = sender.script.engine.next_deadline().expect("a timer runs");
        sender.script.now = sender.script.now.max(next);
        if !sender.script.hear().is_empty() {
            times.push(sender.script.now.as_millis());
        }
    }
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(times.len(), 1 + 15, "a probe and the retransmissions");
    for pair in pauses.windows(2).take(7) {
        assert!(pair[1].abs_diff(2 * pair[0]) <= 4, "{pauses:?}");
    }
    assert!(pauses.iter().all(|pause| *pause <= 120_002), "{pauses:?}");
}

/// Behind a timeout the pauses are up to a quarter longer, by chance: of two connections neither tells of the other.
#[test]
fn nobody_foresees_a_second_timeout() {
    let mut known = Vec::new();
    for _ in 0..2 {
        let mut script = Script::new(|_| {});
        let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
        for port in [7, 8] {
            let from = |segment: Segment| segment.ports(port, OUR_PORT);
            let next = script.tell(&from(say(SYN, IRS, 0)))[0].seq + 1;
            script.tell(&from(say(ACK, IRS + 1, next)));
        }
        let connections = [0; 2].map(|_| script.engine.tcp_accept(listener).expect("established"));
        for connection in connections {
            script.engine.tcp_send(connection, &[7; 100]).unwrap();
        }
        let mut times = [Vec::new(), Vec::new()];
        let begin = script.now;
        while script.now < begin + Duration::from_secs(30) {
            for segment in script.hear() {
                times[usize::from(segment.to == 8)].push(script.now.saturating_since(begin).as_millis());
            }
            let next = script.engine.next_deadline().expect("a timer runs");
            script.now = script.now.max(next);
        }
        assert_ne!(times[0], times[1]);
        for times in &times {
            let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(
                pauses[0].abs_diff(1000) <= 2,
                "the first is that of RFC 6298: {pauses:?}"
            );
            for (doublings, pause) in pauses.iter().enumerate().skip(1) {
                let least = 1000 << doublings;
                assert!((least..=least + least / 4 + 2).contains(pause), "{pauses:?}");
            }
        }
        known.push(times);
    }
    assert_eq!(known[0], known[1], "the same key, the same times");
}

/// Karn's rule (RFC 6298 section 3): an acknowledgment of what was sent twice says nothing of the round-trip time, so the longer timeout
/// stays until one does.
#[test]
fn an_ambiguous_acknowledgment_measures_nothing() {
    let mut sender = sack();
    sender.send(1);
    assert_eq!(sender.pass(millis(245)), [10], "the probe");
    assert_eq!(sender.pass(millis(245)), [10], "the timer");
    sender.acknowledge(11, &[]);
    sender.send(1);
    assert_eq!(sender.pass(millis(470)), []);
    assert_eq!(sender.pass(millis(20)), [11]);
    sender.acknowledge(12, &[]);
    sender.send(1);
    sender.acknowledge(13, &[]);
    sender.send(1);
    assert_eq!(sender.pass(millis(250)), [13]);
}

/// RFC 7323 section 4.1: an echo counts only when it moves SND.UNA, or a peer could make the timeout whatever it likes.
#[test]
fn an_echo_that_acknowledges_nothing_measures_nothing() {
    let mut sender = Sender::new(Peer::Stamped, Congestion::Cubic);
    sender.send(20);
    sender.pass(ROUND_TRIP);
    let rtt = |sender: &mut Sender| {
        let info = sender.script.engine.tcp_info(sender.connection).unwrap();
        (info.rtt, info.rttvar)
    };
    let before = rtt(&mut sender);
    let forged = sender.tsval.wrapping_sub(30_000);
    for _ in 0..10 {
        sender.echo(10, &[(11, 12)], forged);
        sender.echo(10, &[], forged);
    }
    assert_eq!(rtt(&mut sender), before);
    sender.acknowledge(12, &[]);
    assert_ne!(rtt(&mut sender), before, "the gap is closed");
}

/// RFC 5681 section 4.1: after idleness the window is that of a new connection.
#[test]
fn idleness_restarts_the_window() {
    let mut sender = sack();
    sender.send(20);
    sender.acknowledge(30, &[]);
    sender.pass(millis(3000));
    assert_eq!(sender.window(), 10);
}

#[test]
fn a_window_outlasts_idleness_where_it_is_told_to() {
    let mut sender = Sender::with(Peer::Sack, |config| config.tcp.idle_restart = false);
    sender.send(20);
    sender.acknowledge(30, &[]);
    sender.pass(millis(3000));
    assert_eq!(sender.window(), 40);
}

#[test]
fn a_snapshot_tells_what_was_delivered_and_what_limits() {
    let mut sender = sack();
    let before = sender.info();
    assert_eq!(before.limited_by, Limit::Application);
    sender.send(60);
    assert_eq!(sender.info().limited_by, Limit::CongestionWindow);
    sender.acknowledge(12, &[(13, 16)]);
    assert_eq!(sender.info().delivered - before.delivered, 5 * MSS);
    let info = sender.info();
    let mut last = say(ACK, IRS + 1, info.snd_una + info.unacked);
    last.window = 500;
    sender.script.tell(&last);
    assert_eq!(sender.info().limited_by, Limit::PeerWindow);
}
