//! Messages of Neighbor Discovery (RFC 4861 section 4): validated, and written.

use crate::frame::{Checksum, Packet};
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::datagram::{Ecn, Header, Parsed};
use crate::internet::{ipv6, protocol};
use crate::link::ethernet::MacAddress;

/// The hop limit that only a neighbour's message can have on arrival: a router would have lowered it.
pub(in crate::internet) const HOP_LIMIT: u8 = 255;
/// Every node on the link.
pub(in crate::internet) const ALL_NODES: Address = link_local_group(1);
/// Every router on the link.
pub(in crate::internet) const ALL_ROUTERS: Address = link_local_group(2);

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// A solicitation or advertisement with its one option, in octets.
const MESSAGE_LEN: usize = 32;

const fn link_local_group(last: u8) -> Address {
    Address::v6([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

/// Whether an ICMPv6 message of this type is one of Neighbor Discovery.
pub(in crate::internet) fn is_discovery(kind: u8) -> bool {
    (ROUTER_SOLICITATION..=REDIRECT).contains(&kind)
}

/// The group of those who have an address with these last 24 bits (RFC 4291 section 2.7.1).
pub(in crate::internet) fn solicited_node(address: &Address) -> Address {
    let mut group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0];
    group[13..].copy_from_slice(&address.octets()[13..]);
    Address::v6(group)
}

/// Whether this is one of the groups that [`solicited_node`] makes.
pub(in crate::internet) fn is_solicited_node(group: &Address) -> bool {
    group
        .octets()
        .starts_with(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff])
}

/// A valid message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) enum Message<'a> {
    NeighborSolicitation {
        target: Address,
        source_mac: Option<MacAddress>,
    },
    NeighborAdvertisement {
        target: Address,
        target_mac: Option<MacAddress>,
        is_router: bool,
        solicited: bool,
        overrides: bool,
    },
    RouterSolicitation,
    RouterAdvertisement(RouterAdvertisement<'a>),
    Redirect,
}

/// What a router says of the link and of itself (RFC 4861 section 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) struct RouterAdvertisement<'a> {
    /// 0: no advice.
    pub(in crate::internet) hop_limit: u8,
    /// In seconds; 0: not a default router.
    pub(in crate::internet) lifetime: u16,
    /// In milliseconds; 0: no advice.
    pub(in crate::internet) reachable_ms: u32,
    /// In milliseconds; 0: no advice.
    pub(in crate::internet) retrans_ms: u32,
    pub(in crate::internet) source_mac: Option<MacAddress>,
    pub(in crate::internet) options: Options<'a>,
}

/// Reads an ICMPv6 message whose checksum is right. `None` when RFC 4861 section 6.1 or 7.1 demands that it be discarded.
pub(in crate::internet) fn parse<'a>(parsed: &Parsed, message: &'a [u8]) -> Option<Message<'a>> {
    let &[kind, code, ..] = message else { return None };
    if parsed.hop_limit != HOP_LIMIT || code != 0 {
        return None;
    }
    match kind {
        NEIGHBOR_SOLICITATION => solicitation(parsed, message),
        NEIGHBOR_ADVERTISEMENT => advertisement(parsed, message),
        ROUTER_SOLICITATION => {
            let options = Options::check(message.get(8..)?)?;
            let names_nobody = parsed.src.is_unspecified();
            let is_valid = !names_nobody || options.mac(SOURCE_LINK_LAYER_ADDRESS).is_none();
            is_valid.then_some(Message::RouterSolicitation)
        }
        ROUTER_ADVERTISEMENT => router_advertisement(parsed, message),
        REDIRECT => Options::check(message.get(40..)?).map(|_| Message::Redirect),
        _ => None,
    }
}

fn solicitation<'a>(parsed: &Parsed, message: &'a [u8]) -> Option<Message<'a>> {
    let target = target(message)?;
    let source_mac = Options::check(message.get(24..)?)?.mac(SOURCE_LINK_LAYER_ADDRESS);
    if parsed.src.is_unspecified() && (!is_solicited_node(&parsed.dst) || source_mac.is_some()) {
        return None;
    }
    Some(Message::NeighborSolicitation { target, source_mac })
}

fn advertisement<'a>(parsed: &Parsed, message: &'a [u8]) -> Option<Message<'a>> {
    let target = target(message)?;
    let flags = message[4];
    let solicited = flags & SOLICITED != 0;
    if parsed.src.is_unspecified() || (parsed.dst.is_multicast() && solicited) {
        return None;
    }
    Some(Message::NeighborAdvertisement {
        target,
        target_mac: Options::check(message.get(24..)?)?.mac(TARGET_LINK_LAYER_ADDRESS),
        is_router: flags & ROUTER != 0,
        solicited,
        overrides: flags & OVERRIDE != 0,
    })
}

fn router_advertisement<'a>(parsed: &Parsed, message: &'a [u8]) -> Option<Message<'a>> {
    let (header, options) = message.split_first_chunk::<16>()?;
    let options = Options::check(options)?;
    let &[_, _, _, _, hop_limit, _, l0, l1, r0, r1, r2, r3, t0, t1, t2, t3] = header;
    parsed.src.is_link_local().then(|| {
        Message::RouterAdvertisement(RouterAdvertisement {
            hop_limit,
            lifetime: u16::from_be_bytes([l0, l1]),
            reachable_ms: u32::from_be_bytes([r0, r1, r2, r3]),
            retrans_ms: u32::from_be_bytes([t0, t1, t2, t3]),
            source_mac: options.mac(SOURCE_LINK_LAYER_ADDRESS),
            options,
        })
    })
}

/// The address that a solicitation or advertisement is about: never a group.
fn target(message: &[u8]) -> Option<Address> {
    let target = Address::v6(*message.get(8..24)?.first_chunk()?);
    (!target.is_multicast() && !target.is_v4()).then_some(target)
}

/// Options of a message, all of which have a length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// `None` when an option has length 0 or reaches beyond the message.
    pub(in crate::internet) fn check(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = usize::from(*rest.get(1)?) * 8;
            rest = rest.get(len..).filter(|_| len > 0)?;
        }
        Some(Self(bytes))
    }

    /// Type and octets of each option, its first two included.
    pub(in crate::internet) fn iter(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let &[kind, units, ..] = rest else { return None };
            let (option, behind) = rest.split_at_checked(usize::from(units) * 8)?;
            rest = behind;
            Some((kind, option))
        })
    }

    fn mac(self, kind: u8) -> Option<MacAddress> {
        let (_, option) = self
            .iter()
            .find(|(found, option)| *found == kind && option.len() == 8)?;
        Some(MacAddress(*option[2..].first_chunk()?)).filter(MacAddress::is_station)
    }
}

/// Makes `packet` a solicitation that asks who has `target`: all who might, or the one that had it.
///
/// From nobody (`source` unspecified) it asks whether we may have the address ourselves (RFC 4862 section 5.4.2), and names no station.
pub(in crate::internet) fn write_solicitation(
    packet: &mut Packet,
    source: &Address,
    destination: &Address,
    target: &Address,
    us: MacAddress,
) {
    let mut message = [0; MESSAGE_LEN];
    message[0] = NEIGHBOR_SOLICITATION;
    message[8..24].copy_from_slice(target.octets());
    write_mac(&mut message[24..], SOURCE_LINK_LAYER_ADDRESS, us);
    let len = if source.is_unspecified() { 24 } else { MESSAGE_LEN };
    write(packet, source, destination, &mut message[..len]);
}

/// Makes `packet` an advertisement of `target`, which is ours; an answer to somebody if he is the destination.
pub(in crate::internet) fn write_advertisement(
    packet: &mut Packet,
    destination: &Address,
    target: &Address,
    us: MacAddress,
) {
    let mut message = [0; MESSAGE_LEN];
    message[0] = NEIGHBOR_ADVERTISEMENT;
    message[4] = if destination.is_multicast() {
        OVERRIDE
    } else {
        OVERRIDE | SOLICITED
    };
    message[8..24].copy_from_slice(target.octets());
    write_mac(&mut message[24..], TARGET_LINK_LAYER_ADDRESS, us);
    write(packet, target, destination, &mut message);
}

/// Makes `packet` a solicitation of all routers.
pub(in crate::internet) fn write_router_solicitation(packet: &mut Packet, source: &Address, us: MacAddress) {
    let mut message = [0; 16];
    message[0] = ROUTER_SOLICITATION;
    write_mac(&mut message[8..], SOURCE_LINK_LAYER_ADDRESS, us);
    let len = if source.is_unspecified() { 8 } else { 16 };
    write(packet, source, &ALL_ROUTERS, &mut message[..len]);
}

fn write_mac(option: &mut [u8], kind: u8, mac: MacAddress) {
    option[..2].copy_from_slice(&[kind, 1]);
    option[2..8].copy_from_slice(&mac.0);
}

fn write(packet: &mut Packet, source: &Address, destination: &Address, message: &mut [u8]) {
    let checksum = pseudo_header_sum(source, destination, protocol::ICMPV6, message.len() as u32)
        .add_bytes(message)
        .finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let header = Header {
        src: *source,
        dst: *destination,
        protocol: protocol::ICMPV6,
        hop_limit: HOP_LIMIT,
        dscp: 0,
        ecn: Ecn::NotCapable,
        payload_len: message.len() as u16,
    };
    let (network, rest) = packet
        .set_header_len(ipv6::HEADER_LEN + message.len())
        .split_first_chunk_mut()
        .expect("longer than an IPv6 header");
    ipv6::emit(&header, network);
    rest.copy_from_slice(message);
    packet.checksum = Checksum::InPacket;
    packet.transport_offset = ipv6::HEADER_LEN as u16;
}
