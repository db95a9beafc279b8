use std::collections::HashMap;

use proptest::prelude::*;

use super::{Flow, FlowTable, INDEX_MASK};
use crate::transport::random::SplitMix64;
use crate::transport::tag_index::Full;

fn hash(key: u64, tuple: u32) -> u64 {
    SplitMix64::new(key ^ u64::from(tuple)).next()
}

#[test]
fn kinds_and_indices_survive_packing() {
    for index in [0, 1, INDEX_MASK] {
        for flow in [
            Flow::Connection(index),
            Flow::HalfOpen4(index),
            Flow::HalfOpen6(index),
        ] {
            assert_eq!(Flow::unpack(flow.pack()), flow);
        }
    }
}

#[test]
fn a_half_open_flow_becomes_a_connection_in_place() {
    let mut table = FlowTable::new(10);
    table.insert(5, Flow::HalfOpen4(3)).unwrap();
    assert!(table.replace(5, Flow::HalfOpen4(3), Flow::Connection(3)));
    assert_eq!(table.find(5, |_| true), Some(Flow::Connection(3)));
    assert!(!table.remove(5, Flow::HalfOpen4(3)));
    assert!(table.remove(5, Flow::Connection(3)));
}

#[test]
fn a_flood_of_equal_hashes_is_cured_by_a_new_key() {
    let mut table = FlowTable::new(10_000);
    let survivors = (0..)
        .take_while(|&i| table.insert(42, Flow::Connection(i)).is_ok())
        .count() as u32;
    assert_eq!(
        table.insert(42, Flow::Connection(survivors)),
        Err(Full::ProbeLimit)
    );

    table
        .rebuild((0..=survivors).map(|i| (hash(7, i), Flow::Connection(i))))
        .unwrap();
    assert_eq!(table.rebuilds(), 1);
    assert_eq!(table.len(), survivors as usize + 1);
    for i in 0..=survivors {
        assert_eq!(
            table.find(hash(7, i), |flow| flow == Flow::Connection(i)),
            Some(Flow::Connection(i))
        );
    }
}

#[test]
fn a_million_flows_cost_nine_bytes_each() {
    let table = FlowTable::new(1_000_000);
    assert!(table.mapped_bytes() < 9_000_000, "{} bytes", table.mapped_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_map(tuples in prop::collection::vec((0u32..200, any::<bool>()), 0..600)) {
        let mut table = FlowTable::new(200);
        let mut model = HashMap::new();
        for (step, (tuple, add)) in tuples.into_iter().enumerate() {
            let flow = if tuple % 2 == 0 { Flow::Connection(step as u32) } else { Flow::HalfOpen6(step as u32) };
            match model.get(&tuple).copied() {
                None if add => {
                    table.insert(hash(1, tuple), flow).unwrap();
                    model.insert(tuple, flow);
                }
                Some(old) if !add => {
                    prop_assert!(table.remove(hash(1, tuple), old));
                    model.remove(&tuple);
                }
                present => {
                    let found = table.find(hash(1, tuple), |flow| Some(flow) == present);
                    prop_assert_eq!(found, present);
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
    }
}
