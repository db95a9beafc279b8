//! What is in a datagram: marks that say whether it counts, and in an open loop, behind the first mark, two times.

use crate::config::SMALLEST_TIMED;
use crate::stack::Nanos;

/// Every byte of a datagram that counts, and of one that does not.
pub(super) const COUNTED: u8 = 1;
pub(super) const UNCOUNTED: u8 = 0;

/// Bytes up to the end of the times.
const TIMED: usize = SMALLEST_TIMED as usize;

/// Whether a datagram without times counts; reads every byte.
pub(super) fn is_counted(bytes: &[u8]) -> bool {
    !bytes.is_empty() && is_marked(bytes)
}

fn is_marked(bytes: &[u8]) -> bool {
    bytes.iter().fold(COUNTED, |all, byte| all & byte) == COUNTED
}

/// Writes a datagram of [`SMALLEST_TIMED`] bytes or more with its intended and its actual time of sending.
pub(super) fn stamp(bytes: &mut [u8], counts: bool, intended: Nanos, sent: Nanos) {
    bytes.fill(if counts { COUNTED } else { UNCOUNTED });
    bytes[1..9].copy_from_slice(&intended.to_le_bytes());
    bytes[9..TIMED].copy_from_slice(&sent.to_le_bytes());
}

/// The intended and the actual time of sending of a datagram that counts; reads every byte.
pub(super) fn times(bytes: &[u8]) -> Option<(Nanos, Nanos)> {
    let (head, rest) = bytes.split_first_chunk::<TIMED>()?;
    let time = |at: usize| Some(Nanos::from_le_bytes(*head[at..].first_chunk()?));
    (is_marked(&head[..1]) && is_marked(rest)).then_some((time(1)?, time(9)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_mark_and_a_datagram_does_not_count() {
        assert!(is_counted(&[COUNTED; 18]));
        assert!(!is_counted(&[]));
        assert!(!is_counted(&[COUNTED, UNCOUNTED, COUNTED]));
    }

    #[test]
    fn times_come_back_as_they_were_stamped() {
        for length in [TIMED, TIMED + 1, 1400] {
            let mut bytes = vec![0xff; length];
            stamp(&mut bytes, true, 0x0102_0304_0506_0708, Nanos::MAX);
            assert_eq!(times(&bytes), Some((0x0102_0304_0506_0708, Nanos::MAX)));
            stamp(&mut bytes, false, 5, 6);
            assert_eq!(times(&bytes), None, "not of the window");
        }
        assert_eq!(times(&[COUNTED; TIMED - 1]), None, "cut short");
        let mut bytes = [0; 20];
        stamp(&mut bytes, true, 5, 6);
        bytes[19] = UNCOUNTED;
        assert_eq!(times(&bytes), None, "the tail is read too");
    }
}
