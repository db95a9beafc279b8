//! Packet sockets that only send.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmmsg};
use socket2::{Domain, SockAddr, Socket, Type};

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
