//! What the application may want to know although the connection goes on: that nothing is acknowledged any more, and what the network says
//! (RFC 9293 sections 3.8.3 and 3.9.1.8).

use super::Tcp;
use super::application::Id;
use crate::internet::icmp::Reason;
use crate::transport::ready::Ready;

/// Timeouts in a row after which delivery is in trouble: R1 of RFC 9293 section 3.8.3, for by then three retransmissions have not been
/// answered, the least that SHLD-10 allows. The path may be one that swallows large segments; Linux's choice.
pub(super) const R1: u8 = 4;

/// Why a connection may be in trouble. It goes on: the network may recover, and anybody can forge what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SoftError {
    /// Three retransmissions have not been answered.
    #[error("the peer has not answered three retransmissions")]
    Unanswered,
    /// No route to the network.
    #[error("network unreachable")]
    NetworkUnreachable,
    /// The last router cannot reach the host, or no way to the first one is known.
    #[error("host unreachable")]
    HostUnreachable,
    /// The host says that nobody is at the port, or that it does not know TCP.
    #[error("port or protocol unreachable")]
    PortUnreachable,
    /// A filter or a policy forbids it.
    #[error("communication prohibited")]
    Prohibited,
    /// The hop limit ran out: perhaps packets go in circles.
    #[error("time to live exceeded")]
    TimeExceeded,
    /// Something in the headers displeased.
    #[error("parameter problem")]
    ParameterProblem,
}

impl SoftError {
    /// `None` for what is no error of delivery.
    pub(super) fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::NetworkUnreachable => Some(Self::NetworkUnreachable),
            Reason::HostUnreachable | Reason::Undeliverable => Some(Self::HostUnreachable),
            Reason::ProtocolUnreachable | Reason::PortUnreachable => Some(Self::PortUnreachable),
            Reason::Prohibited => Some(Self::Prohibited),
            Reason::TimeExceeded => Some(Self::TimeExceeded),
            Reason::ParameterProblem { .. } => Some(Self::ParameterProblem),
            Reason::PacketTooBig { .. } | Reason::SourceQuench | Reason::Unknown => None,
        }
    }
}

impl Tcp {
    /// Tells the application of trouble; the last one counts.
    #[cold]
    pub(super) fn note_trouble(&mut self, index: u32, trouble: SoftError) {
        self.rare_or_new(index).trouble = Some(trouble);
        let connection = self.connections.get_mut(index);
        self.notices.add(index, connection, Ready::TROUBLE);
    }

    /// The last trouble of a connection, once.
    pub(crate) fn take_trouble(&mut self, id: Id) -> Option<SoftError> {
        self.connections.lookup(id.index, id.generation)?;
        self.rare(id.index)?.trouble.take()
    }
}
