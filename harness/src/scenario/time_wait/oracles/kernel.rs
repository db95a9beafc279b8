//! Linux, in a network namespace of each test's own. A test that may not make one says so and passes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use socket2::{Domain, Socket, Type};

use super::*;
use crate::config::{PortRange, Pressure, ScenarioKind, StackKind};
use crate::load::fake::config;
use crate::path::namespace::{self, NotPossible};
use crate::stack::oracle::{self, KernelOptions};
use crate::sys;

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const PORT: u16 = 7007;
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

const THOUSAND: PortRange = PortRange {
    low: 40_000,
    high: 40_999,
};
/// Fewer, where connections stay open, so that the descriptors last.
const HUNDRED: PortRange = PortRange {
    low: 40_000,
    high: 40_099,
};
/// Enough for a scan of half of them to stand out.
const EIGHT_THOUSAND: PortRange = PortRange {
    low: 40_000,
    high: 47_999,
};

/// Linux lets a reset end a TIME_WAIT unless it is told otherwise (RFC 1337), and so frees tuples on busy machines: an acknowledgement
/// that a timer sent on another core arrives after the FIN behind it, is answered, and that answer meets no connection any more.
const KEEPS_TIME_WAIT: &str = "tcp_rfc1337=1";

/// Plays `test` in a namespace whose clients have `ports`, and with `sysctls`.
fn in_namespace(ports: PortRange, sysctls: &[&str], test: impl FnOnce() + Send + 'static) {
    let pressure = Pressure {
        port_range: Some(ports),
        sysctls: sysctls
            .iter()
            .chain([&KEEPS_TIME_WAIT])
            .map(|text| text.parse().expect("allowed"))
            .collect(),
        ..Pressure::default()
    };
    // On a thread of its own, because that thread moves into the namespace.
    let played = std::thread::spawn(move || {
        namespace::isolate()?;
        oracle::apply(&pressure).map_err(|reason| NotPossible(reason.to_string()))?;
        test();
        Ok::<_, NotPossible>(())
    });
    match played.join() {
        Ok(Ok(())) => {}
        Ok(Err(NotPossible(reason))) => {
            eprintln!("SKIPPED: a rule of the kernel's TIME_WAIT, because there is {reason}");
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn options() -> KernelOptions {
    KernelOptions::new(StackKind::Kernel, &config(ScenarioKind::TimeWait)).expect("two descriptors")
}

fn bench_with(options: KernelOptions, to: &[SocketAddr], closing: Closing) -> Bench {
    let client = KernelOptions {
        counts_namespace: true,
        ..options
    };
    let ends = [oracle::kernel_end(client), oracle::kernel_end(options)];
    Bench::new(ends, ANY, to, closing, |_| cpu::now())
}

fn bench(closing: Closing) -> Bench {
    bench_with(options(), &[(LOOPBACK, PORT).into()], closing)
}

/// Entries held now, connections that entered, entries recycled by their client.
fn time_wait(bench: &Bench) -> (u64, u64, u64) {
    let counters = bench.counters(0);
    (
        counters.time_wait.expect("sockstat"),
        counters.time_wait_entered.expect("netstat"),
        counters.time_wait_reused.expect("netstat"),
    )
}

fn every_port_comes_back_after_a_second(mut bench: Bench) {
    bench.run_until(|tally, _| tally.completed > 2 * PORTS);
    bench.settle();
    only_ports_were_missing(&bench);
    let (established, seconds) = (bench.established(), (bench.now - bench.started) / 1_000_000_000);
    assert!(
        established <= PORTS * (1 + seconds) + 1,
        "{established} connections in {seconds} s: a port came back too soon"
    );
    assert!(bench.refused() > 0);
    // The kernel's timestamps are of a millisecond.
    assert!(
        bench.shortest_reuse() >= Some(990_000_000),
        "{:?}",
        bench.shortest_reuse()
    );
    assert_eq!(time_wait(&bench), (PORTS, established, established - PORTS));
}

fn every_tuple_serves_once(mut bench: Bench, tuples: u64) {
    // Long enough after the last for a reuse after a second to show.
    bench.run_until(|tally, elapsed| tally.failures.ports_exhausted > 100 && elapsed > 2_500_000_000);
    bench.settle();
    only_ports_were_missing(&bench);
    assert_eq!(bench.established(), tuples);
    assert_eq!(time_wait(&bench), (tuples, tuples, 0));
    assert_eq!(bench.shortest_reuse(), None);
}

/// TW1.
#[test]
fn on_127_ports_come_back_a_second_after_they_were_closed() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=2"], || {
        every_port_comes_back_after_a_second(bench(BY_CLIENT));
    });
}

/// TW2.
#[test]
fn without_reuse_there_are_as_many_connections_as_ports() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=0"], || {
        every_tuple_serves_once(bench(BY_CLIENT), PORTS);
    });
}

/// An address of the loopback device that is not of 127/8.
fn other_address() -> SocketAddr {
    let address = Ipv4Addr::new(10, 0, 0, 1);
    oracle::address_loopback(address).expect("the namespace is our own");
    (address, PORT).into()
}

/// TW3.
#[test]
fn reuse_2_is_for_127_and_not_for_every_address_of_the_loopback_device() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=2"], || {
        every_tuple_serves_once(bench_with(options(), &[other_address()], BY_CLIENT), PORTS);
    });
}

/// TW4.
#[test]
fn reuse_1_is_for_every_address() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=1"], || {
        every_port_comes_back_after_a_second(bench_with(options(), &[other_address()], BY_CLIENT));
    });
}

/// TW5.
#[test]
fn a_server_that_closes_first_keeps_the_entries_and_its_client_the_ports() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=2"], || {
        let mut bench = bench(Closing(Closer::Server, Close::Fin));
        bench.run_until(|tally, _| tally.completed >= 6 * PORTS);
        bench.settle();
        assert_eq!(bench.client.tally().failures.total(), 0);
        let (held, entered, recycled) = time_wait(&bench);
        assert_eq!((entered, recycled), (bench.established(), 0));
        // A client is given ports of one parity as long as there are any, at random, so that a few may have never been.
        assert!((PORTS * 4 / 10..=PORTS / 2).contains(&held), "{held} held");
    });
}

/// TW6.
#[test]
fn a_reset_leaves_no_time_wait() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=0"], || {
        let mut bench = bench(Closing(Closer::Client, Close::Rst));
        bench.run_until(|tally, _| tally.completed >= 3 * PORTS);
        assert_eq!(bench.client.tally().failures.total(), 0);
        assert_eq!(time_wait(&bench), (0, 0, 0));
    });
}

/// TW7.
#[test]
fn every_port_of_the_server_has_the_whole_range_of_the_client() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=0"], || {
        let to = [0, 1, 2, 3].map(|more| SocketAddr::from((LOOPBACK, PORT + more)));
        every_tuple_serves_once(bench_with(options(), &to, BY_CLIENT), 4 * PORTS);
    });
}

/// Rings learn from an event that no port was free.
#[test]
fn connects_over_rings_serve_every_tuple_once_and_miss_the_next_port() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=0"], || {
        let to = [0, 1].map(|more| SocketAddr::from((LOOPBACK, PORT + more)));
        let client = KernelOptions {
            counts_namespace: true,
            ..options()
        };
        let ends = oracle::ring_end(client).zip(oracle::ring_end(options()));
        let Some((client, server)) = ends else { return };
        let bench = Bench::new([client, server], ANY, &to, BY_CLIENT, |_| cpu::now());
        every_tuple_serves_once(bench, 2 * PORTS);
    });
}

/// TW8.
#[test]
fn a_full_table_skips_time_wait_and_the_books_balance() {
    in_namespace(THOUSAND, &["tcp_tw_reuse=0", "tcp_max_tw_buckets=100"], || {
        let mut bench = bench(BY_CLIENT);
        bench.run_until(|tally, _| tally.completed >= 3 * PORTS);
        bench.settle();
        assert_eq!(bench.refused(), 0);
        let (held, entered, _) = time_wait(&bench);
        let skipped = bench.counters(0).time_wait_violations.expect("netstat");
        assert!(
            held.abs_diff(100) <= 1 && entered == held,
            "{held} held, {entered} entered"
        );
        assert!(
            (entered + skipped).abs_diff(bench.established()) <= 1,
            "{entered} entered and {skipped} skipped TIME_WAIT"
        );
    });
}

/// How `connect` is prepared.
#[derive(Clone, Copy, Debug)]
enum Bind {
    No,
    WithoutPort,
    WithPort { reuse: bool },
}

/// How many connections from one address to four ports can be held open, and the error that ends them.
fn held_open(bind: Bind) -> (usize, Option<i32>) {
    let listeners: Vec<_> = (0..4)
        .map(|more| TcpListener::bind((LOOPBACK, PORT + more)).expect("nothing else listens"))
        .collect();
    let mut open = Vec::new();
    for listener in listeners.iter().cycle() {
        match connect(listener.local_addr().expect("bound"), bind) {
            Ok(socket) => open.push((socket, listener.accept().expect("connected"))),
            Err(error) => return (open.len(), error.raw_os_error()),
        }
    }
    unreachable!("four listeners go round for ever")
}

fn connect(to: SocketAddr, bind: Bind) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    match bind {
        Bind::No => {}
        Bind::WithoutPort => sys::bind_address_without_port(socket.as_fd())?,
        Bind::WithPort { reuse } => socket.set_reuse_address(reuse)?,
    }
    if !matches!(bind, Bind::No) {
        socket.bind(&SocketAddr::from((LOOPBACK, 0)).into())?;
    }
    socket.connect(&to.into())?;
    Ok(socket)
}

/// TW9.
#[test]
fn ports_are_chosen_for_each_destination_when_connecting() {
    for bind in [Bind::No, Bind::WithoutPort] {
        in_namespace(HUNDRED, &[], move || {
            assert_eq!(held_open(bind), (400, Some(libc::EADDRNOTAVAIL)), "{bind:?}");
        });
    }
}

/// TW10.
#[test]
fn a_port_that_is_bound_before_connecting_is_taken_for_every_destination() {
    for reuse in [false, true] {
        in_namespace(HUNDRED, &[], move || {
            let found = held_open(Bind::WithPort { reuse });
            assert_eq!(found, (100, Some(libc::EADDRINUSE)), "SO_REUSEADDR {reuse}");
        });
    }
}

/// The median duration of a connect in each eighth of the port space.
fn medians(options: KernelOptions) -> Vec<u64> {
    let mut bench = bench_with(options, &[(LOOPBACK, PORT).into()], BY_CLIENT);
    let eighth = EIGHT_THOUSAND.len() / 8;
    let mut medians = Vec::new();
    for _ in 0..8 {
        bench.client.enter(Phase::Measure, bench.now);
        bench.run_until(|tally, _| tally.attempts >= eighth);
        let tuples = bench.client.tally().tuples.clone().expect("watched");
        let found = tuples.calls.into_json();
        let bins = found["bins"].as_array().expect("bins").iter();
        // The number of entries is looked at now and then, so that some fall into the bin before.
        let largest = bins
            .max_by_key(|bin| bin["n"].as_u64())
            .expect("a connect found a port");
        medians.push(largest["p50"].as_u64().expect("nanoseconds"));
    }
    medians
}

/// TW11, with fewer ports than there are, so that it lasts a second or two.
#[test]
fn with_half_of_the_ports_taken_connecting_becomes_many_times_slower() {
    in_namespace(EIGHT_THOUSAND, &["tcp_tw_reuse=0"], || {
        let medians = medians(options());
        assert!(
            medians[6] > 4 * medians[1],
            "no cliff at half of the ports: {medians:?}"
        );
    });
}

/// TW12.
#[test]
fn a_socket_with_a_range_of_its_own_knows_no_cliff() {
    in_namespace(EIGHT_THOUSAND, &["tcp_tw_reuse=0"], || {
        let medians = medians(KernelOptions {
            local_ports: Some((EIGHT_THOUSAND.low, EIGHT_THOUSAND.high)),
            ..options()
        });
        assert!(
            medians[6] < 4 * medians[1],
            "a cliff at half of the ports: {medians:?}"
        );
    });
}
