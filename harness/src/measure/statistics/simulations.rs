//! Whether the statistics find what is there and nothing else, in made-up runs of a noisy machine.

use super::effect::{paired_by, unpaired_by};
use super::{Effect, SplitMix64};

/// Fewer than comparisons take, for the sake of time.
const RESAMPLES: usize = 200;

/// A run-level rate of a machine whose runs vary by `spread` (standard deviation of the logarithm), now and then by much more.
fn rate(random: &mut SplitMix64, spread: f64) -> f64 {
    let normal: f64 = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    let disturbed = if random.below(20) == 0 { -4.0 * spread } else { 0.0 };
    50_000.0 * (normal * spread + disturbed).exp()
}

fn rates(random: &mut SplitMix64, runs: usize, spread: f64) -> Vec<f64> {
    (0..runs).map(|_| rate(random, spread)).collect()
}

fn is_found(effect: Effect) -> bool {
    let certainty = effect.certainty.expect("enough runs");
    certainty.p < 0.05 && (certainty.low > 0.0 || certainty.high < 0.0)
}

/// How many of `tries` find a difference between runs of which the second are `factor` as fast.
fn found(tries: usize, runs: usize, spread: f64, factor: f64, compare: Compare) -> usize {
    let mut random = SplitMix64::new(2_026);
    let differs = |_: &usize| {
        let to = rates(&mut random, runs, spread);
        let of: Vec<f64> = rates(&mut random, runs, spread)
            .iter()
            .map(|rate| rate * factor)
            .collect();
        is_found(compare(&of, &to, random.advance(), RESAMPLES).expect("rates above zero"))
    };
    (0..tries).filter(differs).count()
}

type Compare = fn(&[f64], &[f64], u64, usize) -> Option<Effect>;

#[test]
fn the_same_twice_is_found_different_in_at_most_one_of_twenty_tries() {
    for runs in [6, 8, 12] {
        for (compare, how) in [(paired_by as Compare, "paired"), (unpaired_by, "unpaired")] {
            let false_alarms = found(1000, runs, 0.14, 1.0, compare);
            assert!(
                false_alarms <= 50,
                "{false_alarms} of 1000 with {runs} runs, {how}"
            );
        }
    }
}

#[test]
fn a_slowdown_of_a_tenth_is_found_where_runs_vary_by_three_per_cent() {
    for (compare, how) in [(paired_by as Compare, "paired"), (unpaired_by, "unpaired")] {
        let found = found(200, 12, 0.03, 0.9, compare);
        assert!(found >= 190, "{found} of 200, {how}");
    }
}
