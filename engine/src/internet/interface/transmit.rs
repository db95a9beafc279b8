//! Frames around the packets that transports built.

use super::neighbour::{Action, Entry, Resolution, Token};
use super::{Interface, Surroundings};
use crate::frame::{Packet, PacketQueue};
use crate::internet::address::Address;
use crate::internet::icmp::Reason;
use crate::internet::responder::destination_of;
use crate::link::ethernet::{self, MacAddress};
use crate::time::Instant;

/// What becomes of a packet.
enum Fate {
    Send(MacAddress),
    Wait(Token),
    NoRoute,
    NoRoom,
}

impl Interface {
    /// Moves what can go from `queue` to the frames, in order, as far as those have room; what cannot go yet waits aside.
    pub(super) fn transmit(&mut self, now: Instant, queue: &mut PacketQueue, around: &mut Surroundings<'_>) {
        self.release(now);
        loop {
            let limit = self.framed.room().min(queue.len());
            let (mut ready, mut stuck) = (0, None);
            while ready < limit
                && let Some(packet) = queue.get_mut(ready)
            {
                match self.fate(now, packet, around) {
                    Fate::Send(station) => self.frame(packet, station),
                    other => {
                        stuck = Some(other);
                        break;
                    }
                }
                ready += 1;
            }
            self.framed.take_from(queue, ready);
            let Some(fate) = stuck else { return };
            if let Some(packet) = queue.get_mut(0).map(std::mem::take) {
                self.set_aside(packet, fate, around);
            }
            queue.pop_front();
            self.act(around);
        }
    }

    #[inline]
    fn fate(&mut self, now: Instant, packet: &Packet, around: &Surroundings<'_>) -> Fate {
        let Some(destination) = destination_of(packet.contiguous()) else {
            return Fate::NoRoute;
        };
        let known = self.destinations.find(&destination);
        match known.and_then(|neighbour| self.neighbours.station(now, neighbour)) {
            Some(station) => Fate::Send(station),
            None => self.look_up(now, &destination, around),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, now: Instant, destination: &Address, around: &Surroundings<'_>) -> Fate {
        if let Some(group) = group_of(destination) {
            return Fate::Send(group);
        }
        let Some(way) = around.routes.find(destination) else {
            return Fate::NoRoute;
        };
        if way.gateway.is_none() && around.routes.is_directed_broadcast(destination) {
            return Fate::Send(MacAddress::BROADCAST);
        }
        let next_hop = way.gateway.unwrap_or(*destination);
        match self.neighbours.resolve(now, &next_hop, &mut self.actions) {
            Resolution::Station(station) => {
                if let Some(neighbour) = self.neighbours.find(&next_hop) {
                    self.destinations.remember(destination, neighbour);
                }
                Fate::Send(station)
            }
            Resolution::Wait(neighbour) => Fate::Wait(neighbour),
            Resolution::Full => Fate::NoRoom,
        }
    }

    #[inline]
    fn frame(&mut self, packet: &mut Packet, station: MacAddress) {
        let is_v4 = packet.contiguous().first().is_some_and(|first| first >> 4 == 4);
        let header = ethernet::Header {
            destination: station,
            source: self.us,
            ether_type: if is_v4 { ethernet::IPV4 } else { ethernet::IPV6 },
        };
        let room = packet
            .push_header(ethernet::HEADER_LEN)
            .and_then(|room| room.first_chunk_mut());
        header.emit(room.expect("every packet has headroom for the link's header"));
        packet.transport_offset += ethernet::HEADER_LEN as u16;
    }

    #[cold]
    fn set_aside(&mut self, packet: Packet, fate: Fate, around: &mut Surroundings<'_>) {
        match fate {
            Fate::Wait(neighbour) => {
                if self.parked.push(neighbour, packet).is_some() {
                    self.counters.dropped_waiting += 1;
                }
            }
            Fate::NoRoute => {
                self.counters.dropped_no_route += 1;
                around.responder.report(Reason::Undeliverable, &packet);
            }
            Fate::NoRoom | Fate::Send(_) => self.counters.dropped_waiting += 1,
        }
    }

    /// Does what the neighbour cache has asked for.
    pub(super) fn act(&mut self, around: &mut Surroundings<'_>) {
        while let Some(action) = self.actions.pop() {
            match action {
                Action::Solicit(address, station) => self.solicit(&address, station, around),
                Action::Release => self.has_released = true,
                Action::GiveUp(neighbour, address) => {
                    self.has_silent_router |= self.avoid_router(&address);
                    while let Some((_, packet)) = self.parked.take(|waits_for| waits_for == neighbour) {
                        self.counters.dropped_unreachable += 1;
                        around.responder.report(Reason::Undeliverable, &packet);
                    }
                }
                Action::Forget(neighbour) => {
                    while self.parked.take(|waits_for| waits_for == neighbour).is_some() {
                        self.counters.dropped_waiting += 1;
                    }
                }
            }
        }
    }

    /// Lets the packets go whose neighbours have answered.
    fn release(&mut self, now: Instant) {
        while self.has_released && self.framed.room() > 0 {
            let neighbours = &self.neighbours;
            let is_known = |neighbour| neighbours.get(neighbour).is_some_and(Entry::is_resolved);
            let Some((neighbour, mut packet)) = self.parked.take(is_known) else {
                self.has_released = false;
                return;
            };
            if let Some(station) = self.neighbours.station(now, neighbour) {
                self.frame(&mut packet, station);
                *self.framed.push().expect("there is room") = packet;
            }
        }
    }
}

/// The stations that a packet for many goes to.
pub(super) fn group_of(destination: &Address) -> Option<MacAddress> {
    if destination.is_limited_broadcast() {
        return Some(MacAddress::BROADCAST);
    }
    destination.is_multicast().then(|| {
        if destination.is_v4() {
            MacAddress::ipv4_group(destination.v4_octets())
        } else {
            MacAddress::ipv6_group(destination.octets())
        }
    })
}
