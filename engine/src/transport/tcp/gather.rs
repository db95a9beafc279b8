//! Text that waits for company: a cork that holds back what does not fill a segment, and the time after which what a cork or the avoidance of
//! silly windows holds back goes all the same (the override timeout of RFC 9293 section 3.8.6.2.1).

use super::Tcp;
use super::application::{Id, StreamError};
use super::connection::{Connection, Deadline, Flags as Has};
use super::output::{QueueFull, Text, note_small};
use super::segment::Flags;
use crate::internet::Output;

impl Tcp {
    /// Has text that does not fill a segment wait for more, or lets go what waits.
    pub(crate) fn set_cork(&mut self, id: Id, corked: bool) -> Result<(), StreamError> {
        let connection = self.open_connection(id)?;
        if corked {
            connection.flags.set(Has::CORKED);
            return Ok(());
        }
        connection.flags.clear(Has::CORKED);
        connection.stop_overriding();
        let connection = self.connections.get_mut(id.index);
        self.dirty.mark_if_it_can_send(id.index, connection);
        Ok(())
    }

    /// What the cork of an open connection holds back is to go once, although the cork stays.
    pub(super) fn push_corked(&mut self, index: u32) {
        if self.unsent(index) > 0 && self.connections.get(index).state.is_synchronized() {
            self.rare_or_new(index).pushes = true;
        }
    }

    /// Whether what a cork holds back is to go now. Asks no second time.
    pub(super) fn takes_push(&mut self, index: u32) -> bool {
        self.rare(index)
            .is_some_and(|rare| std::mem::take(&mut rare.pushes))
    }

    /// What there is to send of a corked connection, as if it were not corked.
    pub(super) fn output_pushed(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let connection = self.connections.get_mut(index);
        connection.flags.clear(Has::CORKED);
        connection.stop_overriding();
        let sent = self.output_unusual(out, index);
        self.connections.get_mut(index).flags.set(Has::CORKED);
        if sent.is_err() {
            self.push_corked(index);
        }
        sent
    }

    /// New text of a corked connection, as far as it fills segments or nothing will follow it.
    pub(super) fn output_corked(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let unsent = self.unsent(index);
        let connection = self.connections.get_mut(index);
        if unsent >= u32::from(connection.mss) || !connection.may_be_corked() {
            connection.stop_overriding();
        }
        let max_segment = self.largest_segment(out, index);
        while self.output_one_more(out, index, max_segment)? {}
        Ok(())
    }

    /// Text has waited for an open window, or for more to fill a segment, for as long as it may: as much of it goes as the windows allow, a
    /// segment at most. False when the window is closed, or nothing waits.
    pub(super) fn override_waiting(&mut self, out: &mut Output<'_>, index: u32) -> bool {
        let unsent = self.unsent(index);
        let connection = self.connections.get_mut(index);
        let window = connection.snd_wnd.min(connection.congestion.window());
        let len = window.min(unsent).min(u32::from(connection.mss));
        if len == 0 || !connection.all_acknowledged() {
            return false;
        }
        let seq = connection.snd_nxt;
        let flags = if len == unsent {
            Flags::PSH | Flags::ACK
        } else {
            Flags::ACK
        };
        connection.stop_overriding();
        match self.emit(out, index, flags, seq, Text::Next(len)) {
            Some(sent) => {
                self.note_sent(out, index, sent);
                note_small(self.connections.get_mut(index), sent);
            }
            None => self.start_probing(index, out),
        }
        true
    }
}

impl Connection {
    /// Whether a cork counts: not before a FIN or urgent data, which nothing is worth waiting for.
    #[inline]
    pub(super) fn may_be_corked(&self) -> bool {
        !self.flags.has(Has::FIN_QUEUED | Has::SENDS_URGENT)
    }

    /// What waited behind an open window goes now, so that the timer is that of retransmissions again.
    fn stop_overriding(&mut self) {
        if self.snd_wnd > 0 && self.all_acknowledged() && self.flags.take(Has::PROBING) {
            self.retries = 0;
            self.retransmit_at = Deadline::NEVER;
            self.rtt.reset_back_off();
        }
    }
}
