//! The state of one connection: the transmission control block of RFC 9293 section 3.3.1.

use super::congestion::Congestion;
use super::loss::Reordering;
use super::rtt::{MIN_RTO, RttEstimator};
use super::seq::SeqNumber;
use super::state::State;
use crate::internet::address::Address;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;
use crate::transport::ports::DestinationId;
use crate::transport::ready::Ready;
use crate::transport::timer_wheel::Link;

/// No queue is attached: the connection holds no data in this direction.
pub(crate) const NO_QUEUE: u32 = u32::MAX;
/// The listener of a connection that we opened.
pub(crate) const NO_LISTENER: u16 = u16::MAX;

/// Nanoseconds of a tick of [`Connection::sent_at`], as a power of two.
const TICK_SHIFT: u32 = 20;

#[inline]
pub(super) fn ticks(now: Instant) -> u32 {
    (now.as_nanos() >> TICK_SHIFT) as u32
}

/// What is true of a connection beside its state. A set of the constants below.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flags(u32);

impl Flags {
    /// On the list of connections that have something to send.
    pub(crate) const DIRTY: u32 = 1 << 0;
    /// In the queue of events for the application.
    pub(crate) const EVENT_QUEUED: u32 = 1 << 1;
    /// The Nagle algorithm is off.
    pub(crate) const NO_DELAY: u32 = 1 << 2;
    /// Both ends agreed on timestamps (RFC 7323).
    pub(crate) const TIMESTAMPS: u32 = 1 << 3;
    /// The application has closed its direction; a FIN follows the queued data.
    pub(crate) const FIN_QUEUED: u32 = 1 << 4;
    /// Our FIN was sent once at least: it is the last before `snd_max`.
    pub(crate) const FIN_SENT: u32 = 1 << 5;
    /// The application has given up the handle.
    pub(crate) const ORPHAN: u32 = 1 << 6;
    /// The application gathers what it writes: what does not fill a segment waits.
    pub(crate) const CORKED: u32 = 1 << 7;
    /// An acknowledgment is owed and goes out with the next packet, at the latest at the end of this poll.
    pub(crate) const ACK_NOW: u32 = 1 << 8;
    /// An acknowledgment is owed and goes out at the end of the next poll, when the application had its turn.
    pub(crate) const ACK_SOON: u32 = 1 << 9;
    /// Knows of loss, at `loss`.
    pub(crate) const LOSS: u32 = 1 << 10;
    /// All is acknowledged, but whether the last tail loss probe has repaired a loss is not known yet.
    pub(crate) const TAIL_PROBED: u32 = 1 << 11;
    /// The application was refused room and wants to hear of it.
    pub(crate) const WANTS_ROOM: u32 = 1 << 12;
    /// The peer's window is zero and the retransmission timer sends probes.
    pub(crate) const PROBING: u32 = 1 << 14;
    /// The peer's FIN has arrived in order.
    pub(crate) const FIN_RECEIVED: u32 = 1 << 15;
    /// A FIN has arrived before its turn, at `early_fin`.
    pub(crate) const EARLY_FIN: u32 = 1 << 16;
    /// Not in the flow table any more; only the application's handle keeps it.
    pub(crate) const DETACHED: u32 = 1 << 17;
    /// A round-trip measurement runs; it ends when `rtt_seq` is acknowledged.
    pub(crate) const RTT_RUNNING: u32 = 1 << 18;
    /// The SYN was sent more than once.
    pub(crate) const SYN_RETRANSMITTED: u32 = 1 << 19;

    /// Both ends agreed on window scaling (RFC 7323).
    pub(crate) const SCALES: u32 = 1 << 20;

    /// The congestion window is what held the sender back when it sent last (RFC 7661).
    pub(crate) const WINDOW_LIMITED: u32 = 1 << 21;

    /// A segment that was not full has been sent since everything was acknowledged.
    pub(crate) const SMALL_SENT: u32 = 1 << 13;

    /// The application wants to know when the peer is gone (RFC 9293 section 3.8.4).
    pub(crate) const KEEPS_ALIVE: u32 = 1 << 30;
    /// Something is kept of it beside the connection, in `Tcp::rare`.
    pub(crate) const RARE: u32 = 1 << 31;

    /// Both ends agreed on selective acknowledgments (RFC 2018).
    pub(crate) const SACK: u32 = 1 << 22;

    /// Urgent data is on its way to the peer, or waits for it.
    pub(crate) const SENDS_URGENT: u32 = 1 << 24;
    /// What is sent is spread over time.
    pub(crate) const PACED: u32 = 1 << 26;
    /// The peer has announced urgent data that may not be read yet.
    pub(crate) const HEARS_URGENT: u32 = 1 << 25;

    /// Acknowledgments report what is held beyond a gap, or what came twice.
    pub(crate) const SACK_DUE: u32 = 1 << 23;

    /// Both ends agreed on explicit congestion notification (RFC 3168).
    pub(crate) const ECN: u32 = 1 << 27;
    /// A router met congestion on the way here; acknowledgments say so until the peer has slowed down.
    pub(crate) const ECN_ECHO: u32 = 1 << 28;
    /// The congestion window was reduced; the next new text says so.
    pub(crate) const ECN_REDUCED: u32 = 1 << 29;

    #[inline]
    pub(crate) fn has(self, flags: u32) -> bool {
        self.0 & flags != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, flags: u32) {
        self.0 |= flags;
    }

    #[inline]
    pub(crate) fn clear(&mut self, flags: u32) {
        self.0 &= !flags;
    }

    /// Clears the flags if `condition` is true. Writes the whole word, so that who reads the whole word next need not wait: a processor does
    /// not hand on a byte that is still on its way to the cache to the load of a word around it.
    #[inline]
    pub(crate) fn clear_if(&mut self, condition: bool, flags: u32) {
        self.0 &= !(flags & u32::from(condition).wrapping_neg());
    }

    /// Clears the flags and tells whether any was set.
    #[inline]
    pub(crate) fn take(&mut self, flags: u32) -> bool {
        let had = self.has(flags);
        self.clear(flags);
        had
    }
}

/// When a timer runs out; [`Deadline::NEVER`] when it does not run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) const NEVER: Self = Self(Instant::from_nanos(u64::MAX));

    #[inline]
    pub(crate) fn at(instant: Instant) -> Self {
        Self(instant)
    }

    #[inline]
    pub(crate) fn is_set(self) -> bool {
        self != Self::NEVER
    }

    #[inline]
    pub(crate) fn is_due(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The instant; `None` when the timer does not run.
    #[inline]
    pub(crate) fn instant(self) -> Option<Instant> {
        self.is_set().then_some(self.0)
    }
}

/// Why a connection ended without the application's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The peer reset it (RFC 9293 MUST-12).
    #[error("connection reset by peer")]
    Reset,
    /// The peer answered the SYN with a reset.
    #[error("connection refused")]
    Refused,
    /// The peer did not answer for as long as retransmissions last.
    #[error("connection timed out")]
    TimedOut,
    /// The network says that the peer cannot be reached, and the connection was not established yet.
    #[error("destination unreachable")]
    Unreachable,
}

/// One connection, in the order in which a segment on the common path comes to it: a line that is mostly read, one that is written, one of timers,
/// and one that is rarely needed whole.
///
/// Copied only from the embryo that all begin as.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Connection {
    pub(crate) key: FlowKey,
    pub(crate) state: State,
    pub(crate) snd_scale: u8,
    pub(crate) rcv_scale: u8,
    pub(crate) ready: Ready,
    pub(crate) generation: u32,
    /// How many octets the connection queues for the application, and so the largest window it offers.
    pub(crate) rcv_limit: u32,
    pub(crate) hash: u64,
    pub(crate) ts_offset: u32,
    /// Payload bytes of a full segment, options taken off.
    pub(crate) mss: u16,
    /// The listener that the peer's SYN came to (RFC 9293 MUST-11), or [`NO_LISTENER`].
    pub(crate) listener: u16,

    pub(crate) flags: Flags,
    pub(crate) snd_una: SeqNumber,
    pub(crate) snd_nxt: SeqNumber,
    /// The highest `snd_nxt` there was; `snd_nxt` goes back when the retransmission timer runs out.
    pub(crate) snd_max: SeqNumber,
    pub(crate) snd_wnd: u32,
    pub(crate) snd_wl1: SeqNumber,
    pub(crate) snd_wl2: SeqNumber,
    pub(crate) rcv_nxt: SeqNumber,
    /// The right edge of the window that the peer was told last. It never moves left.
    pub(crate) rcv_edge: SeqNumber,
    /// The acknowledgment that the peer was sent last.
    pub(crate) rcv_acked: SeqNumber,
    pub(crate) ts_recent: u32,
    pub(crate) send: u32,
    pub(crate) receive: u32,
    pub(crate) congestion: Congestion,

    /// When the retransmission (or probe, or handshake) timer runs out; never when nothing is outstanding.
    pub(crate) retransmit_at: Deadline,
    pub(crate) ack_at: Deadline,
    /// When there has been quiet for too long: a keep-alive is due, or an attempt to connect, lingering, or an orphan's FIN-WAIT-2 is over.
    pub(crate) quiet_at: Deadline,
    pub(crate) rtt: RttEstimator,
    pub(crate) link: Link,
    pub(crate) rtt_started: Instant,
    pub(crate) rtt_seq: SeqNumber,

    /// What is known of loss; [`NO_QUEUE`] without [`Flags::LOSS`].
    pub(crate) loss: u32,
    pub(crate) early_fin: SeqNumber,
    pub(crate) max_snd_wnd: u32,
    /// Bytes that the application has not given back: queued, or in chunks that it holds.
    pub(crate) rcv_buffered: u32,
    pub(crate) ts_recent_at: u32,
    /// When new data was sent last, or the connection began, in ticks of 2²⁰ ns, about a millisecond, that wrap after 52 days.
    pub(crate) sent_at: u32,
    pub(crate) challenged_at: u32,
    pub(crate) challenges: u8,
    pub(crate) reordering: Reordering,
    pub(crate) retries: u8,
    pub(crate) quick_acks: u8,
    /// The traffic class of what is sent: the Diffserv field (RFC 2474) above an ECN codepoint of 0.
    pub(crate) traffic_class: u8,
    pub(crate) error: Option<ConnectionError>,
    pub(crate) destination: Option<DestinationId>,
}

impl Connection {
    /// Bytes (and SYN, FIN) between `snd_una` and `snd_nxt`.
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.snd_nxt.distance(self.snd_una).max(0) as u32
    }

    /// Whether the peer opened it.
    #[inline]
    pub(crate) fn is_passive(&self) -> bool {
        self.listener != NO_LISTENER
    }

    /// Remembers that new data is sent.
    #[inline]
    pub(crate) fn note_sent_at(&mut self, now: Instant) {
        self.sent_at = ticks(now);
    }

    /// Whether new data was sent so recently that no retransmission timeout can have passed since.
    #[inline]
    pub(crate) fn has_just_sent(&self, now: Instant) -> bool {
        ticks(now).wrapping_sub(self.sent_at) < (MIN_RTO.as_nanos() >> TICK_SHIFT) as u32
    }

    /// When new data was sent last, rounded up to less than a tick later, but not beyond `now`.
    pub(crate) fn last_sent(&self, now: Instant) -> Instant {
        let ago = u64::from(ticks(now).wrapping_sub(self.sent_at));
        let ago = ago.saturating_sub(1) << TICK_SHIFT;
        now - Duration::from_nanos(ago)
    }

    /// How much the peer was told that it may send.
    #[inline]
    pub(crate) fn rcv_wnd(&self) -> u32 {
        self.rcv_edge.distance(self.rcv_nxt).max(0) as u32
    }

    /// Whether our FIN is to be sent, or sent again after a rewind, once everything before it is.
    #[inline]
    pub(crate) fn owes_fin(&self) -> bool {
        self.flags.has(Flags::FIN_QUEUED)
            && (!self.flags.has(Flags::FIN_SENT) || self.snd_nxt.lt(self.snd_max))
    }

    /// Whether everything that was ever sent is acknowledged.
    #[inline]
    pub(crate) fn all_acknowledged(&self) -> bool {
        self.snd_una == self.snd_max
    }

    #[inline]
    pub(crate) fn local(&self) -> &Address {
        &self.key.local
    }

    /// The earliest of the three deadlines.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Deadline {
        self.retransmit_at.min(self.ack_at).min(self.quiet_at)
    }

    /// The window field for the next segment, and the edge that it promises: never left of what was promised before, and right of it
    /// only by a worthwhile step (RFC 9293 section 3.8.6.2.2).
    #[inline(always)]
    pub(crate) fn window_to_offer(&mut self) -> u16 {
        // In 64 bits nothing overflows.
        let (promised, buffered) = (u64::from(self.rcv_wnd()), u64::from(self.rcv_buffered));
        let (limit, mss) = (u64::from(self.rcv_limit), u64::from(self.mss));
        let granted = promised + buffered;
        // Rounding a promise down would take it back, so it is rounded up; rounding an increase down only delays it. A peer of small segments
        // must not grow the window by that for ever: beyond a segment more than there is room for, the field says a little less than what is
        // accepted (RFC 7323 section 2.4).
        let up = if granted <= limit + mss {
            (1 << self.rcv_scale) - 1
        } else {
            0
        };
        let mut field = (promised + up) >> self.rcv_scale;
        if granted + mss.min(limit / 2) <= limit {
            field = field.max((limit - buffered) >> self.rcv_scale);
        }
        let field = field.min(u64::from(u16::MAX)) as u16;
        let edge = self.rcv_nxt + (u32::from(field) << self.rcv_scale);
        self.rcv_edge = self.rcv_edge.max(edge);
        field
    }

    /// Takes back `bytes` that the application has read. Tells whether the window opens by so much that the peer must hear of it.
    #[inline]
    pub(crate) fn give_credit(&mut self, bytes: u32) -> bool {
        self.rcv_buffered = self.rcv_buffered.saturating_sub(bytes);
        let must_tell =
            self.owes_window_update() && self.state.may_receive_data() && !self.flags.has(Flags::DETACHED);
        if must_tell {
            self.flags.set(Flags::ACK_NOW);
        }
        must_tell
    }

    /// Whether the window can be opened by a step that is worth a packet of its own.
    #[inline]
    pub(crate) fn owes_window_update(&self) -> bool {
        let receive_limit = self.rcv_limit;
        if self.rcv_wnd() > receive_limit - receive_limit / 4 {
            // Nothing that could be offered is a step away.
            return false;
        }
        // A peer that does not scale cannot be told of more.
        let largest = receive_limit.min(u32::from(u16::MAX) << self.rcv_scale);
        let free = receive_limit.saturating_sub(self.rcv_buffered).min(largest);
        let step = if self.rcv_wnd() < u32::from(self.mss) {
            (largest / 2).min(u32::from(self.mss))
        } else {
            largest / 4
        };
        free >= self.rcv_wnd().saturating_add(step)
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;

    /// A million idle connections take this much, and their index and handles.
    #[test]
    fn a_connection_takes_four_lines() {
        assert_eq!(size_of::<Connection>(), 256);
    }

    /// Two flags of one bit would be taken for each other, and no compiler says so.
    #[test]
    fn each_flag_has_a_bit_of_its_own() {
        let bits: Vec<&str> = include_str!("connection.rs")
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub(crate) const "))
            .filter_map(|line| line.split_once(": u32 = 1 << "))
            .map(|(_, bit)| bit)
            .collect();
        let distinct: std::collections::HashSet<_> = bits.iter().collect();
        assert!(bits.len() > 20, "the flags are found");
        assert_eq!(distinct.len(), bits.len(), "{bits:?}");
    }
}
