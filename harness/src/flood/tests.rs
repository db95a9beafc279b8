//! A flooder between an engine and its wire, in virtual time.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;

use handfast::application::Read;
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PacketQueue, PoolConfig};
use handfast::link::Device;
use handfast::link::memory::{self, LocalEnd, WireConfig};
use handfast::time::{Duration, Instant};

use super::{Flooded, Plan, Tally};
use crate::config::ScenarioKind;
use crate::load::fake::config;

const V4: &str = "10.0.0.1:7";
const V6: &str = "[fd00::1]:7";

fn plan(rate: f64, seed: u64) -> Plan {
    plan_against(V4, rate, seed)
}

fn plan_against(target: &str, rate: f64, seed: u64) -> Plan {
    Plan {
        rate,
        seed,
        targets: vec![target.parse().expect("an address")],
    }
}

fn flooded(plan: Plan, wire: WireConfig) -> (LocalEnd, Flooded<LocalEnd>, Rc<Cell<Tally>>) {
    let (near, far) = memory::pair(wire);
    let tally = Rc::default();
    (near, Flooded::new(far, plan, Rc::clone(&tally)), tally)
}

fn drain(batch: &mut PacketQueue) -> Vec<Vec<u8>> {
    let bytes = batch.iter().map(|packet| packet.contiguous().to_vec()).collect();
    batch.clear();
    bytes
}

/// What comes in 20 ms, looked at every 100 µs.
fn heard(target: &str, seed: u64) -> Vec<Vec<u8>> {
    let (_near, mut device, tally) = flooded(plan_against(target, 10_000.0, seed), WireConfig::default());
    let mut batch = PacketQueue::with_capacity(64);
    let mut all = Vec::new();
    for step in 0..=200 {
        device.receive(Instant::from_micros(1_000_000 + 100 * step), &mut batch);
        all.extend(drain(&mut batch));
    }
    assert_eq!(tally.get().syns, all.len() as u64);
    all
}

#[test]
fn a_seed_repeats_the_flood_and_another_one_has_other_sources() {
    check_sources(V4, 12..16, |source| source[0] == 198 && source[1] & 0xfe == 18);
    check_sources(V6, 8..24, |source| source.starts_with(&[0x20, 1, 0, 2, 0, 0]));
}

/// `at` is where a packet's source address lies.
fn check_sources(target: &str, at: Range<usize>, is_source: impl Fn(&[u8]) -> bool) {
    let flood = heard(target, 1);
    assert_eq!(flood, heard(target, 1));
    // 200 are due; five standard deviations of as many independent arrivals.
    assert!((130..270).contains(&flood.len()), "{}", flood.len());
    let sources = |flood: &[Vec<u8>]| -> BTreeSet<Vec<u8>> {
        flood.iter().map(|syn| syn[at.clone()].to_vec()).collect()
    };
    let of_one = sources(&flood);
    assert!(of_one.len() > flood.len() * 9 / 10, "sources differ");
    assert!(of_one.iter().all(|source| is_source(source)), "{of_one:?}");
    assert!(of_one.intersection(&sources(&heard(target, 2))).count() < 10);
}

#[test]
fn generators_share_a_flood_and_not_its_sources() {
    let mut run = config(ScenarioKind::SynFlood);
    (run.flood, run.generators) = (Some(40_000), 4);
    let target = [V4.parse().expect("an address")];
    let plans: Vec<_> = (0..4)
        .map(|generator| Plan::of_generator(&run, generator, &target).expect("there is one"))
        .collect();
    assert_eq!(plans.iter().map(|plan| plan.rate).sum::<f64>(), 40_000.0);
    let seeds: BTreeSet<_> = plans.iter().map(|plan| plan.seed).collect();
    assert_eq!(seeds.len(), 4);
    let (mut first, mut second) = (plans[0].clone().flood(), plans[1].clone().flood());
    assert_ne!(first.0.due(u64::MAX), second.0.due(u64::MAX), "when");
    assert_ne!(first.1.next(), second.1.next(), "from whom");
    run.flood = None;
    assert!(Plan::of_generator(&run, 0, &target).is_none());
}

#[test]
fn what_a_batch_has_no_room_for_comes_with_the_next() {
    let (_near, mut device, tally) = flooded(plan(100_000.0, 1), WireConfig::default());
    let mut batch = PacketQueue::with_capacity(8);
    assert_eq!(device.receive(Instant::ZERO, &mut batch), 0, "the clock begins");
    let later = Instant::from_millis(10);
    let mut all = 0;
    while device.receive(later, &mut batch) > 0 {
        all += drain(&mut batch).len() as u64;
    }
    assert!((850..1150).contains(&all), "{all}");
    assert_eq!(tally.get().syns, all);
    assert!(device.next_deadline() > Some(later));
}

fn server(
    plan: Plan,
    wire: WireConfig,
    half_open: u32,
) -> (LocalEnd, Engine<Flooded<LocalEnd>>, Rc<Cell<Tally>>) {
    let address = plan.targets[0].ip();
    let (near, device, tally) = flooded(plan, wire);
    let mut config = Config::new([2; 32], [AddressBlock::single(address)]);
    config.link.duplicate_address_detection = 0;
    config.tcp.half_open = half_open;
    let engine = Engine::new(&config, FramePool::new(PoolConfig::default()), device);
    (near, engine, tally)
}

#[test]
fn each_syn_is_answered_and_no_answer_reaches_the_wire() {
    let computed = WireConfig {
        trusted: false,
        ..WireConfig::default()
    };
    let wires = [WireConfig::default(), computed];
    for (wire, target) in wires.into_iter().flat_map(|wire| [(wire, V4), (wire, V6)]) {
        let (mut near, mut server, tally) = server(plan_against(target, 100_000.0, 3), wire, 64);
        let at: SocketAddr = target.parse().expect("an address");
        server.tcp_listen(at, 16).expect("nobody listens");
        for step in 0..100 {
            server.poll(Instant::from_micros(100 * step), Budget::default());
        }
        let (tally, tcp) = (tally.get(), server.counters().tcp);
        assert!(tally.syns > 850, "{tally:?}");
        assert_eq!(tally.syn_acks, tally.syns, "checksums and all, {tcp:?}");
        assert_eq!(tally.resets, 0);
        assert_eq!(server.tcp_memory().half_open, 64);
        assert_eq!(tcp.syn_cookies_sent, tally.syns - 64);
        let mut heard = PacketQueue::with_capacity(8);
        assert_eq!(near.receive(Instant::from_millis(10), &mut heard), 0);
    }
}

#[test]
fn answers_of_a_port_that_is_closed_are_resets() {
    let (_near, mut server, tally) = server(plan(100_000.0, 4), WireConfig::default(), 64);
    for step in 0..10 {
        server.poll(Instant::from_micros(100 * step), Budget::default());
    }
    let tally = tally.get();
    assert!(tally.syns > 50, "{tally:?}");
    assert_eq!((tally.resets, tally.syn_acks), (tally.syns, 0));
}

/// Both ends until neither has anything to do; the flood goes on.
fn settle(client: &mut Engine<LocalEnd>, server: &mut Engine<Flooded<LocalEnd>>, now: &mut Instant) {
    for _ in 0..20 {
        *now += Duration::from_micros(10);
        client.poll(*now, Budget::default());
        server.poll(*now, Budget::default());
        while client.poll_event().is_some() {}
        while server.poll_event().is_some() {}
    }
}

#[test]
fn others_pass_the_flood_untouched_and_are_let_in_by_a_cookie() {
    let (near, mut server, tally) = server(plan(1_000_000.0, 5), WireConfig::default(), 16);
    let at: SocketAddr = V4.parse().expect("an address");
    let listener = server.tcp_listen(at, 16).expect("nobody listens");
    let address: IpAddr = "10.1.0.1".parse().expect("an address");
    let config = Config::new([1; 32], [AddressBlock::single(address)]);
    let mut client = Engine::new(&config, FramePool::new(PoolConfig::default()), near);
    let mut now = Instant::ZERO;
    settle(&mut client, &mut server, &mut now);
    assert_eq!(server.tcp_memory().half_open, 16, "the table is full");
    let asking = client.tcp_connect(None, at).expect("a port is free");
    settle(&mut client, &mut server, &mut now);
    client.tcp_send(asking, b"ping").expect("connected");
    settle(&mut client, &mut server, &mut now);
    let answering = server.tcp_accept(listener).expect("a connection");
    let mut bytes = [0; 8];
    let read = server.tcp_receive(answering, &mut bytes);
    assert!(matches!(read, Ok(Read::Data(4))), "{read:?}");
    assert_eq!(server.counters().tcp.syn_cookies_accepted, 1);
    assert_eq!(client.counters().tcp.segments_retransmitted, 0);
    assert!(tally.get().syns > 400, "{:?}", tally.get());
}
