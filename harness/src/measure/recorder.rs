//! Latency histograms.

use hdrhistogram::Histogram;

/// Longest latency that is told apart; longer ones are counted as this long.
pub(crate) const LONGEST_NS: u64 = 60_000_000_000;

/// An empty histogram of nanoseconds with the bounds that all of the harness uses, so that any two can be added exactly.
pub(crate) fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are valid for HdrHistogram")
}

/// Records latencies in nanoseconds, 1 ns to 60 s, to three significant digits.
///
/// A value below or above is recorded as the nearest bound. Memory is allocated once, at construction.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    histogram: Histogram<u64>,
}

impl Recorder {
    /// An empty recorder.
    pub(crate) fn new() -> Self {
        Self {
            histogram: empty_histogram(),
        }
    }

    /// Records one latency. O(1), no allocation.
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.histogram.saturating_record(nanoseconds.max(1));
    }

    /// Adds what another recorder holds. Exact: both have the same buckets.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("all recorders have the same bounds");
    }

    /// Becomes the same as another recorder, in the memory that it has.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.histogram.reset();
        self.merge(other);
    }

    /// The histogram, for [`crate::scenario::Measurement`].
    pub(crate) fn into_histogram(self) -> Histogram<u64> {
        self.histogram
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

/// Every bucket of a histogram that holds something, as (value, count): lossless between histograms made here.
pub(crate) fn to_buckets(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram
        .iter_recorded()
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
        .collect()
}

/// The histogram that [`to_buckets`] took apart.
pub(crate) fn from_buckets(buckets: &[(u64, u64)]) -> Histogram<u64> {
    let mut histogram = empty_histogram();
    for &(value, count) in buckets {
        histogram.saturating_record_n(value, count);
    }
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_the_bounds_count_as_the_bound() {
        let mut recorder = Recorder::new();
        recorder.record(0);
        recorder.record(u64::MAX);
        let histogram = recorder.into_histogram();
        assert_eq!(histogram.len(), 2);
        assert_eq!(histogram.min(), 1);
        assert!(histogram.equivalent(histogram.max(), LONGEST_NS));
    }

    #[test]
    fn buckets_carry_a_histogram_without_loss() {
        let mut recorder = Recorder::new();
        let mut value = 1_u64;
        while value < 2 * LONGEST_NS {
            recorder.record(value);
            recorder.record(value + value / 7);
            value = value * 3 / 2 + 1;
        }
        let histogram = recorder.into_histogram();
        let back = from_buckets(&to_buckets(&histogram));
        assert_eq!(back, histogram);
        assert_eq!(to_buckets(&back), to_buckets(&histogram));
    }

    #[test]
    fn merging_parts_gives_the_whole() {
        let (mut even, mut odd, mut all) = (Recorder::new(), Recorder::new(), Recorder::new());
        for value in 1..5000_u64 {
            if value % 2 == 0 {
                even.record(value * 97);
            } else {
                odd.record(value * 97);
            }
            all.record(value * 97);
        }
        even.merge(&odd);
        assert_eq!(
            to_buckets(&even.into_histogram()),
            to_buckets(&all.into_histogram())
        );
    }
}
