use super::Reordering;
use crate::time::Duration;

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
