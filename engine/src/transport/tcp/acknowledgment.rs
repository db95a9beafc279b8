//! What the acknowledgment in a segment does: data leaves the send queue, the window moves, states change.

use super::Tcp;
use super::arrival::Arrival;
use super::connection::{Connection, Deadline, Flags as Has};
use super::segment::Flags;
use super::state::State;
use crate::internet::Output;
use crate::transport::ready::Ready;

/// Duplicate acknowledgments that mean a loss (RFC 5681 section 3.2).
const DUP_ACK_THRESHOLD: u8 = 3;

impl Tcp {
    /// The ACK field of an acceptable segment. False when the rest of the segment must not be looked at.
    #[inline]
    pub(super) fn on_acknowledgment(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
    ) -> bool {
        let connection = self.connections.get_mut(index);
        let ack = arrival.header.ack;
        if ack.gt(connection.snd_max) {
            self.counters.dropped_bad_acknowledgment += 1;
            self.acknowledge_invalid(out, index, arrival.text_len);
            return false;
        }
        if ack.le(connection.snd_una) {
            return self.on_old_acknowledgment(out, index, arrival);
        }
        self.on_new_acknowledgment(out, index, arrival)
    }

    /// SND.UNA moves.
    #[inline]
    fn on_new_acknowledgment(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get_mut(index);
        let ack = arrival.header.ack;
        let acked = ack.distance(connection.snd_una) as u32;
        update_send_window(connection, arrival);
        connection.snd_una = ack;
        connection.snd_nxt = connection.snd_nxt.max(ack);
        connection.retries = 0;
        connection.dup_acks = 0;
        connection.flags.clear(Has::PROBING);

        let fin_acked = connection.flags.has(Has::FIN_SENT) && connection.all_acknowledged();
        self.release_acknowledged(index, acked - u32::from(fin_acked));
        let connection = self.connections.get_mut(index);
        measure_rtt(connection, out.now);
        grow_or_recover(connection, acked);
        if connection.all_acknowledged() {
            connection.retransmit_at = Deadline::NEVER;
        } else {
            let deadline = out.now + connection.rtt.rto();
            connection.retransmit_at = Deadline::at(deadline);
            self.arm(index, deadline);
        }
        self.make_dirty_if_it_can_send(index);
        if fin_acked {
            self.on_fin_acknowledged(out, index, arrival)
        } else {
            true
        }
    }

    /// Data that the peer has leaves the queue; a queue without data goes back to the others.
    #[inline]
    fn release_acknowledged(&mut self, index: u32, bytes: u32) {
        let connection = self.connections.get_mut(index);
        let Some(queue) = self.queues.send.get(connection.send) else {
            return;
        };
        queue.acknowledge(bytes);
        let (len, empty) = (queue.len(), queue.is_empty());
        if empty {
            self.queues.send.detach(&mut connection.send);
        }
        if connection.flags.has(Has::WANTS_ROOM) && len <= self.config.send_buffer / 2 {
            connection.flags.clear(Has::WANTS_ROOM);
            self.notices.add(index, connection, Ready::WRITABLE);
        }
    }

    /// An acknowledgment of nothing new: a window update, a sign of loss, or too old to be honest.
    fn on_old_acknowledgment(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get_mut(index);
        let ack = arrival.header.ack;
        if connection.snd_una.distance(ack) as u32 > connection.max_snd_wnd {
            self.counters.dropped_bad_acknowledgment += 1;
            self.challenge(out, index);
            return false;
        }
        let (window_before, wl) = (connection.snd_wnd, ack == connection.snd_una);
        if wl {
            update_send_window(connection, arrival);
            if connection.flags.has(Has::PROBING) {
                // A peer that answers probes is alive, however long its window stays closed (MUST-37).
                connection.retries = 0;
            }
        }
        let is_duplicate = wl
            && connection.snd_wnd == window_before
            && arrival.text_len == 0
            && !arrival.header.flags.contains(Flags::FIN)
            && !connection.all_acknowledged();
        if is_duplicate {
            self.on_duplicate_acknowledgment(index);
        } else if connection.snd_wnd != window_before {
            self.on_window_change(index);
        }
        true
    }

    /// RFC 5681 section 3.2, with RFC 6582's condition for entering recovery.
    fn on_duplicate_acknowledgment(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.dup_acks = connection.dup_acks.saturating_add(1);
        let flight = connection.snd_max.distance(connection.snd_una) as u32;
        if connection.flags.has(Has::RECOVERY) {
            connection.congestion.on_duplicate_ack(flight);
        } else if connection.dup_acks == DUP_ACK_THRESHOLD && connection.snd_una.gt(connection.recover) {
            connection
                .congestion
                .enter_recovery(flight, u32::from(DUP_ACK_THRESHOLD));
            connection.recover = connection.snd_max;
            connection.flags.set(Has::RECOVERY | Has::RETRANSMIT_HEAD);
            connection.flags.clear(Has::RTT_RUNNING);
            self.counters.fast_recoveries += 1;
        }
        let connection = self.connections.get_mut(index);
        self.dirty.mark(index, connection);
    }

    /// The peer's window opened or shrank without acknowledging anything.
    fn on_window_change(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.snd_wnd > 0 && connection.flags.take(Has::PROBING) {
            connection.retries = 0;
            connection.retransmit_at = Deadline::NEVER;
            connection.rtt.reset_back_off();
            if !connection.all_acknowledged() {
                self.rewind(index);
            }
        }
        self.make_dirty_if_it_can_send(index);
    }

    /// Our FIN is acknowledged.
    fn on_fin_acknowledged(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get_mut(index);
        connection.state = connection.state.on_fin_acknowledged();
        match connection.state {
            State::FinWait2 => {
                if connection.flags.has(Has::ORPHAN) {
                    let deadline = out.now + self.config.fin_wait_2;
                    connection.quiet_at = Deadline::at(deadline);
                    self.arm(index, deadline);
                }
                true
            }
            State::TimeWait => {
                self.enter_time_wait(out, index);
                false
            }
            State::Closed => {
                self.finish(index);
                false
            }
            // A FIN that was sent again and is acknowledged twice changes nothing.
            _ => arrival.text_len > 0 || arrival.header.flags.contains(Flags::FIN),
        }
    }

    #[inline]
    fn make_dirty_if_it_can_send(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        if connection.send != super::connection::NO_QUEUE
            || connection.flags.has(Has::FIN_QUEUED | Has::RETRANSMIT_HEAD)
        {
            self.dirty.mark(index, connection);
        }
    }
}

/// RFC 9293 section 3.10.7.4: only a segment that is newer than the last one that set the window may set it.
#[inline]
fn update_send_window(connection: &mut Connection, arrival: &Arrival<'_>) {
    let (seq, ack) = (arrival.header.seq, arrival.header.ack);
    if connection.snd_wl1.lt(seq) || (connection.snd_wl1 == seq && connection.snd_wl2.le(ack)) {
        connection.snd_wnd = u32::from(arrival.header.window) << connection.snd_scale;
        connection.max_snd_wnd = connection.max_snd_wnd.max(connection.snd_wnd);
        connection.snd_wl1 = seq;
        connection.snd_wl2 = ack;
    }
}

/// One measurement at a time, never of a segment that was sent twice (RFC 6298 section 3, Karn's rule).
#[inline]
fn measure_rtt(connection: &mut Connection, now: crate::time::Instant) {
    if connection.flags.has(Has::RTT_RUNNING) && connection.snd_una.ge(connection.rtt_seq) {
        connection.flags.clear(Has::RTT_RUNNING);
        connection
            .rtt
            .sample(now.saturating_since(connection.rtt_started));
    }
}

/// RFC 5681 section 3.1 outside recovery, RFC 6582 section 3.2 inside.
#[inline]
fn grow_or_recover(connection: &mut Connection, acked: u32) {
    if !connection.flags.has(Has::RECOVERY) {
        let was_limiting = connection.flags.has(Has::WINDOW_LIMITED);
        return connection.congestion.on_ack(acked, was_limiting);
    }
    if connection.snd_una.ge(connection.recover) {
        connection.flags.clear(Has::RECOVERY);
        let flight = connection.snd_max.distance(connection.snd_una) as u32;
        connection.congestion.exit_recovery(flight);
    } else {
        connection.congestion.on_partial_ack(acked);
        connection.flags.set(Has::RETRANSMIT_HEAD);
    }
}
