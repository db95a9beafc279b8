//! Made-up machines for tests of what errs how often: what the runs of one and the same program vary by, in the order of time.

use super::SplitMix64;

/// How a machine varies. Standard deviations are those of the logarithm of a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noise {
    /// 3 %, each run by itself.
    Normal,
    /// 3 % times Student's t with two degrees of freedom: now and then a run is far off.
    HeavyTailed,
    /// 1 %, while the machine gets slower by a fifth from the first run to the last.
    Drifting,
    /// 1 %, and two runs of five are slower by 14 %.
    Bimodal,
    /// As `Bimodal`, but a machine that is fast or slow stays so for about seven runs.
    Sticky,
    /// 3 %, each run resembling the last by 0.8.
    Correlated,
    /// 1 %, around a speed that takes a step of 2 % at random from run to run.
    Wandering,
}

impl Noise {
    pub(crate) const ALL: [Self; 7] = [
        Self::Normal,
        Self::HeavyTailed,
        Self::Drifting,
        Self::Bimodal,
        Self::Sticky,
        Self::Correlated,
        Self::Wandering,
    ];

    /// The logarithms of the rates of so many runs, one after the other, against a quiet machine.
    pub(crate) fn session(self, runs: usize, random: &mut SplitMix64) -> Vec<f64> {
        let mut state = self.first(random);
        let mut session = Vec::with_capacity(runs);
        for run in 0..runs {
            session.push(self.run(run as f64 / runs as f64, state, random));
            state = self.next(state, random);
        }
        session
    }

    /// What the machine carries from run to run.
    fn first(self, random: &mut SplitMix64) -> f64 {
        match self {
            Self::Correlated => 0.03 * normal(random),
            Self::Sticky => slow(random, 0.5),
            _ => 0.0,
        }
    }

    fn next(self, state: f64, random: &mut SplitMix64) -> f64 {
        match self {
            Self::Correlated => 0.8 * state + 0.6 * 0.03 * normal(random),
            Self::Wandering => state + 0.02 * normal(random),
            Self::Sticky if random.unit() < 0.15 => SLOW - state,
            _ => state,
        }
    }

    fn run(self, part: f64, state: f64, random: &mut SplitMix64) -> f64 {
        match self {
            Self::Normal => 0.03 * normal(random),
            Self::HeavyTailed => 0.03 * student(random),
            Self::Drifting => 0.01 * normal(random) + part * 0.8_f64.ln(),
            Self::Bimodal => 0.01 * normal(random) + slow(random, 0.4),
            Self::Sticky | Self::Wandering => 0.01 * normal(random) + state,
            Self::Correlated => state,
        }
    }
}

/// What the slower of two modes is slower by.
const SLOW: f64 = -0.15;

fn slow(random: &mut SplitMix64, often: f64) -> f64 {
    if random.unit() < often { SLOW } else { 0.0 }
}

/// A normal deviate, by Box and Muller.
fn normal(random: &mut SplitMix64) -> f64 {
    let (radius, angle) = (random.unit(), random.unit());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A deviate of Student's t with two degrees of freedom.
fn student(random: &mut SplitMix64) -> f64 {
    normal(random) / (-random.unit().ln()).sqrt()
}

#[test]
fn sessions_are_as_noisy_as_they_say_and_come_back_by_their_seed() {
    for noise in Noise::ALL {
        let session = |seed| noise.session(2000, &mut SplitMix64::new(seed));
        let values = session(3);
        assert_eq!(values, session(3));
        assert!(values != session(4));
        let mean = values.iter().sum::<f64>() / 2000.0;
        let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2000.0).sqrt();
        let (least, most) = match noise {
            Noise::Normal | Noise::Correlated => (0.025, 0.035),
            Noise::HeavyTailed => (0.05, 1.0),
            Noise::Drifting => (0.06, 0.07),
            Noise::Bimodal | Noise::Sticky => (0.07, 0.08),
            Noise::Wandering => (0.1, 2.0),
        };
        assert!((least..most).contains(&spread), "{noise:?}: {spread}");
    }
}
