//! What goes out: data that the windows allow, FINs, acknowledgments that are due.

use super::Tcp;
use super::connection::{Connection, Deadline, Flags as Has};
use super::outgoing::Outgoing;
use super::segment::{EmitHeader, Flags};
use super::seq::SeqNumber;
use super::state::State;
use crate::internet::Output;
use crate::time::Instant;

/// What takes a connection off the common path of sending. It may be over, too, and have been marked before.
const UNUSUAL: u32 = Has::LOSS | Has::PACED | Has::SENDS_URGENT | Has::DETACHED | Has::CORKED;

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
        while self.output_one::<true>(out, index, max_segment)? {}
        Ok(())
    }

    /// What there is to send of a connection that is not as most are: it is not open yet, knows of loss, is paced or corked, or sends urgent
    /// data.
    #[inline(never)]
    pub(super) fn output_unusual(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        if self.connections.get(index).flags.has(Has::CORKED) && self.takes_push(index) {
            return self.output_pushed(out, index);
        }
        let connection = self.connections.get(index);
        match connection.state {
            State::Closed | State::Listen | State::TimeWait => return Ok(()),
            State::SynSent | State::SynReceived => return self.output_syn(out, index),
            _ if connection.flags.has(Has::DETACHED) => return Ok(()),
            _ if connection.flags.has(Has::LOSS) && self.sends_with_loss(index) => {
                self.output_with_loss(out, index)?;
                return self.output_last(out, index);
            }
            _ if connection.flags.has(Has::PACED) => {
                self.output_paced(out, index)?;
                return self.output_last(out, index);
            }
            _ => {}
        }
        if self.connections.get(index).flags.has(Has::CORKED) {
            return self.output_corked(out, index);
        }
        let max_segment = self.largest_segment(out, index);
        while self.output_one_more(out, index, max_segment)? {}
        Ok(())
    }

    /// Our FIN and the acknowledgment that is due, each if nothing took it along.
    fn output_last(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        self.output_fin(out, index)?;
        self.output_acknowledgment(out, index).map(drop)
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
        self.output_one::<false>(out, index, max_segment)
    }

    /// One segment, or virtual segment of at most `max_segment` octets: of new text if the windows allow it, with our FIN when it is the
    /// last, or of an acknowledgment that is due. Tells whether there may be more.
    ///
    /// The connection is looked up once; only what is rare looks it up again. On the common path it is not corked.
    #[inline(always)]
    fn output_one<const COMMON: bool>(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        max_segment: u32,
    ) -> Result<bool, QueueFull> {
        let mut connection = self.connections.get_mut(index);
        let queue = self.queues.send.get(connection.send);
        let unsent = queue.as_ref().map_or(0, |queue| queue.unsent());
        let owes_fin = connection.owes_fin();
        let mut len = 0;
        if unsent > 0 {
            if connection.in_flight() == 0 && !connection.has_just_sent(out.now) && self.config.idle_restart {
                restart_if_idle(connection, out.now);
            }
            let Some(may_go) = may_send::<COMMON>(connection, unsent, max_segment) else {
                return self.await_window(out, index);
            };
            len = may_go;
        } else if !owes_fin {
            return self.output_acknowledgment(out, index);
        }
        let packet = out.queue.push().ok_or(QueueFull)?;
        let sent = match queue {
            Some(queue) if len > 0 => queue.send_next(len, packet),
            _ => 0,
        };
        // What a device cuts into several must not end with a FIN: that would be on all of them.
        let ends = owes_fin && sent == unsent && sent <= u32::from(connection.mss);
        // PSH on the last segment that there is to send (RFC 9293 MUST-61).
        let mut flags = Flags::ACK;
        if len > 0 && len == unsent {
            flags |= Flags::PSH;
        }
        if ends {
            flags |= Flags::FIN;
        }
        let (segment, header) = Outgoing {
            flags,
            seq: connection.snd_nxt,
            sent,
            is_new: true,
            traffic_class: connection.traffic_class,
        }
        .leave(connection);
        self.counters.segments_sent += 1;
        if connection.flags.has(Has::SACK_DUE | Has::SENDS_URGENT) {
            // Copies, because what is handed over must lie in memory.
            let (segment, header) = (Outgoing { ..segment }, EmitHeader { ..header });
            self.write_unusual(out.internet, packet, out.now, index, segment, header);
            connection = self.connections.get_mut(index);
        } else {
            segment.write(out.internet, packet, connection, out.now, &header);
        }
        self.counters.bytes_sent += u64::from(sent);
        if let Some(deadline) = book(connection, out.now, sent, ends)
            && !self.wheel.fires_by(&connection.link, deadline)
        {
            self.schedule(index, deadline);
            connection = self.connections.get_mut(index);
        }
        if sent < unsent {
            return Ok(true);
        }
        note_limit(connection);
        note_small(connection, sent);
        Ok(owes_fin && !ends)
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
        self.book_one(out, index, 0, true);
        Ok(())
    }

    /// Books `sent` octets of text as sent.
    pub(super) fn note_sent(&mut self, out: &Output<'_>, index: u32, sent: u32) {
        self.book_one(out, index, sent, false);
    }

    /// Books text and the FIN as sent.
    #[inline(never)]
    fn book_one(&mut self, out: &Output<'_>, index: u32, sent: u32, fin: bool) {
        self.counters.bytes_sent += u64::from(sent);
        if let Some(deadline) = book(self.connections.get_mut(index), out.now, sent, fin) {
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
        let connection = self.connections.get_mut(index);
        let (segment, header) = Outgoing {
            flags,
            seq,
            sent,
            is_new: matches!(text, Text::Next(_)),
            traffic_class: connection.traffic_class,
        }
        .leave(connection);
        self.counters.segments_sent += 1;
        if connection.flags.has(Has::SACK_DUE | Has::SENDS_URGENT) {
            // Copies, because what is handed over must lie in memory.
            let (segment, header) = (Outgoing { ..segment }, EmitHeader { ..header });
            self.write_unusual(out.internet, packet, out.now, index, segment, header);
        } else {
            segment.write(out.internet, packet, connection, out.now, &header);
        }
        Some(sent)
    }
}

/// Books text and the FIN as sent. Gives the deadline that is to be armed, if the retransmission timer did not run.
#[inline(always)]
fn book(connection: &mut Connection, now: Instant, sent: u32, fin: bool) -> Option<Instant> {
    if fin {
        connection.flags.set(Has::FIN_SENT);
    }
    connection.snd_nxt += sent + u32::from(fin);
    connection.snd_max = connection.snd_nxt;
    if !connection.flags.has(Has::RTT_RUNNING) {
        connection.flags.set(Has::RTT_RUNNING);
        connection.rtt_seq = connection.snd_nxt;
        connection.rtt_started = now;
    }
    connection.note_sent_at(now);
    if connection.retransmit_at.is_set() {
        return None;
    }
    let deadline = now + connection.first_timeout();
    connection.retransmit_at = Deadline::at(deadline);
    Some(deadline)
}

/// Remembers whether the congestion window is what holds the connection back.
#[inline]
pub(super) fn note_limit(connection: &mut Connection) {
    let flight = connection.in_flight();
    if connection.congestion.is_limiting(flight) {
        connection.flags.set(Has::WINDOW_LIMITED);
        connection.congestion.note_use(flight);
    } else {
        connection.flags.clear(Has::WINDOW_LIMITED);
    }
}

/// RFC 5681 section 4.1: after idleness no acknowledgments are left that would clock out a whole window.
#[cold]
fn restart_if_idle(connection: &mut Connection, now: Instant) {
    if now > connection.last_sent(now) + connection.rtt.rto() {
        connection.congestion.on_idle_restart();
    }
}

/// How many of `unsent` bytes may go in one (virtual) segment now. `None` when nothing may.
#[inline(always)]
fn may_send<const COMMON: bool>(connection: &Connection, unsent: u32, max_segment: u32) -> Option<u32> {
    let window = connection.snd_wnd.min(connection.congestion.window());
    // All there is fits into one segment and nothing is on its way, so that no rule holds it back.
    let is_corked = !COMMON && connection.flags.has(Has::CORKED);
    if !is_corked && connection.in_flight() == 0 && unsent <= window.min(u32::from(connection.mss)) {
        return Some(unsent);
    }
    let usable = window.saturating_sub(connection.in_flight()).min(unsent);
    sendable(connection, usable, unsent, max_segment)
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
    let half_of_largest_window =
        usable >= connection.max_snd_wnd / 2 && !(usable == unsent && is_corked(connection));
    (usable > 0 && (all || half_of_largest_window)).then_some(usable)
}

/// Nagle: a small segment waits while another one is outstanding, unless the application switched that off, or has written urgent data, or
/// nothing will follow it. One behind full segments only may go (RFC 9293 appendix A.3): the rest of a large write need not wait for a
/// delayed acknowledgment.
#[inline]
fn may_send_small(connection: &Connection, in_flight: u32) -> bool {
    let flags = connection.flags;
    let may = in_flight == 0
        || !flags.has(Has::SMALL_SENT)
        || flags.has(Has::NO_DELAY | Has::FIN_QUEUED | Has::SENDS_URGENT);
    may && !is_corked(connection)
}

/// Whether a small segment waits for what the application writes next.
#[inline]
fn is_corked(connection: &Connection) -> bool {
    connection.flags.has(Has::CORKED) && connection.may_be_corked()
}

/// Remembers that the last of what was `sent` is no full segment.
#[inline]
pub(super) fn note_small(connection: &mut Connection, sent: u32) {
    let mss = u32::from(connection.mss);
    if sent > 0 && (sent < mss || !sent.is_multiple_of(mss)) {
        connection.flags.set(Has::SMALL_SENT);
    }
}
