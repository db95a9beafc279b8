//! A packet as layers and devices see it: headers inline, payload by reference.

use super::Payload;

/// Bytes that the headers of one packet can take: 16 for the link, 40 for IPv6, 60 for TCP.
pub const HEADER_CAPACITY: usize = 116;
/// Payloads that the body of one packet can gather.
pub const MAX_PIECES: usize = 4;
/// Room kept in front of the network header for the link's own.
const LINK_HEADROOM: u8 = 16;

/// What is known of the transport checksum in a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Sent: the field holds it. Received: nobody has verified it yet.
    #[default]
    InPacket,
    /// Sent: the field is zero, the device computes the checksum or its peer trusts the bytes. Received: the device vouches for them.
    Offloaded,
}

/// One packet, or one virtual segment that a device cuts into packets.
///
/// Headers are bytes of the packet itself; the body is up to [`MAX_PIECES`] [`Payload`]s. A device that receives into frames leaves
/// the headers empty and hands over the whole packet as the first piece.
#[derive(Debug)]
pub struct Packet {
    header: [u8; HEADER_CAPACITY],
    header_start: u8,
    header_end: u8,
    pieces: u8,
    /// The state of the transport checksum.
    pub checksum: Checksum,
    /// Payload bytes of each packet that a virtual segment is to be cut into; 0 for an ordinary packet.
    pub segment_size: u16,
    /// Where the transport header starts in [`Packet::contiguous`]; set by the internet layer on receipt.
    pub transport_offset: u16,
    body_len: u32,
    body: [Payload; MAX_PIECES],
}

impl Default for Packet {
    fn default() -> Self {
        Self {
            header: [0; HEADER_CAPACITY],
            header_start: LINK_HEADROOM,
            header_end: LINK_HEADROOM,
            pieces: 0,
            checksum: Checksum::InPacket,
            segment_size: 0,
            transport_offset: 0,
            body_len: 0,
            body: [const { Payload::empty() }; MAX_PIECES],
        }
    }
}

impl Packet {
    /// Makes this an empty packet.
    #[inline]
    pub fn reset(&mut self) {
        self.release_body();
        self.begin();
    }

    /// As [`Packet::reset`] for a packet that has no pieces.
    #[inline]
    pub(super) fn begin(&mut self) {
        debug_assert_eq!(self.pieces, 0, "a packet outside of a queue has no pieces");
        self.header_start = LINK_HEADROOM;
        self.header_end = LINK_HEADROOM;
        self.checksum = Checksum::InPacket;
        self.segment_size = 0;
        self.transport_offset = 0;
    }

    /// Bytes of the whole packet.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.header_end - self.header_start) + self.body_len()
    }

    /// Whether the packet has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The inline header bytes.
    #[inline]
    pub fn header(&self) -> &[u8] {
        &self.header[self.header_start as usize..self.header_end as usize]
    }

    /// The inline header bytes, for writing.
    #[inline]
    pub fn header_mut(&mut self) -> &mut [u8] {
        &mut self.header[self.header_start as usize..self.header_end as usize]
    }

    /// Makes the inline header `len` bytes long, with the link's headroom in front, and gives it for writing.
    /// Its bytes are whatever an earlier packet left there.
    ///
    /// # Panics
    /// If `len` exceeds what network and transport headers can need (100 bytes).
    #[inline]
    pub fn set_header_len(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= HEADER_CAPACITY - LINK_HEADROOM as usize);
        self.header_start = LINK_HEADROOM;
        self.header_end = LINK_HEADROOM + len as u8;
        self.header_mut()
    }

    /// As [`Packet::set_header_len`], for a network and a transport header whose lengths are known when the program is built: writing them
    /// needs no checks.
    #[inline]
    pub fn header_arrays<const NETWORK: usize, const TRANSPORT: usize>(
        &mut self,
    ) -> (&mut [u8; NETWORK], &mut [u8; TRANSPORT]) {
        const { assert!(NETWORK + TRANSPORT <= HEADER_CAPACITY - LINK_HEADROOM as usize) };
        self.header_start = LINK_HEADROOM;
        self.header_end = LINK_HEADROOM + (NETWORK + TRANSPORT) as u8;
        let (network, transport) = self.header[LINK_HEADROOM as usize..]
            .split_first_chunk_mut()
            .expect("the lengths were checked when this was compiled");
        let transport = transport
            .first_chunk_mut()
            .expect("the lengths were checked when this was compiled");
        (network, transport)
    }

    /// Grows the header by `len` bytes in front. `None` (and no change) without the headroom.
    pub fn push_header(&mut self, len: usize) -> Option<&mut [u8]> {
        self.header_start = self.header_start.checked_sub(u8::try_from(len).ok()?)?;
        Some(&mut self.header_mut()[..len])
    }

    /// Drops the first `len` bytes, which are the link's header. `false` (and no change) when fewer are contiguous.
    #[inline]
    pub fn pull_header(&mut self, len: usize) -> bool {
        let is_long_enough = self.contiguous().len() >= len;
        if is_long_enough && self.header_start == self.header_end {
            self.advance_body(len);
        } else if is_long_enough {
            self.header_start += len as u8;
        }
        is_long_enough
    }

    /// Makes the inline header that of `source`.
    pub fn copy_header(&mut self, source: &Self) {
        let used = source.header_start as usize..source.header_end as usize;
        self.header[used.clone()].copy_from_slice(&source.header[used]);
        self.header_start = source.header_start;
        self.header_end = source.header_end;
    }

    /// The bytes that headers are parsed from: the inline header, or the first piece where there is none.
    #[inline]
    pub fn contiguous(&self) -> &[u8] {
        if self.header_start == self.header_end {
            &self.body[0]
        } else {
            self.header()
        }
    }

    /// The `N` bytes from `offset` on in [`Packet::contiguous`]. `None` when there are fewer.
    #[inline(always)]
    pub(crate) fn chunk_at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        if self.header_start == self.header_end {
            return self.body[0].get(offset..)?.first_chunk();
        }
        let start = usize::from(self.header_start) + offset;
        let end = start + N;
        if end > usize::from(self.header_end) {
            return None;
        }
        self.header.get(start..end)?.first_chunk()
    }

    /// Bytes of the body.
    #[inline]
    pub fn body_len(&self) -> usize {
        self.body_len as usize
    }

    /// The pieces of the body, in order.
    #[inline]
    pub fn body(&self) -> &[Payload] {
        &self.body[..self.pieces as usize]
    }

    /// Appends a piece to the body.
    ///
    /// # Errors
    /// The piece, when the body has [`MAX_PIECES`] already.
    #[inline]
    pub fn push_piece(&mut self, piece: Payload) -> Result<(), Payload> {
        if self.pieces as usize == MAX_PIECES {
            return Err(piece);
        }
        self.body_len += piece.len() as u32;
        self.body[self.pieces as usize] = piece;
        self.pieces += 1;
        Ok(())
    }

    /// Makes `piece` the body of a packet that has none.
    #[inline(always)]
    pub(crate) fn set_piece(&mut self, piece: Payload) {
        debug_assert_eq!(self.pieces, 0, "the packet has a body");
        self.body_len = piece.len() as u32;
        self.pieces = 1;
        // What a packet without pieces has in its place is empty: nothing is lost by not dropping it.
        std::mem::forget(std::mem::replace(&mut self.body[0], piece));
    }

    /// Takes the body of a packet that has it in one piece.
    #[inline(always)]
    pub(crate) fn take_only_piece(&mut self) -> Option<Payload> {
        if self.pieces != 1 {
            return None;
        }
        self.pieces = 0;
        self.body_len = 0;
        Some(std::mem::take(&mut self.body[0]))
    }

    /// Takes the pieces out, in order. Those that the caller leaves in the iterator go back to their pools with it.
    #[inline]
    pub fn take_body(&mut self) -> impl Iterator<Item = Payload> {
        let pieces = std::mem::take(&mut self.pieces);
        self.body_len = 0;
        Pieces(self.body[..pieces as usize].iter_mut())
    }

    /// Drops the first `bytes` of the body.
    pub fn advance_body(&mut self, mut bytes: usize) {
        bytes = bytes.min(self.body_len());
        self.body_len -= bytes as u32;
        for piece in &mut self.body[..self.pieces as usize] {
            let here = bytes.min(piece.len());
            piece.advance(here);
            bytes -= here;
        }
    }

    /// Keeps the first `bytes` of the body.
    pub fn truncate_body(&mut self, bytes: usize) {
        let mut left = bytes.min(self.body_len());
        self.body_len = left as u32;
        for piece in &mut self.body[..self.pieces as usize] {
            let here = left.min(piece.len());
            piece.truncate(here);
            left -= here;
        }
    }

    /// Drops the headers up to `offset` in [`Packet::contiguous`], so that the body is what follows them.
    #[inline]
    pub fn strip_headers(&mut self, offset: usize) {
        if self.header_start == self.header_end {
            self.advance_body(offset);
        } else {
            debug_assert_eq!(offset, self.header().len(), "an inline header holds headers only");
            self.header_start = self.header_end;
        }
    }

    /// Keeps the first `bytes` of the packet: what lies behind is padding of the link.
    pub fn truncate(&mut self, bytes: usize) {
        let header = self.header().len();
        self.truncate_body(bytes.saturating_sub(header));
    }

    /// The bytes from `offset` in [`Packet::contiguous`] on, piece by piece.
    #[inline]
    pub fn parts_from(&self, offset: usize) -> impl Iterator<Item = &[u8]> {
        let body = self.body();
        let rest = if self.header_start == self.header_end {
            body.get(1..).unwrap_or(&[])
        } else {
            body
        };
        std::iter::once(&self.contiguous()[offset..]).chain(rest.iter().map(|piece| &**piece))
    }

    /// Copies the whole packet into `target` and returns its length. `None` when it does not fit.
    pub fn copy_into(&self, target: &mut [u8]) -> Option<usize> {
        let mut rest = target.get_mut(..self.len())?;
        for part in std::iter::once(self.header()).chain(self.body().iter().map(|piece| &**piece)) {
            let (here, behind) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = behind;
        }
        Some(self.len())
    }

    /// Becomes `source`, which is left empty. This packet must have no pieces. Cheaper than a move: only bytes in use are copied.
    #[inline]
    pub(super) fn take_over(&mut self, source: &mut Self) {
        debug_assert_eq!(self.pieces, 0, "the pieces would stay behind in the source");
        let used = source.header_start as usize..source.header_end as usize;
        self.header[used.clone()].copy_from_slice(&source.header[used]);
        self.header_start = source.header_start;
        self.header_end = source.header_end;
        self.checksum = source.checksum;
        self.segment_size = source.segment_size;
        self.transport_offset = source.transport_offset;
        self.body_len = std::mem::take(&mut source.body_len);
        self.pieces = std::mem::take(&mut source.pieces);
        let pieces = self.pieces as usize;
        self.body[..pieces].swap_with_slice(&mut source.body[..pieces]);
    }

    /// Gives the pieces back to their pools.
    #[inline(always)]
    pub(super) fn release_body(&mut self) {
        if self.pieces > 0 {
            self.release_pieces();
        }
    }

    fn release_pieces(&mut self) {
        for piece in &mut self.body[..self.pieces as usize] {
            *piece = Payload::empty();
        }
        self.pieces = 0;
        self.body_len = 0;
    }
}

/// The pieces of a body on their way out.
struct Pieces<'a>(core::slice::IterMut<'a, Payload>);

impl Iterator for Pieces<'_> {
    type Item = Payload;

    #[inline]
    fn next(&mut self) -> Option<Payload> {
        self.0.next().map(std::mem::take)
    }
}

impl Drop for Pieces<'_> {
    #[inline]
    fn drop(&mut self) {
        for piece in &mut self.0 {
            *piece = Payload::empty();
        }
    }
}
