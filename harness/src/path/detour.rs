//! The way to hosts that are not there: behind a gateway that nobody is, so that packets for them cross the cable and end there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::RouteMessage;

use super::cable;
use super::host::Host;
use super::namespace::NotPossible;

/// The hardware address of the gateway: a local one, which no device has. Whoever hears a frame for it drops it before he looks into it.
pub(crate) const NOBODY: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// A network that leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Detour {
    /// What is on the cable itself, and the length of its prefix.
    pub(crate) link: (IpAddr, u8),
    /// On the cable.
    pub(crate) gateway: IpAddr,
    /// Whom it leads to, and the length of their prefix.
    pub(crate) network: (IpAddr, u8),
}

impl Detour {
    /// Sends what the kernel of `host` has for the network there, without ever asking for the gateway.
    ///
    /// # Errors
    /// [`NotPossible`] when the kernel refuses the route or the neighbour.
    pub(crate) fn apply(&self, host: &Host) -> Result<(), NotPossible> {
        let refused = |error: String| {
            NotPossible(format!(
                "no route to {}/{} ({error})",
                self.network.0, self.network.1
            ))
        };
        let index = cable::index_on(host, cable::DEVICE).map_err(|error| refused(error.to_string()))?;
        let route = self.route(index);
        cable::netlink(host, async |handle| {
            let neighbour = handle.neighbours().add(index, self.gateway);
            neighbour.link_layer_address(&NOBODY).execute().await?;
            handle.route().add(route).execute().await
        })
        .map_err(|error| refused(error.to_string()))
    }

    fn route(&self, device: u32) -> RouteMessage {
        let (network, prefix) = self.network;
        match (network, self.gateway) {
            (IpAddr::V4(network), IpAddr::V4(gateway)) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(network, prefix)
                .gateway(gateway)
                .output_interface(device)
                .build(),
            (IpAddr::V6(network), IpAddr::V6(gateway)) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(network, prefix)
                .gateway(gateway)
                .output_interface(device)
                .build(),
            _ => unreachable!("a gateway is of the family of its network"),
        }
    }
}
