use std::collections::HashMap;

use proptest::prelude::*;

use super::{Entry, EntryId, TimeWaitConfig, TimeWaitTable};
use crate::internet::address::Address;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;
use crate::transport::random::SplitMix64;
use crate::transport::tcp::compact_key::{CompactKey, Key4, Key6};
use crate::transport::tcp::seq::SeqNumber;

const TWO_MSL: Duration = Duration::from_secs(60);
const START: Instant = Instant::from_secs(1_000);

/// A tuple told from all others by `number`, below 2²⁴.
fn key4(number: u32) -> Key4 {
    let [_, a, b, c] = number.to_be_bytes();
    Key4::from_flow(&FlowKey {
        local: Address::v4([10, 0, 0, 1]),
        remote: Address::v4([10, a, b, c]),
        local_port: 443,
        remote_port: 5_000,
    })
}

fn key6(number: u32) -> Key6 {
    let mut remote = [0xfd; 16];
    remote[12..].copy_from_slice(&number.to_be_bytes());
    let (local, remote) = (Address::v6([0xfd; 16]), Address::v6(remote));
    Key6::from_flow(&FlowKey {
        local,
        remote,
        local_port: 443,
        remote_port: 5_000,
    })
}

fn number_of(key: &Key4) -> u32 {
    let [_, a, b, c] = key.to_flow().remote.v4_octets();
    u32::from_be_bytes([0, a, b, c])
}

fn hash<K: CompactKey>(key: &K) -> u64 {
    let octets = *key.to_flow().remote.octets();
    let last = u32::from_be_bytes(*octets.last_chunk().unwrap());
    SplitMix64::new(last.into()).next()
}

fn table<K: CompactKey>(capacity: usize, presize: usize) -> TimeWaitTable<K> {
    TimeWaitTable::new(TimeWaitConfig {
        capacity,
        presize,
        two_msl: TWO_MSL,
    })
}

fn entry<K: CompactKey>(key: K) -> Entry<K> {
    Entry::new(key, SeqNumber(10), SeqNumber(20), 30)
}

fn insert<K: CompactKey>(table: &mut TimeWaitTable<K>, key: K, now: Instant) -> Option<Entry<K>> {
    table.insert(hash(&key), entry(key), now, hash)
}

fn find(table: &TimeWaitTable<Key4>, number: u32) -> Option<EntryId> {
    table.find(hash(&key4(number)), &key4(number))
}

/// Everything that expires by `now`, by number.
fn expire(table: &mut TimeWaitTable<Key4>, now: Instant) -> Vec<u32> {
    let mut expired = Vec::new();
    table.expire(now, usize::MAX, hash, |entry| expired.push(number_of(&entry.key)));
    expired
}

#[test]
fn entries_are_small() {
    assert_eq!(size_of::<Entry<Key4>>(), 32);
    assert_eq!(size_of::<Entry<Key6>>(), 56);
}

/// MUST-13
#[test]
fn an_entry_stays_for_two_msl_and_no_longer() {
    let mut table = table(10, 0);
    insert(&mut table, key4(1), START);
    assert_eq!(expire(&mut table, START + TWO_MSL - Duration::from_nanos(1)), []);
    assert!(find(&table, 1).is_some());
    assert_eq!(table.next_expiry(), Some(START + TWO_MSL));
    assert_eq!(expire(&mut table, START + TWO_MSL), [1]);
    assert_eq!(find(&table, 1), None);
    assert_eq!(table.next_expiry(), None);
    assert_eq!(
        (
            table.counters().entered,
            table.counters().expired,
            table.counters().peak
        ),
        (1, 1, 1)
    );
}

/// EV-FIN-2
#[test]
fn a_retransmitted_fin_begins_two_msl_anew() {
    let mut table = table(10, 0);
    insert(&mut table, key4(1), START);
    let again = START + Duration::from_secs(40);
    for millis in 0..1_000 {
        table.restart(
            find(&table, 1).unwrap(),
            again + Duration::from_millis(millis) - Duration::from_secs(1),
        );
    }
    table.restart(find(&table, 1).unwrap(), again);
    assert_eq!(expire(&mut table, START + TWO_MSL), []);
    assert_eq!(table.next_expiry(), Some(again + TWO_MSL));
    assert_eq!(expire(&mut table, again + TWO_MSL - Duration::from_nanos(1)), []);
    assert_eq!(expire(&mut table, again + TWO_MSL), [1]);
}

#[test]
fn a_restarted_entry_does_not_hold_up_those_behind_it() {
    let mut table = table(10, 0);
    insert(&mut table, key4(1), START);
    insert(&mut table, key4(2), START + Duration::from_secs(1));
    table.restart(find(&table, 1).unwrap(), START + Duration::from_secs(30));
    assert!(table.next_expiry().unwrap() <= START + Duration::from_secs(61));
    assert_eq!(expire(&mut table, START + Duration::from_secs(61)), [2]);
    assert!(find(&table, 1).is_some());
    assert_eq!(expire(&mut table, START + Duration::from_secs(90)), [1]);
}

#[test]
fn a_full_table_evicts_its_oldest_entry_and_says_so() {
    let mut table = table(3, 0);
    for number in 1..=3 {
        assert!(insert(&mut table, key4(number), START).is_none());
    }
    assert_eq!(
        insert(&mut table, key4(4), START).map(|entry| entry.key),
        Some(key4(1))
    );
    assert_eq!(table.counters().violations, 1);
    assert_eq!(find(&table, 1), None);
    assert_eq!(table.len(), 3);

    let displaced = insert(&mut table, key4(5), START + TWO_MSL);
    assert_eq!(displaced.map(|entry| entry.key), Some(key4(2)));
    assert_eq!(table.counters().violations, 1, "its time was over");
    assert_eq!(table.counters().expired, 1);
}

#[test]
fn reuse_frees_the_tuple_at_once_and_expires_nothing_twice() {
    let mut table = table(3, 0);
    let port_owner = entry(key4(1)).with_ephemeral_port().with_timestamps(40);
    assert!(table.insert(hash(&key4(1)), port_owner, START, hash).is_none());
    let id = table.find(hash(&key4(1)), &key4(1)).unwrap();
    assert!(table.get(id).may_be_reused_by(SeqNumber(0), Some(41)));
    assert!(!table.get(id).may_be_reused_by(SeqNumber(20), Some(39)));

    let reused = table.reuse(hash(&key4(1)), id);
    assert_eq!(
        (reused.snd_nxt, reused.rcv_nxt, reused.window),
        (SeqNumber(10), SeqNumber(20), 30)
    );
    assert!(reused.owns_ephemeral_port());
    assert_eq!(find(&table, 1), None);
    assert!(table.is_empty());

    insert(&mut table, key4(1), START + Duration::from_secs(1));
    assert_eq!(expire(&mut table, START + TWO_MSL), []);
    assert_eq!(expire(&mut table, START + TWO_MSL + Duration::from_secs(1)), [1]);
    assert_eq!((table.counters().reused, table.counters().expired), (1, 1));
}

#[test]
fn a_syn_must_exceed_the_fin_to_reuse_without_timestamps() {
    let entry = entry(key4(1));
    assert!(
        !entry.may_be_reused_by(entry.rcv_nxt - 1, None),
        "the sequence number of the FIN itself"
    );
    assert!(entry.may_be_reused_by(entry.rcv_nxt, None));
    assert!(entry.may_be_reused_by(SeqNumber(0), Some(0)));
}

#[test]
fn the_budget_bounds_a_call() {
    let mut table = table(1_000, 0);
    (0..1_000).for_each(|number| assert!(insert(&mut table, key4(number), START).is_none()));
    let mut order = Vec::new();
    for call in 1..=10 {
        let expired = table.expire(START + TWO_MSL, 100, hash, |entry| {
            order.push(number_of(&entry.key));
        });
        assert_eq!((expired, table.len()), (100, 1_000 - 100 * call));
    }
    assert!(order.into_iter().eq(0..1_000));
}

#[test]
fn years_and_backward_steps_of_the_clock_do_no_harm() {
    let mut table = table(10, 0);
    insert(&mut table, key4(1), START);
    insert(&mut table, key4(2), Instant::ZERO);
    assert_eq!(expire(&mut table, START + TWO_MSL - Duration::from_nanos(1)), []);
    assert_eq!(
        expire(&mut table, START + Duration::from_secs(86_400 * 30)),
        [1, 2]
    );
}

#[test]
fn a_million_entries_take_forty_bytes_each_and_sixty_four_for_ipv6() {
    const MILLION: u32 = 1_000_000;
    // Expiry counts in milliseconds, so a few more than a million are in the table at a time.
    let size = MILLION as usize + 100;
    let (mut v4, mut v6) = (table(size, size), table(size, size));
    for number in 0..MILLION + MILLION / 2 {
        // At steady state too: what comes replaces what leaves.
        let now = START + Duration::from_micros(u64::from(number) * 60);
        v4.expire(now, 16, hash, |_| ());
        v6.expire(now, 16, hash, |_| ());
        assert!(insert(&mut v4, key4(number), now).is_none());
        assert!(insert(&mut v6, key6(number), now).is_none());
    }
    for (len, bytes, counters, limit) in [
        (v4.len(), v4.mapped_bytes(), v4.counters(), 40.0),
        (v6.len(), v6.mapped_bytes(), v6.counters(), 64.0),
    ] {
        assert!(len >= MILLION as usize);
        assert_eq!(counters.violations, 0);
        let each = bytes as f64 / len as f64;
        assert!(each <= limit, "{each} bytes an entry");
    }
}

#[test]
fn an_index_that_was_not_sized_ahead_grows_and_drains() {
    let mut table = table(200_000, 0);
    for number in 0..600_000 {
        let now = START + Duration::from_micros(u64::from(number) * 400);
        expire(&mut table, now);
        assert!(insert(&mut table, key4(number), now).is_none());
        let oldest = number.saturating_sub(149_000);
        assert!(
            find(&table, oldest).is_some(),
            "{oldest} was lost when {number} came"
        );
    }
    assert_eq!(table.counters().violations, 0);
    let each = table.mapped_bytes() as f64 / table.len() as f64;
    assert!(
        each < 48.0,
        "{each} bytes an entry: old generations are still there"
    );
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(u32),
    Restart(u32),
    Reuse(u32),
    Wait(u64),
    Expire(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = || 0u32..60;
    prop_oneof![
        6 => number().prop_map(Operation::Insert),
        1 => number().prop_map(Operation::Restart),
        1 => number().prop_map(Operation::Reuse),
        2 => (0u64..20_000).prop_map(Operation::Wait),
        2 => (1usize..40).prop_map(Operation::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The model knows when each entry may leave; the table decides when it does, within the promises.
    #[test]
    fn keeps_its_promises(operations in prop::collection::vec(operation(), 0..400)) {
        const CAPACITY: usize = 40;
        let mut table = table(CAPACITY, 0);
        let mut model: HashMap<u32, Instant> = HashMap::new();
        let mut now = START;
        let mut violations = 0;
        for operation in operations {
            match operation {
                Operation::Insert(number) if !model.contains_key(&number) => {
                    if let Some(displaced) = insert(&mut table, key4(number), now) {
                        let expiry = model.remove(&number_of(&displaced.key));
                        prop_assert!(expiry.is_some());
                        violations += u64::from(expiry.unwrap() > now);
                    }
                    model.insert(number, now + TWO_MSL);
                }
                Operation::Insert(number) | Operation::Restart(number) => {
                    if let Some(id) = find(&table, number) {
                        table.restart(id, now);
                        model.insert(number, now + TWO_MSL);
                    }
                }
                Operation::Reuse(number) => {
                    if let Some(id) = find(&table, number) {
                        prop_assert_eq!(table.reuse(hash(&key4(number)), id).key, key4(number));
                        model.remove(&number);
                    }
                }
                Operation::Wait(millis) => now += Duration::from_millis(millis),
                Operation::Expire(budget) => {
                    let mut left = Vec::new();
                    let expired = table.expire(now, budget, hash, |entry| left.push(number_of(&entry.key)));
                    prop_assert_eq!(expired, left.len());
                    prop_assert!(expired <= budget);
                    for number in left {
                        let expiry = model.remove(&number);
                        prop_assert!(expiry.is_some_and(|expiry| expiry <= now), "{} left early", number);
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.counters().violations, violations);
            for number in 0..60 {
                prop_assert_eq!(find(&table, number).is_some(), model.contains_key(&number));
            }
        }
        let latest = now + TWO_MSL + TWO_MSL;
        expire(&mut table, latest);
        prop_assert!(table.is_empty() && table.next_expiry().is_none());
    }
}
