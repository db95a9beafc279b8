//! Deadlines of tables whose entries have four bytes for one: milliseconds that wrap after 49.7 days.

use crate::time::{Duration, Instant};

/// A table's view of the clock, which never goes back.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct MillisecondClock(Instant);

impl MillisecondClock {
    pub(super) fn observe(&mut self, now: Instant) {
        self.0 = self.0.max(now);
    }

    pub(super) fn now(&self) -> Instant {
        self.0
    }

    /// The deadline `timeout` milliseconds from now, rounded up.
    pub(super) fn deadline_after(&self, timeout: u32) -> u32 {
        (self.0.as_nanos().div_ceil(1_000_000) as u32).wrapping_add(timeout)
    }

    /// Milliseconds left until a deadline that was set with a timeout of at most `longest`; 0 when it is due.
    ///
    /// A deadline that seems further away than it can have been set has passed. That holds for clocks that jump by
    /// years too, but for one minute in 49.7 days, when what is due seems to have just been set.
    pub(super) fn remaining(&self, deadline: u32, longest: u32) -> u32 {
        let remaining = deadline.wrapping_sub(self.0.as_millis() as u32);
        if remaining > longest.saturating_add(1) {
            0
        } else {
            remaining
        }
    }

    /// A deadline as an instant; now when it is due.
    pub(super) fn instant_of(&self, deadline: u32, longest: u32) -> Instant {
        match self.remaining(deadline, longest) {
            0 => self.0,
            // Time ends before some deadlines.
            remaining => {
                Instant::from_nanos((self.0.as_millis() + u64::from(remaining)).saturating_mul(1_000_000))
            }
        }
    }
}

/// A timeout in whole milliseconds, rounded up; at most 12 days, far from half the range of a deadline.
pub(super) fn timeout_in_millis(timeout: Duration) -> u32 {
    const LONGEST: u64 = 1 << 30;
    timeout.as_nanos().div_ceil(1_000_000).min(LONGEST) as u32
}

#[cfg(test)]
mod tests {
    use super::{MillisecondClock, timeout_in_millis};
    use crate::time::{Duration, Instant};

    fn clock(now: Instant) -> MillisecondClock {
        MillisecondClock(now)
    }

    #[test]
    fn deadlines_are_never_early_and_at_most_a_millisecond_late() {
        let start = Instant::from_nanos(1_000_000_001);
        let deadline = clock(start).deadline_after(10);
        assert_eq!(
            clock(start + Duration::from_nanos(9_999_998)).remaining(deadline, 10),
            2
        );
        assert_eq!(
            clock(start + Duration::from_nanos(9_999_999)).remaining(deadline, 10),
            1
        );
        assert_eq!(
            clock(start + Duration::from_millis(11)).remaining(deadline, 10),
            0
        );
        assert_eq!(clock(start).instant_of(deadline, 10), Instant::from_millis(1_011));
    }

    #[test]
    fn deadlines_survive_the_wrap_and_jumps_of_years() {
        let before_wrap = Instant::from_millis((1 << 32) - 5);
        let deadline = clock(before_wrap).deadline_after(10);
        assert_eq!(
            clock(before_wrap + Duration::from_millis(4)).remaining(deadline, 10),
            6
        );
        for days in [1, 20, 30, 40, 365, 3_650] {
            let later = before_wrap + Duration::from_secs(days * 86_400);
            assert_eq!(clock(later).remaining(deadline, 10), 0, "after {days} days");
        }
    }

    #[test]
    fn a_deadline_after_the_end_of_time_is_its_end() {
        let clock = clock(Instant::from_nanos(u64::MAX - 1));
        let deadline = clock.deadline_after(60_000);
        assert_eq!(clock.instant_of(deadline, 60_000), Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let mut clock = clock(Instant::from_secs(5));
        clock.observe(Instant::from_secs(3));
        assert_eq!(clock.now(), Instant::from_secs(5));
    }

    #[test]
    fn timeouts_are_rounded_up_and_bounded() {
        assert_eq!(timeout_in_millis(Duration::from_nanos(1)), 1);
        assert_eq!(timeout_in_millis(Duration::from_secs(60)), 60_000);
        assert_eq!(timeout_in_millis(Duration::MAX), 1 << 30);
    }
}
