use super::{Algorithm, Congestion};
use proptest::collection::vec;
use proptest::prelude::*;

const SMSS: u32 = 1_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Acknowledged octets, of a sender that fills its window.
    Ack(u32),
    /// Acknowledged octets, of a sender that does not.
    AckUnlimited(u32),
    LostSyn,
    /// Flight, departed segments.
    EnterRecovery(u32, u32),
    DuplicateAck(u32),
    PartialAck(u32),
    ExitRecovery(u32),
    /// Flight, whether the same segment timed out before.
    Timeout(u32, bool),
    IdleRestart,
    SetSmss(u16),
}

use Event::*;

fn apply(congestion: &mut Congestion, event: Event) {
    match event {
        Ack(acked) => congestion.on_ack(acked, true),
        AckUnlimited(acked) => congestion.on_ack(acked, false),
        LostSyn => congestion.on_lost_syn(),
        EnterRecovery(flight, departed) => congestion.enter_recovery(flight, departed),
        DuplicateAck(flight) => congestion.on_duplicate_ack(flight),
        PartialAck(acked) => congestion.on_partial_ack(acked),
        ExitRecovery(flight) => congestion.exit_recovery(flight),
        Timeout(flight, again) => congestion.on_retransmission_timeout(flight, again),
        IdleRestart => congestion.on_idle_restart(),
        SetSmss(smss) => congestion.set_smss(smss),
    }
}

fn reno() -> Congestion {
    Congestion::new(Algorithm::Reno, SMSS as u16)
}

/// Applies the events to a new connection and checks cwnd after each one.
fn follow(steps: &[(Event, u32)]) -> Congestion {
    let mut congestion = reno();
    for (number, (event, window)) in steps.iter().enumerate() {
        apply(&mut congestion, *event);
        assert_eq!(congestion.window(), *window, "after step {number}, {event:?}");
    }
    congestion
}

/// A connection in congestion avoidance with a window of ten segments.
const TO_AVOIDANCE: [(Event, u32); 2] = [(EnterRecovery(20_000, 3), 13_000), (ExitRecovery(15_000), 10_000)];

/// RFC 6928 section 2.
#[test]
fn the_initial_window_is_ten_segments_or_less() {
    for (smss, window) in [
        (0, 10),
        (1, 10),
        (536, 5_360),
        (1_460, 14_600),
        (1_461, 14_600),
        (4_000, 14_600),
        (8_960, 17_920),
        (65_483, 130_966),
    ] {
        let congestion = Congestion::new(Algorithm::default(), smss);
        assert_eq!(
            (congestion.window(), congestion.ssthresh()),
            (window, u32::MAX),
            "SMSS {smss}"
        );
    }
}

/// RFC 5681 section 3.1, RFC 3465.
#[test]
fn slow_start_counts_octets_and_two_segments_at_most() {
    follow(&[
        (Ack(1_000), 11_000),
        (Ack(2_000), 13_000),
        (Ack(5_000), 15_000),
        (Ack(1), 15_001),
        (Ack(0), 15_001),
        (AckUnlimited(2_000), 15_001),
    ]);
}

/// RFC 5681 section 3.1: however many ACKs one segment is divided into, they are worth one segment.
#[test]
fn divided_acks_gain_nothing() {
    let mut congestion = reno();
    (0..SMSS).for_each(|_| congestion.on_ack(1, true));
    assert_eq!(congestion.window(), 11_000);
    let mut congestion = follow(&TO_AVOIDANCE);
    (0..10 * SMSS).for_each(|_| congestion.on_ack(1, true));
    assert_eq!(congestion.window(), 11_000);
}

#[test]
fn avoidance_adds_one_segment_for_each_window() {
    let steps = [
        (Ack(9_999), 10_000),
        (Ack(1), 11_000),
        (Ack(10_000), 11_000),
        (Ack(2_000), 12_000),
        (Ack(10_999), 12_000),
        (Ack(1), 13_000),
        (AckUnlimited(13_000), 13_000),
        (Ack(1_000_000), 14_000),
    ];
    follow(&[&TO_AVOIDANCE[..], &steps].concat());
}

/// RFC 5681 section 3.2, RFC 6582 section 3.2.
#[test]
fn fast_recovery_inflates_deflates_and_ends_at_ssthresh() {
    let congestion = follow(&[
        (EnterRecovery(20_000, 3), 13_000),
        (DuplicateAck(20_000), 14_000),
        (DuplicateAck(20_000), 15_000),
        (PartialAck(3_000), 13_000),
        (DuplicateAck(17_000), 14_000),
        (PartialAck(500), 13_500),
        (ExitRecovery(20_000), 10_000),
    ]);
    assert_eq!(congestion.ssthresh(), 10_000);
}

#[test]
fn recovery_with_a_scoreboard_needs_no_inflation() {
    let congestion = follow(&[(EnterRecovery(20_000, 0), 10_000), (ExitRecovery(30_000), 10_000)]);
    assert_eq!(congestion.ssthresh(), 10_000);
}

#[test]
fn recovery_that_ends_with_little_in_flight_starts_without_a_burst() {
    for (flight, window) in [
        (0, 2_000),
        (400, 2_000),
        (1_000, 2_000),
        (4_000, 5_000),
        (9_500, 10_000),
    ] {
        follow(&[(EnterRecovery(20_000, 3), 13_000), (ExitRecovery(flight), window)]);
    }
}

/// RFC 5681 section 3.2: duplicate ACKs never stand for more than what is in flight.
#[test]
fn forged_duplicate_acks_gain_nothing() {
    let mut congestion = follow(&[(EnterRecovery(8_000, 3), 7_000)]);
    (0..10_000).for_each(|_| congestion.on_duplicate_ack(8_000));
    assert_eq!(congestion.window(), 12_000);
    congestion.on_duplicate_ack(1_000);
    assert_eq!(congestion.window(), 12_000);
}

#[test]
fn a_large_partial_ack_leaves_one_segment() {
    follow(&[(EnterRecovery(20_000, 3), 13_000), (PartialAck(19_000), 1_000)]);
}

#[test]
fn ssthresh_is_half_the_flight_but_two_segments() {
    for (flight, ssthresh) in [
        (0, 2_000),
        (3_999, 2_000),
        (4_002, 2_001),
        (20_001, 10_000),
        (u32::MAX, u32::MAX / 2),
    ] {
        let mut after_duplicates = reno();
        after_duplicates.enter_recovery(flight, 0);
        assert_eq!(
            (after_duplicates.ssthresh(), after_duplicates.window()),
            (ssthresh, ssthresh)
        );
        let mut after_timeout = reno();
        after_timeout.on_retransmission_timeout(flight, false);
        assert_eq!(
            (after_timeout.ssthresh(), after_timeout.window()),
            (ssthresh, SMSS)
        );
    }
}

#[test]
fn a_timeout_starts_slowly_up_to_ssthresh() {
    follow(&[
        (Timeout(8_000, false), 1_000),
        (Ack(4_000), 2_000),
        (Ack(4_000), 3_000),
        (Ack(1_000), 4_000),
        (Ack(4_000), 5_000),
    ]);
}

/// RFC 5681 section 3.1: the same loss does not count twice.
#[test]
fn a_repeated_timeout_keeps_ssthresh() {
    let congestion = follow(&[(Timeout(20_000, false), 1_000), (Timeout(1_000, true), 1_000)]);
    assert_eq!(congestion.ssthresh(), 10_000);
}

/// RFC 5681 section 4.3: losses in two windows do.
#[test]
fn losses_in_successive_windows_reduce_twice() {
    let congestion = follow(&[
        (EnterRecovery(20_000, 0), 10_000),
        (ExitRecovery(10_000), 10_000),
        (EnterRecovery(10_000, 0), 5_000),
    ]);
    assert_eq!(congestion.ssthresh(), 5_000);
}

#[test]
fn the_limit_of_one_segment_ends_with_the_slow_start_after_a_timeout() {
    follow(&[
        (Timeout(4_000, false), 1_000),
        (Ack(1_000), 2_000),
        (EnterRecovery(8_000, 0), 4_000),
        (ExitRecovery(0), 2_000),
        (Ack(4_000), 4_000),
    ]);
}

#[test]
fn a_lost_syn_starts_with_one_segment() {
    let congestion = follow(&[(LostSyn, 1_000), (Ack(1_000), 2_000)]);
    assert_eq!(congestion.ssthresh(), u32::MAX);
}

/// RFC 5681 section 4.1.
#[test]
fn idleness_shrinks_to_the_initial_window_and_never_grows() {
    follow(&[(Ack(2_000), 12_000), (IdleRestart, 10_000), (Ack(2_000), 12_000)]);
    let congestion = follow(&[(Timeout(20_000, false), 1_000), (IdleRestart, 1_000)]);
    assert_eq!(congestion.ssthresh(), 10_000);
}

#[test]
fn a_window_that_is_not_filled_is_not_limiting() {
    let slow_start = reno();
    for (flight, expected) in [(0, false), (5_000, false), (5_001, true), (10_000, true)] {
        assert_eq!(slow_start.is_limiting(flight), expected, "{flight} in slow start");
    }
    let avoidance = follow(&TO_AVOIDANCE);
    for (flight, expected) in [
        (0, false),
        (9_000, false),
        (9_001, true),
        (10_000, true),
        (12_000, true),
    ] {
        assert_eq!(avoidance.is_limiting(flight), expected, "{flight} in avoidance");
    }
}

#[test]
fn a_change_of_the_segment_size_keeps_the_window() {
    follow(&[
        (SetSmss(500), 10_000),
        (Ack(5_000), 11_000),
        (SetSmss(20_000), 20_000),
        (SetSmss(0), 20_000),
    ]);
}

#[test]
fn a_fixed_window_stays() {
    let mut congestion = Congestion::new(Algorithm::Fixed(77_000), 1_460);
    for event in [
        Ack(1_000),
        LostSyn,
        EnterRecovery(9_000, 3),
        DuplicateAck(9_000),
        PartialAck(1_000),
        ExitRecovery(0),
        Timeout(9_000, false),
        IdleRestart,
        SetSmss(500),
    ] {
        apply(&mut congestion, event);
        assert_eq!(congestion.window(), 77_000, "{event:?}");
    }
    assert!(!congestion.is_limiting(77_000));
    assert_eq!(congestion.ssthresh(), u32::MAX);
}

#[test]
fn the_state_stays_small() {
    assert_eq!(size_of::<Congestion>(), 16);
}

fn any_event() -> impl Strategy<Value = Event> {
    let octets = || prop_oneof![any::<u32>(), 0..100_000_u32];
    prop_oneof![
        octets().prop_map(Ack),
        octets().prop_map(AckUnlimited),
        Just(LostSyn),
        (octets(), any::<u32>()).prop_map(|(flight, departed)| EnterRecovery(flight, departed)),
        octets().prop_map(DuplicateAck),
        octets().prop_map(PartialAck),
        octets().prop_map(ExitRecovery),
        (octets(), any::<bool>()).prop_map(|(flight, again)| Timeout(flight, again)),
        Just(IdleRestart),
        any::<u16>().prop_map(SetSmss),
    ]
}

proptest! {
    #[test]
    fn nothing_overflows_and_one_segment_always_fits(smss in 1u16.., events in vec(any_event(), 0..200)) {
        let mut congestion = Congestion::new(Algorithm::Reno, smss);
        let mut smss = u32::from(smss);
        for event in events {
            if let SetSmss(size) = event {
                smss = u32::from(size.max(1));
            }
            let before = congestion.window();
            apply(&mut congestion, event);
            prop_assert!(congestion.window() >= smss, "{event:?}");
            if let Ack(acked) = event {
                prop_assert!(congestion.window() - before <= acked.min(2 * smss).max(smss), "{event:?}");
            }
        }
    }
}
