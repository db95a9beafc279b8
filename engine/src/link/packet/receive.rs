//! Packets on their way in: out of the ring, or, where they are too long for it, from the socket.

use std::io::{IoSliceMut, Read};
use std::os::fd::AsFd;

use super::PacketDevice;
use crate::frame::{Checksum, Packet, Payload, Purpose, Size};
use crate::link::batch::Arrival;
use crate::link::landing::Landed;
use crate::link::sys::packet;
use crate::link::virtio;

/// What the ring says of a packet beside its bytes.
#[derive(Clone, Copy)]
struct Marks {
    /// The kernel vouches for the transport checksum.
    is_verified: bool,
    /// A VLAN tag was taken out of it.
    is_tagged: bool,
}

impl PacketDevice {
    /// Takes the packet in front of the ring, or one from a run that was taken before.
    #[inline]
    pub(super) fn take(&mut self, packet: &mut Packet) -> Arrival {
        if !self.datagrams.is_empty() {
            self.datagrams.take(packet);
            return Arrival::Received;
        }
        let arrival = self.copy_out(packet);
        if arrival != Arrival::Nothing {
            self.ring.release();
        }
        arrival
    }

    /// Copies the packet in front of the ring, where it stays; nothing when there is no frame for it.
    #[inline]
    fn copy_out(&mut self, packet: &mut Packet) -> Arrival {
        let Some(arrived) = self.ring.peek() else {
            return Arrival::Nothing;
        };
        if arrived.is_behind_losses() {
            self.counters.system_calls += 1;
            self.counters.dropped += u64::from(packet::take_losses(self.socket.as_fd()));
        }
        let marks = Marks {
            is_verified: arrived.is_verified(),
            is_tagged: arrived.is_tagged(),
        };
        if arrived.is_queued() {
            return self.fetch(marks, packet);
        }
        let link_header = self.capabilities.medium.header_len();
        let longest = self.capabilities.mtu as usize + link_header;
        let is_usable = arrived.whole
            && !marks.is_tagged
            && arrived.bytes.len() > link_header
            && (self.offloads || arrived.bytes.len() <= longest);
        if !is_usable {
            return Arrival::Lost;
        }
        let Some(frame) = self.pool.copy(Purpose::Receive, arrived.bytes) else {
            // A short packet waits for a frame; a long one must not hold up the short ones that would free some.
            let has_room = self.pool.can_allocate(Purpose::Receive, Size::Small);
            return if has_room { Arrival::Lost } else { Arrival::Nothing };
        };
        self.counters.copied_bytes += frame.len() as u64;
        let received = if self.offloads {
            virtio::parse(&arrived.header)
        } else {
            virtio::Received::Packet(Checksum::InPacket)
        };
        let landed = Landed {
            front: frame.freeze(),
            rest: Payload::empty(),
        };
        self.classify(landed, received, marks, packet)
    }

    /// Receives the packet in front of the ring from the socket, which has all of it. Each is received once, whether or not it is of use.
    fn fetch(&mut self, marks: Marks, packet: &mut Packet) -> Arrival {
        // Behind an error that the socket was told, as when its interface goes down.
        const TRIES: usize = 2;
        if !self.landing.prepare() {
            return Arrival::Nothing;
        }
        let mut header = [0; virtio::HEADER_LEN];
        for _ in 0..TRIES {
            let [front, rest] = self.landing.room();
            let mut room = [IoSliceMut::new(&mut header), front, rest];
            self.counters.system_calls += 1;
            let Ok(bytes) = (&self.socket).read_vectored(&mut room) else {
                continue;
            };
            let link_header = self.capabilities.medium.header_len();
            let landed = bytes
                .checked_sub(virtio::HEADER_LEN)
                .and_then(|bytes| self.landing.take(bytes))
                .filter(|landed| landed.front.len() > link_header && !marks.is_tagged);
            return landed.map_or(Arrival::Lost, |landed| {
                self.classify(landed, virtio::parse(&header), marks, packet)
            });
        }
        Arrival::Lost
    }

    #[inline]
    fn classify(
        &mut self,
        landed: Landed,
        received: virtio::Received,
        marks: Marks,
        packet: &mut Packet,
    ) -> Arrival {
        match received {
            virtio::Received::Packet(checksum) => {
                packet.checksum = if marks.is_verified {
                    Checksum::Offloaded
                } else {
                    checksum
                };
                landed.move_into(packet);
            }
            virtio::Received::Datagrams(segment) => {
                let link_header = self.capabilities.medium.header_len();
                if !self.datagrams.begin(landed, link_header, segment) {
                    return Arrival::Lost;
                }
                self.datagrams.take(packet);
            }
            virtio::Received::Unknown => return Arrival::Lost,
        }
        Arrival::Received
    }
}
