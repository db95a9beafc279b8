use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{HalfOpen, HalfOpenTable, Offered, Slot};
use crate::time::{Duration, Instant};
use crate::transport::tcp::compact_key::{Key4, Key6};
use crate::transport::tcp::seq::SeqNumber;

const TIMEOUTS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
const START: Instant = Instant::from_secs(100);

fn table(capacity: usize) -> HalfOpenTable<Key4> {
    HalfOpenTable::new(capacity, &TIMEOUTS)
}

fn entry(number: u32) -> HalfOpen<Key4> {
    HalfOpen {
        irs: SeqNumber(number),
        ..HalfOpen::default()
    }
}

#[test]
fn entries_are_small() {
    assert_eq!(size_of::<HalfOpen<Key4>>(), 36);
    assert_eq!(size_of::<Slot<Key4>>(), 52);
    assert_eq!(size_of::<Slot<Key6>>(), 76);
}

#[test]
fn a_full_table_takes_nothing_until_an_entry_leaves() {
    let mut table = table(2);
    let first = table.insert(entry(1), START).unwrap();
    table.insert(entry(2), START).unwrap();
    assert_eq!(table.insert(entry(3), START), None);
    assert_eq!(table.remove(first).irs, SeqNumber(1));
    assert_eq!(table.get(first), None);
    assert_eq!(
        table.insert(entry(3), START),
        Some(first),
        "the slot freed last is used first"
    );
    assert_eq!(table.len(), 2);
}

#[test]
fn memory_is_that_of_the_slots_that_were_ever_used() {
    let mut table = table(1000);
    assert_eq!(table.touched_bytes(), 0);
    let first = table.insert(entry(1), START).unwrap();
    table.insert(entry(2), START).unwrap();
    table.remove(first);
    table.insert(entry(3), START).unwrap();
    assert_eq!(table.touched_bytes(), 2 * 52);
}

#[test]
fn a_table_of_nothing_takes_nothing() {
    assert_eq!(table(0).insert(entry(1), START), None);
}

#[test]
fn the_syn_ack_is_sent_again_after_each_timeout_and_then_no_more() {
    let mut table = table(1);
    let id = table.insert(entry(1), START).unwrap();
    let mut now = START;
    for (retransmissions, timeout) in TIMEOUTS.into_iter().enumerate() {
        assert_eq!(usize::from(table.retransmissions(id)), retransmissions);
        assert_eq!(table.due(now + timeout - Duration::from_nanos(1)), None);
        now += timeout;
        assert_eq!(table.next_deadline(), Some(now));
        assert_eq!(table.due(now), Some(id));
        assert_eq!(table.due(now), None, "an entry is due once");
        assert_eq!(table.rearm(id, now), retransmissions < 2);
    }
    assert_eq!(table.next_deadline(), None);
    table.remove(id);
    assert_eq!(table.len(), 0);
}

#[test]
fn the_answer_to_the_first_syn_ack_measures_the_path() {
    let mut table = table(1);
    let id = table.insert(entry(1), START).unwrap();
    let after = |millis| START + Duration::from_millis(millis);
    assert_eq!(table.round_trip(id, START), None, "less than the clock's step");
    assert_eq!(table.round_trip(id, after(30)), Some(Duration::from_millis(30)));
    assert_eq!(table.due(after(1000)), Some(id));
    assert!(table.rearm(id, after(1000)));
    assert_eq!(
        table.round_trip(id, after(1030)),
        None,
        "of two, nobody knows which"
    );
}

#[test]
fn years_and_backward_steps_of_the_clock_do_no_harm() {
    let mut table = table(1);
    let id = table.insert(entry(1), START).unwrap();
    assert_eq!(table.due(Instant::ZERO), None);
    assert_eq!(table.due(START + Duration::from_secs(86_400 * 1_000)), Some(id));
}

#[test]
fn offers_combine() {
    let both = Offered::TIMESTAMPS.with(Offered::WINDOW_SCALE);
    assert!(both.contains(Offered::TIMESTAMPS) && both.contains(Offered::WINDOW_SCALE));
    assert!(!Offered::TIMESTAMPS.contains(both));
    assert!(!Offered::default().contains(Offered::WINDOW_SCALE));
}

#[derive(Clone, Debug)]
enum Operation {
    Insert,
    Remove(usize),
    Wait(u64),
    Fire(bool),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => Just(Operation::Insert),
        1 => any::<usize>().prop_map(Operation::Remove),
        2 => (0u64..3_000).prop_map(Operation::Wait),
        3 => prop::bool::weighted(0.8).prop_map(Operation::Fire),
    ]
}

struct Modelled {
    irs: SeqNumber,
    level: usize,
    deadline: Instant,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_like_a_map_with_deadlines(operations in prop::collection::vec(operation(), 0..300)) {
        let mut table = table(8);
        let mut model: BTreeMap<u32, Modelled> = BTreeMap::new();
        let mut now = START;
        for (step, operation) in operations.into_iter().enumerate() {
            let number = step as u32;
            match operation {
                Operation::Insert => match table.insert(entry(number), now) {
                    Some(id) => {
                        let added = Modelled { irs: SeqNumber(number), level: 0, deadline: now + TIMEOUTS[0] };
                        prop_assert!(model.insert(id, added).is_none(), "id {id} was in use");
                    }
                    None => prop_assert_eq!(model.len(), 8),
                },
                Operation::Remove(choice) => {
                    if let Some(&id) = model.keys().nth(choice % model.len().max(1)) {
                        prop_assert_eq!(table.remove(id).irs, model.remove(&id).unwrap().irs);
                    }
                }
                Operation::Wait(millis) => now += Duration::from_millis(millis),
                Operation::Fire(rearm) => match table.due(now) {
                    None => prop_assert!(model.values().all(|entry| entry.deadline > now)),
                    Some(id) => {
                        let fired = model.get_mut(&id).unwrap();
                        prop_assert!(fired.deadline <= now);
                        fired.level += 1;
                        if rearm && fired.level < TIMEOUTS.len() {
                            prop_assert!(table.rearm(id, now));
                            fired.deadline = now + TIMEOUTS[fired.level];
                        } else {
                            prop_assert!(!rearm || !table.rearm(id, now));
                            table.remove(id);
                            model.remove(&id);
                        }
                    }
                },
            }
            prop_assert_eq!(table.len(), model.len());
            let next = model.values().map(|entry| entry.deadline.max(now)).min();
            prop_assert_eq!(table.next_deadline().map(|deadline| deadline.max(now)), next);
            for (&id, entry) in &model {
                prop_assert_eq!(table.get(id).map(|found| found.irs), Some(entry.irs));
            }
        }
    }
}
