//! Which destinations are reached how.

use std::net::IpAddr;

use super::{AddressBlock, Config, InvalidPrefix};
use crate::internet::address::Address;

/// How destinations that share a prefix are reached: on the link itself, or through a gateway on it. The longest prefix decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    destinations: AddressBlock,
    gateway: Option<Address>,
    source: Option<Address>,
}

impl Route {
    /// Destinations that share the first `prefix_len` bits of `address` are on the link.
    ///
    /// # Errors
    /// If the address family has fewer bits.
    pub fn on_link(address: IpAddr, prefix_len: u8) -> Result<Self, InvalidPrefix> {
        Ok(Self {
            destinations: AddressBlock::new(address, prefix_len)?,
            gateway: None,
            source: None,
        })
    }

    /// Destinations that share the first `prefix_len` bits of `address` are behind `gateway`.
    ///
    /// # Errors
    /// If the address family has fewer bits.
    pub fn through(gateway: IpAddr, address: IpAddr, prefix_len: u8) -> Result<Self, InvalidPrefix> {
        Ok(Self {
            gateway: Some(gateway.into()),
            ..Self::on_link(address, prefix_len)?
        })
    }

    /// Everything of the gateway's family that no other route knows is behind `gateway`.
    pub fn default_through(gateway: IpAddr) -> Self {
        let gateway = Address::from(gateway);
        Self {
            destinations: AddressBlock::all_of_family(&gateway),
            gateway: Some(gateway),
            source: None,
        }
    }

    /// The address of ours that packets along this route come from when the application names none.
    #[must_use]
    pub fn from_source(self, source: IpAddr) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// The destinations.
    pub fn destinations(&self) -> &AddressBlock {
        &self.destinations
    }

    /// Where packets go next; `None` when that is their destination.
    pub(crate) fn gateway(&self) -> Option<Address> {
        self.gateway
    }

    /// What [`Route::from_source`] said.
    pub(crate) fn source(&self) -> Option<Address> {
        self.source
    }
}

/// A route contradicts itself, or the configuration so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RouteError {
    /// Destination, gateway and source are not of one family.
    #[error("{0} is of another address family than the destinations of the route")]
    MixedFamilies(IpAddr),
    /// The gateway is not on the link.
    #[error("the gateway {0} is on no on-link route; add the on-link route that covers it first")]
    GatewayOffLink(IpAddr),
    /// The gateway is an address of the engine itself.
    #[error("the gateway {0} is one of the engine's own addresses")]
    GatewayIsOurs(IpAddr),
    /// The source is no address of the engine.
    #[error("the source {0} is not among the engine's addresses; add it to Config::addresses first")]
    ForeignSource(IpAddr),
    /// The configuration has a route for exactly these destinations.
    #[error("there is a route for exactly these destinations already")]
    Duplicate,
}

impl Config {
    /// Adds a route. Without any, every destination is on the link.
    ///
    /// IPv6 link-local addresses (fe80::/10) are on the link in any case, so they can always be gateways.
    ///
    /// # Errors
    /// If the route contradicts itself, the addresses, or the routes so far; nothing changes then.
    pub fn add_route(&mut self, route: Route) -> Result<(), RouteError> {
        self.check(&route)?;
        self.routes.push(route);
        Ok(())
    }

    /// The routes that were added.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    fn check(&self, route: &Route) -> Result<(), RouteError> {
        let is_v4 = route.destinations.first.is_v4();
        if let Some(stranger) = [route.gateway, route.source]
            .into_iter()
            .flatten()
            .find(|address| address.is_v4() != is_v4)
        {
            return Err(RouteError::MixedFamilies(stranger.into()));
        }
        let is_ours = |address: &Address| self.addresses.iter().any(|block| block.contains(address));
        if let Some(gateway) = route.gateway {
            if is_ours(&gateway) {
                return Err(RouteError::GatewayIsOurs(gateway.into()));
            }
            let covers = |known: &Route| known.gateway.is_none() && known.destinations.contains(&gateway);
            if !gateway.is_link_local() && !self.routes.iter().any(covers) {
                return Err(RouteError::GatewayOffLink(gateway.into()));
            }
        }
        if let Some(source) = route.source.filter(|source| !is_ours(source)) {
            return Err(RouteError::ForeignSource(source.into()));
        }
        if self
            .routes
            .iter()
            .any(|known| known.destinations.is_same_prefix(&route.destinations))
        {
            return Err(RouteError::Duplicate);
        }
        Ok(())
    }
}
