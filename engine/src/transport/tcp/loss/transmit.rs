//! What goes out while there is loss: what is lost first, then what is new (RFC 6675 section 5 step C, RFC 8985 section 6.2).

use crate::internet::Output;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::Flags as Has;
use crate::transport::tcp::outgoing::timestamps_of;
use crate::transport::tcp::output::{QueueFull, Text, note_limit, note_small, sendable};
use crate::transport::tcp::segment::Flags;
use crate::transport::tcp::seq::SeqNumber;

impl Tcp {
    /// Sends what is lost and what is new, as far as the windows allow.
    #[cold]
    pub(in crate::transport::tcp) fn output_with_loss(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
    ) -> Result<(), QueueFull> {
        while !self.is_held_back(index, out.now)
            && let Some((start, len)) = self.next_to_resend(out, index)
        {
            if self.resend(out, index, start, len)? == 0 {
                break;
            }
        }
        let (_, loss) = self.loss_of(index, out.now);
        if loss.scoreboard.lost() == 0 {
            self.output_new(out, index)?;
        }
        self.set_loss_timer(index);
        Ok(())
    }

    /// What is lost and may be sent: a segment, or several that are cut later.
    fn next_to_resend(&mut self, out: &Output<'_>, index: u32) -> Option<(SeqNumber, u32)> {
        let max_segment = self.largest_segment(out, index);
        let (connection, loss) = self.loss_of(index, out.now);
        let (start, end) = loss.scoreboard.next_lost()?;
        let mss = u32::from(connection.mss);
        let in_window = (connection.snd_una + connection.snd_wnd).distance(start).max(0) as u32;
        let lost = (end - start).min(in_window);
        // A timeout leaves a window of one segment and nothing on the way, so that the first goes.
        let allowance = loss.allowance(connection);
        if lost == 0 || allowance < lost.min(mss) || !loss.scoreboard.has_room() {
            return None;
        }
        let largest = allowance.min(lost).min(max_segment.max(mss));
        let whole = if largest > mss {
            largest - largest % mss
        } else {
            largest
        };
        Some((start, whole))
    }

    /// Whether loss changes what goes out: not while a probe waits for its time.
    pub(in crate::transport::tcp) fn sends_with_loss(&self, index: u32) -> bool {
        let loss = self.queues.loss.peek(self.connections.get(index).loss);
        loss.is_some_and(|loss| !loss.only_awaits_probe())
    }

    /// Sends up to `len` octets from `start` again, text or the FIN, which may go with the last of the text although it did not before. Returns
    /// how many; 0 when there is nothing to send.
    pub(super) fn resend(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        start: SeqNumber,
        len: u32,
    ) -> Result<u32, QueueFull> {
        let connection = self.connections.get(index);
        let fin = u32::from(connection.flags.has(Has::FIN_SENT));
        let text_end = connection.snd_max - fin;
        let offset = start - connection.snd_una;
        let limit = len.min(text_end.distance(start).max(0) as u32);
        let queue = self.queues.send.peek(connection.send);
        // What a device cuts into several must not end with a FIN: that would be on all of them. Nor may less than all of the text precede it.
        let ends = len > limit
            && limit <= u32::from(connection.mss)
            && (limit == 0 || queue.is_some_and(|queue| queue.can_copy_whole(offset, limit)));
        let is_last = limit > 0 && start + limit == text_end && self.unsent(index) == 0;
        let text = Text::Again { offset, limit };
        let mut flags = pushed(is_last);
        if ends {
            flags |= Flags::FIN;
        }
        let sent = self.emit(out, index, flags, start, text).ok_or(QueueFull)?;
        let sent = if ends { sent + fin } else { sent };
        self.note_resent(out, index, start, sent);
        Ok(sent)
    }

    /// Books octets as sent again.
    fn note_resent(&mut self, out: &Output<'_>, index: u32, start: SeqNumber, len: u32) {
        self.counters.segments_retransmitted += 1;
        self.note_paced(index, len, out.now);
        let rto = self.timeout_again(index);
        let rto_at = self.before_patience_ends(index, out.now + rto);
        let (connection, loss) = self.loss_of(index, out.now);
        let end = start + len;
        connection.flags.clear(Has::RTT_RUNNING);
        loss.scoreboard.resend(start, end, loss.rack.next_number());
        loss.rack.note_resent(start, end, connection.snd_max, out.now);
        loss.prr.note_sent(len);
        if let Some(undo) = &mut loss.undo {
            let stamp = timestamps_of(connection, out.now);
            let tsval = stamp.map(|stamp| stamp.tsval.wrapping_sub(connection.ts_offset));
            undo.note_resent(start, end, tsval);
        }
        if start == connection.snd_una || loss.rto_at.is_none() {
            loss.rto_at = Some(rto_at);
        }
    }

    /// Sends what was never sent, by limited transmit (RFC 3042) or as fast recovery allows.
    fn output_new(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let max_segment = self.largest_segment(out, index);
        loop {
            if self.is_held_back(index, out.now) {
                return Ok(());
            }
            let unsent = self.unsent(index);
            let (connection, loss) = self.loss_of(index, out.now);
            let peer = connection.snd_wnd.saturating_sub(connection.in_flight());
            let usable = loss.allowance(connection).min(peer).min(unsent);
            let Some(len) = sendable(connection, usable, unsent, max_segment) else {
                note_limit(connection);
                return Ok(());
            };
            self.send_new(out, index, len)?;
        }
    }

    /// Sends up to `len` octets that were never sent.
    pub(super) fn send_new(&mut self, out: &mut Output<'_>, index: u32, len: u32) -> Result<(), QueueFull> {
        let flags = pushed(len == self.unsent(index));
        let seq = self.connections.get(index).snd_nxt;
        let sent = self
            .emit(out, index, flags, seq, Text::Next(len))
            .ok_or(QueueFull)?;
        self.note_sent(out, index, sent);
        self.note_paced(index, sent, out.now);
        let (connection, loss) = self.loss_of(index, out.now);
        loss.prr.note_sent(sent);
        // Until the gap is closed, an acknowledgment says nothing of the round-trip time.
        connection.flags.clear(Has::RTT_RUNNING);
        note_small(connection, sent);
        if loss.rto_at.is_none() {
            loss.rto_at = connection.retransmit_at.instant();
        }
        Ok(())
    }

    /// Octets that are queued and were never sent.
    pub(in crate::transport::tcp) fn unsent(&mut self, index: u32) -> u32 {
        let send = self.connections.get(index).send;
        self.queues.send.get(send).map_or(0, |queue| queue.unsent())
    }
}

/// PSH on the last segment that there is to send, also when it is sent again (RFC 9293 MUST-61).
fn pushed(is_last: bool) -> Flags {
    if is_last {
        Flags::PSH | Flags::ACK
    } else {
        Flags::ACK
    }
}
