//! The function on AES-128 (FIPS 197): one block is a pseudorandom function by itself; three are chained, which is one too while
//! all inputs under a key are of one length (CBC-MAC; Bellare, Kilian and Rogaway, 2000). So each family has a key of its own.

use crate::arch::tuple_hash::{last_u32, u64_at};
use core::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aeskeygenassist_si128, _mm_cvtsi128_si64,
    _mm_set_epi64x, _mm_setzero_si128, _mm_shuffle_epi32, _mm_slli_si128, _mm_xor_si128,
};

/// A value exists only on a processor with AES instructions.
#[derive(Clone)]
pub(super) struct AesPrf {
    v4: Aes128,
    v6: Aes128,
}

impl AesPrf {
    /// `None` where the processor has no AES instructions.
    pub(super) fn new(key: &[u8; 16]) -> Option<Self> {
        is_x86_feature_detected!("aes").then(|| {
            // SAFETY: the processor has AES instructions, as was just asked.
            unsafe { keyed(key) }
        })
    }

    #[inline]
    pub(super) fn of_v4(&self, tuple: [u8; 12]) -> u64 {
        // SAFETY: `new` made `self`, so the processor has AES instructions.
        unsafe { of_v4(self, tuple) }
    }

    #[inline]
    pub(super) fn of_v6(&self, tuple: &[u8; 36]) -> u64 {
        // SAFETY: `new` made `self`, so the processor has AES instructions.
        unsafe { of_v6(self, tuple) }
    }
}

#[target_feature(enable = "aes")]
fn keyed(key: &[u8; 16]) -> AesPrf {
    // The last four bytes of an IPv4 tuple's block are zero, so this block is none of them.
    const NO_TUPLE: [u8; 16] = [0xff; 16];
    let v4 = Aes128::new(load(key));
    let v6 = Aes128::new(v4.encrypt(load(&NO_TUPLE)));
    AesPrf { v4, v6 }
}

#[target_feature(enable = "aes")]
fn of_v4(keys: &AesPrf, tuple: [u8; 12]) -> u64 {
    low_half(keys.v4.encrypt(vector([u64_at(&tuple, 0), last_u32(&tuple)])))
}

#[target_feature(enable = "aes")]
fn of_v6(keys: &AesPrf, tuple: &[u8; 36]) -> u64 {
    let (blocks, _) = tuple.as_chunks::<16>();
    let chained = blocks.iter().fold(_mm_setzero_si128(), |state, block| {
        keys.v6.encrypt(_mm_xor_si128(state, load(block)))
    });
    let last = vector([last_u32(tuple), 0]);
    low_half(keys.v6.encrypt(_mm_xor_si128(chained, last)))
}

/// AES with a key of 128 bits, expanded.
#[derive(Clone)]
struct Aes128([__m128i; 11]);

impl Aes128 {
    #[target_feature(enable = "aes")]
    fn new(key: __m128i) -> Self {
        let mut keys = [key; 11];
        keys[1] = next_key::<0x01>(keys[0]);
        keys[2] = next_key::<0x02>(keys[1]);
        keys[3] = next_key::<0x04>(keys[2]);
        keys[4] = next_key::<0x08>(keys[3]);
        keys[5] = next_key::<0x10>(keys[4]);
        keys[6] = next_key::<0x20>(keys[5]);
        keys[7] = next_key::<0x40>(keys[6]);
        keys[8] = next_key::<0x80>(keys[7]);
        keys[9] = next_key::<0x1b>(keys[8]);
        keys[10] = next_key::<0x36>(keys[9]);
        Self(keys)
    }

    #[inline]
    #[target_feature(enable = "aes")]
    fn encrypt(&self, block: __m128i) -> __m128i {
        let [first, rounds @ .., last] = &self.0;
        let state = rounds.iter().fold(_mm_xor_si128(block, *first), |state, &key| {
            _mm_aesenc_si128(state, key)
        });
        _mm_aesenclast_si128(state, *last)
    }
}

/// One step of the key expansion (FIPS 197 section 5.2): each word is the sum of those before it and of the last one, rotated and
/// substituted, with the round's constant.
#[target_feature(enable = "aes")]
fn next_key<const CONSTANT: i32>(key: __m128i) -> __m128i {
    let last_word = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<CONSTANT>(key));
    let sum = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
    let sum = _mm_xor_si128(sum, _mm_slli_si128::<8>(sum));
    _mm_xor_si128(sum, last_word)
}

#[inline]
#[target_feature(enable = "aes")]
fn load(block: &[u8; 16]) -> __m128i {
    vector([u64_at(block, 0), u64_at(block, 8)])
}

/// By way of registers: a load does not see the narrower stores before it until they have left the processor's queue.
#[inline]
#[target_feature(enable = "aes")]
fn vector([low, high]: [u64; 2]) -> __m128i {
    _mm_set_epi64x(high.cast_signed(), low.cast_signed())
}

#[inline]
#[target_feature(enable = "aes")]
fn low_half(state: __m128i) -> u64 {
    _mm_cvtsi128_si64(state).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::arch::x86_64::_mm_unpackhi_epi64;

    /// The example of FIPS 197 appendix C.1.
    #[test]
    fn encryption_is_that_of_the_standard() {
        if !is_x86_feature_detected!("aes") {
            return;
        }
        let key = core::array::from_fn(|at| at as u8);
        let plain = core::array::from_fn(|at| at as u8 * 0x11);
        // SAFETY: the processor has AES instructions, as was just asked.
        let halves = unsafe { halves(Aes128::new(load(&key)).encrypt(load(&plain))) };
        let expected = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.to_be_bytes();
        assert_eq!(halves, expected);
    }

    #[target_feature(enable = "aes")]
    fn halves(state: __m128i) -> [u8; 16] {
        let high = low_half(_mm_unpackhi_epi64(state, state));
        (u128::from(high) << 64 | u128::from(low_half(state))).to_le_bytes()
    }
}
