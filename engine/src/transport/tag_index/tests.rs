use proptest::prelude::*;

use super::{Full, LANES, PROBE_LIMIT, TagIndex, class, is_prime, next_prime};
use crate::transport::random::SplitMix64;

/// A hash as good as a keyed one for the structure's purposes.
fn hash(value: u32) -> u64 {
    SplitMix64::new(u64::from(value)).next()
}

fn holds(index: &TagIndex, hash: u64, value: u32) -> bool {
    index.find(hash, |candidate| candidate == value).is_some()
}

#[test]
fn a_value_is_found_under_its_hash_until_it_is_removed() {
    let mut index = TagIndex::with_capacity(10, 0.7);
    assert!(!holds(&index, hash(1), 1));
    index.insert(hash(1), 1).unwrap();
    assert!(holds(&index, hash(1), 1));
    assert!(!index.remove(hash(1), 2));
    assert!(index.remove(hash(1), 1));
    assert!(!index.remove(hash(1), 1));
    assert!(index.is_empty());
}

#[test]
fn replacing_changes_the_value_and_nothing_else() {
    let mut index = TagIndex::with_capacity(10, 0.7);
    index.insert(hash(1), 1).unwrap();
    assert!(index.replace(hash(1), 1, 7));
    assert!(!index.replace(hash(1), 1, 8));
    assert_eq!(index.find(hash(1), |_| true), Some(7));
    assert_eq!(index.len(), 1);
}

#[test]
fn capacity_is_exact() {
    let mut index = TagIndex::with_capacity(100, 0.7);
    (0..100).for_each(|value| index.insert(hash(value), value).unwrap());
    assert_eq!(index.insert(hash(100), 100), Err(Full::Capacity));
    assert!(index.remove(hash(0), 0));
    assert_eq!(index.insert(hash(100), 100), Ok(()));
}

#[test]
fn one_hash_fills_its_probe_sequence_and_no_more() {
    let mut index = TagIndex::with_capacity(10_000, 0.7);
    let room = (LANES * PROBE_LIMIT) as u32;
    (0..room).for_each(|value| index.insert(hash(0), value).unwrap());
    assert_eq!(index.insert(hash(0), room), Err(Full::ProbeLimit));
    assert!((0..room).all(|value| holds(&index, hash(0), value)));
    assert!((0..room).all(|value| index.remove(hash(0), value)));
    assert!((0..u32::from(u8::MAX)).all(|i| index.find(hash(i), |_| true).is_none()));
}

#[test]
fn overflowing_entries_stay_findable_when_their_home_empties() {
    let mut index = TagIndex::with_capacity(10_000, 0.7);
    let many = 3 * LANES as u32;
    (0..many).for_each(|value| index.insert(hash(9), value).unwrap());
    (0..LANES as u32).for_each(|value| assert!(index.remove(hash(9), value)));
    assert!((LANES as u32..many).all(|value| holds(&index, hash(9), value)));
}

#[test]
fn nothing_is_left_behind_after_a_long_life() {
    let mut index = TagIndex::with_capacity(50_000, 0.71);
    for round in 0..10u32 {
        for i in 0..50_000 {
            if round > 0 {
                assert!(index.remove(hash(50_000 * (round - 1) + i), i));
            }
            index.insert(hash(50_000 * round + i), i).unwrap();
        }
    }
    for i in 0..50_000 {
        assert!(index.remove(hash(450_000 + i), i));
    }
    let untouched = (0..index.bucket_count as usize).all(|bucket| {
        let bucket = index.buckets.get(bucket);
        bucket.matching(0).count() == LANES && bucket.overflow == [0; 4]
    });
    assert!(untouched, "a counter or a tag outlived its entry");
}

#[test]
fn a_miss_reads_one_line_nearly_always_even_after_a_long_life() {
    const ENTRIES: u32 = 50_000;
    const MISSES: u32 = 100_000;
    for (load, most) in [(0.6, 1.1), (0.71, 1.3)] {
        let mut index = TagIndex::with_capacity(ENTRIES as usize, load);
        (0..ENTRIES).for_each(|value| index.insert(hash(value), value).unwrap());
        for value in 0..4 * ENTRIES {
            assert!(index.remove(hash(value), value));
            index.insert(hash(value + ENTRIES), value + ENTRIES).unwrap();
        }
        let lines: usize = (0..MISSES)
            .map(|i| lines_of_a_miss(&index, hash(i | 1 << 31)))
            .sum();
        let lines = lines as f64 / f64::from(MISSES);
        assert!(lines < most, "{lines} lines for a miss at load {load}");
    }
}

fn lines_of_a_miss(index: &TagIndex, hash: u64) -> usize {
    let class = class(hash);
    1 + index
        .probes(hash)
        .take_while(|&bucket| index.buckets.get(bucket).overflow[class] > 0)
        .count()
}

#[test]
fn buckets_lie_on_cache_lines() {
    let index = TagIndex::with_capacity(1_000, 0.7);
    assert!((0..index.bucket_count as usize).all(|i| {
        core::ptr::from_ref(index.buckets.get(i))
            .addr()
            .is_multiple_of(64)
    }));
}

#[test]
fn a_million_entries_cost_what_the_load_says() {
    let mut index = TagIndex::with_capacity(1_000_000, 0.71);
    (0..1_000_000).for_each(|value| index.insert(hash(value), value).unwrap());
    assert!(
        (0..1_000_000)
            .step_by(997)
            .all(|value| holds(&index, hash(value), value))
    );
    assert!(
        index.mapped_bytes() <= 7_520_000,
        "{} bytes",
        index.mapped_bytes()
    );
}

#[test]
fn bucket_counts_are_prime() {
    let primes: Vec<u64> = (0..30).filter(|&n| is_prime(n)).collect();
    assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
    assert_eq!(next_prime(90), 97);
    assert_eq!(next_prime(0), 2);
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(Thing),
    Remove(Thing),
    Replace(Thing, u32),
}

/// A thing of key `key`; its value tells the key too, so that no two keys share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Thing {
    key: u32,
    number: u32,
}

impl Thing {
    fn hash(self) -> u64 {
        hash(self.key)
    }

    fn value(self) -> u32 {
        self.key << 8 | self.number
    }
}

/// Few keys and few numbers, so that operations meet.
fn operation() -> impl Strategy<Value = Operation> {
    let thing = || (0u32..40, 0u32..8).prop_map(|(key, number)| Thing { key, number });
    prop_oneof![
        3 => thing().prop_map(Operation::Insert),
        2 => thing().prop_map(Operation::Remove),
        1 => (thing(), 0u32..8).prop_map(|(old, number)| Operation::Replace(old, number)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_like_a_multimap(operations in prop::collection::vec(operation(), 0..400)) {
        const CAPACITY: usize = 60;
        let mut index = TagIndex::with_capacity(CAPACITY, 0.9);
        let mut model: Vec<Thing> = Vec::new();
        for operation in operations {
            match operation {
                Operation::Insert(thing) => match index.insert(thing.hash(), thing.value()) {
                    Ok(()) => model.push(thing),
                    Err(error) => prop_assert!(model.len() == CAPACITY && error == Full::Capacity),
                },
                Operation::Remove(thing) => {
                    prop_assert_eq!(index.remove(thing.hash(), thing.value()), take(&mut model, thing));
                }
                Operation::Replace(old, number) => {
                    let new = Thing { number, ..old };
                    let present = take(&mut model, old);
                    if present {
                        model.push(new);
                    }
                    prop_assert_eq!(index.replace(old.hash(), old.value(), new.value()), present);
                }
            }
            prop_assert_eq!(index.len(), model.len());
        }
        for key in 0..40 {
            let mut found = Vec::new();
            index.find(hash(key), |value| {
                found.extend((value >> 8 == key).then_some(value));
                false
            });
            let mut expected: Vec<u32> =
                model.iter().filter(|thing| thing.key == key).map(|thing| thing.value()).collect();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}

fn take(model: &mut Vec<Thing>, thing: Thing) -> bool {
    let position = model.iter().position(|&candidate| candidate == thing);
    position.map(|position| model.swap_remove(position)).is_some()
}
