//! Packets on their way out: by calls, or through the transmit ring.

use std::os::fd::AsFd;

use super::PacketDevice;
use crate::frame::{Checksum, Packet, PacketQueue};
use crate::link::batch::{Departure, is_full};
use crate::link::sys::mmsg::{BATCH, Run};
use crate::link::sys::option::{self, SocketOption};
use crate::link::sys::packet::TransmitRing;
use crate::link::virtio;

/// Times in a row that a packet may be refused for want of room before it is lost.
const MAX_REFUSALS: u32 = 16;

impl PacketDevice {
    /// Describes the packets in front of `batch` that can be sent, up to the first that cannot.
    fn plan(&mut self, batch: &mut PacketQueue) {
        self.headers.clear();
        self.runs.clear();
        let link_header = self.capabilities.medium.header_len();
        for index in 0..batch.len().min(BATCH) {
            let Some(packet) = batch.get_mut(index) else {
                return;
            };
            let Some(header) = self.describe(packet, link_header) else {
                return;
            };
            if self.offloads {
                self.headers.push(header);
            }
            self.runs.push(Run {
                packets: 1,
                segment_size: 0,
            });
        }
    }

    /// The header of a packet; `None` when this device cannot send it.
    fn describe(&self, packet: &mut Packet, link_header: usize) -> Option<[u8; virtio::HEADER_LEN]> {
        let is_plain = packet.checksum == Checksum::InPacket && packet.segment_size == 0;
        if packet.len() <= link_header || !self.capabilities.carries(packet) || !(self.offloads || is_plain) {
            return None;
        }
        virtio::describe(packet, link_header)
    }

    /// Puts the packet in front of `batch` into the transmit ring.
    pub(super) fn place(&mut self, batch: &mut PacketQueue) -> Departure {
        let link_header = self.capabilities.medium.header_len();
        let packet = batch.get_mut(0);
        let Some((header, packet)) =
            packet.and_then(|packet| Some((self.describe(packet, link_header)?, packet)))
        else {
            return Departure::Lost(1);
        };
        let Some(ring) = self.outgoing.as_mut().filter(|ring| ring.has_room()) else {
            // What is in it leaves at once if the interface has room.
            self.kick();
            let has_room = self.outgoing.as_ref().is_some_and(TransmitRing::has_room);
            return if has_room {
                Departure::Again
            } else {
                Departure::Full
            };
        };
        let header = if self.offloads { &header[..] } else { &[] };
        let body = packet.body().iter().map(|piece| &**piece);
        let parts = [header, packet.header()].into_iter().chain(body);
        match ring.push(parts) {
            Some(bytes) => {
                self.counters.copied_bytes += (bytes - header.len()) as u64;
                Departure::Sent(1)
            }
            None => Departure::Lost(1),
        }
    }

    /// Lets the kernel send what is in the transmit ring.
    pub(super) fn kick(&mut self) {
        let waits = |device: &Self| device.outgoing.as_ref().is_some_and(TransmitRing::waits_for_call);
        if !waits(self) {
            self.unfinished = false;
            return;
        }
        let mut error = self.flush();
        if error == Some(libc::ENOBUFS) && self.stop_bypassing() {
            error = self.flush();
        }
        if error != Some(libc::ENOBUFS) {
            self.refusals = 0;
        } else if self.is_hopeless() {
            let spoiled = self.outgoing.as_mut().is_some_and(TransmitRing::spoil_oldest);
            self.counters.dropped += u64::from(spoiled);
        }
        // Down, or gone for ever: asking again at once would not help.
        let is_down = matches!(error, Some(libc::ENETDOWN | libc::ENXIO));
        self.unfinished = !is_down && waits(self);
    }

    /// Asks the kernel to look at the transmit ring; gives the error that it stopped with.
    fn flush(&mut self) -> Option<i32> {
        self.counters.system_calls += 1;
        let result = self.socket.send_with_flags(&[], libc::MSG_DONTWAIT);
        result.err().and_then(|error| error.raw_os_error())
    }

    /// Notes that the kernel had no room for the packet in front, and says whether that was so too often. It says so of what it or a driver
    /// has lost for any reason, one that stays as well: who is at the far end of a veth pair takes no packet so long.
    fn is_hopeless(&mut self) -> bool {
        self.refusals = (self.refusals + 1) % MAX_REFUSALS;
        self.refusals == 0
    }

    /// Lets packets pass through the queues of the interface from now on, after the driver would not have one; `false` when they do already.
    ///
    /// Past the queues nobody cuts a run of segments for an interface that does not, nor discards what cannot leave without a carrier: such a
    /// packet is refused for ever. What an interface can do is not asked for, because that changes while it is up.
    fn stop_bypassing(&mut self) -> bool {
        let stops =
            self.bypasses && option::set(self.socket.as_fd(), SocketOption::PacketBypassQueues, 0).is_ok();
        self.bypasses = false;
        stops
    }

    /// Sends what [`PacketDevice::plan`] describes, in one call.
    pub(super) fn send(&mut self, batch: &mut PacketQueue) -> Departure {
        self.plan(batch);
        if self.runs.is_empty() {
            return Departure::Lost(1);
        }
        self.counters.system_calls += 1;
        match self
            .sender
            .send(self.socket.as_fd(), batch, &self.runs, &self.headers)
        {
            Ok(packets) => {
                self.refusals = 0;
                Departure::Sent(packets)
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) && self.stop_bypassing() => {
                Departure::Again
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) && self.is_hopeless() => {
                Departure::Lost(1)
            }
            Err(error) if is_full(&error) => Departure::Full,
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => Departure::Again,
                // What the socket was told when the interface went down; it may be up again.
                Some(libc::ENETDOWN) if self.had_error() => Departure::Again,
                // The interface is down, or does not want this packet.
                _ => Departure::Lost(1),
            },
        }
    }
}
