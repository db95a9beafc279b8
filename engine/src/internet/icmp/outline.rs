//! What the headers of a datagram tell even when it is cut short, altered on its way or refused.

use crate::internet::address::Address;
use crate::internet::ipv6::extension::Cursor;
use crate::internet::{ipv4, ipv6, protocol};

/// Read without judging: no checksum, no limits on lengths, no verdict on options.
pub(super) struct Outline {
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) protocol: u8,
    /// Where the field lies that announces `protocol`.
    pub(super) protocol_at: usize,
    /// Where the payload begins: beyond the end when the headers alone fill what there is.
    pub(super) header_len: usize,
    /// What the datagram says its length is.
    pub(super) total_len: usize,
    pub(super) is_first_fragment: bool,
}

impl Outline {
    /// `None` when the headers are incomplete or of no version of IP.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::of_v4(bytes),
            6 => Self::of_v6(bytes),
            _ => None,
        }
    }

    fn of_v4(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk()?;
        let header_len = ipv4::header_len(header);
        (header_len >= ipv4::HEADER_LEN).then(|| Self {
            src: ipv4::src(header),
            dst: ipv4::dst(header),
            protocol: header[9],
            protocol_at: 9,
            header_len,
            total_len: usize::from(ipv4::u16_at(header, 2)),
            is_first_fragment: ipv4::fragment_offset(header) == 0,
        })
    }

    fn of_v6(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk()?;
        let (src, dst) = (ipv6::src(header), ipv6::dst(header));
        if src.is_v4() || dst.is_v4() {
            return None;
        }
        let mut cursor = Cursor::new(header, bytes);
        let mut is_first_fragment = true;
        while is_first_fragment && let Some(extension) = cursor.advance().ok()? {
            is_first_fragment = extension.kind != protocol::FRAGMENT || extension.fragment_offset() == 0;
        }
        Some(Self {
            src,
            dst,
            protocol: cursor.next_header,
            protocol_at: cursor.announced_at,
            header_len: cursor.offset,
            total_len: ipv6::HEADER_LEN + ipv6::payload_len(header),
            is_first_fragment,
        })
    }
}
