//! UDP (RFC 768): sockets with bounded queues, datagrams sent and received in place.

pub mod datagram;
mod sockets;

use std::collections::VecDeque;
use std::net::SocketAddr;

use self::datagram::{HEADER_LEN, Header, ZeroChecksum};
use self::sockets::Sockets;
pub use self::sockets::{BindError, Datagram};
use super::flow::FlowKey;
use super::tcp::{ConnectionError, Id};
use crate::arch::checksum::Sum;
use crate::config::{Config, UdpConfig};
use crate::frame::{Carver, Checksum, FramePool, Packet, Payload, Purpose, SMALL_SLOT, Size};
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::icmp::Reason;
use crate::internet::{Inbound, Output, Oversized, icmp, limit_hops, protocol};

const CHECKSUM_AT: usize = 6;
/// Datagrams up to this size share a slot with others.
const CARVE_LIMIT: usize = 256;

/// What UDP counts. Every datagram that is dropped is in one of these.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UdpCounters {
    /// Datagrams received and queued for an application.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Dropped: the length field contradicts the packet, or the checksum is missing over IPv6.
    pub dropped_malformed: u64,
    /// Dropped: the checksum was wrong.
    pub dropped_checksum: u64,
    /// Dropped: no socket on that port (the sender is told).
    pub dropped_no_socket: u64,
    /// Dropped: the socket's queue was full.
    pub dropped_queue_full: u64,
    /// Payload bytes that were copied into one slot because they came in several pieces, or so that they do not pin larger slots.
    pub copied_bytes: u64,
    /// ICMP errors handed to sockets.
    pub errors_delivered: u64,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The handle names no socket.
    #[error("no such socket")]
    NoSocket,
    /// The datagram is larger than a datagram can be, or than fits into the transmit queue in fragments.
    #[error(
        "datagram of {length} bytes; at most {largest} can be sent, as many as fragments in Config::transmit_queue carry"
    )]
    TooLarge {
        /// Bytes of the datagram.
        length: usize,
        /// Bytes that a datagram to there can have.
        largest: usize,
    },
    /// The transmit queue, but for what connections wait for, or the frame pool is exhausted; poll and try again.
    #[error("no room for the datagram now")]
    NoRoom,
    /// We have no address of that family.
    #[error("no local address of the destination's family")]
    NoSource,
    /// The socket is bound to an address of the other family.
    #[error("the socket is bound to an address of another family")]
    WrongFamily,
}

/// What became of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claimed {
    /// It is queued, or was dropped.
    Already,
    /// No socket is on its port: its sender is to be told.
    ByNobody,
}

/// All UDP sockets of one engine.
#[derive(Debug)]
pub(crate) struct Udp {
    config: UdpConfig,
    sockets: Sockets,
    ready: VecDeque<Id>,
    pool: FramePool,
    carver: Carver,
    counters: UdpCounters,
}

impl Udp {
    pub(crate) fn new(config: &Config, pool: FramePool) -> Self {
        Self {
            config: config.udp.clone(),
            sockets: Sockets::new(config.udp.sockets),
            ready: VecDeque::new(),
            carver: Carver::new(pool.clone(), Purpose::Application),
            pool,
            counters: UdpCounters::default(),
        }
    }

    pub(crate) fn counters(&self) -> &UdpCounters {
        &self.counters
    }

    pub(crate) fn bind(&mut self, address: Address, port: u16) -> Result<Id, BindError> {
        self.sockets.bind(address, port)
    }

    pub(crate) fn close(&mut self, id: Id) {
        self.sockets.close(id);
    }

    /// A datagram for one of our addresses.
    #[inline(always)]
    pub(crate) fn input(&mut self, inbound: &Inbound, packet: &mut Packet) -> Claimed {
        let offset = usize::from(packet.transport_offset);
        let available = packet.len() - offset;
        // A field that the sender left to a device that vouches for the bytes says nothing.
        let zero_checksum = match packet.checksum {
            Checksum::Offloaded => ZeroChecksum::MeansNone,
            Checksum::InPacket => ZeroChecksum::over(&inbound.source),
        };
        let Ok(header) = Header::parse(&inbound.lead, available, zero_checksum) else {
            self.counters.dropped_malformed += 1;
            return Claimed::Already;
        };
        if usize::from(header.len) < available {
            packet.truncate(offset + usize::from(header.len));
        }
        if header.checksum != 0
            && packet.checksum == Checksum::InPacket
            && !is_intact(packet, inbound.source, inbound.destination)
        {
            self.counters.dropped_checksum += 1;
            return Claimed::Already;
        }
        let Some(index) = self.sockets.find(&inbound.destination, header.destination_port) else {
            self.counters.dropped_no_socket += 1;
            return Claimed::ByNobody;
        };
        packet.strip_headers(offset + HEADER_LEN);
        self.deliver(index, packet, inbound, header.source_port);
        Claimed::Already
    }

    #[inline(always)]
    fn deliver(&mut self, index: u32, packet: &mut Packet, inbound: &Inbound, source_port: u16) {
        let socket = self.sockets.get_mut(index);
        let len = packet.body_len() as u32;
        if !socket.has_room(
            len,
            self.config.receive_datagrams as usize,
            self.config.receive_bytes,
        ) {
            self.counters.dropped_queue_full += 1;
            return;
        }
        let Some(payload) = gather(packet, &self.pool, &mut self.counters) else {
            self.counters.dropped_queue_full += 1;
            return;
        };
        let datagram = Datagram {
            payload,
            source: inbound.source,
            source_port,
            destination: inbound.destination,
        };
        self.counters.received += 1;
        if let Some(id) = socket.push(index, datagram) {
            self.ready.push_back(id);
        }
    }

    pub(crate) fn receive(&mut self, id: Id) -> Option<Datagram> {
        self.sockets.lookup(id)?.pop()
    }

    #[inline]
    pub(crate) fn send_with(
        &mut self,
        out: &mut Output<'_>,
        id: Id,
        to: SocketAddr,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), SendError> {
        let route = self.route(out, id, to, length)?;
        if out.queue.room() == 0 {
            return Err(SendError::NoRoom);
        }
        let payload = if length <= CARVE_LIMIT {
            self.carver.carve(length, fill)
        } else {
            self.fill_frame(length, fill)
        };
        self.emit(out, &route, payload.ok_or(SendError::NoRoom)?)
    }

    fn fill_frame(&self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Option<Payload> {
        let size = if length <= SMALL_SLOT {
            Size::Small
        } else {
            Size::Large
        };
        let mut frame = self.pool.allocate(Purpose::Application, size)?;
        fill(frame.extend(length)?);
        Some(frame.freeze())
    }

    pub(crate) fn send_payload(
        &mut self,
        out: &mut Output<'_>,
        id: Id,
        to: SocketAddr,
        payload: Payload,
    ) -> Result<(), SendError> {
        let route = self.route(out, id, to, payload.len())?;
        self.emit(out, &route, payload)
    }

    #[inline]
    fn route(&mut self, out: &Output<'_>, id: Id, to: SocketAddr, length: usize) -> Result<Route, SendError> {
        let socket = self.sockets.lookup(id).ok_or(SendError::NoSocket)?;
        let destination = Address::from(to.ip());
        let source = match socket.address() {
            bound if bound.is_unspecified() => {
                out.internet.source_for(&destination).ok_or(SendError::NoSource)?
            }
            bound if bound.is_v4() != destination.is_v4() => return Err(SendError::WrongFamily),
            bound => bound,
        };
        let headers = HEADER_LEN + if destination.is_v4() { 20 } else { 40 };
        let largest = (out.internet.mtu() as usize).saturating_sub(headers);
        let in_fragments = length > largest;
        if in_fragments {
            check_length(out, destination.is_v4(), length)?;
        }
        Ok(Route {
            in_fragments,
            source,
            destination,
            source_port: socket.port(),
            destination_port: to.port(),
        })
    }

    #[inline]
    fn emit(&mut self, out: &mut Output<'_>, route: &Route, payload: Payload) -> Result<(), SendError> {
        let header = Header::new(route.source_port, route.destination_port, payload.len()).map_err(|_| {
            SendError::TooLarge {
                length: payload.len(),
                largest: datagram::MAX_PAYLOAD_LEN,
            }
        })?;
        if route.in_fragments {
            return self.emit_in_fragments(out, route, &header, &payload);
        }
        let packet = out.queue.push().ok_or(SendError::NoRoom)?;
        if !payload.is_empty() {
            packet.set_piece(payload);
        }
        out.internet.begin_array(
            packet,
            &route.source,
            &route.destination,
            protocol::UDP,
            0,
            |bytes| header.emit(bytes),
        );
        out.internet.complete(
            packet,
            &route.source,
            &route.destination,
            protocol::UDP,
            CHECKSUM_AT,
        );
        if route.destination.is_multicast() {
            limit_hops(packet, self.config.multicast_hops);
        }
        self.counters.sent += 1;
        Ok(())
    }

    #[cold]
    fn emit_in_fragments(
        &mut self,
        out: &mut Output<'_>,
        route: &Route,
        header: &Header,
        payload: &Payload,
    ) -> Result<(), SendError> {
        let mut bytes = [0; HEADER_LEN];
        header.emit(&mut bytes);
        let datagram = Oversized {
            source: &route.source,
            destination: &route.destination,
            protocol: protocol::UDP,
            header: &bytes,
            checksum_at: Some(CHECKSUM_AT),
            body: payload,
        };
        let first = out.queue.len();
        out.internet
            .send_in_fragments(out.queue, &datagram)
            .map_err(|_| SendError::NoRoom)?;
        if route.destination.is_multicast() {
            for index in first..out.queue.len() {
                let packet = out.queue.get_mut(index).expect("it was added a moment ago");
                limit_hops(packet, self.config.multicast_hops);
            }
        }
        self.counters.sent += 1;
        Ok(())
    }

    /// An ICMP error about a datagram that a socket sent (RFC 1122 section 4.1.3.3).
    pub(crate) fn on_icmp_error(&mut self, key: &FlowKey, error: &icmp::Error) {
        let error = match error.reason {
            Reason::PortUnreachable | Reason::ProtocolUnreachable => ConnectionError::Refused,
            Reason::NetworkUnreachable
            | Reason::HostUnreachable
            | Reason::Undeliverable
            | Reason::Prohibited => ConnectionError::Unreachable,
            _ => return,
        };
        let Some(index) = self.sockets.find(&key.local, key.local_port) else {
            return;
        };
        self.counters.errors_delivered += 1;
        if let Some(id) = self.sockets.get_mut(index).report(index, error) {
            self.ready.push_back(id);
        }
    }

    pub(crate) fn take_error(&mut self, id: Id) -> Option<ConnectionError> {
        self.sockets.lookup(id)?.take_error()
    }

    /// The next socket that has something to read or report.
    #[inline]
    pub(crate) fn pop_notice(&mut self) -> Option<Id> {
        loop {
            let id = self.ready.pop_front()?;
            if let Some(socket) = self.sockets.lookup(id) {
                socket.announced();
                return Some(id);
            }
        }
    }
}

/// Where a datagram goes, and where it comes from.
#[derive(Clone, Copy, Debug)]
struct Route {
    /// It is too large for one packet.
    in_fragments: bool,
    source: Address,
    destination: Address,
    source_port: u16,
    destination_port: u16,
}

/// Whether a datagram can be sent in fragments.
#[cold]
fn check_length(out: &Output<'_>, is_v4: bool, length: usize) -> Result<(), SendError> {
    let largest = out.internet.largest_in_fragments(is_v4, out.queue.capacity());
    let largest = largest.saturating_sub(HEADER_LEN);
    if length > largest {
        return Err(SendError::TooLarge { length, largest });
    }
    Ok(())
}

/// The payload in one piece. `None` when there is no memory for that.
#[inline(always)]
fn gather(packet: &mut Packet, pool: &FramePool, counters: &mut UdpCounters) -> Option<Payload> {
    match packet.take_only_piece() {
        None if packet.body().is_empty() => Some(Payload::empty()),
        None => gather_pieces(packet, pool, counters),
        payload => payload,
    }
}

#[inline(never)]
fn gather_pieces(packet: &mut Packet, pool: &FramePool, counters: &mut UdpCounters) -> Option<Payload> {
    let len = packet.body_len();
    let size = if len <= SMALL_SLOT {
        Size::Small
    } else {
        Size::Large
    };
    let mut frame = pool.allocate(Purpose::Receive, size)?;
    for piece in packet.take_body() {
        frame.extend(piece.len())?.copy_from_slice(&piece);
    }
    counters.copied_bytes += len as u64;
    Some(frame.freeze())
}

/// The addresses by value: what is known of a datagram could not stay in registers if its place in memory were asked for.
#[inline(never)]
fn is_intact(packet: &Packet, source: Address, destination: Address) -> bool {
    let offset = usize::from(packet.transport_offset);
    let length = (packet.len() - offset) as u32;
    let sum = pseudo_header_sum(&source, &destination, protocol::UDP, length);
    packet.parts_from(offset).fold(sum, Sum::add_bytes).is_intact()
}
