//! The parts of the engine that every segment passes, one by one.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use handfast::arch::checksum::Sum;
use handfast::arch::tuple_hash::TupleHasher;
use handfast::time::{self, Instant};
use handfast::transport::flow_table::{Flow, FlowTable};
use handfast::transport::tcp::options::{Timestamps, emit_segment};
use handfast::transport::tcp::segment::{EmitHeader, Flags, HEADER_LEN, Header};
use handfast::transport::tcp::seq::SeqNumber;
use handfast::transport::timer_wheel::{Link, Links, TimerWheel};
use handfast_bench::Turns;

const SECRET: [u8; 32] = [7; 32];
const TIMESTAMPS: Option<Timestamps> = Some(Timestamps { tsval: 1, tsecr: 2 });
/// A header with timestamps: the ordinary segment.
const SEGMENT_LEN: usize = HEADER_LEN + 12;

fn build(out: &mut [u8; SEGMENT_LEN]) {
    let header = EmitHeader {
        seq: SeqNumber(1),
        ack: SeqNumber(2),
        source_port: 1024,
        destination_port: 7,
        window: 512,
        urgent: 0,
        flags: Flags::ACK.with(Flags::PSH),
    };
    let (fixed, options) = out
        .split_first_chunk_mut()
        .expect("a segment is longer than its fixed header");
    header.emit(emit_segment(TIMESTAMPS, &[], options), fixed);
}

fn segment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment");
    group.throughput(Throughput::Elements(1));
    let mut segment = [0; SEGMENT_LEN];
    group.bench_function("build", |bencher| bencher.iter(|| build(black_box(&mut segment))));
    build(&mut segment);
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Header::parse(black_box(&segment)));
    });
    group.finish();
}

fn checksum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for size in [20, 64, 256, 1460, 9000, 65_000] {
        let bytes = vec![0xa5; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &bytes, |bencher, bytes| {
            bencher.iter(|| Sum::zero().add_bytes(black_box(bytes)).finish());
        });
    }
    group.finish();
}

fn tuple_hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tuple-hash");
    group.throughput(Throughput::Elements(1));
    for (name, hasher) in [
        ("fastest", TupleHasher::new(SECRET)),
        ("portable", TupleHasher::portable(SECRET)),
    ] {
        group.bench_function(BenchmarkId::new("ipv4", name), |bencher| {
            bencher.iter(|| hasher.hash_v4(black_box([1; 12])));
        });
        group.bench_function(BenchmarkId::new("ipv6", name), |bencher| {
            bencher.iter(|| hasher.hash_v6(black_box([1; 36])));
        });
    }
    group.finish();
}

/// Hash and lookup without prefetch: each lookup waits for its own cache line.
fn flow_lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow-lookup");
    group.throughput(Throughput::Elements(1));
    let hasher = TupleHasher::new(SECRET);
    let hash = |flow: usize| {
        let mut tuple = [0; 12];
        tuple[..8].copy_from_slice(&(flow as u64).to_le_bytes());
        hasher.hash_v4(tuple)
    };
    for flows in [1, 100, 10_000, 1_000_000] {
        let mut table = FlowTable::new(flows);
        for flow in 0..flows {
            table
                .insert(hash(flow), Flow::Connection(flow as u32))
                .expect("the table was made for as many");
        }
        let mut turns = Turns::default();
        group.bench_function(BenchmarkId::from_parameter(flows), |bencher| {
            bencher.iter(|| {
                let flow = turns.next(flows);
                table.find(hash(flow), |found| found == Flow::Connection(flow as u32))
            });
        });
    }
    group.finish();
}

struct Timers(Vec<Link>);

impl Links for Timers {
    fn link(&self, id: u32) -> &Link {
        &self.0[id as usize]
    }

    fn link_mut(&mut self, id: u32) -> &mut Link {
        &mut self.0[id as usize]
    }
}

fn timer_wheel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer-wheel");
    group.throughput(Throughput::Elements(1));
    for count in [1_000, 1_000_000] {
        let mut timers = Timers(vec![Link::default(); count]);
        let mut wheel = TimerWheel::new(Instant::ZERO);
        let at = |id: usize| Instant::from_micros(200_000 + (id as u64 * 7919) % 10_000_000);
        for id in 0..count {
            wheel.schedule(&mut timers, id as u32, at(id));
        }
        let mut turns = Turns::default();
        group.bench_function(BenchmarkId::new("cancel-and-schedule", count), |bencher| {
            bencher.iter(|| {
                let id = turns.next(count);
                wheel.cancel(&mut timers, id as u32);
                wheel.schedule(&mut timers, id as u32, at(id));
            });
        });
        let (mut now, mut due) = (Instant::ZERO, Vec::with_capacity(count));
        group.bench_function(BenchmarkId::new("a-tick-with-what-fires", count), |bencher| {
            bencher.iter(|| {
                now += time::Duration::from_millis(1);
                wheel.advance(&mut timers, now, usize::MAX, &mut due);
                for id in due.drain(..) {
                    wheel.schedule(&mut timers, id, now + time::Duration::from_secs(10));
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20);
    targets = segment, checksum, tuple_hash, flow_lookup, timer_wheel
}
criterion_main!(benches);
