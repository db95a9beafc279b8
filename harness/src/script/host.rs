//! The engine under test and its clock.

use handfast::config::Config;
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::time::{Duration, Instant};

use super::subject::Sent;
use super::wire::Wire;

/// Polls without an end to the work, after which the engine counts as mad.
const MOST_POLLS: u32 = 10_000;

/// When scripts begin. Not zero, so that nothing works only because the clock has just started.
pub(super) const START: Instant = Instant::from_secs(1_000);

/// An engine in virtual time.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) engine: Engine<Wire>,
    now: Instant,
}

/// The engine does not come to rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Restless;

impl Host {
    /// Memory for a script that moves so many octets in all: a pool is mapped and cleared for each script, which takes longer than most
    /// of them do.
    pub(super) fn new(config: &Config, mtu: u32, octets: u64, now: Instant) -> Self {
        let pool = FramePool::new(PoolConfig {
            small_slots: 256 + (octets / 1024).min(3840) as u32,
            large_slots: 4 + (octets >> 16).min(60) as u32,
            loans: 16,
            ..PoolConfig::default()
        });
        let wire = Wire::new(mtu, pool.clone());
        Self {
            engine: Engine::new(config, pool, wire),
            now,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Polls until the engine has nothing to do at this time.
    pub(super) fn settle(&mut self) -> Result<(), Restless> {
        for _ in 0..MOST_POLLS {
            let idle = self.engine.poll(self.now, Budget::default()).is_idle();
            while self.engine.poll_event().is_some() {}
            if idle && self.deadline().is_none_or(|deadline| deadline > self.now) {
                return Ok(());
            }
        }
        Err(Restless)
    }

    fn deadline(&self) -> Option<Instant> {
        self.engine.next_deadline()
    }

    /// Goes to the engine's next deadline, or to `limit` when that comes first.
    pub(super) fn step(&mut self, limit: Instant) -> Result<(), Restless> {
        let next = self.deadline().map_or(limit, |deadline| deadline.min(limit));
        self.now = self.now.max(next);
        self.settle()
    }

    /// Lets a packet arrive now.
    pub(super) fn inject(&mut self, bytes: Vec<u8>) -> Result<(), Restless> {
        self.engine.device_mut().inject(bytes, self.now);
        self.settle()
    }

    /// The packets that were sent and not looked at yet.
    pub(super) fn sent(&mut self) -> &mut std::collections::VecDeque<Sent> {
        &mut self.engine.device_mut().sent
    }
}

/// Time since scripts began.
pub(super) fn script_time(at: Instant) -> Duration {
    at.saturating_since(START)
}
