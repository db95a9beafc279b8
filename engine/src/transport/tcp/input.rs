//! What a segment does to a connection (RFC 9293 sections 3.10.7.3 and 3.10.7.4, with RFC 5961 and RFC 7323).

use super::Tcp;
use super::arrival::Arrival;
use super::connection::{Connection, ConnectionError, Flags as Has};
use super::options::Timestamps;
use super::segment::Flags;
use super::seq::SeqNumber;
use super::state::State;
use crate::frame::Packet;
use crate::internet::Output;
use crate::time::{Duration, Instant};

/// Timestamps tick once a millisecond, as Linux's do.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// How long ago the clock of timestamps ticked.
pub(super) fn past_tick(now: Instant) -> Duration {
    Duration::from_nanos(now.as_nanos() % TICK.as_nanos())
}

/// What the clock of timestamps shows.
#[inline]
pub(super) fn timestamp_clock(now: Instant) -> u32 {
    now.as_millis() as u32
}

/// The clock of [`Connection::ts_recent_at`]: 2³² ns, about four seconds, to a tick, so that 32 bits last as long as an [`Instant`] does.
#[inline]
pub(super) fn coarse_clock(now: Instant) -> u32 {
    (now.as_nanos() >> 32) as u32
}

/// After so long without a segment, `ts_recent` says nothing any more (RFC 7323 section 5.5).
pub(super) const TS_RECENT_LIFETIME: Duration = Duration::from_secs(24 * 24 * 3600);

/// [`TS_RECENT_LIFETIME`] in ticks of [`coarse_clock`].
const TS_RECENT_EXPIRES: u32 = (TS_RECENT_LIFETIME.as_nanos() >> 32) as u32;

impl Tcp {
    /// A segment for a connection.
    #[inline]
    pub(super) fn on_segment(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        if self
            .connections
            .get(index)
            .flags
            .has(Has::KEEPS_ALIVE | Has::HEARS_URGENT)
        {
            self.note_heard(index, out.now);
        }
        match self.connections.get(index).state {
            State::Closed | State::Listen | State::TimeWait => {}
            State::SynSent => self.on_syn_sent(out, index, arrival, packet),
            _ => self.on_synchronized(out, index, arrival, packet),
        }
    }

    /// The whole of section 3.10.7.4, for what the common path does not take.
    fn on_synchronized(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        let flags = arrival.header.flags;
        if !self.passes_paws(out, index, arrival) {
            return;
        }
        if answers_crossed_syn(self.connections.get(index), arrival) {
            self.on_syn_received_ack(out, index, arrival);
            return;
        }
        if !self.is_acceptable(out, index, arrival) {
            return;
        }
        if flags.contains(Flags::RST) {
            return self.on_reset(out, index, arrival);
        }
        if flags.contains(Flags::SYN) {
            // RFC 5961 section 4: whatever its sequence number.
            return self.challenge(out, index);
        }
        if !flags.contains(Flags::ACK) {
            self.counters.dropped_unexpected += 1;
            return;
        }
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::TIMESTAMPS)
            && connection.may_be_acknowledged(arrival.header.ack)
            && let Some(Timestamps { tsval, .. }) = arrival.header.options.timestamps
        {
            remember_timestamp(connection, arrival.header.seq, tsval, out.now);
        }
        if connection.flags.has(Has::ECN) {
            self.on_ecn(index, arrival);
        }
        let connection = self.connections.get_mut(index);
        if connection.state == State::SynReceived && !self.on_syn_received_ack(out, index, arrival) {
            return;
        }
        if !self.on_acknowledgment(out, index, arrival) {
            return;
        }
        if flags.contains(Flags::URG) {
            self.on_urgent(index, arrival);
        }
        if arrival.text_len > 0 {
            self.on_text(out, index, arrival, packet);
        }
        if flags.contains(Flags::FIN) {
            let fin_seq = arrival.header.seq + arrival.text_len;
            self.take_fin(out, index, fin_seq, arrival.text_len);
        }
    }

    /// RFC 7323 section 5: a segment with a timestamp before `ts_recent` is an old duplicate; it is acknowledged and dropped.
    fn passes_paws(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get_mut(index);
        if !connection.flags.has(Has::TIMESTAMPS) || arrival.header.flags.contains(Flags::RST) {
            return true;
        }
        let passes = match arrival.header.options.timestamps {
            None => false,
            Some(Timestamps { tsval, .. }) if is_older(tsval, connection.ts_recent) => {
                has_expired(connection, out.now)
            }
            Some(_) => true,
        };
        if !passes {
            self.counters.dropped_paws += 1;
            if arrival.header.options.timestamps.is_some() {
                self.acknowledge_invalid(out, index, arrival.text_len);
            }
        }
        passes
    }

    /// The acceptability test of table 6. What fails is acknowledged (resets are not) and dropped.
    fn is_acceptable(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) -> bool {
        let connection = self.connections.get(index);
        let (seq, len, window) = (arrival.header.seq, arrival.sequence_len(), connection.rcv_wnd());
        let rcv_nxt = connection.rcv_nxt;
        let acceptable = match (len, window) {
            (0, 0) => seq == rcv_nxt,
            (0, _) => seq.in_window(rcv_nxt, window) || acknowledges_from_the_edge(connection, arrival),
            (_, 0) => false,
            _ => seq.in_window(rcv_nxt, window) || (seq + (len - 1)).in_window(rcv_nxt, window),
        };
        let answers_probe = seq + 1 == rcv_nxt && len == 0;
        if !acceptable && !arrival.header.flags.contains(Flags::RST) {
            self.counters.dropped_out_of_window += u64::from(!answers_probe);
            if self.process_ack_of_unacceptable(out, index, arrival) {
                self.note_if_duplicate(index, arrival);
                self.acknowledge_invalid(out, index, arrival.text_len);
            }
        }
        acceptable
    }

    /// The acknowledgment and the urgent pointer of a segment that is a duplicate in full, or that a closed window has no room for, still count (RFC 9293 MUST-66
    /// and appendix A.2): or two ends that probe each other would wait for ever.
    /// False when the connection is over with it, or the segment was answered.
    fn process_ack_of_unacceptable(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
    ) -> bool {
        let connection = self.connections.get(index);
        let is_old_duplicate = arrival.end().le(connection.rcv_nxt);
        let meets_closed_window = connection.rcv_wnd() == 0 && arrival.header.seq == connection.rcv_nxt;
        let flags = arrival.header.flags;
        let counts = flags.contains(Flags::ACK)
            && !flags.contains(Flags::SYN)
            && connection.state != State::SynReceived;
        if counts && (is_old_duplicate || meets_closed_window) {
            let goes_on = self.on_acknowledgment(out, index, arrival);
            if goes_on && flags.contains(Flags::URG) {
                self.on_urgent(index, arrival);
            }
            goes_on
        } else {
            true
        }
    }

    /// A reset inside the window: exact, it ends the connection; else it is challenged (RFC 5961 section 3).
    fn on_reset(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) {
        let connection = self.connections.get_mut(index);
        if arrival.header.seq != connection.rcv_nxt {
            return self.challenge(out, index);
        }
        self.counters.resets_received += 1;
        let error = match connection.state {
            State::SynReceived => Some(ConnectionError::Refused),
            State::Closing | State::LastAck => None,
            _ => Some(ConnectionError::Reset),
        };
        match error {
            Some(error) => self.fail(index, error),
            None => self.finish(index),
        }
    }
}

/// Whether this is the SYN-ACK of a peer whose SYN has crossed ours (RFC 9293 section 3.5, MUST-10). Its SYN is before the window, for it came
/// already, but its acknowledgment is what we wait for.
fn answers_crossed_syn(connection: &Connection, arrival: &Arrival<'_>) -> bool {
    let flags = arrival.header.flags;
    connection.state == State::SynReceived
        && flags.contains(Flags::SYN | Flags::ACK)
        && !flags.contains(Flags::RST)
        && arrival.header.seq + 1 == connection.rcv_nxt
}

/// Whether this is an acknowledgment of a peer that has sent all that the window allows, and of which not all has come: its sequence number
/// lies at the window's right edge, and table 6 would have nothing of it count until the missing text is there.
fn acknowledges_from_the_edge(connection: &Connection, arrival: &Arrival<'_>) -> bool {
    let flags = arrival.header.flags;
    connection.state != State::SynReceived
        && flags.contains(Flags::ACK)
        && !flags.intersects(Flags::SYN | Flags::RST)
        && arrival.header.seq == connection.rcv_nxt + connection.rcv_wnd()
}

/// Whether timestamp `a` is before `b` (RFC 7323 section 5.2).
#[inline]
pub(super) fn is_older(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether `ts_recent` is too old to be compared with.
#[cold]
fn has_expired(connection: &Connection, now: Instant) -> bool {
    coarse_clock(now).saturating_sub(connection.ts_recent_at) > TS_RECENT_EXPIRES
}

/// What [`Connection::ts_recent_at`] is for a timestamp that has expired already.
#[cold]
pub(super) fn expired_at(now: Instant) -> u32 {
    coarse_clock(now).saturating_sub(TS_RECENT_EXPIRES + 1)
}

/// RFC 7323 section 4.3: the timestamp to echo is that of the segment that the last acknowledgment waited for, and any when the one that is
/// known has expired.
#[inline]
pub(super) fn remember_timestamp(connection: &mut Connection, seq: SeqNumber, tsval: u32, now: Instant) {
    if seq.le(connection.rcv_acked)
        && (!is_older(tsval, connection.ts_recent) || has_expired(connection, now))
    {
        connection.ts_recent = tsval;
        connection.ts_recent_at = coarse_clock(now);
    }
}

#[cfg(test)]
mod tests;
