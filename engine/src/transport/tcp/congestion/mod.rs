//! Congestion control: how much may be in flight (RFC 5681).
//!
//! An algorithm is arithmetic on a window. Which segments are lost and what is sent next is decided elsewhere; here
//! come the events, one method each, and go the two numbers [`window`](Congestion::window) and
//! [`ssthresh`](Congestion::ssthresh).
//!
//! The algorithms are the variants of an enum, not implementations of a trait object: the state lies inline in the
//! connection instead of behind an allocation, and the branch that chooses is predicted, where a call through a table
//! could not be inlined.

mod cubic;
mod hystart;
mod reno;

pub use cubic::Cubic;
pub use reno::Reno;

use super::rtt::RttEstimator;
use super::seq::SeqNumber;
use crate::config;
use crate::time::Instant;

/// The initial window is this many segments, while they are not larger than those of Ethernet (RFC 6928 section 2).
const INITIAL_SEGMENTS: u32 = 10;
const INITIAL_OCTETS: u32 = 14_600;

/// What slow start adds for one ACK, at most, in octets: L of RFC 3465 section 2.2. The RFC has two segments, so that a stretch
/// ACK causes no burst of more. But a sender of virtual segments sends up to 64 KiB as one, and so do receivers that
/// merge segments acknowledge them: with the RFC's limit such a flow would grow by a twentieth in a round trip and not
/// double. Linux has no limit at all; here it is the burst that the sender makes anyway. After a timeout, when bursts
/// do harm, the caller counts one segment for an ACK (section 2.3).
const SLOW_START_LIMIT: u32 = 64 << 10;

/// Which algorithm a connection uses.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406).
    #[default]
    Cubic,
    /// Slow start and congestion avoidance of RFC 5681.
    Reno,
    /// No congestion control: a window of so many octets, whatever happens. For private wires and benchmarks; on a
    /// shared network it violates MUST-19.
    Fixed(u32),
}

impl From<config::Congestion> for Algorithm {
    fn from(configured: config::Congestion) -> Self {
        match configured {
            config::Congestion::Cubic => Self::Cubic,
            config::Congestion::NewReno => Self::Reno,
            config::Congestion::Fixed(octets) => Self::Fixed(octets),
        }
    }
}

/// An acknowledgment of new data.
#[derive(Clone, Copy, Debug)]
pub struct Ack<'a> {
    /// Octets that it acknowledges for the first time.
    pub octets: u32,
    /// SND.UNA, which it has moved.
    pub snd_una: SeqNumber,
    /// SND.NXT.
    pub snd_nxt: SeqNumber,
    /// When it came.
    pub now: Instant,
    /// What is known of the round-trip time.
    pub rtt: &'a RttEstimator,
}

impl Ack<'_> {
    /// SRTT in milliseconds, 0 when nothing is known.
    fn srtt_millis(&self) -> u32 {
        self.rtt.srtt().map_or(0, |srtt| srtt.as_millis() as u32)
    }
}

/// The congestion control of one connection. 36 bytes.
///
/// All amounts are octets. `flight` is FlightSize, what is sent and not yet cumulatively acknowledged (RFC 5681
/// section 2), at most 2^30.
#[derive(Clone, Copy, Debug)]
pub enum Congestion {
    /// RFC 9438 with RFC 9406.
    Cubic(Cubic),
    /// RFC 5681.
    Reno(Reno),
    /// A window that nothing changes.
    Fixed {
        /// The window, in octets.
        window: u32,
    },
}

impl Congestion {
    /// The state of a connection that has sent nothing but its SYN. `smss` is the sender's maximum segment size, of
    /// text alone, at least 1.
    pub fn new(algorithm: Algorithm, smss: u16) -> Self {
        match algorithm {
            Algorithm::Cubic => Self::Cubic(Cubic::new(smss)),
            Algorithm::Reno => Self::Reno(Reno::new(smss)),
            Algorithm::Fixed(window) => Self::Fixed { window },
        }
    }

    /// Another algorithm takes over, with the windows of this one; a fixed window says nothing of the path and is not taken over.
    pub fn switch(&mut self, algorithm: Algorithm, smss: u16) {
        let before = std::mem::replace(self, Self::new(algorithm, smss));
        if matches!(before, Self::Fixed { .. }) {
            return;
        }
        let (cwnd, ssthresh) = (before.window(), before.ssthresh());
        match self {
            Self::Cubic(cubic) => cubic.take_over(cwnd, ssthresh),
            Self::Reno(reno) => reno.take_over(cwnd, ssthresh),
            Self::Fixed { .. } => {}
        }
    }

    /// cwnd: how much may be in flight.
    #[inline]
    pub const fn window(&self) -> u32 {
        match self {
            Self::Cubic(cubic) => cubic.window(),
            Self::Reno(reno) => reno.window(),
            Self::Fixed { window } => *window,
        }
    }

    /// The window at which slow start ends; `u32::MAX` until a loss tells.
    #[inline]
    pub const fn ssthresh(&self) -> u32 {
        match self {
            Self::Cubic(cubic) => cubic.ssthresh(),
            Self::Reno(reno) => reno.ssthresh(),
            Self::Fixed { .. } => u32::MAX,
        }
    }

    /// Whether the window is what holds the sender back with `flight` in flight. To be asked after sending, and the
    /// answer to be handed to [`on_ack`](Self::on_ack): a window that nobody fills says nothing about the path, so it
    /// must not grow (RFC 7661).
    ///
    /// Half a window is enough in slow start, for it doubles within one round trip; later there must not be room for
    /// another segment.
    #[inline(always)]
    pub fn is_limiting(&self, flight: u32) -> bool {
        match self {
            Self::Cubic(cubic) => is_limiting(cubic.window(), cubic.ssthresh(), cubic.smss(), flight),
            other => other.is_limiting_otherwise(flight),
        }
    }

    /// Apart, so that the usual algorithm's numbers are read from where they are.
    #[inline(never)]
    fn is_limiting_otherwise(&self, flight: u32) -> bool {
        match self {
            Self::Reno(reno) => is_limiting(reno.window(), reno.ssthresh(), reno.smss(), flight),
            Self::Cubic(_) | Self::Fixed { .. } => false,
        }
    }

    /// The window held the sender back with `flight` in flight, as [`is_limiting`](Self::is_limiting) told: slow start goes no further than
    /// such a use bears out, though acknowledgments of it go on to come when the application has nothing more to send.
    #[inline(never)]
    pub fn note_use(&mut self, flight: u32) {
        match self {
            Self::Cubic(cubic) => cubic.note_use(flight),
            Self::Reno(reno) => reno.note_use(flight),
            Self::Fixed { .. } => {}
        }
    }

    /// New octets were acknowledged outside of recovery, of a window that was what held the sender back. Not to be called for the ACK that ends the handshake
    /// (RFC 5681 section 3.1). `rtt` is asked for the round-trip time of this ACK's segment, in milliseconds, when it matters.
    #[inline]
    pub fn on_ack(&mut self, ack: &Ack<'_>, rtt: impl FnOnce() -> Option<u16>) {
        match self {
            Self::Cubic(cubic) => cubic.on_ack(ack, rtt),
            Self::Reno(reno) => reno.on_ack(ack),
            Self::Fixed { .. } => {}
        }
    }

    /// As [`on_ack`](Self::on_ack) while the window was not what held the sender back: it stays.
    #[inline(always)]
    pub fn on_unused(&mut self) {
        if let Self::Cubic(cubic) = self {
            cubic.on_unused();
        }
    }

    /// The handshake needed a second SYN or SYN,ACK: data starts with a window of one segment (RFC 5681 section 3.1).
    pub fn on_lost_syn(&mut self) {
        match self {
            Self::Cubic(cubic) => cubic.on_lost_syn(),
            Self::Reno(reno) => reno.on_lost_syn(),
            Self::Fixed { .. } => {}
        }
    }

    /// A loss was found before the retransmission timer ran out: the window becomes the new ssthresh (RFC 5681 section 3.2 step 2,
    /// RFC 9438 section 4.6). How the flight comes down to it is proportional rate reduction's business.
    pub fn on_congestion(&mut self, flight: u32) {
        match self {
            Self::Cubic(cubic) => cubic.on_congestion(flight),
            Self::Reno(reno) => reno.on_congestion(flight),
            Self::Fixed { .. } => {}
        }
    }

    /// The retransmission timer ran out, for the same segment `again` or for the first time (RFC 5681 section 3.1).
    pub fn on_retransmission_timeout(&mut self, flight: u32, again: bool) {
        match self {
            Self::Cubic(cubic) => cubic.on_retransmission_timeout(flight, again),
            Self::Reno(reno) => reno.on_retransmission_timeout(flight, again),
            Self::Fixed { .. } => {}
        }
    }

    /// Data is to be sent after nothing was for longer than one RTO: the window is that of a new connection at most
    /// (RFC 5681 section 4.1).
    pub fn on_idle_restart(&mut self) {
        match self {
            Self::Cubic(cubic) => cubic.on_idle_restart(),
            Self::Reno(reno) => reno.on_idle_restart(),
            Self::Fixed { .. } => {}
        }
    }

    /// The path's MTU changed the size of segments; the window in octets stays, but holds one segment at least.
    pub fn set_smss(&mut self, smss: u16) {
        match self {
            Self::Cubic(cubic) => cubic.set_smss(smss),
            Self::Reno(reno) => reno.set_smss(smss),
            Self::Fixed { .. } => {}
        }
    }
}

#[inline(always)]
fn is_limiting(cwnd: u32, ssthresh: u32, smss: u32, flight: u32) -> bool {
    if cwnd < ssthresh {
        bears_out(cwnd, flight)
    } else {
        flight > cwnd.saturating_sub(smss)
    }
}

/// Whether as much in flight shows that the path takes a window of twice that.
#[inline(always)]
const fn bears_out(cwnd: u32, flight: u32) -> bool {
    flight > cwnd / 2
}

/// The window of slow start after an ACK of so many octets, when `used` is what was in flight after the sender sent last.
#[inline]
fn slow_start(cwnd: u32, acked: u32, used: u32) -> u32 {
    if bears_out(cwnd, used) {
        cwnd.saturating_add(acked.min(SLOW_START_LIMIT))
    } else {
        cwnd
    }
}

/// IW (RFC 6928 section 2).
fn initial_window(smss: u16) -> u32 {
    let smss = u32::from(smss);
    (INITIAL_SEGMENTS * smss).min(INITIAL_OCTETS.max(2 * smss))
}

#[cfg(test)]
mod tests;
