use super::{TICK, coarse_clock, expired_at, past_tick, timestamp_clock};
use crate::time::{Duration, Instant};

/// What the clock of timestamps shows and how long ago it ticked are together the time.
#[test]
fn a_tick_and_what_has_passed_of_the_next_one_are_the_time() {
    for nanos in [0, 1, 999_999, 1_000_000, 1_000_001, 7_654_321_012] {
        let now = Instant::from_nanos(nanos);
        let ticked = u64::from(timestamp_clock(now)) * TICK.as_nanos();
        assert_eq!(ticked + past_tick(now).as_nanos(), nanos);
        assert!(past_tick(now) < TICK);
    }
}

/// The coarse clock of a timestamp that has expired is as little before the present as possible, so that it is not too old for its bits.
#[test]
fn an_expired_timestamp_is_just_over_24_days_old() {
    let now = Instant::from_secs(100 * 24 * 3600);
    let age = Duration::from_nanos(u64::from(coarse_clock(now) - expired_at(now)) << 32);
    let lifetime = Duration::from_secs(24 * 24 * 3600);
    assert!(
        age > lifetime && age < lifetime + Duration::from_secs(5),
        "{age:?}"
    );
}
