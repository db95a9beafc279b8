use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::bitmap::PortBitmap;
use super::{DestinationId, EPHEMERAL_PORTS, PortAllocator};
use crate::internet::address::Address;
use crate::transport::random::SplitMix64;
use crate::transport::tag_index::Full;

const LOCAL: Address = Address::v4([10, 0, 0, 1]);

fn hash(remote_port: u16) -> u64 {
    SplitMix64::new(remote_port.into()).next()
}

/// Destinations of these tests differ in the remote port.
fn destination(ports: &mut PortAllocator, remote_port: u16) -> Result<DestinationId, Full> {
    ports.destination(LOCAL, Address::v4([10, 0, 0, 2]), remote_port, || {
        hash(remote_port)
    })
}

#[test]
fn every_port_of_the_range_is_handed_out_once() {
    let mut ports = PortAllocator::new(EPHEMERAL_PORTS, 1, 1);
    let id = destination(&mut ports, 80).unwrap();
    let given: BTreeSet<u16> = core::iter::from_fn(|| ports.allocate(id)).collect();
    assert!(given.into_iter().eq(EPHEMERAL_PORTS));
    assert_eq!(ports.occupancy(id), 64_512);
    assert_eq!(ports.allocate(id), None);
}

#[test]
fn the_last_free_port_is_found_wherever_it_is() {
    let mut ports = PortAllocator::new(0..=u16::MAX, 1, 1);
    let id = destination(&mut ports, 80).unwrap();
    while ports.allocate(id).is_some() {}
    for port in [0, 1, 63, 64, 4_095, 4_096, 32_767, 65_471, 65_472, 65_535] {
        ports.release(id, port);
        assert_eq!(ports.allocate(id), Some(port));
    }
}

#[test]
fn a_port_taken_by_name_is_not_handed_out() {
    let mut ports = PortAllocator::new(5_000..=5_002, 1, 1);
    let id = destination(&mut ports, 80).unwrap();
    assert!(ports.take(id, 5_001));
    assert!(!ports.take(id, 5_001));
    assert!(
        ports.take(id, 22),
        "a port outside the range may be taken by name"
    );
    let given: BTreeSet<u16> = core::iter::from_fn(|| ports.allocate(id)).collect();
    assert_eq!(given, BTreeSet::from([5_000, 5_002]));
}

#[test]
fn destinations_do_not_share_ports() {
    let mut ports = PortAllocator::new(5_000..=5_000, 2, 1);
    for remote_port in [80, 443] {
        let id = destination(&mut ports, remote_port).unwrap();
        assert_eq!(ports.allocate(id), Some(5_000));
    }
}

/// RFC 6056 section 3.1: what a stranger sees on his own connections tells little about others.
#[test]
fn starts_differ_between_destinations_and_steps_are_irregular() {
    let mut ports = PortAllocator::new(EPHEMERAL_PORTS, 100, 1);
    let mut starts = BTreeSet::new();
    for remote_port in 1..=100 {
        let id = destination(&mut ports, remote_port).unwrap();
        starts.insert(ports.allocate(id).unwrap());
    }
    assert!(starts.len() >= 98, "only {} different starts", starts.len());

    let id = destination(&mut ports, 1).unwrap();
    let given: Vec<u16> = (0..100).map(|_| ports.allocate(id).unwrap()).collect();
    let steps: BTreeSet<u16> = given
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    assert!(steps.len() >= 6, "steps {steps:?}");
}

#[test]
fn a_port_given_back_is_not_the_next_one_handed_out() {
    let mut ports = PortAllocator::new(EPHEMERAL_PORTS, 1, 1);
    let id = destination(&mut ports, 80).unwrap();
    let mut recent = BTreeSet::new();
    for _ in 0..1_000 {
        let port = ports.allocate(id).unwrap();
        assert!(recent.insert(port));
        ports.release(id, port);
    }
}

#[test]
fn destinations_are_bounded_and_vacated_ones_make_room() {
    let mut ports = PortAllocator::new(EPHEMERAL_PORTS, 2, 1);
    let first = destination(&mut ports, 1).unwrap();
    let port = ports.allocate(first).unwrap();
    let second = destination(&mut ports, 2).unwrap();
    ports.allocate(second).unwrap();
    assert_eq!(destination(&mut ports, 3), Err(Full::Capacity));

    ports.release(first, port);
    let third = destination(&mut ports, 3).unwrap();
    assert_eq!(ports.occupancy(third), 0);
    ports.allocate(third).unwrap();
    assert_eq!(destination(&mut ports, 1), Err(Full::Capacity));
    assert_eq!(destination(&mut ports, 2), Ok(second));
}

#[test]
fn destinations_without_a_port_do_not_use_up_the_sets() {
    let mut ports = PortAllocator::new(EPHEMERAL_PORTS, 2, 1);
    (0..1_000).for_each(|remote_port| assert!(destination(&mut ports, remote_port).is_ok()));
    assert!(ports.mapped_bytes() < 2 * 9_000, "{} bytes", ports.mapped_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_bitmap_agrees_with_a_set(
        runs in prop::collection::vec((any::<u16>(), 0u16..9_000, any::<bool>()), 0..30),
        asked in prop::collection::vec(any::<u16>(), 1..50),
    ) {
        let mut bitmap = PortBitmap::new();
        let mut free: BTreeSet<u16> = (0..=u16::MAX).collect();
        for (first, length, take) in runs {
            for port in first..=first.saturating_add(length) {
                if take {
                    bitmap.take(port);
                    free.remove(&port);
                } else {
                    bitmap.release(port);
                    free.insert(port);
                }
            }
        }
        for from in asked.into_iter().chain([0, u16::MAX]) {
            prop_assert_eq!(bitmap.next_free(from), free.range(from..).next().copied());
            prop_assert_eq!(bitmap.is_taken(from), !free.contains(&from));
        }
    }

    /// Any mixture of operations on a small range and a few destinations.
    #[test]
    fn ports_are_taken_exactly_once(steps in prop::collection::vec((0u16..5, 0u8..4, 0usize..100), 0..500)) {
        let mut ports = PortAllocator::new(1_000..=1_070, 3, 7);
        let mut model: HashMap<u16, BTreeSet<u16>> = HashMap::new();
        for (remote_port, operation, choice) in steps {
            let in_use = model.values().filter(|taken| !taken.is_empty()).count();
            let known = model.get(&remote_port).is_some_and(|taken| !taken.is_empty());
            let Ok(id) = destination(&mut ports, remote_port) else {
                prop_assert!(in_use == 3 && !known);
                continue;
            };
            let taken = model.entry(remote_port).or_default();
            match operation {
                0 | 1 => match ports.allocate(id) {
                    Some(port) => prop_assert!((1_000..=1_070).contains(&port) && taken.insert(port)),
                    None => prop_assert_eq!(taken.range(1_000..=1_070).count(), 71),
                },
                2 => {
                    let port = 990 + choice as u16;
                    prop_assert_eq!(ports.take(id, port), taken.insert(port));
                }
                _ => if let Some(&port) = taken.iter().nth(choice % taken.len().max(1)) {
                    taken.remove(&port);
                    ports.release(id, port);
                },
            }
            prop_assert_eq!(ports.occupancy(id) as usize, taken.len());
        }
    }
}
