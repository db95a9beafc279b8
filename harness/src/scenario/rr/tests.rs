use super::*;
use crate::config::{Arrivals, OpenLoop, ScenarioKind};
use crate::load::fake::{HALF_ROUND, Rig, config};
use crate::load::{Actor, Phase};

const ROUNDS: usize = 300;

fn run(config: &RunConfig, prepare: impl Fn(&mut Rig)) -> RrTally {
    let mut rig = Rig::new(config);
    prepare(&mut rig);
    let open_loop = open_loop::Plan::of(config).map(|plan| plan.of_generator(0));
    let mut client = Client::new(config, AddressPlan::all(&rig.ends)).started_by(open_loop);
    let mut server = Server::new(config.message);
    rig.run_all(&mut client, &mut server, ROUNDS);
    assert!(client.settled(Phase::Drain));
    client.into_tally()
}

fn config_with(connections: u32, message: u32) -> RunConfig {
    RunConfig {
        connections,
        message,
        ..config(ScenarioKind::Rr)
    }
}

#[test]
fn every_connection_has_one_request_outstanding() {
    for message in [1, 200_000] {
        let tally = run(&config_with(4, message), |_| {});
        let in_flight = tally.operation_ns as f64 / (2 * HALF_ROUND * ROUNDS as u64) as f64;
        assert!((in_flight - 4.0).abs() < 0.05, "{in_flight} with {message} bytes");
        assert_eq!((tally.failures.total(), tally.opened), (0, 4));
        assert!(
            tally.completed >= 4 * ROUNDS as u64 / 20,
            "{} with {message} bytes",
            tally.completed
        );
    }
}

#[test]
fn many_connections_are_asked_in_turn_with_a_bound() {
    let tally = run(&config_with(1000, 1), |_| {});
    let in_flight = tally.operation_ns as f64 / (2 * HALF_ROUND * ROUNDS as u64) as f64;
    assert!(
        (in_flight - f64::from(MOST_OUTSTANDING)).abs() < 3.0,
        "{in_flight}"
    );
    let latency = tally.latency.into_histogram();
    assert!(
        latency.max() <= 4 * 2 * HALF_ROUND,
        "a bounded number outstanding does not queue"
    );
}

#[test]
fn what_could_not_be_opened_is_told() {
    let tally = run(&config_with(20, 1), |rig| rig.client.faults.room = Some(5));
    assert_eq!(tally.opened, 5);
    assert!(tally.completed > 0);
}

#[test]
fn an_open_loop_asks_at_its_rate_on_any_connection_that_is_free() {
    let rate = 400_000;
    let config = RunConfig {
        open_loop: Some(OpenLoop {
            rate,
            arrivals: Arrivals::Burst(3),
        }),
        ..config_with(4, 1)
    };
    let tally = run(&config, |_| {});
    let open_loop = tally.open_loop.expect("an open loop");
    let span = 2 * HALF_ROUND * ROUNDS as u64;
    let expected = f64::from(rate) * span as f64 / 1e9;
    assert!(
        (open_loop.offered as f64 - expected).abs() <= 3.0,
        "{} of {expected}",
        open_loop.offered
    );
    let response = open_loop.response.into_histogram();
    assert_eq!(response.len(), open_loop.offered);
    assert_eq!((open_loop.dropped, tally.failures.total()), (0, 0));
    assert!(
        response.max() <= 3 * HALF_ROUND + 2,
        "due within a round, answered in the next: {}",
        response.max()
    );
}

#[test]
fn more_than_connections_can_carry_is_dropped_and_told() {
    let config = RunConfig {
        open_loop: Some(OpenLoop {
            rate: 100_000_000,
            arrivals: Arrivals::Paced,
        }),
        ..config_with(1, 1)
    };
    let mut rig = Rig::new(&config);
    rig.half_round = 10_000_000;
    let open_loop = open_loop::Plan::of(&config).map(|plan| plan.of_generator(0));
    let mut client = Client::new(&config, AddressPlan::all(&rig.ends)).started_by(open_loop);
    let mut server = Server::new(config.message);
    for phase in [Phase::Prepare, Phase::Measure, Phase::Drain] {
        rig.run(&mut client, &mut server, phase, 3);
    }
    let tally = client.into_tally();
    let open_loop = tally.open_loop.expect("an open loop");
    assert!(open_loop.offered >= 4_000_000);
    assert!(open_loop.dropped > 2_000_000, "{}", open_loop.dropped);
    assert!(
        tally.failures.unended >= (1 << 20) - 10,
        "a full backlog is left: {}",
        tally.failures.unended
    );
}

/// A window in which the server is stopped for a second.
fn stalled_for_a_second(open_loop: Option<OpenLoop>) -> RrTally {
    let config = RunConfig {
        open_loop,
        ..config_with(4, 1)
    };
    let mut rig = Rig::new(&config);
    let open_loop = open_loop::Plan::of(&config).map(|plan| plan.of_generator(0));
    let mut client = Client::new(&config, AddressPlan::all(&rig.ends)).started_by(open_loop);
    rig.run_with_stall(&mut client, &mut Server::new(config.message));
    assert!(client.settled(Phase::Drain));
    client.into_tally()
}

#[test]
fn a_stalled_server_shows_in_an_open_loop_and_not_in_a_closed_one() {
    const MS: u64 = 1_000_000;
    let rate = 2000;
    let arrivals = Arrivals::Poisson;
    let open = stalled_for_a_second(Some(OpenLoop { rate, arrivals })).open_loop;
    let response = open.expect("an open loop").response.into_histogram();
    assert!(response.value_at_quantile(0.99) > 900 * MS);
    let closed = stalled_for_a_second(None).latency.into_histogram();
    assert!(closed.max() > 900 * MS, "it did stall: {}", closed.max());
    assert!(
        closed.value_at_quantile(0.9999) < MS,
        "four samples in all saw it"
    );
}
