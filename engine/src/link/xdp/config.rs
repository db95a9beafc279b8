//! What an AF_XDP device is made from.

use super::program::{MAX_ADDRESSES, Steering};
use crate::link::error::OpenError;

/// Where the kernel runs the program that picks the engine's packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attachment {
    /// In the driver, before the kernel has made a packet of its own out of the bytes: the fast way, where the driver has it.
    Native,
    /// Behind the driver: every interface has it. On veth as fast as the other.
    Generic,
}

/// The interface and queue that an [`XdpDevice`](super::XdpDevice) takes its packets from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct XdpConfig {
    /// The interface's name. Several devices on it share an [`XdpProgram`](super::XdpProgram).
    pub interface: String,
    /// The receive queue. Packets that arrive on queues without a device go to the kernel; an interface that spreads flows has a device on each
    /// queue, or is told to use fewer (`ethtool -L` or `-X`).
    pub queue: u32,
    /// Which packets are the engine's.
    pub steering: Steering,
    /// Where the program runs.
    pub attachment: Attachment,
    /// Entries of each of the four rings: a power of two.
    pub ring: u32,
    /// Whether received transport checksums need no verification, because the network card has verified them or the far end is on this
    /// machine. The kernel leaves them unfinished on veth; see [`finish_checksums`](super::finish_checksums).
    pub trusted: bool,
    /// Packets that the kernel handles each time it polls the interface for this socket, instead of by interrupts (`SO_PREFER_BUSY_POLL`).
    /// Needs a driver that can, and an application that polls without pause.
    pub busy_poll: Option<u32>,
}

impl XdpConfig {
    /// All packets of the first queue of an interface, picked behind the driver, through rings of 1,024; checksums are verified.
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            queue: 0,
            steering: Steering::All,
            attachment: Attachment::Generic,
            ring: 1024,
            trusted: false,
            busy_poll: None,
        }
    }

    pub(super) fn validate(&self) -> Result<(), OpenError> {
        let count = self.steering.addresses().len();
        if count > MAX_ADDRESSES {
            return Err(OpenError::Invalid(format!(
                "{count} addresses are more than the {MAX_ADDRESSES} that can be looked for: take all packets"
            )));
        }
        if self.steering != Steering::All && count == 0 {
            return Err(OpenError::Invalid(
                "no address to look for: no packet would be the engine's".to_owned(),
            ));
        }
        if !self.ring.is_power_of_two() || self.ring > 1 << 16 {
            return Err(OpenError::Invalid(format!(
                "a ring of {} entries is no power of two up to 65536",
                self.ring
            )));
        }
        Ok(())
    }
}
