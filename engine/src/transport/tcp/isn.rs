//! Where a connection's sequence numbers and timestamps start (RFC 6528, RFC 7323 section 7.1).
//!
//! Both come from one value of a pseudorandom function of the four-tuple, under a key that the caller draws once per boot, which
//! an outside observer cannot compute (MUST-9). Of its 64 bits each has 32, and neither half tells anything of the other.

use super::seq::SeqNumber;
use crate::arch::tuple_prf::TuplePrf;
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use core::fmt;

/// One tick of the clock in every initial sequence number (RFC 9293 section 3.4.1, MUST-8).
const TICK_NANOS: u64 = 4_000;

/// The keyed source of initial sequence numbers and timestamp offsets.
#[derive(Clone)]
pub struct IsnGenerator {
    keyed: TuplePrf,
}

/// Where the connections of one four-tuple start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin(u64);

impl Origin {
    /// The number of the SYN of a connection that is opened at `now`.
    ///
    /// That of one four-tuple grows by 250,000 a second and wraps every 4.8 hours.
    #[inline]
    pub fn initial(self, now: Instant) -> SeqNumber {
        let clock = now.as_nanos() / TICK_NANOS;
        SeqNumber(self.0 as u32) + clock as u32
    }

    /// What is added to the clock for the timestamps of a tuple: the same in every incarnation, or RFC 6191 and PAWS could not tell them
    /// apart, and nothing that tells of another tuple's, or of the machine's uptime (RFC 7323 section 7.1).
    #[inline]
    pub fn timestamp_offset(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl IsnGenerator {
    /// A generator under a secret `key`, which is to be random and kept for as long as the host is up: under a new
    /// key, the sequence numbers of a four-tuple may go back.
    pub fn new(key: &[u8; 16]) -> Self {
        Self {
            keyed: TuplePrf::new(key),
        }
    }

    /// Where connections named `key` start.
    #[inline]
    pub fn origin(&self, key: &FlowKey) -> Origin {
        Origin(if key.local.is_v4() {
            self.keyed.of_v4(key.v4_tuple())
        } else {
            self.keyed.of_v6(&key.v6_tuple())
        })
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
