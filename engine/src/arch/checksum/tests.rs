use super::*;
use proptest::prelude::*;

/// RFC 1071 section 4.1, as it is written there.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 167 + i / 3) as u8).collect()
}

#[test]
fn the_example_of_rfc_1071() {
    let sum = Sum::zero().add_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.finish(), !0xddf2);
}

#[test]
fn every_length_at_every_alignment() {
    let bytes = pattern(700);
    for start in 0..33 {
        for end in (start..bytes.len()).step_by(if start == 0 { 1 } else { 7 }) {
            let piece = &bytes[start..end];
            assert_eq!(
                Sum::zero().add_bytes(piece).finish(),
                naive(piece),
                "{start}..{end}"
            );
        }
    }
}

#[test]
fn portable_and_detected_agree() {
    for len in [0, 1, 65, 66, 67, 1_459, 1_460, 65_535] {
        let bytes = pattern(len);
        assert_eq!(fold(sum_long_portable(&bytes)), fold(sum_long(&bytes)), "{len}");
    }
}

#[test]
fn nothing_is_lost_when_every_bit_is_set() {
    for len in [2, 20, 64, 65, 1_460, 65_535, 1 << 20] {
        let bytes = vec![0xff; len];
        assert_eq!(Sum::zero().add_bytes(&bytes).finish(), naive(&bytes), "{len}");
    }
}

#[test]
fn only_zeros_sum_to_zero() {
    assert_eq!(Sum::zero().finish(), 0xffff);
    assert_eq!(Sum::zero().add_bytes(&[0; 100]).finish(), 0xffff);
    assert_eq!(Sum::zero().add_bytes(&[0xff; 100]).finish(), 0);
}

#[test]
fn fields_count_as_their_octets_even_at_odd_offsets() {
    for prefix in [&[][..], &[7][..]] {
        let by_field = Sum::zero().add_bytes(prefix).add_u16(0x1234).add_u32(0x5678_9abc);
        let octets = [prefix, &[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]].concat();
        assert_eq!(by_field.finish(), naive(&octets));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cutting_a_packet_into_pieces_changes_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();

        let appended = pieces.iter().fold(Sum::zero(), |sum, piece| sum.add_bytes(piece));
        let joined = pieces.iter().fold(Sum::zero(), |sum, piece| sum.add_sum(Sum::zero().add_bytes(piece)));
        prop_assert_eq!(appended.finish(), naive(&bytes));
        prop_assert_eq!(joined.finish(), naive(&bytes));
    }

    #[test]
    fn a_packet_with_its_checksum_is_intact_until_a_bit_flips(
        mut bytes in prop::collection::vec(any::<u8>(), 4..200),
        flipped in any::<prop::sample::Index>(),
    ) {
        bytes[2..4].fill(0);
        let checksum = Sum::zero().add_bytes(&bytes).finish();
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        prop_assert!(Sum::zero().add_bytes(&bytes).is_intact());

        let bit = flipped.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!Sum::zero().add_bytes(&bytes).is_intact());
    }
}

#[test]
fn an_array_sums_as_its_bytes_do() {
    let bytes: [u8; 33] = core::array::from_fn(|i| (i * 37 + 5) as u8);
    assert_eq!(
        Sum::zero().add_array(&bytes).finish(),
        Sum::zero().add_bytes(&bytes).finish()
    );
    let (front, _) = bytes.split_first_chunk::<20>().unwrap();
    assert_eq!(
        Sum::zero().add_array(front).add_bytes(&bytes[20..]).finish(),
        Sum::zero().add_bytes(&bytes).finish()
    );
}
