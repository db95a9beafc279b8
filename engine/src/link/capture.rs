//! Writes every packet that passes a device to a pcapng file.

mod blocks;
#[cfg(test)]
mod tests;

use core::fmt;
use std::io::{self, Write};
#[cfg(unix)]
use std::os::fd::BorrowedFd;

use self::blocks::Direction;
use super::ethernet::MacAddress;
use super::{Capabilities, Device, DeviceCounters, Medium, offload};
use crate::frame::{Checksum, Packet, PacketQueue};
use crate::time::Instant;

/// A device whose packets, in both directions, are written to a pcapng file as well, with the engine's time in nanoseconds.
///
/// A virtual segment is one packet in the file, with the lengths it would have; a transport checksum that was left to the device is
/// computed for the file. The packets themselves stay as they are. Packets are copied in memory for this, but writing is
/// best buffered by `W` too. An error of the writer ends the capture, not the traffic; [`Capture::finish`] reports it.
pub struct Capture<D, W> {
    device: D,
    writer: W,
    snap_len: u32,
    medium: Medium,
    /// The blocks of the packets at hand.
    blocks: Vec<u8>,
    /// Where the block of each packet offered to the device ends.
    ends: Vec<usize>,
    last: Instant,
    written: io::Result<()>,
}

impl<D: Device, W: Write> Capture<D, W> {
    /// Wraps `device` and writes the head of the file. Of each packet up to `snap_len` bytes are kept, all of them for 0.
    pub fn new(device: D, writer: W, snap_len: u32) -> Self {
        let medium = device.capabilities().medium;
        let mut capture = Self {
            device,
            writer,
            snap_len,
            medium,
            blocks: Vec::new(),
            ends: Vec::new(),
            last: Instant::ZERO,
            written: Ok(()),
        };
        blocks::section(&mut capture.blocks);
        blocks::interface(&mut capture.blocks, medium, snap_len);
        capture.write(usize::MAX);
        capture
    }

    /// Writes the counters of the device behind the packets and gives the writer back, flushed.
    ///
    /// # Errors
    /// The first error that the writer has returned since the capture began.
    pub fn finish(mut self) -> io::Result<W> {
        blocks::statistics(&mut self.blocks, self.last, &self.device.counters());
        self.write(usize::MAX);
        self.written?;
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn record(&mut self, now: Instant, packet: &Packet, direction: Direction) {
        let link_header = self.medium.header_len();
        let complete = |bytes: &mut [u8]| {
            let Some(bytes) = bytes.get_mut(link_header..) else {
                return;
            };
            if packet.segment_size > 0 {
                offload::correct_lengths(bytes);
            }
            if packet.segment_size > 0 || packet.checksum == Checksum::Offloaded {
                offload::complete_checksum(bytes);
            }
        };
        blocks::packet(&mut self.blocks, now, direction, self.snap_len, packet, complete);
    }

    /// Writes up to `limit` bytes of the blocks and forgets the others.
    fn write(&mut self, limit: usize) {
        if self.written.is_ok() {
            let bytes = &self.blocks[..limit.min(self.blocks.len())];
            self.written = self.writer.write_all(bytes);
        }
        self.blocks.clear();
        self.ends.clear();
    }
}

impl<D: Device, W: Write> Device for Capture<D, W> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.device.hardware_address()
    }

    fn hear(&mut self, addresses: &[MacAddress]) {
        self.device.hear(addresses);
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let waiting = batch.len();
        let received = self.device.receive(now, batch);
        if received > 0 && self.written.is_ok() {
            for packet in batch.iter().skip(waiting) {
                self.record(now, packet, Direction::Inbound);
            }
            self.last = now;
            self.write(usize::MAX);
        }
        received
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        if self.written.is_err() {
            return self.device.transmit(now, batch);
        }
        // What the device takes is gone afterwards, and what it takes is known only then.
        for packet in batch.iter() {
            self.record(now, packet, Direction::Outbound);
            self.ends.push(self.blocks.len());
        }
        let offered = batch.len();
        let sent = self.device.transmit(now, batch);
        if let Some(last) = (offered - batch.len()).checked_sub(1) {
            self.last = now;
            self.write(self.ends[last]);
        } else {
            self.write(0);
        }
        sent
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.device.next_deadline()
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.device.descriptor()
    }

    fn is_gone(&self) -> bool {
        self.device.is_gone()
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}

impl<D: fmt::Debug, W> fmt::Debug for Capture<D, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("device", &self.device)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
