//! What an Ethernet needs between the internet layer and the device: frames, neighbours, and packets that wait for them.
//!
//! Transports build IP packets as for any other device. [`Internet::output`] puts a frame around each: the station that it goes to is found
//! in one step for a destination that was in use lately, and by route and neighbour cache for others. Over a device whose packets begin with
//! IP headers none of this exists.

mod cache;
mod conversation;
mod discovery;
mod duplicate;
mod membership;
mod parked;
mod progress;
mod router;
mod transmit;

use self::cache::Destinations;
use self::duplicate::{News, Tentative};
use self::membership::Notice;
use self::parked::Parked;
use self::router::Discovery;
use super::address::Address;
use super::neighbour::{Action, NeighbourCounters, Neighbours};
use super::responder::Responder;
use super::route::Routes;
use super::{Internet, ipv6, neighbour};
use crate::config::{AddressBlock, Config};
use crate::frame::{Packet, PacketQueue};
use crate::link::ethernet::{self, MacAddress, Refused};
use crate::time::Instant;

/// What the engine counts of its Ethernet. All zero over a device whose packets begin with IP headers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EthernetCounters {
    /// Frames that were dropped; indexed by [`Refused`].
    pub dropped_frames: [u64; Refused::COUNT],
    /// ARP packets that were dropped because they are of another kind or contradict themselves.
    pub dropped_arp: u64,
    /// Messages of Neighbor Discovery that RFC 4861 demands to discard, or that this host does not act upon (redirects).
    pub dropped_discovery: u64,
    /// Solicitations sent: ARP requests and neighbor solicitations.
    pub solicitations_sent: u64,
    /// Solicitations of our addresses that were answered.
    pub solicitations_answered: u64,
    /// Packets that were dropped because too many wait for hardware addresses.
    pub dropped_waiting: u64,
    /// Packets that were dropped because their next hop did not answer; the transport was told.
    pub dropped_unreachable: u64,
    /// Packets that were dropped because no route leads to their destination; the transport was told.
    pub dropped_no_route: u64,
    /// Times that another station claimed an address of ours.
    pub address_conflicts: u64,
    /// Reports about groups sent (RFC 3810, RFC 3376).
    pub group_reports_sent: u64,
    /// What the neighbour cache counts.
    pub neighbours: NeighbourCounters,
}

/// An Ethernet, as one of its stations.
#[derive(Debug)]
pub(super) struct Interface {
    us: MacAddress,
    neighbours: Neighbours,
    destinations: Destinations,
    parked: Parked,
    /// Packets for parked neighbours can go.
    has_released: bool,
    /// What the device takes next.
    framed: PacketQueue,
    tentative: Vec<Tentative>,
    detect_transmits: u8,
    /// IPv4 addresses are asked for before they are used, announced, and defended.
    detects_conflicts: bool,
    news: Vec<News>,
    defended_at: Option<Instant>,
    /// Groups are told to switches and routers.
    reports_groups: bool,
    notices: Vec<Notice>,
    /// The device has not been told yet what it is to listen to.
    has_new_hearing: bool,
    /// What routers say; `None` where they are not heard.
    discovery: Option<Discovery>,
    /// The router in use has fallen silent, and another is to take its place.
    has_silent_router: bool,
    /// Bytes of the largest IP packet of the link, which routers may make smaller.
    link_mtu: u32,
    secret: [u8; 32],
    actions: Vec<Action>,
    counters: EthernetCounters,
}

/// What of the internet layer an interface looks at and reports to.
struct Surroundings<'a> {
    blocks: &'a [AddressBlock],
    routes: &'a Routes,
    responder: &'a mut Responder,
}

impl Interface {
    pub(super) fn new(config: &Config, device: Option<MacAddress>, link_mtu: u32) -> Self {
        let link = &config.link;
        let configured = link.hardware_address.map(MacAddress);
        let fixed: Vec<_> = link
            .static_neighbours
            .iter()
            .map(|fixed| (fixed.address.into(), MacAddress(fixed.hardware_address)))
            .collect();
        Self {
            us: configured
                .or(device)
                .unwrap_or_else(|| administered(&config.secret)),
            neighbours: Neighbours::new(config.secret, link.neighbours, &fixed),
            destinations: Destinations::new(config.secret),
            parked: Parked::new(link.pending as usize, link.pending_per_neighbour as usize),
            has_released: false,
            framed: PacketQueue::with_capacity(config.transmit_queue),
            tentative: Vec::new(),
            detect_transmits: link.duplicate_address_detection,
            detects_conflicts: link.address_conflict_detection,
            news: Vec::new(),
            defended_at: None,
            reports_groups: link.group_reports,
            notices: Vec::new(),
            has_new_hearing: true,
            discovery: link.router_discovery.then(Discovery::new),
            has_silent_router: false,
            link_mtu,
            secret: config.secret,
            actions: Vec::new(),
            counters: EthernetCounters::default(),
        }
    }

    /// Our link-local address (RFC 4291 appendix A, RFC 2464 section 5).
    pub(super) fn link_local(&self) -> Address {
        let [a, b, c, d, e, f] = self.us.0;
        Address::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }

    fn counters(&self) -> EthernetCounters {
        EthernetCounters {
            neighbours: self.neighbours.counters,
            ..self.counters
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let tentative = self.tentative.iter().map(|tentative| tentative.due);
        let news = self.news.iter().map(|news| news.due);
        let notices = self.notices.iter().map(|notice| notice.due);
        let heard = self.discovery.as_ref().and_then(Discovery::next_deadline);
        tentative
            .chain(news)
            .chain(notices)
            .chain(self.neighbours.next_deadline())
            .chain(heard)
            .min()
    }

    /// Takes the frame off a packet. `false` when what is left is no IP packet for this host.
    fn unframe(&mut self, packet: &mut Packet, routes: &Routes) -> Result<ethernet::Header, Refused> {
        let header = ethernet::Header::parse(packet.contiguous(), self.us)?;
        packet.pull_header(ethernet::HEADER_LEN);
        let version = packet.contiguous().first().map(|first| first >> 4);
        let is_named_right = match header.ether_type {
            ethernet::IPV4 => version == Some(4),
            ethernet::IPV6 => version == Some(6),
            _ => return Ok(header),
        };
        if !is_named_right {
            return Err(Refused::EtherType);
        }
        let destination = super::responder::destination_of(packet.contiguous());
        let is_for_many = |address: &Address| {
            address.is_multicast() || address.is_limited_broadcast() || routes.is_directed_broadcast(address)
        };
        if header.destination.is_group() && !destination.as_ref().is_some_and(is_for_many) {
            return Err(Refused::Amplified);
        }
        Ok(header)
    }
}

impl Internet {
    /// The interface over an Ethernet, and the addresses that it may use at once.
    pub(super) fn attach(&mut self, config: &Config, device: Option<MacAddress>) {
        let mut interface = Interface::new(config, device, self.capabilities.mtu);
        let has_v6 =
            config.link.router_discovery || self.blocks.iter().any(|block| !block.preferred().is_v4());
        let has_link_local = self.blocks.iter().any(|block| block.preferred().is_link_local());
        if has_v6 && !has_link_local {
            self.blocks
                .push(AddressBlock::single(interface.link_local().into()));
        }
        interface.join_solicited_nodes(Instant::ZERO, self.blocks.iter());
        let is_sure = |block: &AddressBlock| {
            if block.preferred().is_v4() {
                !interface.detects_conflicts
            } else {
                interface.detect_transmits == 0
            }
        };
        let (sure, unsure) = self.blocks.iter().partition(|block| is_sure(block));
        self.blocks = sure;
        interface.begin_detection(unsure);
        self.interface = Some(Box::new(interface));
    }

    /// What has happened on the Ethernet so far.
    pub fn ethernet_counters(&self) -> EthernetCounters {
        self.interface
            .as_ref()
            .map(|interface| interface.counters())
            .unwrap_or_default()
    }

    /// Our address on the Ethernet; `None` over a device whose packets begin with IP headers.
    pub fn hardware_address(&self) -> Option<MacAddress> {
        self.interface.as_ref().map(|interface| interface.us)
    }

    /// Takes the frame off a packet, and handles what is not IP. `false` when the packet is dealt with.
    pub(super) fn unframe(&mut self, now: Instant, packet: &mut Packet) -> bool {
        let Some((interface, mut around)) = self.split() else {
            return true;
        };
        match interface.unframe(packet, around.routes) {
            Ok(header) if header.ether_type == ethernet::ARP => {
                interface.on_arp(now, packet.contiguous(), &mut around);
                false
            }
            Ok(_) => !self.drop_martian(packet.contiguous()),
            Err(reason) => {
                interface.counters.dropped_frames[reason as usize] += 1;
                false
            }
        }
    }

    /// Drops what no other station can have sent: from a loopback address, or from one of ours (RFC 1122 section 3.2.1.3). Neighbor Discovery
    /// has to see who claims an address of ours.
    fn drop_martian(&mut self, packet: &[u8]) -> bool {
        let Some(source) = super::responder::source_of(packet) else {
            return false;
        };
        let is_discovery = !source.is_v4()
            && packet.get(6) == Some(&super::protocol::ICMPV6)
            && packet
                .get(ipv6::HEADER_LEN)
                .is_some_and(|kind| neighbour::message::is_discovery(*kind));
        let is_martian = source.is_loopback() || (!is_discovery && self.is_local(&source));
        self.counters.dropped_source += u64::from(is_martian);
        is_martian
    }

    /// What the device is to send next: `queue`, or over an Ethernet the frames made of it. What has to wait for a neighbour is kept here.
    #[inline]
    pub fn output<'a>(&'a mut self, now: Instant, queue: &'a mut PacketQueue) -> &'a mut PacketQueue {
        if self.interface.is_none() {
            return queue;
        }
        self.output_frames(now, queue)
    }

    fn output_frames<'a>(&'a mut self, now: Instant, queue: &'a mut PacketQueue) -> &'a mut PacketQueue {
        let Some((interface, mut around)) = self.split() else {
            return queue;
        };
        interface.transmit(now, queue, &mut around);
        // Asked for again, because the borrow above cannot outlive the one of the surroundings.
        &mut self.interface.as_mut().expect("it was there a line above").framed
    }

    pub(super) fn run_interface(&mut self, now: Instant) {
        let Some((interface, mut around)) = self.split() else {
            return;
        };
        interface.neighbours.run_timers(now, &mut interface.actions);
        interface.act(&mut around);
        self.run_reports(now);
        let Some((interface, _)) = self.split() else {
            return;
        };
        let mut assigned = Vec::new();
        interface.run_detection(now, &mut assigned);
        let silent = std::mem::take(&mut interface.has_silent_router);
        self.blocks.append(&mut assigned);
        if silent {
            self.adopt_routes();
        }
        self.run_discovery(now);
    }

    pub(super) fn interface_deadline(&self) -> Option<Instant> {
        let interface = self.interface.as_ref()?;
        interface.next_deadline()
    }

    /// Whether frames wait for the device.
    pub fn has_frames(&self) -> bool {
        self.interface
            .as_ref()
            .is_some_and(|interface| !interface.framed.is_empty())
    }

    /// Whether packets have become deliverable, or turned out not to be, since they were looked at last.
    pub fn has_pending(&self) -> bool {
        self.interface
            .as_ref()
            .is_some_and(|interface| interface.has_released || self.responder.has_reports())
    }

    fn split(&mut self) -> Option<(&mut Interface, Surroundings<'_>)> {
        let interface = self.interface.as_mut()?;
        let around = Surroundings {
            blocks: &self.blocks,
            routes: &self.routes,
            responder: &mut self.responder,
        };
        Some((interface, around))
    }
}

/// A locally administered address for a device that has none.
fn administered(secret: &[u8; 32]) -> MacAddress {
    let hash = crate::arch::tuple_hash::TupleHasher::portable(*secret).hash_v4(*b"ethernet\0\0\0\0");
    let [a, b, c, d, e, f, ..] = hash.to_be_bytes();
    MacAddress([a & 0xfc | 2, b, c, d, e, f])
}
