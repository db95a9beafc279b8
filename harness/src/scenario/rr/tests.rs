use super::*;
use crate::config::ScenarioKind;
use crate::load::fake::{HALF_ROUND, Rig, config};
use crate::load::{Actor, Phase};

const ROUNDS: usize = 300;

fn run(config: &RunConfig, prepare: impl Fn(&mut Rig)) -> RrTally {
    let mut rig = Rig::new(config);
    prepare(&mut rig);
    let mut client = Client::new(config, AddressPlan::all(&rig.ends));
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
