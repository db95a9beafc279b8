//! What one acknowledgment says: which blocks count, and what has arrived by it.

use super::rack::{Hint, Rack};
use super::scoreboard::{Mark, Scoreboard};
use crate::time::{Duration, Instant};
use crate::transport::tcp::options::{SackBlock, SackBlocks};
use crate::transport::tcp::seq::SeqNumber;

/// The SACK blocks of an acknowledgment that can be true.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Reported {
    /// What came twice (RFC 2883 section 4).
    pub(super) duplicate: Option<SackBlock>,
    /// What is held beyond SND.UNA.
    pub(super) held: SackBlocks,
}

impl Reported {
    /// Sorts the blocks of an acknowledgment that has moved SND.UNA already. A block that is empty, beyond SND.MAX or older than the
    /// peer's window can be is ignored; so is one that holds the octet at SND.UNA, which the same acknowledgment says is missing (RFC 2018
    /// section 3).
    pub(super) fn of(blocks: &SackBlocks, snd_una: SeqNumber, snd_max: SeqNumber, max_snd_wnd: u32) -> Self {
        let mut reported = Self::default();
        let oldest = snd_una - max_snd_wnd;
        for (at, block) in blocks.as_slice().iter().enumerate() {
            // By distance from one number: compared in pairs, ends that lie far around the circle pass.
            let (left, right) = (block.left - oldest, block.right - oldest);
            let possible = left < right && right <= snd_max - oldest;
            if !possible {
                continue;
            }
            let next = blocks.as_slice().get(1);
            let is_in_next = next.is_some_and(|next| next.left.le(block.left) && block.right.le(next.right));
            if at == 0 && (block.right.le(snd_una) || is_in_next) {
                reported.duplicate = Some(*block);
            } else if block.left.gt(snd_una) {
                reported.held.push(*block);
            }
        }
        reported
    }
}

/// What has arrived by one acknowledgment, in octets.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Delivered {
    /// How far SND.UNA has moved.
    pub(super) acknowledged: u32,
    /// All that was not known to have arrived.
    pub(super) octets: u32,
    /// Of those, the ones that are acknowledged selectively.
    pub(super) sacked: u32,
    /// Of those, the ones that were taken for lost and not sent again.
    pub(super) lost: u32,
    /// The end of the last stretch that was sent once.
    original: Option<SeqNumber>,
    /// The latest retransmission that has arrived, of those that SND.UNA has passed.
    resent: Option<u32>,
    /// The same of those that are acknowledged selectively.
    resent_held: Option<u32>,
    /// The retransmission of the octet at which SND.UNA stood.
    first: Option<u32>,
    /// Something that was sent once arrived after what was sent later.
    pub(super) reordered: bool,
}

impl Delivered {
    /// Takes an acknowledgment that moved SND.UNA by `acknowledged` octets into the scoreboard.
    pub(super) fn take(
        scoreboard: &mut Scoreboard,
        acknowledged: u32,
        reported: &Reported,
        snd_una: SeqNumber,
    ) -> Self {
        let mut delivered = Self {
            acknowledged,
            ..Self::default()
        };
        let highest = scoreboard.highest_sacked();
        let before = snd_una - acknowledged;
        scoreboard.advance(before, snd_una, |mark, start, end| {
            if let (Some(Mark::Resent(number)), true) = (mark, start == before) {
                delivered.first = Some(number);
            }
            delivered.note(mark, start, end, highest);
        });
        let acknowledged = delivered.resent.take();
        let before = delivered.octets;
        for block in reported.held.as_slice() {
            scoreboard.sack(block.left, block.right, |mark, start, end| {
                delivered.note(mark, start, end, highest);
            });
        }
        delivered.sacked = delivered.octets - before;
        (delivered.resent_held, delivered.resent) = (delivered.resent, acknowledged);
        delivered
    }

    fn note(&mut self, mark: Option<Mark>, start: SeqNumber, end: SeqNumber, highest: Option<SeqNumber>) {
        match mark {
            Some(Mark::Sacked) => return,
            Some(Mark::Resent(number)) => self.note_resent(number),
            None | Some(Mark::Lost) => {
                self.original = Some(self.original.map_or(end, |original| original.max(end)));
                self.reordered |= highest.is_some_and(|highest| end.lt(highest));
            }
        }
        if mark == Some(Mark::Lost) {
            self.lost += end - start;
        }
        self.octets += end - start;
    }

    fn note_resent(&mut self, number: u32) {
        let is_later = |last: u32| number.wrapping_sub(last).cast_signed() > 0;
        if self.resent.is_none_or(is_later) {
            self.resent = Some(number);
        }
    }

    /// How long a retransmission took, when it is certain that this one is answered and with what it began: the acknowledgment echoes the
    /// timestamp of the segment that has filled the first gap (RFC 7323 section 4.3), and that is of the retransmission's tick.
    pub(super) fn round_trip(&self, rack: &Rack, echoed: Option<u32>, now: Instant) -> Option<Duration> {
        rack.round_trip(self.first?, echoed?, now)
    }

    /// Tells what was sent before what has arrived. What arrives beyond a gap changes no timestamp that comes back (RFC 7323 section 4.3), so
    /// that it says nothing of what is acknowledged selectively.
    pub(super) fn tell(&self, rack: &mut Rack, hint: Hint, now: Instant) {
        if let Some(end) = self.original {
            rack.on_original_arrived(end, now);
        }
        if let Some(number) = self.resent {
            rack.on_resent_arrived(number, hint, now);
        }
        if let Some(number) = self.resent_held {
            rack.on_resent_arrived(number, Hint { echoed: None, ..hint }, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reported;
    use crate::transport::tcp::options::{SackBlock, SackBlocks};
    use crate::transport::tcp::seq::SeqNumber;

    const SND_UNA: u32 = 1_000;
    const SND_MAX: u32 = 2_000;
    const MAX_SND_WND: u32 = 500;

    type Range = (u32, u32);

    /// The duplicate and the blocks that are held, for `origin` as the number zero.
    fn reported(origin: SeqNumber, blocks: &[Range]) -> (Option<Range>, Vec<Range>) {
        let mut all = SackBlocks::default();
        for (left, right) in blocks {
            let (left, right) = (origin + *left, origin + *right);
            all.push(SackBlock { left, right });
        }
        let reported = Reported::of(&all, origin + SND_UNA, origin + SND_MAX, MAX_SND_WND);
        let range = |block: &SackBlock| (block.left - origin, block.right - origin);
        let held = reported.held.as_slice().iter().map(range).collect();
        (reported.duplicate.as_ref().map(range), held)
    }

    /// RFC 2018 section 3, RFC 2883 section 4: what is said of octets that were sent, and nothing of others.
    #[test]
    fn blocks_are_duplicates_or_held_or_impossible() {
        let cases: [(&[Range], Option<Range>, &[Range]); 17] = [
            // Each end lies on the right side of what it is compared with, as the circle of numbers goes.
            (
                &[(SND_UNA + (1 << 30), SND_UNA + (1 << 30) + 0x7000_0000)],
                None,
                &[],
            ),
            (
                &[(1_200, 1_300), (1_500, 1_600)],
                None,
                &[(1_200, 1_300), (1_500, 1_600)],
            ),
            (&[(900, 1_100)], None, &[]),
            (&[(1_000, 1_100)], None, &[]),
            (&[(1_001, 1_100)], None, &[(1_001, 1_100)]),
            (&[(1_900, 2_000)], None, &[(1_900, 2_000)]),
            (&[(1_900, 2_001)], None, &[]),
            (&[(1_200, 1_200)], None, &[]),
            (&[(1_300, 1_200)], None, &[]),
            (&[(500, 600)], Some((500, 600)), &[]),
            (&[(499, 600)], None, &[]),
            (&[(900, 1_000)], Some((900, 1_000)), &[]),
            (&[(1_200, 1_300), (900, 1_000)], None, &[(1_200, 1_300)]),
            (
                &[(1_200, 1_300), (1_200, 1_300)],
                Some((1_200, 1_300)),
                &[(1_200, 1_300)],
            ),
            (
                &[(1_200, 1_300), (1_100, 1_250)],
                None,
                &[(1_200, 1_300), (1_100, 1_250)],
            ),
            (
                &[(1_200, 1_300), (1_250, 1_400)],
                None,
                &[(1_200, 1_300), (1_250, 1_400)],
            ),
            (
                &[(800, 900), (1_100, 1_400), (1_200, 1_300)],
                Some((800, 900)),
                &[(1_100, 1_400), (1_200, 1_300)],
            ),
        ];
        for origin in [SeqNumber(0), SeqNumber(u32::MAX - 1_250)] {
            for (blocks, duplicate, held) in cases {
                assert_eq!(reported(origin, blocks), (duplicate, held.to_vec()), "{blocks:?}");
            }
        }
    }
}
