//! A wire in memory: two ends that hand packets over without copying.

mod local;
mod threads;

pub use local::{LocalEnd, ethernet_pair, pair};
pub use threads::{ThreadDevice, ThreadEnd, threaded_pair};

use super::{Capabilities, Medium};

/// What a wire in memory pretends to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireConfig {
    /// Bytes of the largest IP packet.
    pub mtu: u32,
    /// Whether both ends trust each other's bytes, as the kernel's loopback device does. Otherwise checksums are computed and verified.
    pub trusted: bool,
    /// Payload bytes of the largest virtual segment that is handed over whole; 0 when segments are cut to the MTU.
    pub max_segment: u32,
    /// Packets that each direction holds before it is full (rounded up to a power of two).
    pub queue: usize,
}

impl Default for WireConfig {
    /// Like the kernel's loopback device: trusted, virtual segments of up to 64 KiB; MTU 1500, 64 packets in each direction, as an
    /// engine's queues hold, so that whole queues change hands.
    fn default() -> Self {
        Self {
            mtu: 1500,
            trusted: true,
            max_segment: 65_000,
            queue: 64,
        }
    }
}

impl WireConfig {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            medium: Medium::Ip,
            mtu: self.mtu,
            verifies_checksums: self.trusted,
            computes_checksums: self.trusted,
            max_segment: self.max_segment,
            gathers: true,
        }
    }
}
