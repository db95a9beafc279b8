//! Where a connection's sequence numbers and timestamps start (RFC 6528, RFC 7323 section 5.4), and where its search
//! for a local port does (RFC 6056).
//!
//! All come from SipHash-2-4 under a key that the caller draws once per boot: a keyed function that an outside
//! observer cannot compute (MUST-9).

use super::seq::SeqNumber;
use crate::internet::address::Address;
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use core::fmt;
use siphasher::sip::SipHasher24;

const ADDRESS_LEN: usize = 16;
const V4_LEN: usize = 4;

/// One tick of the clock in every initial sequence number (RFC 9293 section 3.4.1, MUST-8).
const TICK_NANOS: u64 = 4_000;

/// The initial sequence number and the timestamp offset of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Initial {
    /// ISS: the number of the SYN.
    pub iss: SeqNumber,
    /// What is added to the clock to make TSval, modulo 2^32. The same in every incarnation of a four-tuple, so that
    /// timestamps grow from one to the next and PAWS and RFC 6191 can tell them apart.
    pub ts_offset: u32,
}

/// The keyed source of initial sequence numbers.
#[derive(Clone)]
pub struct IsnGenerator {
    keyed: SipHasher24,
}

impl IsnGenerator {
    /// A generator under a secret `key`, which is to be random and kept for as long as the host is up: under a new
    /// key, sequence numbers and timestamps of a four-tuple may go back.
    pub fn new(key: &[u8; 16]) -> Self {
        Self {
            keyed: SipHasher24::new_with_key(key),
        }
    }

    /// Where a connection named `key` starts when it is opened at `now`.
    ///
    /// One hash gives both: its low half, with the clock added, is the ISS, and its high half is the timestamp offset.
    /// The ISS of one four-tuple thus grows by 250,000 a second and wraps every 4.8 hours.
    #[inline]
    pub fn initial(&self, key: &FlowKey, now: Instant) -> Initial {
        let hash = self.tuple_hash(key);
        let clock = now.as_nanos() / TICK_NANOS;
        Initial {
            iss: SeqNumber(hash as u32) + clock as u32,
            ts_offset: (hash >> 32) as u32,
        }
    }

    /// Where the search for a local port towards a remote end begins (RFC 6056 section 3.3.3): a different place for
    /// each destination, that others cannot guess.
    pub fn port_offset(&self, local: &Address, remote: &Address, remote_port: u16) -> u64 {
        let port = remote_port.to_be_bytes();
        if local.is_v4() {
            self.hash_of::<{ 2 * V4_LEN + 2 }>(&[&local.v4_octets(), &remote.v4_octets(), &port])
        } else {
            self.hash_of::<{ 2 * ADDRESS_LEN + 2 }>(&[local.octets(), remote.octets(), &port])
        }
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
