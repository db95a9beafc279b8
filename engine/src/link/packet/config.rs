//! What a packet device is made from.

use std::ops::RangeInclusive;

use crate::link::error::OpenError;
use crate::link::sys::packet::{FRAME_OVERHEAD, Shape};
use crate::time::Duration;

/// Bytes of a page, of which blocks are multiples.
const PAGE: usize = 4096;
/// Bytes of a block that packets are gathered in.
const BLOCK: usize = 1 << 20;
/// Bytes of the longest ring that makes sense, far below what the kernel can count.
const MAX_RING: usize = 1 << 30;
/// Bytes of the longest packet that the kernel passes on as one, with a link's header.
pub(super) const LONGEST: usize = 65_535 + 18;

/// How received packets are handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Each at once (`TPACKET_V2`): for short answers.
    Single,
    /// Many at a time, when a block is full or so old, to a millisecond (`TPACKET_V3`): for bulk, at a fraction of the cost.
    Blocks(Duration),
}

/// How packets are handed to the kernel to be sent. Either way many leave for one system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transmission {
    /// From where they lie (`sendmmsg(2)`). The default: a packet is copied once less, and a batch of 64 is one call, where with
    /// offloads it is two by the ring, whose frames have room for the longest packet and so are few.
    Calls,
    /// Through a ring that is shared with the kernel (`PACKET_TX_RING`), into which they are copied. A driver then sends from the ring; veth, and
    /// whatever else passes packets on within the machine, copies them once more and is slower than by calls.
    Ring,
}

/// A part of the packets of an interface, for one of several engines that share it.
///
/// TCP and UDP to a port of one of `ports` is for the member whose range it is: give each engine its own as
/// [`Config::ephemeral_ports`](crate::config::Config::ephemeral_ports), so that answers find the one that asked. What comes for other ports is
/// spread over the members, each flow as a whole. The first member has everything else, ARP and Neighbor Discovery included: it answers for all,
/// and the others are told whom they talk to ([`LinkConfig::static_neighbours`](crate::config::LinkConfig::static_neighbours)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Number of the group in the network namespace.
    pub group: u16,
    /// The range of each member, in the order in which they open their devices; the same for all members, and at most [`MAX_MEMBERS`].
    pub ports: Vec<RangeInclusive<u16>>,
}

/// Devices that can share an interface.
pub const MAX_MEMBERS: usize = 64;

/// The interface that a [`PacketDevice`](super::PacketDevice) takes its packets from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketConfig {
    /// The interface's name.
    pub interface: String,
    /// How received packets are handed over.
    pub delivery: Delivery,
    /// How packets are handed to the kernel to be sent.
    pub transmission: Transmission,
    /// Bytes of the receive ring, at least, up to 1 GiB; a transmit ring has half as many. Delivered one by one, packets that are longer than the
    /// interface's own wait in twice as much of the socket's memory beside the ring, each at the price of a system call, and the ring has
    /// room for thousands of packets. Without `CAP_NET_ADMIN` outside user namespaces there is no such memory, and with offloads the ring has
    /// places for the longest packets alone, about 120 of them in 8 MiB.
    pub ring_bytes: usize,
    /// With whom the interface is shared; `None` for a device that gets every packet.
    pub share: Option<Share>,
    /// Whether checksums may be left to the kernel, and whole runs of TCP segments or UDP datagrams pass in both directions as one. Where the
    /// interface does not cut such runs, the kernel does. Without offloads, packets longer than the MTU, which a peer on this machine sends unless
    /// it is told otherwise, are dropped and counted.
    pub offloads: bool,
}

impl PacketConfig {
    /// All packets of an interface, delivered one by one from a ring of 8 MiB, sent by calls, with offloads.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            delivery: Delivery::Single,
            transmission: Transmission::Calls,
            ring_bytes: 8 << 20,
            share: None,
            offloads: true,
        }
    }

    pub(super) fn validate(&self) -> Result<(), OpenError> {
        if self.ring_bytes > MAX_RING {
            return Err(OpenError::Invalid(format!(
                "a ring of {} bytes is longer than {MAX_RING}: ask for a shorter one",
                self.ring_bytes
            )));
        }
        let members = self.share.as_ref().map_or(1, |share| share.ports.len());
        if !(1..=MAX_MEMBERS).contains(&members) {
            return Err(OpenError::Invalid(format!(
                "{members} ranges of ports are not between 1 and {MAX_MEMBERS}: a group has one for each of its members"
            )));
        }
        Ok(())
    }

    /// Whether packets may wait in the socket's queue that are too long for the ring.
    pub(super) fn may_queue(&self) -> bool {
        self.offloads && self.delivery == Delivery::Single
    }

    /// The receive ring beside such a queue, with places for packets that come in a frame of the interface.
    pub(super) fn shape_beside_queue(&self, frame_bytes: usize) -> Shape {
        frames(frame_bytes, self.ring_bytes)
    }

    /// The receive ring, with places for whatever comes.
    pub(super) fn shape(&self, frame_bytes: usize) -> Shape {
        match self.delivery {
            Delivery::Single => self.frames(frame_bytes, self.ring_bytes),
            Delivery::Blocks(age) => Shape::Blocks {
                block: BLOCK,
                count: self.ring_bytes.div_ceil(BLOCK).max(2),
                milliseconds: age.as_micros().div_ceil(1000).clamp(1, 1000) as u32,
            },
        }
    }

    /// The transmit ring; `None` without one.
    pub(super) fn transmit_shape(&self, frame_bytes: usize) -> Option<Shape> {
        (self.transmission == Transmission::Ring).then(|| self.frames(frame_bytes, self.ring_bytes / 2))
    }

    fn frames(&self, frame_bytes: usize, ring_bytes: usize) -> Shape {
        frames(if self.offloads { LONGEST } else { frame_bytes }, ring_bytes)
    }
}

fn frames(packet: usize, ring_bytes: usize) -> Shape {
    let frame = frame_len(packet + FRAME_OVERHEAD);
    Shape::Frames {
        frame,
        count: ring_bytes.div_ceil(frame).max(2),
    }
}

/// A length for frames that fills blocks without gaps.
fn frame_len(bytes: usize) -> usize {
    if bytes <= PAGE {
        bytes.next_power_of_two()
    } else {
        bytes.next_multiple_of(PAGE)
    }
}
