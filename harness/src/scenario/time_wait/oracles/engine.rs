//! The engine, in virtual time. Whoever closes first keeps the tuple for 60 s: nothing comes back after a second, because a client
//! is not offered a port that is in TIME_WAIT, and a peer's SYN is judged by RFC 6191 alone.

use super::*;
use crate::config::{Pairing, PortRange, Pressure, RunConfig, ScenarioKind, StackKind};
use crate::load::fake::config;
use crate::stack::ConnectError;

const MILLISECOND: Nanos = 1_000_000;
const TWICE_MSL: Nanos = 60_000 * MILLISECOND;

fn bench(closing: Closing, ports_of_server: u32) -> Bench {
    let Closing(closer, close) = closing;
    let run = RunConfig {
        pressure: Pressure {
            ports: Some(ports_of_server),
            port_range: Some(PortRange {
                low: 40_000,
                high: 40_999,
            }),
            ..Pressure::default()
        },
        closer,
        close,
        duration: Duration::from_millis(1),
        ..config(ScenarioKind::TimeWait)
    };
    let pair = crate::stack::pair(Pairing::of(StackKind::Engine), &run, 0).expect("in memory");
    let from = pair.client_addresses[0];
    Bench::new(
        [pair.client, pair.server],
        from,
        &pair.server_addresses,
        closing,
        |now| now + MILLISECOND,
    )
}

fn entered(bench: &Bench, end: usize) -> u64 {
    bench.counters(end).time_wait_entered.expect("the engine tells")
}

fn held(bench: &Bench, end: usize) -> u64 {
    bench.counters(end).time_wait.expect("the engine tells")
}

fn every_tuple_serves_once(mut bench: Bench, tuples: u64) {
    bench.run_until(|tally, _| tally.failures.ports_exhausted > 3000);
    bench.settle();
    only_ports_were_missing(&bench);
    assert_eq!(
        (bench.established(), held(&bench, 0), entered(&bench, 0)),
        (tuples, tuples, tuples)
    );
    assert_eq!(bench.shortest_reuse(), None);
}

/// TW1 to TW4: the engine has one rule for all addresses, and three seconds of refusals change nothing.
#[test]
fn there_are_as_many_connections_as_ports() {
    every_tuple_serves_once(bench(BY_CLIENT, 1), PORTS);
}

/// TW1, a minute later.
#[test]
fn a_port_comes_back_when_2_msl_are_over_and_not_before() {
    let mut bench = bench(BY_CLIENT, 1);
    bench.run_until(|tally, _| tally.failures.ports_exhausted > 100);
    bench.run_until(|tally, _| tally.completed > PORTS);
    assert!(
        bench.now - bench.started >= TWICE_MSL,
        "{} ns",
        bench.now - bench.started
    );
    assert_eq!(bench.counters(0).time_wait_violations, Some(0));
    // A histogram keeps three digits.
    assert!(
        bench.shortest_reuse() >= Some(TWICE_MSL / 1000 * 998),
        "{:?}",
        bench.shortest_reuse()
    );
}

/// TW5. What lets a SYN into the server's TIME_WAIT is a newer timestamp (RFC 6191).
#[test]
fn a_server_that_closes_first_keeps_the_entries_and_its_client_the_ports() {
    let mut bench = bench(Closing(Closer::Server, Close::Fin), 1);
    bench.run_until(|tally, _| tally.completed >= 3 * PORTS);
    bench.settle();
    assert_eq!(bench.client.tally().failures.total(), 0);
    assert_eq!((held(&bench, 0), entered(&bench, 1)), (0, bench.established()));
    let reused = bench.counters(1).time_wait_reused.expect("the engine tells");
    assert_eq!(held(&bench, 1), bench.established() - reused);
    assert!(held(&bench, 1) <= PORTS && reused > 0);
    assert_eq!(bench.counters(1).time_wait_violations, Some(0));
}

/// TW6.
#[test]
fn a_reset_leaves_no_time_wait() {
    let mut bench = bench(Closing(Closer::Client, Close::Rst), 1);
    bench.run_until(|tally, _| tally.completed >= 3 * PORTS);
    assert_eq!(bench.client.tally().failures.total(), 0);
    assert_eq!((entered(&bench, 0), entered(&bench, 1)), (0, 0));
}

/// TW9, without closing anything. TW10 has no counterpart: a port is chosen for its destination, and never before.
#[test]
fn ports_are_chosen_for_each_destination_when_connecting() {
    let run = RunConfig {
        pressure: Pressure {
            ports: Some(4),
            port_range: Some(PortRange {
                low: 40_000,
                high: 40_099,
            }),
            ..Pressure::default()
        },
        connections: 1000,
        ..config(ScenarioKind::TimeWait)
    };
    let mut pair = crate::stack::pair(Pairing::of(StackKind::Engine), &run, 0).expect("in memory");
    let from = pair.client_addresses[0];
    assert_eq!(pair.server_addresses.len(), 4);
    let mut open = 0;
    let refused = pair
        .server_addresses
        .iter()
        .cycle()
        .find_map(|&to| {
            let started = pair.client.connect(from, to);
            open += usize::from(started.is_ok());
            started.err()
        })
        .expect("four destinations go round for ever");
    assert_eq!((open, refused), (400, ConnectError::PortsExhausted));
}

/// TW7.
#[test]
fn every_port_of_the_server_has_the_whole_range_of_the_client() {
    every_tuple_serves_once(bench(BY_CLIENT, 4), 4 * PORTS);
}
