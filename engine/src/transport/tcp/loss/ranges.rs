//! A set of sequence numbers, as the ranges that it consists of.

use std::collections::VecDeque;

use crate::transport::tcp::options::SackBlock;
use crate::transport::tcp::seq::SeqNumber;

/// Disjoint ranges that do not touch, in order, all within 2^31 of each other. O(log n) to find a place, O(n) to make room in it; the
/// place at the end, where nearly everything arrives, is O(1).
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    ranges: VecDeque<SackBlock>,
}

impl Ranges {
    /// Adds `left..right`, and merges what touches it.
    pub(crate) fn insert(&mut self, left: SeqNumber, right: SeqNumber) {
        match self.ranges.back_mut() {
            Some(last) if last.right == left => return last.right = right,
            Some(last) if last.right.lt(left) => return self.ranges.push_back(SackBlock { left, right }),
            None => return self.ranges.push_back(SackBlock { left, right }),
            Some(_) => {}
        }
        let first = self.ranges.partition_point(|range| range.right.lt(left));
        let behind = self.ranges.partition_point(|range| range.left.le(right));
        if first == behind {
            return self.ranges.insert(first, SackBlock { left, right });
        }
        let merged = SackBlock {
            left: self.ranges[first].left.min(left),
            right: self.ranges[behind - 1].right.max(right),
        };
        self.ranges[first] = merged;
        self.ranges.drain(first + 1..behind);
    }

    /// Removes everything before `seq`.
    pub(crate) fn remove_before(&mut self, seq: SeqNumber) {
        while self.ranges.front().is_some_and(|range| range.right.le(seq)) {
            self.ranges.pop_front();
        }
        if let Some(range) = self.ranges.front_mut() {
            range.left = range.left.max(seq);
        }
    }

    /// The range that `seq` is in.
    pub(crate) fn containing(&self, seq: SeqNumber) -> Option<SackBlock> {
        let at = self.ranges.partition_point(|range| range.right.le(seq));
        self.ranges.get(at).copied().filter(|range| range.left.le(seq))
    }

    /// The first stretch of `left..right` that is in a range.
    pub(crate) fn first_within(&self, left: SeqNumber, right: SeqNumber) -> Option<SackBlock> {
        let at = self.ranges.partition_point(|range| range.right.le(left));
        let range = self.ranges.get(at).filter(|range| range.left.lt(right))?;
        Some(SackBlock {
            left: range.left.max(left),
            right: range.right.min(right),
        })
    }

    /// Members of all ranges. O(ranges).
    pub(crate) fn octets(&self) -> u32 {
        self.ranges.iter().map(|range| range.right - range.left).sum()
    }

    /// Removes everything; the storage is kept.
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = SackBlock> {
        self.ranges.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;
    use crate::transport::tcp::seq::SeqNumber;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// The ranges of a naive set, one element for each sequence number.
    fn runs(set: &[bool], origin: SeqNumber) -> Vec<(SeqNumber, SeqNumber)> {
        let mut runs = Vec::new();
        let mut at = 0;
        while at < set.len() {
            let len = set[at..].iter().take_while(|held| **held).count();
            if len > 0 {
                runs.push((origin + at as u32, origin + (at + len) as u32));
            }
            at += len + 1;
        }
        runs
    }

    proptest! {
        #[test]
        fn ranges_are_those_of_a_naive_set(
            origin in any::<u32>(),
            steps in vec((0u32..200, 1u32..30, prop::bool::weighted(0.1)), 1..60),
        ) {
            let origin = SeqNumber(origin);
            let (mut ranges, mut naive) = (Ranges::default(), vec![false; 240]);
            for (at, len, removes) in steps {
                if removes {
                    ranges.remove_before(origin + at);
                    naive[..at as usize].fill(false);
                } else {
                    ranges.insert(origin + at, origin + at + len);
                    naive[at as usize..(at + len) as usize].fill(true);
                }
                let held: Vec<_> = ranges.iter().map(|range| (range.left, range.right)).collect();
                prop_assert_eq!(&held, &runs(&naive, origin));
                for (offset, member) in naive.iter().enumerate() {
                    let seq = origin + offset as u32;
                    prop_assert_eq!(ranges.containing(seq).is_some(), *member);
                }
                let within = ranges.first_within(origin + at, origin + at + len);
                let stretch = &naive[at as usize..(at + len) as usize];
                let first = runs(stretch, origin + at).into_iter().next();
                prop_assert_eq!(within.map(|block| (block.left, block.right)), first);
            }
        }
    }
}
