//! RFC 4737: how first copies are out of order.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use super::{Arrival, Counts, add_counts};
use crate::measure::recorder::Recorder;

/// How late one reordered datagram was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Late {
    /// RFC 4737 §4.2.1: places between it and the earliest arrival that should have come after it; `None` when it is
    /// more than the window.
    pub(crate) extent: Option<u64>,
    /// RFC 4737 §4.2.2: nanoseconds between the same two arrivals.
    pub(crate) late_ns: Option<u64>,
    /// RFC 4737 §4.2.3: payload bytes that a receiver has to hold until it comes; `None` as for `extent`.
    pub(crate) byte_offset: Option<u64>,
    /// RFC 4737 §5.2: the largest n for which it is n-reordered, zero for none; at most the window.
    pub(crate) n: u64,
}

/// RFC 4737 §4.4.1: runs of datagrams in order, between reordered ones.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FreeRuns {
    /// r: datagrams in order since the last reordered one.
    pub(crate) current: u64,
    /// x: runs that a reordered datagram has ended.
    pub(crate) runs: u64,
    /// a: datagrams in order, the current run included.
    pub(crate) in_order: u64,
    /// q: sum of the squares of the ended runs.
    pub(crate) squares: u64,
}

impl FreeRuns {
    fn in_order(&mut self) {
        self.current += 1;
        self.in_order += 1;
    }

    fn reordered(&mut self) {
        self.squares += self.current * self.current;
        self.current = 0;
        self.runs += 1;
    }

    /// Adds another flow. Both flows' last runs stay open, so that nobody closes them.
    fn add(&mut self, other: Self) {
        self.current += other.current;
        self.runs += other.runs;
        self.in_order += other.in_order;
        self.squares += other.squares;
    }

    /// p: all first copies.
    pub(crate) fn packets(&self) -> u64 {
        self.runs + self.in_order
    }

    /// a/x, the mean length of a run. `None` when nothing was reordered.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.in_order as f64 / self.runs as f64)
    }

    /// q/a, the mean length of the run that a datagram is in.
    pub(crate) fn weighted_mean(&self) -> Option<f64> {
        (self.in_order > 0).then(|| self.squares as f64 / self.in_order as f64)
    }
}

/// What RFC 4737 says of a flow.
#[derive(Debug)]
pub(crate) struct Order {
    /// Reordered datagrams.
    pub(crate) reordered: u64,
    /// Reordered datagrams by extent.
    pub(crate) extents: Counts<u64>,
    /// Reordered datagrams whose extent is more than the window.
    pub(crate) extent_beyond_window: u64,
    /// Reordered datagrams by the largest n for which they are n-reordered; those with none are left out.
    pub(crate) n_reordered: Counts<u64>,
    /// Late times in nanoseconds.
    pub(crate) late_ns: Histogram<u64>,
    /// Byte offsets.
    pub(crate) byte_offset: Histogram<u64>,
    /// Sequence discontinuities, those by loss included.
    pub(crate) discontinuities: u64,
    /// RFC 4737 §4.3: first copies between successive discontinuities of which a datagram came late.
    pub(crate) gaps: Counts<u64>,
    /// The same in nanoseconds, where arrival times are known.
    pub(crate) gap_ns: Histogram<u64>,
    /// Reordering-free runs.
    pub(crate) runs: FreeRuns,
}

impl Order {
    /// Adds another flow.
    pub(super) fn add(&mut self, other: &Self) {
        self.reordered += other.reordered;
        add_counts(&mut self.extents, &other.extents);
        self.extent_beyond_window += other.extent_beyond_window;
        add_counts(&mut self.n_reordered, &other.n_reordered);
        self.late_ns += &other.late_ns;
        self.byte_offset += &other.byte_offset;
        self.discontinuities += other.discontinuities;
        add_counts(&mut self.gaps, &other.gaps);
        self.gap_ns += &other.gap_ns;
        self.runs.add(other.runs);
    }
}

/// A first copy among the latest.
#[derive(Clone, Copy, Default, Debug)]
struct Recent {
    sequence: u64,
    bytes: u32,
}

/// An arrival that leapt over numbers. The first one beyond a late number is always the one that leapt over it, so that
/// looking through these finds the earliest arrival that should have come later.
#[derive(Clone, Copy, Debug)]
struct Discontinuity {
    index: u64,
    sequence: u64,
    arrival_ns: Option<u64>,
    /// Whether one of the numbers it leapt over has come.
    reordering: bool,
}

#[derive(Debug)]
pub(super) struct OrderTracker {
    /// The latest first copies, by index modulo its length.
    recent: Box<[Recent]>,
    /// Those that a number inside the window can still refer to, oldest first.
    open: VecDeque<Discontinuity>,
    last_reordering: Option<Discontinuity>,
    late_ns: Recorder,
    byte_offset: Recorder,
    gap_ns: Recorder,
    /// Extents and n by value: cheaper than a map, and bounded by the window.
    extents: Box<[u64]>,
    n_reordered: Box<[u64]>,
    extent_beyond_window: u64,
    reordered: u64,
    discontinuities: u64,
    gaps: Counts<u64>,
    runs: FreeRuns,
}

impl OrderTracker {
    /// `window` must be a power of two.
    pub(super) fn new(window: usize) -> Self {
        Self {
            recent: vec![Recent::default(); window].into_boxed_slice(),
            open: VecDeque::with_capacity(window + 1),
            last_reordering: None,
            late_ns: Recorder::new(),
            byte_offset: Recorder::new(),
            gap_ns: Recorder::new(),
            extents: vec![0; window + 1].into_boxed_slice(),
            n_reordered: vec![0; window + 1].into_boxed_slice(),
            extent_beyond_window: 0,
            reordered: 0,
            discontinuities: 0,
            gaps: Counts::new(),
            runs: FreeRuns::default(),
        }
    }

    /// Takes the first copy of `sequence` when `expected` was the next expected number.
    pub(super) fn first_copy(
        &mut self,
        sequence: u64,
        expected: u64,
        arrival_ns: Option<u64>,
        bytes: u32,
    ) -> Arrival {
        let index = self.runs.packets();
        let arrival = if sequence >= expected {
            self.runs.in_order();
            if sequence > expected {
                self.leap(Discontinuity {
                    index,
                    sequence,
                    arrival_ns,
                    reordering: false,
                });
            }
            Arrival::InOrder {
                discontinuity: sequence - expected,
            }
        } else {
            self.runs.reordered();
            self.reordered += 1;
            Arrival::Reordered(self.late(index, sequence, arrival_ns))
        };
        let slot = self.slot(index);
        self.recent[slot] = Recent { sequence, bytes };
        arrival
    }

    fn leap(&mut self, discontinuity: Discontinuity) {
        self.discontinuities += 1;
        let oldest = (discontinuity.sequence + 1).saturating_sub(self.window());
        while self.open.front().is_some_and(|open| open.sequence <= oldest) {
            self.close_oldest();
        }
        self.open.push_back(discontinuity);
    }

    /// Nothing can refer to the oldest discontinuity any more: whether it was one of reordering is settled.
    fn close_oldest(&mut self) {
        let Some(closed) = self.open.pop_front().filter(|closed| closed.reordering) else {
            return;
        };
        if let Some(last) = self.last_reordering.replace(closed) {
            *self.gaps.entry(closed.index - last.index).or_default() += 1;
            if let Some(span) = elapsed(last.arrival_ns, closed.arrival_ns) {
                self.gap_ns.record(span);
            }
        }
    }

    fn late(&mut self, index: u64, sequence: u64, arrival_ns: Option<u64>) -> Late {
        let n = self.largest_n(index, sequence);
        if n > 0 {
            self.n_reordered[n as usize] += 1;
        }
        let leapt = self.open.partition_point(|open| open.sequence <= sequence);
        let cause = &mut self.open[leapt];
        cause.reordering = true;
        let extent = index - cause.index;
        let late_ns = elapsed(cause.arrival_ns, arrival_ns);
        if let Some(span) = late_ns {
            self.late_ns.record(span);
        }
        if extent > self.window() {
            self.extent_beyond_window += 1;
            return Late {
                extent: None,
                late_ns,
                byte_offset: None,
                n,
            };
        }
        self.extents[extent as usize] += 1;
        let byte_offset = self.bytes_waiting(index - extent..index, sequence);
        self.byte_offset.record(byte_offset);
        Late {
            extent: Some(extent),
            late_ns,
            byte_offset: Some(byte_offset),
            n,
        }
    }

    /// The arrivals right before `index`, without a break, that should have come after `sequence`.
    fn largest_n(&self, index: u64, sequence: u64) -> u64 {
        let oldest = index.saturating_sub(self.window());
        let later = (oldest..index)
            .rev()
            .take_while(|&at| self.recent[self.slot(at)].sequence > sequence);
        later.count() as u64
    }

    fn bytes_waiting(&self, arrivals: std::ops::Range<u64>, sequence: u64) -> u64 {
        let recent = arrivals.map(|at| self.recent[self.slot(at)]);
        recent
            .filter(|recent| recent.sequence > sequence)
            .map(|recent| u64::from(recent.bytes))
            .sum()
    }

    fn window(&self) -> u64 {
        self.recent.len() as u64
    }

    fn slot(&self, index: u64) -> usize {
        index as usize & (self.recent.len() - 1)
    }

    pub(super) fn finish(mut self) -> Order {
        while !self.open.is_empty() {
            self.close_oldest();
        }
        Order {
            reordered: self.reordered,
            extents: counts(&self.extents),
            extent_beyond_window: self.extent_beyond_window,
            n_reordered: counts(&self.n_reordered),
            late_ns: self.late_ns.into_histogram(),
            byte_offset: self.byte_offset.into_histogram(),
            discontinuities: self.discontinuities,
            gaps: self.gaps,
            gap_ns: self.gap_ns.into_histogram(),
            runs: self.runs,
        }
    }
}

fn elapsed(from: Option<u64>, to: Option<u64>) -> Option<u64> {
    Some(to?.saturating_sub(from?))
}

fn counts(by_value: &[u64]) -> Counts<u64> {
    by_value
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(value, &count)| (value as u64, count))
        .collect()
}
