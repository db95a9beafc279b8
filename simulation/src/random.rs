//! The one source of all decisions: numbers that follow from the seed.

use std::ops::RangeInclusive;

use handfast::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A generator of its own, so that what one part of a plan draws does not move what the others do.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// 0 to `bound - 1`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// From the range without its end (unless that is all there is), small numbers as often as large ones: every doubling is equally likely.
    pub(crate) fn scaled(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (range.start() + 1, range.end() + 1);
        let doublings = self.fraction() * (high as f64 / low as f64).log2();
        ((low as f64 * doublings.exp2()) as u64 - 1).clamp(*range.start(), *range.end())
    }

    pub(crate) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        let nanos = range.start() * 1_000_000..=range.end() * 1_000_000;
        Duration::from_nanos(self.within(nanos))
    }

    /// From 0 to below 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_stay_in_their_ranges_and_spread_over_them() {
        let mut random = Random::new(7);
        let (mut low, mut high) = (u64::MAX, 0);
        for _ in 0..2_000 {
            let number = random.scaled(0..=9);
            (low, high) = (low.min(number), high.max(number));
            assert!((5..=8).contains(&random.within(5..=8)));
        }
        assert_eq!((low, high), (0, 8), "the last number only bounds");
    }
}
