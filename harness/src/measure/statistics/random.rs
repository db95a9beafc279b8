//! Randomness that a seed repeats.

/// Steele, Lea and Flood's generator: tiny, seeded, and good enough to choose runs with.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// The sequence of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to 1, either excluded: its logarithm exists.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.advance() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// The next 64 bits.
    pub(crate) fn advance(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by the high part of a product.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.advance()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_sequence() {
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.advance(), 6_457_827_717_110_365_317);
        assert_eq!(random.advance(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn units_lie_strictly_between_zero_and_one_and_spread_evenly() {
        let mut random = SplitMix64::new(7);
        let units: Vec<f64> = (0..10_000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|unit| (f64::MIN_POSITIVE..1.0).contains(unit)));
        let mean = units.iter().sum::<f64>() / units.len() as f64;
        assert!((0.49..0.51).contains(&mean), "{mean}");
    }
}
