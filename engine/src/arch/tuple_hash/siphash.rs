//! SipHash-1-3 (Aumasson and Bernstein, 2012) unrolled for inputs of 12 and 36 bytes.

use super::{last_u32, u64_at};

#[derive(Clone, Copy)]
pub(super) struct SipHash {
    k0: u64,
    k1: u64,
}

impl SipHash {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self {
            k0: u64_at(&key, 0),
            k1: u64_at(&key, 8),
        }
    }

    #[inline]
    pub(super) fn hash_v4(self, tuple: [u8; 12]) -> u64 {
        let mut state = State::new(self);
        state.absorb(u64_at(&tuple, 0));
        state.absorb(12 << 56 | last_u32(&tuple));
        state.finish()
    }

    #[inline]
    pub(super) fn hash_v6(self, tuple: [u8; 36]) -> u64 {
        let mut state = State::new(self);
        for offset in [0, 8, 16, 24] {
            state.absorb(u64_at(&tuple, offset));
        }
        state.absorb(36 << 56 | last_u32(&tuple));
        state.finish()
    }
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    #[inline(always)]
    fn new(SipHash { k0, k1 }: SipHash) -> Self {
        Self {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    #[inline(always)]
    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);

        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}
