//! What is between the hosts: one switch, whose links can be dark, full or narrow for a while.

mod too_big;

use std::cell::RefCell;
use std::rc::Rc;

use handfast::frame::{FramePool, Packet, PacketQueue, PoolConfig};
use handfast::link::{Capabilities, Device, DeviceCounters, Medium};
use handfast::time::Instant;

use crate::plan::{Fault, Plan};

/// Payload octets of a segment that is handed over whole.
const WHOLE_SEGMENT: u32 = 65_000;

/// The switch, with a queue in front of each host.
#[derive(Debug)]
pub(crate) struct Network {
    /// The true time, which no host's clock needs to show.
    pub(crate) now: Instant,
    /// Nothing gets through, and what was under way is lost.
    pub(crate) loses_all: bool,
    queues: Vec<PacketQueue>,
    periods: Vec<crate::plan::Period>,
    back_pressure: bool,
    /// Where messages of the switch itself lie.
    pool: FramePool,
}

impl Network {
    pub(crate) fn new(plan: &Plan) -> Rc<RefCell<Self>> {
        let queue = || PacketQueue::with_capacity(plan.faults.queue);
        Rc::new(RefCell::new(Self {
            now: Instant::ZERO,
            loses_all: false,
            queues: plan.hosts.iter().map(|_| queue()).collect(),
            periods: plan.faults.periods.clone(),
            back_pressure: plan.faults.back_pressure,
            pool: FramePool::new(PoolConfig {
                small_slots: 128,
                large_slots: 0,
                loans: 0,
                guaranteed_percent: 0,
            }),
        }))
    }

    /// Whether packets wait for a host.
    pub(crate) fn has_for(&self, host: usize) -> bool {
        !self.queues[host].is_empty()
    }

    /// Whether a host may find its device full: one that does is not busy, it waits.
    pub(crate) fn may_refuse(&self, host: usize) -> bool {
        self.suffers(host, |fault| fault == Fault::Full)
            || (self.back_pressure && self.queues.iter().any(|queue| queue.room() == 0))
    }

    /// Slots of the switch that are in use.
    pub(crate) fn slots_in_use(&self) -> u32 {
        self.pool.usage().small
    }

    fn suffers(&self, host: usize, which: impl Fn(Fault) -> bool) -> bool {
        let is_on = |period: &&crate::plan::Period| period.from <= self.now && self.now < period.until;
        self.periods
            .iter()
            .filter(is_on)
            .any(|period| period.host == host && which(period.fault))
    }

    /// The narrowest link between two hosts, and whether it tells.
    fn narrowest(&self, hosts: [usize; 2]) -> Option<(u32, bool)> {
        let is_on = |period: &&crate::plan::Period| period.from <= self.now && self.now < period.until;
        let narrow = self
            .periods
            .iter()
            .filter(is_on)
            .filter_map(|period| match period.fault {
                Fault::Narrow { mtu, tells } if hosts.contains(&period.host) => Some((mtu, tells)),
                _ => None,
            });
        narrow.min_by_key(|(mtu, _)| *mtu)
    }

    /// Passes on the packet in front of `batch`. False when it has to wait.
    fn forward(&mut self, from: usize, batch: &mut PacketQueue, largest_of: &[u32]) -> bool {
        let packet = batch.get(0).expect("the caller has looked at it");
        let to = destination(packet).filter(|to| *to < self.queues.len());
        let Some(to) = to else {
            batch.pop_front();
            return true;
        };
        let is_whole = packet.segment_size > 0;
        let is_dark = |fault| fault == Fault::Dark;
        let too_large = !is_whole && packet.len() > largest_of[to] as usize;
        if too_large || self.suffers(from, is_dark) || self.suffers(to, is_dark) {
            batch.pop_front();
            return true;
        }
        if let Some((mtu, tells)) = self.narrowest([from, to])
            && packet.len() > mtu as usize
        {
            if tells {
                too_big::tell(packet, mtu, &self.pool, &mut self.queues[from]);
            }
            batch.pop_front();
            return true;
        }
        if self.queues[to].take_from(batch, 1) == 1 {
            return true;
        }
        if !self.back_pressure {
            batch.pop_front();
        }
        !self.back_pressure
    }
}

/// The host that a packet is for.
fn destination(packet: &Packet) -> Option<usize> {
    let bytes = packet.contiguous();
    let at = if bytes.first()? >> 4 == 4 { 19 } else { 39 };
    usize::from(*bytes.get(at)?).checked_sub(1)
}

/// A host's link to the switch.
#[derive(Debug)]
pub(crate) struct Port {
    network: Rc<RefCell<Network>>,
    host: usize,
    mtus: Rc<[u32]>,
    whole_segments: bool,
    counters: DeviceCounters,
}

impl Port {
    pub(crate) fn new(network: &Rc<RefCell<Network>>, host: usize, plan: &Plan) -> Self {
        Self {
            network: network.clone(),
            host,
            mtus: plan.hosts.iter().map(|host| host.mtu).collect(),
            whole_segments: plan.faults.whole_segments,
            counters: DeviceCounters::default(),
        }
    }
}

impl Device for Port {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            medium: Medium::Ip,
            mtu: self.mtus[self.host],
            verifies_checksums: self.whole_segments,
            computes_checksums: self.whole_segments,
            max_segment: if self.whole_segments { WHOLE_SEGMENT } else { 0 },
            gathers: true,
        }
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let mut network = self.network.borrow_mut();
        let received = batch.take_from(&mut network.queues[self.host], usize::MAX);
        self.counters.received += received as u64;
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let mut network = self.network.borrow_mut();
        if network.suffers(self.host, |fault| fault == Fault::Full) {
            self.counters.refused += batch.len() as u64;
            return 0;
        }
        let offered = batch.len();
        while !batch.is_empty() && network.forward(self.host, batch, &self.mtus) {}
        self.counters.refused += batch.len() as u64;
        self.counters.sent += (offered - batch.len()) as u64;
        offered - batch.len()
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}
