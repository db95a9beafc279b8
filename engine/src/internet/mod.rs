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
mod interface;
pub mod ipv4;
pub mod ipv6;
mod neighbour;
pub mod protocol;
mod responder;
mod route;

use self::address::Address;
use self::checksum::pseudo_header_sum;
use self::datagram::{Ecn, Header, Malformed, Parsed};
use self::fragment::{Identifications, Reassembly};
pub use self::fragment::{NoRoom, Oversized};
use self::group::Groups;
pub use self::group::{GroupError, MAX_GROUPS, limit_hops};
pub use self::interface::EthernetCounters;
use self::interface::Interface;
pub use self::neighbour::NeighbourCounters;
use self::responder::Responder;
use self::route::Routes;
use crate::arch::checksum::Sum;
use crate::config::{AddressBlock, Config};
use crate::frame::{Checksum, FramePool, Packet, PacketQueue};
use crate::link::ethernet::MacAddress;
use crate::link::{Capabilities, Medium};
use crate::time::Instant;

/// A packet of a batch that is for a transport protocol: which, and between whom.
#[derive(Clone, Copy, Debug)]
pub struct Inbound {
    /// Its place in the batch.
    pub packet: u16,
    /// What its payload is ([`protocol`]).
    pub protocol: u8,
    /// The explicit congestion notification that it carries.
    pub ecn: Ecn,
    /// Who sent it.
    pub source: Address,
    /// Which of our addresses it is for.
    pub destination: Address,
    /// The first octets of its payload; zeros when there are fewer.
    pub lead: [u8; 8],
}

/// The layer above, as this one sees it.
pub trait Upper {
    /// A packet is for a transport protocol, which takes it at once or gives it a turn when the whole batch was looked at.
    fn take(&mut self, inbound: &Inbound, packet: &mut Packet);
}

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

/// Where a layer above puts its packets, and the time at which it does.
#[derive(Debug)]
pub struct Output<'a> {
    /// The time of this poll.
    pub now: Instant,
    /// The layer that knows addresses and headers.
    pub internet: &'a mut Internet,
    /// What the device sends next.
    pub queue: &'a mut PacketQueue,
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

    /// Parses and checks every packet of the batch and shows those for a transport protocol to `upper`, while all that was read of them is in
    /// registers. Requests of this layer are answered into `queue`. What is dropped is counted.
    #[inline]
    pub fn input(
        &mut self,
        now: Instant,
        batch: &mut PacketQueue,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        self.counters.received += batch.len() as u64;
        if self.interface.is_some() {
            return self.input_frames(now, batch, queue, upper);
        }
        let mut index = 0;
        for stretch in batch.as_mut_slices() {
            for packet in stretch {
                self.input_packet(now, index, packet, queue, upper);
                index += 1;
            }
        }
    }

    /// As [`Internet::input`] for packets in frames. A loop of its own, so that devices without frames do not pay for them.
    #[inline(never)]
    fn input_frames(
        &mut self,
        now: Instant,
        batch: &mut PacketQueue,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        for index in 0..batch.len() {
            let Some(packet) = batch.get_mut(index) else { break };
            if self.unframe(now, packet) {
                self.input_packet(now, index as u16, packet, queue, upper);
            }
        }
    }

    #[inline(always)]
    fn input_packet(
        &mut self,
        now: Instant,
        index: u16,
        packet: &mut Packet,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        if self.capabilities.verifies_checksums {
            packet.checksum = Checksum::Offloaded;
        }
        if let Some(item) = self.recognise(index, packet) {
            upper.take(&item, packet);
        } else {
            self.examine_for(now, index, packet, queue, upper);
        }
    }

    /// Apart from the common path, so that there the compiler knows the family.
    #[inline(never)]
    fn examine_for(
        &mut self,
        now: Instant,
        index: u16,
        packet: &mut Packet,
        queue: &mut PacketQueue,
        upper: &mut impl Upper,
    ) {
        if let Some(item) = self.examine(now, index, packet, queue) {
            upper.take(&item, packet);
        }
    }

    /// The common path: a plain IPv4 datagram of TCP or UDP for one of our addresses. `None` for all else.
    #[inline(always)]
    fn recognise(&self, index: u16, packet: &mut Packet) -> Option<Inbound> {
        const LEAD: usize = 8;
        let len = packet.len();
        let bytes = packet.chunk_at::<{ ipv4::HEADER_LEN + LEAD }>(0)?;
        let (header, lead) = bytes.split_first_chunk().expect("longer than a header");
        let lead = *lead.first_chunk::<LEAD>().expect("as long as asked for");
        let plain = ipv4::parse_plain(header, len, self.capabilities.verifies_checksums)?;
        let destination = Address::v4(plain.dst);
        if !matches!(plain.protocol, protocol::TCP | protocol::UDP) || !self.is_local(&destination) {
            return None;
        }
        if plain.total_len < len {
            packet.truncate(plain.total_len);
        }
        packet.transport_offset = ipv4::HEADER_LEN as u16;
        Some(Inbound {
            packet: index,
            protocol: plain.protocol,
            ecn: plain.ecn,
            source: Address::v4(plain.src),
            destination,
            lead,
        })
    }

    /// Any packet: parsed, classified, answered or counted.
    fn examine(
        &mut self,
        now: Instant,
        index: u16,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        match self.parse(packet) {
            Ok(parsed) => self.classify(now, index, parsed, packet, queue),
            Err(reason) => {
                self.counters.dropped_malformed[reason as usize] += 1;
                self.complain(now, packet, queue);
                None
            }
        }
    }

    fn parse(&self, packet: &mut Packet) -> Result<Parsed, Malformed> {
        let (bytes, len) = (packet.contiguous(), packet.len());
        let parsed = match bytes.first().map(|first| first >> 4) {
            Some(4) => ipv4::parse(bytes, len, self.capabilities.verifies_checksums)?,
            Some(6) => ipv6::parse(bytes, len)?,
            Some(_) => return Err(Malformed::Version),
            None => return Err(Malformed::Truncated),
        };
        if parsed.total_len < len {
            packet.truncate(parsed.total_len);
        }
        Ok(parsed)
    }

    fn classify(
        &mut self,
        now: Instant,
        index: u16,
        parsed: Parsed,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        if !self.is_local(&parsed.dst) {
            return self.classify_for_many(now, index, &parsed, packet, queue);
        }
        if !self.is_host(&parsed.src) {
            self.counters.dropped_source += 1;
            return None;
        }
        match &parsed.fragment {
            Some(fragment) => self.on_fragment(now, index, &parsed, fragment, packet, queue),
            None => self.deliver(now, index, &parsed, packet, queue),
        }
    }

    /// A whole datagram for us.
    fn deliver(
        &mut self,
        now: Instant,
        index: u16,
        parsed: &Parsed,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        packet.transport_offset = parsed.header_len as u16;
        // Only its first fragment says what a datagram of IPv6 for a group is.
        if parsed.protocol != protocol::UDP && !self.is_local(&parsed.dst) {
            self.counters.dropped_not_ours += 1;
            return None;
        }
        match parsed.protocol {
            protocol::TCP | protocol::UDP => {}
            protocol::ICMP | protocol::ICMPV6 => {
                self.on_icmp(now, parsed, packet, queue);
                return None;
            }
            protocol::NO_NEXT_HEADER => return None,
            _ => {
                self.counters.dropped_protocol += 1;
                self.refuse(now, icmp::Refusal::ProtocolUnreachable, packet, queue);
                return None;
            }
        }
        Some(Inbound {
            packet: index,
            protocol: parsed.protocol,
            ecn: parsed.ecn,
            source: parsed.src,
            destination: parsed.dst,
            lead: lead_of(packet, parsed.header_len),
        })
    }

    /// Starts a packet whose body is complete: writes its IP header, with the Diffserv field and the ECN codepoint of `traffic_class`, and
    /// gives `transport_len` bytes for the transport header behind it.
    #[inline]
    pub fn begin<'a>(
        &mut self,
        packet: &'a mut Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        transport_len: usize,
    ) -> &'a mut [u8] {
        let header = self.header_of(
            packet,
            source,
            destination,
            protocol,
            traffic_class,
            transport_len,
        );
        let is_v4 = source.is_v4();
        let network_len = if is_v4 { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
        packet.transport_offset = network_len as u16;
        let (network, transport) = packet
            .set_header_len(network_len + transport_len)
            .split_at_mut(network_len);
        if is_v4 {
            ipv4::emit(&header, network.first_chunk_mut().expect("as long as asked for"));
        } else {
            ipv6::emit(&header, network.first_chunk_mut().expect("as long as asked for"));
        }
        transport
    }

    /// As [`Internet::begin`] for a transport header whose length is known when the program is built, which `write` fills.
    ///
    /// A closure, so that each family has its own straight line of code to the end.
    #[inline(always)]
    pub fn begin_array<const LEN: usize>(
        &mut self,
        packet: &mut Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        write: impl FnOnce(&mut [u8; LEN]),
    ) {
        // The header is made in each branch, so that neither loads what only the other needs.
        if source.is_v4() {
            let header = self.header_of(packet, source, destination, protocol, traffic_class, LEN);
            packet.transport_offset = ipv4::HEADER_LEN as u16;
            let (network, transport) = packet.header_arrays();
            ipv4::emit(&header, network);
            write(transport);
        } else {
            let header = self.header_of(packet, source, destination, protocol, traffic_class, LEN);
            packet.transport_offset = ipv6::HEADER_LEN as u16;
            let (network, transport) = packet.header_arrays();
            ipv6::emit(&header, network);
            write(transport);
        }
    }

    #[inline(always)]
    fn header_of(
        &mut self,
        packet: &Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        traffic_class: u8,
        transport_len: usize,
    ) -> Header {
        self.counters.sent += 1;
        Header {
            src: *source,
            dst: *destination,
            protocol,
            hop_limit: self.hop_limit,
            dscp: traffic_class >> 2,
            ecn: Ecn::from_traffic_class(traffic_class),
            payload_len: (transport_len + packet.body_len()) as u16,
        }
    }

    /// Finishes a packet whose transport header is written with a checksum of zero, `checksum_at` bytes into it: computes it, or leaves that
    /// to a device that does.
    #[inline(always)]
    pub fn complete(
        &self,
        packet: &mut Packet,
        source: &Address,
        destination: &Address,
        protocol: u8,
        checksum_at: usize,
    ) {
        if self.capabilities.computes_checksums {
            packet.checksum = Checksum::Offloaded;
        } else {
            compute_checksum(packet, source, destination, protocol, checksum_at);
        }
    }
}

fn lead_of(packet: &Packet, offset: usize) -> [u8; 8] {
    let payload = packet.contiguous().get(offset..).unwrap_or_default();
    let mut lead = [0; 8];
    let known = payload.len().min(lead.len());
    lead[..known].copy_from_slice(&payload[..known]);
    lead
}

fn compute_checksum(
    packet: &mut Packet,
    source: &Address,
    destination: &Address,
    protocol: u8,
    checksum_at: usize,
) {
    let offset = usize::from(packet.transport_offset);
    let sum = pseudo_header_sum(source, destination, protocol, (packet.len() - offset) as u32);
    let checksum = packet.parts_from(offset).fold(sum, Sum::add_bytes).finish();
    // A UDP checksum of zero would mean that there is none (RFC 768); all ones is the same number.
    let checksum = if checksum == 0 && protocol == protocol::UDP {
        0xffff
    } else {
        checksum
    };
    let at = offset + checksum_at;
    packet.header_mut()[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}
