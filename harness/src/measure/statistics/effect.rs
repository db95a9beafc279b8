//! How much faster or slower one is than the other, and whether that is more than chance.

use super::random::SplitMix64;
use super::ranks::{rank_sum, signed_rank};
use super::student::expanded_tail;
use super::{FEWEST_FOR_INTERVAL, median, quantile};

/// Bootstrap resamples of an effect; tests compare thousands of times.
const RESAMPLES: usize = if cfg!(test) { 400 } else { 10_000 };

/// Runs of each that an unpaired comparison needs at least: three and three can reach no less than p = 0.1.
const FEWEST_UNPAIRED: usize = 4;

/// The ratio of one to the other, on its logarithm.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Effect {
    /// Natural logarithm of the ratio: 0 is the same, 0.1 about 10 % more.
    pub(crate) log_ratio: f64,
    /// A 95 % bootstrap interval of the logarithm, and the p-value of the test by ranks; `None` with too few runs for either.
    pub(crate) certainty: Option<Certainty>,
    /// Pairs of runs, or runs of the side that has fewer.
    pub(crate) n: usize,
}

/// How sure an effect is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Certainty {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Two-sided, by Wilcoxon for pairs and by Mann and Whitney for others.
    pub(crate) p: f64,
}

/// The effect between runs that took turns: the median of the pairs' log-ratios (`of` ÷ `to`). Pairs of which a value is not above
/// zero have no ratio and are left out. `None` without any pair.
pub(crate) fn paired(of: &[f64], to: &[f64], seed: u64) -> Option<Effect> {
    paired_by(of, to, seed, RESAMPLES)
}

/// As [`paired`], with so many resamples.
pub(super) fn paired_by(of: &[f64], to: &[f64], seed: u64, resamples: usize) -> Option<Effect> {
    let ratios: Vec<f64> = of
        .iter()
        .zip(to)
        .map(|(of, to)| (of / to).ln())
        .filter(|ratio| ratio.is_finite())
        .collect();
    let certain = ratios.len() >= FEWEST_FOR_INTERVAL;
    let certainty = certain.then(|| {
        let mut draw = Draw::new(seed);
        let (low, high) = bootstrap(resamples, ratios.len(), || median(draw.from(&ratios)));
        Certainty {
            low,
            high,
            p: signed_rank(&ratios),
        }
    });
    Some(Effect {
        log_ratio: median(&ratios)?,
        certainty,
        n: ratios.len(),
    })
}

/// The effect between runs that did not take turns: the difference of the medians of the logarithms. `None` when a side has no
/// value above zero.
pub(crate) fn unpaired(of: &[f64], to: &[f64], seed: u64) -> Option<Effect> {
    unpaired_by(of, to, seed, RESAMPLES)
}

/// As [`unpaired`], with so many resamples.
pub(super) fn unpaired_by(of: &[f64], to: &[f64], seed: u64, resamples: usize) -> Option<Effect> {
    let logarithms = |values: &[f64]| -> Vec<f64> {
        let logarithms = values.iter().map(|value| value.ln());
        logarithms.filter(|value| value.is_finite()).collect()
    };
    let (of, to) = (logarithms(of), logarithms(to));
    let n = of.len().min(to.len());
    let certainty = (n >= FEWEST_UNPAIRED).then(|| {
        let (mut draw_of, mut draw_to) = (Draw::new(seed), Draw::new(!seed));
        let (low, high) = bootstrap(resamples, n, || {
            Some(median(draw_of.from(&of))? - median(draw_to.from(&to))?)
        });
        Certainty {
            low,
            high,
            p: rank_sum(&of, &to),
        }
    });
    Some(Effect {
        log_ratio: median(&of)? - median(&to)?,
        certainty,
        n,
    })
}

/// The smallest p-value that so many runs can reach.
fn least_p(runs: usize, paired: bool) -> f64 {
    if paired {
        return 2.0 / 2_f64.powi(i32::try_from(runs).unwrap_or(i32::MAX));
    }
    // Two of the ways to choose half of them all.
    let ways = (1..=runs).fold(1.0, |ways, at| ways * (runs + at) as f64 / at as f64);
    2.0 / ways
}

/// The fewest runs that have an interval and can reach a p-value below `p`.
pub(crate) fn fewest_for(p: f64, paired: bool) -> usize {
    let fewest = if paired {
        FEWEST_FOR_INTERVAL
    } else {
        FEWEST_UNPAIRED
    };
    (fewest..)
        .find(|&runs| least_p(runs, paired) < p)
        .unwrap_or(usize::MAX)
}

/// Draws of runs with replacement.
struct Draw {
    random: SplitMix64,
    drawn: Vec<f64>,
}

impl Draw {
    fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            drawn: Vec::new(),
        }
    }

    fn from(&mut self, sample: &[f64]) -> &[f64] {
        self.drawn.clear();
        let draws = (0..sample.len()).map(|_| sample[self.random.below(sample.len())]);
        self.drawn.extend(draws);
        &self.drawn
    }
}

/// The 95 % percentile interval of a statistic of resamples of so many runs, expanded because they are few.
fn bootstrap(resamples: usize, runs: usize, mut statistic: impl FnMut() -> Option<f64>) -> (f64, f64) {
    let found: Vec<f64> = (0..resamples).filter_map(|_| statistic()).collect();
    let end = |at| quantile(&found, at).unwrap_or(f64::NAN);
    let tail = expanded_tail(runs);
    (end(tail), end(1.0 - tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_the_median_of_paired_ratios() {
        let to = [100.0, 200.0, 50.0, 80.0, 10.0, 40.0, 70.0];
        let of = to.map(|value| 1.1 * value);
        let effect = paired(&of, &to, 1).expect("pairs");
        assert!((effect.log_ratio.exp() - 1.1).abs() < 1e-12);
        let certainty = effect.certainty.expect("seven pairs");
        assert!((certainty.low.exp() - 1.1).abs() < 1e-9 && (certainty.high.exp() - 1.1).abs() < 1e-9);
        assert!((certainty.p - 2.0 / 128.0).abs() < 1e-12);
        assert_eq!(paired(&of, &to, 1), Some(effect), "the seed is fixed");
    }

    #[test]
    fn too_few_runs_have_an_effect_and_no_certainty() {
        let effect = paired(&[2.0; 5], &[1.0; 5], 1).expect("pairs");
        assert!((effect.log_ratio - 2_f64.ln()).abs() < 1e-12 && effect.certainty.is_none());
        assert!(
            unpaired(&[2.0; 3], &[1.0; 9], 1)
                .expect("runs")
                .certainty
                .is_none()
        );
        assert_eq!(paired(&[], &[], 1), None);
        assert_eq!(unpaired(&[0.0], &[1.0], 1), None, "nothing has no logarithm");
    }

    #[test]
    fn the_least_p_value_is_that_of_clearly_apart_runs() {
        for runs in 4..12 {
            let low: Vec<f64> = (1..=runs).map(|at| at as f64).collect();
            let high: Vec<f64> = low.iter().map(|value| value * 100.0).collect();
            let reached = unpaired(&high, &low, 1)
                .and_then(|effect| effect.certainty)
                .expect("enough");
            assert!((reached.p - least_p(runs, false)).abs() < 1e-12);
        }
        assert_eq!(least_p(6, true), 0.03125);
        assert_eq!((fewest_for(0.05, true), fewest_for(0.05, false)), (6, 4));
        assert_eq!(
            (fewest_for(0.05 / 12.0, true), fewest_for(0.05 / 12.0, false)),
            (9, 6)
        );
    }
}
