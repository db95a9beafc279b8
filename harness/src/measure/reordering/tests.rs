//! The examples of RFC 4737, RFC 5236 and RFC 5560, and the cases that well-known tools get wrong.

use super::order::FreeRuns;
use super::*;

/// Datagrams of 100 bytes, with arrival times in milliseconds when given.
struct Vector {
    name: &'static str,
    arrivals: &'static [u64],
    at_ms: &'static [u64],
    sent: u64,
    threshold: usize,
}

impl Vector {
    const fn new(name: &'static str, sent: u64, arrivals: &'static [u64]) -> Self {
        Self {
            name,
            arrivals,
            at_ms: &[],
            sent,
            threshold: 4,
        }
    }

    const fn at(mut self, at_ms: &'static [u64]) -> Self {
        self.at_ms = at_ms;
        self
    }

    const fn threshold(mut self, threshold: usize) -> Self {
        self.threshold = threshold;
        self
    }

    /// Observes the vector with a window that holds all of it; every late arrival comes back with its number.
    fn observe(&self, window: usize) -> (Vec<(u64, Late)>, Reordering) {
        let (arrivals, found) = self.observe_all(window);
        let late = arrivals
            .into_iter()
            .filter_map(|(number, arrival)| match arrival {
                Arrival::Reordered(late) => Some((number, late)),
                _ => None,
            });
        (late.collect(), found)
    }

    fn observe_all(&self, window: usize) -> (Vec<(u64, Arrival)>, Reordering) {
        let mut observer = Observer::new(Thresholds {
            window,
            displacement: self.threshold,
            occupancy: self.threshold,
        });
        let mut arrivals = Vec::new();
        for (place, &number) in self.arrivals.iter().enumerate() {
            let at = self.at_ms.get(place).map(|ms| ms * 1_000_000);
            arrivals.push((number, observer.observe(number, at, None, 100)));
        }
        let found = observer.finish(self.sent);
        assert_identities(self.name, &found);
        (arrivals, found)
    }
}

/// What must hold of every observation.
fn assert_identities(name: &str, found: &Reordering) {
    let accounted = found.distinct + found.duplicates + found.beyond_window + found.implausible;
    assert_eq!(
        found.arrivals, accounted,
        "{name}: A = L + duplicates + what could not be told apart"
    );
    assert_eq!(found.sent, found.distinct + found.lost, "{name}: K = L + lost");
    let extents: u64 = found.order.extents.values().sum();
    assert_eq!(
        extents + found.order.extent_beyond_window,
        found.order.reordered,
        "{name}: every late one has an extent"
    );
    assert_eq!(
        found.order.runs.runs, found.order.reordered,
        "{name}: every late one ends a run"
    );
}

fn late(extent: u64, n: u64, byte_offset: u64, late_ms: u64) -> Late {
    Late {
        extent: Some(extent),
        late_ns: Some(late_ms * 1_000_000),
        byte_offset: Some(byte_offset),
        n,
    }
}

fn runs(current: u64, runs: u64, in_order: u64, squares: u64) -> FreeRuns {
    FreeRuns {
        current,
        runs,
        in_order,
        squares,
    }
}

const WIDE: usize = 8192;

#[test]
fn rfc4737_table_1_one_late_by_four() {
    let vector = Vector::new("4737-T1", 10, &[1, 2, 3, 5, 6, 7, 8, 4, 9, 10])
        .at(&[68, 88, 108, 148, 168, 188, 208, 210, 228, 248]);
    let (seen, found) = vector.observe(WIDE);
    assert_eq!(seen, [(4, late(4, 4, 400, 62))]);
    assert_eq!(found.reordered_ratio(), Some(0.1));
    assert_eq!(found.order.runs, runs(2, 1, 9, 49));
}

#[test]
fn rfc4737_table_2_two_late_behind_one_discontinuity() {
    let vector = Vector::new("4737-T2", 10, &[1, 2, 3, 4, 7, 5, 6, 8, 9, 10])
        .at(&[68, 88, 108, 128, 188, 189, 190, 208, 228, 248]);
    let (seen, found) = vector.observe(WIDE);
    assert_eq!(seen, [(5, late(1, 1, 100, 1)), (6, late(2, 0, 100, 2))]);
    assert_eq!(found.order.discontinuities, 1);
    assert_eq!(found.reordered_ratio(), Some(0.2));
}

#[test]
fn rfc4737_table_3_three_late_behind_four() {
    let vector = Vector::new("4737-T3", 11, &[1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11])
        .at(&[68, 88, 108, 188, 208, 228, 248, 250, 252, 256, 268]);
    let (seen, found) = vector.observe(WIDE);
    assert_eq!(
        seen,
        [
            (4, late(4, 4, 400, 62)),
            (5, late(5, 0, 400, 64)),
            (6, late(6, 0, 400, 68))
        ]
    );
    assert_eq!(found.order.extents, Counts::from([(4, 1), (5, 1), (6, 1)]));
    assert_eq!(found.reordered_ratio(), Some(3.0 / 11.0));
    assert_eq!(found.order.late_ns.len(), 3);
}

#[test]
fn rfc4737_table_4_gap_and_runs() {
    let vector = Vector::new(
        "4737-T4",
        16,
        &[1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 12, 13, 11, 14, 15, 16],
    );
    let (seen, found) = vector.observe(WIDE);
    let extents: Vec<_> = seen.iter().map(|(number, late)| (*number, late.extent)).collect();
    assert_eq!(extents, [(4, Some(2)), (5, Some(3)), (11, Some(2))]);
    assert_eq!(found.order.gaps, Counts::from([(7, 1)]));
    assert_eq!(found.order.runs, runs(3, 3, 13, 50));
    assert_eq!(found.order.runs.packets(), 16);
    assert_eq!(
        found.n_reordering(),
        BTreeMap::from([(1, 2.0 / 16.0), (2, 2.0 / 16.0)])
    );
}

#[test]
fn rfc4737_section_1_only_the_late_one_is_reordered() {
    let (seen, _) = Vector::new("4737-§1", 5, &[1, 2, 4, 5, 3]).observe(WIDE);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].0, seen[0].1.extent), (3, Some(2)));
}

#[test]
fn rfc4737_section_5_3_reordered_is_more_than_n_reordered() {
    let (seen, _) = Vector::new("4737-§5.3", 9, &[1, 2, 3, 7, 8, 9, 4, 5, 6]).observe(WIDE);
    let n: Vec<_> = seen.iter().map(|(number, late)| (*number, late.n)).collect();
    assert_eq!(n, [(4, 3), (5, 0), (6, 0)]);
}

/// Runs in order of the given lengths, each but the last ended by one late datagram.
fn runs_of(lengths: &[u64]) -> FreeRuns {
    let mut observer = Observer::new(Thresholds::default());
    let mut next = 1;
    for length in lengths {
        // The late one is the number before the run: it must be leapt over first.
        for number in next + 1..=next + length {
            observer.observe(number, None, None, 100);
        }
        observer.observe(next, None, None, 100);
        next += length + 1;
    }
    observer.finish(next - 1).order.runs
}

#[test]
fn rfc4737_section_4_4_even_runs() {
    let found = runs_of(&[11, 11, 11]);
    assert_eq!((found.packets(), found), (36, runs(0, 3, 33, 363)));
    assert_eq!((found.mean(), found.weighted_mean()), (Some(11.0), Some(11.0)));
}

#[test]
fn rfc4737_section_4_4_uneven_runs() {
    let found = runs_of(&[1, 1, 31]);
    assert_eq!((found.packets(), found), (36, runs(0, 3, 33, 963)));
    let weighted = found.weighted_mean().expect("there were datagrams in order");
    assert!((weighted - 29.18).abs() < 0.005, "q/a = {weighted}");
    let variability = weighted / found.mean().expect("there were runs");
    assert!((variability - 2.65).abs() < 0.005, "(q/a)/(a/x) = {variability}");
}

/// Displacements, and optionally occupancies, as counts.
fn assert_densities(vector: &Vector, displacements: &[(i64, u64)], occupancies: Option<&[(u64, u64)]>) {
    let (_, found) = vector.observe(WIDE);
    assert_eq!(
        found.reorder_density,
        displacements.iter().copied().collect(),
        "{}: FD",
        vector.name
    );
    if let Some(occupancies) = occupancies {
        assert_eq!(
            found.buffer_density,
            occupancies.iter().copied().collect(),
            "{}: FB",
            vector.name
        );
    }
}

#[test]
fn rfc5236_section_8_examples() {
    assert_densities(
        &Vector::new("5236-8a", 8, &[1, 4, 2, 5, 3, 6, 7, 8]),
        &[(-2, 1), (-1, 1), (0, 4), (1, 1), (2, 1)],
        Some(&[(0, 5), (1, 2), (2, 1)]),
    );
    assert_densities(
        &Vector::new("5236-8b, 3 is lost", 7, &[1, 2, 4, 5, 6, 7]).threshold(3),
        &[(0, 6)],
        Some(&[(0, 3), (1, 1), (2, 1), (3, 1)]),
    );
    assert_densities(
        &Vector::new("5236-8c, 3 comes twice", 5, &[1, 3, 2, 3, 4, 5]).threshold(2),
        &[(-1, 1), (0, 3), (1, 1)],
        Some(&[(0, 4), (1, 1)]),
    );
}

#[test]
fn rfc5236_displacements_skip_the_lost_and_the_copies() {
    // D = 0 −1 1 0 – −2 0 2
    assert_densities(
        &Vector::new("5236-Ex3", 8, &[1, 4, 3, 5, 3, 8, 7, 6]),
        &[(-2, 1), (-1, 1), (0, 3), (1, 1), (2, 1)],
        None,
    );
    assert_densities(
        &Vector::new("5236-Ex4", 6, &[1, 2, 3, 5, 4, 6]),
        &[(-1, 1), (0, 4), (1, 1)],
        None,
    );
    assert_densities(
        &Vector::new("5236-Ex5", 6, &[1, 2, 5, 3, 6, 2]),
        &[(-2, 1), (0, 3), (2, 1)],
        None,
    );
    // D = −1 1 −1 −1 2
    assert_densities(
        &Vector::new("5236-Ex1", 5, &[2, 1, 4, 5, 3]),
        &[(-1, 3), (1, 1), (2, 1)],
        None,
    );
}

#[test]
fn rfc5236_densities_are_parts_of_what_was_counted() {
    let (_, found) = Vector::new("5236-8a", 8, &[1, 4, 2, 5, 3, 6, 7, 8]).observe(WIDE);
    let distributions = found.distributions();
    assert_eq!(
        distributions["reorder_density"],
        serde_json::json!({ "-2": 0.125, "-1": 0.125, "0": 0.5, "1": 0.125, "2": 0.125 })
    );
    assert_eq!(
        distributions["buffer_density"],
        serde_json::json!({ "0": 0.625, "1": 0.25, "2": 0.125 })
    );
    assert_eq!(distributions["extent"], serde_json::json!({ "1": 1, "3": 1 }));
}

#[test]
fn distributions_say_what_one_figure_cannot() {
    let vector = Vector::new("4737-T3", 12, &[1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11, 11])
        .at(&[68, 88, 108, 188, 208, 228, 248, 250, 252, 256, 268, 270]);
    let distributions = vector.observe(WIDE).1.distributions();
    assert_eq!(distributions["byte_offset"]["count"], 3);
    assert_eq!(distributions["byte_offset"]["median"], 400);
    assert_eq!(distributions["gap_ns"], serde_json::json!({ "count": 0 }));
    assert_eq!(distributions["reordering_free_runs"]["mean"], 8.0 / 3.0);
    assert_eq!(distributions["duplication"]["fraction"], 1.0 / 11.0);
    assert_eq!(
        distributions["window"],
        serde_json::json!({ "too_old": 0, "implausible": 0, "extents": 0 })
    );
}

#[test]
fn flows_add_up() {
    let one = Vector::new("one", 6, &[1, 3, 2, 4, 4, 6]);
    let mut sum = one.observe(WIDE).1;
    sum.add(
        &Vector::new("other", 4, &[2, 3, 1, 4])
            .at(&[10, 20, 30, 40])
            .observe(WIDE)
            .1,
    );
    assert_identities("sum", &sum);
    assert_eq!((sum.sent, sum.distinct, sum.lost, sum.duplicates), (10, 9, 1, 1));
    assert_eq!(sum.order.extents, Counts::from([(1, 1), (2, 1)]));
    assert_eq!(sum.order.byte_offset.len(), 2);
    assert_eq!(sum.order.late_ns.len(), 1, "only one of the flows has times");
    assert_eq!(sum.reorder_density.values().sum::<u64>(), 9);
}

#[test]
fn without_reordering_there_is_no_run_to_average() {
    let (_, found) = Vector::new("in order", 3, &[1, 2, 3]).observe(WIDE);
    assert_eq!(found.order.runs.mean(), None);
    let nothing = Vector::new("nothing", 3, &[]).observe(WIDE).1;
    assert_eq!((nothing.reordered_ratio(), nothing.lost), (None, 3));
}

#[test]
fn a_copy_is_not_reordering() {
    let (_, found) = Vector::new("5236-§2b", 5, &[1, 2, 3, 2, 4, 5]).observe(WIDE);
    assert_eq!(found.order.reordered, 0);
    let expected = serde_json::json!({ "fraction": 0.2, "replicated_rate": 0.2 });
    assert_eq!(found.distributions()["duplication"], expected);
    assert_eq!(found.reorder_density, Counts::from([(0, 5)]));
}

#[test]
fn third_copies_count_once_in_the_replicated_rate() {
    let (_, found) = Vector::new("three copies", 3, &[1, 2, 2, 2, 3]).observe(WIDE);
    assert_eq!((found.duplicates, found.replicated, found.lost), (2, 1, 0));
}

#[test]
fn a_rogue_number_is_discarded_by_the_thresholds() {
    let arrivals = &[1, 5430, 2, 3, 4, 5];
    let rogue = Vector::new("rogue, believed", 5430, arrivals);
    assert_densities(&rogue, &[(0, 5)], Some(&[(0, 1), (1, 5)]));

    // A window that believes the leap calls everything after it late, as plain RFC 4737 does.
    assert_eq!(rogue.observe(WIDE).1.order.reordered, 4);

    let (arrivals, found) = Vector::new("rogue, not believed", 5, arrivals).observe_all(64);
    assert_eq!(arrivals[1], (5430, Arrival::Implausible));
    assert_eq!((found.order.reordered, found.implausible, found.lost), (0, 1, 0));
}

#[test]
fn a_copy_never_makes_up_for_a_loss() {
    let (_, found) = Vector::new("killer", 3, &[1, 3, 3]).observe(WIDE);
    assert_eq!((found.lost, found.duplicates, found.order.reordered), (1, 1, 0));
    let (_, found) = Vector::new("killer 2", 4, &[1, 3, 4, 3]).observe(WIDE);
    assert_eq!((found.lost, found.duplicates, found.order.reordered), (1, 1, 0));
}

#[test]
fn a_flow_that_really_leaps_is_followed_again() {
    let mut observer = Observer::new(Thresholds {
        window: 64,
        ..Thresholds::default()
    });
    observer.observe(1, None, None, 100);
    assert_eq!(observer.observe(1000, None, None, 100), Arrival::Implausible);
    assert_eq!(
        observer.observe(1001, None, None, 100),
        Arrival::InOrder { discontinuity: 999 }
    );
    assert_eq!(
        observer.observe(1002, None, None, 100),
        Arrival::InOrder { discontinuity: 0 }
    );
    assert_eq!(observer.observe(900, None, None, 100), Arrival::BeyondWindow);
    let found = observer.finish(1002);
    assert_identities("leap", &found);
    assert_eq!((found.distinct, found.lost), (3, 999));
}

#[test]
fn an_extent_beyond_the_window_is_said_not_guessed() {
    let mut observer = Observer::new(Thresholds {
        window: 64,
        ..Thresholds::default()
    });
    // 60 leaps over 1 to 59; then late ones and new ones take turns, so that 59 comes 89 places after 60.
    observer.observe(60, None, None, 100);
    for step in 0..30 {
        observer.observe(1 + step, None, None, 100);
        observer.observe(61 + step, None, None, 100);
    }
    for number in 31..59 {
        observer.observe(number, None, None, 100);
    }
    let Arrival::Reordered(late) = observer.observe(59, None, None, 100) else {
        panic!("59 is late")
    };
    assert_eq!((late.extent, late.byte_offset), (None, None));
    let found = observer.finish(90);
    assert_identities("extent", &found);
    assert_eq!((found.order.reordered, found.lost), (59, 0));
    assert!(found.order.extent_beyond_window > 0);
}

#[test]
fn one_way_delay_is_taken_of_first_copies() {
    let mut observer = Observer::new(Thresholds::default());
    observer.observe(1, Some(1500), Some(500), 100);
    observer.observe(1, Some(9500), Some(500), 100);
    observer.observe(2, None, Some(500), 100);
    let delay = observer.finish(2).delay;
    assert_eq!((delay.len(), delay.max()), (1, 1000));
}

mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// RFC 4737 by its definitions, over everything that arrived.
    fn naive(arrivals: &[u64]) -> Vec<(u64, u64, u64, u64)> {
        let mut first: Vec<u64> = Vec::new();
        let mut late = Vec::new();
        for &number in arrivals {
            if first.contains(&number) {
                continue;
            }
            let index = first.len();
            if let Some(earliest) = first.iter().position(|&other| other > number) {
                let n = first.iter().rev().take_while(|&&other| other > number).count();
                let waiting = first[earliest..].iter().filter(|&&other| other > number).count();
                late.push((number, (index - earliest) as u64, n as u64, 100 * waiting as u64));
            }
            first.push(number);
        }
        late
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_window_agrees_with_the_definitions(arrivals in vec(1..60_u64, 0..120)) {
            let mut observer = Observer::new(Thresholds::default());
            let mut late = Vec::new();
            for &number in &arrivals {
                if let Arrival::Reordered(found) = observer.observe(number, None, None, 100) {
                    let (extent, bytes) = (found.extent.expect("in window"), found.byte_offset.expect("in window"));
                    late.push((number, extent, found.n, bytes));
                }
            }
            prop_assert_eq!(late, naive(&arrivals));
            assert_identities("random", &observer.finish(59));
        }

        #[test]
        fn any_numbers_in_any_window_keep_the_identities(
            arrivals in vec(prop_oneof![1..300_u64, any::<u64>()], 0..300),
        ) {
            let mut observer = Observer::new(Thresholds { window: 64, displacement: 3, occupancy: 3 });
            for &number in &arrivals {
                observer.observe(number, None, None, 1);
            }
            assert_identities("any", &observer.finish(u64::MAX));
        }

        #[test]
        fn without_loss_every_datagram_has_a_displacement_and_they_cancel_out(
            numbers in Just((1..=40_u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut observer = Observer::new(Thresholds { window: 64, displacement: 64, occupancy: 64 });
            for &number in &numbers {
                observer.observe(number, None, None, 1);
            }
            let found = observer.finish(40);
            prop_assert_eq!(found.reorder_density.values().sum::<u64>(), 40);
            let sum: i64 = found.reorder_density.iter().map(|(&places, &count)| places * count as i64).sum();
            prop_assert_eq!(sum, 0);
        }
    }
}
