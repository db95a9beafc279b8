//! Where a connection's sequence numbers start (RFC 6528).
//!
//! They come from SipHash-2-4 under a key that the caller draws once per boot: a keyed function that an outside
//! observer cannot compute (MUST-9).

use super::seq::SeqNumber;
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use core::fmt;
use siphasher::sip::SipHasher24;

const ADDRESS_LEN: usize = 16;
const V4_LEN: usize = 4;

/// One tick of the clock in every initial sequence number (RFC 9293 section 3.4.1, MUST-8).
const TICK_NANOS: u64 = 4_000;

/// The keyed source of initial sequence numbers.
#[derive(Clone)]
pub struct IsnGenerator {
    keyed: SipHasher24,
}

impl IsnGenerator {
    /// A generator under a secret `key`, which is to be random and kept for as long as the host is up: under a new
    /// key, the sequence numbers of a four-tuple may go back.
    pub fn new(key: &[u8; 16]) -> Self {
        Self {
            keyed: SipHasher24::new_with_key(key),
        }
    }

    /// The number of the SYN of a connection named `key` that is opened at `now`.
    ///
    /// That of one four-tuple grows by 250,000 a second and wraps every 4.8 hours.
    #[inline]
    pub fn initial(&self, key: &FlowKey, now: Instant) -> SeqNumber {
        let clock = now.as_nanos() / TICK_NANOS;
        SeqNumber(self.tuple_hash(key) as u32) + clock as u32
    }

    #[inline]
    fn tuple_hash(&self, key: &FlowKey) -> u64 {
        let (local_port, remote_port) = (key.local_port.to_be_bytes(), key.remote_port.to_be_bytes());
        if key.local.is_v4() {
            let (local, remote) = (key.local.v4_octets(), key.remote.v4_octets());
            self.hash_of::<{ 2 * V4_LEN + 4 }>(&[&local, &remote, &local_port, &remote_port])
        } else {
            let (local, remote) = (key.local.octets(), key.remote.octets());
            self.hash_of::<{ 2 * ADDRESS_LEN + 4 }>(&[local, remote, &local_port, &remote_port])
        }
    }

    /// The hash of `parts` side by side, `LEN` octets together. Each use has a length of its own, which SipHash takes
    /// into account, so that no input of one is an input of another.
    #[inline]
    fn hash_of<const LEN: usize>(&self, parts: &[&[u8]]) -> u64 {
        let mut input = [0; LEN];
        let mut rest = &mut input[..];
        for part in parts {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        }
        debug_assert!(rest.is_empty());
        self.keyed.hash(&input)
    }
}

/// Without the key.
impl fmt::Debug for IsnGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsnGenerator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
