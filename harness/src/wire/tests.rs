//! The emulator in virtual time.

use std::io::Write;

use super::emulator::Emulator;
use super::settings::{Discipline, Limit, Link, Reorder, Shape};
use super::truth::Report;
use crate::stack::Nanos;

const MILLISECOND: Nanos = 1_000_000;
const SECOND: Nanos = 1_000_000_000;

fn link(text: &str) -> Link {
    text.parse().expect(text)
}

fn emulator(text: &str, seed: u64) -> Emulator<u64> {
    Emulator::new(link(text), seed, true)
}

/// Sends `count` packets of so many bytes, one each `gap`, and gives what arrives: when, and which.
fn course(wire: &mut Emulator<u64>, count: u64, bytes: u32, gap: Nanos) -> Vec<(Nanos, u64)> {
    for number in 1..=count {
        wire.offer((number - 1) * gap, bytes, number);
    }
    rest(wire)
}

fn rest(wire: &mut Emulator<u64>) -> Vec<(Nanos, u64)> {
    let mut arrived = Vec::new();
    while let Some(now) = wire.next_time() {
        while let Some(delivery) = wire.due(now) {
            arrived.push((now, delivery.packet));
        }
    }
    arrived
}

fn passed_of(text: &str, count: u64, seed: u64) -> Report {
    let mut wire = emulator(text, seed);
    course(&mut wire, count, 100, MILLISECOND);
    wire.truth.report()
}

#[test]
fn a_rate_and_a_delay_are_exact_to_the_nanosecond() {
    // 1,250 bytes at 10 Mbit/s take 1 ms.
    let mut wire = emulator("rate=10mbit,delay=20ms", 1);
    let arrived = course(&mut wire, 500, 1250, 0);
    let expected: Vec<_> = (1..=500)
        .map(|number| ((20 + number) * MILLISECOND, number))
        .collect();
    assert_eq!(arrived, expected);
}

#[test]
fn times_do_not_depend_on_how_late_somebody_looks() {
    let mut late = emulator("rate=10mbit,delay=20ms", 1);
    let mut punctual = emulator("rate=10mbit,delay=20ms", 1);
    course(&mut punctual, 50, 1250, 300_000);
    for number in 1..=50 {
        late.offer((number - 1) * 300_000, 1250, number);
    }
    while late.due(SECOND).is_some() {}
    assert_eq!(late.truth.report().delay, punctual.truth.report().delay);
}

#[test]
fn a_full_queue_drops_the_last() {
    let mut wire = emulator("rate=10mbit,queue=3p", 1);
    let arrived = course(&mut wire, 10, 1250, 0);
    assert_eq!(
        arrived.iter().map(|(_, number)| *number).collect::<Vec<_>>(),
        [1, 2, 3, 4],
        "one is being sent, three wait"
    );
    assert_eq!(wire.truth.report().dropped_by_queue, 6);
}

#[test]
fn losses_follow_their_probabilities() {
    const PACKETS: u64 = 200_000;
    let part = |text| passed_of(text, PACKETS, 7).dropped_by_loss as f64 / PACKETS as f64;
    assert!((part("loss=1%") - 0.01).abs() < 0.001);
    // Bad for p / (p + r) of the time: 1 of 6. Loss is 5/6 × 0.1 % + 1/6 × 50 %.
    assert!((part("loss=ge:2%,10%") - 1.0 / 6.0).abs() < 0.008);
    assert!((part("loss=ge:2%,10%,50%,0.1%") - (0.5 + 0.005) / 6.0).abs() < 0.005);
}

#[test]
fn losses_of_a_chain_come_in_bursts_as_long_as_its_recovery_says() {
    let mut wire = emulator("loss=ge:2%,20%", 3);
    let arrived = course(&mut wire, 200_000, 100, MILLISECOND);
    let gaps: Vec<u64> = arrived
        .windows(2)
        .map(|two| two[1].1 - two[0].1 - 1)
        .filter(|gap| *gap > 0)
        .collect();
    let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
    assert!(
        (mean - 5.0).abs() < 0.3,
        "one fifth recovers at every packet: {mean}"
    );
}

#[test]
fn decisions_depend_on_seed_and_number_alone() {
    let decided = |text: &str, seed, gap| {
        let mut wire = emulator(text, seed);
        let arrived = course(&mut wire, 3000, 100, gap);
        let mut numbers: Vec<u64> = arrived.iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        let Report {
            duplicated,
            corrupted,
            ..
        } = wire.truth.report();
        (numbers, duplicated, corrupted)
    };
    let text = "loss=ge:2%,20%,duplicate=3%,corrupt=2%";
    assert_eq!(decided(text, 5, MILLISECOND), decided(text, 5, 77));
    assert_ne!(decided(text, 5, MILLISECOND), decided(text, 6, MILLISECOND));
    let (with_jitter, without) = (format!("{text},jitter=2ms:normal"), decided(text, 5, 77));
    assert_eq!(
        decided(&with_jitter, 5, 77),
        without,
        "one option changes no other's decisions"
    );
}

#[test]
fn duplicates_and_corrupted_packets_come_as_often_as_asked() {
    let report = passed_of("duplicate=10%,corrupt=5%", 100_000, 2);
    assert!((4700..5300).contains(&report.corrupted), "{report:?}");
    // Of the 95 % that are not corrupted.
    assert!((9100..9900).contains(&report.duplicated), "{report:?}");
    assert_eq!(report.passed + report.corrupted, 100_000);
}

#[test]
fn every_third_is_overtaken_by_a_gap() {
    let mut wire = emulator("delay=1ms,reorder=gap:3,1500us", 1);
    let arrived = course(&mut wire, 9, 100, MILLISECOND);
    let numbers: Vec<u64> = arrived.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 2, 4, 3, 5, 7, 6, 8, 9]);
    assert_eq!(wire.truth.report().reordered, 2, "nobody follows the ninth");
}

#[test]
fn parallel_paths_keep_the_order_within_each() {
    let mut wire = emulator("reorder=paths:2,2500us", 1);
    let arrived = course(&mut wire, 8, 100, MILLISECOND);
    let numbers: Vec<u64> = arrived.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 3, 2, 5, 4, 7, 6, 8]);
    for path in 0..2 {
        let own: Vec<_> = numbers.iter().filter(|number| *number % 2 == path).collect();
        assert!(own.is_sorted());
    }
}

#[test]
fn jitter_keeps_the_order_and_has_the_shape_that_was_asked_for() {
    for (shape, lowest, middle) in [("uniform", 8, 10), ("normal", 0, 10), ("pareto", 10, 10)] {
        let mut wire = emulator(&format!("delay=10ms,jitter=2ms:{shape}"), 4);
        let arrived = course(&mut wire, 20_000, 100, 50 * MILLISECOND);
        assert!(arrived.is_sorted_by_key(|(_, number)| *number), "{shape}");
        let delay = wire.truth.report().delay.expect("packets");
        assert!(delay.min_ns >= lowest * 999_000, "{shape}: {delay:?}");
        // The median of Pareto's is 2 ms × (2^(1/3) − 1) = 0.52 ms above.
        let median = middle * MILLISECOND + if shape == "pareto" { 520_000 } else { 0 };
        assert!(delay.p50_ns.abs_diff(median) < 100_000, "{shape}: {delay:?}");
    }
}

#[test]
fn changes_come_at_their_times() {
    let mut wire = emulator("delay=1ms,at=10ms:loss=100%,at=20ms:loss=0%,at=20ms:delay=5ms", 1);
    let arrived = course(&mut wire, 30, 100, MILLISECOND);
    let before = (1..=10).map(|number| (number * MILLISECOND, number));
    let after = (21..=30).map(|number| ((number + 4) * MILLISECOND, number));
    assert_eq!(arrived, before.chain(after).collect::<Vec<_>>());
}

#[test]
fn the_log_tells_of_every_packet() {
    let mut wire = emulator("rate=10mbit,queue=1p,delay=1ms", 1);
    course(&mut wire, 3, 1250, 0);
    let mut log = Vec::new();
    wire.truth.write("forward", &mut log).expect("memory");
    log.flush().expect("memory");
    assert_eq!(
        String::from_utf8(log).expect("text"),
        "forward,1,0,1250,passed,2000000\nforward,2,0,1250,passed,3000000\nforward,3,0,1250,dropped-by-queue,\n"
    );
}

#[test]
fn codel_keeps_a_standing_queue_short_where_tail_drop_does_not() {
    let median = |queue: &str| {
        let mut wire = emulator(&format!("rate=10mbit,queue=1000p{queue}"), 1);
        // Twelve packets where ten leave, for 10 s.
        course(&mut wire, 12_000, 1250, 833_333);
        wire.truth.report().delay.expect("packets").p50_ns
    };
    assert!(median(":codel") < median("") / 3);
}

#[test]
fn the_language_is_understood() {
    let full = link(
        "rate=100mbit,delay=20ms,jitter=2ms:normal,loss=ge:1%,20%,duplicate=0.5%,reorder=delay:1%,5ms,queue=64KiB:codel",
    );
    let settings = full.at(0);
    assert_eq!(settings.rate, Some(100_000_000));
    assert_eq!(settings.jitter.map(|jitter| jitter.shape), Some(Shape::Normal));
    assert_eq!(settings.duplicate, 0.005);
    let held = 5 * MILLISECOND;
    assert_eq!(
        settings.reorder,
        Some(Reorder::Delay {
            probability: 0.01,
            held
        })
    );
    assert_eq!(settings.queue.limit, Limit::Bytes(65_536));
    assert!(matches!(
        settings.queue.discipline,
        Discipline::Codel {
            target: 5_000_000,
            ..
        }
    ));
    assert_eq!(link("delay=0ms").at(0).delay, 0);
    assert_eq!(
        link("queue=90p:red").at(0).queue,
        link("queue=90p:red:15,45,10%,0.002").at(0).queue
    );
    for text in ["", "rate=1.5gbit", "loss=0%,at=5s:loss=10%"] {
        let json = serde_json::to_string(&link(text)).expect("text");
        assert_eq!(serde_json::from_str::<Link>(&json).expect("a link"), link(text));
    }
}

#[test]
fn what_is_not_understood_is_named_with_the_way_out() {
    for (text, word, way_out) in [
        ("delay=5ms,rate=1mbit,delay=6ms", "delay is set twice", "keep one"),
        ("at=1s:loss=1%,at=1s:loss=2%", "loss is set twice", "keep one"),
        ("queue=0p", "`0p`", "1p"),
        ("dealy=20ms", "`dealy`", "did you mean delay?"),
        ("bandwidth=1mbit", "`bandwidth`", "there are rate, delay"),
        ("rate=100", "`100`", "rate=100mbit"),
        ("rate=1mbit,loss", "loss", "loss=1%"),
        ("loss=1", "`1`", "1%"),
        ("loss=101%", "`101%`", "100%"),
        ("loss=ge:1%", "`ge:1%`", "loss=ge:1%,20%"),
        ("jitter=2ms:normale", "`normale`", "did you mean normal?"),
        ("delay=20", "`20`", "500ms"),
        ("reorder=gap:0,1ms", "`0`", "at least 1"),
        ("reorder=5%", "`5%`", "reorder=gap:10,5ms"),
        ("queue=10p:codl", "`codl`", "did you mean codel?"),
        ("queue=10p:red:9,5,10%", "red:9,5,10%", "queue=100p:red:25,75,10%"),
        ("at=5s:loss=1%,delay=1ms", "`delay=1ms`", "first"),
        (
            "at=5s:loss=1%,at=2s:loss=0%",
            "`at=2s:loss=0%`",
            "order of their times",
        ),
        ("at=5s", "`5s`", "at=5s:loss=10%"),
    ] {
        let error = text.parse::<Link>().expect_err(text);
        assert!(error.contains(word) && error.contains(way_out), "{text}: {error}");
    }
}
