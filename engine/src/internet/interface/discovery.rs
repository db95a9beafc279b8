//! What Neighbor Discovery tells us, and what we answer (RFC 4861 section 7).

use super::Surroundings;
use super::conversation::is_ours;
use super::neighbour::Claim;
use super::neighbour::message::{
    self, ALL_NODES, Message, is_discovery, is_solicited_node, write_advertisement,
};
use super::{Interface, Internet};
use crate::frame::{Packet, PacketQueue};
use crate::internet::address::Address;
use crate::internet::datagram::Parsed;
use crate::internet::{icmp, ipv6, protocol};
use crate::link::ethernet::MacAddress;
use crate::time::Instant;

impl Internet {
    /// A datagram for a group that this host has joined by having an interface: only Neighbor Discovery and queries about groups are heard there. `false` for others.
    pub(in crate::internet) fn on_group(
        &mut self,
        now: Instant,
        parsed: &Parsed,
        packet: &Packet,
        queue: &mut PacketQueue,
    ) -> bool {
        if self.on_igmp(now, parsed, packet) {
            return true;
        }
        let is_joined =
            parsed.dst == ALL_NODES || is_solicited_node(&parsed.dst) || self.groups.contains(&parsed.dst);
        let is_heard = self.interface.is_some()
            && is_joined
            && parsed.protocol == protocol::ICMPV6
            && parsed.fragment.is_none()
            && !parsed.src.is_multicast();
        if !is_heard {
            return false;
        }
        let Some(message) = self.responder.linear(packet, parsed.header_len) else {
            self.counters.replies_lost += 1;
            return true;
        };
        let is_sound = matches!(
            icmp::parse_v6(&parsed.src, &parsed.dst, &message),
            Ok(icmp::Message::Other)
        );
        let is_heeded = is_sound
            && (self.on_mld(now, parsed, &message)
                || self.on_discovery(now, parsed, packet, &message, queue));
        if !is_heeded {
            self.counters.dropped_icmp += 1;
        }
        true
    }

    /// An ICMPv6 message with a right checksum. `false` when it is none of Neighbor Discovery, or there is no link to discover.
    pub(in crate::internet) fn on_discovery(
        &mut self,
        now: Instant,
        parsed: &Parsed,
        packet: &Packet,
        message: &[u8],
        queue: &mut PacketQueue,
    ) -> bool {
        if !message.first().is_some_and(|kind| is_discovery(*kind)) {
            return false;
        }
        let Some((interface, mut around)) = self.split() else {
            return false;
        };
        // RFC 6980: a message that may have come in fragments proves nothing, even as an atomic fragment.
        let message = Some(message)
            .filter(|_| !ipv6::has_fragment_header(packet.contiguous()))
            .and_then(|message| message::parse(parsed, message));
        match message {
            Some(Message::NeighborSolicitation { target, source_mac }) => {
                interface.on_solicitation(now, parsed, &target, source_mac, &mut around, queue);
            }
            Some(Message::NeighborAdvertisement {
                target,
                target_mac,
                is_router,
                solicited,
                overrides,
            }) => {
                let claim = Claim {
                    address: target,
                    mac: target_mac,
                    solicited,
                    overrides,
                    is_router: Some(is_router),
                };
                interface.on_advertisement(now, &claim, &mut around);
            }
            Some(Message::RouterAdvertisement(advertisement)) => {
                if !self.on_router_advertisement(now, &parsed.src, &advertisement) {
                    self.drop_discovery();
                }
            }
            _ => interface.counters.dropped_discovery += 1,
        }
        true
    }
}

impl Internet {
    fn drop_discovery(&mut self) {
        if let Some(interface) = &mut self.interface {
            interface.counters.dropped_discovery += 1;
        }
    }
}

impl Interface {
    /// Somebody asks for an address (RFC 4861 section 7.2.3 and 7.2.4).
    fn on_solicitation(
        &mut self,
        now: Instant,
        parsed: &Parsed,
        target: &Address,
        source_mac: Option<MacAddress>,
        around: &mut Surroundings<'_>,
        queue: &mut PacketQueue,
    ) {
        let asks_for_itself = parsed.src.is_unspecified();
        if self.is_tentative(target) {
            // He who asks from nobody wants the address too; he who asks as somebody will have to wait.
            if asks_for_itself {
                self.give_way(target);
            }
            return;
        }
        if !is_ours(around.blocks, target) {
            return;
        }
        if let Some(mac) = source_mac.filter(|_| !is_ours(around.blocks, &parsed.src)) {
            let action = self.neighbours.learn(now, &parsed.src, mac);
            self.actions.extend(action);
            self.act(around);
        }
        let destination = if asks_for_itself { ALL_NODES } else { parsed.src };
        if let Some(packet) = queue.push() {
            self.counters.solicitations_answered += 1;
            write_advertisement(packet, &destination, target, self.us);
        }
    }

    /// Somebody says who has an address (RFC 4861 section 7.2.5).
    fn on_advertisement(&mut self, now: Instant, claim: &Claim, around: &mut Surroundings<'_>) {
        if self.is_tentative(&claim.address) {
            self.give_way(&claim.address);
        } else if is_ours(around.blocks, &claim.address) {
            self.counters.address_conflicts += 1;
        } else {
            let action = self.neighbours.update(now, claim);
            self.actions.extend(action);
            self.act(around);
        }
    }
}
