//! What routers say of the link: default routers, prefixes, addresses, the MTU (RFC 4861 section 6.3, RFC 4862 section 5.5).
//!
//! Whoever is on the link can say these things, so they are heard only when [`LinkConfig::router_discovery`](crate::config::LinkConfig) is
//! set, and then within bounds: [`MAX_ROUTERS`], [`MAX_PREFIXES`] and [`MAX_ADDRESSES`] are remembered and no more; a packet never becomes
//! smaller than IPv6 demands nor larger than the link takes; times stay in sane ranges; and an address of ours cannot be made to end within two
//! hours (RFC 4862 section 5.5.3). Preferred lifetimes are checked but make no difference; redirects are not followed at all.

use super::neighbour::message::{self, RouterAdvertisement, write_router_solicitation};
use super::{Interface, Internet};
use crate::config::AddressBlock;
use crate::internet::address::Address;
use crate::internet::ipv6;
use crate::internet::route::Way;
use crate::link::ethernet::{self, MacAddress};
use crate::time::{Duration, Instant};

/// Default routers remembered.
const MAX_ROUTERS: usize = 4;
/// On-link prefixes remembered.
const MAX_PREFIXES: usize = 8;
/// Addresses made from prefixes.
const MAX_ADDRESSES: usize = 8;
/// `MAX_RTR_SOLICITATIONS`.
const MAX_SOLICITATIONS: u8 = 3;
/// `RTR_SOLICITATION_INTERVAL`.
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
/// What no advertisement can take an address's remaining lifetime below.
const TWO_HOURS: Duration = Duration::from_secs(7200);
/// A reachable time may be an hour (RFC 4861 section 6.2.1).
const MAX_REACHABLE_MS: u32 = 3_600_000;
/// Faster solicitations would flood the link, slower ones stall it.
const RETRANS_MS: core::ops::RangeInclusive<u32> = 100..=10_000;

const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// Something that holds until somebody says otherwise, or time is over.
#[derive(Clone, Copy, Debug)]
struct Lease<T> {
    of: T,
    until: Instant,
}

/// What was heard of routers.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    asked: u8,
    /// When to ask next; `None` when that is over.
    due: Option<Instant>,
    /// The first is in use.
    routers: Vec<Lease<Address>>,
    prefixes: Vec<Lease<AddressBlock>>,
    addresses: Vec<Lease<AddressBlock>>,
}

/// A prefix information option (RFC 4861 section 4.6.2).
struct Prefix {
    block: AddressBlock,
    address: Address,
    length: u8,
    flags: u8,
    valid: u32,
}

impl Discovery {
    /// Begins to ask with the next look at the timers.
    pub(super) fn new() -> Self {
        Self {
            due: Some(Instant::ZERO),
            ..Self::default()
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let routers = self.routers.iter().map(|lease| lease.until);
        let prefixes = self.prefixes.iter().map(|lease| lease.until);
        let addresses = self.addresses.iter().map(|lease| lease.until);
        routers
            .chain(prefixes)
            .chain(addresses)
            .filter(|until| *until < FOR_EVER)
            .chain(self.due)
            .min()
    }

    /// Lets another router, if there is one, take the place of one that does not answer (RFC 4861 section 6.3.6).
    pub(super) fn avoid(&mut self, router: &Address) -> bool {
        let is_in_use = self.routers.len() > 1 && self.routers[0].of == *router;
        if is_in_use {
            self.routers.rotate_left(1);
        }
        is_in_use
    }

    /// The routes that follow from what was heard.
    fn routes(&self) -> impl Iterator<Item = (AddressBlock, Way)> {
        let way = |gateway| Way {
            gateway,
            source: None,
        };
        let prefixes = self.prefixes.iter().map(move |lease| (lease.of, way(None)));
        let default = self.routers.first().map(|router| {
            let everything = AddressBlock::all_of_family(&router.of);
            (everything, way(Some(router.of)))
        });
        prefixes.chain(default)
    }

    fn hear_router(&mut self, now: Instant, router: Address, lifetime: u16) {
        let until = now + Duration::from_secs(u64::from(lifetime));
        hear(&mut self.routers, now, router, until, MAX_ROUTERS, |known| {
            *known == router
        });
    }

    fn hear_prefix(&mut self, now: Instant, prefix: &Prefix) {
        let until = until(now, prefix.valid);
        let block = prefix.block;
        hear(&mut self.prefixes, now, block, until, MAX_PREFIXES, |known| {
            known.is_same_prefix(&block)
        });
    }

    /// Takes over what an option says of a network. Gives the address that is to be ours there, if that is new.
    fn hear_network(&mut self, now: Instant, prefix: &Prefix, secret: &[u8; 32]) -> Option<AddressBlock> {
        if prefix.flags & ON_LINK != 0 {
            self.hear_prefix(now, prefix);
        }
        let is_for_addresses = prefix.flags & AUTONOMOUS != 0 && prefix.length == 64;
        if !is_for_addresses || self.prolong(now, prefix).is_some() {
            return None;
        }
        if prefix.valid == 0 || self.addresses.len() == MAX_ADDRESSES {
            return None;
        }
        let of = AddressBlock::single(address_in(&prefix.address, secret).into());
        let until = until(now, prefix.valid);
        self.addresses.push(Lease { of, until });
        Some(of)
    }

    /// The lifetime of the address made from a prefix; `None` when there is no address yet.
    fn prolong(&mut self, now: Instant, prefix: &Prefix) -> Option<()> {
        let lease = self
            .addresses
            .iter_mut()
            .find(|lease| prefix.block.contains(&lease.of.preferred()))?;
        let said = until(now, prefix.valid);
        if said > lease.until || said > now + TWO_HOURS {
            lease.until = said;
        } else if lease.until > now + TWO_HOURS {
            lease.until = now + TWO_HOURS;
        }
        Some(())
    }
}

const FOR_EVER: Instant = Instant::from_nanos(u64::MAX);

/// The end of a lifetime in seconds, all ones being infinity.
fn until(now: Instant, seconds: u32) -> Instant {
    match seconds {
        u32::MAX => FOR_EVER,
        seconds => now + Duration::from_secs(u64::from(seconds)),
    }
}

/// Renews a lease, ends it at once, or begins it if there is room.
fn hear<T>(
    leases: &mut Vec<Lease<T>>,
    now: Instant,
    of: T,
    until: Instant,
    limit: usize,
    is_same: impl Fn(&T) -> bool,
) {
    match leases.iter().position(|lease| is_same(&lease.of)) {
        Some(index) if until <= now => {
            leases.remove(index);
        }
        Some(index) => leases[index].until = until,
        None if until > now && leases.len() < limit => leases.push(Lease { of, until }),
        None => {}
    }
}

impl Prefix {
    /// `None` for an option that is not one, contradicts itself, or is about link-local addresses.
    fn parse(option: &[u8]) -> Option<Self> {
        let option: &[u8; 32] = option.try_into().ok()?;
        let word =
            |at: usize| u32::from_be_bytes([option[at], option[at + 1], option[at + 2], option[at + 3]]);
        let address = Address::v6(*option[16..].first_chunk()?);
        let (length, flags, valid, preferred) = (option[2], option[3], word(4), word(8));
        let is_sound = preferred <= valid
            && !address.is_link_local()
            && !address.is_multicast()
            && !address.is_v4()
            && !address.is_unspecified();
        Some(Self {
            block: AddressBlock::new(address.into(), length)
                .ok()
                .filter(|_| is_sound)?,
            address,
            length,
            flags,
            valid,
        })
    }
}

impl Internet {
    /// A valid advertisement of the router at the link-local address `router`. `false` when routers are not heard.
    pub(super) fn on_router_advertisement(
        &mut self,
        now: Instant,
        router: &Address,
        advertisement: &RouterAdvertisement<'_>,
    ) -> bool {
        let Some(interface) = &mut self.interface else {
            return false;
        };
        let secret = interface.secret;
        let Some(discovery) = &mut interface.discovery else {
            return false;
        };
        discovery.due = None;
        discovery.hear_router(now, *router, advertisement.lifetime);
        let mut made = Vec::new();
        for (kind, option) in advertisement.options.iter() {
            match kind {
                PREFIX_INFORMATION => {
                    let prefix = Prefix::parse(option);
                    made.extend(prefix.and_then(|prefix| discovery.hear_network(now, &prefix, &secret)));
                }
                MTU if option.len() == 8 => {
                    let mtu = u32::from_be_bytes([option[4], option[5], option[6], option[7]]);
                    if (ipv6::MIN_MTU as u32..=interface.link_mtu).contains(&mtu) {
                        self.capabilities.mtu = mtu;
                    }
                }
                _ => {}
            }
        }
        interface.join_solicited_nodes(now, made.iter());
        interface.begin_detection(made);
        interface.hear_times(advertisement);
        if let Some(mac) = advertisement.source_mac {
            let action = interface.neighbours.learn(now, router, mac);
            interface.actions.extend(action);
        }
        self.adopt_routes();
        true
    }

    /// Makes the routes those that are configured and those that hold now.
    pub(super) fn adopt_routes(&mut self) {
        let Some(interface) = &mut self.interface else {
            return;
        };
        let Some(discovery) = &interface.discovery else {
            return;
        };
        self.routes.set_advertised(discovery.routes());
        interface.destinations.clear();
    }

    /// Asks for routers, and ends what time has ended.
    pub(super) fn run_discovery(&mut self, now: Instant) {
        let Some(interface) = &mut self.interface else {
            return;
        };
        interface.solicit_routers(now, &self.blocks);
        let Some(discovery) = &mut interface.discovery else {
            return;
        };
        let before = discovery.routers.len() + discovery.prefixes.len();
        discovery.routers.retain(|lease| lease.until > now);
        discovery.prefixes.retain(|lease| lease.until > now);
        let ended = |lease: &Lease<AddressBlock>| lease.until <= now;
        let blocks = &mut self.blocks;
        for lease in discovery.addresses.iter().filter(|lease| ended(lease)) {
            blocks.retain(|block| *block != lease.of);
            // It may not be ours yet, and must not become so without a lease that ends it.
            let address = lease.of.preferred();
            interface
                .tentative
                .retain(|tentative| tentative.address() != address);
        }
        discovery.addresses.retain(|lease| !ended(lease));
        if discovery.routers.len() + discovery.prefixes.len() != before {
            self.adopt_routes();
        }
    }
}

impl Interface {
    /// Whether the routes are to change because a neighbour that does not answer is the router in use.
    pub(super) fn avoid_router(&mut self, neighbour: &Address) -> bool {
        self.discovery
            .as_mut()
            .is_some_and(|discovery| discovery.avoid(neighbour))
    }

    fn solicit_routers(&mut self, now: Instant, blocks: &[AddressBlock]) {
        let Some(discovery) = &mut self.discovery else {
            return;
        };
        if discovery.due.is_none_or(|due| now < due) {
            return;
        }
        discovery.asked += 1;
        discovery.due = (discovery.asked < MAX_SOLICITATIONS).then_some(now + SOLICITATION_INTERVAL);
        let mut ours = blocks.iter().map(AddressBlock::preferred);
        let source = ours.find(Address::is_link_local).unwrap_or(Address::UNSPECIFIED);
        let us = self.us;
        let group = MacAddress::ipv6_group(message::ALL_ROUTERS.octets());
        self.send(group, ethernet::IPV6, |packet| {
            write_router_solicitation(packet, &source, us);
        });
    }

    fn hear_times(&mut self, advertisement: &RouterAdvertisement<'_>) {
        let span = |ms: u32| Duration::from_millis(u64::from(ms));
        let reachable = Some(advertisement.reachable_ms).filter(|ms| (1..=MAX_REACHABLE_MS).contains(ms));
        let retrans = Some(advertisement.retrans_ms).filter(|ms| RETRANS_MS.contains(ms));
        self.neighbours.set_times(reachable.map(span), retrans.map(span));
    }
}

/// Our address in a network: opaque to others, and another one each time the engine starts with a new secret (RFC 7217, RFC 8981).
fn address_in(prefix: &Address, secret: &[u8; 32]) -> Address {
    let mut tuple = [0; 36];
    tuple[..8].copy_from_slice(&prefix.octets()[..8]);
    tuple[16..28].copy_from_slice(b"autoconfigur");
    let hash = crate::arch::tuple_hash::TupleHasher::portable(*secret).hash_v6(tuple);
    let mut address = [0; 16];
    address[..8].copy_from_slice(&prefix.octets()[..8]);
    address[8..].copy_from_slice(&hash.to_be_bytes());
    Address::v6(address)
}
