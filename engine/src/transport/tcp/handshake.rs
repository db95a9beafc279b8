//! The three-way handshake, from both ends and crossed (RFC 9293 section 3.5).

use super::Tcp;
use super::arrival::Arrival;
use super::congestion::{Algorithm, Congestion};
use super::connection::{Connection, ConnectionError, Deadline, Flags as Has, NO_QUEUE, ticks};
use super::ecn;
use super::half_open::{HalfOpen, Offered};
use super::input::{coarse_clock, timestamp_clock};
use super::loss::Reordering;
use super::options::{self, SynOptions, Timestamps};
use super::output::QueueFull;
use super::rtt::RttEstimator;
use super::segment::{CHECKSUM_AT, EmitHeader, Flags, HEADER_LEN};
use super::seq::SeqNumber;
use super::state::State;
use crate::config::TcpConfig;
use crate::frame::Packet;
use crate::internet::{Internet, Output, protocol};
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;
use crate::transport::ready::Ready;
use crate::transport::timer_wheel::Link;

/// What a peer that announces no MSS, or an absurd one, is sent (RFC 9293 MUST-15, and Linux's floor against tiny segments).
const DEFAULT_MSS_V4: u16 = 536;
const DEFAULT_MSS_V6: u16 = 1220;
const MIN_MSS: u16 = 48;

/// What both ends agreed on in their SYNs.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    peer_mss: u16,
    peer_scale: Option<u8>,
    timestamps: bool,
    sack: bool,
    ecn: bool,
    ts_recent: u32,
}

impl Tcp {
    /// A connection that has sent and received nothing.
    pub(super) fn embryo(
        &self,
        key: FlowKey,
        hash: u64,
        iss: SeqNumber,
        ts_offset: u32,
        now: Instant,
    ) -> Connection {
        let zero = SeqNumber(0);
        Connection {
            key,
            state: State::SynSent,
            snd_scale: 0,
            rcv_scale: 0,
            ready: Ready::NONE,
            generation: 0,
            rcv_limit: self.config.receive_buffer,
            hash,
            ts_offset,
            mss: DEFAULT_MSS_V4,
            listener: 0,
            flags: self.initial_flags(),
            snd_una: iss,
            snd_nxt: iss,
            snd_max: iss,
            snd_wnd: 0,
            snd_wl1: zero,
            snd_wl2: zero,
            rcv_nxt: zero,
            rcv_edge: zero,
            rcv_acked: zero,
            ts_recent: 0,
            send: NO_QUEUE,
            receive: NO_QUEUE,
            congestion: Congestion::new(Algorithm::Cubic, DEFAULT_MSS_V4),
            retransmit_at: Deadline::NEVER,
            ack_at: Deadline::NEVER,
            quiet_at: Deadline::NEVER,
            traffic_class: 0,
            rtt: RttEstimator::new(),
            link: Link::default(),
            rtt_seq: zero,
            rtt_started: now,
            loss: NO_QUEUE,
            early_fin: zero,
            max_snd_wnd: 0,
            rcv_buffered: 0,
            ts_recent_at: coarse_clock(now),
            sent_at: ticks(now),
            challenged_at: 0,
            challenges: 0,
            reordering: Reordering::default(),
            retries: 0,
            quick_acks: self.config.quick_acks,
            error: None,
            destination: None,
        }
    }

    fn initial_flags(&self) -> Has {
        let mut flags = Has::default();
        if self.config.no_delay {
            flags.set(Has::NO_DELAY);
        }
        flags
    }

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
            window_scale: scales.then(|| window_scale(&self.config)),
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

    pub(super) fn emit_syn(&mut self, out: &mut Output<'_>, key: &FlowKey, syn: Syn) -> Option<()> {
        let syn_options = SynOptions {
            mss: own_mss(&self.config, out, key.local.is_v4()),
            window_scale: syn.window_scale,
            sack_permitted: syn.sack_permitted,
            timestamps: syn.timestamps,
        };
        let header = EmitHeader {
            seq: syn.seq,
            ack: syn.ack,
            source_port: key.local_port,
            destination_port: key.remote_port,
            window: initial_window(&self.config),
            urgent: 0,
            flags: syn.flags,
        };
        let packet = out.queue.push()?;
        match syn_options.full() {
            Some(all) => out
                .internet
                .begin_array::<{ HEADER_LEN + options::FULL_SYN_LEN }>(
                    packet,
                    &key.local,
                    &key.remote,
                    protocol::TCP,
                    syn.traffic_class,
                    |bytes| {
                        let (fixed, rest) =
                            bytes.split_first_chunk_mut().expect("longer than a fixed header");
                        header.emit(options::FULL_SYN_LEN, fixed);
                        rest.copy_from_slice(&all);
                    },
                ),
            None => begin_partial_syn(
                out.internet,
                packet,
                key,
                syn.traffic_class,
                &header,
                &syn_options,
            ),
        }
        out.internet
            .complete(packet, &key.local, &key.remote, protocol::TCP, CHECKSUM_AT);
        self.counters.segments_sent += 1;
        Some(())
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
            self.on_fin(out, index, &rest);
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
        agree(&self.config, out, connection, agreed);
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

    /// Answers the SYN of a half-open connection, for the first time or again.
    pub(super) fn send_syn_ack(&mut self, out: &mut Output<'_>, entry: &HalfOpen<FlowKey>, ts_offset: u32) {
        let syn = Syn {
            flags: syn_ack_flags(entry.offered),
            seq: entry.iss,
            ack: entry.irs + 1,
            window_scale: entry
                .offered
                .contains(Offered::WINDOW_SCALE)
                .then(|| window_scale(&self.config)),
            sack_permitted: entry.offered.contains(Offered::SACK),
            timestamps: entry.offered.contains(Offered::TIMESTAMPS).then(|| Timestamps {
                tsval: timestamp_clock(out.now).wrapping_add(ts_offset),
                tsecr: entry.ts_recent,
            }),
            traffic_class: 0,
        };
        if self.emit_syn(out, &entry.key, syn).is_none() {
            self.counters.replies_lost += 1;
        }
    }

    pub(super) fn send_syn_ack_again(&mut self, out: &mut Output<'_>, entry: &HalfOpen<FlowKey>) {
        let ts_offset = self.isn.origin(&entry.key).timestamp_offset();
        self.send_syn_ack(out, entry, ts_offset);
    }

    /// A segment for a connection that is not born yet (SYN-RECEIVED by a listener, RFC 9293 section 3.10.7.4).
    pub(super) fn on_handshake_segment(
        &mut self,
        out: &mut Output<'_>,
        flow: Flow,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        let entry = self.half_open.get(flow);
        if !self.may_complete(out, flow, &entry, arrival) {
            return;
        }
        if arrival.header.ack != entry.iss + 1 {
            return self.reset_reply(out, arrival);
        }
        if let Some(index) = self.give_birth(out, Some(flow), &entry, arrival)
            && !self.take_first(out, index, arrival, packet)
        {
            self.on_segment(out, index, arrival, packet);
        }
    }

    pub(super) fn forget_half_open(&mut self, flow: Flow, hash: u64) {
        self.flows.remove(hash, flow);
        self.half_open.remove(flow);
    }

    /// The last acknowledgment of the handshake: a connection exists from now on, in the place of `flow`, if there was one.
    pub(super) fn give_birth(
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
        let ts_offset = self.isn.origin(arrival.key).timestamp_offset();
        let mut connection = self.embryo(*arrival.key, arrival.hash, entry.iss, ts_offset, out.now);
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
        agree(&self.config, out, &mut connection, agreed);
        if let Some(flow) = flow
            && let Some(round_trip) = self.half_open.round_trip(flow, out.now)
        {
            connection.rtt.sample(round_trip);
        }
        let (snd_nxt, rcv_nxt) = (entry.iss + 1, entry.irs + 1);
        connection.state = State::Established;
        connection.flags.set(Has::PASSIVE);
        connection.listener = entry.listener;
        connection.snd_una = snd_nxt;
        connection.snd_nxt = snd_nxt;
        connection.snd_max = snd_nxt;
        connection.rcv_nxt = rcv_nxt;
        connection.rcv_acked = rcv_nxt;
        connection.rcv_edge = rcv_nxt + u32::from(initial_window(&self.config));
        connection.snd_wnd = u32::from(arrival.header.window) << connection.snd_scale;
        connection.max_snd_wnd = connection.snd_wnd.max(u32::from(entry.window));
        connection.snd_wl1 = arrival.header.seq;
        connection.snd_wl2 = arrival.header.ack;
        let index = self.connections.insert(connection)?;
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

    /// SYN-ACKs that were not answered are sent again, and given up at last.
    pub(super) fn run_half_open_timers(&mut self, out: &mut Output<'_>) {
        while let Some(flow) = self.half_open.due(out.now) {
            if self.half_open.rearm(flow, out.now) {
                self.counters.segments_retransmitted += 1;
                let entry = self.half_open.get(flow);
                self.send_syn_ack_again(out, &entry);
            } else {
                let hash = self.half_open.get(flow).key.hash(&self.flow_hasher);
                self.forget_half_open(flow, hash);
            }
        }
    }
}

/// Sets what the SYNs agreed on. Scaling and timestamps hold only when both ends offered them.
fn agree(config: &TcpConfig, out: &Output<'_>, connection: &mut Connection, agreed: Agreed) {
    let is_v4 = connection.local().is_v4();
    let peer_mss = match agreed.peer_mss {
        0 => default_mss(is_v4),
        announced => announced.max(MIN_MSS),
    };
    let options_len = options::segment_len(agreed.timestamps, 0) as u16;
    connection.mss = peer_mss
        .min(own_mss(config, out, is_v4))
        .saturating_sub(options_len)
        .max(1);
    if let Some(scale) = agreed.peer_scale {
        connection.snd_scale = scale;
        connection.rcv_scale = window_scale(config);
        connection.flags.set(Has::SCALES);
    }
    if agreed.sack {
        connection.flags.set(Has::SACK);
    }
    if agreed.ecn {
        connection.flags.set(Has::ECN);
    }
    if agreed.timestamps {
        connection.flags.set(Has::TIMESTAMPS);
        connection.ts_recent = agreed.ts_recent;
    }
    connection.congestion = Congestion::new(config.congestion.into(), connection.mss);
}

/// ECE alone grants what the SYN asked for (RFC 3168 section 6.1.1).
pub(super) fn syn_ack_flags(offered: Offered) -> Flags {
    if offered.contains(Offered::ECN) {
        Flags::SYN | Flags::ACK | Flags::ECE
    } else {
        Flags::SYN | Flags::ACK
    }
}

/// What a peer takes that announces no MSS.
pub(super) fn default_mss(is_v4: bool) -> u16 {
    if is_v4 { DEFAULT_MSS_V4 } else { DEFAULT_MSS_V6 }
}

/// The headers of a SYN that does not offer all there is.
fn begin_partial_syn(
    internet: &mut Internet,
    packet: &mut Packet,
    key: &FlowKey,
    traffic_class: u8,
    header: &EmitHeader,
    syn_options: &SynOptions,
) {
    let options_len = syn_options.wire_len();
    let bytes = internet.begin(
        packet,
        &key.local,
        &key.remote,
        protocol::TCP,
        traffic_class,
        HEADER_LEN + options_len,
    );
    let (fixed, rest) = bytes
        .split_first_chunk_mut::<HEADER_LEN>()
        .expect("as long as asked for");
    header.emit(options_len, fixed);
    options::emit_syn(syn_options, rest);
}

/// The window in a SYN: never scaled.
pub(super) fn initial_window(config: &TcpConfig) -> u16 {
    config.receive_buffer.min(u32::from(u16::MAX)) as u16
}

/// The shift that lets 16 bits tell of the whole receive buffer, as large as it may grow.
pub(super) fn window_scale(config: &TcpConfig) -> u8 {
    let largest = config.receive_buffer.max(config.receive_buffer_limit);
    let bits = u32::BITS - largest.leading_zeros();
    (bits.saturating_sub(u16::BITS) as u8).min(options::MAX_WINDOW_SCALE)
}

/// What a SYN says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Syn {
    pub(super) flags: Flags,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) window_scale: Option<u8>,
    pub(super) sack_permitted: bool,
    pub(super) timestamps: Option<Timestamps>,
    pub(super) traffic_class: u8,
}

/// The largest segment that we can receive whole, options not counted (RFC 6691).
fn own_mss(config: &TcpConfig, out: &Output<'_>, is_v4: bool) -> u16 {
    let headers = HEADER_LEN as u32 + if is_v4 { 20 } else { 40 };
    let most = u32::from(config.max_segment);
    out.internet.mtu().saturating_sub(headers).min(most) as u16
}

#[cfg(test)]
mod tests {
    use super::window_scale;
    use crate::config::TcpConfig;

    /// RFC 7323 section 2.3.
    #[test]
    fn the_window_scale_is_the_least_that_tells_of_the_whole_buffer() {
        let cases = [
            (0, 0),
            (65_535, 0),
            (65_536, 1),
            (131_071, 1),
            (131_072, 2),
            ((1 << 30) - 1, 14),
            (u32::MAX, 14),
        ];
        for (receive_buffer, shift) in cases {
            let config = TcpConfig {
                receive_buffer,
                receive_buffer_limit: 0,
                ..TcpConfig::default()
            };
            assert_eq!(window_scale(&config), shift, "{receive_buffer} bytes");
            let grown = TcpConfig {
                receive_buffer: 1,
                receive_buffer_limit: receive_buffer,
                ..TcpConfig::default()
            };
            assert_eq!(window_scale(&grown), shift, "up to {receive_buffer} bytes");
        }
    }
}
