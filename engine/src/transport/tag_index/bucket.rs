//! One bucket of the index, exactly one cache line, and the lazily mapped array that holds them.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute_mut, transmute_ref};

/// Entries of one bucket.
pub(super) const LANES: usize = 12;
/// Classes by which a bucket counts the entries that had to go elsewhere.
pub(super) const CLASSES: usize = 4;

const LINE_BYTES: usize = 64;
const LINE_WORDS: usize = LINE_BYTES / size_of::<u64>();

/// One cache line of the index. All bytes zero means empty.
///
/// Tags of one byte leave room for twelve entries; with two-byte tags a line holds ten, and at the same number of
/// bytes for each entry buckets overflow so often that a miss reads several lines. A tag that matches by accident
/// (one in 256 for each entry compared) costs one look at the entry itself.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Bucket {
    /// One byte of the hash for each entry, 0 in a vacant lane.
    tags: [u8; LANES],
    /// For each class of hashes, how many entries looked for room here and live further along their probe sequence.
    pub(super) overflow: [u8; CLASSES],
    values: [u32; LANES],
}

const _: () = assert!(size_of::<Bucket>() == LINE_BYTES);

impl Bucket {
    /// The lanes whose tag is `tag`.
    pub(super) fn matching(&self, tag: u8) -> Lanes {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let pattern = u64::from(tag) * ONES;
        let (low, high) = self.tag_words();
        let low = zero_bytes(low ^ pattern);
        let high = zero_bytes(u64::from(high ^ pattern as u32)) & u64::from(u32::MAX);
        Lanes(low | high << 1)
    }

    /// A lane that holds no entry.
    pub(super) fn vacant(&self) -> Option<usize> {
        self.matching(0).next()
    }

    pub(super) fn value(&self, lane: usize) -> u32 {
        self.values[lane]
    }

    pub(super) fn set(&mut self, lane: usize, tag: u8, value: u32) {
        self.tags[lane] = tag;
        self.values[lane] = value;
    }

    pub(super) fn clear(&mut self, lane: usize) {
        self.tags[lane] = 0;
    }

    fn tag_words(&self) -> (u64, u32) {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.tags;
        (
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u32::from_le_bytes([i, j, k, l]),
        )
    }
}

/// Bit 0 of every byte of the result tells whether that byte of `word` is zero.
fn zero_bytes(word: u64) -> u64 {
    const LOW_SEVEN: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW_SEVEN) + LOW_SEVEN) | word | LOW_SEVEN) >> 7
}

/// A set of lanes: lane `i` is bit `8 i` for the first eight, bit `8 (i - 8) + 1` for the rest.
pub(super) struct Lanes(u64);

impl Iterator for Lanes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit / 8 + bit % 8 * 8)
    }
}

/// An array of buckets, each on a cache line of its own.
///
/// It is a zeroed vector of plain integers because only that kind of allocation is left untouched until it is used:
/// opening an index of a gigabyte costs nothing, and its pages come in one by one.
pub(super) struct Buckets {
    words: Vec<u64>,
    first_word: usize,
}

impl Buckets {
    pub(super) fn new(count: usize) -> Self {
        let mut words = vec![0u64; count * LINE_WORDS + LINE_WORDS - 1];
        crate::arch::huge_pages::advise(&mut words);
        let first_word = words.as_ptr().align_offset(LINE_BYTES);
        Self { words, first_word }
    }

    pub(super) fn get(&self, index: usize) -> &Bucket {
        transmute_ref!(&self.words[self.first_word..].as_chunks::<LINE_WORDS>().0[index])
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Bucket {
        transmute_mut!(&mut self.words[self.first_word..].as_chunks_mut::<LINE_WORDS>().0[index])
    }

    /// Touches every page, so that no later access faults.
    pub(super) fn prefault(&mut self) {
        const PAGE_WORDS: usize = 4096 / size_of::<u64>();
        for word in self.words.iter_mut().step_by(PAGE_WORDS) {
            *word = core::hint::black_box(*word);
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(super) fn mapped_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets")
            .field("mapped_bytes", &self.mapped_bytes())
            .finish_non_exhaustive()
    }
}
