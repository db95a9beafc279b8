//! Set-up time against the number of TIME_WAIT entries held.

use serde_json::{Value, json};

use crate::measure::recorder::Recorder;
use crate::stack::Nanos;

/// What the number of entries is compared with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Scale {
    /// The port space: sources × destinations × ports. Bins are eighths of it.
    PortSpace(u64),
    /// Nothing: memory is what bounds the table. The first bin ends at 1,024 entries and each other at double the one before.
    Entries,
}

const PORT_SPACE_BINS: u64 = 8;
const FIRST_BIN_END: u64 = 1024;
const ENTRY_BINS: u64 = 16;

/// A histogram of set-up times for each bin of occupancy; the last bin takes what is beyond it.
#[derive(Clone, Debug)]
pub(crate) struct Occupancy {
    scale: Scale,
    bins: Vec<Recorder>,
}

impl Occupancy {
    pub(crate) fn new(scale: Scale) -> Self {
        let bins = match scale {
            Scale::PortSpace(_) => PORT_SPACE_BINS,
            Scale::Entries => ENTRY_BINS,
        };
        Self {
            scale,
            bins: vec![Recorder::new(); bins as usize],
        }
    }

    /// Records a set-up that took `nanoseconds` while `entries` were held.
    pub(crate) fn record(&mut self, entries: u64, nanoseconds: Nanos) {
        let bin = match self.scale {
            Scale::PortSpace(ports) => entries * PORT_SPACE_BINS / ports.max(1),
            Scale::Entries => u64::from(
                (entries / FIRST_BIN_END)
                    .checked_ilog2()
                    .map_or(0, |doubled| doubled + 1),
            ),
        };
        let last = self.bins.len() - 1;
        self.bins[(bin as usize).min(last)].record(nanoseconds);
    }

    /// Adds what another generator found on the same scale.
    pub(crate) fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.scale, other.scale, "generators of a run have one scale");
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.merge(more);
        }
    }

    /// The bins that hold something: from which occupancy (part of the port space, or entries), how many set-ups, and their
    /// median and 99th percentile in nanoseconds.
    pub(crate) fn into_json(self) -> Value {
        let (unit, scale) = match self.scale {
            Scale::PortSpace(_) => ("port_space", self.scale),
            Scale::Entries => ("entries", self.scale),
        };
        let bins = self.bins.into_iter().enumerate().filter_map(|(bin, times)| {
            let times = times.into_histogram();
            let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
            (!times.is_empty())
                .then(|| json!({ "from": bin_start(scale, bin), "n": times.len(), "p50": p50, "p99": p99 }))
        });
        json!({ "unit": unit, "bins": bins.collect::<Vec<_>>() })
    }
}

fn bin_start(scale: Scale, bin: usize) -> f64 {
    match scale {
        Scale::PortSpace(_) => bin as f64 / PORT_SPACE_BINS as f64,
        Scale::Entries if bin == 0 => 0.0,
        Scale::Entries => (FIRST_BIN_END << (bin - 1)) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(scale: Scale, samples: &[(u64, u64)]) -> Vec<(f64, u64)> {
        let mut occupancy = Occupancy::new(scale);
        for &(entries, nanoseconds) in samples {
            occupancy.record(entries, nanoseconds);
        }
        let found = occupancy.into_json();
        let bins = found["bins"].as_array().expect("an array");
        bins.iter()
            .map(|bin| (bin["from"].as_f64().unwrap(), bin["n"].as_u64().unwrap()))
            .collect()
    }

    #[test]
    fn port_space_is_cut_into_eighths_and_the_last_takes_the_full_table() {
        let samples = [(0, 5), (99, 5), (100, 5), (799, 5), (800, 5), (9000, 5)];
        assert_eq!(
            bins(Scale::PortSpace(800), &samples),
            [(0.0, 2), (0.125, 1), (0.875, 3)]
        );
    }

    #[test]
    fn entries_are_cut_by_doubling() {
        let samples = [(0, 5), (1023, 5), (1024, 5), (2047, 5), (2048, 5), (u64::MAX, 5)];
        let last = (FIRST_BIN_END << (ENTRY_BINS - 2)) as f64;
        assert_eq!(
            bins(Scale::Entries, &samples),
            [(0.0, 2), (1024.0, 2), (2048.0, 1), (last, 1)]
        );
    }

    #[test]
    fn merging_adds_bin_by_bin() {
        let mut one = Occupancy::new(Scale::Entries);
        let mut other = one.clone();
        one.record(10, 100);
        other.record(10, 300);
        one.merge(&other);
        let found = one.into_json();
        assert_eq!(found["bins"][0]["n"], 2);
        assert_eq!(found["bins"][0]["p99"].as_u64(), Some(300));
    }
}
