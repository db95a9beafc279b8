use super::*;
use crate::config::ScenarioKind;
use crate::load::addresses::AddressPlan;
use crate::load::fake::{HALF_ROUND, Rig, config};
use crate::load::{Actor, Phase};

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
