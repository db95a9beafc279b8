//! What the text and the FIN of a segment do: bytes reach the application in order, acknowledgments become due.

use super::Tcp;
use super::arrival::Arrival;
use super::connection::{Connection, Deadline, Flags as Has};
use super::options::SackBlock;
use super::seq::SeqNumber;
use super::state::State;
use crate::frame::Packet;
use crate::internet::Output;
use crate::transport::fifo::Fifo;
use crate::transport::ready::Ready;

impl Tcp {
    /// Text that touches the window.
    pub(super) fn on_text(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::ORPHAN) && connection.state.may_receive_data() {
            return self.abort_with_data(out, index);
        }
        if !connection.state.may_receive_data() {
            return;
        }
        if arrival.header.seq.lt(connection.rcv_nxt) {
            let duplicate = SackBlock {
                left: arrival.header.seq,
                right: connection.rcv_nxt,
            };
            self.note_duplicate(index, duplicate);
        }
        let connection = self.connections.get_mut(index);
        trim_to_window(connection, arrival, packet);
        let start = if arrival.header.seq.lt(connection.rcv_nxt) {
            connection.rcv_nxt
        } else {
            arrival.header.seq
        };
        if start == connection.rcv_nxt {
            self.on_text_in_order(out, index, packet);
            self.on_early_fin_due(out, index);
        } else {
            self.on_early_text(out, index, start, packet);
        }
    }

    /// Text that starts at `rcv_nxt` and ends inside the window.
    #[inline(always)]
    pub(super) fn on_text_in_order(&mut self, out: &mut Output<'_>, index: u32, packet: &mut Packet) {
        let connection = self.connections.get_mut(index);
        let queue = self.queues.receive.attach(&mut connection.receive);
        if !queue.is_empty() {
            return self.on_more_text(out, index, packet);
        }
        let Some(piece) = packet.take_only_piece() else {
            return self.on_more_text(out, index, packet);
        };
        let received = piece.len() as u32;
        queue.begin(piece);
        connection.rcv_nxt += received;
        connection.rcv_buffered += received;
        self.counters.bytes_received += u64::from(received);
        self.notices.add(index, connection, Ready::READABLE);
        let unacknowledged = connection.rcv_nxt.distance(connection.rcv_acked) as u32;
        if unacknowledged >= 2 * u32::from(connection.mss) {
            self.owe_acknowledgment(out, index);
        } else if connection.quick_acks > 0 {
            connection.quick_acks -= 1;
            mark_soon(&mut self.soon, index, connection);
        } else if !connection.ack_at.is_set() {
            let deadline = out.now + self.config.delayed_ack;
            connection.ack_at = Deadline::at(deadline);
            if !self.wheel.fires_by(&connection.link, deadline) {
                self.schedule(index, deadline);
            }
        }
    }

    /// Text in several pieces, or behind what the application has left.
    #[inline(never)]
    fn on_more_text(&mut self, out: &mut Output<'_>, index: u32, packet: &mut Packet) {
        let connection = self.connections.get_mut(index);
        let queue = self.queues.receive.attach(&mut connection.receive);
        let most = connection.receive_pieces(self.config.queue_pieces);
        let mut received = 0;
        for piece in packet.take_body() {
            let bytes = piece.len() as u32;
            match queue.push(piece, most, &self.memory.pool) {
                Ok(copied) => self.counters.copybreak_bytes += u64::from(copied),
                Err(_) => {
                    self.counters.dropped_queue_full += 1;
                    break;
                }
            }
            received += bytes;
        }
        connection.rcv_nxt += received;
        connection.rcv_buffered += received;
        let had_a_gap = !queue.early.is_empty();
        self.counters.bytes_received += u64::from(received);
        self.notices.add(index, connection, Ready::READABLE);
        if had_a_gap {
            let begin = connection.rcv_nxt - received;
            let duplicate = queue.early.first_held(begin, connection.rcv_nxt);
            self.deliver_early(index);
            self.note_gaps(index);
            if let Some(duplicate) = duplicate.filter(|_| !self.owes_duplicate(index)) {
                self.note_duplicate(index, duplicate);
            }
        }
        if had_a_gap || received == 0 {
            self.acknowledge_now(index);
        } else {
            self.owe_acknowledgment(out, index);
        }
    }

    fn acknowledge_now(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.flags.set(Has::ACK_NOW);
        self.dirty.mark(index, connection);
    }

    /// Moves what was early and is due now behind what has just arrived.
    fn deliver_early(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        let queue = self.queues.receive.attach(&mut connection.receive);
        let most = connection.receive_pieces(self.config.queue_pieces);
        while let Some(piece) = queue.early.pop_due(connection.rcv_nxt) {
            let bytes = piece.len() as u32;
            match queue.push(piece, most, &self.memory.pool) {
                Ok(copied) => self.counters.copybreak_bytes += u64::from(copied),
                Err(_) => {
                    // What is reported as held must be held.
                    self.counters.dropped_queue_full += 1;
                    return queue.early.clear();
                }
            }
            connection.rcv_nxt += bytes;
            connection.rcv_buffered += bytes;
            self.counters.bytes_received += u64::from(bytes);
        }
    }

    /// Text beyond a gap is kept, and the gap is reported at once, once for each segment (RFC 5681 section 4.2).
    fn on_early_text(&mut self, out: &mut Output<'_>, index: u32, mut seq: SeqNumber, packet: &mut Packet) {
        let (start, end) = (seq, seq + packet.body_len() as u32);
        let connection = self.connections.get_mut(index);
        let queue = self.queues.receive.attach(&mut connection.receive);
        self.counters.out_of_order += 1;
        let duplicate = queue.early.first_held(start, end);
        for piece in packet.take_body() {
            let len = piece.len() as u32;
            if !piece.is_empty()
                && !queue
                    .early
                    .insert(seq, piece, self.config.queue_pieces as usize / 2)
            {
                self.counters.dropped_queue_full += 1;
                break;
            }
            seq += len;
        }
        queue.early.note_arrival(start);
        if queue.is_empty() {
            self.queues.receive.detach(&mut connection.receive);
        }
        self.note_gaps(index);
        if let Some(duplicate) = duplicate {
            self.note_duplicate(index, duplicate);
        }
        self.acknowledge(out, index);
    }

    /// RFC 9293 section 3.8.6.3 and RFC 5681 section 4.2: at least every second full segment at once; the first ones of a connection as soon
    /// as the application had its turn; else after a delay.
    #[inline(always)]
    fn owe_acknowledgment(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        let unacknowledged = connection.rcv_nxt.distance(connection.rcv_acked) as u32;
        if unacknowledged >= 2 * u32::from(connection.mss) {
            if connection.is_delivery_due() {
                self.measure_delivery(index, out.now);
            }
            self.acknowledge_now(index);
        } else if connection.quick_acks > 0 {
            connection.quick_acks -= 1;
            self.acknowledge_soon(index);
        } else if !connection.ack_at.is_set() {
            let deadline = out.now + self.config.delayed_ack;
            connection.ack_at = Deadline::at(deadline);
            self.arm(index, deadline);
        }
    }

    /// The acknowledgment goes out at the end of the next poll, or earlier with data.
    #[inline]
    pub(super) fn acknowledge_soon(&mut self, index: u32) {
        mark_soon(&mut self.soon, index, self.connections.get_mut(index));
    }

    /// The FIN of an acceptable segment, behind so much text of it: in order it counts, before its turn it waits.
    #[inline]
    pub(super) fn take_fin(&mut self, out: &mut Output<'_>, index: u32, fin_seq: SeqNumber, text_len: u32) {
        let connection = self.connections.get_mut(index);
        // The text before it may have ended a connection that nobody reads from any more.
        if connection.flags.has(Has::FIN_RECEIVED | Has::DETACHED) {
            return;
        }
        if fin_seq == connection.rcv_nxt {
            return self.on_fin_in_order(out, index);
        }
        if fin_seq.gt(connection.rcv_nxt) && fin_seq.lt(connection.rcv_edge) {
            connection.early_fin = fin_seq;
            connection.flags.set(Has::EARLY_FIN);
        }
        if text_len == 0 {
            self.acknowledge(out, index);
        }
    }

    /// The gap before a FIN that came early may be closed now.
    fn on_early_fin_due(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::EARLY_FIN) && connection.early_fin == connection.rcv_nxt {
            connection.flags.clear(Has::EARLY_FIN);
            self.on_fin_in_order(out, index);
        }
    }

    fn on_fin_in_order(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.rcv_nxt += 1;
        let is_orphan = connection.flags.has(Has::ORPHAN);
        connection.flags.set(Has::FIN_RECEIVED);
        connection.state = connection.state.on_fin_received();
        let queue = self.queues.receive.get(connection.receive);
        if queue.is_some_and(|queue| !queue.early.is_empty()) {
            self.drop_early(index);
        }
        let connection = self.connections.get_mut(index);
        // Who has given the handle up hears only of the end.
        if !is_orphan {
            self.notices
                .add(index, connection, Ready::READABLE | Ready::PEER_CLOSED);
        }
        if connection.state == State::TimeWait {
            return self.enter_time_wait(out, index);
        }
        self.acknowledge_soon(index);
    }

    /// What was kept beyond a FIN is none of the stream: it will never be delivered, and must not be reported as held.
    #[cold]
    fn drop_early(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        let queue = self.queues.receive.attach(&mut connection.receive);
        queue.early.clear();
        if queue.is_empty() {
            self.queues.receive.detach(&mut connection.receive);
        }
        self.note_gaps(index);
    }

    /// Data after the application gave the connection up: the peer must learn that it is lost (RFC 9293 SHLD-3).
    fn abort_with_data(&mut self, out: &mut Output<'_>, index: u32) {
        self.counters.aborted_with_data += 1;
        self.send_reset(out, index);
        self.finish(index);
    }
}

/// Lets an acknowledgment wait for the application, unless one is on its way already.
#[inline(always)]
fn mark_soon(soon: &mut Fifo<u32>, index: u32, connection: &mut Connection) {
    if !connection.flags.has(Has::ACK_SOON | Has::ACK_NOW) {
        connection.flags.set(Has::ACK_SOON);
        soon.push(index);
    }
}

/// Cuts off what lies before `rcv_nxt` and behind the window (EV-SEQ-2).
#[inline]
fn trim_to_window(connection: &Connection, arrival: &Arrival<'_>, packet: &mut Packet) {
    let before = connection.rcv_nxt.distance(arrival.header.seq).max(0) as usize;
    if before > 0 {
        packet.advance_body(before);
    }
    let start = connection
        .rcv_nxt
        .distance(arrival.header.seq)
        .min(0)
        .unsigned_abs();
    let room = connection.rcv_wnd().saturating_sub(start) as usize;
    if packet.body_len() > room {
        packet.truncate_body(room);
    }
}
