//! Where packets go next, and which address they come from.

#[cfg(test)]
mod tests;

use crate::config::{AddressBlock, Config, Route};
use crate::internet::address::Address;

/// What is known of the way to a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    /// Whom on the link the packet goes to; `None` when that is the destination itself.
    pub(super) gateway: Option<Address>,
    /// The address of ours that the packet comes from when the application names none.
    pub(super) source: Option<Address>,
}

/// All routes, longest prefix first. Without any, every destination is on the link.
///
/// The address that packets come from is chosen by a part of RFC 6724 section 5: a link-local source goes with a link-local
/// destination and with no other (rule 2); then comes what the route says, then the first address of ours in the destinations of the
/// on-link route that the next hop is on (rule 8, at the granularity of routes), then the first of the family in the order of configuration. Labels, temporary and mobile addresses are not known here.
#[derive(Debug)]
pub(super) struct Routes {
    known: Vec<(AddressBlock, Way)>,
    /// Those of `known` that do not depend on what routers say.
    configured: Vec<(AddressBlock, Way)>,
    /// Routers say what of IPv6 is on the link.
    heeds_routers: bool,
}

impl Routes {
    pub(super) fn new(config: &Config) -> Self {
        let mut configured: Vec<_> = config
            .routes()
            .iter()
            .map(|route| (*route.destinations(), way(config, route)))
            .collect();
        sort(&mut configured);
        Self {
            known: configured.clone(),
            configured,
            heeds_routers: config.link.router_discovery,
        }
    }

    /// Makes these the routes beside the configured ones, which go before them where the prefix is the same.
    pub(super) fn set_advertised(&mut self, advertised: impl Iterator<Item = (AddressBlock, Way)>) {
        self.known.clone_from(&self.configured);
        self.known.extend(advertised);
        sort(&mut self.known);
    }

    /// Whether everything of the family is on the link, for want of other knowledge.
    fn is_all_on_link(&self, destination: &Address) -> bool {
        self.configured.is_empty() && (!self.heeds_routers || destination.is_v4())
    }

    /// The way to `destination`; `None` when no route leads there.
    pub(super) fn find(&self, destination: &Address) -> Option<Way> {
        const ON_LINK: Way = Way {
            gateway: None,
            source: None,
        };
        if self.is_all_on_link(destination) || destination.is_link_local() || is_to_many(destination) {
            return Some(ON_LINK);
        }
        self.known
            .iter()
            .find(|(destinations, _)| destinations.contains(destination))
            .map(|(_, way)| *way)
    }

    /// Whether this is the broadcast address of a network on the link (RFC 922).
    pub(super) fn is_directed_broadcast(&self, address: &Address) -> bool {
        const HAS_BROADCAST: core::ops::RangeInclusive<u32> = 96..=126;
        address.is_v4()
            && self.known.iter().any(|(destinations, way)| {
                way.gateway.is_none()
                    && HAS_BROADCAST.contains(&destinations.prefix_len())
                    && destinations.last() == *address
            })
    }
}

/// The address that we send from to `destination` when the application names none, of `ours` in order of preference.
#[inline(always)]
pub(super) fn source_for(routes: &Routes, ours: &[AddressBlock], destination: &Address) -> Option<Address> {
    // Without routes every datagram asks, and for IPv4 nearly always gets the first.
    let first = ours.first().map(AddressBlock::preferred);
    match first {
        Some(first) if routes.configured.is_empty() && first.is_v4() && destination.is_v4() => Some(first),
        _ => source_among(routes, ours, destination),
    }
}

#[inline(never)]
fn source_among(routes: &Routes, ours: &[AddressBlock], destination: &Address) -> Option<Address> {
    let of_scope = |address: &Address| {
        address.is_v4() == destination.is_v4() && address.is_link_local() == destination.is_link_local()
    };
    let named = if routes.is_all_on_link(destination) {
        None
    } else {
        routes.find(destination)?.source
    };
    named
        .filter(of_scope)
        .or_else(|| ours.iter().map(AddressBlock::preferred).find(of_scope))
}

fn sort(routes: &mut [(AddressBlock, Way)]) {
    routes.sort_by_key(|(destinations, _)| core::cmp::Reverse(destinations.prefix_len()));
}

fn is_to_many(destination: &Address) -> bool {
    destination.is_multicast() || destination.is_limited_broadcast()
}

/// A configured route, with the source that it implies when it names none.
fn way(config: &Config, route: &Route) -> Way {
    let next_hop = route.gateway();
    let on_link = match next_hop {
        None => Some(route.destinations()),
        Some(gateway) => config
            .routes()
            .iter()
            .filter(|known| known.gateway().is_none())
            .map(Route::destinations)
            .filter(|destinations| destinations.contains(&gateway))
            .max_by_key(|destinations| destinations.prefix_len()),
    };
    let implied = || {
        let on_link = on_link?;
        let mut ours = config.addresses.iter().map(AddressBlock::preferred);
        ours.find(|address| on_link.contains(address))
    };
    Way {
        gateway: next_hop,
        source: route.source().or_else(implied),
    }
}
