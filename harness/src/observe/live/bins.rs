//! Latencies in few bins, as a terminal can show them.

/// From 1 ns to 18 minutes.
const BINS: usize = 40;

/// How often times came; each bin begins at twice the time of the one before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bins([u64; BINS]);

impl Default for Bins {
    fn default() -> Self {
        Self([0; BINS])
    }
}

impl Bins {
    /// Takes in times as (nanoseconds, count).
    pub(super) fn add(&mut self, times: &[(u64, u64)]) {
        for &(nanoseconds, count) in times {
            let bin = nanoseconds.max(1).ilog2() as usize;
            self.0[bin.min(BINS - 1)] += count;
        }
    }

    /// From the first bin in use to the last, with the time in nanoseconds at which each begins; at most `most` of them, those of the
    /// longest times, because that is where something is wrong.
    pub(super) fn shown(&self, most: usize) -> Vec<(u64, u64)> {
        let used = |bin: &usize| self.0[*bin] > 0;
        let (Some(first), Some(last)) = ((0..BINS).find(used), (0..BINS).rfind(used)) else {
            return Vec::new();
        };
        let first = first.max((last + 1).saturating_sub(most));
        (first..=last).map(|bin| (1 << bin, self.0[bin])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bin_that_begins_before_it_and_the_longest_are_kept() {
        let mut bins = Bins::default();
        bins.add(&[(0, 1), (100, 2), (127, 3), (128, 4), (u64::MAX, 5)]);
        let all = bins.shown(usize::MAX);
        let of = |begin: u64| {
            all.iter()
                .find(|(other, _)| *other == begin)
                .map(|(_, count)| *count)
        };
        assert_eq!(
            (of(1), of(64), of(128), of(256)),
            (Some(1), Some(5), Some(4), Some(0))
        );
        assert_eq!(bins.shown(2).last().map(|(_, count)| *count), Some(5));
        assert_eq!(bins.shown(2).len(), 2);
        assert!(Bins::default().shown(9).is_empty());
    }
}
