//! What the network's complaints do to connections (RFC 9293 section 3.9.2.2, RFC 5927).

use super::Tcp;
use super::connection::ConnectionError;
use super::seq::SeqNumber;
use super::state::State;
use super::trouble::SoftError;
use crate::internet::icmp::{self, Reason};
use crate::time::Instant;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

impl Tcp {
    /// An ICMP error about a segment of ours. It ends an attempt to connect; a connection that is established only tells the
    /// application of it, since anybody can forge it (RFC 5927 section 5).
    pub(crate) fn on_icmp_error(&mut self, key: &FlowKey, error: &icmp::Error, now: Instant) {
        let hash = key.hash(&self.flow_hasher);
        let Some(Flow::Connection(index)) = self.find(key, hash) else {
            return;
        };
        let connection = self.connections.get(index);
        let quoted = error.quoted.tcp_sequence().map(SeqNumber);
        let is_outstanding =
            quoted.is_some_and(|seq| seq.ge(connection.snd_una) && seq.lt(connection.snd_max));
        if !is_outstanding {
            self.counters.icmp_errors_ignored += 1;
            return;
        }
        let is_opening = matches!(connection.state, State::SynSent | State::SynReceived);
        match error.reason {
            Reason::PortUnreachable | Reason::ProtocolUnreachable if is_opening => {
                self.fail(index, ConnectionError::Refused);
            }
            Reason::PacketTooBig { mtu } if !is_opening => self.on_packet_too_big(index, mtu, now),
            Reason::Prohibited | Reason::Undeliverable if is_opening => {
                self.fail(index, ConnectionError::Unreachable);
            }
            reason => {
                self.counters.icmp_errors_ignored += 1;
                if let Some(trouble) = SoftError::of(reason) {
                    self.note_trouble(index, trouble);
                }
            }
        }
    }
}
