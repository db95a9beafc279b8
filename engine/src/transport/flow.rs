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

/// The four-tuple of a flow of IPv4 as the local end sees it. 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tuple4 {
    /// The local and the remote address, as they lie in memory.
    local: u32,
    remote: u32,
    /// As [`FlowKey::ports`] has them.
    ports: u32,
}

impl Tuple4 {
    /// The tuple of a datagram from `source` to `destination` whose payload begins with the ports `lead`, source first.
    #[inline(always)]
    pub(crate) fn of_datagram(source: [u8; 4], destination: [u8; 4], lead: [u8; 4]) -> Self {
        Self {
            local: u32::from_ne_bytes(destination),
            remote: u32::from_ne_bytes(source),
            ports: u32::from_be_bytes(lead),
        }
    }

    /// Whether `key` is the same tuple.
    #[inline(always)]
    pub(crate) fn is(&self, key: &FlowKey) -> bool {
        self.ports == key.ports()
            && self.local == u32::from_ne_bytes(key.local.v4_octets())
            && self.remote == u32::from_ne_bytes(key.remote.v4_octets())
            && key.local.is_v4()
    }

    /// The same tuple in the form that serves both families.
    #[inline]
    pub(crate) fn to_key(self) -> FlowKey {
        FlowKey {
            local: Address::v4(self.local.to_ne_bytes()),
            remote: Address::v4(self.remote.to_ne_bytes()),
            local_port: self.ports as u16,
            remote_port: (self.ports >> 16) as u16,
        }
    }

    /// What is hashed: written in the two pieces that the hash reads, because narrower writes would stall its wider reads.
    #[inline(always)]
    pub(crate) fn octets(&self) -> [u8; 12] {
        let mut octets = [0; 12];
        octets[..8].copy_from_slice(&(u64::from(self.local) | u64::from(self.remote) << 32).to_ne_bytes());
        octets[8..].copy_from_slice(&self.ports.to_ne_bytes());
        octets
    }
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

    /// The tuple of IPv4.
    #[inline]
    pub(crate) fn v4_tuple(&self) -> [u8; 12] {
        let [local, remote] =
            [self.local, self.remote].map(|address| u32::from_ne_bytes(address.v4_octets()));
        let ports = self.ports();
        Tuple4 { local, remote, ports }.octets()
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

    /// The local port in the lower half.
    #[inline]
    fn ports(&self) -> u32 {
        u32::from(self.local_port) | u32::from(self.remote_port) << 16
    }
}
