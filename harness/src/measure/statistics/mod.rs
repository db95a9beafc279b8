//! Statistics over runs. The unit is the run: what happens inside of one is in its histogram.
//!
//! An effect is a ratio, so it is estimated on logarithms: twice as fast and half as fast are equally far from the same. Tests
//! are by ranks and exact, because six runs say nothing of the shape of a distribution.

mod drift;
mod effect;
mod holm;
#[cfg(test)]
pub(crate) mod noise;
mod random;
mod ranks;
#[cfg(test)]
mod simulations;
mod student;

pub(crate) use self::drift::beside_drift;
pub(crate) use self::effect::{Effect, fewest_for, paired, unpaired};
pub(crate) use self::holm::holm;
pub(crate) use self::random::SplitMix64;
use self::student::expanded_tail;

/// Runs, or pairs of runs, below which no interval is given: fewer can not reach 95 %.
pub(crate) const FEWEST_FOR_INTERVAL: usize = 6;

/// Bootstrap resamples: the ends of a 95 % interval then rest on 25 of them each, or on a few with the fewest runs.
const RESAMPLES: usize = 1000;

/// The value that `quantile` (0 to 1) of the sample lies below, interpolated between its neighbours. `None` for an empty sample.
pub(crate) fn quantile(sample: &[f64], quantile: f64) -> Option<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = quantile * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The middle of the sample. `None` for an empty one.
pub(crate) fn median(sample: &[f64]) -> Option<f64> {
    quantile(sample, 0.5)
}

/// A 95 % percentile-bootstrap interval, expanded for few, of `statistic` over the runs, or pairs of runs, in `sample`; the same every time.
/// `None` below [`FEWEST_FOR_INTERVAL`].
pub(crate) fn interval<T: Copy>(sample: &[T], statistic: impl Fn(&[T]) -> Option<f64>) -> Option<(f64, f64)> {
    if sample.len() < FEWEST_FOR_INTERVAL {
        return None;
    }
    let mut random = SplitMix64::new(sample.len() as u64);
    let mut resample = Vec::with_capacity(sample.len());
    let mut found = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        resample.clear();
        resample.extend((0..sample.len()).map(|_| sample[random.below(sample.len())]));
        found.extend(statistic(&resample));
    }
    let tail = expanded_tail(sample.len());
    Some((quantile(&found, tail)?, quantile(&found, 1.0 - tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(quantile(&[10.0, 20.0, 30.0, 40.0, 50.0], 0.25), Some(20.0));
        assert_eq!(quantile(&[10.0, 20.0], 1.0), Some(20.0));
    }

    #[test]
    fn five_runs_have_no_interval_and_six_have() {
        let sample = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(interval(&sample[..5], median), None);
        let (low, high) = interval(&sample, median).expect("six runs");
        assert!(
            (1.0..3.5).contains(&low) && high > 3.5 && high <= 6.0,
            "{low} to {high}"
        );
        assert_eq!(interval(&sample, median), Some((low, high)), "the seed is fixed");
    }

    #[test]
    fn the_interval_of_a_constant_is_the_constant() {
        assert_eq!(interval(&[7.0; 8], median), Some((7.0, 7.0)));
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        // Means of 20 even draws from 0 to 1, whose true mean is one half.
        let mut random = SplitMix64::new(2026);
        let mean = |draws: &[f64]| Some(draws.iter().sum::<f64>() / draws.len() as f64);
        let covered = (0..200).filter(|_| {
            let draws: Vec<f64> = (0..20).map(|_| random.below(1_000_000) as f64 / 1e6).collect();
            let (low, high) = interval(&draws, mean).expect("twenty runs");
            (low..=high).contains(&0.5)
        });
        let covered = covered.count();
        assert!((176..=198).contains(&covered), "{covered} of 200");
    }
}
