//! The engine's devices as smoltcp sees them.

use handfast::frame::{Checksum, FramePool, PacketQueue, PoolConfig, Purpose, Size};
use handfast::link::Device;
use handfast::time::Instant;
use smoltcp::phy::{self, DeviceCapabilities, Medium};

/// Packets that a direction holds.
pub(crate) const DEPTH: usize = 1024;

/// An end of a wire that speaks smoltcp's language.
pub(crate) struct Adapter<D> {
    pub(crate) device: D,
    pub(crate) now: Instant,
    pool: FramePool,
    arrived: PacketQueue,
    leaving: PacketQueue,
}

impl<D: Device> Adapter<D> {
    pub(crate) fn new(device: D) -> Self {
        Self {
            device,
            now: Instant::ZERO,
            pool: FramePool::new(PoolConfig::default()),
            arrived: PacketQueue::with_capacity(DEPTH),
            leaving: PacketQueue::with_capacity(1),
        }
    }
}

impl<D: Device> phy::Device for Adapter<D> {
    type RxToken<'a>
        = Arrival
    where
        D: 'a;
    type TxToken<'a>
        = Departure<'a, D>
    where
        D: 'a;

    fn receive(&mut self, now: smoltcp::time::Instant) -> Option<(Arrival, Departure<'_, D>)> {
        if self.arrived.is_empty() {
            self.device.receive(self.now, &mut self.arrived);
        }
        let packet = self.arrived.get(0)?;
        let mut bytes = vec![0; packet.len()];
        packet.copy_into(&mut bytes).expect("as long as the packet");
        self.arrived.pop_front();
        Some((Arrival(bytes), self.transmit(now)?))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Departure<'_, D>> {
        Some(Departure(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.device.capabilities().mtu as usize;
        capabilities
    }
}

pub(crate) struct Arrival(Vec<u8>);

impl phy::RxToken for Arrival {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub(crate) struct Departure<'a, D>(&'a mut Adapter<D>);

impl<D: Device> phy::TxToken for Departure<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let Adapter {
            device,
            now,
            pool,
            leaving,
            ..
        } = self.0;
        let mut frame = pool
            .allocate(Purpose::Application, Size::Small)
            .expect("a frame for each packet");
        let result = write(frame.extend(length).expect("a packet within the MTU"));
        let packet = leaving.push().expect("the queue is empty");
        packet.checksum = Checksum::InPacket;
        packet.push_piece(frame.freeze()).expect("the first piece");
        device.transmit(*now, leaving);
        assert!(leaving.is_empty(), "the wire has room");
        result
    }
}
