//! Layer 2: IPv4, IPv6 and ICMP; routes, neighbours and fragments.
//!
//! [`Internet::input`] parses, verifies and classifies a batch in place, and names what is for a transport protocol as [`Inbound`].
//! A transport builds its packets in place too: [`Internet::begin`] writes the IP header, the transport its own,
//! [`Internet::complete`] the checksum.

pub mod address;
pub mod checksum;
pub mod datagram;
mod fragment;
mod group;
pub mod icmp;
mod input;
mod interface;
pub mod ipv4;
pub mod ipv6;
mod neighbour;
mod output;
pub mod protocol;
mod responder;
mod route;

use self::address::Address;
use self::datagram::Malformed;
use self::fragment::{Identifications, Reassembly};
pub use self::fragment::{NoRoom, Oversized};
use self::group::Groups;
pub use self::group::{GroupError, MAX_GROUPS, limit_hops};
pub use self::input::{Inbound, Upper};
pub use self::interface::EthernetCounters;
use self::interface::Interface;
pub use self::neighbour::NeighbourCounters;
pub use self::output::Output;
use self::responder::Responder;
use self::route::Routes;
use crate::config::{AddressBlock, Config};
use crate::frame::{FramePool, PacketQueue};
use crate::link::ethernet::MacAddress;
use crate::link::{Capabilities, Medium};
use crate::time::Instant;

/// What the internet layer counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct InternetCounters {
    /// Packets received from the device.
    pub received: u64,
    /// Packets handed to the device.
    pub sent: u64,
    /// Dropped: not IPv4 nor IPv6, or a header that contradicts itself; indexed by [`Malformed`].
    pub dropped_malformed: [u64; Malformed::COUNT],
    /// Dropped: for an address that is not ours.
    pub dropped_not_ours: u64,
    /// Dropped: from an address that cannot be a sender (multicast, broadcast, unspecified; RFC 1122 section 3.2.1.3).
    pub dropped_source: u64,
    /// Dropped: fragments that contradict others of their datagram, repeat them, or found no room.
    pub dropped_fragment: u64,
    /// Datagrams put together from fragments.
    pub reassembled: u64,
    /// Datagrams given up because fragments were missing for too long.
    pub reassembly_timeouts: u64,
    /// Fragments sent, of datagrams that are too large for the link.
    pub fragments_sent: u64,
    /// Dropped: a protocol that is not supported (the sender is told).
    pub dropped_protocol: u64,
    /// Dropped: an ICMP message that is malformed, unknown, or has a wrong checksum.
    pub dropped_icmp: u64,
    /// Echo requests answered.
    pub echoes_answered: u64,
    /// ICMP errors sent.
    pub icmp_errors_sent: u64,
    /// ICMP errors withheld by the rate limit.
    pub icmp_errors_limited: u64,
    /// Replies of this layer that found the transmit queue or the frame pool exhausted.
    pub replies_lost: u64,
}

/// The internet layer of one engine.
#[derive(Debug)]
pub struct Internet {
    blocks: Vec<AddressBlock>,
    hop_limit: u8,
    capabilities: Capabilities,
    counters: InternetCounters,
    responder: Responder,
    routes: Routes,
    groups: Groups,
    reassembly: Reassembly,
    identifications: Identifications,
    /// What an Ethernet needs; `None` over a device whose packets begin with IP headers.
    interface: Option<Box<Interface>>,
}

impl Internet {
    /// The layer above a device with these capabilities, which on an Ethernet is the station `device`, if it knows.
    pub fn new(
        config: &Config,
        pool: FramePool,
        capabilities: Capabilities,
        device: Option<MacAddress>,
    ) -> Self {
        let mut internet = Self {
            blocks: config.addresses.clone(),
            hop_limit: config.ttl,
            capabilities,
            counters: InternetCounters::default(),
            reassembly: Reassembly::new(&config.fragments, pool.clone()),
            identifications: Identifications::new(config.secret),
            responder: Responder::new(pool, config.icmp_errors_per_second),
            routes: Routes::new(config),
            groups: Groups::default(),
            interface: None,
        };
        if capabilities.medium == Medium::Ethernet {
            internet.attach(config, device);
        }
        internet
    }

    /// Does what time has made due.
    #[inline]
    pub fn run_timers(&mut self, now: Instant, queue: &mut PacketQueue) {
        if self.interface.is_some() {
            self.run_interface(now);
        }
        if !self.reassembly.is_empty() {
            self.run_reassembly(now, queue);
        }
    }

    /// When [`Internet::run_timers`] has something to do without anything happening outside.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.interface_deadline(), self.reassembly.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &InternetCounters {
        &self.counters
    }

    /// Bytes of the largest IP packet.
    #[inline]
    pub fn mtu(&self) -> u32 {
        self.capabilities.mtu
    }

    /// Payload bytes of the largest virtual segment that the device cuts by itself; 0 when it cuts none.
    #[inline]
    pub fn max_segment(&self) -> u32 {
        self.capabilities.max_segment
    }

    /// Whether an address is ours.
    #[inline]
    pub fn is_local(&self, address: &Address) -> bool {
        self.blocks.iter().any(|block| block.contains(address))
    }

    /// The address that we send from to `remote` when the application names none; `None` when there is none, or no route.
    pub fn source_for(&self, remote: &Address) -> Option<Address> {
        route::source_for(&self.routes, &self.blocks, remote)
    }

    /// Whether an address can be that of a sender (RFC 1122 section 3.2.1.3).
    fn is_host(&self, address: &Address) -> bool {
        !address.is_multicast()
            && !address.is_limited_broadcast()
            && !address.is_unspecified()
            && !self.routes.is_directed_broadcast(address)
    }

    /// The addresses that are ours now, of each block the preferred one.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        self.blocks.iter().map(AddressBlock::preferred)
    }

    /// Whether a route leads to `remote`.
    pub fn has_route(&self, remote: &Address) -> bool {
        self.routes.find(remote).is_some()
    }
}
