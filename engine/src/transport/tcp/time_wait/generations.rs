//! The index of the TIME_WAIT table, which grows without ever moving an entry.

use crate::transport::tag_index::TagIndex;

/// Filling of the buckets of a full generation: 7.1 bytes for each entry, and 1.35 cache lines for a miss.
const LOAD: f64 = 0.75;
/// Entries of the smallest generation.
const SMALLEST: usize = 4_096;
/// Generations up to which the index grows by a quarter, so that one which was sized nearly right stays small; each is one more to look in.
const FEW: usize = 4;

#[derive(Debug)]
struct Generation {
    /// The position of its first entry; those before belong to older generations.
    since: u32,
    index: TagIndex,
}

/// Indexes from hash to position in the queue, oldest first.
///
/// New entries go to the newest. When that is full, another is opened: a few with a quarter of the room that there is, then with twice as
/// much. The older ones drain as their entries expire and are dropped when empty. So there is no rehash, and nearly always one generation.
#[derive(Debug)]
pub(super) struct Generations {
    list: Vec<Generation>,
    capacity: usize,
}

impl Generations {
    /// An index for at most `capacity` entries that has touched the memory for `presize` of them already.
    pub(super) fn new(capacity: usize, presize: usize) -> Self {
        let mut index = TagIndex::with_capacity(presize.max(SMALLEST).min(capacity), LOAD);
        if presize > 0 {
            index.prefault();
        }
        Self {
            list: vec![Generation { since: 0, index }],
            capacity,
        }
    }

    pub(super) fn prefetch(&self, hash: u64) {
        self.list
            .iter()
            .for_each(|generation| generation.index.prefetch(hash));
    }

    /// As [`Generations::prefetch`] for an entry that is to be added.
    #[inline]
    pub(super) fn prefetch_newest(&self, hash: u64) {
        if let Some(newest) = self.list.last() {
            newest.index.prefetch(hash);
        }
    }

    pub(super) fn find(&self, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        self.list
            .iter()
            .rev()
            .find_map(|generation| generation.index.find(hash, &mut matches))
    }

    pub(super) fn insert(&mut self, hash: u64, position: u32) {
        if self.newest().index.insert(hash, position).is_err() {
            self.open(position);
            self.newest()
                .index
                .insert(hash, position)
                .expect("an empty index takes an entry");
        }
    }

    pub(super) fn remove(&mut self, hash: u64, position: u32) {
        let owner = self
            .list
            .iter()
            .rposition(|generation| is_since(position, generation.since))
            .unwrap_or(0);
        let removed = self.list[owner].index.remove(hash, position);
        debug_assert!(
            removed,
            "the index lost the entry at {position}, or its hash changed"
        );
        if self.list[owner].index.is_empty() && owner + 1 < self.list.len() {
            self.list.remove(owner);
        }
    }

    pub(super) fn mapped_bytes(&self) -> usize {
        self.list
            .iter()
            .map(|generation| generation.index.mapped_bytes())
            .sum()
    }

    fn newest(&mut self) -> &mut Generation {
        self.list.last_mut().expect("there is always a generation")
    }

    fn open(&mut self, since: u32) {
        let room: usize = self.list.iter().map(|old| old.index.capacity()).sum();
        let size = if self.list.len() < FEW { room / 4 } else { room * 2 };
        let size = size.max(SMALLEST).min(self.capacity);
        self.list.push(Generation {
            since,
            index: TagIndex::with_capacity(size, LOAD),
        });
    }
}

/// Whether a position is `since` or later. Positions in use at a time are less than 2³¹ apart.
fn is_since(position: u32, since: u32) -> bool {
    position.wrapping_sub(since) < 1 << 31
}
