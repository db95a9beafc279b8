//! An end of a wire as smoltcp sees it: a device that moves IP packets.

use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use super::wire::{Packet, Wire};
use crate::config::Checksums;

#[derive(Debug)]
pub(super) struct Device<W> {
    wire: W,
    mtu: usize,
    checksums: Checksums,
    pub(super) tally: Tally,
}

/// Packets that crossed the device.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tally {
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Replies for which the wire had no room.
    pub(super) dropped: u64,
}

impl<W: Wire> Device<W> {
    pub(super) fn new(wire: W, mtu: usize, checksums: Checksums) -> Self {
        Self {
            wire,
            mtu,
            checksums,
            tally: Tally::default(),
        }
    }
}

impl<W: Wire> phy::Device for Device<W> {
    type RxToken<'a>
        = RxToken<'a, W>
    where
        W: 'a;
    type TxToken<'a>
        = TxToken<'a, W>
    where
        W: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_, W>, TxToken<'_, W>)> {
        let packet = self.wire.receive()?;
        self.tally.received += 1;
        Some((
            RxToken {
                wire: &self.wire,
                packet,
            },
            TxToken {
                wire: &self.wire,
                tally: &mut self.tally,
            },
        ))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_, W>> {
        self.wire.has_room().then_some(TxToken {
            wire: &self.wire,
            tally: &mut self.tally,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities.checksum = match self.checksums {
            Checksums::Device => ChecksumCapabilities::ignored(),
            Checksums::Computed => ChecksumCapabilities::default(),
        };
        capabilities
    }
}

#[derive(Debug)]
pub(super) struct RxToken<'a, W: Wire> {
    wire: &'a W,
    packet: Packet,
}

impl<W: Wire> phy::RxToken for RxToken<'_, W> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.packet.bytes[..self.packet.length]);
        self.wire.recycle(self.packet);
        result
    }
}

#[derive(Debug)]
pub(super) struct TxToken<'a, W: Wire> {
    wire: &'a W,
    tally: &'a mut Tally,
}

impl<W: Wire> phy::TxToken for TxToken<'_, W> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = self.wire.buffer();
        packet.length = length;
        let result = write(&mut packet.bytes[..length]);
        if self.wire.send(packet) {
            self.tally.sent += 1;
        } else {
            self.tally.dropped += 1;
        }
        result
    }
}
