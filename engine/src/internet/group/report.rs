//! What switches and routers are told about groups: reports of MLDv2 (RFC 3810 section 5.2) and IGMPv3 (RFC 3376 section 4.2), with one
//! record each; and their queries. Sources are never told apart: whole groups are joined and left.

use crate::arch::checksum::Sum;
use crate::frame::{Checksum, Packet};
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::datagram::Parsed;
use crate::internet::{ipv4, ipv6, protocol};
use crate::time::Duration;

/// All routers that hear MLDv2 reports (RFC 3810 section 5.2.14).
const MLD_ROUTERS: Address = Address::v6([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16]);
/// All routers that hear IGMPv3 reports (RFC 3376 section 4.2.14).
const IGMP_ROUTERS: Address = Address::v4([224, 0, 0, 22]);
/// Every host on the link, which hears general queries.
pub(in crate::internet) const ALL_HOSTS: Address = Address::v4([224, 0, 0, 1]);

const MLD_QUERY: u8 = 130;
const MLD_REPORT: u8 = 143;
const IGMP_QUERY: u8 = 0x11;
const IGMP_REPORT: u8 = 0x22;

/// Octets of the hop-by-hop header with a router alert (RFC 2711): no router passes a report over.
const HOP_BY_HOP: [u8; 8] = [protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0];
/// The router alert option of IPv4 (RFC 2113).
const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];
/// Internetwork control, as RFC 3376 section 4 has it.
const INTERNETWORK_CONTROL: u8 = 0xc0;

/// What a record says; the numbers are those of both protocols.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) enum Record {
    /// We are in the group: the answer to a query.
    Member = 2,
    /// We have left it.
    Left = 3,
    /// We have joined it.
    Joined = 4,
}

/// A router wants to know who is in which group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) struct Query {
    /// `None`: in any.
    pub(in crate::internet) group: Option<Address>,
    /// The answers are to be spread over so long.
    pub(in crate::internet) within: Duration,
}

/// Reads an ICMPv6 message whose checksum is right. `None` for what is no query that RFC 3810 section 6.2 lets us heed.
pub(in crate::internet) fn mld_query(parsed: &Parsed, message: &[u8]) -> Option<Query> {
    let (fixed, _) = message.split_first_chunk::<24>()?;
    let is_from_router = parsed.src.is_link_local() && parsed.hop_limit == 1;
    if fixed[0] != MLD_QUERY || !is_from_router {
        return None;
    }
    let code = u16::from_be_bytes([fixed[4], fixed[5]]);
    let group = Address::v6(*fixed[8..].first_chunk()?);
    Some(Query {
        group: Some(group).filter(|group| !group.is_unspecified()),
        within: Duration::from_millis(expand(u32::from(code), 12)),
    })
}

/// Reads an IGMP message. `None` for what is no sound query.
pub(in crate::internet) fn igmp_query(message: &[u8]) -> Option<Query> {
    let fixed: &[u8; 8] = message.first_chunk()?;
    if fixed[0] != IGMP_QUERY || !Sum::zero().add_bytes(message).is_intact() {
        return None;
    }
    let group = Address::v4([fixed[4], fixed[5], fixed[6], fixed[7]]);
    Some(Query {
        group: Some(group).filter(|group| !group.is_unspecified()),
        within: Duration::from_millis(100 * expand(u32::from(fixed[1]), 4)),
    })
}

/// A number of `mantissa` + 4 bits, of which the highest says that the next three are an exponent (RFC 3810 section 5.1.3, RFC 3376
/// section 4.1.1).
fn expand(code: u32, mantissa: u32) -> u64 {
    let exponent_at = mantissa;
    if code >> (exponent_at + 3) == 0 {
        return u64::from(code);
    }
    let exponent = code >> exponent_at & 7;
    let value = code & ((1 << mantissa) - 1) | 1 << mantissa;
    u64::from(value) << (exponent + 3)
}

/// Makes `packet` a report about one group, and says which group of routers hears it.
pub(in crate::internet) fn write(packet: &mut Packet, source: &Address, group: &Address, record: Record) {
    if group.is_v4() {
        write_igmp(packet, source, group, record);
    } else {
        write_mld(packet, source, group, record);
    }
    packet.checksum = Checksum::InPacket;
}

/// The group that hears reports about groups of this family.
pub(in crate::internet) fn routers(group: &Address) -> Address {
    if group.is_v4() { IGMP_ROUTERS } else { MLD_ROUTERS }
}

fn write_mld(packet: &mut Packet, source: &Address, group: &Address, record: Record) {
    let mut message = [0; 28];
    message[0] = MLD_REPORT;
    message[7] = 1;
    message[8] = record as u8;
    message[12..].copy_from_slice(group.octets());
    let checksum = pseudo_header_sum(source, &MLD_ROUTERS, protocol::ICMPV6, message.len() as u32)
        .add_bytes(&message)
        .finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let len = HOP_BY_HOP.len() + message.len();
    let room = packet.set_header_len(ipv6::HEADER_LEN + len);
    room[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, len as u8, protocol::HOP_BY_HOP, 1]);
    room[8..24].copy_from_slice(source.octets());
    room[24..40].copy_from_slice(MLD_ROUTERS.octets());
    room[40..48].copy_from_slice(&HOP_BY_HOP);
    room[48..].copy_from_slice(&message);
    packet.transport_offset = (ipv6::HEADER_LEN + HOP_BY_HOP.len()) as u16;
}

fn write_igmp(packet: &mut Packet, source: &Address, group: &Address, record: Record) {
    const HEADER_LEN: usize = ipv4::HEADER_LEN + ROUTER_ALERT.len();
    let mut message = [0; 16];
    message[0] = IGMP_REPORT;
    message[7] = 1;
    message[8] = record as u8;
    message[12..].copy_from_slice(&group.v4_octets());
    let checksum = Sum::zero().add_bytes(&message).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let room = packet.set_header_len(HEADER_LEN + message.len());
    let len = room.len() as u8;
    room[..12].copy_from_slice(&[
        0x46,
        INTERNETWORK_CONTROL,
        0,
        len,
        0,
        0,
        0,
        0,
        1,
        protocol::IGMP,
        0,
        0,
    ]);
    room[12..16].copy_from_slice(&source.v4_octets());
    room[16..20].copy_from_slice(&IGMP_ROUTERS.v4_octets());
    room[20..24].copy_from_slice(&ROUTER_ALERT);
    let checksum = Sum::zero().add_bytes(&room[..HEADER_LEN]).finish();
    room[10..12].copy_from_slice(&checksum.to_be_bytes());
    room[HEADER_LEN..].copy_from_slice(&message);
    packet.transport_offset = HEADER_LEN as u16;
}
