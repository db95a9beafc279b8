//! The three-way handshake, from both ends and crossed (RFC 9293 section 3.5).

mod agreement;
mod birth;
mod embryo;
mod syn;

use self::agreement::{Agreed, agree};
pub(super) use self::embryo::embryo;
pub(super) use self::syn::{Syn, default_mss, initial_window, syn_ack_flags, window_scale};
use super::Tcp;
use super::arrival::Arrival;
use super::congestion::Congestion;
use super::connection::{ConnectionError, Deadline, Flags as Has, NO_QUEUE};
use super::ecn;
use super::input::timestamp_clock;
use super::options::Timestamps;
use super::output::QueueFull;
use super::segment::Flags;
use super::state::State;
use crate::frame::Packet;
use crate::internet::Output;
use crate::transport::ready::Ready;

impl Tcp {
    /// SYN or SYN,ACK of a connection that the application opened.
    pub(super) fn output_syn(&mut self, out: &mut Output<'_>, index: u32) -> Result<(), QueueFull> {
        let connection = self.connections.get(index);
        if connection.snd_nxt != connection.snd_una {
            return Ok(());
        }
        let answers = connection.state == State::SynReceived;
        let (key, iss, rcv_nxt) = (connection.key, connection.snd_una, connection.rcv_nxt);
        let traffic_class = connection.traffic_class;
        let timestamps = (self.config.timestamps && (!answers || connection.flags.has(Has::TIMESTAMPS)))
            .then(|| Timestamps {
                tsval: timestamp_clock(out.now).wrapping_add(connection.ts_offset),
                tsecr: connection.ts_recent,
            });
        let scales = self.config.window_scaling && (!answers || connection.flags.has(Has::SCALES));
        let syn = Syn {
            flags: match (answers, connection.flags.has(Has::ECN)) {
                (true, true) => Flags::SYN | Flags::ACK | Flags::ECE,
                (true, false) => Flags::SYN | Flags::ACK,
                (false, _) if self.asks_for_ecn(connection) => Flags::SYN | ecn::SETUP,
                (false, _) => Flags::SYN,
            },
            seq: iss,
            ack: rcv_nxt,
            window_scale: scales.then_some(self.window_scale),
            sack_permitted: self.config.sack && (!answers || connection.flags.has(Has::SACK)),
            timestamps,
            traffic_class,
        };
        self.emit_syn(out, &key, syn).ok_or(QueueFull)?;
        let window = initial_window(&self.config);
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::SYN_RETRANSMITTED) {
            self.counters.segments_retransmitted += 1;
        } else {
            // After a SYN that crossed the peer's, the measurement runs: the acknowledgment may be of that one.
            if !connection.flags.has(Has::RTT_RUNNING) {
                connection.flags.set(Has::RTT_RUNNING);
                connection.rtt_seq = iss + 1;
                connection.rtt_started = out.now;
            }
            self.begin_attempt(index, out.now);
        }
        let connection = self.connections.get_mut(index);
        connection.snd_nxt = iss + 1;
        connection.snd_max = connection.snd_nxt;
        connection.rcv_edge = connection.rcv_nxt + u32::from(window);
        connection.rcv_acked = connection.rcv_nxt;
        connection.flags.clear(Has::ACK_NOW);
        let deadline = out.now + connection.rtt.rto();
        connection.retransmit_at = Deadline::at(deadline);
        self.arm(index, deadline);
        Ok(())
    }

    /// Section 3.10.7.3.
    pub(super) fn on_syn_sent(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        let connection = self.connections.get_mut(index);
        let header = &arrival.header;
        let acks = header.flags.contains(Flags::ACK);
        if acks && (header.ack.le(connection.snd_una) || header.ack.gt(connection.snd_max)) {
            return self.reset_reply(out, arrival);
        }
        if header.flags.contains(Flags::RST) {
            if acks {
                self.fail(index, ConnectionError::Refused);
            }
            return;
        }
        if !header.flags.contains(Flags::SYN) {
            self.counters.dropped_unexpected += 1;
            return;
        }
        self.adopt_peer_syn(out, index, arrival);
        if acks {
            self.establish(out, index, arrival);
            if arrival.sequence_len() > 1 {
                self.on_rest_of_syn_ack(out, index, arrival, packet);
            }
        } else {
            self.answer_crossed_syn(index);
        }
    }

    /// Text and a FIN behind the SYN count ("continue processing at the sixth step").
    #[cold]
    fn on_rest_of_syn_ack(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        let mut rest = *arrival;
        rest.header.seq += 1;
        rest.header.flags = arrival.header.flags.without(Flags::SYN);
        if rest.text_len > 0 {
            self.on_text(out, index, &rest, packet);
        }
        if rest.header.flags.contains(Flags::FIN) {
            self.take_fin(out, index, rest.header.seq + rest.text_len, rest.text_len);
        }
    }

    fn adopt_peer_syn(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) {
        let options = &arrival.header.options;
        let agreed = Agreed {
            peer_mss: options.mss.unwrap_or(0),
            peer_scale: options.window_scale.filter(|_| self.config.window_scaling),
            timestamps: options.timestamps.is_some() && self.config.timestamps,
            sack: options.sack_permitted && self.config.sack,
            ecn: self.agrees_on_ecn(self.connections.get(index), arrival.header.flags),
            ts_recent: options.timestamps.map_or(0, |timestamps| timestamps.tsval),
        };
        let connection = self.connections.get_mut(index);
        agree(&self.config, self.window_scale, out, connection, agreed);
        if let Some(algorithm) = self.rare(index).and_then(|rare| rare.algorithm) {
            let connection = self.connections.get_mut(index);
            connection.congestion = Congestion::new(algorithm, connection.mss);
        }
        let connection = self.connections.get_mut(index);
        connection.rcv_nxt = arrival.header.seq + 1;
        connection.rcv_acked = connection.rcv_nxt;
        connection.rcv_edge = connection.rcv_nxt + u32::from(initial_window(&self.config));
        // The window in a SYN is not scaled.
        connection.snd_wnd = u32::from(arrival.header.window);
        connection.max_snd_wnd = connection.snd_wnd;
        connection.snd_wl1 = arrival.header.seq;
        connection.snd_wl2 = arrival.header.ack;
    }

    /// Our SYN is acknowledged: the connection is established.
    fn establish(&mut self, out: &mut Output<'_>, index: u32, arrival: &Arrival<'_>) {
        let connection = self.connections.get_mut(index);
        connection.state = if connection.flags.has(Has::FIN_QUEUED) {
            State::FinWait1
        } else {
            State::Established
        };
        connection.snd_una = arrival.header.ack;
        // The SYN,ACK of a simultaneous open may not have gone yet.
        connection.snd_nxt = connection.snd_nxt.max(connection.snd_una);
        connection.retries = 0;
        connection.retransmit_at = Deadline::NEVER;
        if connection.flags.take(Has::RTT_RUNNING) {
            connection.take_round_trip(out);
        } else {
            connection.rtt.on_handshake_with_lost_syn();
            connection.congestion.on_lost_syn();
        }
        let has_deadline = connection.quiet_at.is_set() || connection.flags.has(Has::KEEPS_ALIVE);
        self.notices
            .add(index, connection, Ready::CONNECTED | Ready::WRITABLE);
        if connection.send != NO_QUEUE || connection.flags.has(Has::FIN_QUEUED) {
            self.dirty.mark(index, connection);
        }
        if arrival.header.flags.contains(Flags::SYN) {
            self.acknowledge_soon(index);
        }
        if has_deadline {
            self.end_attempt(index, out.now);
        }
    }

    /// Simultaneous open (MUST-10): both SYNs are on the way, ours goes out again with an acknowledgment.
    fn answer_crossed_syn(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.state = State::SynReceived;
        connection.snd_nxt = connection.snd_una;
        self.dirty.mark(index, connection);
    }

    /// In SYN-RECEIVED after a simultaneous open: the acknowledgment of our SYN. False when it is not one.
    pub(super) fn on_syn_received_ack(
        &mut self,
        out: &mut Output<'_>,
        index: u32,
        arrival: &Arrival<'_>,
    ) -> bool {
        let connection = self.connections.get_mut(index);
        let ack = arrival.header.ack;
        if ack.le(connection.snd_una) || ack.gt(connection.snd_max) {
            self.reset_reply(out, arrival);
            return false;
        }
        connection.snd_wnd = u32::from(arrival.header.window)
            << if arrival.header.flags.contains(Flags::SYN) {
                0
            } else {
                connection.snd_scale
            };
        connection.max_snd_wnd = connection.max_snd_wnd.max(connection.snd_wnd);
        connection.snd_wl1 = arrival.header.seq;
        connection.snd_wl2 = ack;
        self.establish(out, index, arrival);
        true
    }
}
