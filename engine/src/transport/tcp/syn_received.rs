//! What a connection that is not born yet says to segments that do not complete it (SYN-RECEIVED of RFC 9293 section 3.10.7.4, with RFC
//! 5961).

use super::Tcp;
use super::arrival::Arrival;
use super::half_open::{HalfOpen, Offered};
use super::handshake::initial_window;
use super::reply::Reply;
use super::segment::Flags;
use crate::internet::Output;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

impl Tcp {
    /// Whether a segment may complete the handshake: an acknowledgment in the window, and nothing that ends or begins a connection. All
    /// else is answered here.
    ///
    /// The SYN of the handshake, when it comes again, is answered with the SYN-ACK, which says what an acknowledgment would and more. A SYN
    /// with any other number is challenged wherever it lies, as in a synchronized state: the RFC would give the attempt up for one inside
    /// the window, so that anybody who guesses a number could end the attempt of another. A peer that really starts anew answers the
    /// challenge with an exact reset, and its next SYN finds nothing in the way.
    pub(super) fn may_complete(
        &mut self,
        out: &mut Output<'_>,
        flow: Flow,
        entry: &HalfOpen<FlowKey>,
        arrival: &Arrival<'_>,
    ) -> bool {
        let (header, rcv_nxt) = (&arrival.header, entry.irs + 1);
        let flags = header.flags;
        let is_inside = header
            .seq
            .in_window(rcv_nxt, u32::from(initial_window(&self.config)));
        if flags.contains(Flags::RST) {
            // Back to LISTEN without a word (EV-RST-2); only an exact reset counts (RFC 5961 section 3).
            if header.seq == rcv_nxt {
                self.forget_half_open(flow, arrival.hash);
            } else if is_inside {
                self.challenge_half_open(out, flow);
            }
            return false;
        }
        if flags.contains(Flags::SYN) {
            if header.seq == entry.irs && !flags.contains(Flags::ACK) {
                self.counters.segments_retransmitted += 1;
                if let Some(timestamps) = header.options.timestamps {
                    self.half_open.set_ts_recent(flow, timestamps.tsval);
                }
                let entry = self.half_open.get(flow);
                self.send_syn_ack(out, &entry);
            } else {
                self.challenge_half_open(out, flow);
            }
            return false;
        }
        if !is_inside {
            self.counters.dropped_out_of_window += 1;
            self.challenge_half_open(out, flow);
        } else if !flags.contains(Flags::ACK) {
            self.counters.dropped_unexpected += 1;
        }
        is_inside && flags.contains(Flags::ACK)
    }

    /// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, within the entry's limit.
    fn challenge_half_open(&mut self, out: &mut Output<'_>, flow: Flow) {
        if !self.half_open.may_challenge(flow, self.config.challenges) {
            self.counters.challenge_acks_limited += 1;
            return;
        }
        self.counters.challenge_acks += 1;
        let entry = self.half_open.get(flow);
        let scales = entry.offered.contains(Offered::WINDOW_SCALE);
        let shift = if scales { self.window_scale } else { 0 };
        let reply = Reply {
            flags: Flags::ACK,
            seq: entry.iss + 1,
            ack: entry.irs + 1,
            window: initial_window(&self.config) >> shift,
            timestamps: entry.timestamps(out.now),
        };
        self.reply(out, &entry.key, reply);
    }
}
