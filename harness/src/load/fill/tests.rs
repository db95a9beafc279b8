use super::*;
use crate::config::ScenarioKind;
use crate::load::fake::{Rig, config};

fn fill(idle: u64, time_wait: u64, closer: Closer) -> Fill {
    Fill {
        idle,
        time_wait,
        closer,
        headroom: 8,
    }
}

fn run(fill: Fill, phase: Phase, prepare: impl Fn(&mut Rig)) -> (Filled, Filled, bool) {
    let mut rig = Rig::new(&config(ScenarioKind::Crr));
    prepare(&mut rig);
    let mut opener = Opener::new(fill, AddressPlan::all(&rig.ends), None);
    let mut acceptor = Acceptor::new(fill);
    rig.run(&mut opener, &mut acceptor, phase, 1000);
    rig.now += QUIET;
    for _ in 0..2 {
        acceptor.step(&mut rig.server, phase, rig.now, &[]);
    }
    let settled = opener.settled(phase) && acceptor.settled(phase);
    (opener.into_tally(), acceptor.into_tally(), settled)
}

#[test]
fn idle_connections_are_opened_and_stay_open() {
    let (opened, _, settled) = run(fill(1000, 0, Closer::Client), Phase::OpenIdle, |_| {});
    assert!(settled);
    assert_eq!(opened.idle, 1000);
}

#[test]
fn a_full_stack_keeps_room_for_the_load() {
    let (opened, _, settled) = run(fill(1000, 0, Closer::Client), Phase::OpenIdle, |rig| {
        rig.client.faults.room = Some(300);
    });
    assert!(settled, "what can be reached is reached");
    assert_eq!(opened.idle, 292);
}

#[test]
fn a_stack_that_is_full_before_a_connection_is_open_keeps_room_too() {
    let (opened, _, settled) = run(fill(1000, 0, Closer::Client), Phase::OpenIdle, |rig| {
        rig.client.faults.room = Some(OPENING / 2);
    });
    assert!(settled);
    assert_eq!(opened.idle, OPENING as u64 / 2 - 8);
}

#[test]
fn without_a_door_time_wait_entries_are_made_by_closing() {
    for closer in [Closer::Client, Closer::Server] {
        let (made, elsewhere, settled) = run(fill(0, 700, closer), Phase::FillTimeWait, |_| {});
        assert!(settled, "by the {closer:?}");
        assert!(
            (700..=700 + OPENING as u64).contains(&made.time_wait),
            "{} by the {closer:?}",
            made.time_wait
        );
        assert_eq!(elsewhere.time_wait, 0);
    }
}

#[test]
fn the_door_of_the_end_that_closes_is_used() {
    for (closer, expected) in [(Closer::Client, (700, 0)), (Closer::Server, (0, 700))] {
        let (client, server, settled) = run(fill(0, 700, closer), Phase::FillTimeWait, |rig| {
            rig.client.faults.has_door = true;
            rig.server.faults.has_door = true;
        });
        assert!(settled);
        assert_eq!((client.time_wait, server.time_wait), expected);
    }
}

#[test]
fn the_accepting_end_waits_for_late_connections() {
    let fill = fill(1, 0, Closer::Client);
    let mut rig = Rig::new(&config(ScenarioKind::Crr));
    let mut opener = Opener::new(fill, AddressPlan::all(&rig.ends), None);
    let mut acceptor = Acceptor::new(fill);
    rig.run(&mut opener, &mut acceptor, Phase::OpenIdle, 3);
    assert!(opener.settled(Phase::OpenIdle));
    assert!(!acceptor.settled(Phase::OpenIdle), "another may be on its way");
}
