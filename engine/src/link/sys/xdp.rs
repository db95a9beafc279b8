//! `AF_XDP` sockets: a region of memory that is shared with the kernel, and four rings that say what in it is whose.

use core::sync::atomic::Ordering;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XdpOptionsFlags, XdpRingOffset, XdpStatistics, XdpUmemReg,
    XdpUmemRegFlags,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::nanosleep;
use rustix::time::Timespec;

use super::mapped::Mapped;
use crate::frame::{Ledger, SMALL_SLOT};

const FILL_OFFSET: u64 = 0x1_0000_0000;
const COMPLETION_OFFSET: u64 = 0x1_8000_0000;
const RECEIVE_OFFSET: u64 = 0;
const TRANSMIT_OFFSET: u64 = 0x8000_0000;
/// In a ring's flags: the kernel sleeps and wants a call.
const NEED_WAKEUP: u32 = 1;
/// In a descriptor's options: the packet goes on in the next one.
const CONTINUED: u32 = 1;
/// What the kernel lays between two tries to bind while an earlier socket's remains are cleared away, and how often it is tried.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};
const TRIES: u32 = 500;

/// Bytes in the region that are a packet or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) struct Piece {
    /// Where they begin.
    pub(in crate::link) offset: u64,
    /// How many.
    pub(in crate::link) len: u32,
    /// The packet goes on in the next piece.
    pub(in crate::link) continued: bool,
}

/// A ring of which one side writes and the other reads. Positions count on for ever and wrap at 2^32.
#[derive(Debug)]
struct Ring {
    map: Mapped,
    producer: usize,
    consumer: usize,
    flags: Option<usize>,
    entries: usize,
    size: u32,
    /// Our position, which the other side learns by `publish`.
    ours: u32,
    /// The other side's when it was looked at last.
    theirs: u32,
}

impl Ring {
    fn new(
        socket: BorrowedFd<'_>,
        layout: &XdpRingOffset,
        size: u32,
        entry: usize,
        at: u64,
    ) -> io::Result<Self> {
        let len = layout.desc as usize + size as usize * entry;
        Ok(Self::over(Mapped::new(socket, len, at)?, layout, size))
    }

    fn over(map: Mapped, layout: &XdpRingOffset, size: u32) -> Self {
        Self {
            map,
            producer: layout.producer as usize,
            consumer: layout.consumer as usize,
            flags: layout.flags.map(|offset| offset as usize),
            entries: layout.desc as usize,
            size,
            ours: 0,
            theirs: 0,
        }
    }

    /// Entries that we can write before the other side reads more.
    fn room(&mut self, wanted: u32) -> u32 {
        let room = |ring: &Self| ring.size - ring.ours.wrapping_sub(ring.theirs).min(ring.size);
        if room(self) < wanted {
            self.theirs = self.map.word(self.consumer).load(Ordering::Acquire);
        }
        room(self)
    }

    /// Entries that the other side has written and we have not read.
    fn ready(&mut self) -> u32 {
        let ready = |ring: &Self| ring.theirs.wrapping_sub(ring.ours).min(ring.size);
        if ready(self) == 0 {
            self.theirs = self.map.word(self.producer).load(Ordering::Acquire);
        }
        ready(self)
    }

    /// Entries that we have written and the other side has not read.
    fn unread(&mut self) -> u32 {
        self.theirs = self.map.word(self.consumer).load(Ordering::Acquire);
        self.ours.wrapping_sub(self.theirs)
    }

    /// Where the entry `ahead` of our position is.
    fn entry(&self, ahead: u32, len: usize) -> usize {
        self.entries + (self.ours.wrapping_add(ahead) & (self.size - 1)) as usize * len
    }

    fn publish_written(&self) {
        self.map.word(self.producer).store(self.ours, Ordering::Release);
    }

    fn publish_read(&self) {
        self.map.word(self.consumer).store(self.ours, Ordering::Release);
    }

    fn needs_wakeup(&self) -> bool {
        self.flags
            .is_none_or(|flags| self.map.word(flags).load(Ordering::Relaxed) & NEED_WAKEUP != 0)
    }

    fn write_address(&mut self, address: u64) {
        let at = self.entry(0, ADDRESS);
        self.map.double_word(at).store(address, Ordering::Relaxed);
        self.ours = self.ours.wrapping_add(1);
    }

    fn read_address(&mut self) -> u64 {
        let address = self
            .map
            .double_word(self.entry(0, ADDRESS))
            .load(Ordering::Relaxed);
        self.ours = self.ours.wrapping_add(1);
        address
    }

    fn write_piece(&mut self, piece: Piece) {
        let at = self.entry(0, DESCRIPTOR);
        let options = if piece.continued { CONTINUED } else { 0 };
        self.map.double_word(at).store(piece.offset, Ordering::Relaxed);
        self.map.word(at + 8).store(piece.len, Ordering::Relaxed);
        self.map.word(at + 12).store(options, Ordering::Relaxed);
        self.ours = self.ours.wrapping_add(1);
    }

    fn read_piece(&mut self) -> Piece {
        let at = self.entry(0, DESCRIPTOR);
        let piece = Piece {
            offset: self.map.double_word(at).load(Ordering::Relaxed),
            len: self.map.word(at + 8).load(Ordering::Relaxed),
            continued: self.map.word(at + 12).load(Ordering::Relaxed) & CONTINUED != 0,
        };
        self.ours = self.ours.wrapping_add(1);
        piece
    }
}

/// Bytes of an entry of the fill and the completion ring, and of the other two.
const ADDRESS: usize = 8;
const DESCRIPTOR: usize = 16;

/// A socket over the slots of a ledger's pool, each small slot of which is a chunk.
#[derive(Debug)]
pub(in crate::link) struct XdpSocket {
    descriptor: OwnedFd,
    fill: Ring,
    completion: Ring,
    receive: Ring,
    transmit: Ring,
}

/// What came of a call that asks the kernel to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Kick {
    /// All that was in the ring is on its way.
    Done,
    /// It shall be asked again.
    Again,
    /// The interface is down; what is in the ring waits until it is up.
    Down,
}

impl XdpSocket {
    /// Shares the ledger's region with the kernel and makes four rings of `size` entries, a power of two. Nothing is received before
    /// [`XdpSocket::bind`].
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::link) fn new(ledger: &Ledger, size: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let descriptor = rustix::net::socket_with(AddressFamily::XDP, SocketType::RAW, flags, None)?;
        let (base, len) = ledger.region();
        let region = XdpUmemReg {
            addr: base.as_ptr() as u64,
            len: len as u64,
            chunk_size: SMALL_SLOT as u32,
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        };
        sockopt::set_xdp_umem_reg(&descriptor, region)?;
        sockopt::set_xdp_umem_fill_ring_size(&descriptor, size)?;
        sockopt::set_xdp_umem_completion_ring_size(&descriptor, size)?;
        sockopt::set_xdp_rx_ring_size(&descriptor, size)?;
        sockopt::set_xdp_tx_ring_size(&descriptor, size)?;
        let offsets = sockopt::xdp_mmap_offsets(&descriptor)?;
        let ring = |layout, entry, at| Ring::new(descriptor.as_fd(), layout, size, entry, at);
        Ok(Self {
            fill: ring(&offsets.fr, ADDRESS, FILL_OFFSET)?,
            completion: ring(&offsets.cr, ADDRESS, COMPLETION_OFFSET)?,
            receive: ring(&offsets.rx, DESCRIPTOR, RECEIVE_OFFSET)?,
            transmit: ring(&offsets.tx, DESCRIPTOR, TRANSMIT_OFFSET)?,
            descriptor,
        })
    }

    /// Binds to a queue of an interface, by zero-copy where the driver can; says whether it can. What is left of an earlier socket on the
    /// queue is waited for, up to a second.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::link) fn bind(&self, interface: u32, queue: u32, several_pieces: bool) -> io::Result<bool> {
        let mut flags = SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        if several_pieces {
            flags |= SocketAddrXdpFlags::XDP_USE_SG;
        }
        let address = SocketAddrXdp::new(flags, interface, queue);
        let mut bound = rustix::net::bind(&self.descriptor, &address);
        for _ in 1..TRIES {
            if bound != Err(Errno::BUSY) {
                break;
            }
            drop(nanosleep(&PAUSE));
            bound = rustix::net::bind(&self.descriptor, &address);
        }
        bound?;
        let options = sockopt::xdp_options(&self.descriptor)?;
        Ok(options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY))
    }

    /// Chunks that can still be given to be received into.
    pub(in crate::link) fn fill_room(&mut self) -> u32 {
        let size = self.fill.size;
        self.fill.room(size)
    }

    /// Gives a chunk to be received into, for which there is room; the kernel learns of it by [`XdpSocket::publish_filled`].
    pub(in crate::link) fn fill(&mut self, offset: u64) {
        self.fill.write_address(offset);
    }

    pub(in crate::link) fn publish_filled(&self) {
        self.fill.publish_written();
    }

    /// The kernel has run out of chunks and must be told that there are new ones.
    pub(in crate::link) fn wants_fill_call(&self) -> bool {
        self.fill.flags.is_some() && self.fill.needs_wakeup()
    }

    /// Tells it so.
    pub(in crate::link) fn call_for_fill(&self) {
        let _ = rustix::net::recv(&self.descriptor, &mut [0_u8; 0][..], RecvFlags::DONTWAIT);
    }

    /// What was sent, by one of its bytes' offset.
    pub(in crate::link) fn completed(&mut self) -> Option<u64> {
        (self.completion.ready() > 0).then(|| self.completion.read_address())
    }

    pub(in crate::link) fn publish_completed(&self) {
        self.completion.publish_read();
    }

    /// The next piece that was received.
    pub(in crate::link) fn received(&mut self) -> Option<Piece> {
        (self.receive.ready() > 0).then(|| self.receive.read_piece())
    }

    pub(in crate::link) fn publish_received(&self) {
        self.receive.publish_read();
    }

    /// Whether so many pieces can be sent now.
    pub(in crate::link) fn has_room(&mut self, pieces: usize) -> bool {
        self.transmit.room(pieces as u32) as usize >= pieces
    }

    /// Sends a piece, for which there is room; the kernel learns of it by [`XdpSocket::publish_sent`].
    pub(in crate::link) fn send(&mut self, piece: Piece) {
        self.transmit.write_piece(piece);
    }

    pub(in crate::link) fn publish_sent(&self) {
        self.transmit.publish_written();
    }

    /// Something was sent that the kernel does not know of without a call.
    pub(in crate::link) fn wants_send_call(&mut self) -> bool {
        self.transmit.unread() > 0 && self.transmit.needs_wakeup()
    }

    /// Asks the kernel to send.
    pub(in crate::link) fn call_for_send(&mut self) -> Kick {
        match rustix::net::send(&self.descriptor, &[], SendFlags::DONTWAIT) {
            Ok(_) => Kick::Done,
            Err(Errno::NETDOWN | Errno::NXIO) => Kick::Down,
            Err(_) => Kick::Again,
        }
    }

    /// What the kernel has lost so far.
    pub(in crate::link) fn losses(&self) -> u64 {
        sockopt::xdp_statistics(&self.descriptor).map_or(0, |statistics: XdpStatistics| {
            // Those for which there was no chunk are among the dropped.
            statistics.rx_dropped + statistics.rx_ring_full.unwrap_or(0) + statistics.tx_invalid_descs
        })
    }
}

impl AsFd for XdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: XdpRingOffset = XdpRingOffset {
        producer: 0,
        consumer: 64,
        desc: 128,
        flags: Some(96),
    };
    const SIZE: u32 = 4;

    /// A ring over memory of our own, whose positions are about to wrap.
    fn ring(position: u32) -> Ring {
        let mut ring = Ring::over(Mapped::anonymous(4096).unwrap(), &LAYOUT, SIZE);
        (ring.ours, ring.theirs) = (position, position);
        ring.publish_read();
        ring.publish_written();
        ring
    }

    #[test]
    fn positions_wrap_and_a_full_ring_takes_no_more() {
        for start in [0, u32::MAX - 1, u32::MAX] {
            let mut ring = ring(start);
            assert_eq!(ring.room(SIZE), SIZE);
            for number in 0..SIZE {
                ring.write_address(u64::from(number));
            }
            ring.publish_written();
            assert_eq!((ring.room(1), ring.unread()), (0, SIZE));
            let read_one = start.wrapping_add(1);
            ring.map.word(ring.consumer).store(read_one, Ordering::Release);
            assert_eq!((ring.room(1), ring.unread()), (1, SIZE - 1));
        }
    }

    #[test]
    fn what_the_other_side_wrote_is_read_once_across_the_wrap() {
        let mut ring = ring(u32::MAX);
        assert_eq!(ring.ready(), 0);
        let pieces = [true, false].map(|continued| Piece {
            offset: 1 << 40,
            len: 77,
            continued,
        });
        for piece in pieces {
            ring.write_piece(piece);
        }
        ring.publish_written();
        ring.ours = u32::MAX;
        assert_eq!(ring.ready(), 2);
        assert_eq!([ring.read_piece(), ring.read_piece()], pieces);
        assert_eq!(ring.ready(), 0);
    }

    #[test]
    fn a_producer_that_runs_ahead_by_more_than_the_ring_is_not_believed() {
        let mut ring = ring(0);
        ring.map.word(ring.producer).store(1000, Ordering::Release);
        assert_eq!(ring.ready(), SIZE);
        ring.map.word(ring.consumer).store(1000, Ordering::Release);
        assert_eq!(ring.room(SIZE), 0);
    }

    #[test]
    fn the_kernel_says_when_it_wants_a_call() {
        let ring = ring(0);
        assert!(!ring.needs_wakeup());
        ring.map.word(96).store(NEED_WAKEUP, Ordering::Relaxed);
        assert!(ring.needs_wakeup());
    }
}
