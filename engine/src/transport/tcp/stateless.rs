//! Handshakes without a half-open entry: a listener under a flood of SYNs (RFC 4987).

use super::Tcp;
use super::arrival::Arrival;
use super::cookie::Told;
use super::half_open::{HalfOpen, Offered};
use super::handshake::{Syn, default_mss, syn_ack_flags};
use super::input::timestamp_clock;
use super::options::Timestamps;
use super::segment::Flags;
use crate::frame::Packet;
use crate::internet::Output;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

impl Tcp {
    /// There is no room for a half-open entry: its peer keeps it, in a SYN-ACK that is never sent again.
    #[cold]
    pub(super) fn answer_with_cookie(&mut self, out: &mut Output<'_>, entry: &HalfOpen<FlowKey>) {
        if !self.config.syn_cookies {
            self.counters.dropped_half_open_full += 1;
            return;
        }
        let told = Told {
            mss: match entry.mss {
                0 => default_mss(entry.key.local.is_v4()),
                announced => announced,
            },
            window_shift: entry.window_shift,
            offered: entry.offered,
        };
        let cookie = self.cookies.make(&entry.key, entry.irs, told, out.now);
        let offers = |option| cookie.told.offered.contains(option);
        let tsval = timestamp_clock(out.now).wrapping_add(entry.ts_offset);
        let syn = Syn {
            flags: syn_ack_flags(cookie.told.offered),
            seq: cookie.iss,
            ack: entry.irs + 1,
            window_scale: offers(Offered::WINDOW_SCALE).then_some(self.window_scale),
            sack_permitted: offers(Offered::SACK),
            timestamps: offers(Offered::TIMESTAMPS).then(|| Timestamps {
                tsval: cookie.stamp(tsval),
                tsecr: entry.ts_recent,
            }),
            traffic_class: 0,
        };
        self.counters.syn_cookies_sent += 1;
        if self.emit_syn(out, &entry.key, syn).is_none() {
            self.counters.replies_lost += 1;
        }
    }

    /// Whether a segment to a listener may bring a cookie back.
    #[inline]
    pub(super) fn may_bring_cookie(&self, out: &Output<'_>, arrival: &Arrival<'_>) -> bool {
        let flags = arrival.header.flags;
        self.cookies.are_out(out.now)
            && flags.contains(Flags::ACK)
            && !flags.intersects(Flags::SYN | Flags::RST)
    }

    /// The last segment of a handshake, or the first with text, of which only the peer knows. What is no cookie is reset, as any
    /// acknowledgment to a listener; a good one that finds the accept queue full is dropped, and its peer will say it again. It takes the
    /// place of `entry`, the half-open one of the same SYN, if there is one: the peer knows nothing of that.
    #[cold]
    pub(super) fn on_cookie(
        &mut self,
        out: &mut Output<'_>,
        listener: u32,
        entry: Option<Flow>,
        arrival: &Arrival<'_>,
        packet: &mut Packet,
    ) {
        let header = &arrival.header;
        let (irs, iss) = (header.seq - 1, header.ack - 1);
        let timestamps = header.options.timestamps;
        let echo = timestamps.map(|timestamps| timestamps.tsecr);
        let Some(told) = self.cookies.open(arrival.key, irs, iss, echo, out.now) else {
            self.counters.syn_cookies_refused += 1;
            return self.reset_reply(out, arrival);
        };
        if let Some(flow) = entry {
            self.forget_half_open(flow, arrival.hash);
        }
        let entry = HalfOpen {
            key: *arrival.key,
            irs,
            iss,
            ts_recent: timestamps.map_or(0, |timestamps| timestamps.tsval),
            ts_offset: self.isn.origin(arrival.key).timestamp_offset(),
            listener: listener as u16,
            mss: told.mss,
            window: header.window,
            window_shift: told.window_shift,
            offered: told.offered,
        };
        if let Some(index) = self.give_birth(out, None, &entry, arrival) {
            self.counters.syn_cookies_accepted += 1;
            self.on_segment(out, index, arrival, packet);
        }
    }
}
