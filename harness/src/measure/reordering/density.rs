//! RFC 5236: reorder density and reorder-buffer density, online.

use std::collections::VecDeque;

use super::Counts;

/// Reorder density (RFC 5236 §5, algorithm of §7.1): packets by displacement from their place.
///
/// Judgement stays back by DT packets: a number that is in none of the next DT + 1 arrivals counts as lost and gets no
/// receive index.
#[derive(Debug)]
pub(super) struct ReorderDensity {
    threshold: usize,
    receive_index: u64,
    /// Arrivals not judged yet, oldest first.
    window: VecDeque<u64>,
    /// Arrivals judged early, whose own index is still to come.
    early: Vec<u64>,
    highest: u64,
    /// Frequencies of −DT to DT.
    frequencies: Box<[u64]>,
}

impl ReorderDensity {
    pub(super) fn new(threshold: usize) -> Self {
        Self {
            threshold,
            receive_index: 1,
            window: VecDeque::with_capacity(threshold + 2),
            early: Vec::with_capacity(threshold + 1),
            highest: 0,
            frequencies: vec![0; 2 * threshold + 1].into_boxed_slice(),
        }
    }

    pub(super) fn arrive(&mut self, sequence: u64) {
        let known = sequence <= self.highest && (sequence < self.receive_index || self.holds(sequence));
        if known {
            return;
        }
        self.highest = self.highest.max(sequence);
        self.window.push_back(sequence);
        if self.window.len() > self.threshold {
            self.judge_oldest();
        }
    }

    fn holds(&self, sequence: u64) -> bool {
        self.window.contains(&sequence) || self.early.contains(&sequence)
    }

    fn judge_oldest(&mut self) {
        self.skip_lost();
        let Some(sequence) = self.window.pop_front() else {
            return;
        };
        let displacement = i128::from(self.receive_index) - i128::from(sequence);
        let Ok(bucket) = usize::try_from(displacement + self.threshold as i128) else {
            return;
        };
        let Some(frequency) = self.frequencies.get_mut(bucket) else {
            return;
        };
        *frequency += 1;
        if !self.early.is_empty() {
            self.early.retain(|&early| early != self.receive_index);
        }
        if displacement < 0 {
            self.early.push(sequence);
        }
        self.receive_index = self.receive_index.saturating_add(1);
    }

    /// Moves the receive index on to a number that is at hand.
    fn skip_lost(&mut self) {
        if self.window.front() == Some(&self.receive_index) || self.holds(self.receive_index) {
            return;
        }
        let at_hand = self
            .window
            .iter()
            .chain(&self.early)
            .filter(|&&number| number > self.receive_index);
        self.receive_index = at_hand.min().copied().unwrap_or(self.receive_index);
    }

    /// Frequencies by displacement.
    pub(super) fn finish(mut self) -> Counts<i64> {
        while !self.window.is_empty() {
            self.judge_oldest();
        }
        let least = -(self.threshold as i64);
        let numbered = (least..).zip(self.frequencies);
        numbered.filter(|(_, count)| *count > 0).collect()
    }
}

/// Reorder-buffer density (RFC 5236 §6, algorithm of §7.2): packets by how many wait in the buffer that would put the flow in
/// order, after each arrival.
#[derive(Debug)]
pub(super) struct BufferDensity {
    expected: u64,
    waiting: Vec<u64>,
    /// Frequencies of 0 to BT.
    frequencies: Box<[u64]>,
}

impl BufferDensity {
    pub(super) fn new(threshold: usize) -> Self {
        Self {
            expected: 1,
            waiting: Vec::with_capacity(threshold + 1),
            frequencies: vec![0; threshold + 1].into_boxed_slice(),
        }
    }

    pub(super) fn arrive(&mut self, sequence: u64) {
        if sequence < self.expected || self.waiting.contains(&sequence) {
            return;
        }
        if sequence == self.expected {
            self.expected = self.expected.saturating_add(1);
        } else {
            self.waiting.push(sequence);
        }
        if self.waiting.len() == self.frequencies.len() {
            // More than BT wait: what they wait for is lost.
            self.expected = self.waiting.iter().copied().min().unwrap_or(self.expected);
        }
        self.release();
        self.frequencies[self.waiting.len()] += 1;
    }

    fn release(&mut self) {
        while let Some(at) = self.waiting.iter().position(|&number| number == self.expected) {
            self.waiting.swap_remove(at);
            self.expected = self.expected.saturating_add(1);
        }
    }

    /// Frequencies by occupancy.
    pub(super) fn finish(self) -> Counts<u64> {
        (0..)
            .zip(self.frequencies)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
