use super::super::scoreboard::Scoreboard;
use super::{Hint, MAX_ARRIVALS, Rack, Reordering};
use crate::time::{Duration, Instant};
use crate::transport::tcp::seq::SeqNumber;

const MIN_RTT: Duration = Duration::from_millis(40);
const SRTT: Duration = Duration::from_millis(60);

fn window(reordering: Reordering) -> Duration {
    reordering.window(MIN_RTT, SRTT, false)
}

/// RFC 8985 section 6.2 step 4.
#[test]
fn the_window_is_a_quarter_and_grows_to_srtt() {
    let mut reordering = Reordering::default();
    assert_eq!(window(reordering), Duration::from_millis(10));
    reordering.note_spurious();
    assert_eq!(window(reordering), Duration::from_millis(20));
    (0..20).for_each(|_| reordering.note_spurious());
    assert_eq!(window(reordering), SRTT);
}

#[test]
fn the_window_shrinks_after_sixteen_recoveries() {
    let mut reordering = Reordering::default();
    reordering.note_seen();
    reordering.note_spurious();
    for _ in 0..15 {
        reordering.note_recovery();
        assert_eq!(window(reordering), Duration::from_millis(20));
    }
    let mut seen = Reordering::default();
    seen.note_seen();
    for _ in 0..2 {
        reordering.note_recovery();
        assert_eq!(reordering, seen);
    }
}

#[test]
fn other_evidence_counts_only_without_reordering() {
    let mut reordering = Reordering::default();
    assert_eq!(reordering.window(MIN_RTT, SRTT, true), Duration::ZERO);
    reordering.note_seen();
    assert_eq!(reordering.window(MIN_RTT, SRTT, true), Duration::from_millis(10));
}

/// Of more arrivals than are kept, the last ones are taken for the latest.
#[test]
fn arrivals_that_wait_are_bounded() {
    const WINDOW: Duration = Duration::from_millis(1_000);
    let (mut rack, mut scoreboard) = (Rack::default(), Scoreboard::default());
    let end = |segment: usize| SeqNumber(10 * segment as u32);
    for arrival in 1..=MAX_ARRIVALS + 6 {
        rack.on_original_arrived(end(arrival), Instant::from_millis(arrival as u64));
    }
    assert_eq!(rack.overtakings.len(), MAX_ARRIVALS);
    let mut lost_at = |arrival: usize| {
        let now = Instant::from_millis(arrival as u64) + WINDOW;
        rack.detect(&mut scoreboard, end(0), WINDOW, now).octets
    };
    assert_eq!(lost_at(MAX_ARRIVALS - 1), 10 * (MAX_ARRIVALS as u32 - 1));
    assert_eq!(lost_at(MAX_ARRIVALS + 5), 0);
    assert_eq!(lost_at(MAX_ARRIVALS + 6), 70);
}

const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// RFC 8985 section 6.2 step 2: an answer as fast as the fastest may be of the retransmission.
#[test]
fn only_an_answer_faster_than_any_is_of_an_earlier_transmission() {
    let hint = Hint {
        echoed: None,
        min_rtt: MIN_RTT,
    };
    assert!(!hint.is_of_earlier(at(0), MIN_RTT));
    assert!(hint.is_of_earlier(at(0), Duration::from_millis(39)));
    assert!(Hint::default().is_of_earlier(at(0), SRTT), "nothing was measured");
}

/// What was sent long before a retransmission should have come as long before its answer; windows end at their very last instant.
#[test]
fn the_window_runs_from_when_a_segment_should_have_come() {
    const WINDOW: Duration = Duration::from_millis(60);
    let hint = Hint {
        echoed: None,
        min_rtt: Duration::from_millis(1),
    };
    let seq = SeqNumber;
    // Of four segments, the first is sent again 50 ms later, which takes 20 ms; in the second case a fifth was sent in between.
    for (snd_max, due) in [(40, 180), (50, 230)] {
        let (mut rack, mut scoreboard) = (Rack::default(), Scoreboard::default());
        rack.note_originals_sent(seq(40), at(100));
        scoreboard.lose_original(seq(0), seq(10));
        scoreboard.resend(seq(0), seq(10), 0);
        rack.note_resent(seq(0), seq(10), seq(snd_max), at(150));
        rack.on_resent_arrived(0, hint, at(170));
        scoreboard.advance(seq(0), seq(10), |_, _, _| {});
        let mut detect = |now| rack.detect(&mut scoreboard, seq(10), WINDOW, now);
        let found = detect(at(due - 1));
        assert_eq!((found.octets, found.again_at), (0, Some(at(due))));
        let found = detect(at(due));
        assert_eq!((found.octets, found.again_at), (snd_max - 10, None));
    }
}

#[test]
fn a_retransmission_is_lost_at_the_end_of_its_window() {
    let (mut rack, mut scoreboard) = (Rack::default(), Scoreboard::default());
    let (seq, window, rtt) = (SeqNumber, Duration::from_millis(5), Duration::from_millis(20));
    rack.reset(seq(0), rtt);
    scoreboard.lose_original(seq(0), seq(10));
    scoreboard.resend(seq(0), seq(10), rack.next_number());
    rack.note_resent(seq(0), seq(10), seq(20), at(100));
    rack.on_original_arrived(seq(30), at(101));
    scoreboard.sack(seq(10), seq(30), |_, _, _| {});
    let mut detect = |now| rack.detect(&mut scoreboard, seq(0), window, now);
    assert_eq!(detect(at(124)).resent, None);
    assert_eq!(detect(at(125)).resent, Some(0));
}
