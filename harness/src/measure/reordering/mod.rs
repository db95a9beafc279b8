//! The order of numbered datagrams: RFC 4737 (reordering), RFC 5236 (reorder and reorder-buffer density) and RFC 5560
//! (duplication).
//!
//! The sender numbers its datagrams 1, 2, …, K and never wraps. An [`Observer`] sees them as they arrive; its memory is
//! bounded by a window of sequence numbers, and what falls out of the window is counted as such instead of guessed.
//! An arrival is exactly one of: a first copy (RFC 4737 looks at these alone), a duplicate, too old to tell the two
//! apart, or implausible (a leap ahead by more than the window).

mod density;
mod order;
mod sequence;
mod sequence_window;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use self::density::{BufferDensity, ReorderDensity};
use self::order::OrderTracker;
use self::sequence_window::{SequenceWindow, Sighting};
use super::recorder::Recorder;
pub(crate) use order::{Late, Order};
pub(crate) use sequence::Sequence;

/// How far the metrics look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Thresholds {
    /// Sequence numbers that are remembered behind the next expected one, rounded up to a power of two (at least 64);
    /// also the furthest leap ahead that is believed. 40 bytes each.
    pub(crate) window: usize,
    /// RFC 5236 DT: displacements beyond it are discarded. Work grows with it, so keep it small.
    pub(crate) displacement: usize,
    /// RFC 5236 BT: a packet is given up as lost when more than this many wait for it.
    pub(crate) occupancy: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            window: 4096,
            displacement: 16,
            occupancy: 16,
        }
    }
}

/// What one arrival was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// A first copy, at or after the next expected number.
    InOrder {
        /// How many numbers it leapt over (RFC 4737 §3.4, size of the sequence discontinuity).
        discontinuity: u64,
    },
    /// A first copy that came late (RFC 4737 §3.3, Type-P-Reordered is true).
    Reordered(Late),
    /// Another copy of a datagram that has come before.
    Duplicate,
    /// Too far behind to tell a first copy from a duplicate.
    BeyondWindow,
    /// Too far ahead to be believed.
    Implausible,
}

/// Watches the arrivals of one flow.
#[derive(Debug)]
pub(crate) struct Observer {
    window: SequenceWindow,
    order: OrderTracker,
    reorder_density: ReorderDensity,
    buffer_density: BufferDensity,
    delay: Recorder,
    arrivals: u64,
    duplicates: u64,
    replicated: u64,
    beyond_window: u64,
    implausible: u64,
}

impl Observer {
    /// An observer that has seen nothing. All of its memory is allocated here.
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        let window = thresholds.window.next_power_of_two().max(64);
        Self {
            window: SequenceWindow::new(window),
            order: OrderTracker::new(window),
            reorder_density: ReorderDensity::new(thresholds.displacement),
            buffer_density: BufferDensity::new(thresholds.occupancy),
            delay: Recorder::new(),
            arrivals: 0,
            duplicates: 0,
            replicated: 0,
            beyond_window: 0,
            implausible: 0,
        }
    }

    /// Takes one arrival: its sequence number (from 1), when it came and when it was sent (nanoseconds, where known; the
    /// difference is only taken when both are), and the bytes of its payload.
    ///
    /// O(1) for a datagram in order, O(extent) for a late one.
    pub(crate) fn observe(
        &mut self,
        sequence: u64,
        arrival_ns: Option<u64>,
        sent_ns: Option<u64>,
        bytes: u32,
    ) -> Arrival {
        self.arrivals += 1;
        self.reorder_density.arrive(sequence);
        self.buffer_density.arrive(sequence);
        let expected = self.window.next_expected();
        match self.window.see(sequence) {
            Sighting::First => {
                if let (Some(arrived), Some(sent)) = (arrival_ns, sent_ns) {
                    self.delay.record(arrived.saturating_sub(sent));
                }
                self.order.first_copy(sequence, expected, arrival_ns, bytes)
            }
            Sighting::Repeat { first_repeat } => {
                self.duplicates += 1;
                self.replicated += u64::from(first_repeat);
                Arrival::Duplicate
            }
            Sighting::TooOld => {
                self.beyond_window += 1;
                Arrival::BeyondWindow
            }
            Sighting::Implausible => {
                self.implausible += 1;
                Arrival::Implausible
            }
        }
    }

    /// Arrivals so far, copies included, and how long first copies were under way.
    pub(crate) fn so_far(&self) -> (u64, &Recorder) {
        (self.arrivals, &self.delay)
    }

    /// Ends the observation: `sent` datagrams had been sent, and the wait for the last is over.
    pub(crate) fn finish(self, sent: u64) -> Reordering {
        let order = self.order.finish();
        let distinct = order.runs.packets();
        Reordering {
            sent,
            arrivals: self.arrivals,
            distinct,
            lost: sent.saturating_sub(distinct),
            duplicates: self.duplicates,
            replicated: self.replicated,
            beyond_window: self.beyond_window,
            implausible: self.implausible,
            order,
            reorder_density: self.reorder_density.finish(),
            buffer_density: self.buffer_density.finish(),
            delay: self.delay.into_histogram(),
        }
    }
}

/// Distribution over small integers, as counts.
pub(crate) type Counts<K> = BTreeMap<K, u64>;

/// What [`Observer::finish`] found.
///
/// `arrivals = distinct + duplicates + beyond_window + implausible`, and `sent = distinct + lost`.
#[derive(Debug)]
pub(crate) struct Reordering {
    /// K: datagrams sent.
    pub(crate) sent: u64,
    /// A: datagrams that arrived, copies included.
    pub(crate) arrivals: u64,
    /// L: distinct datagrams that arrived.
    pub(crate) distinct: u64,
    /// K − L. An upper bound when `beyond_window` is not zero.
    pub(crate) lost: u64,
    /// Copies beyond the first.
    pub(crate) duplicates: u64,
    /// Datagrams of which more than one copy came.
    pub(crate) replicated: u64,
    /// Arrivals too far behind to be told apart.
    pub(crate) beyond_window: u64,
    /// Arrivals too far ahead to be believed.
    pub(crate) implausible: u64,
    /// RFC 4737.
    pub(crate) order: Order,
    /// RFC 5236 FD: packets by displacement, negative for early ones.
    pub(crate) reorder_density: Counts<i64>,
    /// RFC 5236 FB: packets by occupancy of the reorder buffer after their arrival.
    pub(crate) buffer_density: Counts<u64>,
    /// One-way delay of first copies in nanoseconds.
    pub(crate) delay: Histogram<u64>,
}

impl Reordering {
    /// Adds another flow: flows are observed apart, and their counts add up.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.arrivals += other.arrivals;
        self.distinct += other.distinct;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.replicated += other.replicated;
        self.beyond_window += other.beyond_window;
        self.implausible += other.implausible;
        self.order.add(&other.order);
        add_counts(&mut self.reorder_density, &other.reorder_density);
        add_counts(&mut self.buffer_density, &other.buffer_density);
        self.delay += &other.delay;
    }

    /// RFC 4737 §4.1: reordered datagrams among those that arrived. `None` when none arrived.
    pub(crate) fn reordered_ratio(&self) -> Option<f64> {
        ratio(self.order.reordered, self.distinct)
    }

    /// RFC 4737 §5.2.1, Definition 2: the part of the arrived datagrams that are n-reordered, for n = 1, 2, … as far as there are any.
    pub(crate) fn n_reordering(&self) -> BTreeMap<u64, f64> {
        let mut at_least = 0;
        let mut degrees = BTreeMap::new();
        for n in (1..=self.order.n_reordered.keys().last().copied().unwrap_or(0)).rev() {
            at_least += self.order.n_reordered.get(&n).copied().unwrap_or(0);
            degrees.insert(n, at_least as f64 / self.distinct as f64);
        }
        degrees
    }

    /// The distributions that the `reorder` scenario reports: `extent`, `gap` (counts), `n_reordering` (degrees),
    /// `reorder_density` and `buffer_density` (parts of the counted packets), `reordering_free_runs`, `duplication`, `window`
    /// (what it could not tell), and the spread of `byte_offset`, `late_ns` and `gap_ns`.
    pub(crate) fn distributions(&self) -> BTreeMap<&'static str, serde_json::Value> {
        BTreeMap::from([
            ("extent", json(&self.order.extents)),
            ("gap", json(&self.order.gaps)),
            ("n_reordering", json(&self.n_reordering())),
            ("reorder_density", json(&normalised(&self.reorder_density))),
            ("buffer_density", json(&normalised(&self.buffer_density))),
            ("byte_offset", spread(&self.order.byte_offset)),
            ("late_ns", spread(&self.order.late_ns)),
            ("gap_ns", spread(&self.order.gap_ns)),
            ("reordering_free_runs", self.free_runs()),
            ("duplication", self.duplication()),
            ("window", self.beyond_the_window()),
        ])
    }
    /// RFC 4737 §4.4: a/x is the mean run, q/a the mean run that a datagram is in.
    fn free_runs(&self) -> serde_json::Value {
        let runs = &self.order.runs;
        serde_json::json!({
            "runs": runs.runs,
            "in_order": runs.in_order,
            "squares": runs.squares,
            "mean": runs.mean(),
            "weighted_mean": runs.weighted_mean(),
            "discontinuities": self.order.discontinuities,
        })
    }

    /// RFC 5560 §4: the fraction A/L − 1 over what could be told apart, and the part of which more than one copy came.
    fn duplication(&self) -> serde_json::Value {
        serde_json::json!({
            "fraction": ratio(self.duplicates, self.distinct),
            "replicated_rate": ratio(self.replicated, self.distinct),
        })
    }

    fn beyond_the_window(&self) -> serde_json::Value {
        serde_json::json!({
            "too_old": self.beyond_window,
            "implausible": self.implausible,
            "extents": self.order.extent_beyond_window,
        })
    }
}

fn add_counts<K: Copy + Ord>(sum: &mut Counts<K>, more: &Counts<K>) {
    for (&key, &count) in more {
        *sum.entry(key).or_default() += count;
    }
}

/// Count, least, median, mean and greatest; only a count of 0 when there is nothing.
pub(crate) fn spread(histogram: &Histogram<u64>) -> serde_json::Value {
    if histogram.is_empty() {
        return serde_json::json!({ "count": 0 });
    }
    serde_json::json!({
        "count": histogram.len(),
        "min": histogram.min(),
        "median": histogram.value_at_quantile(0.5),
        "mean": histogram.mean(),
        "max": histogram.max(),
    })
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Frequencies as parts of their sum (RFC 5236 N').
fn normalised<K: Copy + Ord>(counts: &Counts<K>) -> BTreeMap<K, f64> {
    let sum: u64 = counts.values().sum();
    counts
        .iter()
        .map(|(&key, &count)| (key, count as f64 / sum as f64))
        .collect()
}

fn json<T: Serialize>(map: &T) -> serde_json::Value {
    serde_json::to_value(map).expect("maps with integer keys are JSON objects")
}
