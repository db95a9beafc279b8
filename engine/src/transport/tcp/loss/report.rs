//! What the receiver tells of gaps: SACK blocks (RFC 2018) and duplicates (RFC 2883).

use crate::frame::Packet;
use crate::internet::{Internet, protocol};
use crate::transport::flow::FlowKey;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::arrival::Arrival;
use crate::transport::tcp::connection::{Connection, Flags as Has};
use crate::transport::tcp::connections::Queues;
use crate::transport::tcp::options::{self, SackBlock, SackBlocks, Timestamps};
use crate::transport::tcp::segment::{CHECKSUM_AT, EmitHeader, HEADER_LEN};

impl Tcp {
    /// Text was kept beyond a gap, or a gap was filled: whether acknowledgments have something to report.
    #[cold]
    pub(in crate::transport::tcp) fn note_gaps(&mut self, index: u32) {
        let owes_duplicate = self.owes_duplicate(index);
        let connection = self.connections.get_mut(index);
        let early = self
            .queues
            .receive
            .get(connection.receive)
            .map(|queue| &mut queue.early);
        let has_gaps = early.is_some_and(|early| {
            early.forget_before(connection.rcv_nxt);
            !early.is_empty()
        });
        if has_gaps && connection.flags.has(Has::SACK) {
            connection.flags.set(Has::SACK_DUE);
        } else if !owes_duplicate {
            connection.flags.clear(Has::SACK_DUE);
        }
    }

    /// Octets came a second time; the next acknowledgment says so, once, of the first that did (RFC 2883 section 4). It is due at once, and when
    /// that of another connection comes between, the report is lost, as it could be on the way.
    #[cold]
    pub(in crate::transport::tcp) fn note_duplicate(&mut self, index: u32, duplicate: SackBlock) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::SACK) {
            connection.flags.set(Has::SACK_DUE | Has::ACK_NOW);
            self.dirty.mark(index, connection);
            self.duplicate = Some((index, duplicate));
        }
    }

    /// Whether the next acknowledgment reports octets that came a second time.
    pub(in crate::transport::tcp) fn owes_duplicate(&self, index: u32) -> bool {
        self.duplicate.is_some_and(|(of, _)| of == index)
    }

    /// A segment that is not acceptable may be one that came before.
    pub(in crate::transport::tcp) fn note_if_duplicate(&mut self, index: u32, arrival: &Arrival<'_>) {
        let rcv_nxt = self.connections.get(index).rcv_nxt;
        let left = arrival.header.seq;
        let right = left + arrival.text_len;
        if arrival.text_len > 0 && right.le(rcv_nxt) {
            self.note_duplicate(index, SackBlock { left, right });
        }
    }
}

/// The blocks for the next segment of a connection, which has `text_len` octets of text: none when they would make it too long.
#[cold]
pub(in crate::transport::tcp) fn due(
    index: u32,
    connection: &mut Connection,
    queues: &mut Queues,
    duplicate: &mut Option<(u32, SackBlock)>,
    text_len: u32,
) -> SackBlocks {
    if !connection.flags.has(Has::SACK_DUE) {
        return SackBlocks::default();
    }
    let limit = options::max_sack_blocks(connection.flags.has(Has::TIMESTAMPS));
    let longest = options::segment_len(false, limit) as u32;
    if text_len > 0 && text_len + longest > u32::from(connection.mss) {
        return SackBlocks::default();
    }
    let duplicate = duplicate.take_if(|(of, _)| *of == index).map(|(_, block)| block);
    match queues.receive.get(connection.receive) {
        Some(queue) if !queue.early.is_empty() => queue.early.report(duplicate, limit),
        _ => {
            connection.flags.clear(Has::SACK_DUE);
            let mut alone = SackBlocks::default();
            duplicate.into_iter().for_each(|block| alone.push(block));
            alone
        }
    }
}

/// The headers of a segment with SACK blocks.
#[cold]
pub(in crate::transport::tcp) fn write_headers(
    internet: &mut Internet,
    packet: &mut Packet,
    key: &FlowKey,
    traffic_class: u8,
    header: &EmitHeader,
    timestamps: Option<Timestamps>,
    sack: &SackBlocks,
) {
    let options_len = options::segment_len(timestamps.is_some(), sack.as_slice().len());
    let bytes = internet.begin(
        packet,
        &key.local,
        &key.remote,
        protocol::TCP,
        traffic_class,
        HEADER_LEN + options_len,
    );
    let (fixed, rest) = bytes.split_first_chunk_mut().expect("as long as asked for");
    header.emit(options_len, fixed);
    options::emit_segment(timestamps, sack.as_slice(), rest);
    internet.complete(packet, &key.local, &key.remote, protocol::TCP, CHECKSUM_AT);
}
