//! One connection in TIME_WAIT.

use super::reuse::{LastSeen, syn_may_reuse};
use crate::transport::tcp::seq::SeqNumber;

const TIMESTAMPS: u16 = 1 << 0;
const OWNS_PORT: u16 = 1 << 1;
const RESTARTED: u16 = 1 << 2;
const LIVE: u16 = 1 << 3;

/// What a connection needs to remember in TIME_WAIT: 32 bytes for IPv4, 56 for IPv6.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Entry<K> {
    /// The four-tuple.
    pub key: K,
    /// The sequence number that follows our FIN.
    pub snd_nxt: SeqNumber,
    /// The sequence number that follows the peer's FIN.
    pub rcv_nxt: SeqNumber,
    ts_recent: u32,
    /// The millisecond at which 2MSL have passed; wraps.
    pub(super) expiry: u32,
    /// The window field of our last segment, as sent (scaled).
    pub window: u16,
    flags: u16,
}

impl<K: Copy> Entry<K> {
    /// An entry of a connection without timestamps that has no ephemeral port to give back.
    pub(crate) fn new(key: K, snd_nxt: SeqNumber, rcv_nxt: SeqNumber, window: u16) -> Self {
        Self {
            key,
            snd_nxt,
            rcv_nxt,
            ts_recent: 0,
            expiry: 0,
            window,
            flags: LIVE,
        }
    }

    /// The same, with timestamps on and the peer's last one (TS.Recent, RFC 7323 section 4.3).
    pub(crate) fn with_timestamps(mut self, ts_recent: u32) -> Self {
        self.ts_recent = ts_recent;
        self.set(TIMESTAMPS, true);
        self
    }

    /// The same, holding its local port in the port allocator until it leaves the table.
    pub(crate) fn with_ephemeral_port(mut self) -> Self {
        self.set(OWNS_PORT, true);
        self
    }

    /// The same connection under another form of its key.
    pub(crate) fn with_key<L>(&self, key: L) -> Entry<L> {
        let Self {
            key: _,
            snd_nxt,
            rcv_nxt,
            ts_recent,
            expiry,
            window,
            flags,
        } = *self;
        Entry {
            key,
            snd_nxt,
            rcv_nxt,
            ts_recent,
            expiry,
            window,
            flags,
        }
    }

    /// The peer's last timestamp, `None` without timestamps.
    pub(crate) fn ts_recent(&self) -> Option<u32> {
        self.has(TIMESTAMPS).then_some(self.ts_recent)
    }

    /// Whether the local port is to be given back to the port allocator when the entry leaves.
    pub(crate) fn owns_ephemeral_port(&self) -> bool {
        self.has(OWNS_PORT)
    }

    /// Whether a SYN of this four-tuple may open a new incarnation; see [`syn_may_reuse`].
    pub(crate) fn may_be_reused_by(&self, seq: SeqNumber, ts_val: Option<u32>) -> bool {
        let last = LastSeen {
            seq: self.rcv_nxt - 1,
            timestamp: self.ts_recent(),
        };
        syn_may_reuse(last, seq, ts_val)
    }

    /// Whether it has not been reused.
    pub(super) fn is_live(&self) -> bool {
        self.has(LIVE)
    }

    pub(super) fn set_dead(&mut self) {
        self.set(LIVE, false);
    }

    /// Whether its 2MSL began anew since it was queued.
    pub(super) fn is_restarted(&self) -> bool {
        self.has(RESTARTED)
    }

    pub(super) fn set_restarted(&mut self, restarted: bool) {
        self.set(RESTARTED, restarted);
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
}
