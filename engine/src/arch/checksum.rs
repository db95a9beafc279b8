//! The Internet checksum (RFC 1071): one's complement sums of 16-bit words.

#[cfg(test)]
mod tests;

/// Up to this many octets the loop is inlined into the caller; beyond, the widest vectors of the processor pay.
const INLINE_MAX: usize = 64;

/// A partial one's complement sum over the octets of a packet, in the order in which they are added.
///
/// Pieces may have any length and alignment: a piece that starts at an odd offset is summed as it will lie in the
/// packet. Holds for up to 2^27 pieces of any size.
///
/// ```
/// use handfast::arch::checksum::Sum;
///
/// let whole = Sum::zero().add_bytes(&[1, 2, 3, 4, 5]).finish();
/// assert_eq!(whole, Sum::zero().add_bytes(&[1, 2, 3]).add_bytes(&[4, 5]).finish());
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Sum {
    /// In the processor's byte order, not yet folded: the sum commutes with swapping bytes (RFC 1071 section 2(B)).
    words: u64,
    /// Whether an odd number of octets has been added.
    odd: bool,
}

impl Sum {
    /// The sum of no octets.
    #[inline]
    pub const fn zero() -> Self {
        Self { words: 0, odd: false }
    }

    /// Appends `bytes`.
    #[inline]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let words = if bytes.len() <= INLINE_MAX {
            sum_words(bytes)
        } else {
            sum_long(bytes)
        };
        self.append(words, bytes.len() % 2 == 1)
    }

    /// As [`Sum::add_bytes`] for a header whose length is known when the program is built: no loop, no branch.
    #[inline(always)]
    pub fn add_array<const LEN: usize>(self, bytes: &[u8; LEN]) -> Self {
        self.append(sum_words(bytes), LEN % 2 == 1)
    }

    /// Appends a 16-bit field in network order.
    #[inline]
    pub fn add_u16(self, value: u16) -> Self {
        self.append(u64::from(value.to_be()), false)
    }

    /// Appends a 32-bit field in network order.
    #[inline]
    pub fn add_u32(self, value: u32) -> Self {
        self.append(u64::from(value.to_be()), false)
    }

    /// Appends what `next` has summed.
    #[inline]
    pub fn add_sum(self, next: Self) -> Self {
        self.append(next.words, next.odd)
    }

    /// The checksum to write, in network order (`to_be_bytes`), over what was added with the checksum field as zero.
    ///
    /// May be 0, which UDP sends as 0xFFFF (RFC 768).
    #[inline]
    #[must_use]
    pub fn finish(self) -> u16 {
        !u16::from_be(fold(self.words))
    }

    /// Whether what was added, its checksum field included, is intact.
    #[inline]
    #[must_use]
    pub fn is_intact(self) -> bool {
        self.finish() == 0
    }

    #[inline]
    fn append(self, words: u64, odd: bool) -> Self {
        let words = if self.odd {
            u64::from(fold(words).swap_bytes())
        } else {
            words
        };
        Self {
            words: self.words + words,
            odd: self.odd ^ odd,
        }
    }
}

/// Sixteen bits that are congruent to `words` modulo 65535, and zero only when it is.
#[inline]
fn fold(words: u64) -> u16 {
    let (half, carry) = (words as u32).overflowing_add((words >> 32) as u32);
    let half = half + u32::from(carry);
    let (quarter, carry) = (half as u16).overflowing_add((half >> 16) as u16);
    quarter + u16::from(carry)
}

fn sum_long(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been found to have AVX2.
        return unsafe { sum_long_avx2(bytes) };
    }
    sum_long_portable(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_long_avx2(bytes: &[u8]) -> u64 {
    sum_long_portable(bytes)
}

/// Compiled twice, for the baseline's vectors and for AVX2's: the compiler does the vectorising.
#[inline(always)]
fn sum_long_portable(bytes: &[u8]) -> u64 {
    let words = sum_words(bytes);
    (words >> 32) + (words & 0xffff_ffff)
}

/// The sum of `bytes` as 32-bit words, which is congruent to that of 16-bit words because 2^16 ≡ 1 (mod 65535).
///
/// Adds whole 64-bit words and lets them wrap: with their upper halves summed beside them, the sum of the lower
/// halves follows by subtraction, so that a lane costs two additions and a shift and never overflows.
#[inline(always)]
fn sum_words(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let (mut whole, mut upper) = (0_u64, 0_u64);
    for word in words {
        let word = u64::from_ne_bytes(*word);
        whole = whole.wrapping_add(word);
        upper += word >> 32;
    }
    let lower = whole.wrapping_sub(upper << 32);
    upper + lower + sum_tail(tail)
}

/// The sum of fewer than eight octets, a last odd one padded with zero on its right.
#[inline(always)]
fn sum_tail(mut tail: &[u8]) -> u64 {
    let mut sum = 0;
    if let Some((word, rest)) = tail.split_first_chunk() {
        sum += u64::from(u32::from_ne_bytes(*word));
        tail = rest;
    }
    if let Some((word, rest)) = tail.split_first_chunk() {
        sum += u64::from(u16::from_ne_bytes(*word));
        tail = rest;
    }
    if let Some(&last) = tail.first() {
        sum += u64::from(u16::from_ne_bytes([last, 0]));
    }
    sum
}
