//! The tuple hash on AES rounds: whitening, three rounds for each block with the blocks side by side, their sum,
//! then closing rounds.
//!
//! Two rounds spread a bit over the whole block. Four leave no differential worth having and no subspace that
//! survives, which is what a single block gets; blocks that are summed get three rounds each under unrelated
//! whitening before, and two more after.

use super::siphash::SipHash;
use super::{halves, last_u32, u64_at};
use core::arch::x86_64::{__m128i, _mm_aesenc_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_xor_si128};

/// The keys of the hash. A value exists only on a processor with AES instructions.
#[derive(Clone, Copy)]
pub(super) struct AesHash {
    whitening: [Key; 3],
    round: [Key; 5],
}

type Key = [u64; 2];

impl AesHash {
    /// `None` where the processor has no AES instructions.
    pub(super) fn new(secret: [u8; 32]) -> Option<Self> {
        is_x86_feature_detected!("aes").then(|| {
            let [whitening @ .., r0, r1, r2, r3, r4] = expand(secret);
            Self {
                whitening,
                round: [r0, r1, r2, r3, r4],
            }
        })
    }

    #[inline]
    pub(super) fn hash_v4(&self, tuple: [u8; 12]) -> u64 {
        // SAFETY: `new` made `self`, so the processor has AES instructions.
        unsafe { hash_v4(self, tuple) }
    }

    #[inline]
    pub(super) fn hash_each_v4<T>(
        &self,
        items: &mut [T],
        tuple: impl Fn(&T) -> [u8; 12],
        keep: impl FnMut(&mut T, u64),
    ) {
        // SAFETY: `new` made `self`, so the processor has AES instructions.
        unsafe { hash_each_v4(self, items, tuple, keep) }
    }

    #[inline]
    pub(super) fn hash_v6(&self, tuple: [u8; 36]) -> u64 {
        // SAFETY: `new` made `self`, so the processor has AES instructions.
        unsafe { hash_v6(self, tuple) }
    }
}

/// Eight unrelated keys from one secret, each half of which keys one half of every key.
fn expand(secret: [u8; 32]) -> [Key; 8] {
    let [lower, upper] = halves(secret).map(SipHash::new);
    core::array::from_fn(|i| {
        let label = [i as u8; 12];
        [lower.hash_v4(label), upper.hash_v4(label)]
    })
}

#[inline]
#[target_feature(enable = "aes")]
fn hash_v4(keys: &AesHash, tuple: [u8; 12]) -> u64 {
    let state = whiten([u64_at(&tuple, 0), last_u32(&tuple)], keys.whitening[0]);
    low_half(rounds(state, &keys.round[..4]))
}

#[target_feature(enable = "aes")]
fn hash_each_v4<T>(
    keys: &AesHash,
    items: &mut [T],
    tuple: impl Fn(&T) -> [u8; 12],
    mut keep: impl FnMut(&mut T, u64),
) {
    for item in items {
        let hash = hash_v4(keys, tuple(item));
        keep(item, hash);
    }
}

#[target_feature(enable = "aes")]
fn hash_v6(keys: &AesHash, tuple: [u8; 36]) -> u64 {
    let first = whiten([u64_at(&tuple, 0), u64_at(&tuple, 8)], keys.whitening[0]);
    let second = whiten([u64_at(&tuple, 16), u64_at(&tuple, 24)], keys.whitening[1]);
    let third = whiten([last_u32(&tuple), 0], keys.whitening[2]);
    let (each, closing) = keys.round.split_at(3);
    let sum = _mm_xor_si128(
        _mm_xor_si128(rounds(first, each), rounds(second, each)),
        rounds(third, each),
    );
    low_half(rounds(sum, closing))
}

#[inline]
#[target_feature(enable = "aes")]
fn whiten(block: Key, key: Key) -> __m128i {
    _mm_xor_si128(vector(block), vector(key))
}

#[inline]
#[target_feature(enable = "aes")]
fn rounds(state: __m128i, keys: &[Key]) -> __m128i {
    keys.iter()
        .fold(state, |state, &key| _mm_aesenc_si128(state, vector(key)))
}

#[inline]
#[target_feature(enable = "aes")]
fn vector([low, high]: Key) -> __m128i {
    _mm_set_epi64x(high.cast_signed(), low.cast_signed())
}

#[inline]
#[target_feature(enable = "aes")]
fn low_half(state: __m128i) -> u64 {
    _mm_cvtsi128_si64(state).cast_unsigned()
}
