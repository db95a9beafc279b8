//! What a connection looks like from outside, with the names that Linux's `tcp_info` has made known.

use super::Tcp;
use super::application::Id;
use super::connection::{Connection, Flags as Has};
use super::loss::Loss;
use super::rare::Rare;
use super::state::State;
use crate::time::{Duration, Instant};

/// A snapshot of one connection. Sizes are in bytes, where Linux counts segments too.
///
/// What Linux counts for each connection and each segment is counted for the whole engine only, in
/// [`TcpCounters`](super::TcpCounters): segments and bytes in and out (`segs_in`, `data_segs_out`, `bytes_sent` and their like; `bytes_acked`
/// and `bytes_received` are differences of [`snd_una`](Self::snd_una) and [`rcv_nxt`](Self::rcv_nxt)), `total_retrans`, `dsack_dups`, `reord_seen`, `rcv_ooopack`. What would cost each segment a reading of the clock is not known:
/// `delivery_rate`, `busy_time`, `last_data_recv`, `last_ack_recv`, and how long it was `rwnd_limited` or `sndbuf_limited`, where
/// [`limited_by`](Self::limited_by) tells of the moment. `ato` is [`TcpConfig::delayed_ack`](crate::config::TcpConfig::delayed_ack)
/// for all; `fackets` and `reordering` count segments, where RACK's reordering window is one of time; `rcv_mss` is not estimated: a segment is
/// full when it is as long as ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpInfo {
    /// Its state.
    pub state: State,
    /// Both ends use timestamps (RFC 7323).
    pub timestamps: bool,
    /// Both ends use selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// Both ends use explicit congestion notification (RFC 3168).
    pub ecn: bool,
    /// The shift of the peer's windows; `None` without window scaling.
    pub snd_wscale: Option<u8>,
    /// The shift of our windows; `None` without window scaling.
    pub rcv_wscale: Option<u8>,
    /// Text of a full segment, options taken off.
    pub snd_mss: u32,
    /// The retransmission timeout, back-off included (RFC 6298).
    pub rto: Duration,
    /// SRTT; `None` before the first measurement.
    pub rtt: Option<Duration>,
    /// RTTVAR, how much the round-trip time varies.
    pub rttvar: Duration,
    /// Timeouts since the peer acknowledged something.
    pub retransmits: u8,
    /// The peer misses something, or has reported something twice, and it is not known yet whether it was lost.
    pub in_disorder: bool,
    /// A loss is being repaired without waiting for the timer.
    pub in_recovery: bool,
    /// The retransmission timer ran out, and what was sent before that is not all acknowledged.
    pub after_timeout: bool,
    /// Probes of a closed window that were not answered, or since the application has given the connection up.
    pub probes: u8,
    /// Doublings of the retransmission timeout.
    pub backoff: u8,
    /// The shortest round-trip time of all, in steps of up to 1/2048; `None` before the first measurement.
    pub min_rtt: Option<Duration>,
    /// The round-trip time as the receiver knows it: the same, or, of a connection that only receives, the shortest time in which the peer has
    /// filled a window; `None` while nothing is known.
    pub rcv_rtt: Option<Duration>,
    /// The largest packet that the path takes; `None` while nothing says that it takes less than both ends.
    pub path_mtu: Option<u32>,
    /// Bytes per second at which sending is paced; `None` when it is not.
    pub pacing_rate: Option<u64>,
    /// How long ago new data was sent, to a millisecond; of a connection that has sent none, since the engine's time began.
    pub last_data_sent: Duration,
    /// The congestion window.
    pub snd_cwnd: u32,
    /// The slow start threshold.
    pub snd_ssthresh: u32,
    /// The window that the peer offers.
    pub snd_wnd: u32,
    /// The window that the peer was offered and has not used.
    pub rcv_wnd: u32,
    /// SND.UNA, the first number that is not acknowledged. From one snapshot to the next it moves by what the peer has acknowledged, modulo
    /// 2<sup>32</sup>, a FIN counted as one byte.
    pub snd_una: u32,
    /// RCV.NXT, the number that the peer is to send next. It moves by what has come in order, modulo 2<sup>32</sup>, a FIN counted as one byte.
    pub rcv_nxt: u32,
    /// The number behind what the peer is known to hold if it had no gaps: [`snd_una`](Self::snd_una) and [`sacked`](Self::sacked) together. From one
    /// snapshot to the next it moves by what has been delivered, modulo 2<sup>32</sup>, a FIN counted as one byte.
    pub delivered: u32,
    /// What keeps it from sending more.
    pub limited_by: Limit,
    /// Sent and not acknowledged.
    pub unacked: u32,
    /// Held by the peer beyond a gap, as SACK or duplicate acknowledgments tell.
    pub sacked: u32,
    /// Found lost, and not acknowledged yet.
    pub lost: u32,
    /// Sent again, and not acknowledged yet.
    pub retrans: u32,
    /// Written by the application and not sent.
    pub notsent: u32,
    /// Queued for sending: not sent, or not acknowledged.
    pub send_queued: u32,
    /// The peer's FIN has come, and everything before it.
    pub peer_closed: bool,
    /// Received and not given back by the application.
    pub rcv_buffered: u32,
    /// How much may be: the largest window that is offered. Grows by itself; Linux's `rcv_ssthresh`.
    pub rcv_buffer: u32,
}

/// What keeps a connection from sending more, at the moment of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// All that the application has written is sent.
    Application,
    /// The peer's window has no room for another segment, and the congestion window has.
    PeerWindow,
    /// The congestion window has no room for another segment.
    CongestionWindow,
    /// Neither: what is written waits for more of it (Nagle's algorithm, a cork), for its pace, or for the device.
    Sender,
}

impl Limit {
    fn of(info: &TcpInfo) -> Self {
        let next = info.notsent.min(info.snd_mss);
        let has_room = |window: u32| window.saturating_sub(info.unacked) >= next;
        if next == 0 {
            Self::Application
        } else if !has_room(info.snd_cwnd) {
            Self::CongestionWindow
        } else if !has_room(info.snd_wnd) {
            Self::PeerWindow
        } else {
            Self::Sender
        }
    }
}

impl Tcp {
    /// A snapshot of a connection; `None` when the handle names none.
    pub(crate) fn info(&mut self, id: Id, now: Instant) -> Option<TcpInfo> {
        self.connections.lookup(id.index, id.generation)?;
        let pacing_rate = self.pacing_rate(id.index);
        let rare = self.rare.get(&id.index);
        let filled_in = rare.and_then(|rare| rare.delivery?.shortest());
        let is_narrowed = rare.is_some_and(Rare::is_narrowed);
        let connection = self.connections.get(id.index);
        let queue = self.queues.send.get(connection.send);
        let (notsent, queued) = queue.map_or((0, 0), |queue| (queue.unsent(), queue.len()));
        let known = self.queues.loss.get(connection.loss);
        let loss = known.as_deref();
        let mss = u32::from(connection.mss);
        let sacked = loss.map_or(0, |loss| loss.sacked(mss));
        let info = TcpInfo {
            sacked,
            delivered: connection.snd_una.0.wrapping_add(sacked),
            lost: loss.map_or(0, Loss::lost),
            retrans: loss.map_or(0, Loss::resent),
            in_disorder: loss.is_some_and(|loss| !loss.is_repairing() && sacked > 0),
            in_recovery: loss.is_some_and(Loss::is_recovering),
            after_timeout: loss.is_some_and(|loss| loss.is_repairing() && !loss.is_recovering()),
            pacing_rate,
            rcv_rtt: connection.rtt.srtt().or(filled_in),
            path_mtu: is_narrowed.then(|| connection.path_mtu()),
            last_data_sent: now.saturating_since(connection.last_sent(now)),
            notsent,
            send_queued: queued,
            ..of_connection(connection)
        };
        Some(TcpInfo {
            limited_by: Limit::of(&info),
            ..info
        })
    }
}

/// All but what its queues know.
fn of_connection(connection: &Connection) -> TcpInfo {
    let scales = connection.flags.has(Has::SCALES);
    TcpInfo {
        state: connection.state,
        timestamps: connection.flags.has(Has::TIMESTAMPS),
        sack: connection.flags.has(Has::SACK),
        ecn: connection.flags.has(Has::ECN),
        snd_wscale: scales.then_some(connection.snd_scale),
        rcv_wscale: scales.then_some(connection.rcv_scale),
        snd_mss: u32::from(connection.mss),
        rto: connection.rtt.rto(),
        rtt: connection.rtt.srtt(),
        rttvar: connection.rtt.rttvar(),
        retransmits: connection.retries,
        in_disorder: false,
        in_recovery: false,
        after_timeout: false,
        probes: if connection.flags.has(Has::PROBING) {
            connection.retries
        } else {
            0
        },
        backoff: connection.rtt.doublings(),
        min_rtt: connection.rtt.srtt().map(|_| connection.rtt.min_rtt()),
        rcv_rtt: None,
        path_mtu: None,
        pacing_rate: None,
        last_data_sent: Duration::ZERO,
        snd_cwnd: connection.congestion.window(),
        snd_ssthresh: connection.congestion.ssthresh(),
        snd_wnd: connection.snd_wnd,
        rcv_wnd: connection.rcv_wnd(),
        snd_una: connection.snd_una.0,
        rcv_nxt: connection.rcv_nxt.0,
        delivered: connection.snd_una.0,
        limited_by: Limit::Application,
        unacked: connection.in_flight(),
        sacked: 0,
        lost: 0,
        retrans: 0,
        notsent: 0,
        send_queued: 0,
        peer_closed: connection.flags.has(Has::FIN_RECEIVED),
        rcv_buffered: connection.rcv_buffered,
        rcv_buffer: connection.rcv_limit,
    }
}
