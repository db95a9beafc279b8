//! The four-tuple that names a flow, and its keyed hash.

use crate::arch::tuple_hash::TupleHasher;
use crate::internet::address::Address;

#[cfg(test)]
mod tests;

/// The four-tuple of a flow as the local end sees it. 36 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FlowKey {
    /// The local address.
    pub local: Address,
    /// The remote address; of the same family as `local`.
    pub remote: Address,
    /// The local port.
    pub local_port: u16,
    /// The remote port.
    pub remote_port: u16,
}

impl FlowKey {
    /// The keyed hash of the flow: over 12 bytes for IPv4, over 36 for IPv6.
    #[inline(always)]
    pub fn hash(&self, hasher: &TupleHasher) -> u64 {
        if self.local.is_v4() {
            hasher.hash_v4(self.v4_tuple())
        } else {
            hasher.hash_v6(self.v6_tuple())
        }
    }

    /// The tuple of IPv4, written in the two pieces that the hash reads, because narrower writes would stall its wider reads.
    #[inline]
    pub(crate) fn v4_tuple(&self) -> [u8; 12] {
        let [local, remote] =
            [self.local, self.remote].map(|address| u32::from_ne_bytes(address.v4_octets()));
        let mut tuple = [0; 12];
        tuple[..8].copy_from_slice(&(u64::from(local) | u64::from(remote) << 32).to_ne_bytes());
        tuple[8..].copy_from_slice(&self.ports().to_ne_bytes());
        tuple
    }

    /// The tuple of IPv6.
    #[inline]
    pub(crate) fn v6_tuple(&self) -> [u8; 36] {
        let mut tuple = [0; 36];
        tuple[..16].copy_from_slice(self.local.octets());
        tuple[16..32].copy_from_slice(self.remote.octets());
        tuple[32..].copy_from_slice(&self.ports().to_ne_bytes());
        tuple
    }

    #[inline]
    fn ports(&self) -> u32 {
        u32::from(self.local_port) | u32::from(self.remote_port) << 16
    }
}
