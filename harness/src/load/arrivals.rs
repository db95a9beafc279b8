//! When the operations of an open loop are to start: drawn ahead of the clock, and never from what became of others.

use crate::config::Arrivals;
use crate::measure::statistics::SplitMix64;
use crate::stack::Nanos;

/// An endless schedule of intended starts, which never slips: a caller that comes late finds all that it missed.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    arrivals: Arrivals,
    /// Nanoseconds between two arrivals in the mean.
    gap: f64,
    random: SplitMix64,
    origin: Nanos,
    /// Nanoseconds from the origin to the next arrival.
    offset: f64,
    /// Arrivals that are still to come at this moment, the next included.
    left: u32,
}

impl Schedule {
    /// `rate` arrivals per second from time 0 on. What is evenly spread begins `share` (0 to 1) of a period later, so that generators do
    /// not start their operations all at once.
    pub(crate) fn new(arrivals: Arrivals, rate: f64, share: f64, seed: u64) -> Self {
        let mut schedule = Self {
            arrivals,
            gap: 1e9 / rate,
            random: SplitMix64::new(seed),
            origin: 0,
            offset: 0.0,
            left: 0,
        };
        schedule.offset = match arrivals {
            Arrivals::Poisson => schedule.exponential(),
            Arrivals::Paced => share * schedule.gap,
            Arrivals::Burst(number) => share * schedule.gap * f64::from(number),
        };
        schedule.left = schedule.size();
        schedule
    }

    /// Lets the schedule begin at `now`.
    pub(crate) fn begin(&mut self, now: Nanos) {
        self.origin = now;
    }

    /// When the next operation is to start.
    pub(crate) fn next(&self) -> Nanos {
        self.origin + self.offset as Nanos
    }

    /// The next operation's intended start, when that has come by `now`.
    pub(crate) fn due(&mut self, now: Nanos) -> Option<Nanos> {
        let next = self.next();
        if next > now {
            return None;
        }
        self.left -= 1;
        if self.left == 0 {
            self.left = self.size();
            self.offset += match self.arrivals {
                Arrivals::Poisson => self.exponential(),
                Arrivals::Paced => self.gap,
                Arrivals::Burst(number) => self.gap * f64::from(number),
            };
        }
        Some(next)
    }

    /// Leaves out all that is due by `now`, however much it is, and says how much: of independent arrivals as many as are to be expected.
    pub(crate) fn skip(&mut self, now: Nanos) -> u64 {
        if self.next() > now {
            return 0;
        }
        let reached = (now - self.origin) as f64;
        let size = u64::from(self.size());
        let period = self.gap * f64::from(self.size());
        let further = ((reached - self.offset) / period).max(0.0).floor();
        self.offset = match self.arrivals {
            Arrivals::Poisson => reached + self.exponential(),
            Arrivals::Paced | Arrivals::Burst(_) => self.offset + (further + 1.0) * period,
        };
        let skipped = u64::from(self.left) + further as u64 * size;
        self.left = self.size();
        skipped
    }

    /// Arrivals at one moment.
    fn size(&self) -> u32 {
        match self.arrivals {
            Arrivals::Burst(number) => number,
            Arrivals::Poisson | Arrivals::Paced => 1,
        }
    }

    fn exponential(&mut self) -> f64 {
        -self.random.unit().ln() * self.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 50_000.0;
    const GAP: f64 = 1e9 / RATE;

    fn starts(arrivals: Arrivals, seed: u64, number: usize) -> Vec<Nanos> {
        let mut schedule = Schedule::new(arrivals, RATE, 0.0, seed);
        schedule.begin(1_000);
        (0..number)
            .map(|_| schedule.due(Nanos::MAX).expect("endless"))
            .collect()
    }

    fn gaps(starts: &[Nanos]) -> Vec<f64> {
        starts.windows(2).map(|two| (two[1] - two[0]) as f64).collect()
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_variance_of_the_exponential_distribution() {
        let gaps = gaps(&starts(Arrivals::Poisson, 3, 100_000));
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Four standard errors: GAP ÷ √n, and √8 × GAP² ÷ √n.
        assert!((mean / GAP - 1.0).abs() < 0.0127, "{mean}");
        assert!((variance / (GAP * GAP) - 1.0).abs() < 0.036, "{variance}");
        let short = gaps.iter().filter(|&&gap| gap < GAP).count() as f64 / gaps.len() as f64;
        assert!(
            (short - 0.632).abs() < 0.006,
            "1 − 1/e of the gaps are below the mean: {short}"
        );
    }

    #[test]
    fn paced_starts_are_evenly_spread() {
        let starts = starts(Arrivals::Paced, 1, 10_000);
        assert_eq!(starts[0], 1_000);
        assert!(gaps(&starts).iter().all(|&gap| gap == GAP));
    }

    #[test]
    fn a_burst_starts_at_once_and_keeps_the_rate() {
        let starts = starts(Arrivals::Burst(8), 1, 8_000);
        for burst in starts.chunks(8) {
            assert!(burst.iter().all(|start| *start == burst[0]));
        }
        let firsts: Vec<Nanos> = starts.iter().copied().step_by(8).collect();
        assert!(gaps(&firsts).iter().all(|&gap| gap == 8.0 * GAP));
    }

    #[test]
    fn what_is_left_out_is_counted_without_being_drawn_one_by_one() {
        for arrivals in [Arrivals::Paced, Arrivals::Burst(8), Arrivals::Poisson] {
            let mut schedule = Schedule::new(arrivals, RATE, 0.0, 5);
            schedule.begin(1_000);
            schedule.due(1_000 + GAP as Nanos * 100);
            let now = 1_000 + GAP as Nanos * 80_000;
            let skipped = schedule.skip(now);
            assert!(
                schedule.next() > now && schedule.due(now).is_none(),
                "{arrivals:?}"
            );
            match arrivals {
                Arrivals::Poisson => assert!(skipped.abs_diff(80_000) < 50, "{skipped}"),
                // The one at time 0 was taken, that at `now` is skipped.
                Arrivals::Paced => assert_eq!(skipped, 80_000),
                Arrivals::Burst(_) => assert_eq!(skipped, 80_007),
            }
            assert_eq!(schedule.skip(now), 0);
        }
    }

    #[test]
    fn a_seed_decides_all_starts() {
        let of = |seed| starts(Arrivals::Poisson, seed, 1000);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn nothing_is_due_before_its_time_and_nothing_is_lost_by_coming_late() {
        let mut schedule = Schedule::new(Arrivals::Paced, 1000.0, 0.5, 1);
        assert_eq!(schedule.due(499_999), None);
        assert_eq!(schedule.due(500_000), Some(500_000));
        assert_eq!(schedule.due(1_499_999), None);
        let late: Vec<_> = std::iter::from_fn(|| schedule.due(4_500_000)).collect();
        assert_eq!(late, [1_500_000, 2_500_000, 3_500_000, 4_500_000]);
        assert_eq!(schedule.next(), 5_500_000);
    }
}
