//! What is decided about a packet before it meets others: by the seed, the direction and the packet's number alone.

use super::loss::Chain;
use super::settings::{Jitter, Reorder, Settings, Shape};
use crate::measure::statistics::SplitMix64;
use crate::stack::Nanos;

/// The decisions about one packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Fate {
    pub(super) lost: bool,
    pub(super) duplicated: bool,
    /// Which bit is flipped, as a number of any size.
    pub(super) corrupted: Option<u64>,
    /// Nanoseconds that are added to the delay.
    pub(super) jitter: f64,
    /// For how long others may overtake it.
    pub(super) held: Nanos,
    /// From 0 to 1, for a queue that drops at random.
    pub(super) early: f64,
}

impl Fate {
    /// The decisions about packet `number`, counted from 1, of the sequence that `seed` begins. Always as many draws, so that one option changes no
    /// other's decisions.
    pub(super) fn of(seed: u64, number: u64, settings: &Settings, chain: &mut Chain) -> Self {
        let mut random = SplitMix64::new(SplitMix64::new(seed ^ number.rotate_left(32)).advance());
        let [step, loss, duplicate, corrupt, reorder, early, one, other] =
            std::array::from_fn(|_| random.unit());
        Self {
            lost: chain.loses(settings.loss, step, loss),
            duplicated: duplicate < settings.duplicate,
            corrupted: (corrupt < settings.corrupt).then(|| random.advance()),
            jitter: settings.jitter.map_or(0.0, |jitter| jitter.amount(one, other)),
            held: settings.reorder.map_or(0, |way| way.held(number, reorder)),
            early,
        }
    }
}

impl Jitter {
    fn amount(self, one: f64, other: f64) -> f64 {
        let spread = self.spread as f64;
        match self.shape {
            Shape::Uniform => spread * (2.0 * one - 1.0),
            // Box and Muller.
            Shape::Normal => spread * (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos(),
            Shape::Pareto => spread * (one.powf(-1.0 / 3.0) - 1.0),
        }
    }
}

impl Reorder {
    fn held(self, number: u64, draw: f64) -> Nanos {
        match self {
            Self::Delay { probability, held } if draw < probability => held,
            Self::Gap { every, held } if number.is_multiple_of(every) => held,
            Self::Paths { count, longer } => (number - 1) % count * longer,
            Self::Delay { .. } | Self::Gap { .. } => 0,
        }
    }
}
