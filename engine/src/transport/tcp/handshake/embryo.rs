//! A connection before its first segment.

use super::super::Tcp;
use super::super::congestion::{Algorithm, Congestion};
use super::super::connection::{Connection, Deadline, Flags as Has, NO_QUEUE, ticks};
use super::super::input::coarse_clock;
use super::super::loss::Reordering;
use super::super::rtt::RttEstimator;
use super::super::seq::SeqNumber;
use super::super::state::State;
use super::syn::DEFAULT_MSS_V4;
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use crate::transport::ready::Ready;
use crate::transport::timer_wheel::Link;

impl Tcp {
    /// A connection that has sent and received nothing.
    pub(in crate::transport::tcp) fn embryo(
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
}
