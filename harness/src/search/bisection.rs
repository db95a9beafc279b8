//! Which rate is tried next, and when enough were.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Runs in a row that may be void before a search gives up, or client-bound before their rate fails.
const MOST_VOID: u32 = 3;

/// How a search goes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub(crate) struct Bounds {
    /// The rate that is tried first, per second.
    pub(crate) from: u32,
    /// Lower ones are not tried: too few operations for a rate.
    pub(crate) least: u32,
    /// Higher ones are not tried.
    pub(crate) to: u32,
    /// How far above the answer the lowest rate that fails may be, as a part of it.
    pub(crate) precision: f64,
    /// Runs that have to agree on a rate; so many less one may disagree.
    pub(crate) agree: u32,
}

/// What one run at a rate says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// What was asked was kept.
    Holds,
    /// It was not.
    Fails,
    /// Others disturbed the run, which says nothing about the stack.
    Void,
    /// The generator was the limit, which says nothing about the stack either, unless it is so again and again.
    ClientBound,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Void => "does not count, as others disturbed it",
            Self::ClientBound => "does not count, as the generator was the limit",
        })
    }
}

/// Why a search ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// The answer is as precise as was asked.
    Found,
    /// Even the highest rate that may be tried holds.
    HighestHolds,
    /// Even the lowest rate that may be tried fails.
    LowestFails,
    /// Its runs or its time were used up.
    OutOfBounds,
    /// Others disturbed run after run.
    Disturbed,
    /// The stack cannot do what was asked.
    Unsupported,
}

/// What a search came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// The highest rate that holds.
    pub(crate) holds: Option<u32>,
    /// The lowest rate above it that fails.
    pub(crate) fails: Option<u32>,
    pub(crate) ended: Ended,
}

/// Searches by what `measure` says of a rate; it says why when it cannot go on. From `from` on the rate is doubled until one fails, or
/// halved until one holds; then the geometric mean of the two is tried, until they are close.
pub(crate) fn search(bounds: &Bounds, mut measure: impl FnMut(u32) -> Result<Verdict, Ended>) -> Answer {
    let (mut holds, mut fails) = (None, None);
    let ended = loop {
        let rate = match next(bounds, holds, fails) {
            Ok(rate) => rate,
            Err(ended) => break ended,
        };
        match agreed(rate, bounds.agree, &mut measure) {
            Ok(true) => holds = Some(rate),
            Ok(false) => fails = Some(rate),
            Err(ended) => break ended,
        }
    };
    Answer { holds, fails, ended }
}

fn next(bounds: &Bounds, holds: Option<u32>, fails: Option<u32>) -> Result<u32, Ended> {
    match (holds, fails) {
        (None, None) => Ok(bounds.from.clamp(bounds.least, bounds.to)),
        (Some(holds), None) if holds >= bounds.to => Err(Ended::HighestHolds),
        (Some(holds), None) => Ok(holds.saturating_mul(2).min(bounds.to)),
        (None, Some(fails)) if fails <= bounds.least => Err(Ended::LowestFails),
        (None, Some(fails)) => Ok((fails / 2).max(bounds.least)),
        (Some(holds), Some(fails)) => {
            let close = f64::from(fails) <= f64::from(holds) * (1.0 + bounds.precision);
            let mean = (f64::from(holds) * f64::from(fails)).sqrt() as u32;
            if close || mean <= holds || mean >= fails {
                Err(Ended::Found)
            } else {
                Ok(mean)
            }
        }
    }
}

/// Measures a rate until so many runs agree.
fn agreed(
    rate: u32,
    agree: u32,
    measure: &mut impl FnMut(u32) -> Result<Verdict, Ended>,
) -> Result<bool, Ended> {
    let (mut holds, mut fails, mut void, mut late) = (0, 0, 0, 0);
    while holds < agree && fails < agree && late < MOST_VOID {
        match measure(rate)? {
            Verdict::Holds => (holds, void, late) = (holds + 1, 0, 0),
            Verdict::Fails => (fails, void, late) = (fails + 1, 0, 0),
            Verdict::Void if void + 1 == MOST_VOID => return Err(Ended::Disturbed),
            Verdict::Void => void += 1,
            Verdict::ClientBound => late += 1,
        }
    }
    Ok(holds == agree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::statistics::SplitMix64;

    const BOUNDS: Bounds = Bounds {
        from: 1000,
        least: 100,
        to: 10_000_000,
        precision: 0.02,
        agree: 2,
    };

    /// A server that keeps up to `capacity` per second, give or take `noise` of it in a run, and a run in ten that is void.
    fn server(capacity: f64, noise: f64, seed: u64) -> impl FnMut(u32) -> Result<Verdict, Ended> {
        let mut random = SplitMix64::new(seed);
        move |rate| {
            let today = capacity * (1.0 + noise * (2.0 * random.unit() - 1.0));
            Ok(match random.below(10) {
                0 => Verdict::Void,
                _ if f64::from(rate) <= today => Verdict::Holds,
                _ => Verdict::Fails,
            })
        }
    }

    #[test]
    fn the_capacity_of_a_noisy_server_is_found() {
        for seed in 0..200 {
            for capacity in [150.0, 999.0, 1000.0, 64_000.0, 3_456_789.0] {
                let mut runs = 0;
                let mut server = server(capacity, 0.05, seed);
                let answer = search(&BOUNDS, |rate| {
                    runs += 1;
                    server(rate)
                });
                if answer.ended == Ended::Disturbed {
                    continue;
                }
                assert_eq!(answer.ended, Ended::Found, "{capacity}, seed {seed}");
                let found = f64::from(answer.holds.expect("found"));
                assert!(
                    (0.92..1.06).contains(&(found / capacity)),
                    "{found} of {capacity}, seed {seed}"
                );
                assert!(f64::from(answer.fails.expect("one fails")) <= found * 1.02 + 1.0);
                assert!(runs < 90, "{runs} runs");
            }
        }
    }

    #[test]
    fn an_exact_server_is_found_to_the_precision() {
        let answer = search(&BOUNDS, |rate| {
            Ok(if rate <= 12_345 {
                Verdict::Holds
            } else {
                Verdict::Fails
            })
        });
        let (holds, fails) = (answer.holds.expect("one"), answer.fails.expect("one"));
        assert!(holds <= 12_345 && fails > 12_345 && f64::from(fails) <= 1.02 * f64::from(holds));
    }

    #[test]
    fn a_generator_that_is_late_once_is_asked_again_and_always_is_the_limit() {
        let mut before = 0;
        let answer = search(&BOUNDS, |rate| {
            let again = std::mem::replace(&mut before, rate) == rate;
            Ok(match rate {
                _ if !again => Verdict::ClientBound,
                0..=20_000 => Verdict::Holds,
                _ => Verdict::ClientBound,
            })
        });
        let (holds, fails) = (answer.holds.expect("one"), answer.fails.expect("one"));
        assert_eq!(answer.ended, Ended::Found);
        assert!(holds <= 20_000 && fails > 20_000 && f64::from(fails) <= 1.02 * f64::from(holds));
    }

    #[test]
    fn a_search_ends_where_it_may_not_go_on() {
        let always = |verdict| search(&BOUNDS, move |_| Ok(verdict));
        assert_eq!(always(Verdict::Holds).ended, Ended::HighestHolds);
        assert_eq!(always(Verdict::Holds).holds, Some(BOUNDS.to));
        assert_eq!(always(Verdict::Fails).ended, Ended::LowestFails);
        assert_eq!(always(Verdict::Fails).fails, Some(BOUNDS.least));
        assert_eq!(always(Verdict::Void).ended, Ended::Disturbed);
        let mut left = 3;
        let answer = search(&BOUNDS, |_| {
            left -= 1;
            if left == 0 {
                Err(Ended::OutOfBounds)
            } else {
                Ok(Verdict::Holds)
            }
        });
        assert_eq!((answer.holds, answer.ended), (Some(1000), Ended::OutOfBounds));
    }
}
