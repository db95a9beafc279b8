//! Packet sockets and their rings (`packet(7)`).

pub(in crate::link) mod fanout;
mod receive;
mod transmit;

use core::ffi::c_int;
use core::mem::offset_of;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;

use libc::{tpacket_req3, tpacket_stats};
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

pub(in crate::link) use self::receive::ReceiveRing;
pub(in crate::link) use self::transmit::TransmitRing;
use super::mapped::Mapped;

/// How a ring is cut up. All lengths are in bytes and powers of two or multiples of pages, as the kernel demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Shape {
    /// One packet in each frame, handed over at once (`TPACKET_V2`).
    Frames {
        /// Bytes of a frame, with its header.
        frame: usize,
        /// How many frames.
        count: usize,
    },
    /// Packets behind each other in blocks, which are handed over when they are full or so many milliseconds old (`TPACKET_V3`).
    Blocks {
        /// Bytes of a block.
        block: usize,
        /// How many blocks.
        count: usize,
        /// The age.
        milliseconds: u32,
    },
}

/// Bytes in front of a packet in its frame, at most: the frame's header, an address, alignment, and room for the link's header.
pub(in crate::link) const FRAME_OVERHEAD: usize = 128;
/// Frames are placed in blocks of at least so many bytes.
const MIN_BLOCK: usize = 64 << 10;

/// A packet socket that receives nothing before it is bound.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn socket() -> io::Result<Socket> {
    Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)
}

/// Receives from, and sends to, this interface alone from now on.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn bind(socket: &Socket, interface: u32) -> io::Result<()> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: a `sockaddr_ll` is plain data, and what is written is all that the kernel reads of it for a bind.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = interface.cast_signed();
    // SAFETY: the storage holds an address of the family that it names, as long as said.
    let address = unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
    socket.bind(&address)
}

/// Packets that the ring had no room for since this was asked last.
pub(in crate::link) fn take_losses(socket: BorrowedFd<'_>) -> u32 {
    let mut statistics = tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut len = size_of::<tpacket_stats>() as libc::socklen_t;
    // SAFETY: address and length are those of a live value that any bytes are valid for.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut len,
        )
    };
    if result < 0 { 0 } else { statistics.tp_drops }
}

/// Gives the socket its rings, which are one mapping. Versions and headers must have been chosen before. The transmit ring has frames, whatever
/// the receive ring has.
///
/// # Errors
/// What the system says, such as that there is no memory.
pub(in crate::link) fn rings(
    socket: &Socket,
    receive: Shape,
    transmit: Option<Shape>,
) -> io::Result<(ReceiveRing, Option<TransmitRing>)> {
    let has_blocks = matches!(receive, Shape::Blocks { .. });
    let (receive, received) = reserve(socket, libc::PACKET_RX_RING, receive, has_blocks)?;
    let transmit = transmit
        .map(|shape| reserve(socket, libc::PACKET_TX_RING, shape, has_blocks))
        .transpose()?;
    let sent = transmit.map_or(0, |(_, bytes)| bytes);
    let map = Rc::new(Mapped::new(socket.as_fd(), received + sent, 0)?);
    let transmit = transmit.map(|(shape, _)| TransmitRing::new(map.clone(), received, shape, has_blocks));
    Ok((ReceiveRing::new(map, receive), transmit))
}

/// Asks for one ring, and gives its shape as it came to be, and its length in bytes.
fn reserve(socket: &Socket, ring: c_int, shape: Shape, has_blocks: bool) -> io::Result<(Shape, usize)> {
    let (frame, block, count, milliseconds) = match shape {
        Shape::Frames { frame, count } => {
            let block = block_of(frame);
            (frame, block, count.div_ceil(block / frame), 0)
        }
        Shape::Blocks {
            block,
            count,
            milliseconds,
        } => (2048, block, count, milliseconds),
    };
    let request = tpacket_req3 {
        tp_block_size: block as u32,
        tp_block_nr: count as u32,
        tp_frame_size: frame as u32,
        tp_frame_nr: (block / frame * count) as u32,
        tp_retire_blk_tov: milliseconds,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    // The shorter request of version 2 is the beginning of that of version 3, which rings of blocks belong to.
    let len = if has_blocks {
        size_of::<tpacket_req3>()
    } else {
        offset_of!(tpacket_req3, tp_retire_blk_tov)
    };
    // SAFETY: address and length are within a live value, which the call only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            ring,
            (&raw const request).cast(),
            len as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let shape = match shape {
        Shape::Frames { frame, .. } => Shape::Frames {
            frame,
            count: block / frame * count,
        },
        blocks @ Shape::Blocks { .. } => blocks,
    };
    Ok((shape, block * count))
}

/// Bytes of the blocks that frames of that size are placed in without gaps.
fn block_of(frame: usize) -> usize {
    frame.max(MIN_BLOCK / frame * frame)
}
