//! The low-rate attack ("Shrew", Kuzmanovic and Knightly, SIGCOMM 2003): short bursts that fill a router's queue once in each minimum RTO, so
//! that every retransmission by the timer falls into the next burst.
//!
//! Two things help. Probes of the tail (RFC 8985) go after two round trips, and time tells of a lost retransmission, so that the timer is seldom
//! needed. And what a timeout has sent again is waited for a little longer each time, by chance
//! ([`TcpConfig::random_back_off`](handfast::config::TcpConfig::random_back_off)), so that it does not fall into burst after burst. The minimum
//! RTO itself, 200 ms more than the round trip, is not spread: every honest loss would pay for that.
//!
//! Shares of a path of 10 Mbit/s and 20 ms in percent, with bursts of 50 ms in each 220, 270, 440 and 1,000 ms: 9, 17, 49 and 77; without
//! the random part 0, 17, 49 and 77; without SACK, and so without probes, 2, 3, 9 and 56. Without an attack: 96.

use handfast::application::{Read, TcpHandle};
use handfast::config::TcpConfig;
use handfast::frame::{FramePool, PacketQueue, PoolConfig};
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::{Duration, Instant};
use handfast::transport::tcp::rtt::MIN_RTO;

use crate::support::{Family, Pair, config};

/// How long each burst leaves no room in the queue.
const BURST: Duration = Duration::from_millis(50);
const ROUND_TRIP: Duration = Duration::from_millis(20);
const BITS_PER_SECOND: u64 = 10_000_000;
/// How long the attack lasts.
const SPAN: Duration = Duration::from_secs(20);

/// A device behind which a queue is full once in each period.
#[derive(Debug)]
struct Attacked {
    device: Impair<LocalEnd>,
    /// When the attack begins, and its period.
    attack: Option<(Instant, Duration)>,
}

impl Attacked {
    fn is_full(&self, now: Instant) -> bool {
        self.attack.is_some_and(|(begin, period)| {
            let since = now.saturating_since(begin).as_nanos();
            since % period.as_nanos() < BURST.as_nanos()
        })
    }
}

impl Device for Attacked {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        if !self.is_full(now) {
            return self.device.transmit(now, batch);
        }
        let lost = batch.len();
        batch.clear();
        lost
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.device.next_deadline()
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}

/// A client whose data meets the attack, and a server whose acknowledgments do not.
fn victims(change: impl FnOnce(&mut TcpConfig)) -> Pair<Attacked> {
    let family = Family::V4;
    let (near, far) = pair(WireConfig {
        trusted: false,
        max_segment: 0,
        queue: 1024,
        ..WireConfig::default()
    });
    let path = |device, seed| Attacked {
        device: Impair::new(
            device,
            ImpairConfig {
                seed,
                delay: Duration::from_nanos(ROUND_TRIP.as_nanos() / 2),
                bits_per_second: Some(BITS_PER_SECOND),
                capacity: 64,
                ..ImpairConfig::default()
            },
            FramePool::new(PoolConfig::default()),
        )
        .expect("values in range"),
        attack: None,
    };
    let mut client = config(1, family.client());
    change(&mut client.tcp);
    Pair::with_configs(
        family,
        (path(near, 1), path(far, 2)),
        client,
        config(2, family.server()),
    )
}

fn move_bytes(pair: &mut Pair<Attacked>, client: TcpHandle, server: TcpHandle) -> u64 {
    let mut bytes = vec![7; 64 << 10];
    while pair.client.tcp_send(client, &bytes).expect("a living connection") > 0 {}
    let mut received = 0;
    while let Ok(Read::Data(length)) = pair.server.tcp_receive(server, &mut bytes) {
        received += length as u64;
    }
    received
}

/// How much of the path a stream gets while it is attacked, in percent.
fn share(period: Option<u64>, change: impl FnOnce(&mut TcpConfig)) -> u64 {
    let mut pair = victims(change);
    pair.rounds_per_check = 100;
    let listener = pair.listen();
    let client = pair
        .client
        .tcp_connect(None, pair.server_address())
        .expect("a connection");
    pair.pass(Duration::from_secs(1));
    let server = pair
        .server
        .tcp_accept(listener)
        .expect("the handshake is complete");
    pair.client.device_mut().attack = period.map(|period| (pair.now, Duration::from_millis(period)));
    let end = pair.now + SPAN;
    let mut received = 0;
    while pair.now < end {
        received += move_bytes(&mut pair, client, server);
        pair.settle();
        received += move_bytes(&mut pair, client, server);
        pair.settle();
        let next = pair.next_deadline().expect("something is under way");
        pair.now = pair.now.max(next);
    }
    received * 8 * 100 / (BITS_PER_SECOND * SPAN.as_millis() / 1000)
}

/// The timeout of a path that does not vary.
fn timeout() -> Duration {
    MIN_RTO + ROUND_TRIP
}

#[test]
fn bursts_at_the_pace_of_the_timer_do_not_starve_a_stream() {
    let minimum = timeout().as_millis();
    let attacks = [
        (None, 90),
        (Some(minimum), 3),
        (Some(minimum + 50), 6),
        (Some(2 * minimum), 30),
        (Some(1000), 60),
    ];
    for (period, least) in attacks {
        let found = share(period, |_| {});
        assert!(found >= least, "{found} % with a burst each {period:?} ms");
    }
}

/// That the attack is one: without what helps it stops a stream for good.
#[test]
fn bursts_starve_who_can_be_foreseen() {
    let found = share(Some(timeout().as_millis()), |config| {
        config.random_back_off = false;
    });
    assert_eq!(found, 0);
}
