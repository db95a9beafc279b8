//! Ports for sockets that ask for any.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

/// The first of the dynamic ports (RFC 6335 section 6).
const FIRST: u16 = 49_152;
/// Ports that are tried for one socket.
pub(super) const ATTEMPTS: usize = 1024;

/// Random choice by a keyed hash (RFC 6056 section 3.3.1).
#[derive(Debug)]
pub(super) struct Ports {
    secret: [u8; 16],
    count: u64,
}

impl Ports {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self { secret, count: 0 }
    }

    /// The next port to be tried.
    pub(super) fn next(&mut self) -> u16 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write_u64(self.count);
        self.count += 1;
        FIRST | hasher.finish() as u16
    }
}
