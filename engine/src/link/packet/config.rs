//! What a packet device is made from.

use crate::link::sys::packet::{FRAME_OVERHEAD, Shape};
use crate::time::Duration;

/// Bytes of a page, of which blocks are multiples.
const PAGE: usize = 4096;
/// Bytes of a block that packets are gathered in.
const BLOCK: usize = 1 << 20;
/// Bytes of the longest packet that the kernel passes on as one, with a link's header.
const LONGEST: usize = 65_535 + 18;

/// How received packets are handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// Each at once (`TPACKET_V2`): for short answers.
    Single,
    /// Many at a time, when a block is full or so old, to a millisecond (`TPACKET_V3`): for bulk, at a fraction of the cost.
    Blocks(Duration),
}

/// The interface that a [`PacketDevice`](super::PacketDevice) takes its packets from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketConfig {
    /// The interface's name.
    pub interface: String,
    /// How received packets are handed over.
    pub delivery: Delivery,
    /// Bytes of the receive ring, at least.
    pub ring_bytes: usize,
    /// Whether checksums may be left to the kernel, and whole runs of TCP segments or UDP datagrams pass in both directions as one. Without it,
    /// packets longer than the MTU, which a peer on this machine sends unless it is told otherwise, are dropped and counted.
    pub offloads: bool,
}

impl PacketConfig {
    /// An interface, with packets delivered one by one from a ring of 8 MiB, and offloads.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            delivery: Delivery::Single,
            ring_bytes: 8 << 20,
            offloads: true,
        }
    }

    pub(super) fn shape(&self, frame_bytes: usize) -> Shape {
        match self.delivery {
            Delivery::Single => {
                let packet = if self.offloads { LONGEST } else { frame_bytes };
                let frame = frame_len(packet + FRAME_OVERHEAD);
                Shape::Frames {
                    frame,
                    count: self.ring_bytes.div_ceil(frame).max(2),
                }
            }
            Delivery::Blocks(age) => Shape::Blocks {
                block: BLOCK,
                count: self.ring_bytes.div_ceil(BLOCK).max(2),
                milliseconds: age.as_micros().div_ceil(1000).clamp(1, 1000) as u32,
            },
        }
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
