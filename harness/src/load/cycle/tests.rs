use super::*;
use crate::config::{Arrivals, OpenLoop, RunConfig, ScenarioKind};
use crate::load::addresses::AddressPlan;
use crate::load::fake::{HALF_ROUND, Rig, config};
use crate::load::{Actor, Phase, open_loop};
use crate::measure::recorder::Recorder;

const ROUNDS: usize = 200;

fn actors(cycle: Cycle, rig: &Rig) -> (Client, Server) {
    (
        Client::new(cycle, AddressPlan::all(&rig.ends)),
        Server::new(cycle),
    )
}

fn run(change: impl Fn(&mut Cycle), prepare: impl Fn(&mut Rig)) -> (CycleTally, bool) {
    let config = config(ScenarioKind::Crr);
    let mut rig = Rig::new(&config);
    prepare(&mut rig);
    let mut cycle = Cycle::of(&config, config.message);
    change(&mut cycle);
    let (mut client, mut server) = actors(cycle, &rig);
    rig.run_all(&mut client, &mut server, ROUNDS);
    let drained = client.settled(Phase::Drain) && server.settled(Phase::Drain);
    (client.into_tally(), drained)
}

#[test]
fn every_way_to_close_keeps_the_connections_in_flight() {
    for close in [Close::Fin, Close::Rst] {
        for closer in [Closer::Client, Closer::Server] {
            for message in [0, 1, 100_000] {
                let (tally, drained) = run(
                    |cycle| (cycle.close, cycle.closer, cycle.message) = (close, closer, message),
                    |_| {},
                );
                let case = format!("{close:?} by the {closer:?} after {message} bytes");
                assert!(drained, "{case} leaves connections behind");
                assert_eq!(tally.failures.total(), 0, "{case}");
                let span = 2 * HALF_ROUND * ROUNDS as u64;
                let in_flight = tally.operation_ns as f64 / span as f64;
                assert!(
                    tally.completed >= 4 * ROUNDS as u64 / 16,
                    "{case}: {}",
                    tally.completed
                );
                assert!((in_flight - 4.0).abs() < 0.4, "{case}: {in_flight} in flight");
            }
        }
    }
}

#[test]
fn set_up_is_timed_from_connect_to_established() {
    let (tally, _) = run(|_| {}, |_| {});
    let setup = tally.setup.into_histogram();
    assert!(
        setup.len().abs_diff(tally.completed) <= 4,
        "those in flight at the window's edges"
    );
    assert_eq!(setup.min(), 2 * HALF_ROUND);
    assert!(setup.equivalent(setup.max(), 2 * HALF_ROUND));
}

#[test]
fn a_refused_connect_is_counted_and_tried_again_in_the_next_step() {
    let config = config(ScenarioKind::Crr);
    let mut rig = Rig::new(&config);
    let (mut client, mut server) = actors(Cycle::of(&config, 1), &rig);
    client.enter(Phase::Measure, 0);
    rig.client.faults.refused = 3;
    rig.run(&mut client, &mut server, Phase::Measure, 3);
    assert_eq!(client.tally().failures.ports_exhausted, 3, "one attempt a step");
    rig.run(&mut client, &mut server, Phase::Measure, 50);
    assert_eq!(client.tally().failures.total(), 0, "a new window");
    assert!(client.tally().completed > 20);
}

#[test]
fn a_port_that_is_missed_later_is_counted_as_one_that_is_refused() {
    let mut config = config(ScenarioKind::Crr);
    config.close = Close::Rst;
    config.closer = Closer::Server;
    let mut rig = Rig::new(&config);
    let (mut client, mut server) = actors(Cycle::of(&config, 1), &rig);
    client.enter(Phase::Measure, 0);
    rig.client.faults.portless = 7;
    rig.run(&mut client, &mut server, Phase::Measure, 2);
    let tally = client.tally();
    assert_eq!(
        (tally.attempts, tally.failures.ports_exhausted),
        (5, 4),
        "all at first, then one a step"
    );
    rig.run(&mut client, &mut server, Phase::Measure, 50);
    let failures = client.tally().failures;
    assert_eq!(
        (failures.ports_exhausted, failures.total()),
        (3, 3),
        "the rest, in a new window"
    );
    assert!(client.tally().completed > 20, "{:?}", client.tally().completed);
}

#[test]
fn a_broken_connection_is_counted_and_replaced() {
    let config = config(ScenarioKind::Crr);
    let mut rig = Rig::new(&config);
    let (mut client, mut server) = actors(Cycle::of(&config, 1), &rig);
    rig.run(&mut client, &mut server, Phase::Measure, 10);
    rig.client.faults.breaks = true;
    for _ in 0..20 {
        let before = client.tally().failures.broken;
        assert!(before <= 1);
        // Entering the same phase would begin a new window.
        rig.run(&mut client, &mut server, Phase::WarmUp, 10);
    }
    assert_eq!(client.tally().failures.broken, 1);
    rig.run(&mut client, &mut server, Phase::Drain, 20);
    assert!(client.settled(Phase::Drain));
}

#[test]
fn the_window_ends_at_the_limit_of_time_wait_entries() {
    let config = config(ScenarioKind::TimeWait);
    let mut rig = Rig::new(&config);
    let cycle = Cycle {
        time_wait_limit: Some(500),
        ..Cycle::of(&config, 0)
    };
    let (mut client, mut server) = actors(cycle, &rig);
    rig.client.faults.time_wait = Some(499);
    rig.run(&mut client, &mut server, Phase::Measure, 10);
    assert!(!client.settled(Phase::Measure));
    rig.client.faults.time_wait = Some(500);
    rig.now += 100_000_000;
    rig.run(&mut client, &mut server, Phase::WarmUp, 1);
    assert!(client.settled(Phase::Measure));
}

#[test]
fn set_up_times_are_kept_by_occupancy() {
    let config = config(ScenarioKind::TimeWait);
    let mut rig = Rig::new(&config);
    let cycle = Cycle::of(&config, 0);
    let occupancy = Occupancy::new(Scale::PortSpace(800));
    let mut client = Client::with_occupancy(cycle, AddressPlan::single(&rig.ends), Some(occupancy));
    let mut server = Server::new(cycle);
    for held in [50, 450] {
        rig.client.faults.time_wait = Some(held);
        rig.now += 100_000_000;
        rig.run(&mut client, &mut server, Phase::WarmUp, 20);
    }
    let found = client.tally().occupancy.clone().expect("asked for").into_json();
    let bins: Vec<_> = found["bins"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|bin| bin["from"].as_f64())
        .collect();
    assert_eq!(bins, [Some(0.0), Some(0.5)]);
}

const MS: u64 = 1_000_000;

/// A window of 5 s of `rate` connections per second in which the server is stopped for the second second.
fn stalled_for_a_second(rate: u32) -> CycleTally {
    let config = RunConfig {
        open_loop: Some(OpenLoop {
            rate,
            arrivals: Arrivals::Poisson,
        }),
        ..config(ScenarioKind::Crr)
    };
    let mut rig = Rig::new(&config);
    let (client, mut server) = actors(Cycle::of(&config, 1), &rig);
    let mut client = client.started_by(open_loop::Plan::of(&config).map(|plan| plan.of_generator(0)));
    rig.run_with_stall(&mut client, &mut server);
    assert!(client.settled(Phase::Drain));
    client.into_tally()
}

#[test]
fn a_stalled_server_shows_in_the_response_times_of_an_open_loop() {
    let tally = stalled_for_a_second(2000);
    let open = tally.open_loop.expect("an open loop");
    assert!(open.offered.abs_diff(10_000) < 400, "{}", open.offered);
    assert_eq!((open.dropped, tally.failures.total()), (0, 0));
    let [response, service] = [open.response, open.service].map(Recorder::into_histogram);
    assert_eq!(response.len(), open.offered, "each was answered in the end");
    let p99 = response.value_at_quantile(0.99);
    assert!(
        (900 * MS..1010 * MS).contains(&p99),
        "a fifth came while the server was stopped: {p99} ns"
    );
    assert!(response.value_at_quantile(0.5) < MS);
    assert!(service.value_at_quantile(0.99) < MS, "few were in service then");
}

#[test]
fn little_s_law_holds_between_what_is_in_flight_and_the_response_times() {
    let tally = stalled_for_a_second(1000);
    let response = tally.open_loop.expect("an open loop").response.into_histogram();
    let by_law = response.mean() * response.len() as f64;
    let off = tally.operation_ns as f64 / by_law - 1.0;
    assert!(off.abs() < 0.01, "{off}");
}

#[test]
fn a_connect_that_is_refused_in_an_open_loop_has_failed() {
    let config = RunConfig {
        open_loop: Some(OpenLoop {
            rate: 1_000_000,
            arrivals: Arrivals::Paced,
        }),
        ..config(ScenarioKind::Crr)
    };
    let mut rig = Rig::new(&config);
    let (client, mut server) = actors(Cycle::of(&config, 1), &rig);
    let mut client = client.started_by(open_loop::Plan::of(&config).map(|plan| plan.of_generator(0)));
    rig.client.faults.refused = 3;
    rig.run(&mut client, &mut server, Phase::Measure, 40);
    rig.run(&mut client, &mut server, Phase::Drain, 100);
    let tally = client.into_tally();
    let open_loop = tally.open_loop.expect("an open loop");
    assert_eq!(tally.failures.ports_exhausted, 3);
    assert_eq!(open_loop.response.into_histogram().len() + 3, open_loop.offered);
}
