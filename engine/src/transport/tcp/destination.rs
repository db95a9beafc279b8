//! The set of ports that a connection's own port comes from.

use crate::arch::tuple_hash::TupleHasher;
use crate::internet::address::Address;
use crate::transport::flow::FlowKey;
use crate::transport::ports::{DestinationId, PortAllocator};
use crate::transport::tag_index::Full;

/// The ports of `local` towards `remote_port` of `remote`.
#[inline]
pub(super) fn towards(
    ports: &mut PortAllocator,
    hasher: &TupleHasher,
    local: Address,
    remote: Address,
    remote_port: u16,
) -> Result<DestinationId, Full> {
    let hash = || {
        let without_port = FlowKey {
            local,
            remote,
            local_port: 0,
            remote_port,
        };
        without_port.hash(hasher)
    };
    ports.destination(local, remote, remote_port, hash)
}
