//! Student's distribution, for what few runs estimate.

use super::ranks::two_tails as normal_two_tails;

/// The chance that Student's t with so many degrees of freedom (1 or more) is at least that far from zero, on either side: the
/// finite series of Abramowitz and Stegun 26.7.3 and 26.7.4.
pub(super) fn two_tails(t: f64, freedom: usize) -> f64 {
    let angle = (t.abs() / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    // Each term of the series is the last one times cos² and the next factor of the double factorials.
    let mut power = if odd { 2 } else { 1 };
    while power + 2 < freedom + usize::from(!odd) {
        term *= cosine * cosine * power as f64 / (power + 1) as f64;
        sum += term;
        power += 2;
    }
    let within = if odd {
        (angle + sine * sum) * std::f64::consts::FRAC_2_PI
    } else {
        sine * sum
    };
    (1.0 - within).clamp(0.0, 1.0)
}

/// What has to be cut off at each end of the resamples' statistics so that 95 % are covered when the sample has `runs` values (2 or
/// more): less than 2.5 %, because a resample of few varies less than the world that it was drawn from. Hesterberg's expanded
/// percentile interval (The American Statistician 69, 2015).
pub(super) fn expanded_tail(runs: usize) -> f64 {
    let freedom = runs - 1;
    let (mut low, mut high) = (1.0, 20.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if two_tails(middle, freedom) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * normal_two_tails(low * (runs as f64 / freedom as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_critical_values_leave_what_they_say() {
        for (freedom, five, one) in [
            (1, 12.706, 63.657),
            (2, 4.303, 9.925),
            (3, 3.182, 5.841),
            (4, 2.776, 4.604),
            (5, 2.571, 4.032),
            (9, 2.262, 3.250),
            (10, 2.228, 3.169),
            (17, 2.110, 2.898),
            (30, 2.042, 2.750),
        ] {
            for (t, tails) in [(five, 0.05), (one, 0.01)] {
                let found = two_tails(t, freedom);
                assert!((found - tails).abs() < 1e-4, "{freedom}: {found} beyond {t}");
                assert_eq!(found, two_tails(-t, freedom), "both sides alike");
            }
        }
        assert_eq!((two_tails(0.0, 7), two_tails(1e9, 8)), (1.0, 0.0));
    }

    #[test]
    fn fewer_runs_have_less_cut_off() {
        for (runs, tail) in [(6, 0.0024), (10, 0.0086), (20, 0.0159), (1000, 0.0249)] {
            let found = expanded_tail(runs);
            assert!((found - tail).abs() < 1e-4, "{runs}: {found}");
        }
    }
}
