//! The four-tuple that names a flow, and its keyed hash.

use crate::internet::address::Address;

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
