use super::*;
use crate::internet::address::Address;
use crate::time::Duration;
use proptest::prelude::*;
use std::collections::HashSet;

const KEY: [u8; 16] = *b"a 16 octet key..";
const ADDRESS_LEN: usize = 16;

fn generator() -> IsnGenerator {
    IsnGenerator::new(&KEY)
}

fn v4_flow(n: u32) -> FlowKey {
    let [a, b, c, d] = n.to_be_bytes();
    FlowKey {
        local: Address::v4([10, 0, 0, 1]),
        remote: Address::v4([10, 1, a, b]),
        local_port: 80,
        remote_port: u16::from_be_bytes([c, d]),
    }
}

fn v6_flow(n: u32) -> FlowKey {
    let [a, b, c, d] = n.to_be_bytes();
    let mut remote = [0xfd; ADDRESS_LEN];
    remote[14..].copy_from_slice(&[a, b]);
    FlowKey {
        local: Address::v6([0xfe; ADDRESS_LEN]),
        remote: Address::v6(remote),
        local_port: 443,
        remote_port: u16::from_be_bytes([c, d]),
    }
}

/// MUST-8.
#[test]
fn the_iss_advances_once_in_four_microseconds() {
    let generator = generator();
    let flow = v4_flow(1);
    let at_zero = generator.origin(&flow).initial(Instant::ZERO);
    for (nanos, advance) in [
        (3_999, 0),
        (4_000, 1),
        (1_000_000_000, 250_000),
        (60_000_000_000, 15_000_000),
    ] {
        assert_eq!(
            generator.origin(&flow).initial(Instant::from_nanos(nanos)) - at_zero,
            advance,
            "{nanos} ns"
        );
    }
    let one_wrap = Instant::from_nanos(TICK_NANOS << 32);
    assert_eq!(generator.origin(&flow).initial(one_wrap), at_zero);
}

#[test]
fn flows_do_not_share_their_start() {
    const FLOWS: u32 = 20_000;
    let generator = generator();
    let flows = (0..FLOWS).flat_map(|n| [v4_flow(n), v6_flow(n)]);
    let starts: HashSet<u64> = flows.map(|flow| generator.origin(&flow).0).collect();
    assert_eq!(starts.len(), 2 * FLOWS as usize);
}

/// Half of the bits differ, as between any two unrelated numbers.
#[test]
fn timestamps_tell_nothing_of_sequence_numbers() {
    const FLOWS: u32 = 1_000;
    let generator = generator();
    let differing: u32 = (0..FLOWS)
        .map(|n| generator.origin(&v4_flow(n)))
        .map(|origin| (origin.initial(Instant::ZERO).0 ^ origin.timestamp_offset()).count_ones())
        .sum();
    assert!(
        differing.abs_diff(FLOWS * 16) < FLOWS * 16 / 50,
        "{differing} bits differ"
    );
}

#[test]
fn every_part_of_the_tuple_counts() {
    let generator = generator();
    for flow in [v4_flow(7), v6_flow(7)] {
        let turned = FlowKey {
            local: flow.remote,
            remote: flow.local,
            local_port: flow.remote_port,
            remote_port: flow.local_port,
        };
        let variants = [
            flow,
            turned,
            FlowKey {
                local: flow.remote,
                ..flow
            },
            FlowKey {
                remote: flow.local,
                ..flow
            },
            FlowKey {
                local_port: flow.local_port + 1,
                ..flow
            },
            FlowKey {
                remote_port: flow.remote_port + 1,
                ..flow
            },
        ];
        let starts: HashSet<u32> = variants
            .iter()
            .map(|flow| generator.origin(flow).initial(Instant::ZERO).0)
            .collect();
        assert_eq!(starts.len(), variants.len(), "{flow:?}");
    }
}

/// MUST-9: half of all bits change with one bit of the key, so that numbers under one key say nothing of another.
#[test]
fn keys_are_unrelated() {
    const FLOWS: u32 = 1_000;
    let mut other_key = KEY;
    other_key[15] ^= 1;
    let (one, other) = (generator(), IsnGenerator::new(&other_key));
    let changed: u32 = (0..FLOWS)
        .map(|n| one.origin(&v4_flow(n)).0 ^ other.origin(&v4_flow(n)).0)
        .map(u64::count_ones)
        .sum();
    let expected = FLOWS * 32;
    assert!(
        changed.abs_diff(expected) < expected / 50,
        "{changed} of {} bits changed",
        2 * expected
    );
}

/// Neighbouring flows spread over the whole space: chi-squared over 256 cells by the top bits stays below the value
/// that chance exceeds once in a million.
#[test]
fn starts_are_evenly_distributed() {
    const CELLS: usize = 256;
    const FLOWS: u32 = 64 * 1_024;
    const ONE_IN_A_MILLION: u64 = 377;
    let generator = generator();
    let mut cells = [0_u64; CELLS];
    for n in 0..FLOWS {
        cells[(generator.origin(&v4_flow(n)).initial(Instant::ZERO).0 >> 24) as usize] += 1;
    }
    let expected = u64::from(FLOWS) / CELLS as u64;
    let squares: u64 = cells.iter().map(|count| count.abs_diff(expected).pow(2)).sum();
    assert!(
        squares / expected < ONE_IN_A_MILLION,
        "chi-squared {}",
        squares / expected
    );
}

#[test]
fn the_key_is_not_printed() {
    assert_eq!(format!("{:?}", generator()), "IsnGenerator { .. }");
}

proptest! {
    /// What RFC 1122 section 4.2.2.13 rests on.
    #[test]
    fn a_later_incarnation_starts_later(
        key in any::<[u8; 16]>(), flow in any::<u32>(), first in 0..u64::MAX / 2, gap_millis in 1u64..8_000_000,
    ) {
        let generator = IsnGenerator::new(&key);
        let flow = v4_flow(flow);
        let first = Instant::from_nanos(first);
        let (before, after) =
            (generator.origin(&flow).initial(first), generator.origin(&flow).initial(first + Duration::from_millis(gap_millis)));
        prop_assert!(after.gt(before));
    }
}
