use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const MS: u64 = 1_000;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[test]
fn the_first_samples_worked_by_hand() {
    // Sample, SRTT, RTTVAR, RTO, all in microseconds.
    let table = [
        (100 * MS, 100_000, 50_000, 300_000),
        // RTTVAR = 3/4 · 50 + 1/4 · |100 - 120| = 42.5, SRTT = 7/8 · 100 + 1/8 · 120 = 102.5
        (120 * MS, 102_500, 42_500, 302_500),
        // RTTVAR = 3/4 · 42.5 + 1/4 · |102.5 - 80| = 37.5, SRTT = 7/8 · 102.5 + 1/8 · 80 = 99.6875
        (80 * MS, 99_687, 37_500, 299_687),
        // RTTVAR = 3/4 · 37.5 + 1/4 · |99.687 - 900| = 228.2, SRTT = 7/8 · 99.6875 + 1/8 · 900 = 199.7
        (900 * MS, 199_726, 228_203, 1_112_539),
    ];
    let mut estimator = RttEstimator::new();
    for (sample, srtt, rttvar, rto) in table {
        estimator.sample(micros(sample));
        assert_eq!(estimator.srtt().unwrap().as_micros(), srtt, "SRTT after {sample}");
        assert_eq!(estimator.rttvar().as_micros(), rttvar, "RTTVAR after {sample}");
        assert_eq!(estimator.rto().as_micros(), rto, "RTO after {sample}");
    }
}

#[test]
fn before_any_sample_the_timeout_is_one_second() {
    let estimator = RttEstimator::default();
    assert_eq!(estimator.rto(), Duration::from_secs(1));
    assert_eq!((estimator.srtt(), estimator.rttvar()), (None, Duration::ZERO));
}

#[test]
fn the_timeout_has_a_floor_and_a_ceiling() {
    for (sample, rto) in [
        (Duration::ZERO, micros(200 * MS + 1)),
        (micros(MS), micros(201 * MS)),
        (micros(99 * MS), micros(299 * MS)),
        (micros(101 * MS), micros(303 * MS)),
        (Duration::from_secs(39), Duration::from_secs(117)),
        (Duration::from_secs(41), MAX_RTO),
        (Duration::MAX, MAX_RTO),
    ] {
        let mut estimator = RttEstimator::new();
        estimator.sample(sample);
        assert_eq!(estimator.rto(), rto, "{sample:?}");
    }
}

#[test]
fn a_steady_path_leaves_room_for_a_delayed_acknowledgment() {
    let mut estimator = RttEstimator::new();
    for _ in 0..100 {
        estimator.sample(Duration::from_secs(1));
    }
    assert_eq!(estimator.srtt(), Some(Duration::from_secs(1)));
    assert_eq!(estimator.rto(), Duration::from_millis(1_200));
}

#[test]
fn the_average_follows_a_path_that_becomes_short() {
    let mut estimator = RttEstimator::new();
    estimator.sample(micros(100 * MS));
    for _ in 0..200 {
        estimator.sample(micros(2));
    }
    assert!(estimator.srtt().unwrap() < micros(3), "{:?}", estimator.srtt());
}

#[test]
fn a_sample_is_rounded_up_to_microseconds() {
    let mut estimator = RttEstimator::new();
    estimator.sample(Duration::from_nanos(300));
    assert_eq!(estimator.srtt(), Some(micros(1)));
}

#[test]
fn back_off_doubles_up_to_the_ceiling_and_ends() {
    let mut estimator = RttEstimator::new();
    for seconds in [1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120, 120] {
        assert_eq!(estimator.rto(), Duration::from_secs(seconds));
        estimator.back_off();
    }
    for _ in 0..300 {
        estimator.back_off();
    }
    assert_eq!(estimator.rto(), MAX_RTO);
    estimator.reset_back_off();
    assert_eq!(estimator.rto(), INITIAL_RTO);
}

#[test]
fn even_the_shortest_timeout_backs_off_to_the_ceiling() {
    let mut estimator = RttEstimator::new();
    estimator.sample(micros(10));
    (0..MAX_BACK_OFF).for_each(|_| estimator.back_off());
    assert_eq!(estimator.rto(), MAX_RTO);
}

#[test]
fn a_sample_ends_the_back_off() {
    let mut estimator = RttEstimator::new();
    estimator.back_off();
    estimator.back_off();
    estimator.sample(micros(100 * MS));
    assert_eq!(estimator.rto(), micros(300 * MS));
}

/// RFC 6298 section 5.7.
#[test]
fn after_a_lost_syn_data_starts_with_three_seconds() {
    let mut estimator = RttEstimator::new();
    estimator.back_off();
    estimator.on_handshake_with_lost_syn();
    assert_eq!(estimator.rto(), Duration::from_secs(3));
    estimator.back_off();
    assert_eq!(estimator.rto(), Duration::from_secs(6));
    estimator.sample(micros(100 * MS));
    assert_eq!(estimator.rto(), micros(300 * MS));
}

#[test]
fn a_timestamp_makes_up_for_a_lost_syn() {
    let mut estimator = RttEstimator::new();
    estimator.sample(micros(100 * MS));
    estimator.on_handshake_with_lost_syn();
    assert_eq!(estimator.rto(), micros(300 * MS));
}

#[test]
fn an_estimator_stays_small() {
    assert_eq!(size_of::<RttEstimator>(), 12);
}

/// The RFC's formulas in floating point, as the oracle.
fn by_the_book(samples: &[u64]) -> (f64, f64) {
    let first = samples[0] as f64;
    samples[1..]
        .iter()
        .fold((first, first / 2.0), |(srtt, rttvar), sample| {
            let sample = *sample as f64;
            (
                0.875 * srtt + 0.125 * sample,
                0.75 * rttvar + 0.25 * (srtt - sample).abs(),
            )
        })
}

proptest! {
    #[test]
    fn fixed_point_stays_within_two_microseconds_of_the_formulas(samples in vec(1u64..10_000_000, 1..50)) {
        let mut estimator = RttEstimator::new();
        samples.iter().for_each(|sample| estimator.sample(micros(*sample)));
        let (srtt, rttvar) = by_the_book(&samples);
        let actual = estimator.srtt().unwrap().as_nanos() as f64 / 1_000.0;
        prop_assert!((actual - srtt).abs() < 2.0, "SRTT {actual} for {srtt}");
        let actual = estimator.rttvar().as_nanos() as f64 / 1_000.0;
        prop_assert!((actual - rttvar).abs() < 2.0, "RTTVAR {actual} for {rttvar}");
    }

    #[test]
    fn nothing_overflows_and_the_timeout_keeps_its_bounds(
        steps in vec((any::<bool>(), prop_oneof![any::<u64>(), 0u64..1_000_000_000]), 0..200),
    ) {
        let mut estimator = RttEstimator::new();
        for (sampled, nanos) in steps {
            if sampled { estimator.sample(Duration::from_nanos(nanos)) } else { estimator.back_off() }
            prop_assert!((MIN_RTO..=MAX_RTO).contains(&estimator.rto()));
        }
    }
}

/// RFC 8985 section 6.2: RACK.min_RTT.
#[test]
fn the_shortest_round_trip_is_kept_within_a_part_in_two_thousand() {
    let mut estimator = RttEstimator::new();
    assert_eq!(estimator.min_rtt(), Duration::ZERO);
    for micros in [100_000_000, 1_234_567, 4_097, 4_096, 4_095, 77, 1] {
        estimator.sample(Duration::from_micros(micros));
        estimator.sample(Duration::from_micros(micros * 2));
        let kept = estimator.min_rtt().as_micros();
        assert!(
            kept <= micros && micros - kept <= micros / 2048,
            "{kept} for {micros}"
        );
    }
}

/// RFC 8985 section 7.2.
#[test]
fn a_probe_waits_for_two_round_trips() {
    let mut estimator = RttEstimator::new();
    estimator.sample(Duration::from_millis(30));
    assert_eq!(estimator.probe_timeout(), Duration::from_millis(60));
    let mut near = RttEstimator::new();
    near.sample(Duration::from_micros(30));
    assert_eq!(near.probe_timeout(), Duration::from_millis(10));
}

/// A span of 4.99 ms may have seen the clock tick four times: that a round trip took 4 ms would be too little said.
#[test]
fn ticks_of_a_clock_never_make_the_shortest_round_trip_too_short() {
    for past_tick in [0, 10, 999] {
        let mut estimator = RttEstimator::new();
        estimator.sample_coarse(micros(4 * MS), micros(past_tick));
        assert_eq!(estimator.min_rtt(), micros(4 * MS + past_tick / 2 * 2));
        assert_eq!(estimator.srtt(), Some(micros(4 * MS)));
    }
    let mut estimator = RttEstimator::new();
    estimator.sample(micros(4_096));
    estimator.sample_coarse(micros(4 * MS), micros(100));
    assert_eq!(estimator.min_rtt(), micros(4_096), "what is known better stays");
}
