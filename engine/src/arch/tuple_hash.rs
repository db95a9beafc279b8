//! A keyed hash of the fixed-size tuples that name flows.
//!
//! Peers choose their addresses and ports, so the hash must not let them choose buckets: without the secret nobody
//! can construct tuples that collide. A general SipHash would take a third of the time a small segment may cost;
//! these know the length of their input, and use the processor's AES rounds where it has them.

#[cfg(target_arch = "x86_64")]
mod aes;
mod siphash;
#[cfg(test)]
mod tests;

use core::fmt;
use siphash::SipHash;

/// Hashes 12-byte tuples (IPv4) and 36-byte tuples (IPv6) under a secret of 32 random bytes.
///
/// All 64 bits of a hash are equally good, so any of them may choose a bucket and any others make a tag.
/// The values are for one processor and one run: they may differ between machines, and are never sent.
#[derive(Clone, Copy)]
pub struct TupleHasher(Algorithm);

#[derive(Clone, Copy)]
enum Algorithm {
    #[cfg(target_arch = "x86_64")]
    Aes(aes::AesHash),
    SipHash(SipHash),
}

impl TupleHasher {
    /// A hasher keyed with `secret`, with the fastest algorithm that this processor supports.
    pub fn new(secret: [u8; 32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(hash) = aes::AesHash::new(secret) {
            return Self(Algorithm::Aes(hash));
        }
        Self::portable(secret)
    }

    /// A hasher keyed with `secret` (its first 16 bytes) that gives the same values on every processor: SipHash-1-3.
    pub fn portable(secret: [u8; 32]) -> Self {
        let [key, _] = halves(secret);
        Self(Algorithm::SipHash(SipHash::new(key)))
    }

    /// The hash of an IPv4 tuple: two addresses and two ports, in whatever order the caller keeps to.
    #[inline]
    pub fn hash_v4(&self, tuple: [u8; 12]) -> u64 {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(aes) => aes.hash_v4(tuple),
            Algorithm::SipHash(siphash) => siphash.hash_v4(tuple),
        }
    }

    /// The hashes of many IPv4 tuples, one after another: `tuple` gives that of an item, and `keep` takes its hash.
    ///
    /// Cheaper than [`TupleHasher::hash_v4`] for each, because the processor's instructions need not be called across the bounds of what
    /// every processor has.
    #[inline]
    pub fn hash_each_v4<T>(
        &self,
        items: &mut [T],
        tuple: impl Fn(&T) -> [u8; 12],
        mut keep: impl FnMut(&mut T, u64),
    ) {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(aes) => aes.hash_each_v4(items, tuple, keep),
            Algorithm::SipHash(siphash) => {
                for item in items {
                    let hash = siphash.hash_v4(tuple(item));
                    keep(item, hash);
                }
            }
        }
    }

    /// The hash of an IPv6 tuple: two addresses and two ports, in whatever order the caller keeps to.
    #[inline]
    pub fn hash_v6(&self, tuple: [u8; 36]) -> u64 {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(aes) => aes.hash_v6(tuple),
            Algorithm::SipHash(siphash) => siphash.hash_v6(tuple),
        }
    }
}

impl fmt::Debug for TupleHasher {
    /// Names the algorithm and keeps the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(_) => "TupleHasher(AES)",
            Algorithm::SipHash(_) => "TupleHasher(SipHash-1-3)",
        })
    }
}

fn halves(secret: [u8; 32]) -> [[u8; 16]; 2] {
    let (halves, _) = secret.as_chunks();
    [halves[0], halves[1]]
}

/// The eight bytes of a tuple from `offset` on.
#[inline(always)]
pub(super) fn u64_at<const N: usize>(tuple: &[u8; N], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&tuple[offset..offset + 8]);
    u64::from_le_bytes(word)
}

/// The last four bytes of a tuple.
#[inline(always)]
pub(super) fn last_u32<const N: usize>(tuple: &[u8; N]) -> u64 {
    let mut word = [0; 4];
    word.copy_from_slice(&tuple[N - 4..]);
    u64::from(u32::from_le_bytes(word))
}
