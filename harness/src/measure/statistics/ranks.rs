//! Tests by ranks: they ask nothing of the distribution of run-level values, which nobody knows from a handful of runs.

/// Values in both samples together up to which the rank-sum test counts every way to divide them.
const EXACT_RANK_SUM: usize = 60;

/// Wilcoxon's signed-rank test of paired differences against zero: the two-sided p-value, exact at every size and with ties.
/// Differences of zero say nothing and are left out, as Wilcoxon did; with nothing left the answer is 1.
pub(super) fn signed_rank(differences: &[f64]) -> f64 {
    let differences: Vec<f64> = differences.iter().copied().filter(|&one| one != 0.0).collect();
    let sizes: Vec<f64> = differences.iter().map(|one| one.abs()).collect();
    let ranks = doubled_ranks(&sizes);
    let positive = ranks
        .iter()
        .zip(&differences)
        .filter(|&(_, &difference)| difference > 0.0)
        .map(|(rank, _)| rank);
    let observed: usize = positive.sum();
    two_sided(&sums_of_subsets(&ranks), observed)
}

/// Mann and Whitney's rank-sum test of two independent samples: the two-sided p-value. Exact, with ties, up to
/// [`EXACT_RANK_SUM`] values in all; beyond, by the normal distribution with its correction for ties.
pub(super) fn rank_sum(one: &[f64], other: &[f64]) -> f64 {
    let all: Vec<f64> = one.iter().chain(other).copied().collect();
    let ranks = doubled_ranks(&all);
    let observed: usize = ranks[..one.len()].iter().sum();
    if all.len() > EXACT_RANK_SUM {
        return rank_sum_by_normal(&ranks, one.len(), observed);
    }
    two_sided(&sums_of_choices(&ranks, one.len()), observed)
}

/// Twice the rank of each value, so that the mean rank of a tie is whole, too.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        2 * below + equal + 1
    };
    values.iter().map(rank).collect()
}

/// The probability of every sum of ranks when each rank is in it or not with equal chance.
fn sums_of_subsets(ranks: &[usize]) -> Vec<f64> {
    let mut chance = vec![0.0; ranks.iter().sum::<usize>() + 1];
    chance[0] = 1.0;
    for &rank in ranks {
        for sum in (0..chance.len()).rev() {
            let with = sum.checked_sub(rank).map_or(0.0, |rest| chance[rest]);
            chance[sum] = (chance[sum] + with) / 2.0;
        }
    }
    chance
}

/// How many choices of `chosen` ranks have each sum.
fn sums_of_choices(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let most = ranks.iter().sum::<usize>() + 1;
    let mut ways = vec![vec![0.0; most]; chosen + 1];
    ways[0][0] = 1.0;
    for &rank in ranks {
        for count in (1..=chosen).rev() {
            let (fewer, same) = ways.split_at_mut(count);
            for sum in rank..most {
                same[0][sum] += fewer[count - 1][sum - rank];
            }
        }
    }
    ways.swap_remove(chosen)
}

/// Twice the chance of a sum as far out as the observed one on its side.
fn two_sided(weights: &[f64], observed: usize) -> f64 {
    let all: f64 = weights.iter().sum();
    let up_to: f64 = weights[..=observed].iter().sum();
    let from: f64 = weights[observed..].iter().sum();
    (2.0 * up_to.min(from) / all).min(1.0)
}

fn rank_sum_by_normal(ranks: &[usize], chosen: usize, observed: usize) -> f64 {
    let (size, chosen) = (ranks.len() as f64, chosen as f64);
    let mean = size + 1.0;
    let spread = ranks
        .iter()
        .map(|&rank| (rank as f64 - mean).powi(2))
        .sum::<f64>();
    let variance = chosen * (size - chosen) / (size * (size - 1.0)) * spread;
    // Half a rank for continuity: one in doubled ranks.
    let distance = ((observed as f64 - chosen * mean).abs() - 1.0).max(0.0);
    if variance == 0.0 {
        return 1.0;
    }
    two_tails(distance / variance.sqrt())
}

/// The chance that a normal deviate is at least so many standard deviations from its mean, on either side: Abramowitz and Stegun
/// 7.1.26, wrong by at most 1.5e-7.
pub(super) fn two_tails(deviations: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let x = deviations / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = COEFFICIENTS.iter().fold(0.0, |sum, next| (sum + next) * t);
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() < within, "{found} instead of {expected}");
    }

    /// Differences 1..=n of which the smallest that sum to `negative` are negative.
    fn with_negative_sum(n: usize, negative: usize) -> Vec<f64> {
        let mut left = negative;
        let mut differences: Vec<f64> = (1..=n).map(|rank| rank as f64).collect();
        for difference in differences.iter_mut().rev() {
            if *difference as usize <= left {
                left -= *difference as usize;
                *difference = -*difference;
            }
        }
        assert_eq!(left, 0);
        differences
    }

    #[test]
    fn signed_rank_has_the_published_critical_values() {
        // Wilcoxon and Wilcox (1964), two-sided 5 %: the largest rank sum that is still significant.
        for (n, critical) in [
            (6, 0),
            (7, 2),
            (8, 3),
            (9, 5),
            (10, 8),
            (11, 10),
            (12, 13),
            (15, 25),
            (20, 52),
            (25, 89),
        ] {
            assert!(signed_rank(&with_negative_sum(n, critical)) <= 0.05, "n = {n}");
            assert!(signed_rank(&with_negative_sum(n, critical + 1)) > 0.05, "n = {n}");
        }
    }

    #[test]
    fn five_pairs_can_not_be_significant_and_six_can() {
        close(signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]), 0.0625, 1e-12);
        close(signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 0.03125, 1e-12);
    }

    #[test]
    fn wilcoxon_s_own_example_has_its_p_value() {
        // Darwin's maize plants, crossed less self-fertilised: R's wilcox.test(…, paired = TRUE) says p = 0.04126.
        let darwin = [
            49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0,
        ];
        close(signed_rank(&darwin), 0.041_26, 5e-6);
    }

    #[test]
    fn differences_of_zero_say_nothing() {
        assert_eq!(signed_rank(&[0.0; 9]), 1.0);
        assert_eq!(
            signed_rank(&[0.0, 1.0, 2.0, -3.0, 0.0]),
            signed_rank(&[1.0, 2.0, -3.0])
        );
    }

    /// Two samples of which the first has a Mann-Whitney U of `u`: so many pairs in which it is the greater.
    fn with_u(m: usize, n: usize, u: usize) -> (Vec<f64>, Vec<f64>) {
        let other: Vec<f64> = (0..n).map(|at| at as f64).collect();
        let mut left = u;
        let beaten = (0..m).rev().map(|_| {
            let wins = left.min(n);
            left -= wins;
            wins as f64 - 0.5
        });
        let spread = beaten
            .enumerate()
            .map(|(at, value)| value + at as f64 * 1e-6)
            .collect();
        assert_eq!(left, 0);
        (spread, other)
    }

    #[test]
    fn rank_sum_has_the_published_critical_values() {
        // Mann and Whitney's U, two-sided 5 %: the largest U that is still significant.
        for (m, n, critical) in [
            (4, 4, 0),
            (5, 5, 2),
            (6, 6, 5),
            (5, 8, 6),
            (7, 7, 8),
            (8, 8, 13),
            (10, 10, 23),
            (15, 15, 64),
            (20, 20, 127),
        ] {
            let (one, other) = with_u(m, n, critical);
            assert!(rank_sum(&one, &other) <= 0.05, "{m} and {n}");
            let (one, other) = with_u(m, n, critical + 1);
            assert!(rank_sum(&one, &other) > 0.05, "{m} and {n}");
        }
    }

    #[test]
    fn three_and_three_can_not_be_significant_and_four_and_four_can() {
        close(rank_sum(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 0.1, 1e-12);
        close(
            rank_sum(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]),
            2.0 / 70.0,
            1e-12,
        );
        assert_eq!(rank_sum(&[5.0; 8], &[5.0; 8]), 1.0, "all alike");
    }

    #[test]
    fn the_normal_distribution_takes_over_where_counting_ends() {
        let mut random = super::super::SplitMix64::new(3);
        let one: Vec<f64> = (0..30).map(|_| random.unit()).collect();
        let other: Vec<f64> = (0..30).map(|_| random.unit() + 0.15).collect();
        let all: Vec<f64> = one.iter().chain(&other).copied().collect();
        let ranks = doubled_ranks(&all);
        let approximate = rank_sum_by_normal(&ranks, 30, ranks[..30].iter().sum());
        close(rank_sum(&one, &other), approximate, 2e-3);
        close(two_tails(1.959_964), 0.05, 1e-6);
        close(two_tails(0.0), 1.0, 1e-6);
    }
}
