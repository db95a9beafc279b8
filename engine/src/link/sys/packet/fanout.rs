//! Several packet sockets that share the packets of an interface (`PACKET_FANOUT`).

use core::ffi::c_int;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::sock_fprog;

use crate::link::sys::option::{self, SocketOption};
use crate::link::sys::share;

/// Joins a group of sockets, which exists from its first member on. Members count from 0 in the order in which they join.
///
/// # Errors
/// What the system says: `EINVAL` when the group has another kind of member.
pub(in crate::link) fn join(socket: BorrowedFd<'_>, group: u16) -> io::Result<()> {
    let kind = libc::PACKET_FANOUT_CBPF << 16;
    option::set(
        socket,
        SocketOption::PacketFanout,
        (u32::from(group) | kind).cast_signed(),
    )
}

/// Gives the group of the socket the program that says which member a packet is for.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn steer(socket: BorrowedFd<'_>, ports: &[RangeInclusive<u16>]) -> io::Result<()> {
    let mut code = share::program(ports);
    let program = sock_fprog {
        len: code.len() as u16,
        filter: code.as_mut_ptr(),
    };
    // SAFETY: the address is that of a live description of a live program, which the call only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT_DATA as c_int,
            (&raw const program).cast(),
            size_of::<sock_fprog>() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
