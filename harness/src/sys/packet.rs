//! Packet sockets that only send, and such that only listen.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmmsg};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Frames that one call takes to the kernel at most.
pub(crate) const BATCH: usize = 64;

/// A packet socket on the device with this number in the calling thread's network namespace. It hears nothing: its protocol is none.
///
/// # Errors
/// `EPERM` without `CAP_NET_RAW` there, `ENODEV` without such a device.
pub(crate) fn open_sender(device: u32) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    // SAFETY: the closure fills in a whole `sockaddr_ll`, which is plain data and no longer than the storage, and says its length.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let address = storage.cast::<libc::sockaddr_ll>();
            address.write(std::mem::zeroed());
            (*address).sll_family = libc::AF_PACKET as u16;
            (*address).sll_ifindex = device.cast_signed();
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    socket.bind(&address)?;
    Ok(socket.into())
}

/// Hands frames to the kernel, [`BATCH`] at most, in one call that never waits, and returns how many it took.
///
/// # Errors
/// `EAGAIN` and `ENOBUFS` when it has room for none now; `ENETDOWN` and `ENXIO` when the device is down or gone.
pub(crate) fn send_frames<'a>(socket: &OwnedFd, frames: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
    let pieces: Vec<_> = frames
        .take(BATCH)
        .map(|frame| [io::IoSlice::new(frame)])
        .collect();
    let mut controls: Vec<_> = pieces.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<_> = pieces
        .iter()
        .zip(&mut controls)
        .map(|(piece, control)| rustix::net::MMsgHdr::new(piece, control))
        .collect();
    Ok(sendmmsg(socket.as_fd(), &mut messages, SendFlags::DONTWAIT)?)
}

/// The hardware address of a device in the calling thread's network namespace.
///
/// # Errors
/// `ENODEV` without such a device.
pub(crate) fn hardware_address(device: &str) -> io::Result<[u8; 6]> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: `ifreq` is plain data for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1]
        .iter_mut()
        .zip(device.bytes())
    {
        *to = from.cast_signed();
    }
    super::interface_request(socket.as_raw_fd(), libc::SIOCGIFHWADDR, &mut request)?;
    // SAFETY: SIOCGIFHWADDR has just filled in this member of the union.
    let octets = unsafe { request.ifr_ifru.ifru_hwaddr }.sa_data;
    Ok(std::array::from_fn(|at| octets[at].cast_unsigned()))
}

/// A packet that a listener heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    /// Since 1970, as the kernel took it down.
    pub(crate) at: Duration,
    /// Its bytes from its IP header on; more than the buffer has where it was cut.
    pub(crate) bytes: usize,
}

/// Bytes that packets may wait in.
const LISTENING_ROOM: usize = 64 << 20;

/// A packet socket that hears what every device of the calling thread's network namespace receives, and what it sends where that is wanted.
///
/// # Errors
/// `EPERM` without `CAP_NET_RAW` there.
pub(crate) fn open_listener(hears_sent: bool) -> io::Result<OwnedFd> {
    const IGNORE_OUTGOING: libc::c_int = 23;
    let every_protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(every_protocol)))?;
    let option = |level, name, value| super::set_option(socket.as_fd(), level, name, value);
    option(libc::SOL_PACKET, IGNORE_OUTGOING, (!hears_sent).into())?;
    option(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    // Beyond the system's ceiling where that is allowed, else up to it.
    option(
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        LISTENING_ROOM as libc::c_int,
    )
    .or_else(|_| socket.set_recv_buffer_size(LISTENING_ROOM))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Waits for up to `patience` until a listener has heard something.
pub(crate) fn wait_to_hear(sockets: &[OwnedFd], patience: Duration) -> io::Result<()> {
    let of = |socket: &OwnedFd| libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut polled: Vec<_> = sockets.iter().map(of).collect();
    super::wait_for(&mut polled, patience).map(drop)
}

/// The next IP packet that a listener has heard; `None` when there is none yet.
pub(crate) fn next_heard(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Heard>> {
    loop {
        match take(socket, buffer) {
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            taken => return taken,
        }
    }
}

/// `None` for what is no IP packet.
fn take(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<Heard>> {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: both are plain data for which all zeros is a valid value.
    let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: address, vector and control buffer are live, writable, and as long as the header says.
    let bytes = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_TRUNC) };
    let bytes = usize::try_from(bytes).map_err(|_| io::Error::last_os_error())?;
    let is_ip =
        [libc::ETH_P_IP, libc::ETH_P_IPV6].contains(&libc::c_int::from(u16::from_be(from.sll_protocol)));
    Ok(is_ip.then(|| Heard {
        at: time_of(&message),
        bytes,
    }))
}

/// When the kernel took a packet down; zero when it does not say.
fn time_of(message: &libc::msghdr) -> Duration {
    // SAFETY: the header is one that recvmsg has filled in; its control buffer is live.
    let control = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() };
    let Some(control) = control.filter(|control| control.cmsg_type == libc::SCM_TIMESTAMPNS) else {
        return Duration::ZERO;
    };
    // SAFETY: data of this type is a `timespec`, wherever it lies.
    let at = unsafe { libc::CMSG_DATA(control).cast::<libc::timespec>().read_unaligned() };
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

/// How many packets a listener had no room for since this was asked last.
pub(crate) fn missed(socket: &OwnedFd) -> io::Result<u64> {
    let mut statistics = [0; size_of::<libc::tpacket_stats>()];
    super::option_bytes(
        socket.as_fd(),
        libc::SOL_PACKET,
        libc::PACKET_STATISTICS,
        &mut statistics,
    )?;
    let [_, _, _, _, dropped @ ..] = statistics;
    Ok(u32::from_ne_bytes(dropped).into())
}
