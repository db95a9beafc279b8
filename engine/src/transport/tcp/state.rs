//! The eleven states of a connection and the transitions between them (RFC 9293 section 3.3.2 and figure 5).
//!
//! Every transition is total: an event that means nothing in a state leaves the state as it is, and what to answer
//! then (a RST, a challenge ACK, an error to the application) is for the caller. One segment may bring several events;
//! they are applied in the RFC's order: RST, SYN, ACK, FIN (section 3.10.7.4).

use core::fmt;

/// The state of a connection (RFC 9293 section 3.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// No connection.
    Closed,
    /// Waits for a SYN from any remote end.
    Listen,
    /// Has sent a SYN and waits for the matching one.
    SynSent,
    /// Has sent and received a SYN and waits for its own to be acknowledged.
    SynReceived,
    /// Open: data flows both ways.
    Established,
    /// Has closed its side; its FIN is not acknowledged, the remote side is open.
    FinWait1,
    /// Its FIN is acknowledged, the remote side is open.
    FinWait2,
    /// The remote side is closed, this one is open.
    CloseWait,
    /// Both sides closed at the same time; its own FIN is not acknowledged.
    Closing,
    /// Closed after the remote side did; its FIN is not acknowledged.
    LastAck,
    /// Both sides are closed; lingers so that nothing old reaches a new connection.
    TimeWait,
}

/// How a connection was opened, which decides where a RST in SYN-RECEIVED leads (MUST-11).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Open {
    /// By a SYN that this end sent first.
    Active,
    /// By a SYN that came to a listening end.
    Passive,
}

impl State {
    /// All states, in the RFC's order.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The state's name as the RFC writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

/// What holds in a state.
impl State {
    /// Whether both ends agree on both sequence numbers (RFC 9293 section 3.5.2, the third group).
    #[inline]
    pub const fn is_synchronized(self) -> bool {
        self as u8 >= Self::Established as u8
    }

    /// Whether the application may hand over data that can leave at once.
    #[inline]
    pub const fn may_send_data(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Whether the application may hand over data, be it that it waits for the handshake (RFC 9293 section 3.10.2).
    #[inline]
    pub const fn may_queue_data(self) -> bool {
        self.may_send_data() || matches!(self, Self::SynSent | Self::SynReceived)
    }

    /// Whether the text of a segment is accepted (RFC 9293 section 3.10.7.4, step 7). Text that comes with a
    /// handshake is accepted once the connection is established.
    #[inline]
    pub const fn may_receive_data(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether this end's FIN is sent, or queued behind the last data.
    #[inline]
    pub const fn fin_sent(self) -> bool {
        matches!(
            self,
            Self::FinWait1 | Self::FinWait2 | Self::Closing | Self::LastAck | Self::TimeWait
        )
    }

    /// Whether this end's FIN waits for its acknowledgment.
    #[inline]
    pub const fn fin_unacknowledged(self) -> bool {
        matches!(self, Self::FinWait1 | Self::Closing | Self::LastAck)
    }

    /// Whether the remote end's FIN has arrived, in order.
    #[inline]
    pub const fn fin_received(self) -> bool {
        matches!(
            self,
            Self::CloseWait | Self::Closing | Self::LastAck | Self::TimeWait
        )
    }
}

/// The arrows of figure 5.
impl State {
    /// OPEN, to listen.
    #[inline]
    pub const fn on_passive_open(self) -> Self {
        match self {
            Self::Closed => Self::Listen,
            unchanged => unchanged,
        }
    }

    /// OPEN, to connect; a SYN is sent.
    #[inline]
    pub const fn on_active_open(self) -> Self {
        match self {
            Self::Closed | Self::Listen => Self::SynSent,
            unchanged => unchanged,
        }
    }

    /// A SYN without an ACK: a passive open in LISTEN, a simultaneous open in SYN-SENT (MUST-10); a SYN,ACK is sent.
    #[inline]
    pub const fn on_syn_received(self) -> Self {
        match self {
            Self::Listen | Self::SynSent => Self::SynReceived,
            unchanged => unchanged,
        }
    }

    /// A SYN that acknowledges this end's SYN; an ACK is sent.
    #[inline]
    pub const fn on_syn_ack_received(self) -> Self {
        match self {
            Self::SynSent => Self::Established,
            unchanged => unchanged,
        }
    }

    /// An ACK of this end's SYN, without a SYN of its own.
    #[inline]
    pub const fn on_syn_acknowledged(self) -> Self {
        match self {
            Self::SynReceived => Self::Established,
            unchanged => unchanged,
        }
    }

    /// CLOSE by the application; a FIN is sent after the last data, in SYN-RECEIVED after the handshake.
    #[inline]
    pub const fn on_close_requested(self) -> Self {
        match self {
            Self::Listen | Self::SynSent => Self::Closed,
            Self::SynReceived | Self::Established => Self::FinWait1,
            Self::CloseWait => Self::LastAck,
            unchanged => unchanged,
        }
    }

    /// A FIN that is in order; an ACK is sent. Apply [`on_fin_acknowledged`](Self::on_fin_acknowledged) first when the
    /// same segment brings both.
    #[inline]
    pub const fn on_fin_received(self) -> Self {
        match self {
            Self::SynReceived | Self::Established => Self::CloseWait,
            Self::FinWait1 => Self::Closing,
            Self::FinWait2 => Self::TimeWait,
            unchanged => unchanged,
        }
    }

    /// An ACK that covers this end's FIN.
    #[inline]
    pub const fn on_fin_acknowledged(self) -> Self {
        match self {
            Self::FinWait1 => Self::FinWait2,
            Self::Closing => Self::TimeWait,
            Self::LastAck => Self::Closed,
            unchanged => unchanged,
        }
    }

    /// An acceptable RST. TIME-WAIT outlives it, so that a stray RST cannot assassinate it (RFC 1337, fix F1).
    #[inline]
    pub const fn on_rst_received(self, open: Open) -> Self {
        match (self, open) {
            (Self::Listen | Self::TimeWait, _) => self,
            (Self::SynReceived, Open::Passive) => Self::Listen,
            _ => Self::Closed,
        }
    }

    /// ABORT by the application, or the end of its patience (RFC 9293 sections 3.10.5 and 3.10.8).
    #[inline]
    pub const fn on_abort(self) -> Self {
        Self::Closed
    }

    /// Two maximum segment lifetimes passed in TIME-WAIT.
    #[inline]
    pub const fn on_time_wait_expired(self) -> Self {
        match self {
            Self::TimeWait => Self::Closed,
            unchanged => unchanged,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests;
