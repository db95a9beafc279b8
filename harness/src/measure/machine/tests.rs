use super::*;

/// Two cores with compilers at work beside a run over a virtual Ethernet device: `/proc/stat` before and after it.
const BEFORE: &str = "\
cpu  161083 6099 26253 27478 421 0 141 271 0 0
cpu0 81188 2506 12672 14204 120 0 42 138 0 0
cpu1 79895 3593 13581 13274 300 0 99 133 0 0
intr 582842 0 0 0
";
const AFTER: &str = "\
cpu  161381 6160 26344 27478 421 0 156 271 0 0
cpu0 81329 2533 12722 14204 120 0 57 138 0 0
cpu1 80052 3627 13622 13274 300 0 99 133 0 0
intr 583842 0 0 0
";
/// What the run itself took meanwhile.
const OWN_NS: u64 = 651_519_954;

fn ran(core: usize, of_threads: [u64; 2]) -> Option<u64> {
    of_threads.get(core).copied()
}

/// Both looks, with what the softirq threads of the two cores had run for at each of them.
fn looked(before: [u64; 2], after: [u64; 2]) -> (Machine, Machine) {
    let read = |statistics, threads| Machine::read(statistics, |core| ran(core, threads)).expect("two cores");
    (read(BEFORE, before), read(AFTER, after))
}

#[test]
fn other_programs_are_what_neither_the_run_nor_a_softirq_thread_took() {
    let (before, after) = looked([130_750_817, 128_392_572], [131_162_690, 128_752_216]);
    let found = after.since(&before, |_| true);
    assert_eq!(found.busy_ns, (141 + 27 + 50 + 15 + 157 + 34 + 41) * TICK_NS);
    assert_eq!(found.softirq_threads_ns, 411_873 + 359_644);
    assert_eq!(found.others_ns(OWN_NS), 4_650_000_000 - OWN_NS - 771_517);
}

#[test]
fn a_softirq_thread_that_has_a_core_to_itself_is_no_other_program() {
    let (before, after) = looked([0, 0], [3_900_000_000, 0]);
    let others = after.since(&before, |_| true).others_ns(OWN_NS);
    assert_eq!(others, 4_650_000_000 - OWN_NS - 3_900_000_000);
    let (before, after) = looked([0, 0], [4_000_000_000, 0]);
    assert_eq!(
        after.since(&before, |_| true).others_ns(OWN_NS),
        0,
        "ticks round, and a difference never goes below nothing"
    );
}

#[test]
fn only_the_cores_that_are_used_count() {
    let (before, after) = looked([0, 5], [7, 5]);
    let first = after.since(&before, |core| core == 0);
    assert_eq!(
        (first.busy_ns, first.softirq_threads_ns, first.stolen_ns),
        (233 * TICK_NS, 7, 0)
    );
}

#[test]
fn where_the_threads_cannot_be_seen_all_softirqs_count_as_theirs() {
    let read = |statistics| Machine::read(statistics, |_| None).expect("two cores");
    let found = read(AFTER).since(&read(BEFORE), |_| true);
    assert_eq!(found.softirq_threads_ns, 15 * TICK_NS);
}

#[test]
fn what_a_hypervisor_takes_is_not_busy() {
    let read = |stolen| {
        let line = format!("cpu0 1 20 300 99999 99999 4000 50000 {stolen} 0 0\n");
        Machine::read(&line, |_| Some(0)).expect("one core")
    };
    let found = read(90).since(&read(0), |_| true);
    assert_eq!((found.busy_ns, found.stolen_ns), (0, 90 * TICK_NS));
    let whole = read(0).since(&Machine::default(), |_| true);
    assert_eq!(
        whole.busy_ns,
        54_321 * TICK_NS,
        "interrupts and softirqs are work"
    );
}

#[test]
fn lines_that_are_none_of_a_core_are_passed_over() {
    for unknown in [
        "",
        "cpu  1 20 300 4 5 6 7 8",
        "cpu0 1 20 300",
        "intr 1 2 3 4 5 6 7 8",
    ] {
        assert_eq!(Machine::read(unknown, |_| None), None, "{unknown:?}");
    }
}

#[test]
fn softirq_threads_are_told_from_programs_that_took_their_name() {
    let of = |name: &str, parent: u32| {
        format!("14 ({name}) S {parent} 0 0 0 -1 69238848 0 0 0 0 5 0 0 0 20 0 1 0 25")
    };
    assert_eq!(softirq_thread_of(&of("ksoftirqd/0", 2)), Some(0));
    assert_eq!(softirq_thread_of(&of("ksoftirqd/17", 2)), Some(17));
    for other in [
        of("ksoftirqd/0", 1),
        of("kworker/0:1", 2),
        of("ksoftirqd/x", 2),
        String::new(),
    ] {
        assert_eq!(softirq_thread_of(&other), None, "{other}");
    }
}

#[test]
fn this_machine_never_works_backwards() {
    let threads = SoftirqThreads::find();
    let Some(before) = Machine::now(&threads) else {
        eprintln!("SKIPPED: the kernel does not tell what its cores do");
        return;
    };
    let after = Machine::now(&threads).expect("it told before");
    assert!(
        after
            .0
            .iter()
            .zip(&before.0)
            .all(|(after, before)| after.busy >= before.busy)
    );
    assert!(
        after
            .0
            .iter()
            .zip(&before.0)
            .all(|(after, before)| after.softirq_thread >= before.softirq_thread)
    );
}
