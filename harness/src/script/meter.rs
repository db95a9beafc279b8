//! What TCP_INFO counts for each connection and the engine does not: counted on the wire, where all of it passes.

use std::collections::HashMap;

use handfast::application::TcpInfo;
use handfast::time::Instant;

use super::build::Ends;
use super::decode::{Seen, decode};
use super::packet::{Body, FIN, SYN, Tcp};

/// What has passed of one connection.
#[derive(Clone, Copy, Default, Debug)]
struct Passed {
    /// The highest number that was sent, and the first.
    next: Option<u32>,
    /// The highest number that the peer has acknowledged.
    acked: Option<u32>,
    bytes_sent: i64,
    bytes_retrans: i64,
    total_retrans: i64,
    data_segs_out: i64,
    data_segs_in: i64,
    bytes_acked: i64,
    /// The number of the peer's first octet.
    first: Option<u32>,
    /// The number that comes next in order, as far as arrivals and our acknowledgments show.
    expected: Option<u32>,
    /// When text came last that was in order, or else the connection was made.
    text_at: Option<Instant>,
    /// When an acknowledgment came last.
    acked_at: Option<Instant>,
}

impl Passed {
    /// Whether `len` octets from `seq` on begin where the next are expected, or before, and reach further.
    fn take_in_order(&mut self, seq: u32, len: u32) -> bool {
        let end = seq.wrapping_add(len);
        let moves = len > 0
            && self
                .expected
                .is_some_and(|next| ahead(next, seq).is_none() && ahead(next, end).is_some());
        if moves {
            self.expected = Some(end);
        }
        moves
    }
}

/// Counts what passes, by our port and the peer's.
#[derive(Debug, Default)]
pub(super) struct Meter {
    connections: HashMap<(u16, u16), Passed>,
}

/// How far `to` is behind `from`, if it is.
fn ahead(from: u32, to: u32) -> Option<u32> {
    let distance = to.wrapping_sub(from);
    (distance.cast_signed() > 0).then_some(distance)
}

fn segment(bytes: &[u8]) -> Option<(Ends, Tcp)> {
    let Seen { ends, packet } = decode(bytes).ok()?;
    match packet.body {
        Body::Tcp(tcp) => Some((ends, tcp)),
        _ => None,
    }
}

impl Meter {
    /// Counts a packet that the engine sends.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let Some((ends, tcp)) = segment(bytes) else {
            return;
        };
        let passed = self
            .connections
            .entry((ends.from_port, ends.to_port))
            .or_default();
        if tcp.flags & SYN != 0 && passed.next != Some(tcp.seq.wrapping_add(1)) {
            *passed = Passed {
                first: passed.first.filter(|_| tcp.ack.is_some()),
                expected: passed.expected.filter(|_| tcp.ack.is_some()),
                next: Some(tcp.seq.wrapping_add(1)),
                acked: Some(tcp.seq.wrapping_add(1)),
                ..Passed::default()
            };
            return;
        }
        if let (Some(ack), Some(expected)) = (tcp.ack, passed.expected)
            && ahead(expected, ack).is_some()
        {
            passed.expected = Some(ack);
        }
        let text = i64::from(tcp.len);
        passed.data_segs_out += i64::from(text > 0);
        passed.bytes_sent += text;
        let end = tcp
            .seq
            .wrapping_add(tcp.len)
            .wrapping_add(u32::from(tcp.flags & (SYN | FIN) != 0));
        let is_news = passed.next.is_none_or(|next| ahead(next, end).is_some());
        if is_news {
            passed.next = Some(end);
        } else if end != tcp.seq {
            passed.total_retrans += 1;
            passed.bytes_retrans += text;
        }
    }

    /// Counts a packet that arrives at the engine at `now`.
    pub(super) fn arrives(&mut self, bytes: &[u8], now: Instant) {
        let Some((ends, tcp)) = segment(bytes) else {
            return;
        };
        let passed = self
            .connections
            .entry((ends.to_port, ends.from_port))
            .or_default();
        passed.data_segs_in += i64::from(tcp.len > 0);
        let is_syn = tcp.flags & SYN != 0;
        if is_syn {
            passed.first = Some(tcp.seq.wrapping_add(1));
            passed.expected = passed.first;
        }
        let moves = passed.take_in_order(tcp.seq, tcp.len);
        if is_syn || moves || passed.acked_at.is_none() {
            passed.text_at = Some(now);
        }
        passed.acked_at = tcp.ack.map(|_| now).or(passed.acked_at);
        let (Some(ack), Some(acked), Some(next)) = (tcp.ack, passed.acked, passed.next) else {
            return;
        };
        if let Some(more) = ahead(acked, ack).filter(|_| ahead(next, ack).is_none()) {
            passed.bytes_acked += i64::from(more);
            passed.acked = Some(ack);
        }
    }

    /// What a connection's field of that name is at `now`, when its snapshot is `of`.
    pub(super) fn field(&self, ports: (u16, u16), name: &str, of: &TcpInfo, now: Instant) -> Option<i64> {
        let passed = self.connections.get(&ports).copied().unwrap_or_default();
        let since =
            |then: Option<Instant>| then.map_or(0, |then| now.saturating_since(then).as_millis() as i64);
        Some(match name {
            "tcpi_bytes_sent" => passed.bytes_sent,
            "tcpi_bytes_retrans" => passed.bytes_retrans,
            "tcpi_total_retrans" => passed.total_retrans,
            "tcpi_data_segs_out" => passed.data_segs_out,
            "tcpi_data_segs_in" => passed.data_segs_in,
            "tcpi_bytes_acked" => passed.bytes_acked,
            "tcpi_bytes_received" => passed
                .first
                .map_or(0, |first| i64::from(of.rcv_nxt.wrapping_sub(first))),
            "tcpi_last_data_recv" => since(passed.text_at),
            "tcpi_last_ack_recv" => since(passed.acked_at),
            _ => return None,
        })
    }
}
