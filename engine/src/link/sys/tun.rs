//! The requests of `/dev/net/tun`.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use libc::{c_int, c_short, c_uint};

use super::bpf::{self, extended::extend};
use super::interface::InterfaceName;
use super::share;
use crate::link::error::{OpenError, Privilege};

/// `TUNSETSTEERINGEBPF`, which the crate for such constants lacks: `_IOR('T', 224, int)`.
const SET_STEERING: u32 = 0x8004_54e0;
const NODE: &str = "/dev/net/tun";

/// What the interface is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) struct Kind {
    /// Frames with Ethernet headers (TAP) instead of IP packets (TUN).
    pub(in crate::link) ethernet: bool,
    /// Every packet has a `virtio_net_hdr` in front.
    pub(in crate::link) virtio_headers: bool,
    /// Other descriptors may attach to the same interface.
    pub(in crate::link) multi_queue: bool,
}

/// Makes an interface, or attaches to the persistent or multi-queue one of that name; gives its descriptor, which does not block, and the
/// name that the kernel chose if `name` is empty or ends in `%d`.
///
/// # Errors
/// See [`OpenError`].
pub(in crate::link) fn attach(name: InterfaceName, kind: Kind) -> Result<(File, InterfaceName), OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(NODE)
        .map_err(|source| match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => OpenError::NoDeviceNode(NODE),
            _ => OpenError::at("opening /dev/net/tun", Privilege::TUNNELS)(source),
        })?;
    let mut flags = libc::IFF_NO_PI
        | if kind.ethernet {
            libc::IFF_TAP
        } else {
            libc::IFF_TUN
        };
    if kind.virtio_headers {
        flags |= libc::IFF_VNET_HDR;
    }
    if kind.multi_queue {
        flags |= libc::IFF_MULTI_QUEUE;
    }
    let mut request = name.request();
    request.ifr_ifru.ifru_flags = flags as c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which is alive.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if result < 0 {
        return Err(refusal(name, io::Error::last_os_error()));
    }
    Ok((file, InterfaceName::of(&request)))
}

fn refusal(name: InterfaceName, source: io::Error) -> OpenError {
    match source.raw_os_error() {
        Some(libc::EBUSY) => OpenError::Busy(format!("the interface `{}`", name.text())),
        Some(libc::EINVAL) => OpenError::Invalid(format!(
            "`{}` exists and is something else: a TUN where a TAP is asked for, with another choice of queues or headers, or no tunnel",
            name.text()
        )),
        _ => OpenError::at("making a TUN or TAP interface", Privilege::NET_ADMIN)(source),
    }
}

/// Lets the kernel pass on unfinished checksums and whole runs of TCP segments and, where it can, of UDP datagrams.
/// Without effect on the other direction, where the header of each packet says what is left to do.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn accept_offloads(file: &File) -> io::Result<()> {
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
    // Kernels before 6.2 do not know the UDP ones and refuse all.
    set_offloads(file, tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6).or_else(|_| set_offloads(file, tcp))
}

fn set_offloads(file: &File, offloads: c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD as _, offloads) })
}

/// Fixes the length of the header in front of packets, which somebody may have changed on a persistent interface.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn set_header_len(file: &File, bytes: c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one integer, which is alive.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ as _, &raw const bytes) })
}

/// Has a program choose the queue of each packet from now on, for all queues of the interface: TCP and UDP to a port of one of `ports` goes to
/// the queue whose range that is. The interface keeps the program for as long as it exists.
///
/// # Errors
/// What the system says: `EPERM` without the privilege to load programs.
pub(in crate::link) fn steer(file: &File, ports: &[RangeInclusive<u16>]) -> io::Result<()> {
    let program = bpf::load(bpf::Kind::SocketFilter, &extend(&share::program(ports)))?;
    let number = program.as_raw_fd();
    // SAFETY: TUNSETSTEERINGEBPF reads one integer, which is alive.
    check(unsafe { libc::ioctl(file.as_raw_fd(), SET_STEERING as _, &raw const number) })
}

/// Whether the descriptor still has an interface.
pub(in crate::link) fn is_attached(file: &File) -> bool {
    // SAFETY: an `ifreq` is plain data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // SAFETY: TUNGETIFF writes one `ifreq`, which is alive.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNGETIFF as _, &raw mut request) }).is_ok()
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
