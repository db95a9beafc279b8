//! The bytes of a stream: each 64-bit word is known from its position, so that a receiver can check every byte while it
//! reads it.

/// Difference of neighbouring words: odd, so that no word comes back before 2^64 of them, and with bits set in every byte, so
/// that a shift by any number of bytes shows.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD: u64 = 8;
/// Words that are written or compared together, so that the compiler can use wide registers.
const LANES: usize = 8;
const BLOCK: usize = LANES * WORD as usize;

fn word_at(index: u64) -> u64 {
    index.wrapping_add(1).wrapping_mul(STEP)
}

/// Consecutive words of the stream, as those of the first block and what has been added since: that form stays in wide registers.
#[derive(Clone, Copy)]
struct Lanes {
    first: [u64; LANES],
    added: u64,
}

impl Lanes {
    /// The words from byte `position` on, which is a multiple of [`WORD`].
    fn at(position: u64) -> Self {
        let index = position / WORD;
        Self {
            first: std::array::from_fn(|lane| word_at(index.wrapping_add(lane as u64))),
            added: 0,
        }
    }

    #[inline]
    fn advance(&mut self) {
        self.added = self.added.wrapping_add(STEP.wrapping_mul(LANES as u64));
    }

    #[inline]
    fn write(&self, block: &mut [u8; BLOCK]) {
        let (words, _) = block.as_chunks_mut::<{ WORD as usize }>();
        for (bytes, first) in words.iter_mut().zip(&self.first) {
            *bytes = first.wrapping_add(self.added).to_le_bytes();
        }
    }

    /// Adds the bits that are wrong in `block` to `found`.
    #[inline]
    fn compare(&self, block: &[u8; BLOCK], found: &mut [u64; LANES]) {
        let (words, _) = block.as_chunks::<{ WORD as usize }>();
        for ((bytes, first), found) in words.iter().zip(&self.first).zip(found) {
            *found |= u64::from_le_bytes(*bytes) ^ first.wrapping_add(self.added);
        }
    }
}

/// Writes the stream.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Producer {
    /// Bytes of the stream so far. May be set back when a stack took less than was produced for it.
    pub(crate) position: u64,
}

impl Producer {
    /// Fills `bytes` with the next bytes of the stream.
    pub(crate) fn produce(&mut self, bytes: &mut [u8]) {
        let (head, body) = bytes.split_at_mut(to_word_boundary(self.position, bytes.len()));
        let (blocks, tail) = body.as_chunks_mut::<BLOCK>();
        write_partial(head, self.position);
        self.position += head.len() as u64;
        let mut lanes = Lanes::at(self.position);
        for block in blocks.iter_mut() {
            lanes.write(block);
            lanes.advance();
        }
        self.position += (blocks.len() * BLOCK) as u64;
        write_words(tail, self.position);
        self.position += tail.len() as u64;
    }
}

/// Reads the stream and compares every byte.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Verifier {
    position: u64,
    /// Bits that were ever wrong.
    differences: u64,
}

impl Verifier {
    /// Compares `bytes` with the next bytes of the stream.
    pub(crate) fn verify(&mut self, bytes: &[u8]) {
        let (head, body) = bytes.split_at(to_word_boundary(self.position, bytes.len()));
        let (blocks, tail) = body.as_chunks::<BLOCK>();
        self.differences |= partial_differences(head, self.position);
        self.position += head.len() as u64;
        let (mut lanes, mut found) = (Lanes::at(self.position), [0; LANES]);
        for block in blocks {
            lanes.compare(block, &mut found);
            lanes.advance();
        }
        self.differences |= found.into_iter().fold(0, |all, lane| all | lane);
        self.position += (blocks.len() * BLOCK) as u64;
        self.differences |= word_differences(tail, self.position);
        self.position += tail.len() as u64;
    }

    /// Whether every byte was right.
    pub(crate) fn is_intact(&self) -> bool {
        self.differences == 0
    }
}

/// Bytes from `position` to the next word, at most `length`.
fn to_word_boundary(position: u64, length: usize) -> usize {
    (position.wrapping_neg() % WORD).min(length as u64) as usize
}

fn byte_at(position: u64) -> u8 {
    word_at(position / WORD).to_le_bytes()[(position % WORD) as usize]
}

/// Writes what is less than a block, from a word's first byte on.
fn write_words(bytes: &mut [u8], position: u64) {
    let (words, rest) = bytes.as_chunks_mut::<{ WORD as usize }>();
    let first = position / WORD;
    for (word, index) in words.iter_mut().zip(first..) {
        *word = word_at(index).to_le_bytes();
    }
    write_partial(rest, position + words.len() as u64 * WORD);
}

fn word_differences(bytes: &[u8], position: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<{ WORD as usize }>();
    let first = position / WORD;
    let found = words.iter().zip(first..).fold(0, |found, (word, index)| {
        found | u64::from_le_bytes(*word) ^ word_at(index)
    });
    found | partial_differences(rest, position + words.len() as u64 * WORD)
}

/// Writes part of a word, byte by byte.
fn write_partial(bytes: &mut [u8], position: u64) {
    for (byte, at) in bytes.iter_mut().zip(position..) {
        *byte = byte_at(at);
    }
}

fn partial_differences(bytes: &[u8], position: u64) -> u64 {
    bytes
        .iter()
        .zip(position..)
        .fold(0, |found, (&byte, at)| found | u64::from(byte ^ byte_at(at)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        Producer::default().produce(&mut bytes);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_cuts_of_producer_and_verifier_do_not_matter(
            writes in prop::collection::vec(0_usize..300, 1..30),
            reads in prop::collection::vec(1_usize..300, 1..30),
        ) {
            let mut producer = Producer::default();
            let mut sent = Vec::new();
            for length in writes {
                let mut chunk = vec![0; length];
                producer.produce(&mut chunk);
                sent.extend(chunk);
            }
            prop_assert_eq!(&sent, &stream(sent.len()));
            let (mut verifier, mut rest) = (Verifier::default(), &sent[..]);
            for length in reads {
                let (chunk, behind) = rest.split_at(length.min(rest.len()));
                verifier.verify(chunk);
                rest = behind;
            }
            verifier.verify(rest);
            prop_assert!(verifier.is_intact());
            prop_assert_eq!(verifier.position, sent.len() as u64);
        }

        #[test]
        fn one_wrong_bit_is_found(length in 1_usize..400, at in any::<prop::sample::Index>(), bit in 0_u32..8) {
            let mut bytes = stream(length);
            bytes[at.index(length)] ^= 1_u8 << bit;
            let mut verifier = Verifier::default();
            verifier.verify(&bytes);
            prop_assert!(!verifier.is_intact());
        }
    }

    #[test]
    fn a_repeated_and_a_missing_byte_are_found() {
        let bytes = stream(64);
        for shifted in [&bytes[1..], &[&bytes[..8], &bytes[7..]].concat()[..]] {
            let mut verifier = Verifier::default();
            verifier.verify(shifted);
            assert!(!verifier.is_intact());
        }
    }

    #[test]
    fn what_was_not_taken_is_produced_again() {
        let mut producer = Producer::default();
        let mut bytes = [0; 20];
        producer.produce(&mut bytes);
        producer.position = 5;
        let mut again = [0; 15];
        producer.produce(&mut again);
        assert_eq!(again, bytes[5..]);
    }
}
