//! SYN cookies: a half-open connection that nobody remembers but its peer (RFC 4987 section 3.6).
//!
//! When the half-open table is full, what it would keep goes into the SYN-ACK, and comes back with the acknowledgment. The initial sequence
//! number is the parity of an epoch of 64 s, three bits for the segment size, and 28 bits of a keyed hash over all of it, the four-tuple,
//! the peer's initial sequence number and the epoch. Whoever wants to forge one has to guess 28 bits for a tuple of his own choice, and
//! what he gains is what a SYN would have brought him. The window shift, and whether the peer takes SACK and ECN, lie in the six low bits of the
//! timestamp, when the SYN had one; else they are lost, and not agreed on.

use core::fmt;

use siphasher::sip::SipHasher24;

use super::half_open::Offered;
use super::seq::SeqNumber;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;

/// How long an epoch is. A cookie counts in the one that it was made in and in the next: for 64 to 128 s, as long as a SYN-ACK would be
/// sent again.
const EPOCH_MILLIS: u64 = 64_000;
/// After so long no cookie counts.
const LIFETIME: Duration = Duration::from_millis(2 * EPOCH_MILLIS);
/// The segment sizes that three bits can tell, ascending: the least that is used, a small one, the defaults, and what is usual behind
/// tunnels, on Ethernet and with large frames.
const SEGMENT_SIZES: [u16; 8] = [48, 256, 536, 1220, 1360, 1440, 1460, 8940];

const HASH_BITS: u32 = 28;
const HASH_MASK: u32 = (1 << HASH_BITS) - 1;

/// The bits of a timestamp that tell of options: a shift, [`NO_SHIFT`] for none, [`SACK`] and [`ECN`].
const OPTION_BITS: u32 = 6;
const OPTION_MASK: u32 = (1 << OPTION_BITS) - 1;
const SHIFT_MASK: u32 = 0b1111;
const NO_SHIFT: u32 = 15;
const SACK: u32 = 1 << 4;
const ECN: u32 = 1 << 5;

/// What a cookie tells of the SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// The peer's segment size, rounded down to one of [`SEGMENT_SIZES`].
    pub(super) mss: u16,
    /// The peer's window shift, 0 to 14.
    pub(super) window_shift: u8,
    /// What the SYN offered.
    pub(super) offered: Offered,
}

impl Told {
    /// As much of it as a cookie can tell: without timestamps, no option.
    fn tellable(self) -> Self {
        if self.offered.contains(Offered::TIMESTAMPS) {
            self
        } else {
            Self {
                offered: Offered::default(),
                ..self
            }
        }
    }

    /// The low bits of the timestamp, and what the hash covers of it.
    fn option_bits(self) -> u32 {
        let scales = self.offered.contains(Offered::WINDOW_SCALE);
        let shift = if scales {
            u32::from(self.window_shift)
        } else {
            NO_SHIFT
        };
        let bit = |option, bit| if self.offered.contains(option) { bit } else { 0 };
        shift | bit(Offered::SACK, SACK) | bit(Offered::ECN, ECN)
    }

    /// What an echoed timestamp tells.
    fn of_echo(echo: Option<u32>, mss: u16) -> Self {
        let bits = echo.map_or(NO_SHIFT, |echo| echo & OPTION_MASK);
        let flag = |is_set: bool, offered: Offered| if is_set { offered } else { Offered::default() };
        let shift = bits & SHIFT_MASK;
        Self {
            mss,
            window_shift: if shift == NO_SHIFT { 0 } else { shift as u8 },
            offered: flag(echo.is_some(), Offered::TIMESTAMPS)
                .with(flag(shift != NO_SHIFT, Offered::WINDOW_SCALE))
                .with(flag(bits & SACK != 0, Offered::SACK))
                .with(flag(bits & ECN != 0, Offered::ECN)),
        }
    }
}

/// What a SYN-ACK says instead of a half-open entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cookie {
    /// The initial sequence number.
    pub(super) iss: SeqNumber,
    /// What is agreed on.
    pub(super) told: Told,
}

impl Cookie {
    /// The timestamp that tells of the options: the last one up to `tsval` with their bits.
    pub(super) fn stamp(&self, tsval: u32) -> u32 {
        let stamp = tsval & !OPTION_MASK | self.told.option_bits();
        if stamp & OPTION_MASK > tsval & OPTION_MASK {
            stamp.wrapping_sub(OPTION_MASK + 1)
        } else {
            stamp
        }
    }
}

/// The keyed maker and checker of cookies.
pub(super) struct Cookies {
    keyed: SipHasher24,
    last_made: Option<Instant>,
}

impl Cookies {
    /// Under a secret that is used for nothing else; its first half is the key.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let key = secret.first_chunk().expect("16 of 32 bytes");
        Self {
            keyed: SipHasher24::new_with_key(key),
            last_made: None,
        }
    }

    /// The cookie for a SYN with this tuple and number.
    pub(super) fn make(&mut self, key: &FlowKey, irs: SeqNumber, told: Told, now: Instant) -> Cookie {
        self.last_made = Some(now);
        let size = SEGMENT_SIZES
            .iter()
            .rposition(|size| *size <= told.mss)
            .unwrap_or(0);
        let told = Told {
            mss: SEGMENT_SIZES[size],
            ..told.tellable()
        };
        let epoch = epoch(now);
        let lead = (epoch & 1) << 3 | size as u32;
        Cookie {
            iss: SeqNumber(lead << HASH_BITS | self.hash(key, irs, epoch, size, &told)),
            told,
        }
    }

    /// Whether a cookie can have come back by `now`. While there is no flood, nobody can guess.
    #[inline]
    pub(super) fn are_out(&self, now: Instant) -> bool {
        self.last_made
            .is_some_and(|made| now.saturating_since(made) < LIFETIME)
    }

    /// What the cookie `iss` tells that was made for this tuple and number and comes back with the timestamp `echo`; `None` when it was not,
    /// or is too old.
    pub(super) fn open(
        &self,
        key: &FlowKey,
        irs: SeqNumber,
        iss: SeqNumber,
        echo: Option<u32>,
        now: Instant,
    ) -> Option<Told> {
        let lead = iss.0 >> HASH_BITS;
        let present = epoch(now);
        let age = (present ^ lead >> 3) & 1;
        let size = (lead & 0b111) as usize;
        let told = Told::of_echo(echo, SEGMENT_SIZES[size]);
        let expected = self.hash(key, irs, present.wrapping_sub(age), size, &told);
        (iss.0 & HASH_MASK == expected).then_some(told)
    }

    fn hash(&self, key: &FlowKey, irs: SeqNumber, epoch: u32, size: usize, told: &Told) -> u32 {
        let stamped = told.offered.contains(Offered::TIMESTAMPS);
        let mut input = [0; 46];
        input[..16].copy_from_slice(key.local.octets());
        input[16..32].copy_from_slice(key.remote.octets());
        input[32..34].copy_from_slice(&key.local_port.to_be_bytes());
        input[34..36].copy_from_slice(&key.remote_port.to_be_bytes());
        input[36..40].copy_from_slice(&irs.0.to_be_bytes());
        input[40..44].copy_from_slice(&epoch.to_be_bytes());
        input[44] = size as u8;
        input[45] = told.option_bits() as u8 | u8::from(stamped) << OPTION_BITS;
        self.keyed.hash(&input) as u32 & HASH_MASK
    }
}

/// Without the key.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies")
            .field("last_made", &self.last_made)
            .finish_non_exhaustive()
    }
}

fn epoch(now: Instant) -> u32 {
    (now.as_millis() / EPOCH_MILLIS) as u32
}

#[cfg(test)]
mod tests;
