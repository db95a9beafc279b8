//! The knobs of an Ethernet: who we are on it, and what we remember of others.

use std::net::IpAddr;

/// A neighbour whose hardware address is known ahead: it is neither asked for nor ever forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticNeighbour {
    /// Its address; on the link.
    pub address: IpAddr,
    /// Its hardware address.
    pub hardware_address: [u8; 6],
}

/// What matters on an Ethernet alone; a device whose packets begin with IP headers ignores it.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Our hardware address. `None`: the device's; if it has none either, a locally administered one made from [`Config::secret`](super::Config::secret).
    pub hardware_address: Option<[u8; 6]>,
    /// Neighbours that are remembered at a time. 1,024, Linux's choice (`gc_thresh3`).
    pub neighbours: u32,
    /// Neighbours known ahead, which do not count towards `neighbours`.
    pub static_neighbours: Vec<StaticNeighbour>,
    /// Packets that wait for the hardware address of one neighbour; the oldest makes way (RFC 4861 section 7.2.2). 128, about as many small ones
    /// as Linux keeps: who opens 64 connections at once to a host not yet asked for has no SYN lost, which would cost it a second.
    pub pending_per_neighbour: u32,
    /// Packets that wait for hardware addresses in all; the oldest makes way. 256.
    pub pending: u32,
    /// How often the link is asked whether somebody has an IPv6 address of ours before we use it (`DupAddrDetectTransmits` of RFC 4862
    /// section 5.1). 1: an address can be used a second after the first poll. 0 skips the question.
    pub duplicate_address_detection: u8,
    /// Ask the link whether somebody has an IPv4 address of ours before we use it, announce it then, and defend it by an announcement at most
    /// every ten seconds when somebody claims it later (RFC 5227). Off, Linux's choice: an address can be used at once. On, 4 to 7 s after
    /// the first poll, and never when somebody has it. Claims are counted and not believed either way.
    pub address_conflict_detection: bool,
    /// Tell switches and routers which multicast groups we are in (MLDv2, RFC 3810; IGMPv3, RFC 3376), those too through which an IPv6
    /// neighbour looks for us: a switch that watches for that passes no solicitation to who has not said so. True.
    pub group_reports: bool,
    /// Ask for IPv6 routers and believe what they say of default routes, prefixes on the link, addresses to use there, and the MTU (RFC 4861
    /// section 6.3, RFC 4862 section 5.5). Off: whoever is on the link could say it. When on, only what routers call on-link is so, beside
    /// what [`Config::add_route`](super::Config::add_route) says.
    pub router_discovery: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            hardware_address: None,
            neighbours: 1024,
            static_neighbours: Vec::new(),
            pending_per_neighbour: 128,
            pending: 256,
            duplicate_address_detection: 1,
            address_conflict_detection: false,
            group_reports: true,
            router_discovery: false,
        }
    }
}
