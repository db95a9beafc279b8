//! Segments that answer at once: acknowledgments, challenges, resets.

use super::Tcp;
use super::arrival::Arrival;
use super::input::timestamp_clock;
use super::milliseconds::timeout_in_millis;
use super::options::{self, Timestamps};
use super::outgoing::timestamps_of;
use super::output::Text;
use super::segment::{CHECKSUM_AT, EmitHeader, Flags, HEADER_LEN};
use super::seq::SeqNumber;
use super::state::State;
use crate::internet::{Output, protocol};
use crate::transport::flow::FlowKey;

impl Tcp {
    /// Sends an acknowledgment now.
    pub(super) fn acknowledge(&mut self, out: &mut Output<'_>, index: u32) {
        let seq = self.connections.get(index).snd_max;
        if self.emit(out, index, Flags::ACK, seq, Text::None).is_none() {
            self.counters.replies_lost += 1;
        }
    }

    /// Answers a segment that is not acceptable (RFC 9293 section 3.10.7.4), one without text rarely.
    pub(super) fn acknowledge_invalid(&mut self, out: &mut Output<'_>, index: u32, text_len: u32) {
        let now = timestamp_clock(out.now);
        let interval = timeout_in_millis(self.config.invalid_interval);
        let connection = self.connections.get_mut(index);
        if text_len == 0 {
            if connection.challenges > 0 && now.wrapping_sub(connection.challenged_at) < interval {
                self.counters.challenge_acks_limited += 1;
                return;
            }
            connection.challenged_at = now;
            connection.challenges = connection.challenges.max(1);
        }
        self.acknowledge(out, index);
    }

    /// Sends a challenge acknowledgment (RFC 5961), within the connection's limit.
    pub(super) fn challenge(&mut self, out: &mut Output<'_>, index: u32) {
        let now = timestamp_clock(out.now);
        let connection = self.connections.get_mut(index);
        if now.wrapping_sub(connection.challenged_at) >= 1000 {
            connection.challenged_at = now;
            connection.challenges = 0;
        }
        if connection.challenges >= self.config.challenges {
            self.counters.challenge_acks_limited += 1;
            return;
        }
        connection.challenges += 1;
        self.counters.challenge_acks += 1;
        self.acknowledge(out, index);
    }

    /// Resets a synchronized connection: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>.
    pub(super) fn send_reset(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get(index);
        if !matches!(
            connection.state,
            State::Closed | State::Listen | State::SynSent | State::TimeWait
        ) {
            let seq = connection.snd_max;
            self.counters.resets_sent += 1;
            if self
                .emit(out, index, Flags::RST | Flags::ACK, seq, Text::None)
                .is_none()
            {
                self.owe_reset(out, index);
            }
        }
    }

    /// Keeps the reset of a connection that goes until the transmit queue has room for it: nobody would say it again, and a peer that waits
    /// for us would wait for ever. Who aborts more than all connections without a poll between loses the rest.
    #[cold]
    fn owe_reset(&mut self, out: &Output<'_>, index: u32) {
        if self.owed_resets.len() >= self.config.connections as usize {
            self.counters.replies_lost += 1;
            return;
        }
        let connection = self.connections.get_mut(index);
        let reset = Reply {
            flags: Flags::RST | Flags::ACK,
            seq: connection.snd_max,
            ack: connection.rcv_nxt,
            window: connection.window_to_offer(),
            timestamps: timestamps_of(connection, out.now),
        };
        self.owed_resets.push((connection.key, reset));
    }

    #[cold]
    pub(super) fn send_owed_resets(&mut self, out: &mut Output<'_>) {
        while out.queue.room() > 0
            && let Some((key, reset)) = self.owed_resets.pop()
        {
            self.reply(out, &key, reset);
        }
    }

    /// Answers a segment that belongs to no connection (RFC 9293 section 3.10.7.1). A reset is never answered.
    pub(super) fn reset_reply(&mut self, out: &mut Output<'_>, arrival: &Arrival<'_>) {
        let header = &arrival.header;
        if header.flags.contains(Flags::RST) {
            return;
        }
        self.counters.resets_sent += 1;
        if header.flags.contains(Flags::ACK) {
            self.reply(
                out,
                arrival.key,
                Reply {
                    flags: Flags::RST,
                    seq: header.ack,
                    ack: SeqNumber(0),
                    window: 0,
                    timestamps: None,
                },
            );
        } else {
            let ack = arrival.end();
            self.reply(
                out,
                arrival.key,
                Reply {
                    flags: Flags::RST | Flags::ACK,
                    seq: SeqNumber(0),
                    ack,
                    window: 0,
                    timestamps: None,
                },
            );
        }
    }

    /// Sends a segment without text for which no connection exists.
    pub(super) fn reply(&mut self, out: &mut Output<'_>, key: &FlowKey, reply: Reply) {
        let Some(packet) = out.queue.push() else {
            self.counters.replies_lost += 1;
            return;
        };
        let options_len = options::segment_len(reply.timestamps.is_some(), 0);
        let header = out.internet.begin(
            packet,
            &key.local,
            &key.remote,
            protocol::TCP,
            0,
            HEADER_LEN + options_len,
        );
        let (fixed, rest) = header
            .split_first_chunk_mut::<HEADER_LEN>()
            .expect("as long as asked for");
        EmitHeader {
            seq: reply.seq,
            ack: reply.ack,
            source_port: key.local_port,
            destination_port: key.remote_port,
            window: reply.window,
            urgent: 0,
            flags: reply.flags,
        }
        .emit(options_len, fixed);
        options::emit_segment(reply.timestamps, &[], rest);
        out.internet
            .complete(packet, &key.local, &key.remote, protocol::TCP, CHECKSUM_AT);
        self.counters.segments_sent += 1;
    }
}

/// A reset that could not be sent yet.
pub(super) type OwedReset = (FlowKey, Reply);

/// What a [`Tcp::reply`] says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) flags: Flags,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) window: u16,
    pub(super) timestamps: Option<Timestamps>,
}
