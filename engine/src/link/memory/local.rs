//! Both ends on one thread: packets change hands by a swap of queues.

use std::cell::RefCell;
use std::rc::Rc;

use super::WireConfig;
use crate::frame::PacketQueue;
use crate::link::ethernet::MacAddress;
use crate::link::{Capabilities, Device, DeviceCounters, Medium};
use crate::time::Instant;

/// Two ends of a wire for two engines on one thread. A full direction takes no more ([`DeviceCounters::refused`]); nothing is lost.
pub fn pair(config: WireConfig) -> (LocalEnd, LocalEnd) {
    connect(config, Medium::Ip, [None, None])
}

/// As [`pair`], for an Ethernet whose two stations have these addresses.
pub fn ethernet_pair(config: WireConfig, [near, far]: [MacAddress; 2]) -> (LocalEnd, LocalEnd) {
    connect(config, Medium::Ethernet, [Some(near), Some(far)])
}

fn connect(config: WireConfig, medium: Medium, [near, far]: [Option<MacAddress>; 2]) -> (LocalEnd, LocalEnd) {
    let direction = || Rc::new(RefCell::new(PacketQueue::with_capacity(config.queue)));
    let (there, back) = (direction(), direction());
    let end = |outgoing: &Rc<RefCell<PacketQueue>>, incoming: &Rc<RefCell<PacketQueue>>, address| LocalEnd {
        capabilities: Capabilities {
            medium,
            ..config.capabilities()
        },
        address,
        outgoing: outgoing.clone(),
        incoming: incoming.clone(),
        counters: DeviceCounters::default(),
    };
    (end(&there, &back, near), end(&back, &there, far))
}

/// One end of a wire made by [`pair`] or [`ethernet_pair`].
#[derive(Debug)]
pub struct LocalEnd {
    capabilities: Capabilities,
    address: Option<MacAddress>,
    outgoing: Rc<RefCell<PacketQueue>>,
    incoming: Rc<RefCell<PacketQueue>>,
    counters: DeviceCounters,
}

impl LocalEnd {
    /// The uncommon path: at least one packet of the batch is too large for the wire.
    fn transmit_singly(&mut self, batch: &mut PacketQueue) {
        let mut outgoing = self.outgoing.borrow_mut();
        while let Some(packet) = batch.get(0) {
            if !self.capabilities.carries(packet) {
                batch.pop_front();
                self.counters.dropped += 1;
            } else if outgoing.take_from(batch, 1) == 1 {
                self.counters.sent += 1;
            } else {
                break;
            }
        }
    }
}

impl Device for LocalEnd {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.address
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let received = batch.take_from(&mut self.incoming.borrow_mut(), usize::MAX);
        self.counters.received += received as u64;
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let offered = batch.len();
        if batch.iter().all(|packet| self.capabilities.carries(packet)) {
            self.counters.sent += self.outgoing.borrow_mut().take_from(batch, usize::MAX) as u64;
        } else {
            self.transmit_singly(batch);
        }
        self.counters.refused += batch.len() as u64;
        offered - batch.len()
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}
