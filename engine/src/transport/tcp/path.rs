//! The path's MTU: what the network says of it (RFC 1191, RFC 8201, believed as far as RFC 5927 section 7 allows), and what its silence
//! says (RFC 4821).
//!
//! Each connection knows its own: a table of destinations would let a forged message about one connection slow others down. A message
//! makes segments smaller, never larger; what the path no longer forbids is found out by sending full segments again after a while.

use super::Tcp;
use super::connection::{Connection, Flags as Has};
use super::options;
use super::rare::Rare;
use super::segment::HEADER_LEN;
use super::seq::SeqNumber;
use crate::internet::{ipv4, ipv6};
use crate::time::{Duration, Instant};

/// Nobody needs a smaller MTU of IPv4 in earnest; Linux's choice. A message that claims one is answered with segments for this one.
const LEAST_MTU_V4: u32 = 552;
/// Every link of IPv6 carries this (RFC 8200 section 5); a message that claims less is discarded (RFC 8201 section 4).
const LEAST_MTU_V6: u32 = 1280;

/// What links have, for routers that do not say what theirs has (RFC 1191 section 7.1).
const PLATEAUS: [u32; 9] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296];

/// How long a message is believed (RFC 1191 section 6.3 and RFC 8201 section 4 recommend 10 minutes).
const BELIEVED: Duration = Duration::from_secs(600);

/// Text that passes nearly everywhere: the first step down; Linux's choice.
const CAUTIOUS: u16 = 1024;
/// No suspicion makes the text of a segment smaller than this.
const LEAST_CAUTIOUS: u16 = 512;

/// A connection whose segments are smaller than its ends agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrowed {
    /// What they agreed on.
    full: u16,
    why: Why,
    /// When a full segment is tried again; `None` while one is.
    widens_at: Option<Instant>,
}

/// Why segments are smaller.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// A router has said so. It would say so again.
    Told,
    /// Full segments were not answered. While they are tried again, `passed` is what the peer acknowledges once the first of them is
    /// through.
    Suspected { smaller: u16, passed: SeqNumber },
}

impl Rare {
    /// Whether segments are smaller for the path's sake.
    pub(super) fn is_narrowed(&self) -> bool {
        self.narrowed.is_some_and(|narrowed| narrowed.widens_at.is_some())
    }
}

impl Tcp {
    /// The segment size that the ends agreed on, whatever the path lets through now.
    pub(super) fn agreed_mss(&self, index: u32, connection: &Connection) -> u16 {
        let narrowed = self.rare.get(&index).and_then(|rare| rare.narrowed);
        narrowed.map_or(connection.mss, |narrowed| narrowed.full)
    }

    /// A router says that a segment that is outstanding is larger than `mtu`, 0 if it does not say how large the next link is.
    pub(super) fn on_packet_too_big(&mut self, index: u32, mtu: u32, now: Instant) {
        let connection = self.connections.get(index);
        let current = connection.path_mtu();
        let claimed = if mtu == 0 { next_plateau(current) } else { mtu };
        let least = connection.least_mtu();
        let mtu = claimed.max(least);
        let is_absurd = claimed < least && !connection.local().is_v4();
        if is_absurd || mtu >= current {
            self.counters.icmp_errors_ignored += 1;
            return;
        }
        self.counters.path_mtu_reductions += 1;
        let mss = (mtu - connection.headers_len()) as u16;
        self.narrow(index, mss, Why::Told, now);
        let connection = self.connections.get(index);
        if connection.snd_max - connection.snd_una > u32::from(mss) {
            self.resend_everything(index, now);
        }
    }

    /// The retransmission timer has run out again and again. Full segments may be too large for a path that does not say so; smaller ones
    /// are tried then.
    #[cold]
    pub(super) fn suspect_black_hole(&mut self, index: u32, now: Instant) {
        let connection = self.connections.get(index);
        let least = if connection.local().is_v4() {
            LEAST_CAUTIOUS
        } else {
            (LEAST_MTU_V6 - connection.headers_len()) as u16
        };
        let smaller = (connection.mss / 2).min(CAUTIOUS).max(least);
        let is_full = connection.snd_max - connection.snd_una >= u32::from(connection.mss);
        if is_full && smaller < connection.mss {
            self.counters.path_mtu_suspicions += 1;
            self.suspect(index, smaller, now);
        }
    }

    fn suspect(&mut self, index: u32, smaller: u16, now: Instant) {
        let passed = self.connections.get(index).snd_una;
        self.narrow(index, smaller, Why::Suspected { smaller, passed }, now);
    }

    /// The retransmission timer has run out once. When full segments were being tried again on a path that had swallowed them before, the
    /// answer is clear; once one is through, the trial is over.
    pub(super) fn judge_trial(&mut self, index: u32, now: Instant) {
        let Some(Narrowed {
            why: Why::Suspected { smaller, passed },
            widens_at: None,
            ..
        }) = self.rare(index).and_then(|rare| rare.narrowed)
        else {
            return;
        };
        if self.connections.get(index).snd_una.lt(passed) {
            self.suspect(index, smaller, now);
        } else if let Some(rare) = self.rare(index) {
            rare.narrowed = None;
        }
    }

    fn narrow(&mut self, index: u32, mss: u16, why: Why, now: Instant) {
        let widens_at = now + BELIEVED;
        let connection = self.connections.get_mut(index);
        let before = std::mem::replace(&mut connection.mss, mss);
        connection.congestion.set_smss(mss);
        let rare = self.rare_or_new(index);
        let earlier = rare.narrowed.replace(Narrowed {
            full: rare.narrowed.map_or(before, |narrowed| narrowed.full),
            why,
            widens_at: Some(widens_at),
        });
        if let Some(at) = earlier.and_then(|narrowed| narrowed.widens_at) {
            self.narrowed.remove(&(at, index));
        }
        self.narrowed.insert((widens_at, index));
    }

    /// Lets connections send full segments again whose reason not to is too old.
    pub(super) fn widen_paths(&mut self, now: Instant) {
        while let Some(&(at, index)) = self.narrowed.first()
            && at <= now
        {
            self.narrowed.pop_first();
            self.widen(index);
        }
    }

    fn widen(&mut self, index: u32) {
        let Some(mut narrowed) = self.rare(index).and_then(|rare| rare.narrowed.take()) else {
            return;
        };
        let connection = self.connections.get_mut(index);
        connection.mss = narrowed.full;
        connection.congestion.set_smss(narrowed.full);
        if let Why::Suspected { passed, .. } = &mut narrowed.why {
            *passed = connection.snd_max + u32::from(narrowed.full);
            narrowed.widens_at = None;
            self.rare_or_new(index).narrowed = Some(narrowed);
        }
    }

    /// When [`Tcp::widen_paths`] has something to do.
    pub(super) fn next_widening(&self) -> Option<Instant> {
        self.narrowed.first().map(|(at, _)| *at)
    }

    pub(super) fn forget_narrowed(&mut self, index: u32, rare: &Rare) {
        if let Some(at) = rare.narrowed.and_then(|narrowed| narrowed.widens_at) {
            self.narrowed.remove(&(at, index));
        }
    }
}

impl Connection {
    /// Octets of the largest packet that is sent.
    pub(super) fn path_mtu(&self) -> u32 {
        u32::from(self.mss) + self.headers_len()
    }

    /// Octets of IP header, TCP header and the options of every segment.
    fn headers_len(&self) -> u32 {
        let network = if self.local().is_v4() {
            ipv4::HEADER_LEN
        } else {
            ipv6::HEADER_LEN
        };
        (network + HEADER_LEN + options::segment_len(self.flags.has(Has::TIMESTAMPS), 0)) as u32
    }

    fn least_mtu(&self) -> u32 {
        if self.local().is_v4() {
            LEAST_MTU_V4
        } else {
            LEAST_MTU_V6
        }
    }
}

/// The next smaller MTU that links have.
fn next_plateau(mtu: u32) -> u32 {
    PLATEAUS
        .into_iter()
        .find(|&plateau| plateau < mtu)
        .unwrap_or_default()
}
