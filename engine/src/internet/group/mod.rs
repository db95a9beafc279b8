//! Groups that this host is in, by the word of the application (RFC 1112 section 7, RFC 3493 section 5.2).
//!
//! A datagram of UDP for such a group is delivered like one for ourselves; nothing else is heard there but what Neighbor Discovery needs. On an
//! Ethernet switches and routers are told (`report`, and the interface that decides when).

pub(super) mod report;

use super::address::Address;
use super::datagram::Parsed;
use super::{Inbound, Internet, ipv4, protocol};
use crate::arch::checksum::Sum;
use crate::frame::{Packet, PacketQueue};
use crate::time::Instant;

/// Groups that a host is in at a time.
pub const MAX_GROUPS: usize = 64;

/// Why a group was not joined or left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GroupError {
    /// The address is neither a multicast group nor 255.255.255.255.
    #[error("{0} is neither a multicast group nor the broadcast address")]
    NotAGroup(std::net::IpAddr),
    /// As many groups as a host may be in.
    #[error("a host is in {MAX_GROUPS} groups at most: leave one first")]
    TooManyGroups,
    /// Nobody has joined the group.
    #[error("the host is not in {0}")]
    NotJoined(std::net::IpAddr),
}

/// Gives a packet for a group fewer hops than others have: how far it goes is how many it is for (RFC 1112 section 6.1).
#[cold]
pub fn limit_hops(packet: &mut Packet, hops: u8) {
    let header = packet.header_mut();
    if let Some(ipv4) = header
        .first_chunk_mut::<{ ipv4::HEADER_LEN }>()
        .filter(|header| header[0] >> 4 == 4)
    {
        ipv4[8] = hops;
        ipv4[10..12].fill(0);
        let checksum = Sum::zero().add_bytes(&ipv4[..]).finish();
        ipv4[10..12].copy_from_slice(&checksum.to_be_bytes());
    } else if let Some(limit) = header.get_mut(7) {
        *limit = hops;
    }
}

/// The groups, each with how often it was joined.
#[derive(Debug, Default)]
pub(super) struct Groups {
    joined: Vec<(Address, u32)>,
}

impl Groups {
    /// Whether this is a group that was joined.
    pub(super) fn contains(&self, group: &Address) -> bool {
        self.joined.iter().any(|(known, _)| known == group)
    }

    /// The multicast groups among them.
    pub(super) fn multicast(&self) -> impl Iterator<Item = Address> {
        let groups = self.joined.iter().map(|(group, _)| *group);
        groups.filter(Address::is_multicast)
    }

    /// `true` when the host was not in the group.
    fn join(&mut self, group: &Address) -> Result<bool, GroupError> {
        if let Some((_, count)) = self.joined.iter_mut().find(|(known, _)| known == group) {
            *count += 1;
            return Ok(false);
        }
        if self.joined.len() == MAX_GROUPS {
            return Err(GroupError::TooManyGroups);
        }
        self.joined.push((*group, 1));
        Ok(true)
    }

    /// `true` when the host is not in the group any more.
    fn leave(&mut self, group: &Address) -> Result<bool, GroupError> {
        let found = self.joined.iter().position(|(known, _)| known == group);
        let index = found.ok_or(GroupError::NotJoined((*group).into()))?;
        self.joined[index].1 -= 1;
        let is_last = self.joined[index].1 == 0;
        if is_last {
            self.joined.remove(index);
        }
        Ok(is_last)
    }
}

impl Internet {
    /// Joins a multicast group; or, by the limited broadcast address, hears broadcasts.
    ///
    /// # Errors
    /// If the address is no such, or the host is in too many groups.
    pub fn join(&mut self, now: Instant, group: &Address) -> Result<(), GroupError> {
        if !group.is_multicast() && !group.is_limited_broadcast() {
            return Err(GroupError::NotAGroup((*group).into()));
        }
        if self.groups.join(group)? && group.is_multicast() {
            self.report_join(now, group);
        }
        Ok(())
    }

    /// Takes back one [`Internet::join`].
    ///
    /// # Errors
    /// If there was none.
    pub fn leave(&mut self, now: Instant, group: &Address) -> Result<(), GroupError> {
        if self.groups.leave(group)? && group.is_multicast() {
            self.report_leave(now, group);
        }
        Ok(())
    }

    /// Whether what is sent to this address is for the application as well as for others.
    fn is_heard(&self, destination: &Address) -> bool {
        self.groups.contains(destination)
            || (self.routes.is_directed_broadcast(destination)
                && self.groups.contains(&Address::v4([255; 4])))
    }

    /// A datagram whose destination is not an address of ours: for a group that we are in, or for nobody here.
    #[cold]
    pub(super) fn classify_for_many(
        &mut self,
        now: Instant,
        index: u16,
        parsed: &Parsed,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        let is_for_application =
            parsed.protocol == protocol::UDP && self.is_host(&parsed.src) && self.is_heard(&parsed.dst);
        if is_for_application {
            return match &parsed.fragment {
                Some(fragment) => self.on_fragment(now, index, parsed, fragment, packet, queue),
                None => self.deliver(now, index, parsed, packet, queue),
            };
        }
        if !self.on_group(now, parsed, packet, queue) {
            self.counters.dropped_not_ours += 1;
        }
        None
    }
}
