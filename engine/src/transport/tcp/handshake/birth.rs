//! How a listener's connections come to be: from a half-open entry or a cookie, with the last acknowledgment of the handshake (RFC 9293
//! section 3.10.7.4).

use super::super::Tcp;
use super::super::arrival::Arrival;
use super::super::half_open::{HalfOpen, Offered};
use super::super::input::{TICK, expired_at, past_tick};
use super::super::state::State;
use super::agreement::{Agreed, agree};
use super::syn::{Syn, initial_window, syn_ack_flags};
use crate::frame::Packet;
use crate::internet::Output;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

impl Tcp {
    /// Answers the SYN of a half-open connection, for the first time or again.
    #[inline(always)]
    pub(in crate::transport::tcp) fn send_syn_ack(
        &mut self,
        out: &mut Output<'_>,
        entry: &HalfOpen<FlowKey>,
    ) {
        let syn = Syn {
            flags: syn_ack_flags(entry.offered),
            seq: entry.iss,
            ack: entry.irs + 1,
            window_scale: entry
                .offered
                .contains(Offered::WINDOW_SCALE)
                .then_some(self.window_scale),
            sack_permitted: entry.offered.contains(Offered::SACK),
            timestamps: entry.timestamps(out.now),
            traffic_class: 0,
        };
        if self.emit_syn(out, &entry.key, syn).is_none() {
            self.counters.replies_lost += 1;
        }
    }

    /// SYN-ACKs that were not answered are sent again, and given up at last.
    #[inline]
    pub(in crate::transport::tcp) fn run_half_open_timers(&mut self, out: &mut Output<'_>) {
        if self.half_open.len() > 0 {
            self.run_some_half_open_timers(out);
        }
    }

    #[inline(never)]
    fn run_some_half_open_timers(&mut self, out: &mut Output<'_>) {
        while let Some(flow) = self.half_open.due(out.now) {
            let entry = self.half_open.get(flow);
            let deferring = self.listeners.deferring(u32::from(entry.listener));
            let is_to_be_sent = self.half_open.is_to_be_sent(flow, deferring);
            if self.half_open.rearm(flow, out.now) {
                if is_to_be_sent {
                    self.counters.segments_retransmitted += 1;
                    self.send_syn_ack(out, &entry);
                }
            } else {
                let hash = self.half_open.get(flow).key.hash(&self.flow_hasher);
                self.forget_half_open(flow, hash);
            }
        }
    }

    /// A segment for a connection that is not born yet (SYN-RECEIVED by a listener, RFC 9293 section 3.10.7.4).
    pub(in crate::transport::tcp) fn on_handshake_segment(
        &mut self,
        out: &mut Output<'_>,
        flow: Flow,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        self.half_open.observe(flow, out.now);
        let entry = self.half_open.get(flow);
        if !self.may_complete(out, flow, &entry, arrival) {
            return;
        }
        if arrival.header.ack != entry.iss + 1 {
            return self.on_other_answer(out, flow, &entry, arrival, packet);
        }
        if self.defers(flow, &entry, arrival) {
            return;
        }
        if let Some(index) = self.give_birth(out, Some(flow), &entry, arrival)
            && !self.take_first(out, index, arrival, packet)
        {
            self.on_segment(out, index, arrival, packet);
        }
    }

    /// An acknowledgment of another number than the entry's: of a cookie, perhaps, by which the same SYN was answered when it came first.
    #[cold]
    fn on_other_answer(
        &mut self,
        out: &mut Output<'_>,
        flow: Flow,
        entry: &HalfOpen<FlowKey>,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        if self.may_bring_cookie(out, arrival) {
            self.on_cookie(out, u32::from(entry.listener), Some(flow), arrival, packet);
        } else {
            self.reset_reply(out, arrival);
        }
    }

    pub(in crate::transport::tcp) fn forget_half_open(&mut self, flow: Flow, hash: u64) {
        self.flows.remove(hash, flow);
        self.half_open.remove(flow);
    }

    /// The last acknowledgment of the handshake: a connection exists from now on, in the place of `flow`, if there was one.
    pub(in crate::transport::tcp) fn give_birth(
        &mut self,
        out: &mut Output<'_>,
        flow: Option<Flow>,
        entry: &HalfOpen<FlowKey>,
        arrival: &Arrival<'_>,
    ) -> Option<u32> {
        let listener = u32::from(entry.listener);
        if !self.listeners.accepts_for(listener, arrival.key) {
            if let Some(flow) = flow {
                self.forget_half_open(flow, arrival.hash);
            }
            self.reset_reply(out, arrival);
            return None;
        }
        if !self.listeners.get_mut(listener).has_room() {
            self.counters.dropped_accept_queue_full += 1;
            return None;
        }
        if !self.connections.has_room() {
            self.counters.dropped_no_connection += 1;
            return None;
        }
        let snd_nxt = entry.iss + 1;
        let index = self.conceive(arrival.key, arrival.hash, snd_nxt, entry.ts_offset, out.now)?;
        let connection = self.connections.get_mut(index);
        let agreed = Agreed {
            peer_mss: entry.mss,
            peer_scale: entry
                .offered
                .contains(Offered::WINDOW_SCALE)
                .then_some(entry.window_shift),
            timestamps: entry.offered.contains(Offered::TIMESTAMPS),
            sack: entry.offered.contains(Offered::SACK),
            ecn: entry.offered.contains(Offered::ECN),
            ts_recent: entry.ts_recent,
        };
        agree(&self.config, self.window_scale, out, connection, agreed);
        if entry.offered.contains(Offered::TIMESTAMP_EXPIRED) {
            connection.ts_recent_at = expired_at(out.now);
        }
        if let Some(flow) = flow
            && let Some(round_trip) = self.half_open.round_trip(flow, out.now)
        {
            // The table rounds up when it was sent, too.
            connection
                .rtt
                .sample_coarse(round_trip, TICK + past_tick(out.now));
        }
        let rcv_nxt = entry.irs + 1;
        connection.state = State::Established;
        connection.listener = entry.listener;
        connection.rcv_nxt = rcv_nxt;
        connection.rcv_acked = rcv_nxt;
        connection.rcv_edge = rcv_nxt + u32::from(initial_window(&self.config));
        connection.snd_wnd = u32::from(arrival.header.window) << connection.snd_scale;
        connection.max_snd_wnd = connection.snd_wnd.max(u32::from(entry.window));
        connection.snd_wl1 = arrival.header.seq;
        connection.snd_wl2 = arrival.header.ack;
        match flow {
            Some(flow) => {
                self.flows.replace(arrival.hash, flow, Flow::Connection(index));
                self.half_open.remove(flow);
            }
            None if self.insert_flow(arrival.key, arrival.hash, Flow::Connection(index)) => {}
            None => {
                self.connections.remove(index);
                self.counters.dropped_no_connection += 1;
                return None;
            }
        }
        self.counters.passive_opens += 1;
        self.passive += 1;
        self.listeners.announce(listener, index);
        Some(index)
    }
}
