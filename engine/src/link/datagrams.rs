//! UDP datagrams that the kernel hands over as one packet, taken apart again: a datagram is what its sender made it.

use super::landing::Landed;
use super::offload;
use crate::frame::{Checksum, HEADER_CAPACITY, Packet};

/// Datagrams of one size that share their headers.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    /// The headers of the first, and the bytes that are left of all.
    run: Packet,
    link_header: usize,
    segment: usize,
}

impl Datagrams {
    /// Whether all were taken.
    pub(super) fn is_empty(&self) -> bool {
        self.run.body_len() == 0
    }

    /// Takes in a run of datagrams of `segment` bytes each behind the headers of the first, in which the IP header comes behind
    /// `link_header` bytes. `false` when the headers are none of UDP, or longer than a packet can hold.
    pub(super) fn begin(&mut self, landed: Landed, link_header: usize, segment: u16) -> bool {
        let front = &landed.front;
        let Some(ip_len) = front.get(link_header..).and_then(offload::udp_payload_offset) else {
            return false;
        };
        let headers = link_header + ip_len;
        if headers > front.len().min(HEADER_CAPACITY - LINK_HEADROOM) {
            return false;
        }
        (self.link_header, self.segment) = (link_header, segment.into());
        self.run.reset();
        self.run.set_header_len(ip_len);
        self.run.push_header(link_header);
        self.run.header_mut().copy_from_slice(&front[..headers]);
        let behind = Landed {
            front: front.slice(headers..),
            rest: landed.rest,
        };
        behind.move_into(&mut self.run);
        true
    }

    /// Puts the next datagram into an empty packet.
    pub(super) fn take(&mut self, packet: &mut Packet) {
        let len = self.segment.min(self.run.body_len());
        let headers = self.run.header();
        let ip_len = headers.len() - self.link_header;
        packet.set_header_len(ip_len);
        packet.push_header(self.link_header);
        packet.header_mut().copy_from_slice(headers);
        offload::set_lengths(
            &mut packet.header_mut()[self.link_header..],
            (ip_len + len) as u16,
        );
        let mut left = len;
        for piece in self.run.body() {
            let here = left.min(piece.len());
            if here > 0 {
                let pushed = packet.push_piece(piece.slice(..here));
                debug_assert!(pushed.is_ok(), "a run has two pieces");
            }
            left -= here;
        }
        self.run.advance_body(len);
        if self.run.body_len() == 0 {
            self.run.reset();
        }
        // The kernel vouches for runs: it made them of datagrams that it had verified, or that never left the machine.
        packet.checksum = Checksum::Offloaded;
    }
}

/// What [`Packet::set_header_len`] keeps in front of the IP header.
const LINK_HEADROOM: usize = 16;
