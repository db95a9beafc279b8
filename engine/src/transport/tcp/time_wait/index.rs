//! The way from a hash to an entry, behind a short queue that hides how far away memory is.

use super::generations::Generations;

/// Entries whose buckets are on their way. A bucket of a table of millions comes from memory, while the processor can do some FINs of a batch.
const ARRIVING: usize = 8;

/// [`Generations`] to which entries are added some insertions late, when the bucket that was asked for at first has come.
///
/// Nobody can tell from outside: what is not added yet is found all the same.
#[derive(Debug)]
pub(super) struct Index {
    generations: Generations,
    /// Hash and position of the newest entries, a ring; the oldest is at `next` once it is full.
    arriving: [(u64, u32); ARRIVING],
    next: usize,
    len: usize,
}

impl Index {
    pub(super) fn new(generations: Generations) -> Self {
        Self {
            generations,
            arriving: [(0, 0); ARRIVING],
            next: 0,
            len: 0,
        }
    }

    pub(super) fn prefetch(&self, hash: u64) {
        self.generations.prefetch(hash);
    }

    pub(super) fn find(&self, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        arriving(&self.arriving, self.next, self.len)
            .find(|&(other, position)| other == hash && matches(position))
            .map(|(_, position)| position)
            .or_else(|| self.generations.find(hash, &mut matches))
    }

    /// Positions must come in the order in which they count up.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, position: u32) {
        self.generations.prefetch_newest(hash);
        let (hash, position) = std::mem::replace(&mut self.arriving[self.next], (hash, position));
        self.next = (self.next + 1) % ARRIVING;
        if self.len == ARRIVING {
            self.generations.insert(hash, position);
        } else {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, hash: u64, position: u32) {
        if arriving(&self.arriving, self.next, self.len).any(|(_, arriving)| arriving == position) {
            self.add_arriving();
        }
        self.generations.remove(hash, position);
    }

    pub(super) fn mapped_bytes(&self) -> usize {
        self.generations.mapped_bytes()
    }

    #[cold]
    fn add_arriving(&mut self) {
        for (hash, position) in arriving(&self.arriving, self.next, self.len) {
            self.generations.insert(hash, position);
        }
        self.len = 0;
    }
}

/// The `len` entries of the ring before `next`, from the oldest on.
fn arriving(ring: &[(u64, u32); ARRIVING], next: usize, len: usize) -> impl Iterator<Item = (u64, u32)> {
    let first = next + ARRIVING - len;
    (first..first + len).map(|at| ring[at % ARRIVING])
}

#[cfg(test)]
mod tests {
    use super::super::generations::Generations;
    use super::{ARRIVING, Index};

    fn index() -> Index {
        Index::new(Generations::new(1_000, 0))
    }

    fn is_found(index: &Index, number: u32) -> bool {
        index.find(hash(number), |position| position == number) == Some(number)
    }

    fn hash(number: u32) -> u64 {
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn what_is_still_arriving_is_found_and_removed_like_what_has_arrived() {
        for count in [1, ARRIVING as u32, 3 * ARRIVING as u32 + 1] {
            for removed in 0..count {
                let mut index = index();
                (0..count).for_each(|number| index.insert(hash(number), number));
                assert!((0..count).all(|number| is_found(&index, number)));
                index.remove(hash(removed), removed);
                let left = (0..count).filter(|&number| is_found(&index, number));
                assert!(
                    left.eq((0..count).filter(|&number| number != removed)),
                    "{removed} of {count}"
                );
            }
        }
    }

    #[test]
    fn entries_of_one_hash_are_told_apart_while_they_arrive() {
        let mut index = index();
        index.insert(7, 1);
        index.insert(7, 2);
        index.remove(7, 1);
        assert_eq!(index.find(7, |position| position == 1), None);
        assert_eq!(index.find(7, |position| position == 2), Some(2));
        index.insert(7, 3);
        assert_eq!(index.find(7, |position| position == 3), Some(3));
    }
}
