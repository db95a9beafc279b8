//! The receive ring: the kernel writes packets, and says which are ours to read.

use core::mem::offset_of;
use core::sync::atomic::Ordering;
use std::rc::Rc;

use libc::{tpacket_hdr_v1, tpacket2_hdr, tpacket3_hdr};

use super::super::mapped::Mapped;
use super::Shape;
use crate::link::virtio;

/// A packet in the ring.
#[derive(Debug)]
pub(in crate::link) struct Arrived<'a> {
    /// Its bytes, as far as they fit the frame.
    pub(in crate::link) bytes: &'a [u8],
    /// Whether these are all.
    pub(in crate::link) whole: bool,
    /// What stands in front of it, where the socket has virtio headers.
    pub(in crate::link) header: [u8; virtio::HEADER_LEN],
    status: u32,
}

impl Arrived<'_> {
    fn has(&self, flag: u32) -> bool {
        self.status & flag != 0
    }

    /// The kernel vouches for the transport checksum.
    pub(in crate::link) fn is_verified(&self) -> bool {
        self.has(libc::TP_STATUS_CSUMNOTREADY | libc::TP_STATUS_CSUM_VALID)
    }

    /// A VLAN tag was taken out of it.
    pub(in crate::link) fn is_tagged(&self) -> bool {
        self.has(libc::TP_STATUS_VLAN_VALID)
    }

    /// It is longer than a frame, and the whole of it waits in the socket's queue.
    pub(in crate::link) fn is_queued(&self) -> bool {
        self.has(libc::TP_STATUS_COPY)
    }

    /// The ring has lost packets before this one.
    pub(in crate::link) fn is_behind_losses(&self) -> bool {
        self.has(libc::TP_STATUS_LOSING)
    }
}

/// The receive ring of a packet socket.
#[derive(Debug)]
pub(in crate::link) struct ReceiveRing {
    map: Rc<Mapped>,
    shape: Shape,
    /// The frame or block that comes next.
    next: usize,
    /// Where the next packet of the open block is, and how many are left in it.
    open: Option<(usize, u32)>,
}

impl ReceiveRing {
    /// A ring of that shape at the start of a mapping.
    pub(super) fn new(map: Rc<Mapped>, shape: Shape) -> Self {
        Self {
            map,
            shape,
            next: 0,
            open: None,
        }
    }

    /// The next packet, which stays ours until [`ReceiveRing::release`].
    #[inline]
    pub(in crate::link) fn peek(&mut self) -> Option<Arrived<'_>> {
        match self.shape {
            Shape::Frames { frame, .. } => {
                let at = self.next * frame;
                let status = self.map.word(at).load(Ordering::Acquire);
                (status & libc::TP_STATUS_USER != 0).then(|| self.arrived_in_frame(at, status))
            }
            Shape::Blocks { block, .. } => {
                let at = self.open_block(block)?;
                Some(self.arrived_in_block(at))
            }
        }
    }

    fn arrived_in_frame(&self, at: usize, status: u32) -> Arrived<'_> {
        let field = |offset| self.map.word(at + offset).load(Ordering::Relaxed) as usize;
        let (len, snap_len) = (
            field(offset_of!(tpacket2_hdr, tp_len)),
            field(offset_of!(tpacket2_hdr, tp_snaplen)),
        );
        let start = self.half_word(at + offset_of!(tpacket2_hdr, tp_mac));
        self.arrived(at + start, snap_len, len, status)
    }

    fn arrived_in_block(&self, at: usize) -> Arrived<'_> {
        let field = |offset| self.map.word(at + offset).load(Ordering::Relaxed);
        let (len, snap_len) = (
            field(offset_of!(tpacket3_hdr, tp_len)) as usize,
            field(offset_of!(tpacket3_hdr, tp_snaplen)) as usize,
        );
        let start = self.half_word(at + offset_of!(tpacket3_hdr, tp_mac));
        let status = field(offset_of!(tpacket3_hdr, tp_status));
        self.arrived(at + start, snap_len, len, status)
    }

    fn half_word(&self, at: usize) -> usize {
        let bytes = self.map.bytes(at..at + 2).and_then(|bytes| bytes.first_chunk());
        bytes.copied().map_or(0, u16::from_ne_bytes).into()
    }

    /// What lies outside the mapping counts as cut off.
    fn arrived(&self, start: usize, snap_len: usize, len: usize, status: u32) -> Arrived<'_> {
        let bytes = start
            .checked_add(snap_len)
            .and_then(|end| self.map.bytes(start..end));
        let header = start
            .checked_sub(virtio::HEADER_LEN)
            .and_then(|front| self.map.bytes(front..start))
            .and_then(|header| header.first_chunk());
        Arrived {
            whole: bytes.is_some() && snap_len == len,
            bytes: bytes.unwrap_or_default(),
            header: header.copied().unwrap_or_default(),
            status,
        }
    }

    /// Where the next packet is in the block whose turn it is; `None` when that is not handed over yet.
    fn open_block(&mut self, block: usize) -> Option<usize> {
        // The version and an offset stand in front of the block's header.
        const HEADER: usize = 8;
        loop {
            if let Some((at, left)) = self.open {
                // A header that does not lie in the ring cannot be read, nor the way to the next.
                if left > 0 && self.map.has_words(at, size_of::<tpacket3_hdr>()) {
                    return Some(at);
                }
                self.close_block();
            }
            let start = self.next * block;
            let field = |offset| self.map.word(start + HEADER + offset);
            let status = field(offset_of!(tpacket_hdr_v1, block_status)).load(Ordering::Acquire);
            if status & libc::TP_STATUS_USER == 0 {
                return None;
            }
            let packets = field(offset_of!(tpacket_hdr_v1, num_pkts)).load(Ordering::Relaxed);
            let first = field(offset_of!(tpacket_hdr_v1, offset_to_first_pkt)).load(Ordering::Relaxed);
            self.open = Some((start + first as usize, packets));
        }
    }

    fn close_block(&mut self) {
        if let Shape::Blocks { block, count, .. } = self.shape {
            let status = self.map.word(self.next * block + 8);
            status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.next = (self.next + 1) % count;
            self.open = None;
        }
    }

    /// Gives the packet in front back to the kernel.
    #[inline]
    pub(in crate::link) fn release(&mut self) {
        match self.shape {
            Shape::Frames { frame, count } => {
                let status = self.map.word(self.next * frame);
                status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
                self.next = (self.next + 1) % count;
            }
            Shape::Blocks { .. } => {
                if let Some((at, left)) = &mut self.open {
                    let next = self.map.word(*at + offset_of!(tpacket3_hdr, tp_next_offset));
                    *at = at.saturating_add(next.load(Ordering::Relaxed) as usize);
                    *left -= 1;
                    if *left == 0 {
                        self.close_block();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 4096;
    const FRAME: usize = 2048;

    /// A ring over memory of our own.
    fn ring(shape: Shape) -> ReceiveRing {
        ReceiveRing::new(Rc::new(Mapped::anonymous(2 * BLOCK).unwrap()), shape)
    }

    fn put(ring: &ReceiveRing, at: usize, value: u32) {
        ring.map.word(at).store(value, Ordering::Release);
    }

    /// Writes the header of a frame whose packet is said to be at `start` and to have `len` bytes.
    fn announce(ring: &ReceiveRing, frame: usize, start: u16, len: u32) {
        let at = frame * FRAME;
        put(ring, at + offset_of!(tpacket2_hdr, tp_len), len);
        put(ring, at + offset_of!(tpacket2_hdr, tp_snaplen), len);
        put(ring, at + offset_of!(tpacket2_hdr, tp_mac), start.into());
        put(ring, at, libc::TP_STATUS_USER);
    }

    #[test]
    fn a_frame_is_ours_until_it_is_given_back() {
        let mut ring = ring(Shape::Frames {
            frame: FRAME,
            count: 4,
        });
        assert!(ring.peek().is_none());
        announce(&ring, 0, 80, 60);
        for _ in 0..2 {
            let arrived = ring.peek().expect("a packet");
            assert_eq!((arrived.bytes.len(), arrived.whole), (60, true));
        }
        ring.release();
        assert!(ring.peek().is_none());
        assert_eq!(ring.map.word(0).load(Ordering::Acquire), libc::TP_STATUS_KERNEL);
    }

    #[test]
    fn a_packet_that_is_said_to_lie_outside_the_ring_counts_as_cut_off() {
        let mut ring = ring(Shape::Frames {
            frame: FRAME,
            count: 4,
        });
        for (frame, (start, len)) in [(80, u32::MAX), (80, 9000), (0xfff0, 10), (5, 7000)]
            .into_iter()
            .enumerate()
        {
            announce(&ring, frame, start, len);
            let arrived = ring.peek().expect("a packet");
            let inside = frame * FRAME + usize::from(start) + len as usize <= 2 * BLOCK;
            assert_eq!(arrived.whole, inside, "{start} {len}");
            ring.release();
        }
    }

    #[test]
    fn a_block_whose_packets_are_said_to_lie_outside_is_given_back() {
        for (first, next) in [
            (u32::MAX, 0),
            (2 * BLOCK as u32, 0),
            (49, 0),
            (48, u32::MAX),
            (48, 9000),
        ] {
            let mut ring = ring(Shape::Blocks {
                block: BLOCK,
                count: 2,
                milliseconds: 1,
            });
            put(&ring, 8 + offset_of!(tpacket_hdr_v1, num_pkts), 2);
            put(&ring, 8 + offset_of!(tpacket_hdr_v1, offset_to_first_pkt), first);
            put(&ring, 48 + offset_of!(tpacket3_hdr, tp_next_offset), next);
            put(&ring, 8, libc::TP_STATUS_USER);
            let readable = usize::from(first == 48);
            for _ in 0..readable {
                assert!(ring.peek().is_some());
                ring.release();
            }
            assert!(ring.peek().is_none());
            assert_eq!(ring.map.word(8).load(Ordering::Acquire), libc::TP_STATUS_KERNEL);
        }
    }
}
