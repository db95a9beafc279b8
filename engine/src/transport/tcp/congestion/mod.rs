//! Congestion control: how much may be in flight (RFC 5681).
//!
//! An algorithm is arithmetic on a window. Which segments are lost and what is sent next is decided elsewhere; here
//! come the events, one method each, and go the two numbers [`window`](Congestion::window) and
//! [`ssthresh`](Congestion::ssthresh).
//!
//! The algorithms are the variants of an enum, not implementations of a trait object: the state lies inline in the
//! connection instead of behind an allocation, and the branch that chooses is predicted, where a call through a table
//! could not be inlined.

mod reno;

pub use reno::Reno;

/// Which algorithm a connection uses.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// Slow start, congestion avoidance and NewReno's recovery (RFC 5681, RFC 6582).
    #[default]
    Reno,
    /// No congestion control: a window of so many octets, whatever happens. For private wires and benchmarks; on a
    /// shared network it violates MUST-19.
    Fixed(u32),
}

/// The congestion control of one connection. 16 bytes.
///
/// All amounts are octets. `flight` is FlightSize, what is sent and not yet cumulatively acknowledged (RFC 5681
/// section 2), at most 2^30.
#[derive(Clone, Copy, Debug)]
pub enum Congestion {
    /// RFC 5681 with RFC 6582.
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
            Algorithm::Reno => Self::Reno(Reno::new(smss)),
            Algorithm::Fixed(window) => Self::Fixed { window },
        }
    }

    /// cwnd: how much may be in flight.
    #[inline]
    pub const fn window(&self) -> u32 {
        match self {
            Self::Reno(reno) => reno.window(),
            Self::Fixed { window } => *window,
        }
    }

    /// The window at which slow start ends; `u32::MAX` until a loss tells.
    #[inline]
    pub const fn ssthresh(&self) -> u32 {
        match self {
            Self::Reno(reno) => reno.ssthresh(),
            Self::Fixed { .. } => u32::MAX,
        }
    }

    /// Whether the window is what holds the sender back with `flight` in flight. To be asked after sending, and the
    /// answer to be handed to [`on_ack`](Self::on_ack): a window that nobody fills says nothing about the path, so it
    /// must not grow (RFC 7661).
    #[inline]
    pub const fn is_limiting(&self, flight: u32) -> bool {
        match self {
            Self::Reno(reno) => reno.is_limiting(flight),
            Self::Fixed { .. } => false,
        }
    }

    /// `acked` new octets were acknowledged outside of recovery. Not to be called for the ACK that ends the handshake
    /// (RFC 5681 section 3.1).
    #[inline]
    pub fn on_ack(&mut self, acked: u32, was_limiting: bool) {
        match self {
            Self::Reno(reno) => reno.on_ack(acked, was_limiting),
            Self::Fixed { .. } => {}
        }
    }

    /// The handshake needed a second SYN or SYN,ACK: data starts with a window of one segment (RFC 5681 section 3.1).
    pub fn on_lost_syn(&mut self) {
        if let Self::Reno(reno) = self {
            reno.on_lost_syn();
        }
    }

    /// A loss was found by duplicate ACKs or SACK and recovery begins (RFC 5681 section 3.2 steps 2 and 3, RFC 6675
    /// section 5 step 4).
    ///
    /// The window is inflated by `departed` segments, those that duplicate ACKs say have left the network: 3 after
    /// three duplicate ACKs, 0 when a SACK scoreboard counts what is in the pipe.
    pub fn enter_recovery(&mut self, flight: u32, departed: u32) {
        if let Self::Reno(reno) = self {
            reno.enter_recovery(flight, departed);
        }
    }

    /// One more duplicate ACK in a recovery without SACK: another segment has left the network (RFC 5681 section 3.2
    /// step 4). However many come, they do not stand for more than `flight`, so that forged ones are worth nothing.
    pub fn on_duplicate_ack(&mut self, flight: u32) {
        if let Self::Reno(reno) = self {
            reno.on_duplicate_ack(flight);
        }
    }

    /// `acked` new octets were acknowledged in a recovery without SACK, not all that recovery is about (RFC 6582
    /// section 3.2 step 3).
    pub fn on_partial_ack(&mut self, acked: u32) {
        if let Self::Reno(reno) = self {
            reno.on_partial_ack(acked);
        }
    }

    /// All that recovery is about was acknowledged and `flight` is left: the window deflates, without a burst (RFC
    /// 6582 section 3.2 step 3, full acknowledgment, option 1).
    pub fn exit_recovery(&mut self, flight: u32) {
        if let Self::Reno(reno) = self {
            reno.exit_recovery(flight);
        }
    }

    /// The retransmission timer ran out, for the same segment `again` or for the first time (RFC 5681 section 3.1).
    pub fn on_retransmission_timeout(&mut self, flight: u32, again: bool) {
        if let Self::Reno(reno) = self {
            reno.on_retransmission_timeout(flight, again);
        }
    }

    /// Data is to be sent after nothing was for longer than one RTO: the window is that of a new connection at most
    /// (RFC 5681 section 4.1).
    pub fn on_idle_restart(&mut self) {
        if let Self::Reno(reno) = self {
            reno.on_idle_restart();
        }
    }

    /// The path's MTU changed the size of segments; the window in octets stays, but holds one segment at least.
    pub fn set_smss(&mut self, smss: u16) {
        if let Self::Reno(reno) = self {
            reno.set_smss(smss);
        }
    }
}

#[cfg(test)]
mod tests;
