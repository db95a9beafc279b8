//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian.

use crate::frame::Packet;
use crate::link::{DeviceCounters, Medium};
use crate::time::Instant;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;
const NANOSECONDS: u8 = 9;

const END_OF_OPTIONS: u16 = 0;
const SHB_USERAPPL: u16 = 4;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;

/// Which way a packet passed the device; the values are those of the flags in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    /// Received.
    Inbound = 1,
    /// Sent.
    Outbound = 2,
}

/// The head of a file.
pub(super) fn section(out: &mut Vec<u8>) {
    let mut block = Block::begin(out, SECTION_HEADER);
    block.u32(BYTE_ORDER_MAGIC);
    block.u16(1);
    block.u16(0);
    // The length of the section: unknown.
    block.u64(u64::MAX);
    block.option(SHB_USERAPPL, b"handfast");
    block.end_with_options();
}

/// The one interface of the file.
pub(super) fn interface(out: &mut Vec<u8>, medium: Medium, snap_len: u32) {
    let mut block = Block::begin(out, INTERFACE_DESCRIPTION);
    block.u16(match medium {
        Medium::Ip => LINKTYPE_RAW,
        Medium::Ethernet => LINKTYPE_ETHERNET,
    });
    block.u16(0);
    block.u32(snap_len);
    block.option(IF_TSRESOL, &[NANOSECONDS]);
    block.end_with_options();
}

/// One packet, after `complete` has seen to its bytes, cut to `snap_len` (0 for no limit).
pub(super) fn packet(
    out: &mut Vec<u8>,
    now: Instant,
    direction: Direction,
    snap_len: u32,
    packet: &Packet,
    complete: impl FnOnce(&mut [u8]),
) {
    let len = packet.len();
    let kept = match snap_len {
        0 => len,
        limit => len.min(limit as usize),
    };
    let mut block = Block::begin(out, ENHANCED_PACKET);
    block.u32(0);
    block.time(now);
    block.u32(kept as u32);
    block.u32(len as u32);
    let bytes = block.reserve(len);
    packet.copy_into(bytes);
    complete(bytes);
    block.take_back(len - kept);
    block.pad();
    block.option(EPB_FLAGS, &(direction as u32).to_le_bytes());
    block.end_with_options();
}

/// What the device counted.
pub(super) fn statistics(out: &mut Vec<u8>, now: Instant, counters: &DeviceCounters) {
    let mut block = Block::begin(out, INTERFACE_STATISTICS);
    block.u32(0);
    block.time(now);
    block.option(ISB_IFRECV, &counters.received.to_le_bytes());
    block.option(ISB_IFDROP, &counters.dropped.to_le_bytes());
    block.end_with_options();
}

/// A block that is being written: its length stands at both ends, and everything in it is aligned to 4 bytes.
struct Block<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Block<'a> {
    fn begin(out: &'a mut Vec<u8>, kind: u32) -> Self {
        let mut block = Self {
            start: out.len(),
            out,
        };
        block.u32(kind);
        block.u32(0);
        block
    }

    fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn time(&mut self, now: Instant) {
        self.u32((now.as_nanos() >> 32) as u32);
        self.u32(now.as_nanos() as u32);
    }

    fn reserve(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.out.len();
        self.out.resize(start + bytes, 0);
        &mut self.out[start..]
    }

    fn take_back(&mut self, bytes: usize) {
        self.out.truncate(self.out.len() - bytes);
    }

    fn pad(&mut self) {
        let len = self.out.len() - self.start;
        self.reserve(len.next_multiple_of(4) - len);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.u16(code);
        self.u16(value.len() as u16);
        self.out.extend_from_slice(value);
        self.pad();
    }

    fn end_with_options(mut self) {
        self.option(END_OF_OPTIONS, &[]);
        let len = (self.out.len() + 4 - self.start) as u32;
        self.out[self.start + 4..self.start + 8].copy_from_slice(&len.to_le_bytes());
        self.u32(len);
    }
}
