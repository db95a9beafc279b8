//! Many datagrams for one system call: `sendmmsg(2)` and `recvmmsg(2)`, with the segmentation offloads of `udp(7)`.

use core::fmt;
use core::mem;
use core::ptr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_uint, cmsghdr, iovec, mmsghdr};

use crate::frame::{Frame, MAX_PIECES, PacketQueue};
use crate::link::virtio;

/// Packets that one call sends, and messages that one call receives, at most.
pub(in crate::link) const BATCH: usize = 64;

/// Room for two control messages with an integer each.
type Control = [u64; 6];

/// Consecutive packets that leave in one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) struct Run {
    /// How many.
    pub(in crate::link) packets: usize,
    /// Bytes of each datagram that the kernel cuts the message into; the last may have fewer.
    pub(in crate::link) segment_size: u16,
}

/// The arguments of `sendmmsg`, kept between calls.
pub(in crate::link) struct Sender {
    messages: Box<[mmsghdr]>,
    parts: Vec<iovec>,
    controls: Box<[Control]>,
}

impl Sender {
    pub(in crate::link) fn new() -> Self {
        Self {
            messages: blank_messages(),
            parts: Vec::with_capacity(BATCH * (2 + MAX_PIECES)),
            controls: vec![Control::default(); BATCH].into(),
        }
    }

    /// Sends packets from the front of `packets`, which stay there, as the messages that `runs` says, each behind its own of
    /// `prefixes` if there are any. Returns the number of messages that were sent.
    ///
    /// # Errors
    /// Why the first message could not be sent.
    pub(in crate::link) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        packets: &PacketQueue,
        runs: &[Run],
        prefixes: &[[u8; virtio::HEADER_LEN]],
    ) -> io::Result<usize> {
        let runs = &runs[..runs.len().min(BATCH)];
        self.gather(packets, runs, prefixes);
        let mut parts = self.parts.as_mut_ptr();
        for ((message, control), run) in self.messages.iter_mut().zip(&mut self.controls).zip(runs) {
            let header = &mut message.msg_hdr;
            header.msg_iov = parts;
            // SAFETY: `gather` counted the parts of all messages into one array.
            parts = unsafe { parts.add(header.msg_iovlen) };
            announce_segments(header, control, run);
        }
        // SAFETY: the first `runs.len()` messages point to parts and controls that are alive; the parts point into packets and
        // prefixes, which are borrowed until after the call. The kernel only reads them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                runs.len() as c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        result(sent)
    }

    /// Lists where the bytes of the packets are, and counts the parts of each message.
    fn gather(&mut self, packets: &PacketQueue, runs: &[Run], prefixes: &[[u8; virtio::HEADER_LEN]]) {
        let mut packets = packets.iter();
        let mut prefixes = prefixes.iter();
        self.parts.clear();
        for (message, run) in self.messages.iter_mut().zip(runs) {
            let first = self.parts.len();
            self.parts.extend(prefixes.next().map(|prefix| part_of(prefix)));
            for packet in packets.by_ref().take(run.packets) {
                let pieces = packet.body().iter().map(|piece| &**piece);
                self.parts.extend(
                    core::iter::once(packet.header())
                        .chain(pieces)
                        .filter(|bytes| !bytes.is_empty())
                        .map(part_of),
                );
            }
            message.msg_hdr.msg_iovlen = self.parts.len() - first;
        }
    }
}

fn part_of(bytes: &[u8]) -> iovec {
    iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    }
}

fn announce_segments(header: &mut libc::msghdr, control: &mut Control, run: &Run) {
    if run.packets <= 1 {
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        return;
    }
    header.msg_control = control.as_mut_ptr().cast();
    // SAFETY: plain arithmetic.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<u16>() as c_uint) } as _;
    // SAFETY: the control buffer is aligned for a header and larger than the space for a `u16`, so there is a first header, with
    // room for its data behind it.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::SOL_UDP;
        (*message).cmsg_type = libc::UDP_SEGMENT;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as c_uint) as _;
        libc::CMSG_DATA(message)
            .cast::<u16>()
            .write_unaligned(run.segment_size);
    }
}

/// Where one message is received: first the one frame, then, if there is more, the other.
#[derive(Debug, Default)]
pub(in crate::link) struct Buffer {
    /// The frame for the first bytes, as long as what it may take.
    pub(in crate::link) front: Option<Frame>,
    /// The frame for the rest, as long as what it may take.
    pub(in crate::link) overflow: Option<Frame>,
}

/// What is known of a received message beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) struct Received {
    /// Bytes of the message.
    pub(in crate::link) bytes: usize,
    /// Bytes of each datagram in it, the last of which may have fewer.
    pub(in crate::link) segment_size: usize,
    /// There was more than the frames could take.
    pub(in crate::link) truncated: bool,
    /// Messages that the socket has lost so far, if it said so.
    pub(in crate::link) overflows: Option<u32>,
}

/// The arguments of `recvmmsg`, kept between calls.
pub(in crate::link) struct Receiver {
    messages: Box<[mmsghdr]>,
    parts: Box<[[iovec; 2]]>,
    controls: Box<[Control]>,
}

impl Receiver {
    pub(in crate::link) fn new() -> Self {
        Self {
            messages: blank_messages(),
            parts: vec![[part_of(&[]); 2]; BATCH].into(),
            controls: vec![Control::default(); BATCH].into(),
        }
    }

    /// Receives into the first of `buffers`, one message each, and returns how many ([`Receiver::received`] describes them).
    ///
    /// # Errors
    /// Why nothing was received.
    pub(in crate::link) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        buffers: &mut [Buffer],
    ) -> io::Result<usize> {
        let count = buffers.len().min(BATCH);
        let (messages, parts, controls) = (&mut self.messages, &mut self.parts, &mut self.controls);
        for (((message, parts), control), buffer) in
            messages.iter_mut().zip(parts).zip(controls).zip(&mut *buffers)
        {
            *parts = [room_in(&mut buffer.front), room_in(&mut buffer.overflow)];
            let header = &mut message.msg_hdr;
            header.msg_iov = parts.as_mut_ptr();
            header.msg_iovlen = parts.len();
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
        // SAFETY: the first `count` messages point to controls and parts that are alive; the parts point into frames, which are
        // borrowed for writing until after the call.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                count as c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        result(received)
    }

    /// Describes a message of the last [`Receiver::receive`], of those that it returned the number of.
    pub(in crate::link) fn received(&self, index: usize) -> Received {
        let message = &self.messages[index];
        let bytes = message.msg_len as usize;
        let mut received = Received {
            bytes,
            segment_size: bytes,
            truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            overflows: None,
        };
        let mut next = first_control(&message.msg_hdr);
        while let Some((control, value)) = next {
            match (control.cmsg_level, control.cmsg_type) {
                (libc::SOL_UDP, libc::UDP_GRO) => received.segment_size = value as usize,
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => received.overflows = Some(value as u32),
                _ => {}
            }
            next = control_after(&message.msg_hdr, control);
        }
        received
    }
}

fn room_in(frame: &mut Option<Frame>) -> iovec {
    let room: &mut [u8] = frame.as_deref_mut().unwrap_or_default();
    iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    }
}

fn first_control(header: &libc::msghdr) -> Option<(&cmsghdr, c_int)> {
    // SAFETY: the header's control buffer belongs to the receiver that the header is borrowed from, and `msg_controllen` is what
    // the kernel has written there.
    unsafe { with_value(libc::CMSG_FIRSTHDR(header)) }
}

fn control_after<'a>(header: &'a libc::msghdr, control: &cmsghdr) -> Option<(&'a cmsghdr, c_int)> {
    // SAFETY: as for `first_control`; `control` is a message of this very header.
    unsafe { with_value(libc::CMSG_NXTHDR(header, control)) }
}

/// # Safety
/// `control` is null, or points to a control message that lives for `'a`, followed by its data.
unsafe fn with_value<'a>(control: *const cmsghdr) -> Option<(&'a cmsghdr, c_int)> {
    // SAFETY: the caller's promise.
    let header = unsafe { control.as_ref() }?;
    // SAFETY: plain arithmetic.
    let needed = unsafe { libc::CMSG_LEN(size_of::<c_int>() as c_uint) } as usize;
    if header.cmsg_len < needed {
        return None;
    }
    // SAFETY: the message is long enough for an integer behind its header.
    Some((header, unsafe {
        libc::CMSG_DATA(control).cast::<c_int>().read_unaligned()
    }))
}

fn blank_messages() -> Box<[mmsghdr]> {
    // SAFETY: null pointers, zero lengths and zero flags are a valid message header.
    (0..BATCH).map(|_| unsafe { mem::zeroed() }).collect()
}

fn result(count: c_int) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
