//! What the applications say: bytes that are a function of who says them and where in the stream.

/// One direction of a dialogue, or a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        Self(seed.rotate_left(32) ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn byte(self, position: u64) -> u8 {
        let mixed = position.wrapping_add(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as u8
    }

    pub(crate) fn fill(self, position: u64, target: &mut [u8]) {
        for (byte, at) in target.iter_mut().zip(position..) {
            *byte = self.byte(at);
        }
    }

    /// The first position whose byte is wrong.
    pub(crate) fn first_wrong(self, position: u64, bytes: &[u8]) -> Option<u64> {
        let wrong = |(byte, at): (&u8, u64)| (*byte != self.byte(at)).then_some(at);
        bytes.iter().zip(position..).find_map(wrong)
    }
}
