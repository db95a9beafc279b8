//! A keyed pseudorandom function of the fixed-size tuples that name flows, for values that peers get to see.
//!
//! A [hash](super::tuple_hash) whose values stay inside may be light. What is sent (initial sequence numbers, timestamp
//! offsets) must stay unpredictable for somebody who has seen as many values of other tuples as he likes, so this is the
//! whole of AES-128 where the processor has it, and SipHash-2-4 elsewhere.

#[cfg(target_arch = "x86_64")]
mod aes;
#[cfg(test)]
mod tests;

use core::fmt;

use siphasher::sip::SipHasher24;

/// Maps 12-byte tuples (IPv4) and 36-byte tuples (IPv6) to 64 bits under a secret key of 16 random bytes.
///
/// All bits are equally good, and none tells anything of another. The values are for one processor model and one key.
#[derive(Clone)]
pub struct TuplePrf(Algorithm);

#[derive(Clone)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(clippy::large_enum_variant, reason = "there is one, and it is read whole")
)]
enum Algorithm {
    #[cfg(target_arch = "x86_64")]
    Aes(aes::AesPrf),
    SipHash(SipHasher24),
}

impl TuplePrf {
    /// A function keyed with `key`, by the fastest algorithm that this processor supports.
    pub fn new(key: &[u8; 16]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(aes) = aes::AesPrf::new(key) {
            return Self(Algorithm::Aes(aes));
        }
        Self::portable(key)
    }

    /// A function keyed with `key` that is the same on every processor: SipHash-2-4.
    pub fn portable(key: &[u8; 16]) -> Self {
        Self(Algorithm::SipHash(SipHasher24::new_with_key(key)))
    }

    /// The value for an IPv4 tuple: two addresses and two ports, in whatever order the caller keeps to.
    #[inline]
    pub fn of_v4(&self, tuple: [u8; 12]) -> u64 {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(aes) => aes.of_v4(tuple),
            Algorithm::SipHash(siphash) => siphash.hash(&tuple),
        }
    }

    /// The value for an IPv6 tuple: two addresses and two ports, in whatever order the caller keeps to.
    #[inline]
    pub fn of_v6(&self, tuple: &[u8; 36]) -> u64 {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(aes) => aes.of_v6(tuple),
            Algorithm::SipHash(siphash) => siphash.hash(tuple),
        }
    }
}

impl fmt::Debug for TuplePrf {
    /// Names the algorithm and keeps the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Algorithm::Aes(_) => "TuplePrf(AES-128)",
            Algorithm::SipHash(_) => "TuplePrf(SipHash-2-4)",
        })
    }
}
