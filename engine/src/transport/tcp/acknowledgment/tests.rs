use super::{Has, LONGEST_ECHO_MS, Timestamps, echoed_rtt};
use crate::time::{Duration, Instant};

/// The clock of this connection's timestamps begins here.
const OFFSET: u32 = 0xffff_ff00;

/// What the echo of a timestamp tells that was sent so many milliseconds ago.
fn told(flags: Has, ago: u32) -> Option<u16> {
    let now = Instant::from_secs(1000);
    let sent = (now.as_millis() as u32).wrapping_sub(ago);
    let echo = Timestamps {
        tsval: 7,
        tsecr: sent.wrapping_add(OFFSET),
    };
    echoed_rtt(flags, OFFSET, Some(echo), now)
}

fn with(flag: u32) -> Has {
    let mut flags = Has::default();
    flags.set(flag);
    flags
}

#[test]
fn an_echo_tells_how_long_it_took() {
    for ago in [0, 1, 77, u32::from(LONGEST_ECHO_MS)] {
        assert_eq!(told(with(Has::TIMESTAMPS), ago).map(u32::from), Some(ago));
    }
}

/// Of a minute on it tells nothing, and neither does one from the future, which cannot be honest.
#[test]
fn an_echo_that_cannot_be_right_tells_nothing() {
    for ago in [u32::from(LONGEST_ECHO_MS) + 1, 65_536, u32::MAX] {
        assert_eq!(told(with(Has::TIMESTAMPS), ago), None, "{ago} ms");
    }
}

/// The option may stand in a segment although it was not agreed on: what is in it is not ours.
#[test]
fn an_echo_without_agreement_tells_nothing() {
    assert_eq!(told(with(Has::SACK), 77), None);
    let now = Instant::from_secs(1000) + Duration::from_millis(5);
    assert_eq!(echoed_rtt(with(Has::TIMESTAMPS), OFFSET, None, now), None);
}
