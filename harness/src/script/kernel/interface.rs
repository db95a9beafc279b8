//! The far end of the kernel's interface, packet by packet.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use handfast::frame::{FramePool, PacketQueue, PoolConfig, Purpose};
use handfast::link::tun::{TunConfig, TunDevice};
use handfast::link::{Device, Medium};
use handfast::time::Instant;

use super::NotPossible;
use crate::path::cable;
use crate::script::build::{ICMP, ICMP_V6, TCP, UDP};
use crate::script::verdict::Stop;

/// A TUN interface.
#[derive(Debug)]
pub(super) struct Interface {
    device: TunDevice,
    pool: FramePool,
    queue: PacketQueue,
}

impl Interface {
    /// Makes the interface in the namespace of the calling thread. What arrives through it may be of any length, whatever its own MTU.
    pub(super) fn new() -> Result<Self, NotPossible> {
        let pool = FramePool::new(PoolConfig {
            small_slots: 64,
            large_slots: 8,
            loans: 16,
            ..PoolConfig::default()
        });
        let config = TunConfig {
            name: cable::DEVICE.to_owned(),
            medium: Medium::Ip,
            mtu: 65_535,
            offloads: false,
            ..TunConfig::default()
        };
        let device = TunDevice::new(&config, pool.clone()).map_err(|error| NotPossible(error.to_string()))?;
        Ok(Self {
            device,
            pool,
            queue: PacketQueue::with_capacity(1),
        })
    }

    /// The next packet that the kernel has sent.
    pub(super) fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.device.receive(now, &mut self.queue);
        let packet = self.queue.get(0)?;
        let mut bytes = vec![0; packet.len()];
        let copied = packet.copy_into(&mut bytes);
        self.queue.clear();
        copied.map(|_| bytes)
    }

    /// Lets a packet arrive at the kernel.
    pub(super) fn put(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Stop> {
        let refused = || Stop::failed("the interface does not take the packet");
        let frame = self.pool.copy(Purpose::Application, bytes).ok_or_else(refused)?;
        let packet = self.queue.push().ok_or_else(refused)?;
        packet.push_piece(frame.freeze()).map_err(|_| refused())?;
        self.device.transmit(now, &mut self.queue);
        let left = !self.queue.is_empty();
        self.queue.clear();
        if left { Err(refused()) } else { Ok(()) }
    }
}

impl AsFd for Interface {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// Whether a packet is one that scripts are about: the kernel also solicits routers and reports its groups.
pub(super) fn is_of_transport(bytes: &[u8], local: IpAddr) -> bool {
    let is_listed = |protocol: Option<&u8>| protocol.is_some_and(|p| [ICMP, TCP, UDP, ICMP_V6].contains(p));
    match local {
        IpAddr::V4(local) => is_listed(bytes.get(9)) && bytes.get(12..16) == Some(&local.octets()),
        IpAddr::V6(local) => is_listed(bytes.get(6)) && bytes.get(8..24) == Some(&local.octets()),
    }
}
