//! The transmit ring: we write packets, and the kernel sends those that it is told of when it is called.

use core::mem::offset_of;
use core::sync::atomic::Ordering;
use std::rc::Rc;

use libc::{TP_STATUS_AVAILABLE, TP_STATUS_SEND_REQUEST, tpacket2_hdr, tpacket3_hdr};

use super::super::mapped::Mapped;
use super::Shape;

/// Where things are in a frame.
#[derive(Clone, Copy, Debug)]
struct Layout {
    status: usize,
    len: usize,
    packet: usize,
}

/// The transmit ring of a packet socket.
#[derive(Debug)]
pub(in crate::link) struct TransmitRing {
    map: Rc<Mapped>,
    /// Where the first frame is in the mapping.
    start: usize,
    frame: usize,
    count: usize,
    layout: Layout,
    /// The frame that is written next.
    next: usize,
}

impl TransmitRing {
    /// A ring at `start` of a mapping; the version of its headers is that of a receive ring with blocks, or of one without.
    pub(super) fn new(map: Rc<Mapped>, start: usize, shape: Shape, has_blocks: bool) -> Self {
        let (Shape::Frames { frame, count }
        | Shape::Blocks {
            block: frame, count, ..
        }) = shape;
        let layout = if has_blocks {
            Layout {
                status: offset_of!(tpacket3_hdr, tp_status),
                len: offset_of!(tpacket3_hdr, tp_len),
                packet: size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT),
            }
        } else {
            Layout {
                status: offset_of!(tpacket2_hdr, tp_status),
                len: offset_of!(tpacket2_hdr, tp_len),
                packet: size_of::<tpacket2_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT),
            }
        };
        Self {
            map,
            start,
            frame,
            count,
            layout,
            next: 0,
        }
    }

    /// The status of the frame that comes `behind` frames before the next.
    fn status(&self, behind: usize) -> u32 {
        let at = self.frame_at((self.next + self.count - behind) % self.count);
        self.map.word(at + self.layout.status).load(Ordering::Acquire)
    }

    fn frame_at(&self, number: usize) -> usize {
        self.start + number * self.frame
    }

    /// Whether the next frame is ours to write.
    pub(in crate::link) fn has_room(&self) -> bool {
        self.status(0) == TP_STATUS_AVAILABLE
    }

    /// Whether the kernel has not looked at the last packet yet, and must be called.
    pub(in crate::link) fn waits_for_call(&self) -> bool {
        self.status(1) & TP_STATUS_SEND_REQUEST != 0
    }

    /// Makes the packet that the kernel would send next one that it passes over (`PACKET_LOSS`), as it has nothing in it; `false` when there is none.
    pub(in crate::link) fn spoil_oldest(&mut self) -> bool {
        let mut frames = (0..self.count).map(|ahead| self.frame_at((self.next + ahead) % self.count));
        let is_waiting = |frame: &usize| {
            let status = self.map.word(frame + self.layout.status);
            status.load(Ordering::Acquire) & TP_STATUS_SEND_REQUEST != 0
        };
        let oldest = frames.find(is_waiting);
        if let Some(frame) = oldest {
            // Read by the kernel only when it is called.
            self.map.word(frame + self.layout.len).store(0, Ordering::Release);
        }
        oldest.is_some()
    }

    /// Writes the parts of a packet into the next frame, which must be ours, and hands it to the kernel. Gives the number of bytes; `None`,
    /// and no packet, when they do not fit.
    pub(in crate::link) fn push<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> Option<usize> {
        let frame = self.frame_at(self.next);
        let (first, end) = (frame + self.layout.packet, frame + self.frame);
        let mut at = first;
        for part in parts {
            if part.len() > end - at || !self.map.write(at, part) {
                return None;
            }
            at += part.len();
        }
        let len = at - first;
        self.map
            .word(frame + self.layout.len)
            .store(len as u32, Ordering::Relaxed);
        self.map
            .word(frame + self.layout.status)
            .store(TP_STATUS_SEND_REQUEST, Ordering::Release);
        self.next = (self.next + 1) % self.count;
        Some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 2048;
    const START: usize = 4096;
    const COUNT: usize = 2;

    fn ring(has_blocks: bool) -> TransmitRing {
        let map = Rc::new(Mapped::anonymous(2 * START).unwrap());
        let shape = Shape::Frames {
            frame: FRAME,
            count: COUNT,
        };
        TransmitRing::new(map, START, shape, has_blocks)
    }

    /// What the kernel does with a frame.
    fn complete(ring: &TransmitRing, number: usize) {
        ring.map
            .word(ring.frame_at(number) + ring.layout.status)
            .store(TP_STATUS_AVAILABLE, Ordering::Release);
    }

    #[test]
    fn packets_lie_where_the_kernel_looks_for_them() {
        for (has_blocks, at) in [(false, 32), (true, 48)] {
            let mut ring = ring(has_blocks);
            let parts = [&b"head"[..], b"", b"body"];
            assert_eq!(ring.push(parts.into_iter()), Some(8));
            let bytes = ring.map.bytes(START + at..START + at + 8);
            assert_eq!(bytes, Some(&b"headbody"[..]));
        }
    }

    #[test]
    fn a_full_ring_has_room_again_when_the_kernel_has_sent() {
        let mut ring = ring(false);
        assert!(!ring.waits_for_call());
        for _ in 0..COUNT {
            assert!(ring.has_room());
            ring.push([&[7; 60][..]].into_iter());
        }
        assert!(ring.waits_for_call() && !ring.has_room());
        complete(&ring, 0);
        assert!(ring.waits_for_call() && ring.has_room());
        complete(&ring, 1);
        assert!(!ring.waits_for_call());
    }

    #[test]
    fn the_packet_that_comes_next_is_spoiled_and_not_the_one_behind_it() {
        let mut ring = ring(false);
        assert!(!ring.spoil_oldest());
        let len_of = |ring: &TransmitRing, number| {
            let at = ring.frame_at(number) + ring.layout.len;
            ring.map.word(at).load(Ordering::Relaxed)
        };
        for _ in 0..COUNT {
            ring.push([&[7; 60][..]].into_iter());
        }
        complete(&ring, 0);
        ring.push([&[7; 61][..]].into_iter());
        assert!(ring.spoil_oldest());
        assert_eq!([len_of(&ring, 0), len_of(&ring, 1)], [61, 0]);
    }

    #[test]
    fn what_does_not_fit_a_frame_is_not_sent_and_leaves_the_next_alone() {
        let mut ring = ring(true);
        assert_eq!(ring.push([&[7; 1000][..], &[7; 1001]].into_iter()), None);
        assert!(ring.has_room() && !ring.waits_for_call());
        assert_eq!(ring.push([&[7; 1000][..], &[7; 1000]].into_iter()), Some(2000));
        assert!(ring.waits_for_call());
    }
}
