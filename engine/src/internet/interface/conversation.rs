//! What we ask on the link, and what ARP tells us.

use super::neighbour::Claim;
use super::neighbour::arp::{self, Arp};
use super::neighbour::message::{solicited_node, write_solicitation};
use super::{Interface, Surroundings};
use crate::config::AddressBlock;
use crate::frame::Packet;
use crate::internet::address::Address;
use crate::internet::route;
use crate::link::ethernet::{self, MacAddress};
use crate::time::Instant;

impl Interface {
    /// An ARP packet for anybody (RFC 826, Packet Reception).
    pub(super) fn on_arp(&mut self, now: Instant, bytes: &[u8], around: &mut Surroundings<'_>) {
        let Some(message) = Arp::parse(bytes) else {
            self.counters.dropped_arp += 1;
            return;
        };
        let (sender, target) = (Address::v4(message.sender), Address::v4(message.target));
        if message.sender_mac == self.us {
            return;
        }
        // The probe of somebody who is not sure of his address (RFC 5227) names no sender.
        let wanted = if sender.is_unspecified() { &target } else { &sender };
        if self.is_tentative(wanted) {
            return self.give_way(wanted);
        }
        if is_ours(around.blocks, &sender) {
            return self.defend(now, &sender);
        }
        let is_for_us = is_ours(around.blocks, &target);
        let action = if sender.is_unspecified() {
            None
        } else if message.is_request && is_for_us {
            self.neighbours.learn(now, &sender, message.sender_mac)
        } else {
            self.neighbours.update(
                now,
                &Claim {
                    address: sender,
                    mac: Some(message.sender_mac),
                    solicited: !message.is_request && is_for_us,
                    overrides: true,
                    is_router: None,
                },
            )
        };
        self.actions.extend(action);
        self.act(around);
        if message.is_request && is_for_us {
            self.counters.solicitations_answered += 1;
            self.send_arp(
                message.sender_mac,
                &Arp {
                    is_request: false,
                    sender_mac: self.us,
                    sender: message.target,
                    target_mac: message.sender_mac,
                    target: message.sender,
                },
            );
        }
    }

    /// Asks for the hardware address of a neighbour: everybody who may know, or the station that had the address.
    pub(super) fn solicit(
        &mut self,
        neighbour: &Address,
        station: Option<MacAddress>,
        around: &Surroundings<'_>,
    ) {
        let Some(source) = route::source_for(around.routes, around.blocks, neighbour) else {
            return;
        };
        self.counters.solicitations_sent += 1;
        if neighbour.is_v4() {
            let request = Arp {
                is_request: true,
                sender_mac: self.us,
                sender: source.v4_octets(),
                target_mac: MacAddress([0; 6]),
                target: neighbour.v4_octets(),
            };
            self.send_arp(station.unwrap_or(MacAddress::BROADCAST), &request);
        } else {
            self.send_solicitation(&source, neighbour, station);
        }
    }

    /// Asks everybody who has an IPv4 address, as nobody (RFC 5227 section 2.1.1).
    pub(super) fn send_probe(&mut self, address: &Address) {
        self.counters.solicitations_sent += 1;
        self.ask_everybody([0; 4], address);
    }

    /// Tells everybody that an IPv4 address is ours (RFC 5227 section 2.3).
    pub(super) fn announce(&mut self, address: &Address) {
        self.ask_everybody(address.v4_octets(), address);
    }

    fn ask_everybody(&mut self, sender: [u8; 4], target: &Address) {
        let request = Arp {
            is_request: true,
            sender_mac: self.us,
            sender,
            target_mac: MacAddress([0; 6]),
            target: target.v4_octets(),
        };
        self.send_arp(MacAddress::BROADCAST, &request);
    }

    /// Sends a neighbor solicitation, from nobody where we ask about an address that may become ours.
    pub(super) fn send_solicitation(
        &mut self,
        source: &Address,
        target: &Address,
        station: Option<MacAddress>,
    ) {
        let group = solicited_node(target);
        let destination = if station.is_some() { target } else { &group };
        let station = station.unwrap_or_else(|| MacAddress::ipv6_group(group.octets()));
        let us = self.us;
        self.send(station, ethernet::IPV6, |packet| {
            write_solicitation(packet, source, destination, target, us);
        });
    }

    fn send_arp(&mut self, station: MacAddress, message: &Arp) {
        self.send(station, ethernet::ARP, |packet| {
            let room = packet.set_header_len(arp::LEN).first_chunk_mut();
            message.emit(room.expect("as long as asked for"));
        });
    }

    /// Sends a frame of this layer's own. When the device is that far behind it is lost; who needs an answer asks again.
    pub(super) fn send(&mut self, destination: MacAddress, ether_type: u16, write: impl FnOnce(&mut Packet)) {
        let Some(packet) = self.framed.push() else {
            return;
        };
        write(packet);
        let room = packet
            .push_header(ethernet::HEADER_LEN)
            .and_then(|room| room.first_chunk_mut());
        let header = ethernet::Header {
            destination,
            source: self.us,
            ether_type,
        };
        header.emit(room.expect("every packet has headroom for the link's header"));
    }
}

pub(super) fn is_ours(blocks: &[AddressBlock], address: &Address) -> bool {
    blocks.iter().any(|block| block.contains(address))
}
