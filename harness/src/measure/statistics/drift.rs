//! Runs that were not taken in turns: whether one side differs by more than a machine that changes by itself.

use super::student::two_tails;

/// Runs closer to each other than this are as alike as runs can be told to be: beyond, nothing would ever be significant.
const MOST_ALIKE: f64 = 0.9;

/// The two-sided p-value of the difference between two sides beside a steady drift that both share, by least squares.
///
/// `runs` are the runs' values in the order in which they were taken, each with whether it is one of the second side. Runs that
/// resemble those before them count for fewer: the error is widened by the correlation of neighbours, as far as it is above zero
/// and after making good for what fitting a line to few values takes from it. `None` when nothing can be told: below five runs, or
/// with one side only.
pub(crate) fn beside_drift(runs: &[(bool, f64)]) -> Option<f64> {
    let freedom = runs.len().checked_sub(3).filter(|freedom| *freedom > 1)?;
    let side = without_trend(runs.iter().map(|run| f64::from(u8::from(run.0))).collect());
    let value = without_trend(runs.iter().map(|run| run.1).collect());
    let lever = dot(&side, &side);
    // What rounding leaves of a side that is the same all the time.
    if lever < 1e-9 {
        return None;
    }
    let change = dot(&side, &value) / lever;
    let left: Vec<f64> = value
        .iter()
        .zip(&side)
        .map(|(value, side)| value - change * side)
        .collect();
    let alike = likeness(&left);
    let variance = dot(&left, &left) / freedom as f64 / lever * (1.0 + alike) / (1.0 - alike);
    if variance == 0.0 {
        return Some(if change == 0.0 { 1.0 } else { 0.0 });
    }
    Some(two_tails(change / variance.sqrt(), freedom))
}

/// What is left of values beside the line through them.
fn without_trend(mut values: Vec<f64>) -> Vec<f64> {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let spread = count * (count * count - 1.0) / 12.0;
    let rising = |(at, value): (usize, &f64)| (at as f64 - middle) * value;
    let slope = values.iter().enumerate().map(rising).sum::<f64>() / spread;
    for (at, value) in values.iter_mut().enumerate() {
        *value -= mean + slope * (at as f64 - middle);
    }
    values
}

/// The correlation of what is left with that of the run before, from 0 to [`MOST_ALIKE`].
fn likeness(left: &[f64]) -> f64 {
    let all = dot(left, left);
    if all == 0.0 {
        return 0.0;
    }
    // Three fitted parameters make neighbours look less alike than they are, by about that much.
    let taken = 3.0 / left.len() as f64;
    let seen = dot(&left[1..], &left[..left.len() - 1]) / all;
    ((seen + taken) / (1.0 - taken)).clamp(0.0, MOST_ALIKE)
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[cfg(test)]
mod tests {
    use super::super::SplitMix64;
    use super::*;

    /// `count` runs of each side, one block after the other.
    fn blocks(count: usize, value: impl Fn(usize) -> f64) -> Vec<(bool, f64)> {
        (0..2 * count).map(|at| (at >= count, value(at))).collect()
    }

    #[test]
    fn the_p_value_is_that_of_a_regression() {
        // Residuals that alternate have nothing in common with their neighbours, so that nothing is widened. Another program's
        // regression on side and time says t = -6.1394, p = 0.0016654 for the side.
        let noise = [0.3, -0.2, 0.1, -0.4, 0.5, -0.1, 0.2, -0.3];
        let runs = blocks(4, |at| noise[at] - if at >= 4 { 3.0 } else { 0.0 });
        let p = beside_drift(&runs).expect("eight runs");
        assert!((p - 0.001_665_4).abs() < 5e-7, "{p}");
    }

    #[test]
    fn a_steady_drift_is_no_difference_and_a_step_in_it_is_one() {
        let mut random = SplitMix64::new(5);
        let noise: Vec<f64> = (0..20).map(|_| 0.02 * (random.unit() - 0.5)).collect();
        let drift = blocks(10, |at| noise[at] - 0.02 * at as f64);
        assert!(beside_drift(&drift).expect("twenty runs") > 0.05);
        let step = blocks(10, |at| {
            noise[at] - 0.02 * at as f64 - if at >= 10 { 0.1 } else { 0.0 }
        });
        assert!(beside_drift(&step).expect("twenty runs") < 0.001);
    }

    #[test]
    fn runs_that_resemble_their_neighbours_say_less() {
        let turning_after = |turns: usize| {
            let noise = move |at: usize| if at % (2 * turns) < turns { 0.02 } else { -0.02 };
            let runs = blocks(12, |at| noise(at) + if at >= 12 { 0.05 } else { 0.0 });
            beside_drift(&runs).expect("twenty-four runs")
        };
        let (apart, alike) = (turning_after(1), turning_after(3));
        assert!(alike > 5.0 * apart, "{alike} and {apart}");
    }

    #[test]
    fn nothing_is_told_by_too_few_or_by_one_side_and_everything_by_runs_without_noise() {
        assert_eq!(beside_drift(&blocks(2, |_| 1.0)), None);
        assert_eq!(beside_drift(&[(true, 1.0); 9]), None);
        assert_eq!(beside_drift(&[]), None);
        assert_eq!(beside_drift(&blocks(4, |_| 0.0)), Some(1.0));
    }
}
