//! Explicit congestion notification (RFC 3168): routers mark instead of dropping, the receiver echoes, the sender slows down.
//!
//! Text that is new goes out as ECT(0); retransmissions, pure acknowledgments, probes and what opens or resets a connection do not (section
//! 6.1.4 and 6.1.5; RFC 8311 would let experiments do more). A connection that does not use ECN pays one test of a flag for each segment
//! that it sends.

use super::Tcp;
use super::arrival::Arrival;
use super::connection::{Connection, Flags as Has};
use super::segment::Flags;
use crate::config::Ecn;
use crate::internet::datagram;

/// What a SYN says that asks for ECN (section 6.1.1).
pub(super) const SETUP: Flags = Flags(Flags::ECE.0 | Flags::CWR.0);

impl Tcp {
    /// Whether a SYN of ours asks for ECN: the first one. A router that drops such SYNs must not keep the ends apart (section 6.1.1.1).
    pub(super) fn asks_for_ecn(&self, connection: &Connection) -> bool {
        self.config.ecn == Ecn::Always && !connection.flags.has(Has::SYN_RETRANSMITTED)
    }

    /// Whether we agree when a peer's SYN with these flags asks.
    pub(super) fn grants_ecn(&self, flags: Flags) -> bool {
        self.config.ecn != Ecn::Off && flags.contains(SETUP)
    }

    /// Whether both ends use ECN after a SYN or SYN-ACK that meets ours. Who has sent a SYN that does not ask must not (section 6.1.1).
    pub(super) fn agrees_on_ecn(&self, connection: &Connection, flags: Flags) -> bool {
        let granted = if flags.contains(Flags::ACK) {
            flags.contains(Flags::ECE) && !flags.contains(Flags::CWR)
        } else {
            flags.contains(SETUP)
        };
        granted && self.asks_for_ecn(connection)
    }

    /// What an acceptable segment of a connection that uses ECN tells of congestion, in either direction (sections 6.1.2 and 6.1.3).
    #[cold]
    pub(super) fn on_ecn(&mut self, index: u32, arrival: &Arrival<'_>) {
        let flags = arrival.header.flags;
        let connection = self.connections.get_mut(index);
        if flags.contains(Flags::CWR) {
            connection.flags.clear(Has::ECN_ECHO);
        }
        if arrival.congested && arrival.text_len > 0 {
            self.counters.ecn_marks_received += 1;
            connection.flags.set(Has::ECN_ECHO | Has::ACK_NOW);
            self.dirty.mark(index, connection);
        }
        if flags.contains(Flags::ECE) {
            self.on_congestion_echo(index);
        }
    }

    /// The peer says that a router met congestion. That counts once in a window of data, however it was met: the echo goes on until our
    /// answer arrives. While it is heard the window does not grow.
    fn on_congestion_echo(&mut self, index: u32) {
        let until = self.rare(index).and_then(|rare| rare.reduced);
        let connection = self.connections.get_mut(index);
        connection.flags.clear(Has::WINDOW_LIMITED);
        let was_reduced = until.is_some_and(|until| connection.snd_una.lt(until))
            || self
                .queues
                .loss
                .get(connection.loss)
                .is_some_and(|loss| loss.is_repairing());
        if was_reduced || connection.all_acknowledged() {
            return;
        }
        connection.congestion.on_congestion(connection.flight_size(0));
        connection.flags.set(Has::ECN_REDUCED);
        let snd_max = connection.snd_max;
        self.counters.ecn_reductions += 1;
        self.rare_or_new(index).reduced = Some(snd_max);
    }
}

/// The flags of a segment as a connection that uses ECN sends it, and the codepoint for its datagram. `is_new_text` when it brings text for
/// the first time.
#[cold]
pub(super) fn mark(
    connection: &mut Connection,
    mut flags: Flags,
    is_new_text: bool,
) -> (Flags, datagram::Ecn) {
    if flags.contains(Flags::RST) {
        return (flags, datagram::Ecn::NotCapable);
    }
    if connection.flags.has(Has::ECN_ECHO) {
        flags |= Flags::ECE;
    }
    if !is_new_text {
        return (flags, datagram::Ecn::NotCapable);
    }
    if connection.flags.take(Has::ECN_REDUCED) {
        flags |= Flags::CWR;
    }
    (flags, datagram::Ecn::Capable0)
}
