use super::{Ack, Algorithm, Congestion, SLOW_START_LIMIT};
use crate::time::Instant;
use crate::transport::tcp::rtt::RttEstimator;
use crate::transport::tcp::seq::SeqNumber;
use proptest::collection::vec;
use proptest::prelude::*;

const SMSS: u32 = 1_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// Acknowledged octets, of a sender that fills its window.
    Acked(u32),
    /// Acknowledged octets, of a sender that does not.
    AckedUnlimited(u32),
    /// Octets in flight that were as many as the window let go, or more than half of it in slow start.
    Used(u32),
    LostSyn,
    /// Flight.
    Congested(u32),
    /// Flight, whether the same segment timed out before.
    Timeout(u32, bool),
    IdleRestart,
    SetSmss(u16),
}

use Event::*;

fn acknowledge(congestion: &mut Congestion, octets: u32, was_limiting: bool) {
    let ack = Ack {
        octets,
        snd_una: SeqNumber(0),
        snd_nxt: SeqNumber(0),
        now: Instant::ZERO,
        rtt: &RttEstimator::new(),
    };
    if was_limiting {
        congestion.on_ack(&ack, || None);
    } else {
        congestion.on_unused();
    }
}

fn apply(congestion: &mut Congestion, event: Event) {
    match event {
        Acked(octets) => acknowledge(congestion, octets, true),
        AckedUnlimited(octets) => acknowledge(congestion, octets, false),
        Used(flight) => congestion.note_use(flight),
        LostSyn => congestion.on_lost_syn(),
        Congested(flight) => congestion.on_congestion(flight),
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
const TO_AVOIDANCE: [(Event, u32); 1] = [(Congested(20_000), 10_000)];

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
        for algorithm in [Algorithm::Cubic, Algorithm::Reno] {
            let congestion = Congestion::new(algorithm, smss);
            assert_eq!(
                (congestion.window(), congestion.ssthresh()),
                (window, u32::MAX),
                "SMSS {smss}"
            );
        }
    }
}

/// RFC 5681 section 3.1, RFC 3465; the limit is what a virtual segment holds.
#[test]
fn slow_start_counts_octets_up_to_a_virtual_segment() {
    follow(&[
        (Acked(1_000), 11_000),
        (Acked(2_000), 13_000),
        (Acked(40_000), 53_000),
        (Acked(1_000_000), 53_000 + SLOW_START_LIMIT),
        (Acked(0), 53_000 + SLOW_START_LIMIT),
        (AckedUnlimited(2_000), 53_000 + SLOW_START_LIMIT),
    ]);
}

/// RFC 7661: what is acknowledged late of a flight that was no whole window shows no more than that flight did.
#[test]
fn slow_start_does_not_pass_twice_what_was_used() {
    for algorithm in [Algorithm::Reno, Algorithm::Cubic] {
        let mut congestion = Congestion::new(algorithm, SMSS as u16);
        apply(&mut congestion, Used(6_000));
        for window in [11_000, 12_000, 12_000, 12_000] {
            apply(&mut congestion, Acked(1_000));
            assert_eq!(congestion.window(), window, "{algorithm:?}");
        }
        apply(&mut congestion, Used(12_000));
        apply(&mut congestion, Acked(1_000));
        assert_eq!(congestion.window(), 13_000, "{algorithm:?}");
    }
}

/// After a timeout each acknowledgment lets more go (RFC 5681 section 3.1), whatever was in flight before.
#[test]
fn a_timeout_forgets_what_was_used() {
    for algorithm in [Algorithm::Reno, Algorithm::Cubic] {
        let mut congestion = Congestion::new(algorithm, SMSS as u16);
        for event in [Used(1), Timeout(20_000, false), Acked(1_000), Acked(1_000)] {
            apply(&mut congestion, event);
        }
        assert_eq!(congestion.window(), 3_000, "{algorithm:?}");
    }
}

/// RFC 5681 section 3.1: slow start ends at ssthresh, however much one ACK covers.
#[test]
fn slow_start_does_not_pass_ssthresh() {
    for (algorithm, ssthresh) in [(Algorithm::Reno, 10_000), (Algorithm::Cubic, 14_000)] {
        let mut congestion = Congestion::new(algorithm, SMSS as u16);
        apply(&mut congestion, Timeout(20_000, false));
        apply(&mut congestion, Acked(50_000));
        assert_eq!(congestion.window(), ssthresh, "{algorithm:?}");
    }
}

/// RFC 5681 section 3.1: however many ACKs one segment is divided into, they are worth one segment.
#[test]
fn divided_acks_gain_nothing() {
    let mut congestion = reno();
    (0..SMSS).for_each(|_| apply(&mut congestion, Acked(1)));
    assert_eq!(congestion.window(), 11_000);
    let mut congestion = follow(&TO_AVOIDANCE);
    (0..10 * SMSS).for_each(|_| apply(&mut congestion, Acked(1)));
    assert_eq!(congestion.window(), 11_000);
}

#[test]
fn avoidance_adds_one_segment_for_each_window() {
    let steps = [
        (Acked(9_999), 10_000),
        (Acked(1), 11_000),
        (Acked(10_000), 11_000),
        (Acked(2_000), 12_000),
        (Acked(10_999), 12_000),
        (Acked(1), 13_000),
        (AckedUnlimited(13_000), 13_000),
        (Acked(1_000_000), 14_000),
    ];
    follow(&[&TO_AVOIDANCE[..], &steps].concat());
}

/// RFC 5681 section 3.1: the same loss does not count twice.
#[test]
fn a_repeated_timeout_keeps_ssthresh() {
    let congestion = follow(&[(Timeout(20_000, false), 1_000), (Timeout(1_000, true), 1_000)]);
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
fn ssthresh_is_half_the_flight_but_two_segments() {
    for (flight, ssthresh) in [
        (0, 2_000),
        (3_999, 2_000),
        (4_002, 2_001),
        (20_001, 10_000),
        (u32::MAX, u32::MAX / 2),
    ] {
        let mut after_loss = reno();
        after_loss.on_congestion(flight);
        assert_eq!((after_loss.ssthresh(), after_loss.window()), (ssthresh, ssthresh));
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
        (Acked(1_000), 2_000),
        (Acked(2_000), 4_000),
        (Acked(3_999), 4_000),
        (Acked(1), 5_000),
    ]);
}

/// RFC 5681 section 4.3: losses in two windows count twice.
#[test]
fn losses_in_successive_windows_reduce_twice() {
    let congestion = follow(&[(Congested(20_000), 10_000), (Congested(10_000), 5_000)]);
    assert_eq!(congestion.ssthresh(), 5_000);
}

#[test]
fn a_lost_syn_starts_with_one_segment() {
    let congestion = follow(&[(LostSyn, 1_000), (Acked(1_000), 2_000)]);
    assert_eq!(congestion.ssthresh(), u32::MAX);
}

/// RFC 5681 section 4.1.
#[test]
fn idleness_shrinks_to_the_initial_window_and_never_grows() {
    follow(&[
        (Acked(2_000), 12_000),
        (IdleRestart, 10_000),
        (Acked(2_000), 12_000),
    ]);
    let congestion = follow(&[(Timeout(20_000, false), 1_000), (IdleRestart, 1_000)]);
    assert_eq!(congestion.ssthresh(), 10_000);
}

#[test]
fn a_change_of_the_segment_size_keeps_the_window() {
    follow(&[
        (SetSmss(500), 10_000),
        (Acked(5_000), 15_000),
        (SetSmss(20_000), 20_000),
        (SetSmss(0), 20_000),
    ]);
}

#[test]
fn a_fixed_window_stays() {
    let mut congestion = Congestion::new(Algorithm::Fixed(77_000), 1_460);
    for event in [
        Acked(1_000),
        LostSyn,
        Congested(9_000),
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
    assert_eq!(size_of::<Congestion>(), 36);
}

fn any_event() -> impl Strategy<Value = Event> {
    let octets = || prop_oneof![any::<u32>(), 0..100_000_u32];
    prop_oneof![
        octets().prop_map(Acked),
        octets().prop_map(AckedUnlimited),
        octets().prop_map(Used),
        Just(LostSyn),
        octets().prop_map(Congested),
        (octets(), any::<bool>()).prop_map(|(flight, again)| Timeout(flight, again)),
        Just(IdleRestart),
        any::<u16>().prop_map(SetSmss),
    ]
}

proptest! {
    #[test]
    fn nothing_overflows_and_one_segment_always_fits(
        smss in 1u16..,
        is_cubic in any::<bool>(),
        events in vec(any_event(), 0..200),
    ) {
        let algorithm = if is_cubic { Algorithm::Cubic } else { Algorithm::Reno };
        let mut congestion = Congestion::new(algorithm, smss);
        let mut smss = u32::from(smss);
        for event in events {
            if let SetSmss(size) = event {
                smss = u32::from(size.max(1));
            }
            let before = congestion.window();
            apply(&mut congestion, event);
            prop_assert!(congestion.window() >= smss, "{event:?}");
            if let Acked(octets) = event {
                let most = octets.min(SLOW_START_LIMIT).max(before / 2).max(smss);
                prop_assert!(congestion.window() - before <= most, "{event:?}");
            }
        }
    }
}
