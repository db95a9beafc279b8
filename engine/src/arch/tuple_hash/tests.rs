use super::*;
use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

const SECRET: [u8; 32] = *b"\x03\x14\x15\x92\x65\x35\x89\x79\x32\x38\x46\x26\x43\x38\x32\x79\
                            \x27\x18\x28\x18\x28\x45\x90\x45\x23\x53\x60\x28\x74\x71\x35\x26";

/// Both algorithms where the processor has both.
fn hashers(secret: [u8; 32]) -> Vec<TupleHasher> {
    vec![TupleHasher::new(secret), TupleHasher::portable(secret)]
}

/// A tuple like those that a load generator makes: one server, successive ports.
fn v4_tuple(n: u32) -> [u8; 12] {
    let [_, net, port_high, port_low] = n.to_be_bytes();
    [10, 0, 0, 1, 10, 1, 0, net, 0, 80, port_high, port_low]
}

fn v6_tuple(n: u32) -> [u8; 36] {
    let mut tuple = [0; 36];
    tuple[..2].copy_from_slice(&[0xfd, 0]);
    tuple[16..18].copy_from_slice(&[0xfd, 0]);
    tuple[24..].copy_from_slice(&v4_tuple(n));
    tuple
}

#[test]
fn siphash_agrees_with_the_general_one() {
    let key = SECRET[..16].try_into().unwrap();
    let general = |bytes: &[u8]| {
        let mut hasher = SipHasher13::new_with_key(key);
        hasher.write(bytes);
        hasher.finish()
    };
    let ours = TupleHasher::portable(SECRET);
    for n in 0..1_000 {
        let n = n * 0x9e37;
        assert_eq!(ours.hash_v4(v4_tuple(n)), general(&v4_tuple(n)));
        assert_eq!(ours.hash_v6(v6_tuple(n)), general(&v6_tuple(n)));
    }
}

#[test]
fn many_at_once_have_the_hashes_that_each_has_alone() {
    for hasher in hashers(SECRET) {
        let mut items: Vec<(u32, u64)> = (0..100).map(|n| (n, 0)).collect();
        hasher.hash_each_v4(&mut items, |item| v4_tuple(item.0), |item, hash| item.1 = hash);
        for (n, hash) in items {
            assert_eq!(hash, hasher.hash_v4(v4_tuple(n)), "{hasher:?}");
        }
    }
}

#[test]
fn the_secret_alone_decides() {
    for (one, same) in hashers(SECRET).iter().zip(hashers(SECRET)) {
        assert_eq!(one.hash_v4(v4_tuple(7)), same.hash_v4(v4_tuple(7)));
        assert_eq!(one.hash_v6(v6_tuple(7)), same.hash_v6(v6_tuple(7)));
    }
}

#[test]
fn every_bit_of_the_secret_matters_to_aes() {
    let original = TupleHasher::new(SECRET);
    if format!("{original:?}") != "TupleHasher(AES)" {
        return;
    }
    for bit in 0..256 {
        let mut secret = SECRET;
        secret[bit / 8] ^= 1 << (bit % 8);
        let other = TupleHasher::new(secret);
        for (a, b) in [
            (original.hash_v4(v4_tuple(1)), other.hash_v4(v4_tuple(1))),
            (original.hash_v6(v6_tuple(1)), other.hash_v6(v6_tuple(1))),
        ] {
            assert!(
                (12..=52).contains(&(a ^ b).count_ones()),
                "bit {bit}: {:#x}",
                a ^ b
            );
        }
    }
}

#[test]
fn different_secrets_give_unrelated_values() {
    let other_secret = SECRET.map(|byte| byte.wrapping_mul(3).wrapping_add(1));
    for (one, other) in hashers(SECRET).iter().zip(hashers(other_secret)) {
        let differing: u32 = (0..1_000)
            .map(|n| (one.hash_v4(v4_tuple(n)) ^ other.hash_v4(v4_tuple(n))).count_ones())
            .sum();
        assert!(
            (31_000..33_000).contains(&differing),
            "{one:?}: {differing} of 64,000 bits differ"
        );
    }
}

/// How often each output bit flips when one input bit does, over many tuples: the worst pair of them.
fn worst_avalanche<const N: usize>(hash: impl Fn([u8; N]) -> u64, tuple: impl Fn(u32) -> [u8; N]) -> f64 {
    const SAMPLES: u32 = 2_000;
    let mut worst = 0.0_f64;
    for bit in 0..N * 8 {
        let mut flips = [0_u32; 64];
        for n in 0..SAMPLES {
            let original = tuple(n);
            let mut flipped = original;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let difference = hash(original) ^ hash(flipped);
            for (output, count) in flips.iter_mut().enumerate() {
                *count += (difference >> output) as u32 & 1;
            }
        }
        for count in flips {
            worst = worst.max((f64::from(count) / f64::from(SAMPLES) - 0.5).abs());
        }
    }
    worst
}

#[test]
fn each_input_bit_flips_each_output_bit_half_of_the_time() {
    // A fair coin thrown 2,000 times strays by 6.3 % (5.6 standard deviations) in one of 10^8 pairs.
    for hasher in hashers(SECRET) {
        let v4 = worst_avalanche(|tuple| hasher.hash_v4(tuple), v4_tuple);
        let v6 = worst_avalanche(|tuple| hasher.hash_v6(tuple), v6_tuple);
        assert!(v4 < 0.063 && v6 < 0.063, "{hasher:?}: {v4} {v6}");
    }
}

/// Chi-square of the bucket counts that eight bits of the hash from `shift` on give, 255 degrees of freedom.
fn chi_square(hashes: &[u64], shift: u32) -> f64 {
    let mut counts = [0_u32; 256];
    for hash in hashes {
        counts[(hash >> shift) as usize & 0xff] += 1;
    }
    let expected = hashes.len() as f64 / 256.0;
    counts
        .iter()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum()
}

#[test]
fn successive_ports_and_addresses_fill_buckets_evenly() {
    for hasher in hashers(SECRET) {
        let v4: Vec<u64> = (0..200_000).map(|n| hasher.hash_v4(v4_tuple(n))).collect();
        let v6: Vec<u64> = (0..200_000).map(|n| hasher.hash_v6(v6_tuple(n))).collect();
        for hashes in [v4, v6] {
            for shift in 0..=56 {
                let chi = chi_square(&hashes, shift);
                assert!(
                    (150.0..390.0).contains(&chi),
                    "{hasher:?} bits {shift}..: chi-square {chi}"
                );
            }
        }
    }
}

#[test]
fn no_two_of_a_million_tuples_share_a_hash() {
    let hasher = TupleHasher::new(SECRET);
    let mut hashes: Vec<u64> = (0..1_000_000).map(|n| hasher.hash_v4(v4_tuple(n))).collect();
    hashes.extend((0..1_000_000).map(|n| hasher.hash_v6(v6_tuple(n))));
    hashes.sort_unstable();
    assert!(hashes.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn swapping_the_ends_of_a_flow_changes_its_hash() {
    for hasher in hashers(SECRET) {
        let (near, far) = ([1_u8; 16], [2_u8; 16]);
        let tuple = |a: [u8; 16], b: [u8; 16]| {
            let mut tuple = [9; 36];
            tuple[..16].copy_from_slice(&a);
            tuple[16..32].copy_from_slice(&b);
            tuple
        };
        assert_ne!(hasher.hash_v6(tuple(near, far)), hasher.hash_v6(tuple(far, near)));
        assert_ne!(hasher.hash_v6(tuple(near, near)), hasher.hash_v6(tuple(far, far)));
    }
}

#[test]
fn debug_output_keeps_the_secret() {
    assert_eq!(
        format!("{:?}", TupleHasher::portable(SECRET)),
        "TupleHasher(SipHash-1-3)"
    );
}
