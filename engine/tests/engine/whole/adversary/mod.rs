//! An attacker on the path who sees every packet and changes, repeats and makes up what he likes, checksums included. Nobody can keep him from
//! ruining a connection (RFC 9293 section 5). But whatever he does, no rule of the engine breaks, nobody talks for ever, nothing stays behind when he is gone,
//! and no TIME_WAIT ends early.
//!
//! `HANDFAST_ADVERSARY_SEEDS=A..B` plays other seeds, `B` not included.

mod forger;
mod mutation;
mod programs;

use std::ops::Range;

use handfast::frame::{FramePool, PoolConfig};
use handfast::link::memory::WireConfig;
use handfast::time::{Duration, Instant};

use self::forger::{Forger, Touches};
use self::programs::Programs;
use crate::support::random::Random;
use crate::support::{Family, Pair, config, wires};

const STEPS: usize = 150;
const MEMORY: PoolConfig = PoolConfig {
    small_slots: 1024,
    large_slots: 32,
    loans: 64,
    guaranteed_percent: 10,
};
/// Packets that the attacker touches in a step.
const TOUCHES: usize = 300;
/// Packets that two ends exchange in a step before they talk for ever: what the programs hand over in one step, sent ten times, is less.
const TALK: u64 = 10_000;
/// Virtual time after which whoever still talks does so for ever: longer than any retransmission, probe or 2MSL lasts.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var("HANDFAST_ADVERSARY_SEEDS") else {
        return 0..300;
    };
    let (from, to) = range.split_once("..").expect("A..B");
    from.parse().expect("a seed")..to.parse().expect("a seed")
}

/// Two engines with the attacker between them, for as many packets as the cell says.
fn attacked(seed: u64) -> (Pair<Forger>, Touches) {
    let family = Family::BOTH[(seed % 2) as usize];
    // The wire trusts its ends, so no checksum gives the attacker away.
    let wire = WireConfig {
        queue: 256,
        max_segment: [0, 65_000][(seed / 2 % 2) as usize],
        ..WireConfig::default()
    };
    let touches = Touches::default();
    let [ip, ethernet] = wires(wire);
    let (near, far) = if seed % 8 < 4 { ip } else { ethernet };
    let forger = |end, seed| {
        let pool = FramePool::new(MEMORY);
        Forger::new(end, Random(seed), pool, touches.clone())
    };
    let devices = (forger(near, seed), forger(far, !seed));
    let end = |secret, address| {
        let mut config = config(secret, address);
        config.tcp.connections = 16;
        config.tcp.half_open = 4;
        config
    };
    let (client, server) = (end(1, family.client()), end(2, family.server()));
    let mut pair = Pair::with_pools(family, devices, client, server, MEMORY);
    pair.rounds_per_check = 3;
    (pair, touches)
}

/// How long a step is: no time, a little, until the next deadline, or long.
fn a_while(pair: &Pair<Forger>, random: &mut Random) -> Duration {
    let next = pair.next_deadline();
    match random.below(12) {
        0..4 => Duration::ZERO,
        4..8 => Duration::from_millis(random.below(50) as u64),
        8..11 => next.map_or(Duration::ZERO, |next| next.saturating_since(pair.now)),
        _ => Duration::from_secs(random.below(100) as u64),
    }
}

/// Lets time pass from deadline to deadline until `end`, or until there is none.
fn pass(pair: &mut Pair<Forger>, end: Instant, seed: u64) {
    let exchanged = |pair: &Pair<Forger>| pair.client.device().delivered() + pair.server.device().delivered();
    let before = exchanged(pair);
    loop {
        pair.settle();
        pair.client_events.clear();
        pair.server_events.clear();
        assert!(
            exchanged(pair) - before < TALK,
            "seed {seed}: two engines talk for ever"
        );
        match pair.next_deadline() {
            Some(next) if next <= end => pair.now = pair.now.max(next),
            _ => return,
        }
    }
}

fn play(seed: u64) {
    let (mut pair, touches) = attacked(seed);
    let mut random = Random(seed.wrapping_mul(3) + 1);
    let mut programs = Programs::begin(&mut pair);
    for _ in 0..STEPS {
        touches.set(TOUCHES);
        programs.act(&mut pair, &mut random);
        let end = pair.now + a_while(&pair, &mut random);
        pass(&mut pair, end, seed);
        pair.now = end;
    }
    touches.set(0);
    programs.end(&mut pair);
    let end = pair.now + PATIENCE;
    pass(&mut pair, end, seed);
    assert_eq!(pair.next_deadline(), None, "seed {seed}: somebody still waits");
    nothing_is_left(&pair, seed);
}

fn nothing_is_left(pair: &Pair<Forger>, seed: u64) {
    pair.check_invariants();
    for engine in [&pair.client, &pair.server] {
        let (memory, time_wait) = (engine.tcp_memory(), engine.time_wait());
        assert_eq!((memory.connections, memory.half_open), (0, 0), "seed {seed}");
        assert_eq!((time_wait.len, time_wait.violations), (0, 0), "seed {seed}");
        engine.pool().reclaim();
        let usage = engine.pool().usage();
        // Those that small texts and datagrams are cut from.
        assert!(usage.small <= 2 && usage.large == 0, "seed {seed}: {usage:?}");
        engine.pool().audit().expect("a sound pool");
    }
}

#[test]
fn whatever_an_attacker_on_the_path_does_no_rule_breaks_and_nothing_stays_behind() {
    for seed in seeds() {
        let outcome = std::panic::catch_unwind(|| play(seed));
        assert!(outcome.is_ok(), "seed {seed}: see above");
    }
}
