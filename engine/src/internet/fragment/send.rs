//! Datagrams that are too large for the link.

use super::header;
use crate::arch::checksum::Sum;
use crate::frame::{Checksum, PacketQueue, Payload};
use crate::internet::address::Address;
use crate::internet::checksum::pseudo_header_sum;
use crate::internet::datagram::{Fragment, Header};
use crate::internet::{Internet, ipv4, protocol};

/// There is no room in the transmit queue for all fragments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// A datagram to be cut: what a transport would have put into one packet.
#[derive(Clone, Copy, Debug)]
pub struct Oversized<'a> {
    /// The source address.
    pub source: &'a Address,
    /// The destination address.
    pub destination: &'a Address,
    /// What the payload is ([`protocol`]).
    pub protocol: u8,
    /// The transport's header, with a checksum of zero unless it is there already.
    pub header: &'a [u8],
    /// Where the checksum belongs in the header; `None` when it is there already.
    pub checksum_at: Option<usize>,
    /// What follows the header.
    pub body: &'a Payload,
}

impl Internet {
    /// Octets of the largest transport header and payload that [`Internet::send_in_fragments`] gets into a queue of `packets`.
    pub fn largest_in_fragments(&self, is_v4: bool, packets: usize) -> usize {
        let largest = if is_v4 {
            ipv4::MAX_LEN - ipv4::HEADER_LEN
        } else {
            usize::from(u16::MAX)
        };
        largest.min(self.fragment_room(is_v4) * packets)
    }

    /// Sends a datagram in as many fragments as it takes; none of it when the queue has no room for all. The checksum is computed here, since
    /// no device can do that across fragments.
    ///
    /// # Errors
    /// If the queue has not enough room.
    ///
    /// # Panics
    /// If the header is longer than what one fragment carries, or the checksum is not in it.
    #[cold]
    pub fn send_in_fragments(
        &mut self,
        queue: &mut PacketQueue,
        datagram: &Oversized<'_>,
    ) -> Result<(), NoRoom> {
        let is_v4 = datagram.source.is_v4();
        let room = self.fragment_room(is_v4);
        let total = datagram.header.len() + datagram.body.len();
        if room == 0 || queue.room() < total.div_ceil(room) {
            return Err(NoRoom);
        }
        let checksum = datagram.checksum_at.map(|at| (at, checksum(datagram)));
        let identification =
            self.identifications
                .next(datagram.source, datagram.destination, datagram.protocol);
        let mut offset = 0;
        while offset < total {
            let end = total.min(offset + room);
            let fragment = Fragment {
                identification,
                offset: offset as u16,
                more: end < total,
            };
            self.push_fragment(queue, datagram, checksum, &fragment, end);
            offset = end;
        }
        Ok(())
    }

    fn push_fragment(
        &mut self,
        queue: &mut PacketQueue,
        datagram: &Oversized<'_>,
        checksum: Option<(usize, u16)>,
        fragment: &Fragment,
        end: usize,
    ) {
        let start = usize::from(fragment.offset);
        // The transport's header is in the first fragment, inline behind the network's.
        let inline = if start == 0 { datagram.header.len() } else { 0 };
        let before = datagram.header.len() - inline;
        let packet = queue.push().expect("room for all fragments was checked");
        let body = datagram.body.slice(start - before..end - datagram.header.len());
        packet
            .push_piece(body)
            .expect("an empty packet has room for a piece");
        self.counters.fragments_sent += 1;
        let header = Header {
            payload_len: (end - start) as u16,
            ..self.header_of(
                packet,
                datagram.source,
                datagram.destination,
                datagram.protocol,
                0,
                0,
            )
        };
        let network_len = header::header_len(datagram.source.is_v4());
        let (network, transport) = packet
            .set_header_len(network_len + inline)
            .split_at_mut(network_len);
        header::emit(&header, fragment, network);
        if start == 0 {
            transport.copy_from_slice(datagram.header);
            if let Some((at, checksum)) = checksum {
                transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
            }
        }
        packet.checksum = Checksum::InPacket;
        packet.transport_offset = network_len as u16;
    }

    /// Octets of a datagram that one fragment carries.
    fn fragment_room(&self, is_v4: bool) -> usize {
        (self.mtu() as usize).saturating_sub(header::header_len(is_v4)) & !7
    }
}

fn checksum(datagram: &Oversized<'_>) -> u16 {
    let len = datagram.header.len() + datagram.body.len();
    let sum = pseudo_header_sum(
        datagram.source,
        datagram.destination,
        datagram.protocol,
        len as u32,
    );
    let sum: Sum = sum.add_bytes(datagram.header).add_bytes(datagram.body);
    match sum.finish() {
        // Zero would mean that there is none (RFC 768); all ones is the same number.
        0 if datagram.protocol == protocol::UDP => 0xffff,
        checksum => checksum,
    }
}
