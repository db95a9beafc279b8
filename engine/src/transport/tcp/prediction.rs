//! Header prediction (RFC 7323 section 5.6): the short way through RFC 9293 section 3.10.7.4 for the segments that a synchronized
//! connection gets nearly always. They are the next ones in order, bring text or a FIN or acknowledge something new, and nothing else is
//! going on. Whatever is not so goes the long way, `input`, which alone knows all rules; for a predicted segment both do the same.

use super::Tcp;
use super::acknowledgment::grow;
use super::arrival::{Arrival, Prospect, is_intact};
use super::connection::{Connection, Flags as Has};
use super::connections::Queues;
use super::input::{is_older, remember_timestamp};
use super::options::Timestamps;
use super::segment::Plain;
use crate::frame::{Checksum, Packet};
use crate::internet::Output;
use crate::time::Instant;
use crate::transport::flow_table::Flow;

/// What makes even a plain segment a matter of the long way. A new rule that plain segments can meet has its flag here.
const UNUSUAL: u32 = Has::LOSS
    | Has::TAIL_PROBED
    | Has::KEEPS_ALIVE
    | Has::HEARS_URGENT
    | Has::EARLY_FIN
    | Has::PROBING
    | Has::DETACHED;

impl Tcp {
    /// Takes the segment if it is as predicted. False, and nothing has changed, when it is not.
    #[inline(always)]
    pub(super) fn take_predicted(
        &mut self,
        out: &mut Output<'_>,
        packet: &mut Packet,
        flow: &Prospect,
    ) -> bool {
        let Some(Flow::Connection(index)) = flow.flow.filter(|_| !flow.congested) else {
            return false;
        };
        let offset = usize::from(packet.transport_offset);
        let Some(plain) = Plain::at(packet, offset) else {
            return false;
        };
        let headers = offset + plain.header_len();
        let text_len = (packet.len() - headers) as u32;
        let connection = self.connections.get(index);
        if !is_predicted(connection, &plain, text_len)
            || !self.is_named(flow, &connection.key)
            || (packet.checksum == Checksum::InPacket && !is_intact(packet, &connection.key))
        {
            return false;
        }
        self.on_predicted(out, index, &plain, packet, headers);
        true
    }

    /// As [`Tcp::take_predicted`] for the segment that completed the handshake: it brings the first text, nearly always.
    pub(super) fn take_first(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) -> bool {
        let Some(plain) = Plain::of(&arrival.header).filter(|_| !arrival.congested) else {
            return false;
        };
        let connection = self.connections.get(index);
        let is_predicted = is_predicted(connection, &plain, arrival.text_len);
        if is_predicted {
            // The headers are gone already.
            self.on_predicted(out, index, &plain, packet, 0);
        }
        is_predicted
    }

    /// The connection is looked up once; only what is rare looks it up again.
    #[inline(always)]
    fn on_predicted(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        plain: &Plain,
        packet: &mut Packet,
        headers: usize,
    ) {
        let mut connection = self.connections.get_mut(index);
        if headers > 0 {
            packet.strip_headers(headers);
        }
        if let Some(Timestamps { tsval, .. }) = plain.timestamps {
            remember_timestamp(connection, plain.seq, tsval, out.now);
        }
        if plain.ack == connection.snd_una {
            let window_before = connection.snd_wnd;
            connection.update_send_window(plain.seq, plain.ack, plain.window);
            if connection.snd_wnd != window_before {
                self.on_window_change(index, out.now);
            }
        } else {
            let fin_acked = connection.flags.has(Has::FIN_SENT) && plain.ack == connection.snd_max;
            let deadline = take_acknowledgment(out, connection, &mut self.queues, plain, fin_acked);
            self.dirty.mark_if_it_can_send(index, connection);
            if connection.flags.has(Has::WANTS_ROOM) {
                self.offer_room(index);
                connection = self.connections.get_mut(index);
            }
            if let Some(deadline) = deadline
                && !self.wheel.fires_by(&connection.link, deadline)
            {
                self.schedule(index, deadline);
            }
            if fin_acked && !self.on_fin_acknowledged(out, index, plain.fin) {
                return;
            }
        }
        let text_len = packet.body_len() as u32;
        if text_len > 0 {
            self.on_text_in_order(out, index, packet);
        }
        if plain.fin {
            // The text may have found no room.
            self.take_fin(out, index, plain.seq + text_len, text_len);
        }
    }
}

/// The peer has more than before, and our FIN perhaps. Gives the deadline that is to be armed.
#[inline(always)]
fn take_acknowledgment(
    out: &mut Output<'_>,
    connection: &mut Connection,
    queues: &mut Queues,
    plain: &Plain,
    fin_acked: bool,
) -> Option<Instant> {
    let acked = plain.ack - connection.snd_una;
    connection.take_send_window(plain.seq, plain.ack, plain.window);
    connection.move_una(plain.ack, out);
    queues.release(connection, acked - u32::from(fin_acked));
    grow(connection, plain.timestamps, acked, out.now);
    connection.restart_retransmission_timer(out.now)
}

#[inline(always)]
fn is_predicted(connection: &Connection, plain: &Plain, text_len: u32) -> bool {
    let acked = plain.ack - connection.snd_una;
    let brings = text_len + u32::from(plain.fin);
    let (unusual, state_goes_on) = match (text_len, brings) {
        (0, 0) => (UNUSUAL, connection.state.is_synchronized()),
        (0, _) => (UNUSUAL, connection.state.may_receive_data()),
        // Text for nobody is answered by a reset.
        (_, _) => (UNUSUAL | Has::ORPHAN, connection.state.may_receive_data()),
    };
    state_goes_on
        && !connection.flags.has(unusual)
        && plain.seq == connection.rcv_nxt
        && brings <= connection.rcv_wnd()
        && acked <= connection.snd_max - connection.snd_una
        && (acked > 0 || brings > 0)
        && match plain.timestamps {
            Some(Timestamps { tsval, .. }) => {
                connection.flags.has(Has::TIMESTAMPS) && !is_older(tsval, connection.ts_recent)
            }
            None => !connection.flags.has(Has::TIMESTAMPS),
        }
}
