//! What a tunnel device is made from.

use std::ops::RangeInclusive;

use crate::link::Medium;
use crate::link::error::OpenError;
use crate::link::ethernet::MacAddress;
use crate::link::packet::MAX_MEMBERS;

/// Bytes of the largest IP packet; a run of segments may be as long whatever the MTU.
pub(super) const MAX_PACKET: u32 = 65_535;
/// The smallest MTU of IPv4 (RFC 791).
const MIN_MTU: u32 = 68;

/// Whether more devices may attach to the same interface, each for an engine on a thread of its own, and who gets a packet then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Queues {
    /// The only device gets everything.
    One,
    /// A flow stays with the device that answered it last, as far as the kernel remembers. One that an engine opens does not find back to it: the
    /// kernel answers the first packet before it remembers the queue. So this is for engines that only accept. It takes no privilege of its own.
    Remembered,
    /// TCP and UDP to a port of one of these ranges is for the device whose range it is, in the order in which they attach: give each engine its
    /// own as [`Config::ephemeral_ports`](crate::config::Config::ephemeral_ports), so that answers find the one that asked. What comes for other
    /// ports is spread over the devices, each flow as a whole; everything else, ARP and Neighbor Discovery included, is the first's. All devices
    /// name the same ranges, at most [`MAX_MEMBERS`]. A program does it, which takes `CAP_BPF` outside user namespaces.
    Steered(Vec<RangeInclusive<u16>>),
}

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
    /// Which of the interface's packets are this device's.
    pub queues: Queues,
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
            queues: Queues::One,
        }
    }
}

impl TunConfig {
    pub(super) fn validate(&self) -> Result<(), OpenError> {
        if !(MIN_MTU..=MAX_PACKET).contains(&self.mtu) {
            return Err(OpenError::Invalid(format!(
                "an MTU of {} is not between {MIN_MTU} and {MAX_PACKET}",
                self.mtu
            )));
        }
        match &self.queues {
            Queues::Steered(ports) if !(1..=MAX_MEMBERS).contains(&ports.len()) => {
                Err(OpenError::Invalid(format!(
                    "{} ranges of ports are not between 1 and {MAX_MEMBERS}: there is one for each of the devices",
                    ports.len()
                )))
            }
            _ => Ok(()),
        }
    }
}
