use super::*;
use crate::frame::{PoolConfig, PoolUsage};
use crate::link::memory::{LocalEnd, WireConfig, pair};

const MS: u64 = 1_000_000;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// The sending end, the impaired receiving end, and the pool of both.
struct Bench {
    near: LocalEnd,
    far: Impair<LocalEnd>,
    pool: FramePool,
    batch: PacketQueue,
    sent: u16,
}

impl Bench {
    fn new(config: ImpairConfig) -> Self {
        let pool = FramePool::new(PoolConfig::default());
        let (near, far) = pair(WireConfig::default());
        Self {
            near,
            far: Impair::new(far, config, pool.clone()).unwrap(),
            pool,
            batch: PacketQueue::with_capacity(64),
            sent: 0,
        }
    }

    /// Sends `count` packets that carry their number.
    fn send(&mut self, now: Instant, count: usize) {
        self.batch.clear();
        for _ in 0..count {
            let packet = self.batch.push().unwrap();
            packet.set_header_len(20).fill(0);
            packet.header_mut()[..2].copy_from_slice(&self.sent.to_be_bytes());
            let body = self.pool.copy(Purpose::Application, &[0; 80]).unwrap();
            packet.push_piece(body.freeze()).unwrap();
            self.sent += 1;
        }
        assert_eq!(self.near.transmit(now, &mut self.batch), count);
    }

    /// Receives all that is due and returns the numbers.
    fn receive(&mut self, now: Instant) -> Vec<u16> {
        let mut numbers = Vec::new();
        loop {
            self.batch.clear();
            if self.far.receive(now, &mut self.batch) == 0 {
                return numbers;
            }
            numbers.extend(self.batch.iter().map(number_of));
        }
    }

    /// Sends in small batches, a millisecond apart, and receives until nothing is left.
    fn exchange(&mut self, packets: usize) -> Vec<u16> {
        let (mut now, mut numbers) = (at(1), Vec::new());
        for _ in 0..packets / 10 {
            self.send(now, 10);
            numbers.extend(self.receive(now));
            now += Duration::from_millis(1);
        }
        while let Some(deadline) = self.far.next_deadline() {
            numbers.extend(self.receive(deadline));
        }
        numbers
    }
}

fn number_of(packet: &Packet) -> u16 {
    let bytes = packet.contiguous();
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn sorted(mut numbers: Vec<u16>) -> Vec<u16> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn everything_at_once_repeats_for_its_seed() {
    let config = ImpairConfig {
        seed: 42,
        loss: 0.05,
        duplication: 0.05,
        corruption: 0.05,
        reordering: 0.1,
        delay: Duration::from_millis(3),
        jitter: Duration::from_millis(2),
        bits_per_second: Some(50_000_000),
        ..ImpairConfig::default()
    };
    let run = |config: ImpairConfig| {
        let mut bench = Bench::new(config);
        let numbers = bench.exchange(1000);
        (numbers, bench.far.impaired(), bench.far.counters())
    };
    let first = run(config);
    assert_eq!(first, run(config));
    assert_ne!(first.0, run(ImpairConfig { seed: 43, ..config }).0);
    let ImpairCounters {
        lost,
        duplicated,
        corrupted,
        reordered,
        delayed,
        overflowed,
    } = first.1;
    for count in [lost, duplicated, corrupted] {
        assert!((25..80).contains(&count), "5 % of 1000: {count}");
    }
    assert!((60..140).contains(&reordered), "10 % of 950: {reordered}");
    assert_eq!((delayed, overflowed), (1000 - lost + duplicated, 0));
    assert_eq!(first.0.len() as u64, 1000 - lost + duplicated);
}

#[test]
fn one_impairment_leaves_the_decisions_of_another() {
    let loss = ImpairConfig {
        seed: 9,
        loss: 0.1,
        ..ImpairConfig::default()
    };
    let with_duplicates = ImpairConfig {
        duplication: 0.5,
        jitter: Duration::from_millis(1),
        ..loss
    };
    let survivors = Bench::new(loss).exchange(500);
    let mut others = Bench::new(with_duplicates).exchange(500);
    others.dedup();
    assert_eq!(survivors, others);
}

#[test]
fn a_packet_is_held_back_by_one_to_eight_places() {
    let mut bench = Bench::new(ImpairConfig {
        seed: 3,
        reordering: 0.1,
        ..ImpairConfig::default()
    });
    let numbers = bench.exchange(2000);
    assert_eq!(sorted(numbers.clone()), (0..2000).collect::<Vec<_>>());
    let mut passed_by = [0; 9];
    // Late is who comes after a higher number (RFC 4737); those numbers are who passed it.
    for (position, &number) in numbers.iter().enumerate() {
        let passers = numbers[..position]
            .iter()
            .filter(|&&other| other > number)
            .count();
        passed_by[passers] += 1;
    }
    let late: usize = passed_by[1..].iter().sum();
    assert!((150..250).contains(&late), "{passed_by:?}");
    assert!(passed_by.iter().all(|&packets| packets > 0), "{passed_by:?}");
}

#[test]
fn who_is_passed_by_nobody_goes_on_after_the_limit() {
    let mut bench = Bench::new(ImpairConfig {
        reordering: 1.0,
        places: 64,
        ..ImpairConfig::default()
    });
    bench.send(at(5), 1);
    assert_eq!(bench.receive(at(5)), []);
    assert_eq!(bench.far.next_deadline(), Some(at(15)));
    assert_eq!(bench.receive(at(14)), []);
    assert_eq!(bench.receive(at(15)), [0]);
    assert_eq!(bench.far.next_deadline(), None);
}

#[test]
fn delay_is_exact_and_jitter_keeps_order() {
    let mut bench = Bench::new(ImpairConfig {
        delay: Duration::from_millis(10),
        ..ImpairConfig::default()
    });
    bench.send(at(1), 2);
    assert_eq!(bench.receive(at(1)), []);
    assert_eq!(bench.far.next_deadline(), Some(at(11)));
    assert_eq!(bench.receive(Instant::from_nanos(11 * MS - 1)), []);
    assert_eq!(bench.receive(at(11)), [0, 1]);

    let mut bench = Bench::new(ImpairConfig {
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(4),
        ..ImpairConfig::default()
    });
    bench.send(at(0), 50);
    assert_eq!(bench.receive(at(0)), []);
    let mut arrivals = Vec::new();
    while let Some(deadline) = bench.far.next_deadline() {
        arrivals.extend(
            bench
                .receive(deadline)
                .into_iter()
                .map(|number| (deadline, number)),
        );
    }
    assert!(arrivals.is_sorted() && arrivals.iter().map(|arrival| arrival.1).eq(0..50));
    assert!(
        arrivals
            .iter()
            .all(|arrival| at(1) <= arrival.0 && arrival.0 <= at(5))
    );
    assert!(arrivals[0].0 < arrivals[49].0);
}

#[test]
fn a_rate_spaces_packets() {
    // 100 bytes at 800 kbit/s take a millisecond.
    let mut bench = Bench::new(ImpairConfig {
        bits_per_second: Some(800_000),
        ..ImpairConfig::default()
    });
    bench.send(at(0), 5);
    assert_eq!(bench.receive(at(0)), []);
    for millis in 1..=5 {
        assert_eq!(bench.receive(Instant::from_nanos(millis * MS - 1)), []);
        assert_eq!(bench.receive(at(millis)), [millis as u16 - 1]);
    }
    bench.send(at(100), 1);
    assert_eq!(bench.receive(at(100)), []);
    assert_eq!(
        bench.far.next_deadline(),
        Some(at(101)),
        "an idle link saves nothing up"
    );
}

#[test]
fn a_full_wire_loses_what_comes_on_top() {
    let mut bench = Bench::new(ImpairConfig {
        delay: Duration::from_millis(1),
        reordering: 0.5,
        duplication: 0.5,
        capacity: 16,
        ..ImpairConfig::default()
    });
    bench.send(at(0), 40);
    assert_eq!(bench.receive(at(0)), []);
    let arrived = bench.receive(at(20)).len() as u64;
    let ImpairCounters {
        duplicated,
        overflowed,
        ..
    } = bench.far.impaired();
    assert!(arrived <= 16 && overflowed > 0);
    assert_eq!(arrived + overflowed, 40 + duplicated);
    assert_eq!(bench.far.counters().dropped, overflowed);
}

#[test]
fn corruption_flips_one_bit_of_a_copy() {
    let mut bench = Bench::new(ImpairConfig {
        corruption: 1.0,
        ..ImpairConfig::default()
    });
    let original = bench
        .pool
        .copy(Purpose::Application, &[0x55; 300])
        .unwrap()
        .freeze();
    let packet = bench.batch.push().unwrap();
    packet.set_header_len(30).fill(0x55);
    packet.push_piece(original.clone()).unwrap();
    bench.near.transmit(at(0), &mut bench.batch);
    assert_eq!(bench.far.receive(at(0), &mut bench.batch), 1);
    let damaged = bench.batch.get(0).unwrap();
    let flipped: u32 = damaged
        .contiguous()
        .iter()
        .map(|byte| (byte ^ 0x55).count_ones())
        .sum();
    assert_eq!((damaged.len(), flipped), (330, 1));
    assert!(original.iter().all(|&byte| byte == 0x55));
    assert_eq!(bench.far.counters().copied_bytes, 330);
}

#[test]
fn damage_is_never_vouched_for() {
    let mut bench = Bench::new(ImpairConfig {
        corruption: 1.0,
        ..ImpairConfig::default()
    });
    let capabilities = bench.far.capabilities();
    assert!(!capabilities.computes_checksums && !capabilities.verifies_checksums);
    assert_eq!(capabilities.max_segment, 0);
    let packet = bench.batch.push().unwrap();
    packet
        .set_header_len(40)
        .copy_from_slice(&offload::tests::TCP_OFFLOADED);
    packet.checksum = Checksum::Offloaded;
    bench.near.transmit(at(0), &mut bench.batch);
    bench.far.receive(at(0), &mut bench.batch);
    let damaged = bench.batch.get(0).unwrap();
    assert_eq!(damaged.checksum, Checksum::InPacket);
    let differing: u32 = damaged
        .contiguous()
        .iter()
        .zip(&offload::tests::TCP_COMPLETED)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    assert_eq!(differing, 1, "the checksum was completed before the damage");
}

#[test]
fn without_corruption_the_device_keeps_its_offloads() {
    let lossy = Bench::new(ImpairConfig {
        loss: 0.1,
        ..ImpairConfig::default()
    });
    let capabilities = lossy.far.capabilities();
    assert!(capabilities.computes_checksums && capabilities.verifies_checksums);
    assert_eq!(capabilities.max_segment, 0);
    let clear = Bench::new(ImpairConfig::default());
    assert_eq!(clear.far.capabilities(), clear.near.capabilities());
}

#[test]
fn slots_come_home_from_a_wire_in_use() {
    let mut bench = Bench::new(ImpairConfig {
        duplication: 0.3,
        corruption: 0.3,
        reordering: 0.3,
        delay: Duration::from_millis(1),
        ..ImpairConfig::default()
    });
    bench.send(at(0), 60);
    bench.receive(at(0));
    assert!(bench.pool.usage().small > 0);
    let pool = bench.pool.clone();
    drop(bench);
    pool.audit().unwrap();
    let none = PoolUsage {
        small: 0,
        large: 0,
        borrowed: 0,
        lent: 0,
    };
    assert_eq!(pool.usage(), none);
}

#[test]
fn values_out_of_range_are_named() {
    let message = |config: ImpairConfig| config.validate().unwrap_err().to_string();
    let plain = ImpairConfig::default();
    assert!(message(ImpairConfig { loss: 1.5, ..plain }).contains("loss is 1.5"));
    assert!(
        message(ImpairConfig {
            duplication: -0.1,
            ..plain
        })
        .contains("duplication is -0.1")
    );
    assert!(
        message(ImpairConfig {
            corruption: f64::NAN,
            ..plain
        })
        .contains("corruption is NaN")
    );
    assert!(
        message(ImpairConfig {
            reordering: 2.0,
            ..plain
        })
        .contains("reordering is 2")
    );
    assert!(message(ImpairConfig { places: 65, ..plain }).contains("places is 65"));
    assert!(
        message(ImpairConfig {
            bits_per_second: Some(0),
            ..plain
        })
        .contains("bits_per_second is 0")
    );
    assert!(message(ImpairConfig { capacity: 0, ..plain }).contains("capacity is 0"));
    assert!(plain.validate().is_ok());
}
