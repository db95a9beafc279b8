//! Whole connections over a wire that loses, doubles, damages, reorders, delays and throttles, in virtual time.
//!
//! `HANDFAST_IMPAIRED_MEGABYTES` sets how much each of the seeds carries, half of it in each direction (2).

use std::net::IpAddr;

use crate::support::{Family, Pair, STATIONS, config, wires};
use handfast::application::{Read, StreamError, TcpHandle};
use handfast::config::{Config, StaticNeighbour};
use handfast::engine::Engine;
use handfast::frame::{FramePool, Payload, PoolConfig, Size};
use handfast::link::Device;
use handfast::link::ethernet::MacAddress;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig};
use handfast::time::{Duration, Instant};
use handfast::transport::tcp::state::State;

type Impaired = Pair<Impair<LocalEnd>>;

const SEEDS: u64 = 200;
const MEGABYTE: usize = 1 << 20;
/// What two buffers each way take, and little more.
const MEMORY: PoolConfig = PoolConfig {
    small_slots: 1024,
    large_slots: 32,
    loans: 64,
    guaranteed_percent: 10,
};
/// Virtual time after which a transfer that has not ended is stuck.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

fn megabytes() -> usize {
    std::env::var("HANDFAST_IMPAIRED_MEGABYTES")
        .map_or(2, |value| value.parse().expect("a number of megabytes"))
}

/// 10 % loss, duplication and reordering, over a path of 1 to 2 ms.
fn rough(seed: u64) -> ImpairConfig {
    ImpairConfig {
        seed,
        loss: 0.1,
        duplication: 0.1,
        reordering: 0.1,
        delay: Duration::from_millis(1),
        jitter: Duration::from_millis(1),
        ..ImpairConfig::default()
    }
}

fn family_of(seed: u64) -> Family {
    if seed.is_multiple_of(2) {
        Family::V4
    } else {
        Family::V6
    }
}

/// Two engines whose packets are impaired in both directions, with checksums computed and segments of one packet.
fn impaired(family: Family, impairment: ImpairConfig) -> Impaired {
    let [ip, ethernet] = wires(WireConfig {
        trusted: false,
        max_segment: 0,
        queue: 1024,
        ..WireConfig::default()
    });
    let is_ip = (impairment.seed / 2).is_multiple_of(2);
    let (near, far) = if is_ip { ip } else { ethernet };
    let wrap = |end, seed| {
        let pool = FramePool::new(PoolConfig::default());
        Impair::new(end, ImpairConfig { seed, ..impairment }, pool).expect("values in range")
    };
    let devices = (wrap(near, impairment.seed), wrap(far, !impairment.seed));
    Pair::with_pools(
        family,
        devices,
        acquainted(
            impairment.seed as u8,
            family.client(),
            family.server(),
            STATIONS[1],
        ),
        acquainted(
            !impairment.seed as u8,
            family.server(),
            family.client(),
            STATIONS[0],
        ),
        MEMORY,
    )
}

/// An end that knows the other: over a wire that loses a third, three solicitations may all be in vain.
fn acquainted(secret: u8, own: IpAddr, address: IpAddr, MacAddress(hardware_address): MacAddress) -> Config {
    let mut config = config(secret, own);
    config.link.static_neighbours.push(StaticNeighbour {
        address,
        hardware_address,
    });
    config
}

/// How bytes enter and leave the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    /// Copied, in writes of odd lengths.
    Copying,
    /// As payloads and chunks.
    ByChunk,
}

/// One direction of a transfer: a stream whose bytes are a function of seed and position.
struct Flow {
    seed: u64,
    total: usize,
    sent: usize,
    received: usize,
    ended: bool,
    /// The bytes behind those sent, made once however often the engine has no room for them.
    offered: Vec<u8>,
    /// A payload that the engine had no room for.
    refused: Option<Payload>,
}

impl Flow {
    fn new(seed: u64, total: usize) -> Self {
        Self {
            seed,
            total,
            sent: 0,
            received: 0,
            ended: false,
            offered: Vec::new(),
            refused: None,
        }
    }

    /// The stream's bytes from `position` on. The period is odd and longer than a segment, so that a misplaced one shows.
    fn fill(&self, position: usize, target: &mut [u8]) {
        for (offset, byte) in target.iter_mut().enumerate() {
            *byte = self.byte(position + offset);
        }
    }

    #[inline]
    fn byte(&self, position: usize) -> u8 {
        let mixed = (position as u64)
            .wrapping_add(self.seed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as u8
    }

    fn send<D: Device>(&mut self, engine: &mut Engine<D>, connection: TcpHandle, access: Access) {
        while self.sent < self.total {
            let taken = match access {
                Access::Copying => self.send_copying(engine, connection),
                Access::ByChunk => self.send_payload(engine, connection),
            };
            if taken == 0 {
                return;
            }
            self.sent += taken;
            if self.sent == self.total {
                engine.tcp_shutdown(connection).expect("a living connection");
            }
        }
    }

    fn send_copying<D: Device>(&mut self, engine: &mut Engine<D>, connection: TcpHandle) -> usize {
        if self.offered.is_empty() {
            let mut bytes = vec![0; 4099.min(self.total - self.sent)];
            self.fill(self.sent, &mut bytes);
            self.offered = bytes;
        }
        let taken = engine
            .tcp_send(connection, &self.offered)
            .expect("a living connection");
        self.offered.drain(..taken);
        taken
    }

    fn send_payload<D: Device>(&mut self, engine: &mut Engine<D>, connection: TcpHandle) -> usize {
        let Some(payload) = self.refused.take().or_else(|| self.payload(engine)) else {
            return 0;
        };
        let length = payload.len();
        self.refused = engine
            .tcp_send_payload(connection, payload)
            .unwrap_or_else(|error| panic!("{error}"));
        if self.refused.is_none() { length } else { 0 }
    }

    fn payload<D: Device>(&self, engine: &mut Engine<D>) -> Option<Payload> {
        let mut frame = engine.allocate(Size::Small)?;
        let length = frame.tailroom().min(1999).min(self.total - self.sent);
        self.fill(self.sent, frame.extend(length).expect("tailroom was checked"));
        Some(frame.freeze())
    }

    fn receive<D: Device>(&mut self, engine: &mut Engine<D>, connection: TcpHandle, access: Access) {
        while !self.ended {
            let mut bytes = [0; 5003];
            let read = match access {
                Access::Copying => match engine.tcp_receive(connection, &mut bytes) {
                    Ok(Read::Data(length)) => self.check(&bytes[..length]),
                    Ok(Read::End) => self.end(),
                    other => Self::nothing(&other),
                },
                Access::ByChunk => match engine.tcp_receive_chunk(connection, usize::MAX) {
                    Ok(Read::Data(chunk)) => self.check(&chunk),
                    Ok(Read::End) => self.end(),
                    other => Self::nothing(&other),
                },
            };
            if !read {
                return;
            }
        }
    }

    fn nothing<T: std::fmt::Debug>(read: &Result<Read<T>, StreamError>) -> bool {
        assert!(matches!(read, Ok(Read::WouldBlock)), "{read:?}");
        false
    }

    fn check(&mut self, bytes: &[u8]) -> bool {
        for (offset, byte) in bytes.iter().enumerate() {
            let position = self.received + offset;
            assert_eq!(*byte, self.byte(position), "seed {} at {position}", self.seed);
        }
        self.received += bytes.len();
        true
    }

    fn end(&mut self) -> bool {
        assert_eq!(
            self.received, self.total,
            "the stream of seed {} ended early",
            self.seed
        );
        self.ended = true;
        true
    }
}

/// Moves to the next deadline; false when there is none.
fn advance(pair: &mut Impaired) -> bool {
    let next = pair.next_deadline();
    if let Some(next) = next {
        pair.now = pair.now.max(next);
    }
    next.is_some()
}

/// Sees to it that no TIME_WAIT ends before 2MSL.
#[derive(Default)]
struct TimeWaitWatch {
    first_entered: Option<Instant>,
}

impl TimeWaitWatch {
    fn observe(&mut self, pair: &Impaired) {
        let ends = [pair.client.time_wait(), pair.server.time_wait()];
        if ends.iter().any(|end| end.entered > 0) {
            let since = *self.first_entered.get_or_insert(pair.now);
            let expired = ends.iter().any(|end| end.expired > 0);
            assert!(!expired || pair.now >= since + Duration::from_secs(60));
        }
    }
}

/// Connects, carries `total` bytes in each direction, closes, and sees to it that nothing is left but one TIME_WAIT, and that one for 2MSL.
fn transfer(mut pair: Impaired, seed: u64, total: usize, access: Access) -> Impaired {
    let started = pair.now;
    let listener = pair.listen();
    let client = pair
        .client
        .tcp_connect(None, pair.server_address())
        .expect("a connection");
    let mut server = None;
    let (mut up, mut down) = (Flow::new(seed, total), Flow::new(!seed, total));
    let mut turn = |pair: &mut Impaired| {
        if pair.client.tcp_state(client) != Some(State::SynSent) {
            up.send(&mut pair.client, client, access);
            down.receive(&mut pair.client, client, access);
        }
        server = server.or_else(|| pair.server.tcp_accept(listener));
        if let Some(server) = server {
            down.send(&mut pair.server, server, access);
            up.receive(&mut pair.server, server, access);
        }
        up.ended && down.ended
    };
    let mut watch = TimeWaitWatch::default();
    loop {
        pair.settle();
        pair.client_events.clear();
        pair.server_events.clear();
        let ended = turn(&mut pair);
        pair.settle();
        watch.observe(&pair);
        if ended {
            break;
        }
        let has_news = !pair.client_events.is_empty() || !pair.server_events.is_empty();
        assert!(
            has_news || (advance(&mut pair) && pair.now < started + PATIENCE),
            "seed {seed} is stuck at {:?}:\nclient {:?}\nserver {:?}",
            pair.now,
            pair.client.counters().tcp,
            pair.server.counters().tcp,
        );
    }
    let server = server.expect("it was accepted");
    pair.client.tcp_close(client);
    pair.server.tcp_close(server);
    pair.server.tcp_close_listener(listener);
    wind_down(&mut pair, &mut watch, seed);
    pair
}

/// Lets both ends finish, and checks that nothing is left.
fn wind_down(pair: &mut Impaired, watch: &mut TimeWaitWatch, seed: u64) {
    loop {
        pair.settle();
        watch.observe(pair);
        if !advance(pair) {
            break;
        }
    }
    assert!(
        watch.first_entered.is_some(),
        "seed {seed}: nobody was in TIME_WAIT"
    );
    pair.check_invariants();
    for engine in [&pair.client, &pair.server] {
        assert_eq!(engine.time_wait().len, 0, "seed {seed}");
        assert_eq!(engine.time_wait().violations, 0, "seed {seed}");
        assert_eq!(engine.tcp_memory().connections, 0, "seed {seed}");
        assert_eq!(engine.tcp_memory().half_open, 0, "seed {seed}");
        engine.pool().reclaim();
        let usage = engine.pool().usage();
        assert!(usage.small <= 1 && usage.large == 0, "seed {seed}: {usage:?}");
        engine.pool().audit().expect("a sound pool");
    }
}

/// The invariants cost more than the transfer: a long one looks at them now and then, in rounds that no pattern of the traffic shares.
fn carry(access: Access) {
    let total = megabytes() << 19;
    for seed in 0..SEEDS {
        let mut pair = impaired(family_of(seed), rough(seed));
        pair.rounds_per_check = if total > MEGABYTE { 31 } else { 1 };
        transfer(pair, seed, total, access);
    }
}

#[test]
fn every_byte_arrives_by_copying() {
    carry(Access::Copying);
}

#[test]
fn every_byte_arrives_by_chunk() {
    carry(Access::ByChunk);
}

/// Nothing but a handshake and a teardown, at three times the loss.
#[test]
fn connections_open_and_close_under_heavy_loss() {
    for seed in 0..SEEDS {
        let heavy = ImpairConfig {
            loss: 0.3,
            ..rough(seed)
        };
        transfer(impaired(family_of(seed), heavy), seed, 1, Access::Copying);
    }
}

/// One impairment at a time.
fn alone(change: impl Fn(&mut ImpairConfig), hits: impl Fn(&Impair<LocalEnd>) -> u64) {
    for seed in 0..10 {
        let mut impairment = ImpairConfig {
            seed,
            ..ImpairConfig::default()
        };
        change(&mut impairment);
        let pair = transfer(
            impaired(family_of(seed), impairment),
            seed,
            MEGABYTE,
            Access::Copying,
        );
        let hit = hits(pair.client.device()) + hits(pair.server.device());
        assert!(hit > 0, "seed {seed}: nothing was impaired");
    }
}

#[test]
fn loss_alone() {
    alone(|config| config.loss = 0.1, |device| device.impaired().lost);
}

#[test]
fn delay_and_jitter_alone() {
    alone(
        |config| {
            config.delay = Duration::from_millis(40);
            config.jitter = Duration::from_millis(20);
        },
        |device| device.impaired().delayed,
    );
}

#[test]
fn duplication_alone() {
    alone(
        |config| config.duplication = 0.5,
        |device| device.impaired().duplicated,
    );
}

#[test]
fn checksums_catch_all_corruption() {
    alone(
        |config| config.corruption = 0.1,
        |device| device.impaired().corrupted,
    );
}

#[test]
fn reordering_alone() {
    alone(
        |config| {
            config.reordering = 0.2;
            config.delay = Duration::from_millis(1);
        },
        |device| device.impaired().reordered,
    );
}

#[test]
fn a_limited_rate_alone() {
    alone(
        |config| config.bits_per_second = Some(100_000_000),
        |device| device.impaired().delayed,
    );
}
