//! Both ends on one thread: packets change hands by a swap of queues.

use std::cell::RefCell;
use std::rc::Rc;

use super::WireConfig;
use crate::frame::PacketQueue;
use crate::link::{Capabilities, Device, DeviceCounters};
use crate::time::Instant;

/// Two ends of a wire for two engines on one thread. A full direction takes no more ([`DeviceCounters::refused`]); nothing is lost.
pub fn pair(config: WireConfig) -> (LocalEnd, LocalEnd) {
    let direction = || Rc::new(RefCell::new(PacketQueue::with_capacity(config.queue)));
    let (there, back) = (direction(), direction());
    let end = |outgoing: &Rc<RefCell<PacketQueue>>, incoming: &Rc<RefCell<PacketQueue>>| LocalEnd {
        capabilities: config.capabilities(),
        outgoing: outgoing.clone(),
        incoming: incoming.clone(),
        counters: DeviceCounters::default(),
    };
    (end(&there, &back), end(&back, &there))
}

/// One end of a wire made by [`pair`].
#[derive(Debug)]
pub struct LocalEnd {
    capabilities: Capabilities,
    outgoing: Rc<RefCell<PacketQueue>>,
    incoming: Rc<RefCell<PacketQueue>>,
    counters: DeviceCounters,
}

impl Device for LocalEnd {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let received = batch.take_from(&mut self.incoming.borrow_mut(), usize::MAX);
        self.counters.received += received as u64;
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let sent = self.outgoing.borrow_mut().take_from(batch, usize::MAX);
        self.counters.sent += sent as u64;
        self.counters.refused += batch.len() as u64;
        sent
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}
