use super::TuplePrf;
use std::collections::HashSet;

const KEY: [u8; 16] = counting();

/// `0, 1, …`
const fn counting<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
}

/// Both algorithms where the processor has both.
fn both(key: &[u8; 16]) -> [TuplePrf; 2] {
    [TuplePrf::new(key), TuplePrf::portable(key)]
}

/// The published vectors of SipHash-2-4 are of the octets 0, 1, 2, … under the key 0, 1, …, 15.
#[test]
fn the_portable_function_is_siphash_over_the_tuple() {
    let prf = TuplePrf::portable(&KEY);
    assert_eq!(prf.of_v4(counting()), 0x751e_8fbc_860e_e5fb);
    assert_eq!(prf.of_v6(&counting()), 0x314d_ffbe_0815_a3b4);
}

#[test]
fn every_bit_of_tuple_and_key_changes_half_of_the_value() {
    for prf in both(&KEY) {
        let flips_v4 = (0..96).map(|bit| {
            let mut tuple = counting::<12>();
            tuple[bit / 8] ^= 1 << (bit % 8);
            prf.of_v4(counting()) ^ prf.of_v4(tuple)
        });
        let flips_v6 = (0..288).map(|bit| {
            let mut tuple = counting::<36>();
            tuple[bit / 8] ^= 1 << (bit % 8);
            prf.of_v6(&counting()) ^ prf.of_v6(&tuple)
        });
        assert_halves(flips_v4.chain(flips_v6));
    }
    for algorithm in 0..2 {
        let values = |key: &[u8; 16]| {
            let prf = &both(key)[algorithm];
            [prf.of_v4(counting()), prf.of_v6(&counting())]
        };
        let flips = (0..128).flat_map(|bit| {
            let mut key = KEY;
            key[bit / 8] ^= 1 << (bit % 8);
            let (before, after) = (values(&KEY), values(&key));
            [before[0] ^ after[0], before[1] ^ after[1]]
        });
        assert_halves(flips);
    }
}

/// Between a quarter and three quarters of the bits of each, which chance misses once in 40,000 and never all over again under this key.
fn assert_halves(flips: impl Iterator<Item = u64>) {
    for (place, flipped) in flips.enumerate() {
        let changed = flipped.count_ones();
        assert!(
            (15..=49).contains(&changed),
            "{changed} bits changed by bit {place}"
        );
    }
}

#[test]
fn tuples_of_the_two_families_share_no_value() {
    for prf in both(&KEY) {
        let values = (0u32..20_000).flat_map(|n| {
            let mut v4 = [0; 12];
            v4[..4].copy_from_slice(&n.to_le_bytes());
            let mut v6 = [0; 36];
            v6[..12].copy_from_slice(&v4);
            [prf.of_v4(v4), prf.of_v6(&v6)]
        });
        assert_eq!(values.collect::<HashSet<_>>().len(), 40_000);
    }
}

#[test]
fn the_key_is_not_printed() {
    for prf in both(&[b'k'; 16]) {
        let shown = format!("{prf:?}");
        assert!(
            shown == "TuplePrf(AES-128)" || shown == "TuplePrf(SipHash-2-4)",
            "{shown}"
        );
    }
}
