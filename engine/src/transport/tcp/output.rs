//! What goes out: data that the windows allow, FINs, acknowledgments that are due.

use super::Tcp;
use super::connection::{Connection, Deadline, Flags as Has};
use super::ecn;
use super::input::timestamp_clock;
use super::loss::report;
use super::options::{self, Timestamps};
use super::segment::{CHECKSUM_AT, EmitHeader, Flags, HEADER_LEN};
use super::seq::SeqNumber;
use super::state::State;
use crate::frame::Packet;
use crate::internet::{Internet, Output, protocol};
use crate::time::Instant;
use crate::transport::flow::FlowKey;

/// What takes a connection off the common path of sending. It may be over, too, and have been marked before.
const UNUSUAL: u32 = Has::LOSS | Has::PACED | Has::SENDS_URGENT | Has::DETACHED;

/// The text of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    /// None.
    None,
    /// Up to so many bytes that were not sent yet.
    Next(u32),
    /// Up to `limit` bytes from `offset` bytes behind `snd_una` on, again.
    Again { offset: u32, limit: u32 },
}

/// The transmit queue is full; the connection stays on the list.
#[derive(Debug)]
pub(super) struct QueueFull;

impl Tcp {
    /// Sends what is due, connection by connection, until all is sent or the transmit queue is full.
    pub(crate) fn output(&mut self, out: &mut Output<'_>) {
        if !self.owed_resets.is_empty() {
            self.send_owed_resets(out);
        }
        while let Some(index) = self.dirty.first() {
            if self.output_connection(out, index).is_err() {
                self.connections.get_mut(index).flags.set(Has::DIRTY);
                return;
            }
            self.dirty.pop();
        }
    }

    /// Gives the acknowledgments that waited for the application their place on the list.
    pub(crate) fn release_soon(&mut self) {
        for index in self.soon.drain() {
            let connection = self.connections.get_mut(index);
            if connection.flags.take(Has::ACK_SOON) {
                connection.flags.set(Has::ACK_NOW);
                self.dirty.mark(index, connection);
            }
        }
    }

    /// Whether connections found the transmit queue full.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.dirty.is_empty() || !self.owed_resets.is_empty()
    }

    /// Whether something waits for the next poll.
    pub(crate) fn has_pending_output(&self) -> bool {
        self.has_unsent() || !self.soon.is_empty() || self.can_feed_starved()
    }

    #[inline(always)]
    fn output_connection(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let connection = self.connections.get_mut(index);
        connection.flags.clear(Has::DIRTY);
        if connection.flags.has(UNUSUAL) || !connection.state.is_synchronized() {
            return self.output_unusual(out, index);
        }
        let max_segment = out.internet.max_segment();
        while self.output_one(out, index, max_segment)? {}
        Ok(())
    }

    /// What there is to send of a connection that is not as most are: it is not open yet, knows of loss, is paced, or sends urgent data.
    #[inline(never)]
    fn output_unusual(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let connection = self.connections.get(index);
        match connection.state {
            State::Closed | State::Listen | State::TimeWait => return Ok(()),
            State::SynSent | State::SynReceived => return self.output_syn(out, index),
            _ if connection.flags.has(Has::DETACHED) => return Ok(()),
            _ if connection.flags.has(Has::LOSS) => self.output_with_loss(out, index)?,
            _ if connection.flags.has(Has::PACED) => self.output_paced(out, index)?,
            _ => {}
        }
        if self.connections.get(index).flags.has(Has::LOSS | Has::PACED) {
            self.output_fin(out, index)?;
            return self.output_acknowledgment(out, index).map(drop);
        }
        let max_segment = self.largest_segment(out, index);
        while self.output_one_more(out, index, max_segment)? {}
        Ok(())
    }

    /// The acknowledgment that is due, if nothing took it along. Nothing follows it.
    fn output_acknowledgment(&mut self, out: &mut Output<'_>, index: u32) -> Result<bool, QueueFull> {
        let connection = self.connections.get(index);
        if connection.flags.has(Has::ACK_NOW) {
            let seq = connection.snd_max;
            self.emit(out, index, Flags::ACK, seq, Text::None)
                .ok_or(QueueFull)?;
        }
        Ok(false)
    }

    /// [`Tcp::output_one`] for all but the common path.
    #[inline(never)]
    pub(super) fn output_one_more(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        max_segment: u32,
    ) -> Result<bool, QueueFull> {
        self.output_one(out, index, max_segment)
    }

    /// One segment, or virtual segment of at most `max_segment` octets: of new text if the windows allow it, with our FIN when it is the
    /// last, or of an acknowledgment that is due. Tells whether there may be more.
    #[inline(always)]
    fn output_one(&mut self, out: &mut Output<'_>, index: u32, max_segment: u32) -> Result<bool, QueueFull> {
        let connection = self.connections.get_mut(index);
        let queue = self.queues.send.get(connection.send);
        let unsent = queue.as_ref().map_or(0, |queue| queue.unsent());
        let mut len = 0;
        if unsent > 0 {
            if connection.in_flight() == 0 && !connection.has_just_sent(out.now) {
                restart_if_idle(connection, out.now);
            }
            let usable = usable_window(connection).min(unsent);
            let Some(may_go) = sendable(connection, usable, unsent, max_segment) else {
                return self.await_window(out, index);
            };
            len = may_go;
        } else if !connection.owes_fin() {
            return self.output_acknowledgment(out, index);
        }
        let packet = out.queue.push().ok_or(QueueFull)?;
        let sent = match queue {
            Some(queue) if len > 0 => queue.send_next(len, packet),
            _ => 0,
        };
        let connection = self.connections.get(index);
        // What a device cuts into several must not end with a FIN: that would be on all of them.
        let ends = connection.owes_fin() && sent == unsent && sent <= u32::from(connection.mss);
        let seq = connection.snd_nxt;
        // PSH on the last segment that there is to send (RFC 9293 MUST-61).
        let flags = match (len > 0 && len == unsent, ends) {
            (false, false) => Flags::ACK,
            (true, false) => Flags::ACK | Flags::PSH,
            (false, true) => Flags::ACK | Flags::FIN,
            (true, true) => Flags::ACK | Flags::PSH | Flags::FIN,
        };
        let segment = Outgoing::new(flags, seq, sent, true);
        self.complete(out.internet, packet, out.now, index, segment);
        self.book(out, index, sent, ends);
        if sent < unsent {
            return Ok(true);
        }
        let connection = self.connections.get_mut(index);
        note_limit(connection);
        note_small(connection, sent);
        Ok(!ends && connection.owes_fin())
    }

    /// The windows hold back what there is to send; an acknowledgment may be due.
    #[inline(never)]
    fn await_window(&mut self, out: &mut Output<'_>, index: u32) -> Result<bool, QueueFull> {
        let connection = self.connections.get_mut(index);
        note_limit(connection);
        // No acknowledgment will come, and an update of the window may be lost (RFC 9293 section 3.8.6.2.1).
        if connection.in_flight() == 0 {
            self.start_probing(index, out);
        }
        self.output_acknowledgment(out, index)
    }

    /// Octets of the largest virtual segment; a header with an urgent pointer must not be cut into several.
    pub(super) fn largest_segment(&self, out: &Output<'_>, index: u32) -> u32 {
        if self.connections.get(index).flags.has(Has::SENDS_URGENT) {
            0
        } else {
            out.internet.max_segment()
        }
    }

    /// Our FIN, when everything before it is sent.
    fn output_fin(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let connection = self.connections.get(index);
        if !connection.owes_fin()
            || self
                .queues
                .send
                .get(connection.send)
                .is_some_and(|queue| queue.unsent() > 0)
        {
            return Ok(());
        }
        let seq = connection.snd_nxt;
        self.emit(out, index, Flags::FIN | Flags::ACK, seq, Text::None)
            .ok_or(QueueFull)?;
        self.book(out, index, 0, true);
        Ok(())
    }

    /// Books `sent` octets of text as sent.
    #[inline(never)]
    pub(super) fn note_sent(&mut self, out: &Output<'_>, index: u32, sent: u32) {
        self.book(out, index, sent, false);
    }

    /// Books text and the FIN as sent.
    #[inline(always)]
    fn book(&mut self, out: &Output<'_>, index: u32, sent: u32, fin: bool) {
        let connection = self.connections.get_mut(index);
        let len = sent + u32::from(fin);
        if fin {
            connection.flags.set(Has::FIN_SENT);
        }
        connection.snd_nxt += len;
        connection.snd_max = connection.snd_nxt;
        self.counters.bytes_sent += u64::from(sent);
        if !connection.flags.has(Has::RTT_RUNNING) {
            connection.flags.set(Has::RTT_RUNNING);
            connection.rtt_seq = connection.snd_nxt;
            connection.rtt_started = out.now;
        }
        connection.note_sent_at(out.now);
        if !connection.retransmit_at.is_set() {
            let deadline = out.now + connection.first_timeout();
            connection.retransmit_at = Deadline::at(deadline);
            self.arm(index, deadline);
        }
    }

    /// Builds one segment (or virtual segment) in the transmit queue. Returns the bytes of its text; `None` when the queue is full.
    #[inline(never)]
    pub(super) fn emit(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        flags: Flags,
        seq: SeqNumber,
        text: Text,
    ) -> Option<u32> {
        let packet = out.queue.push()?;
        let connection = self.connections.get(index);
        let sent = match text {
            Text::None => 0,
            Text::Next(limit) => {
                let queue = self.queues.send.get(connection.send);
                queue.map_or(0, |queue| queue.send_next(limit, packet))
            }
            Text::Again { offset, limit } => {
                let copied = &mut self.counters.gathered_bytes;
                let queue = self.queues.send.get(connection.send);
                queue.map_or(0, |queue| {
                    queue.copy_sent(offset, limit, packet, &self.memory, copied)
                })
            }
        };
        let segment = Outgoing::new(flags, seq, sent, matches!(text, Text::Next(_)));
        self.complete(out.internet, packet, out.now, index, segment);
        Some(sent)
    }

    /// Writes the headers of a segment whose text is in `packet`. The peer learns what we have received and how much more may come.
    #[inline(always)]
    fn complete(
        &mut self,
        internet: &mut Internet,
        packet: &mut Packet,
        now: Instant,
        index: u32,
        mut segment: Outgoing,
    ) {
        let connection = self.connections.get_mut(index);
        if segment.sent > u32::from(connection.mss) {
            packet.segment_size = connection.mss;
        }
        segment.traffic_class = connection.traffic_class;
        if connection.flags.has(Has::ECN) {
            ecn::mark(connection, &mut segment);
        }
        segment.timestamps = timestamps_of(connection, now);
        let header = EmitHeader {
            seq: segment.seq,
            ack: connection.rcv_nxt,
            source_port: connection.key.local_port,
            destination_port: connection.key.remote_port,
            window: connection.window_to_offer(),
            urgent: 0,
            flags: segment.flags,
        };
        connection.rcv_acked = connection.rcv_nxt;
        connection.ack_at = Deadline::NEVER;
        connection.flags.clear(Has::ACK_NOW | Has::ACK_SOON);
        self.counters.segments_sent += 1;
        if connection.flags.has(Has::SACK_DUE | Has::SENDS_URGENT) {
            return self.complete_unusual(internet, packet, index, &segment, header);
        }
        write_headers(
            internet,
            packet,
            &connection.key,
            segment.traffic_class,
            &header,
            segment.timestamps,
        );
    }

    /// As [`Tcp::complete`] for a segment that reports SACK blocks or points at urgent data.
    #[cold]
    #[inline(never)]
    fn complete_unusual(
        &mut self,
        internet: &mut Internet,
        packet: &mut Packet,
        index: u32,
        segment: &Outgoing,
        mut header: EmitHeader,
    ) {
        self.point_at_urgent(index, &mut header);
        let connection = self.connections.get_mut(index);
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
            segment.timestamps,
            &sack,
        );
    }
}

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
    timestamps: Option<Timestamps>,
}

impl Outgoing {
    #[inline(always)]
    fn new(flags: Flags, seq: SeqNumber, sent: u32, is_new: bool) -> Self {
        Self {
            flags,
            seq,
            sent,
            is_new,
            traffic_class: 0,
            timestamps: None,
        }
    }
}

/// The headers of a segment with the two sets of options that segments have, none and timestamps.
#[inline(always)]
fn write_headers(
    internet: &mut Internet,
    packet: &mut Packet,
    key: &FlowKey,
    traffic_class: u8,
    header: &EmitHeader,
    timestamps: Option<Timestamps>,
) {
    match timestamps {
        Some(timestamps) => internet.begin_array::<{ HEADER_LEN + options::TIMESTAMPS_LEN }>(
            packet,
            &key.local,
            &key.remote,
            protocol::TCP,
            traffic_class,
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
            traffic_class,
            |bytes| {
                header.emit(0, bytes);
            },
        ),
    }
    internet.complete(packet, &key.local, &key.remote, protocol::TCP, CHECKSUM_AT);
}

/// Remembers whether the congestion window is what holds the connection back.
#[inline]
pub(super) fn note_limit(connection: &mut Connection) {
    if connection.congestion.is_limiting(connection.in_flight()) {
        connection.flags.set(Has::WINDOW_LIMITED);
    } else {
        connection.flags.clear(Has::WINDOW_LIMITED);
    }
}

#[inline]
pub(super) fn timestamps_of(connection: &Connection, now: crate::time::Instant) -> Option<Timestamps> {
    connection.flags.has(Has::TIMESTAMPS).then(|| Timestamps {
        tsval: timestamp_clock(now).wrapping_add(connection.ts_offset),
        tsecr: connection.ts_recent,
    })
}

/// RFC 5681 section 4.1: after idleness no acknowledgments are left that would clock out a whole window.
#[cold]
fn restart_if_idle(connection: &mut Connection, now: crate::time::Instant) {
    if now > connection.last_sent(now) + connection.rtt.rto() {
        connection.congestion.on_idle_restart();
    }
}

/// How much the windows leave.
#[inline]
fn usable_window(connection: &Connection) -> u32 {
    let window = connection.snd_wnd.min(connection.congestion.window());
    window.saturating_sub(connection.in_flight())
}

/// How many of `unsent` bytes may go in one (virtual) segment now: the `usable` part of the windows, at most `unsent`, then Nagle (RFC 9293 section 3.7.4) and the sender's part of
/// silly-window avoidance (section 3.8.6.2.1). `None` when nothing may.
#[inline]
pub(super) fn sendable(connection: &Connection, usable: u32, unsent: u32, max_segment: u32) -> Option<u32> {
    let in_flight = connection.in_flight();
    let mss = u32::from(connection.mss);
    if usable >= mss {
        let largest = (max_segment / mss).max(1) * mss;
        let whole = usable - usable % mss;
        let may_end_short = usable == unsent && may_send_small(connection, in_flight);
        return Some(if may_end_short && usable <= largest {
            usable
        } else {
            whole.min(largest)
        });
    }
    let all = usable == unsent && may_send_small(connection, in_flight);
    let half_of_largest_window = usable > 0 && usable >= connection.max_snd_wnd / 2;
    (usable > 0 && (all || half_of_largest_window)).then_some(usable)
}

/// Nagle: a small segment waits while another one is outstanding, unless the application switched that off, or has written urgent data, or
/// nothing will follow it. One behind full segments only may go (RFC 9293 appendix A.3): the rest of a large write need not wait for a
/// delayed acknowledgment.
#[inline]
fn may_send_small(connection: &Connection, in_flight: u32) -> bool {
    let flags = connection.flags;
    in_flight == 0
        || !flags.has(Has::SMALL_SENT)
        || flags.has(Has::NO_DELAY | Has::FIN_QUEUED | Has::SENDS_URGENT)
}

/// Remembers that the last of what was `sent` is no full segment.
#[inline]
pub(super) fn note_small(connection: &mut Connection, sent: u32) {
    let mss = u32::from(connection.mss);
    if sent > 0 && (sent < mss || !sent.is_multiple_of(mss)) {
        connection.flags.set(Has::SMALL_SENT);
    }
}
