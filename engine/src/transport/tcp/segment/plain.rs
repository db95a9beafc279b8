//! The headers that nearly all segments have.

use super::super::options::{self, Timestamps};
use super::super::seq::SeqNumber;
use super::{Flags, HEADER_LEN, Header, u16_at, u32_at};
use crate::frame::Packet;

/// A header with ACK and perhaps PSH or FIN, without options or with timestamps as RFC 7323 appendix A recommends them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::transport::tcp) struct Plain {
    pub(in crate::transport::tcp) seq: SeqNumber,
    pub(in crate::transport::tcp) ack: SeqNumber,
    /// As the wire has it.
    pub(in crate::transport::tcp) window: u16,
    /// Whether it is the peer's last segment.
    pub(in crate::transport::tcp) fin: bool,
    pub(in crate::transport::tcp) timestamps: Option<Timestamps>,
}

const TIMED_LEN: usize = HEADER_LEN + options::TIMESTAMPS_LEN;

impl Plain {
    /// Reads the header that begins `offset` octets into the packet. `None` leaves every other header, and what is wrong with it, to
    /// [`Header::parse`](super::Header::parse).
    #[inline(always)]
    pub(in crate::transport::tcp) fn at(packet: &Packet, offset: usize) -> Option<Self> {
        // Nearly all have timestamps, so that one look at the bounds will do.
        if let Some(timed) = packet.chunk_at::<TIMED_LEN>(offset) {
            let (fixed, block) = timed.split_first_chunk().expect("longer than a fixed header");
            if is_plain(fixed, TIMED_LEN) {
                let block = block.first_chunk().expect("as long as timestamps are");
                return Some(Self::from_parts(
                    fixed,
                    Some(options::parse_aligned_timestamps(block)?),
                ));
            }
        }
        let bare = packet
            .chunk_at(offset)
            .filter(|bare| is_plain(bare, HEADER_LEN))?;
        Some(Self::from_parts(bare, None))
    }

    #[inline(always)]
    fn from_parts(fixed: &[u8; HEADER_LEN], timestamps: Option<Timestamps>) -> Self {
        Self {
            seq: SeqNumber(u32_at(fixed, 4)),
            ack: SeqNumber(u32_at(fixed, 8)),
            window: u16_at(fixed, 14),
            fin: fixed[13] & Flags::FIN.0 != 0,
            timestamps,
        }
    }

    /// The same of a header that was read already. `None` when it has more flags or options.
    pub(in crate::transport::tcp) fn of(header: &Header) -> Option<Self> {
        let is_plain =
            header.flags.without(Flags::PSH | Flags::FIN) == Flags::ACK && header.options.sack.is_empty();
        is_plain.then_some(Self {
            seq: header.seq,
            ack: header.ack,
            window: header.window,
            fin: header.flags.contains(Flags::FIN),
            timestamps: header.options.timestamps,
        })
    }

    /// Where the text starts, in octets.
    #[inline(always)]
    pub(in crate::transport::tcp) fn header_len(&self) -> usize {
        if self.timestamps.is_some() {
            TIMED_LEN
        } else {
            HEADER_LEN
        }
    }
}

/// Whether a header is `len` octets long and has ACK, but nothing besides that is an event: neither reserved bits nor flags other than PSH
/// and FIN.
#[inline(always)]
fn is_plain(fixed: &[u8; HEADER_LEN], len: usize) -> bool {
    const FREE: u16 = (Flags::PSH.0 | Flags::FIN.0) as u16;
    u16_at(fixed, 12) & !FREE == (len as u16 / 4) << 12 | Flags::ACK.0 as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The header of a segment behind a network header of 20 octets.
    fn plain(segment: &[u8]) -> Option<Plain> {
        const NETWORK: usize = 20;
        let mut packet = Packet::default();
        packet.set_header_len(NETWORK + segment.len())[NETWORK..].copy_from_slice(segment);
        Plain::at(&packet, NETWORK)
    }

    proptest! {
        #[test]
        fn a_plain_header_is_read_as_the_general_parser_reads_it(
            mut segment in prop::collection::vec(any::<u8>(), 0..64),
            data_offset in prop::sample::select(vec![5u8, 8, 8, 9]),
            flags in prop::sample::select(vec![0x10u8, 0x18, 0x11, 0x30, 0x50]),
            has_timestamps in any::<bool>(),
        ) {
            if segment.len() > 13 {
                segment[12..14].copy_from_slice(&[data_offset << 4, flags]);
            }
            if has_timestamps && segment.len() > 24 {
                segment[20..24].copy_from_slice(&[1, 1, 8, 10]);
            }
            let Some(plain) = plain(&segment) else {
                return Ok(());
            };
            let header = Header::parse(&segment).unwrap();
            prop_assert_eq!(Plain::of(&header), Some(plain));
            prop_assert_eq!(plain.seq, header.seq);
            prop_assert_eq!(plain.ack, header.ack);
            prop_assert_eq!(plain.window, header.window);
            prop_assert_eq!(plain.timestamps, header.options.timestamps);
            prop_assert_eq!(plain.header_len(), usize::from(header.header_len));
            prop_assert_eq!(plain.fin, header.flags.contains(Flags::FIN));
            prop_assert_eq!(header.flags.without(Flags::PSH | Flags::FIN), Flags::ACK);
        }
    }

    #[test]
    fn the_usual_segment_is_plain() {
        let mut segment = [0; 33];
        segment[12..14].copy_from_slice(&[8 << 4, 0x18]);
        segment[20..24].copy_from_slice(&[1, 1, 8, 10]);
        assert!(plain(&segment).is_some_and(|plain| plain.header_len() == 32));
        segment[13] = 0x11;
        assert!(plain(&segment).is_some_and(|plain| plain.fin));
        segment[13] = 0x12;
        assert_eq!(plain(&segment), None, "a SYN is an event");
    }
}
