//! The taken ports of one destination as a bitmap with two summaries above it.

const WORD_BITS: usize = 64;
const WORDS: usize = 65_536 / WORD_BITS;
const GROUPS: usize = WORDS / WORD_BITS;

/// 65,536 bits, one set for each taken port; 8,328 bytes.
///
/// A summary bit says that the whole word below it is taken, so the next free port is at most five words away
/// however full the map is. All zero means that every port is free.
#[derive(Debug)]
pub(super) struct PortBitmap {
    taken: [u64; WORDS],
    full_words: [u64; GROUPS],
    full_groups: u64,
}

impl PortBitmap {
    pub(super) const fn new() -> Self {
        Self {
            taken: [0; WORDS],
            full_words: [0; GROUPS],
            full_groups: 0,
        }
    }

    pub(super) fn is_taken(&self, port: u16) -> bool {
        let (word, bit) = split(port.into());
        self.taken[word] >> bit & 1 == 1
    }

    /// Taken ports. O(1), but a thousand words, nearly all of which are zero.
    pub(super) fn count(&self) -> u32 {
        let words = self.taken.iter().filter(|word| **word != 0);
        words.map(|word| word.count_ones()).sum()
    }

    /// Marks a port as taken; it may be so already.
    pub(super) fn take(&mut self, port: u16) {
        let (word, bit) = split(port.into());
        self.taken[word] |= 1 << bit;
        if self.taken[word] == u64::MAX {
            let (group, bit) = split(word);
            self.full_words[group] |= 1 << bit;
            self.full_groups |= u64::from(self.full_words[group] == u64::MAX) << group;
        }
    }

    /// Marks a port as free; it may be so already.
    pub(super) fn release(&mut self, port: u16) {
        let (word, bit) = split(port.into());
        self.taken[word] &= !(1 << bit);
        let (group, bit) = split(word);
        self.full_words[group] &= !(1 << bit);
        self.full_groups &= !(1 << group);
    }

    /// The lowest free port that is at least `from`.
    pub(super) fn next_free(&self, from: u16) -> Option<u16> {
        let (word, bit) = split(from.into());
        let port = match first_zero(self.taken[word], bit) {
            Some(bit) => word * WORD_BITS + bit,
            None => {
                let word = self.next_word_with_room(word + 1)?;
                word * WORD_BITS + first_zero(self.taken[word], 0)?
            }
        };
        u16::try_from(port).ok()
    }

    fn next_word_with_room(&self, from: usize) -> Option<usize> {
        let (group, bit) = split(from);
        if let Some(bit) = self
            .full_words
            .get(group)
            .and_then(|&words| first_zero(words, bit))
        {
            return Some(group * WORD_BITS + bit);
        }
        let group = first_zero(self.full_groups, group + 1)?;
        let bit = first_zero(*self.full_words.get(group)?, 0)?;
        Some(group * WORD_BITS + bit)
    }
}

fn split(position: usize) -> (usize, usize) {
    (position / WORD_BITS, position % WORD_BITS)
}

/// The lowest bit of `word` that is clear and at least `from`, which is below 64.
fn first_zero(word: u64, from: usize) -> Option<usize> {
    let zeros = !word & (u64::MAX << from);
    (zeros != 0).then(|| zeros.trailing_zeros() as usize)
}
