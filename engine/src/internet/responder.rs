//! What the internet layer answers by itself: echo requests, and datagrams that nobody here wants.

use std::collections::VecDeque;

use super::address::Address;
use super::datagram::Parsed;
use super::icmp::{self, Message, Refusal};
use super::{Internet, Oversized, ipv4, ipv6, protocol};
use crate::frame::{Frame, FramePool, LARGE_SLOT, Packet, PacketQueue, Payload, Purpose, SMALL_SLOT, Size};
use crate::time::Instant;

/// ICMP errors that wait for the transport layer. A flood beyond that says nothing new.
const MAX_REPORTED: usize = 64;
const SECOND: u64 = 1_000_000_000;

/// What the answers need: memory, a limit, and a place for what is for others.
#[derive(Debug)]
pub(super) struct Responder {
    pool: FramePool,
    errors_per_second: u32,
    errors_left: u32,
    refilled_at: Instant,
    reported: VecDeque<icmp::Error>,
}

impl Responder {
    pub(super) fn new(pool: FramePool, errors_per_second: u32) -> Self {
        Self {
            pool,
            errors_per_second,
            errors_left: errors_per_second,
            refilled_at: Instant::ZERO,
            reported: VecDeque::with_capacity(MAX_REPORTED),
        }
    }

    /// Whether another error may be sent in this second (RFC 4443 section 2.4 (f)).
    fn may_send_error(&mut self, now: Instant) -> bool {
        if now.saturating_since(self.refilled_at).as_nanos() >= SECOND {
            self.refilled_at = now;
            self.errors_left = self.errors_per_second;
        }
        let may = self.errors_left > 0;
        self.errors_left = self.errors_left.saturating_sub(1);
        may
    }

    /// The bytes of a packet from `offset` on, in one piece.
    pub(super) fn linear(&self, packet: &Packet, offset: usize) -> Option<Frame> {
        let len = packet.len() - offset;
        let mut frame = self.frame_for(len)?;
        for part in packet.parts_from(offset) {
            frame.extend(part.len())?.copy_from_slice(part);
        }
        Some(frame)
    }

    /// Tells the transport layer of a packet of its own that it cannot be delivered.
    pub(super) fn report(&mut self, reason: icmp::Reason, packet: &Packet) {
        if let Some(quoted) = icmp::quoted(packet.contiguous())
            && self.reported.len() < MAX_REPORTED
        {
            self.reported.push_back(icmp::Error { reason, quoted });
        }
    }

    pub(super) fn has_reports(&self) -> bool {
        !self.reported.is_empty()
    }

    fn frame_for(&self, len: usize) -> Option<Frame> {
        let size = match len {
            0..=SMALL_SLOT => Size::Small,
            _ if len <= LARGE_SLOT => Size::Large,
            _ => return None,
        };
        self.pool.allocate(Purpose::Control, size)
    }
}

impl Internet {
    /// The next ICMP error about something that we sent, for the transport layer.
    pub fn pop_error(&mut self) -> Option<icmp::Error> {
        self.responder.reported.pop_front()
    }

    /// An ICMP message for us.
    pub(super) fn on_icmp(
        &mut self,
        now: Instant,
        parsed: &Parsed,
        packet: &Packet,
        queue: &mut PacketQueue,
    ) {
        let Some(mut message) = self.responder.linear(packet, parsed.header_len) else {
            self.counters.replies_lost += 1;
            return;
        };
        let found = match parsed.protocol {
            protocol::ICMP if parsed.src.is_v4() => icmp::parse_v4(&message),
            protocol::ICMPV6 if !parsed.src.is_v4() => icmp::parse_v6(&parsed.src, &parsed.dst, &message),
            _ => Ok(Message::Other),
        };
        match found {
            Ok(Message::EchoRequest(_)) => {
                icmp::echo_reply_in_place(&mut message);
                self.counters.echoes_answered += 1;
                self.send_message(queue, &parsed.dst, &parsed.src, message);
            }
            Ok(Message::Error(error)) if self.responder.reported.len() < MAX_REPORTED => {
                self.responder.reported.push_back(error);
            }
            Ok(Message::Other) if self.on_discovery(now, parsed, packet, &message, queue) => {}
            _ => self.counters.dropped_icmp += 1,
        }
    }

    /// Tells the sender of a packet that it is not wanted, unless the RFCs or the limit forbid it.
    pub fn refuse(&mut self, now: Instant, refusal: Refusal, packet: &Packet, queue: &mut PacketQueue) {
        let Some(offender) = self.responder.linear(packet, 0) else {
            return;
        };
        let Some(mut message) = self.responder.frame_for(icmp::MAX_ERROR_LEN) else {
            return;
        };
        let Some(room) = message.extend(icmp::MAX_ERROR_LEN) else {
            return;
        };
        let from = destination_of(&offender);
        if from.is_none_or(|from| self.routes.is_directed_broadcast(&from)) {
            return;
        }
        if source_of(&offender).is_none_or(|source| !self.is_host(&source)) {
            return;
        }
        let Some(error) = from.and_then(|from| icmp::error_into(room, refusal, &offender, &from)) else {
            return;
        };
        if !self.responder.may_send_error(now) {
            self.counters.icmp_errors_limited += 1;
            return;
        }
        message.truncate(error.len);
        self.counters.icmp_errors_sent += 1;
        self.send_message(queue, &from.expect("an error has a source"), &error.dst, message);
    }

    /// Tells the sender of an IPv6 datagram for us what is wrong with its headers, where RFC 8200 says that he be told.
    #[cold]
    pub(super) fn complain(&mut self, now: Instant, packet: &Packet, queue: &mut PacketQueue) {
        let bytes = packet.contiguous();
        let is_v6 = bytes.first().is_some_and(|first| first >> 4 == 6);
        let is_for_us = destination_of(bytes).is_some_and(|destination| self.is_local(&destination));
        if is_v6
            && is_for_us
            && let Some(problem) = ipv6::parameter_problem(bytes)
        {
            self.refuse(now, Refusal::ParameterProblem(problem), packet, queue);
        }
    }

    fn send_message(
        &mut self,
        queue: &mut PacketQueue,
        source: &Address,
        destination: &Address,
        message: Frame,
    ) {
        let (protocol, header_len) = if source.is_v4() {
            (protocol::ICMP, ipv4::HEADER_LEN)
        } else {
            (protocol::ICMPV6, ipv6::HEADER_LEN)
        };
        let message = message.freeze();
        if header_len + message.len() > self.mtu() as usize {
            return self.send_large_message(queue, source, destination, protocol, message);
        }
        let Some(packet) = queue.push() else {
            self.counters.replies_lost += 1;
            return;
        };
        packet
            .push_piece(message)
            .expect("an empty packet has room for a piece");
        self.begin(packet, source, destination, protocol, 0, 0);
    }

    /// An echo reply is as long as its request, which may have come in fragments, too.
    #[cold]
    fn send_large_message(
        &mut self,
        queue: &mut PacketQueue,
        source: &Address,
        destination: &Address,
        protocol: u8,
        message: Payload,
    ) {
        let mut header = [0; icmp::HEADER_LEN];
        header.copy_from_slice(&message[..icmp::HEADER_LEN]);
        let datagram = Oversized {
            source,
            destination,
            protocol,
            header: &header,
            checksum_at: None,
            body: &message.slice(icmp::HEADER_LEN..message.len()),
        };
        if self.send_in_fragments(queue, &datagram).is_err() {
            self.counters.replies_lost += 1;
        }
    }
}

/// Whom a packet is for.
#[inline]
pub(super) fn destination_of(packet: &[u8]) -> Option<Address> {
    match packet.first()? >> 4 {
        4 => Some(Address::v4(*packet.get(16..20)?.first_chunk()?)),
        6 => Some(Address::v6(*packet.get(24..40)?.first_chunk()?)),
        _ => None,
    }
}

/// Whom a packet claims to be from.
pub(super) fn source_of(packet: &[u8]) -> Option<Address> {
    match packet.first()? >> 4 {
        4 => Some(Address::v4(*packet.get(12..16)?.first_chunk()?)),
        6 => Some(Address::v6(*packet.get(8..24)?.first_chunk()?)),
        _ => None,
    }
}
