//! Layer 1: what carries packets.
//!
//! A [`Device`] moves whole batches and takes ownership: what it accepts is gone from the batch, what it cannot take stays.
//! Wrappers ([`Impair`](impair::Impair), [`Capture`](capture::Capture)) are devices around devices and compose.
//!
//! | device | where packets come from | what it needs | checksums and runs of segments | copies on receipt, on sending |
//! |---|---|---|---|---|
//! | [`memory`] | another engine of the process | nothing | trusted, uncut | none, none |
//! | [`socket`] | another process, in UDP datagrams | nothing | trusted, several packets for a call | none, none |
//! | [`tun`] | the kernel, as the far end of an interface | `CAP_NET_ADMIN`, or an interface made ahead | left to the kernel | none, none |
//! | [`packet`] | an interface, beside the kernel | `CAP_NET_RAW` | left to the kernel | one unless long, none |
//! | [`raw`] | an address of the kernel's, beside it | `CAP_NET_RAW`, and a rule against its resets | own | none, none |
//! | [`xdp`] | a queue of an interface, instead of the kernel | root | own | none, one up to 2 KiB |
//!
//! The copies are those of the device itself ([`DeviceCounters::copied_bytes`]); the kernel makes its own, except with AF_XDP on a network
//! card that has zero-copy.

#[cfg(unix)]
use std::os::fd::BorrowedFd;

use self::ethernet::MacAddress;
use crate::frame::{Packet, PacketQueue};
use crate::time::Instant;

#[cfg(target_os = "linux")]
mod batch;
pub mod capture;
#[cfg(test)]
mod conformance;
#[cfg(target_os = "linux")]
mod datagrams;
#[cfg(target_os = "linux")]
pub mod error;
pub mod ethernet;
pub mod impair;
#[cfg(target_os = "linux")]
mod instruction;
#[cfg(target_os = "linux")]
mod landing;
pub mod memory;
#[cfg(all(test, target_os = "linux"))]
mod namespace;
mod offload;
#[cfg(target_os = "linux")]
pub mod packet;
#[cfg(target_os = "linux")]
pub mod raw;
#[cfg(target_os = "linux")]
pub mod socket;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
pub mod tun;
#[cfg(target_os = "linux")]
mod virtio;
#[cfg(target_os = "linux")]
pub mod wait;
#[cfg(target_os = "linux")]
pub mod xdp;

/// Payload bytes of the largest virtual segment for devices of the kernel: with all headers within the 65,535 bytes of an IP packet.
#[cfg(target_os = "linux")]
const MAX_VIRTUAL_SEGMENT: u32 = 65_000;

/// What the packets of a device start with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Medium {
    /// IP headers: nothing below them is the engine's business.
    Ip,
    /// Ethernet II headers.
    Ethernet,
}

impl Medium {
    /// Bytes of the link's header, which [`Capabilities::mtu`] does not count.
    #[inline]
    pub const fn header_len(self) -> usize {
        match self {
            Self::Ip => 0,
            Self::Ethernet => ethernet::HEADER_LEN,
        }
    }
}

/// What a device does by itself, and what it demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// What packets start with.
    pub medium: Medium,
    /// Bytes of the largest IP packet.
    pub mtu: u32,
    /// Received transport checksums are verified, or need no verification because nothing can have changed the bytes.
    pub verifies_checksums: bool,
    /// Transport checksums of sent packets are completed by the device, or need not be because its peer trusts it.
    pub computes_checksums: bool,
    /// Payload bytes of the largest virtual segment that the device cuts by itself; 0 when it cuts none.
    pub max_segment: u32,
    /// The device sends a packet from several places; without it, it copies the pieces together (and counts the bytes).
    pub gathers: bool,
}

impl Capabilities {
    /// Whether the device can carry `packet`: it is within the MTU, or a virtual segment that the device cuts.
    #[inline]
    pub fn carries(&self, packet: &Packet) -> bool {
        packet.len() <= self.mtu as usize + self.medium.header_len()
            || (packet.segment_size > 0 && packet.body_len() <= self.max_segment as usize)
    }
}

/// What has happened to a device's packets since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DeviceCounters {
    /// Packets received.
    pub received: u64,
    /// Packets (or virtual segments) sent.
    pub sent: u64,
    /// Packets left in a batch because the device or its queue was full.
    pub refused: u64,
    /// Packets that were lost in the device: no frame to receive into, too large, an error of the system.
    pub dropped: u64,
    /// Bytes copied because the device (or a loan) could not pass them on in place.
    pub copied_bytes: u64,
    /// System calls made.
    pub system_calls: u64,
}

/// Something that carries packets.
pub trait Device {
    /// What the device does by itself. Constant over its life.
    fn capabilities(&self) -> Capabilities;

    /// The address of the station that the device is, where the [`Medium`] has such and the device knows it. Constant over its life.
    fn hardware_address(&self) -> Option<MacAddress> {
        None
    }

    /// Appends received packets to `batch` as far as there is room, and returns how many.
    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize;

    /// Takes packets from the front of `batch` and returns how many; what the device cannot take now stays. A packet that it
    /// can never carry ([`Capabilities::carries`]) is taken, dropped and counted.
    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize;

    /// Frames to these stations and groups are to arrive from now on, besides those to [`Device::hardware_address`] and to everybody; others
    /// need not. Without effect where everything arrives as it is.
    fn hear(&mut self, _addresses: &[MacAddress]) {}

    /// When [`Device::receive`] will have something without anything happening outside; `None` for most devices.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// What becomes readable when packets wait, and writable when a full device takes more: for `poll(2)` and its like. `None` for wires in
    /// memory, which can only be asked.
    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the interface is no longer there, so that nothing will ever arrive again. Such a device drops and counts what is sent. A system
    /// call, for who wants to know now and then.
    fn is_gone(&self) -> bool {
        false
    }

    /// What has happened so far.
    fn counters(&self) -> DeviceCounters;
}

impl<D: Device + ?Sized> Device for Box<D> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        (**self).hardware_address()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        (**self).receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        (**self).transmit(now, batch)
    }

    fn hear(&mut self, addresses: &[MacAddress]) {
        (**self).hear(addresses);
    }

    fn next_deadline(&self) -> Option<Instant> {
        (**self).next_deadline()
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (**self).descriptor()
    }

    fn is_gone(&self) -> bool {
        (**self).is_gone()
    }

    fn counters(&self) -> DeviceCounters {
        (**self).counters()
    }
}
