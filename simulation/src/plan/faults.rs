//! What goes wrong between the hosts.

use handfast::link::impair::ImpairConfig;
use handfast::time::{Duration, Instant};

use crate::random::Random;

/// The longest that a segment lives (RFC 9293 section 3.4.2).
const MSL: Duration = Duration::from_secs(120);

/// How the network treats packets.
#[derive(Clone, Debug)]
pub struct Faults {
    /// What each host's incoming packets suffer.
    pub impairment: ImpairConfig,
    /// Hosts trust each other's checksums and hand segments over whole. Only where packets suffer nothing.
    pub whole_segments: bool,
    /// Packets that wait for a host, before others are lost or refused.
    pub queue: usize,
    /// A full queue refuses packets instead of losing them.
    pub back_pressure: bool,
    /// Faults that begin and end.
    pub periods: Vec<Period>,
    /// Clocks that jump.
    pub jumps: Vec<Jump>,
    /// The longest that a host leaves its engine alone although there is something to do.
    pub laziness: Duration,
}

/// A fault of one host's link, for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// Whose link.
    pub host: usize,
    /// When it begins.
    pub from: Instant,
    /// When it is over.
    pub until: Instant,
    /// What it is.
    pub fault: Fault,
}

/// What can be the matter with a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Everything is lost.
    Dark,
    /// The device takes no packet.
    Full,
    /// Larger packets are lost.
    Narrow {
        /// Octets of the largest IP packet that passes.
        mtu: u32,
        /// The sender is told by ICMP.
        tells: bool,
    },
}

/// A clock that jumps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jump {
    /// Whose; `None` for all at the same time.
    pub host: Option<usize>,
    /// When.
    pub at: Instant,
    /// How far, in nanoseconds; back when negative.
    pub by: i64,
}

impl Jump {
    /// Whether all clocks go on by more than a segment lives. What was under way has died then: an old segment would be taken for a new one
    /// (RFC 9293 section 3.4.3), and its timestamp too, after which PAWS refuses what is newer by half a wrap or more (RFC 7323 section 5.4).
    pub(crate) fn outlives_segments(&self) -> bool {
        self.host.is_none() && self.by > MSL.as_nanos() as i64
    }
}

impl Faults {
    pub(super) fn draw(random: &mut Random, hosts: usize) -> Self {
        let perfect = random.percent(12);
        let mut impairment = impairment(&mut random.fork(), perfect);
        impairment.seed = random.next();
        let harmless = perfect && random.percent(60);
        let mut periods = Vec::new();
        if !harmless && random.percent(25) {
            let count = random.within(1..=3);
            periods.extend((0..count).map(|_| period(random, hosts)));
        }
        let mut jumps = Vec::new();
        if random.percent(15) {
            let count = random.within(1..=2);
            jumps.extend((0..count).map(|_| jump(random, hosts)));
        }
        Self {
            impairment,
            whole_segments: harmless && random.percent(60),
            queue: random.pick(&[4, 16, 64, 1024]),
            back_pressure: perfect || random.percent(50),
            periods,
            jumps,
            laziness: if random.percent(15) {
                random.millis(1..=80)
            } else {
                Duration::ZERO
            },
        }
    }

    /// The probability that a packet does not arrive, or arrives in vain.
    pub(crate) fn loss(&self) -> f64 {
        1.0 - (1.0 - self.impairment.loss) * (1.0 - self.impairment.corruption)
    }

    /// Whether nothing is ever lost.
    pub(crate) fn lose_nothing(&self) -> bool {
        self.loss() == 0.0
            && self.back_pressure
            && self.periods.is_empty()
            && self.impairment.bits_per_second.is_none()
            && !self.jumps.iter().any(Jump::outlives_segments)
    }

    /// Whether a peer that is there may seem to be gone.
    pub(crate) fn explain_timeouts(&self) -> bool {
        self.loss() > 0.12
            || self.periods.iter().any(|period| period.fault == Fault::Dark)
            || !self.jumps.is_empty()
    }

    /// How much longer these faults make everything take, with a good deal to spare.
    pub(super) fn slowest_seconds(&self, octets: u64) -> f64 {
        let length = |period: &Period| period.until.saturating_since(period.from).as_nanos() as f64 / 1e9;
        // A timer that has backed off during the fault comes after as long again; and a narrow path costs timeouts in a row.
        let periods: f64 = self
            .periods
            .iter()
            .map(|period| 20.0 + 4.0 * length(period))
            .sum();
        let backwards: f64 = self
            .jumps
            .iter()
            .map(|jump| jump.by.min(0).unsigned_abs() as f64 / 1e9)
            .sum();
        let rate = self
            .impairment
            .bits_per_second
            .map_or(0.0, |rate| octets as f64 * 40.0 / rate as f64);
        let losses = self.loss() * (20_000.0 + octets as f64 / 4.0);
        let queues = if self.back_pressure { 0.0 } else { 20_000.0 };
        periods
            + 2.0 * backwards
            + rate
            + losses
            + queues
            + 1_000.0 * f64::from(u8::from(self.explain_timeouts()))
    }
}

fn impairment(random: &mut Random, perfect: bool) -> ImpairConfig {
    let mut config = ImpairConfig::default();
    if random.percent(80) {
        config.delay = Duration::from_nanos(random.scaled(10_000..=150_000_000));
    }
    if perfect {
        return config;
    }
    let mut chance = |percent, most: f64| {
        if random.percent(percent) {
            random.fraction() * most
        } else {
            0.0
        }
    };
    config.loss = chance(60, 0.3);
    config.duplication = chance(40, 0.3);
    config.corruption = chance(25, 0.1);
    config.reordering = chance(40, 0.3);
    config.places = random.within(1..=20) as u32;
    config.hold_limit = random.millis(1..=30);
    if random.percent(40) {
        config.jitter = Duration::from_nanos(random.scaled(10_000..=50_000_000));
    }
    if random.percent(20) {
        config.bits_per_second = Some(random.scaled(500_000..=1_000_000_000));
        config.capacity = random.pick(&[16, 64, 512]);
    }
    config
}

fn period(random: &mut Random, hosts: usize) -> Period {
    let from = Instant::ZERO + random.millis(0..=3_000);
    let fault = match random.below(3) {
        0 => Fault::Dark,
        1 => Fault::Full,
        _ => Fault::Narrow {
            mtu: random.pick(&[1_280, 1_300, 1_400, 1_492]),
            tells: random.percent(60),
        },
    };
    Period {
        host: random.below(hosts as u64) as usize,
        from,
        until: from + Duration::from_nanos(random.scaled(1_000_000..=20_000_000_000)),
        fault,
    }
}

fn jump(random: &mut Random, hosts: usize) -> Jump {
    const SECOND: i64 = 1_000_000_000;
    let alone = random.percent(60);
    let by = match random.below(3) {
        0 => -(random.within(1..=5_000) as i64) * 1_000_000,
        1 => random.within(1..=6 * 3_600) as i64 * SECOND,
        // Who alone is weeks ahead sends timestamps that look old (RFC 7323 section 5.5).
        _ if alone => random.within(1..=120) as i64 * SECOND,
        _ => random.within(1..=2 * 365) as i64 * 86_400 * SECOND,
    };
    Jump {
        host: alone.then(|| random.below(hosts as u64) as usize),
        at: Instant::ZERO + random.millis(0..=4_000),
        by,
    }
}
