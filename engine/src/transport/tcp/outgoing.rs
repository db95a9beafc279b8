//! A segment of a connection on its way out: what it says, and its headers.

use super::Tcp;
use super::connection::{Connection, Deadline, Flags as Has};
use super::ecn;
use super::input::timestamp_clock;
use super::loss::report;
use super::options::{self, Timestamps};
use super::segment::{CHECKSUM_AT, EmitHeader, Flags, HEADER_LEN};
use super::seq::SeqNumber;
use crate::frame::Packet;
use crate::internet::{Internet, protocol};
use crate::time::Instant;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    pub(super) flags: Flags,
    pub(super) seq: SeqNumber,
    /// Octets of its text.
    pub(super) sent: u32,
    /// The text was never sent before.
    pub(super) is_new: bool,
    pub(super) traffic_class: u8,
}

impl Outgoing {
    /// The segment leaves the connection: the peer learns what we have received and how much more may come, so that no acknowledgment is due
    /// any more. Gives the header.
    #[inline(always)]
    pub(super) fn leave(mut self, connection: &mut Connection) -> (Self, EmitHeader) {
        if connection.flags.has(Has::ECN) {
            let (flags, codepoint) = ecn::mark(connection, self.flags, self.is_new && self.sent > 0);
            self.flags = flags;
            self.traffic_class |= codepoint as u8;
        }
        let header = EmitHeader {
            seq: self.seq,
            ack: connection.rcv_nxt,
            source_port: connection.key.local_port,
            destination_port: connection.key.remote_port,
            window: connection.window_to_offer(),
            urgent: 0,
            flags: self.flags,
        };
        connection.rcv_acked = connection.rcv_nxt;
        connection.ack_at = Deadline::NEVER;
        connection.flags.clear(Has::ACK_NOW | Has::ACK_SOON);
        (self, header)
    }

    /// Writes the headers of a segment whose text is in `packet`, with the two sets of options that segments have: none and timestamps.
    #[inline(always)]
    pub(super) fn write(
        &self,
        internet: &mut Internet,
        packet: &mut Packet,
        connection: &Connection,
        now: Instant,
        header: &EmitHeader,
    ) {
        let key = &connection.key;
        self.mark_virtual(packet, connection);
        match timestamps_of(connection, now) {
            Some(timestamps) => internet.begin_array::<{ HEADER_LEN + options::TIMESTAMPS_LEN }>(
                packet,
                &key.local,
                &key.remote,
                protocol::TCP,
                self.traffic_class,
                |bytes| {
                    let (fixed, rest) = bytes.split_first_chunk_mut().expect("longer than a fixed header");
                    header.emit(options::TIMESTAMPS_LEN, fixed);
                    rest.copy_from_slice(&options::aligned_timestamps(timestamps));
                },
            ),
            None => internet.begin_array(
                packet,
                &key.local,
                &key.remote,
                protocol::TCP,
                self.traffic_class,
                |bytes| {
                    header.emit(0, bytes);
                },
            ),
        }
        internet.complete(packet, &key.local, &key.remote, protocol::TCP, CHECKSUM_AT);
    }

    /// What is longer than a segment is cut into segments by the device.
    #[inline(always)]
    fn mark_virtual(&self, packet: &mut Packet, connection: &Connection) {
        if self.sent > u32::from(connection.mss) {
            packet.segment_size = connection.mss;
        }
    }
}

impl Tcp {
    /// As [`Outgoing::write`] for a segment that reports SACK blocks or points at urgent data.
    #[cold]
    #[inline(never)]
    pub(super) fn write_unusual(
        &mut self,
        internet: &mut Internet,
        packet: &mut Packet,
        now: Instant,
        index: u32,
        segment: Outgoing,
        mut header: EmitHeader,
    ) {
        self.point_at_urgent(index, &mut header);
        let connection = self.connections.get_mut(index);
        segment.mark_virtual(packet, connection);
        let sack = report::due(
            index,
            connection,
            &mut self.queues,
            &mut self.duplicate,
            segment.sent,
        );
        report::write_headers(
            internet,
            packet,
            &connection.key,
            segment.traffic_class,
            &header,
            timestamps_of(connection, now),
            &sack,
        );
    }
}

#[inline]
pub(super) fn timestamps_of(connection: &Connection, now: Instant) -> Option<Timestamps> {
    connection.flags.has(Has::TIMESTAMPS).then(|| Timestamps {
        tsval: timestamp_clock(now).wrapping_add(connection.ts_offset),
        tsecr: connection.ts_recent,
    })
}
