//! What the acknowledgment in a segment does: data leaves the send queue, the window moves, states change.

use super::Tcp;
use super::arrival::Arrival;
use super::congestion::Ack;
use super::connection::{Connection, Deadline, Flags as Has};
use super::input::timestamp_clock;
use super::options::Timestamps;
use super::segment::Flags;
use super::seq::SeqNumber;
use super::state::State;
use crate::internet::Output;
use crate::time::Instant;
use crate::transport::ready::Ready;

/// Echoes that are older tell nothing: 60 s in milliseconds.
const LONGEST_ECHO_MS: u16 = 60_000;

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
            self.challenge(out, index);
            return false;
        }
        if ack.le(connection.snd_una) {
            return self.on_old_acknowledgment(out, index, arrival);
        }
        self.on_new_acknowledgment(out, index, arrival)
    }

    /// The peer has more than before.
    fn on_new_acknowledgment(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get_mut(index);
        let ack = arrival.header.ack;
        let acked = ack - connection.snd_una;
        // Nobody can have acknowledged this before, so no segment tells a newer window, even if its text was sent again and SND.WL1 is
        // behind it. The old window would reach further now than its peer has said.
        connection.take_send_window(arrival.header.seq, ack, arrival.header.window);
        let fin_acked = connection.flags.has(Has::FIN_SENT) && ack == connection.snd_max;
        connection.move_una(ack, out);
        self.queues.release(connection, acked - u32::from(fin_acked));
        if connection.flags.take(Has::PROBING) {
            // The timeout was doubled for the sake of a closed window, not for what was lost.
            connection.rtt.reset_back_off();
        }
        let tells_of_loss = is_about_loss(connection, arrival);
        if !tells_of_loss {
            grow(connection, arrival.header.options.timestamps, acked, out.now);
        }
        let deadline = connection.restart_retransmission_timer(out.now);
        if connection.flags.has(Has::WANTS_ROOM) {
            self.offer_room(index);
        }
        if let Some(deadline) = deadline {
            self.arm(index, deadline);
        }
        if tells_of_loss {
            self.on_loss_acknowledgment(index, arrival, acked, out.now);
        }
        self.make_dirty_if_it_can_send(index);
        !fin_acked || self.on_fin_acknowledged(out, index, false)
    }

    /// The application was refused room: it hears when half of the queue is free, and of what may wait unsent.
    #[cold]
    pub(super) fn offer_room(&mut self, index: u32) {
        let limit = self.send_buffer(index);
        let connection = self.connections.get_mut(index);
        let queued = self
            .queues
            .send
            .get(connection.send)
            .map_or(0, |queue| queue.len());
        if queued <= limit / 2 && self.has_low_water(index, queued) {
            let connection = self.connections.get_mut(index);
            connection.flags.clear(Has::WANTS_ROOM);
            self.notices.add(index, connection, Ready::WRITABLE);
        }
    }

    /// An acknowledgment of nothing new: a window update, a sign of loss, or too old to be honest.
    fn on_old_acknowledgment(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get_mut(index);
        let ack = arrival.header.ack;
        if !connection.may_be_acknowledged(ack) {
            self.counters.dropped_bad_acknowledgment += 1;
            self.challenge(out, index);
            return false;
        }
        if ack != connection.snd_una {
            if is_about_loss(connection, arrival) {
                self.on_overtaken_acknowledgment(index, arrival, out.now);
            }
            return true;
        }
        let window_before = connection.snd_wnd;
        connection.update_send_window(arrival.header.seq, ack, arrival.header.window);
        if connection.flags.has(Has::PROBING) && !connection.flags.has(Has::ORPHAN) {
            // A peer that answers probes is alive, however long its window stays closed (MUST-37).
            connection.retries = 0;
        }
        // A window that stays closed while probes ask for it says that there is no room, and nothing of what the network does.
        let answers_probe = connection.flags.has(Has::PROBING) && connection.snd_wnd == 0;
        let is_update = connection.snd_wnd != window_before;
        let is_duplicate = !is_update
            && arrival.text_len == 0
            && !arrival.header.flags.contains(Flags::FIN)
            && !connection.all_acknowledged();
        let tells_of_loss = if connection.flags.has(Has::SACK) {
            let is_mere_update = is_update && arrival.header.options.sack.is_empty();
            !answers_probe && !is_mere_update && is_about_loss(connection, arrival)
        } else {
            !answers_probe && is_duplicate
        };
        if tells_of_loss {
            self.on_loss_acknowledgment(index, arrival, 0, out.now);
        }
        if is_update {
            self.on_window_change(index, out.now);
        }
        true
    }

    /// The peer's window opened or shrank without acknowledging anything.
    pub(super) fn on_window_change(&mut self, index: u32, now: Instant) {
        let connection = self.connections.get_mut(index);
        if connection.snd_wnd > 0 && connection.flags.take(Has::PROBING) {
            connection.retries = 0;
            connection.retransmit_at = Deadline::NEVER;
            connection.rtt.reset_back_off();
            if !connection.all_acknowledged() {
                self.resend_everything(index, now);
            }
        }
        if self.connections.get(index).flags.has(Has::WANTS_ROOM) {
            self.offer_room(index);
        }
        self.make_dirty_if_it_can_send(index);
    }

    /// Our FIN is acknowledged, by a segment that `brings_fin` or does not. False when the connection is over with it.
    pub(super) fn on_fin_acknowledged(&mut self, out: &mut Output<'_>, index: u32, brings_fin: bool) -> bool {
        let connection = self.connections.get_mut(index);
        connection.state = connection.state.on_fin_acknowledged();
        match connection.state {
            State::FinWait2 => !connection.flags.has(Has::ORPHAN) || brings_fin || self.await_fin(out, index),
            State::TimeWait => {
                self.enter_time_wait(out, index);
                false
            }
            State::Closed => {
                self.finish(index);
                false
            }
            // A FIN that was sent again and is acknowledged twice changes nothing.
            _ => true,
        }
    }

    #[inline]
    pub(super) fn make_dirty_if_it_can_send(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        self.dirty.mark_if_it_can_send(index, connection);
    }
}

impl Connection {
    /// Whether an honest peer may send this acknowledgment: of what was sent, and not older than its window is wide (RFC 5961 section 5.2).
    pub(super) fn may_be_acknowledged(&self, ack: SeqNumber) -> bool {
        let is_recent = ack.gt(self.snd_una) || self.snd_una - ack <= self.max_snd_wnd;
        ack.le(self.snd_max) && is_recent
    }

    /// SND.UNA moves to `ack`, which was sent.
    #[inline(always)]
    pub(super) fn move_una(&mut self, ack: SeqNumber, out: &mut Output<'_>) {
        self.snd_una = ack;
        self.snd_nxt = self.snd_nxt.max(ack);
        self.retries = 0;
        measure_rtt(self, out);
    }

    /// What was sent when the measurement began has been acknowledged: so long does that take, and the way is passable (RFC 4861 section 7.3.1).
    #[inline(always)]
    pub(super) fn take_round_trip(&mut self, out: &mut Output<'_>) {
        self.rtt.sample(out.now.saturating_since(self.rtt_started));
        if out.internet.has_doubts() {
            out.internet.confirm(out.now, &self.key.remote, self.rtt_started);
        }
    }

    /// RFC 6298 sections 5.2 and 5.3: the timer runs anew while anything is outstanding. Gives the deadline that is to be armed.
    #[inline(always)]
    pub(super) fn restart_retransmission_timer(&mut self, now: Instant) -> Option<Instant> {
        let all_acknowledged = self.all_acknowledged();
        self.flags.clear_if(all_acknowledged, Has::SMALL_SENT);
        if all_acknowledged {
            self.retransmit_at = Deadline::NEVER;
            return None;
        }
        let deadline = now + self.first_timeout();
        self.retransmit_at = Deadline::at(deadline);
        Some(deadline)
    }

    /// RFC 9293 section 3.10.7.4: only a segment that is newer than the last one that set the window may set it. `window` is as the wire
    /// has it.
    #[inline]
    pub(super) fn update_send_window(&mut self, seq: SeqNumber, ack: SeqNumber, window: u16) {
        if self.snd_wl1.lt(seq) || (self.snd_wl1 == seq && self.snd_wl2.le(ack)) {
            self.take_send_window(seq, ack, window);
        }
    }

    /// Sets the window that a segment tells, which is the newest.
    #[inline]
    pub(super) fn take_send_window(&mut self, seq: SeqNumber, ack: SeqNumber, window: u16) {
        self.snd_wnd = u32::from(window) << self.snd_scale;
        self.max_snd_wnd = self.max_snd_wnd.max(self.snd_wnd);
        self.snd_wl1 = self.snd_wl1.max(seq);
        self.snd_wl2 = ack;
    }
}

/// One measurement at a time, never of a segment that was sent twice (RFC 6298 section 3, Karn's rule).
#[inline]
fn measure_rtt(connection: &mut Connection, out: &mut Output<'_>) {
    if connection.flags.has(Has::RTT_RUNNING) && connection.snd_una.ge(connection.rtt_seq) {
        connection.flags.clear(Has::RTT_RUNNING);
        connection.take_round_trip(out);
    }
}

/// Whether an acknowledgment needs more than the common path does.
#[inline]
fn is_about_loss(connection: &Connection, arrival: &Arrival<'_>) -> bool {
    connection.flags.has(Has::LOSS | Has::TAIL_PROBED) || !arrival.header.options.sack.is_empty()
}

/// The congestion window grows by an acknowledgment of new data.
#[inline(always)]
pub(super) fn grow(connection: &mut Connection, timestamps: Option<Timestamps>, acked: u32, now: Instant) {
    if connection.flags.has(Has::WINDOW_LIMITED) {
        grow_limited(connection, timestamps, acked, now);
    } else {
        connection.congestion.on_unused();
    }
}

/// As [`grow`] for a window that was what held the sender back.
#[inline(never)]
fn grow_limited(connection: &mut Connection, timestamps: Option<Timestamps>, acked: u32, now: Instant) {
    let (flags, ts_offset) = (connection.flags, connection.ts_offset);
    let ack = Ack {
        octets: acked,
        snd_una: connection.snd_una,
        snd_nxt: connection.snd_nxt,
        now,
        rtt: &connection.rtt,
    };
    let rtt = || echoed_rtt(flags, ts_offset, timestamps, now);
    connection.congestion.on_ack(&ack, rtt);
}

/// The round-trip time of the segment whose timestamp came back, in milliseconds; `None` without timestamps, and above a minute.
#[inline]
pub(super) fn echoed_rtt(
    flags: Has,
    ts_offset: u32,
    timestamps: Option<Timestamps>,
    now: Instant,
) -> Option<u16> {
    let echoed = timestamps?.tsecr;
    let sent = echoed.wrapping_sub(ts_offset);
    let rtt = u16::try_from(timestamp_clock(now).wrapping_sub(sent)).ok()?;
    (flags.has(Has::TIMESTAMPS) && rtt <= LONGEST_ECHO_MS).then_some(rtt)
}

#[cfg(test)]
mod tests;
