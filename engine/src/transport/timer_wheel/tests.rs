use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Link, Links, TICK_SHIFT, TimerWheel};
use crate::time::{Duration, Instant};

const TICK: Duration = Duration::from_nanos(1 << TICK_SHIFT);
const EVERYTHING: usize = usize::MAX;

impl Links for Vec<Link> {
    fn link(&self, id: u32) -> &Link {
        &self[id as usize]
    }

    fn link_mut(&mut self, id: u32) -> &mut Link {
        &mut self[id as usize]
    }
}

struct Bench {
    wheel: TimerWheel,
    links: Vec<Link>,
}

impl Bench {
    fn new(timers: usize, now: Instant) -> Self {
        Self {
            wheel: TimerWheel::new(now),
            links: vec![Link::default(); timers],
        }
    }

    fn schedule(&mut self, id: u32, deadline: Instant) {
        self.wheel.schedule(&mut self.links, id, deadline);
    }

    fn cancel(&mut self, id: u32) {
        self.wheel.cancel(&mut self.links, id);
    }

    fn fire(&mut self, now: Instant, budget: usize) -> (Vec<u32>, bool) {
        let mut due = Vec::new();
        let done = self.wheel.advance(&mut self.links, now, budget, &mut due);
        (due, done)
    }

    fn due(&mut self, now: Instant) -> Vec<u32> {
        self.fire(now, EVERYTHING).0
    }
}

#[test]
fn a_link_takes_twelve_bytes() {
    assert_eq!(size_of::<Link>(), 12);
    assert!(!Link::default().is_linked());
}

#[test]
fn a_timer_fires_within_a_tick_of_its_deadline_and_never_before() {
    for millis in [
        0,
        1,
        2,
        63,
        64,
        70,
        4_000,
        5_000,
        300_000,
        20_000_000,
        4_000_000_000,
    ] {
        let mut bench = Bench::new(1, Instant::ZERO);
        let deadline = Instant::from_millis(millis);
        bench.schedule(0, deadline);
        if millis > 0 {
            assert_eq!(
                bench.due(deadline - Duration::from_nanos(1)),
                [],
                "{millis} ms, early"
            );
        }
        assert_eq!(bench.due(deadline + TICK), [0], "{millis} ms, late");
        assert!(!bench.links[0].is_linked());
    }
}

#[test]
fn a_deadline_in_the_past_fires_at_once() {
    let mut bench = Bench::new(1, Instant::from_secs(100));
    bench.schedule(0, Instant::from_secs(1));
    assert!(bench.wheel.next_deadline().unwrap() <= Instant::from_secs(100));
    assert_eq!(bench.due(Instant::from_secs(100)), [0]);
}

#[test]
fn a_scheduled_timer_moves_forward_only() {
    let mut bench = Bench::new(1, Instant::ZERO);
    bench.schedule(0, Instant::from_secs(10));
    bench.schedule(0, Instant::from_secs(20));
    bench.schedule(0, Instant::from_secs(5));
    assert_eq!(bench.due(Instant::from_secs(4)), []);
    assert_eq!(bench.due(Instant::from_secs(6)), [0]);
    assert_eq!(bench.due(Instant::from_secs(60)), []);
}

#[test]
fn cancelling_leaves_neighbours_in_place() {
    for cancelled in 0..3 {
        let mut bench = Bench::new(3, Instant::ZERO);
        (0..3).for_each(|id| bench.schedule(id, Instant::from_secs(7)));
        bench.cancel(cancelled);
        bench.cancel(cancelled);
        let mut due = bench.due(Instant::from_secs(8));
        due.sort_unstable();
        let rest: Vec<u32> = (0..3).filter(|&id| id != cancelled).collect();
        assert_eq!(due, rest);
        assert_eq!(bench.wheel.next_deadline(), None);
    }
}

#[test]
fn timers_fire_in_the_order_of_their_ticks() {
    let mut bench = Bench::new(1_000, Instant::ZERO);
    for id in 0..1_000u32 {
        bench.schedule(id, Instant::from_millis(u64::from(id).pow(2) * 7));
    }
    assert!(bench.due(Instant::from_secs(7_000)).into_iter().eq(0..1_000));
}

#[test]
fn the_budget_bounds_firing_and_cascading_alike() {
    let mut bench = Bench::new(100, Instant::ZERO);
    (0..100).for_each(|id| bench.schedule(id, Instant::from_secs(100)));
    let mut calls = 0;
    let mut fired = 0;
    loop {
        let (due, done) = bench.fire(Instant::from_secs(101), 10);
        assert!(due.len() <= 10);
        fired += due.len();
        calls += 1;
        if done {
            break;
        }
        assert!(bench.wheel.next_deadline().unwrap() <= Instant::from_secs(101));
    }
    assert_eq!(fired, 100);
    assert!(calls > 20, "cascades were not counted: {calls} calls");
}

#[test]
fn years_pass_in_one_step() {
    let mut bench = Bench::new(3, Instant::ZERO);
    bench.schedule(0, Instant::from_secs(1));
    bench.schedule(1, Instant::from_secs(3_600 * 24 * 40));
    let years = Instant::from_secs(3_600 * 24 * 365 * 500);
    assert_eq!(bench.due(years), [0, 1]);
    bench.schedule(2, years + Duration::from_secs(1));
    assert_eq!(bench.due(years), []);
    assert_eq!(bench.due(years + Duration::from_secs(2)), [2]);
}

#[test]
fn a_clock_that_goes_back_is_ignored() {
    let mut bench = Bench::new(1, Instant::from_secs(100));
    bench.due(Instant::from_secs(200));
    bench.due(Instant::from_secs(50));
    bench.schedule(0, Instant::from_secs(201));
    assert_eq!(bench.due(Instant::from_secs(150)), []);
    assert_eq!(bench.due(Instant::from_secs(202)), [0]);
}

#[derive(Clone, Debug)]
enum Operation {
    Schedule(u32, u64),
    Cancel(u32),
    Advance(u64, usize),
}

/// Spans from nothing to years, each order of magnitude as likely.
fn span(max_bits: u32) -> impl Strategy<Value = u64> {
    (0..max_bits, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = || 0u32..40;
    prop_oneof![
        4 => (id(), span(51)).prop_map(|(id, span)| Operation::Schedule(id, span)),
        1 => id().prop_map(Operation::Cancel),
        3 => (span(48), 0usize..50).prop_map(|(span, budget)| Operation::Advance(span, budget)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn behaves_like_a_sorted_map(
        start in span(62),
        operations in prop::collection::vec(operation(), 0..200),
    ) {
        let mut now = Instant::from_nanos(start);
        let mut bench = Bench::new(40, now);
        let mut model: BTreeMap<u32, Instant> = BTreeMap::new();
        for operation in operations {
            match operation {
                Operation::Schedule(id, span) => {
                    let deadline = now + Duration::from_nanos(span);
                    bench.schedule(id, deadline);
                    let entry = model.entry(id).or_insert(deadline);
                    // A later deadline within the same tick may or may not replace the earlier one: keep the bound.
                    *entry = deadline.min(*entry);
                }
                Operation::Cancel(id) => {
                    bench.cancel(id);
                    model.remove(&id);
                }
                Operation::Advance(span, budget) => {
                    now += Duration::from_nanos(span);
                    let (due, done) = bench.fire(now, budget);
                    prop_assert!(due.len() <= budget);
                    for id in due {
                        let deadline = model.remove(&id);
                        prop_assert!(deadline.is_some_and(|deadline| deadline <= now), "{} fired early", id);
                    }
                    let late = model.values().filter(|&&deadline| deadline + TICK <= now).count();
                    prop_assert!(!done || late == 0, "{late} timers are late");
                }
            }
            let next = bench.wheel.next_deadline();
            prop_assert_eq!(next.is_some(), !model.is_empty());
            for (&id, &deadline) in &model {
                prop_assert!(bench.links[id as usize].is_linked());
                prop_assert!(next.unwrap() <= deadline + TICK);
            }
        }
    }
}
