//! One bucket of the index, exactly one cache line, and the lazily mapped array that holds them.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute_mut, transmute_ref};

use crate::arch::byte_match;

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
    #[inline(always)]
    pub(super) fn matching(&self, tag: u8) -> Lanes {
        let [head, ..]: &[[u8; 16]; LINE_BYTES / 16] = transmute_ref!(self);
        Lanes(byte_match::positions(head, tag) & ALL_LANES)
    }

    /// A lane that holds no entry.
    #[inline(always)]
    pub(super) fn vacant(&self) -> Option<usize> {
        self.matching(0).next()
    }

    /// The lane that holds this very entry.
    #[inline(always)]
    pub(super) fn lane_of(&self, tag: u8, value: u32) -> Option<usize> {
        self.matching(tag).find(|&lane| self.values[lane] == value)
    }

    #[inline(always)]
    pub(super) fn value(&self, lane: usize) -> u32 {
        self.values[lane]
    }

    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, tag: u8, value: u32) {
        self.tags[lane] = tag;
        self.values[lane] = value;
    }

    #[inline(always)]
    pub(super) fn clear(&mut self, lane: usize) {
        self.tags[lane] = 0;
    }
}

/// The first sixteen bytes of a bucket are tags but for the counters at their end.
const ALL_LANES: u16 = (1 << LANES) - 1;

/// A set of lanes: lane `i` is bit `i`.
pub(super) struct Lanes(u16);

impl Iterator for Lanes {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(lane)
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

    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> &Bucket {
        let start = self.first_word + index * LINE_WORDS;
        let line = self.words[start..].first_chunk::<LINE_WORDS>();
        transmute_ref!(line.expect("a bucket is a whole line"))
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, index: usize) -> &mut Bucket {
        let start = self.first_word + index * LINE_WORDS;
        let line = self.words[start..].first_chunk_mut::<LINE_WORDS>();
        transmute_mut!(line.expect("a bucket is a whole line"))
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
