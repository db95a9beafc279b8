//! What a request and its response cost beside other open connections, all of which take turns: two segments, both ends.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use handfast_bench::Ends;
use handfast_bench::engine_ends::EngineEnds;
use handfast_bench::smoltcp_ends::SmoltcpEnds;

const BATCH: usize = 32;
/// What opening the connections may take before a stack is left out.
const SETUP_SECONDS: u64 = 30;
const SMOLTCP_BUFFER: usize = 64;

fn exchange(criterion: &mut Criterion, stack: &str, counts: &[usize], make: fn(usize) -> Box<dyn Ends>) {
    let mut group = criterion.benchmark_group(format!("open-connections/{stack}"));
    for &count in counts {
        let mut ends = make(count);
        let reached = ends.open(count, SETUP_SECONDS);
        if reached < count {
            eprintln!("{stack}: {reached} of {count} connections opened in {SETUP_SECONDS} s; left out");
            break;
        }
        let batch = BATCH.min(count);
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| ends.exchange(batch));
        });
    }
    group.finish();
}

fn open_connections(criterion: &mut Criterion) {
    let engine = |count| -> Box<dyn Ends> { Box::new(EngineEnds::new(count)) };
    exchange(
        criterion,
        "engine",
        &[1, 32, 1_000, 10_000, 100_000, 1_000_000],
        engine,
    );
    let smoltcp = |_| -> Box<dyn Ends> { Box::new(SmoltcpEnds::new(SMOLTCP_BUFFER)) };
    exchange(criterion, "smoltcp", &[1, 32, 1_000, 10_000, 60_000], smoltcp);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(10);
    targets = open_connections
}
criterion_main!(benches);
