//! The same work by the engine and by smoltcp: one thread, both ends, a wire in memory that needs no checksums.
//!
//! smoltcp keeps no TIME_WAIT here; the engine keeps every entry for its 60 s.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handfast_bench::engine_ends::EngineEnds;
use handfast_bench::smoltcp_ends::SmoltcpEnds;
use handfast_bench::{BULK_BUFFER, DATAGRAM, Ends};

const OPEN: usize = 64;
const BATCH: usize = 32;
const STREAM: usize = 1 << 20;

fn compare(
    criterion: &mut Criterion,
    name: &str,
    throughput: Throughput,
    mut work: impl FnMut(&mut dyn Ends),
) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(throughput);
    let stacks: [(&str, Box<dyn Ends>); 2] = [
        ("engine", Box::new(EngineEnds::new(OPEN))),
        ("smoltcp", Box::new(SmoltcpEnds::new(BULK_BUFFER))),
    ];
    for (stack, mut ends) in stacks {
        if name != "connection" {
            // The cost of a connection is not to depend on others that are open.
            ends.open(if name == "stream" { 1 } else { OPEN }, 30);
        }
        group.bench_function(stack, |bencher| bencher.iter(|| work(&mut *ends)));
    }
    group.finish();
}

fn side_by_side(criterion: &mut Criterion) {
    compare(criterion, "connection", Throughput::Elements(1), |ends| {
        ends.connection();
    });
    compare(
        criterion,
        "request-response",
        Throughput::Elements(BATCH as u64),
        |ends| ends.exchange(BATCH),
    );
    compare(
        criterion,
        &format!("datagrams-of-{DATAGRAM}-bytes"),
        Throughput::Elements(BATCH as u64),
        |ends| {
            ends.datagrams(BATCH);
        },
    );
    compare(criterion, "stream", Throughput::Bytes(STREAM as u64), |ends| {
        ends.stream(STREAM);
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = side_by_side
}
criterion_main!(benches);
