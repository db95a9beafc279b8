//! What floods whom, and how fast.

use std::net::SocketAddr;

use super::syn::Syns;
use crate::config::{Arrivals, RunConfig};
use crate::load::arrivals::Schedule;
use crate::measure::statistics::SplitMix64;

/// What a flooder is to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// SYNs per second.
    pub(crate) rate: f64,
    /// Of sources, options and times.
    pub(crate) seed: u64,
    /// Listeners.
    pub(crate) targets: Vec<SocketAddr>,
}

impl Plan {
    /// One generator's share of the flood of a run, with randomness of its own; `None` for a run without a flood.
    pub(crate) fn of_generator(run: &RunConfig, generator: u32, targets: &[SocketAddr]) -> Option<Self> {
        let mut seeds = SplitMix64::new(run.seed);
        Some(Self {
            rate: f64::from(run.flood?) / f64::from(run.generators),
            seed: (0..=generator).fold(0, |_, _| seeds.advance()),
            targets: targets.to_vec(),
        })
    }

    /// When SYNs are due, and which: sources that depended on times would not look like those of many hosts.
    pub(super) fn flood(self) -> (Schedule, Syns) {
        let mut seeds = SplitMix64::new(self.seed);
        let schedule = Schedule::new(Arrivals::Poisson, self.rate, 0.0, seeds.advance());
        (schedule, Syns::new(seeds.advance(), self.targets))
    }
}
