//! What a socket device is made from.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::link::{Capabilities, Medium};

/// Bytes of the largest packet that a datagram is to carry.
pub const MAX_MTU: u32 = 65_000;

/// Where a [`SocketDevice`](super::SocketDevice) is bound and what it pretends to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketConfig {
    /// Where to receive; port 0 lets the system choose one.
    pub local: SocketAddr,
    /// Where to send. Without it, the sender of the first datagram received is the peer, and nothing is sent before.
    pub peer: Option<SocketAddr>,
    /// Bytes of the largest IP packet, up to [`MAX_MTU`].
    pub mtu: u32,
    /// Whether the ends trust each other's bytes, because a loopback device corrupts none. Otherwise checksums are computed
    /// and verified. Both ends must say the same: an end that is trusted sends transport checksums that are not complete.
    pub trusted: bool,
    /// Bytes of the socket's buffers; the system may allow fewer.
    pub buffer_bytes: usize,
    /// Whether runs of packets of one size may pass the kernel as one message (`UDP_SEGMENT`, `UDP_GRO`).
    pub offloads: bool,
}

impl Default for SocketConfig {
    /// 127.0.0.1 and a port of the system's choice, no peer yet; trusted, MTU 1500, buffers of 4 MiB, offloads.
    fn default() -> Self {
        Self {
            local: (Ipv4Addr::LOCALHOST, 0).into(),
            peer: None,
            mtu: 1500,
            trusted: true,
            buffer_bytes: 4 << 20,
            offloads: true,
        }
    }
}

impl SocketConfig {
    pub(super) fn validate(&self) -> io::Result<()> {
        if (1..=MAX_MTU).contains(&self.mtu) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("an MTU of {} is not between 1 and {MAX_MTU}", self.mtu),
        ))
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities {
            medium: Medium::Ip,
            mtu: self.mtu,
            verifies_checksums: self.trusted,
            computes_checksums: self.trusted,
            max_segment: 0,
            gathers: true,
        }
    }
}
