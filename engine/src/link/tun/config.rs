//! What a tunnel device is made from.

use crate::link::Medium;
use crate::link::ethernet::MacAddress;

/// The interface that a [`TunDevice`](super::TunDevice) is the far end of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunConfig {
    /// The interface's name, at most 15 bytes; the kernel replaces a `%d` at its end by a number. An interface of that name that exists
    /// already, because it is persistent or has several queues, is attached to.
    pub name: String,
    /// [`Medium::Ip`] for a TUN interface, [`Medium::Ethernet`] for a TAP.
    pub medium: Medium,
    /// The engine's own address on a TAP's Ethernet. Without one it is made from the interface's, which the kernel draws at random.
    pub station: Option<MacAddress>,
    /// Bytes of the largest IP packet, 68 to 65,535; the interface's MTU is set to it unless it is so.
    pub mtu: u32,
    /// Whether checksums may be left to the kernel, and whole runs of TCP segments or UDP datagrams pass in both directions as one.
    pub offloads: bool,
    /// Whether more devices may attach to the same interface, each for an engine on a thread of its own, which then has a share of the flows. A
    /// flow stays with the engine that answered it last. One that an engine opens does not find back to it: the kernel answers the first packet
    /// before it remembers the queue. So let the engines accept, and open connections from addresses of interfaces of their own.
    pub multi_queue: bool,
}

impl Default for TunConfig {
    /// A TUN interface `tun%d` with an MTU of 1500, offloads, and one queue.
    fn default() -> Self {
        Self {
            name: "tun%d".to_owned(),
            medium: Medium::Ip,
            station: None,
            mtu: 1500,
            offloads: true,
            multi_queue: false,
        }
    }
}
