//! The four-tuple of a flow in as few bytes as its family needs, for tables that hold millions.

use core::fmt::Debug;

use crate::internet::address::Address;
use crate::transport::flow::FlowKey;

/// A four-tuple of one address family.
pub(super) trait CompactKey: Copy + Eq + Default + Debug {
    /// The compact form of a key, whose addresses must be of this family.
    fn from_flow(flow: &FlowKey) -> Self;

    /// The general form.
    fn to_flow(&self) -> FlowKey;
}

/// A four-tuple of IPv4; 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Key4 {
    local: [u8; 4],
    remote: [u8; 4],
    local_port: u16,
    remote_port: u16,
}

impl CompactKey for Key4 {
    fn from_flow(flow: &FlowKey) -> Self {
        debug_assert!(
            flow.local.is_v4() && flow.remote.is_v4(),
            "{flow:?} is not of IPv4"
        );
        Self {
            local: flow.local.v4_octets(),
            remote: flow.remote.v4_octets(),
            local_port: flow.local_port,
            remote_port: flow.remote_port,
        }
    }

    fn to_flow(&self) -> FlowKey {
        FlowKey {
            local: Address::v4(self.local),
            remote: Address::v4(self.remote),
            local_port: self.local_port,
            remote_port: self.remote_port,
        }
    }
}

/// A four-tuple of IPv6; 36 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct Key6 {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
}

impl CompactKey for Key6 {
    fn from_flow(flow: &FlowKey) -> Self {
        Self {
            local: *flow.local.octets(),
            remote: *flow.remote.octets(),
            local_port: flow.local_port,
            remote_port: flow.remote_port,
        }
    }

    fn to_flow(&self) -> FlowKey {
        FlowKey {
            local: Address::v6(self.local),
            remote: Address::v6(self.remote),
            local_port: self.local_port,
            remote_port: self.remote_port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CompactKey, Key4, Key6};
    use crate::internet::address::Address;
    use crate::transport::flow::FlowKey;

    #[test]
    fn keys_survive_the_way_there_and_back() {
        let (local_port, remote_port) = (40_000, 443);
        let [local, remote] = [Address::v4([192, 0, 2, 1]), Address::v4([198, 51, 100, 7])];
        let flow = FlowKey {
            local,
            remote,
            local_port,
            remote_port,
        };
        assert_eq!(Key4::from_flow(&flow).to_flow(), flow);

        let [local, remote] =
            [1, 2].map(|last| Address::v6([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]));
        let flow = FlowKey {
            local,
            remote,
            local_port,
            remote_port,
        };
        assert_eq!(Key6::from_flow(&flow).to_flow(), flow);
    }

    #[test]
    fn keys_are_as_small_as_they_can_be() {
        assert_eq!((size_of::<Key4>(), size_of::<Key6>()), (12, 36));
    }
}
