//! Which of sixteen bytes are a given one: what finds a tag in a bucket.

/// The places where `bytes` holds `byte`: bit `i` stands for `bytes[i]`.
#[inline(always)]
pub fn positions(bytes: &[u8; 16], byte: u8) -> u16 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
        let [low, high] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&bytes[at..at + 8]);
            i64::from_le_bytes(half)
        });
        // SAFETY: SSE2 is part of x86-64.
        let found = unsafe {
            let wanted = _mm_set1_epi8(byte.cast_signed());
            _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_set_epi64x(high, low), wanted))
        };
        found as u16
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    portable(bytes, byte)
}

/// The same on any processor.
#[cfg(any(test, not(all(target_arch = "x86_64", not(miri)))))]
fn portable(bytes: &[u8; 16], byte: u8) -> u16 {
    bytes.iter().enumerate().fold(0, |found, (place, &here)| {
        found | u16::from(here == byte) << place
    })
}

#[cfg(test)]
mod tests {
    use super::{portable, positions};
    use proptest::prelude::*;

    #[test]
    fn every_place_is_found() {
        for place in 0..16 {
            let mut bytes = [7; 16];
            bytes[place] = 9;
            assert_eq!(positions(&bytes, 9), 1 << place);
            assert_eq!(positions(&bytes, 7), !(1 << place));
        }
    }

    proptest! {
        #[test]
        fn both_ways_find_the_same(bytes: [u8; 16], byte: u8, at in 0usize..16) {
            prop_assert_eq!(positions(&bytes, byte), portable(&bytes, byte));
            prop_assert_eq!(positions(&bytes, bytes[at]), portable(&bytes, bytes[at]));
        }
    }
}
