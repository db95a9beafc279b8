use super::super::scoreboard::Scoreboard;
use super::{MAX_ARRIVALS, Rack, Reordering};
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
    reordering.note_recovery();
    assert_eq!(window(reordering), Duration::from_millis(10));
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
