//! The sender's scoreboard: what is known of the octets between `snd_una` and `snd_max` (RFC 6675 section 4, RFC 8985).

use std::collections::VecDeque;

use crate::transport::tcp::invariants::{Checked, ensure};
use crate::transport::tcp::seq::SeqNumber;

/// Ranges that are kept at most. A peer who reports more holes is not believed any further: what he has is sent again at worst.
const MAX_RANGES: usize = 512;
/// Ranges that SACK blocks leave free, for marks of what is lost and sent again.
const RESERVE: usize = 64;

/// What is known of octets that are not acknowledged yet. Those without a mark were sent once and are on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// The peer holds them.
    Sacked,
    /// They have left the network and did not arrive; to be sent again.
    Lost,
    /// They are on the way again, by the retransmission of this number.
    Resent(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    start: SeqNumber,
    end: SeqNumber,
    mark: Mark,
}

impl Range {
    fn len(&self) -> u32 {
        self.end - self.start
    }
}

/// Marked ranges, disjoint and in order; neighbours with the same mark are one. A lookup is O(log n), a change costs a move within at
/// most [`MAX_RANGES`] entries besides; no operation looks at each octet or segment.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    ranges: VecDeque<Range>,
    sacked: u32,
    lost: u32,
    /// Nothing before this is lost.
    first_lost: SeqNumber,
}

impl Scoreboard {
    /// Octets that the peer holds beyond `snd_una`.
    pub(super) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Octets that are lost and were not sent again yet.
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    /// Octets that are on the way again. Counted when asked, for snapshots.
    pub(super) fn resent(&self) -> u32 {
        let is_resent = |range: &&Range| matches!(range.mark, Mark::Resent(_));
        self.ranges.iter().filter(is_resent).map(Range::len).sum()
    }

    /// Whether nothing is marked.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether there is room to mark another retransmission.
    pub(super) fn has_room(&self) -> bool {
        self.ranges.len() + 2 <= MAX_RANGES
    }

    /// The end of the highest range that the peer holds.
    pub(super) fn highest_sacked(&self) -> Option<SeqNumber> {
        let is_sacked = |range: &&Range| range.mark == Mark::Sacked;
        self.ranges.iter().rev().find(is_sacked).map(|range| range.end)
    }

    /// Whether the peer holds the octet `seq`. When that is `snd_una`, he has acknowledged less than he held: he has reneged.
    pub(super) fn is_sacked(&self, seq: SeqNumber) -> bool {
        let range = self.ranges.get(self.position(seq));
        range.is_some_and(|range| range.start.le(seq) && range.mark == Mark::Sacked)
    }

    /// Whether the peer is known to hold all of `start..end`.
    pub(super) fn holds(&self, start: SeqNumber, end: SeqNumber) -> bool {
        let range = self.ranges.get(self.position(start));
        range.is_some_and(|range| range.start.le(start) && end.le(range.end) && range.mark == Mark::Sacked)
    }

    /// Forgets everything before `snd_una`, which was `from` until now, and shows it to `seen`: each stretch with the mark that it had.
    pub(super) fn advance(
        &mut self,
        from: SeqNumber,
        snd_una: SeqNumber,
        mut seen: impl FnMut(Option<Mark>, SeqNumber, SeqNumber),
    ) {
        let mut at = from;
        while let Some(range) = self.ranges.front_mut().filter(|range| range.start.lt(snd_una)) {
            if at.lt(range.start) {
                seen(None, at, range.start);
            }
            let end = range.end.min(snd_una);
            let (mark, start) = (range.mark, range.start);
            seen(Some(mark), start, end);
            at = end;
            range.start = end;
            if range.len() == 0 {
                self.ranges.pop_front();
            }
            self.count_out(mark, end - start);
        }
        if at.lt(snd_una) {
            seen(None, at, snd_una);
        }
        self.first_lost = self.first_lost.max(snd_una);
    }

    /// The peer holds `start..end`; what that changes is shown to `seen`. False when there is no room to remember it.
    pub(super) fn sack(
        &mut self,
        start: SeqNumber,
        end: SeqNumber,
        mut seen: impl FnMut(Option<Mark>, SeqNumber, SeqNumber),
    ) -> bool {
        if self.ranges.len() + 2 > MAX_RANGES - RESERVE && !self.grows_existing(start, end) {
            return false;
        }
        self.paint(start, end, Mark::Sacked, |mark, start, end| {
            if mark != Some(Mark::Sacked) {
                seen(mark, start, end);
            }
        });
        true
    }

    /// Whether marking the range would not add one.
    fn grows_existing(&self, start: SeqNumber, end: SeqNumber) -> bool {
        let at = self.position(start);
        let before = at.checked_sub(1).and_then(|at| self.ranges.get(at));
        let touches =
            |range: &Range| range.mark == Mark::Sacked && range.start.le(end) && range.end.ge(start);
        before.is_some_and(touches) || self.ranges.get(at).is_some_and(touches)
    }

    /// The octets `start..end` are on the way again.
    pub(super) fn resend(&mut self, start: SeqNumber, end: SeqNumber, number: u32) {
        self.paint(start, end, Mark::Resent(number), |_, _, _| {});
        if self.first_lost == start {
            self.first_lost = end;
        }
    }

    /// What is in `start..end` and was sent only once is lost. Returns how many octets that are.
    pub(super) fn lose_original(&mut self, start: SeqNumber, end: SeqNumber) -> u32 {
        let before = self.lost;
        let mut at = start;
        while at.lt(end) {
            let next = self.ranges.get(self.position(at)).copied();
            let gap_end = next.map_or(end, |range| range.start.min(end));
            if at.lt(gap_end) {
                if !self.has_room() {
                    break;
                }
                self.lose(at, gap_end);
            }
            at = next.map_or(end, |range| range.end);
        }
        self.lost - before
    }

    /// What is in `start..end` and on the way by the retransmission of this number is lost. Returns how many octets that are.
    pub(super) fn lose_resent(&mut self, start: SeqNumber, end: SeqNumber, number: u32) -> u32 {
        self.lose_where(start, end, |mark| mark == Mark::Resent(number))
    }

    /// Whether something of `start..end` is on the way by the retransmission of this number.
    pub(super) fn has_resent(&self, start: SeqNumber, end: SeqNumber, number: u32) -> bool {
        self.ranges
            .range(self.position(start)..)
            .take_while(|range| range.start.lt(end))
            .any(|range| range.mark == Mark::Resent(number))
    }

    /// Everything in `start..end` that the peer does not hold is lost.
    pub(super) fn lose_all(&mut self, start: SeqNumber, end: SeqNumber) {
        self.lose_where(start, end, |mark| mark != Mark::Sacked);
        self.lose_original(start, end);
    }

    fn lose_where(&mut self, start: SeqNumber, end: SeqNumber, which: impl Fn(Mark) -> bool) -> u32 {
        let before = self.lost;
        let mut at = start;
        while let Some(range) = self.ranges.get(self.position(at)).copied() {
            if range.start.ge(end) {
                break;
            }
            if which(range.mark) {
                self.lose(range.start.max(start), range.end.min(end));
            }
            at = range.end;
        }
        self.lost - before
    }

    fn lose(&mut self, start: SeqNumber, end: SeqNumber) {
        self.paint(start, end, Mark::Lost, |_, _, _| {});
        self.first_lost = self.first_lost.min(start);
    }

    /// The peer holds nothing beyond `snd_una` any more, or is not believed: what he held is lost (RFC 2018 section 8).
    pub(super) fn renege(&mut self) {
        for range in &mut self.ranges {
            if range.mark == Mark::Sacked {
                range.mark = Mark::Lost;
                self.first_lost = self.first_lost.min(range.start);
            }
        }
        self.lost += self.sacked;
        self.sacked = 0;
        self.merge_neighbours();
    }

    /// Nothing was lost after all: what is marked so is on the way still. What was sent again stays what was sent last (RFC 8985 section
    /// 5.2), or it would be taken for lost as soon as the original is overdue.
    pub(super) fn find_all(&mut self) {
        self.ranges.retain(|range| range.mark != Mark::Lost);
        self.lost = 0;
    }

    fn merge_neighbours(&mut self) {
        let mut kept: usize = 0;
        for at in 1..self.ranges.len() {
            let (range, last) = (self.ranges[at], self.ranges[kept]);
            if last.end == range.start && last.mark == range.mark {
                self.ranges[kept].end = range.end;
            } else {
                kept += 1;
                self.ranges[kept] = range;
            }
        }
        self.ranges.truncate(kept + 1);
    }

    /// The first lost range. O(log n) when nothing was found lost before what was sent again since.
    pub(super) fn next_lost(&mut self) -> Option<(SeqNumber, SeqNumber)> {
        if self.lost == 0 {
            return None;
        }
        let from = self.position(self.first_lost);
        let range = self.ranges.range(from..).find(|range| range.mark == Mark::Lost)?;
        let start = range.start.max(self.first_lost);
        self.first_lost = start;
        Some((start, range.end))
    }

    /// Forgets everything; the storage is kept. Nothing before `snd_una` will be marked.
    pub(super) fn clear(&mut self, snd_una: SeqNumber) {
        self.ranges.clear();
        (self.sacked, self.lost) = (0, 0);
        self.first_lost = snd_una;
    }

    /// Checks that ranges are sorted, disjoint, within `snd_una..snd_max` and as few as can be, and that the counts are theirs. O(ranges).
    pub(super) fn check(&self, snd_una: SeqNumber, snd_max: SeqNumber) -> Checked {
        let mut counted = Self::default();
        let mut last: Option<&Range> = None;
        for range in &self.ranges {
            let Range { start, end, mark } = *range;
            let from = last.map_or(snd_una, |last| last.end);
            ensure!(
                start.lt(end) && from.le(start) && end.le(snd_max),
                "{mark:?} {start:?}..{end:?} is empty, begins before {from:?}, or ends behind SND.MAX {snd_max:?}"
            );
            ensure!(
                !last.is_some_and(|last| last.touches(range)),
                "{mark:?} {start:?}..{end:?} continues the range before it"
            );
            counted.count_in(mark, range.len());
            last = Some(range);
        }
        ensure!(
            (self.sacked, self.lost) == (counted.sacked, counted.lost),
            "{} octets are counted as held by the peer and {} as lost; marked are {} and {}",
            self.sacked,
            self.lost,
            counted.sacked,
            counted.lost
        );
        Ok(())
    }

    /// The first range that ends behind `seq`.
    fn position(&self, seq: SeqNumber) -> usize {
        self.ranges.partition_point(|range| range.end.le(seq))
    }

    /// Gives `start..end` this mark, and shows what it was to `seen`, stretch by stretch.
    fn paint(
        &mut self,
        start: SeqNumber,
        end: SeqNumber,
        mark: Mark,
        mut seen: impl FnMut(Option<Mark>, SeqNumber, SeqNumber),
    ) {
        self.split(start);
        self.split(end);
        let first = self.position(start);
        let mut behind = first;
        let mut at = start;
        while let Some(range) = self
            .ranges
            .get(behind)
            .copied()
            .filter(|range| range.start.lt(end))
        {
            if at.lt(range.start) {
                seen(None, at, range.start);
            }
            seen(Some(range.mark), range.start, range.end);
            self.count_out(range.mark, range.len());
            at = range.end;
            behind += 1;
        }
        if at.lt(end) {
            seen(None, at, end);
        }
        self.count_in(mark, end - start);
        self.replace(first, behind, Range { start, end, mark });
    }

    /// Puts one range in place of those from `first` to before `behind`, merged with neighbours that have the same mark.
    fn replace(&mut self, mut first: usize, mut behind: usize, mut range: Range) {
        if let Some(next) = self.ranges.get(behind).filter(|next| range.touches(next)) {
            range.end = next.end;
            behind += 1;
        }
        if first > 0 && self.ranges[first - 1].touches(&range) {
            first -= 1;
            range.start = self.ranges[first].start;
        }
        if first == behind {
            self.ranges.insert(first, range);
        } else {
            self.ranges[first] = range;
            self.ranges.drain(first + 1..behind);
        }
    }

    /// Makes two of a range that `seq` is inside of.
    fn split(&mut self, seq: SeqNumber) {
        let at = self.position(seq);
        let inside = |range: &&mut Range| range.start.lt(seq);
        if let Some(range) = self.ranges.get_mut(at).filter(inside) {
            let rest = Range { start: seq, ..*range };
            range.end = seq;
            self.ranges.insert(at + 1, rest);
        }
    }

    fn count_in(&mut self, mark: Mark, octets: u32) {
        match mark {
            Mark::Sacked => self.sacked += octets,
            Mark::Lost => self.lost += octets,
            Mark::Resent(_) => {}
        }
    }

    fn count_out(&mut self, mark: Mark, octets: u32) {
        match mark {
            Mark::Sacked => self.sacked -= octets,
            Mark::Lost => self.lost -= octets,
            Mark::Resent(_) => {}
        }
    }
}

impl Range {
    /// Whether `next` continues this range.
    fn touches(&self, next: &Self) -> bool {
        self.end == next.start && self.mark == next.mark
    }
}

#[cfg(test)]
mod tests;
