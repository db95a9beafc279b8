//! The few system calls for which no safe wrapper exists among the dependencies.

#![allow(unsafe_code)]

pub(crate) mod packet;
pub(crate) mod uring;

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::thread::UnshareFlags;

/// Moves the calling thread into new namespaces.
///
/// # Errors
/// `EPERM` without the privilege, `EINVAL` for a user namespace in a process with several threads.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    assert!(
        !flags.contains(UnshareFlags::FILES),
        "threads must keep one table of descriptors"
    );
    // SAFETY: the call is unsafe only for the sake of descriptors, whose table stays shared (asserted above).
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Brings the loopback device of the calling thread's network namespace up.
pub(crate) fn bring_loopback_up() -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    // SAFETY: `ifreq` is plain data for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    interface_request(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS has just filled in this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as i16;
    interface_request(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &mut request)
}

fn interface_request(socket: RawFd, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: `request` is a live `ifreq`, which is what both SIOC?IFFLAGS calls read and write.
    check(unsafe { libc::ioctl(socket, code as _, std::ptr::from_mut(request)) })
}

/// Makes a virtual Ethernet device in the calling thread's network namespace. A read from it never waits and takes one frame, a write gives
/// one; the device goes with the descriptor.
pub(crate) fn open_tap(name: &str) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
    // SAFETY: `ifreq` is plain data for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1]
        .iter_mut()
        .zip(name.bytes())
    {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
    // SAFETY: `request` is a live `ifreq`, which is what TUNSETIFF reads and writes.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) })?;
    Ok(device)
}

/// Lets `connect` choose the port after the source address was bound, for the whole four-tuple.
pub(crate) fn bind_address_without_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Restricts the local ports that `connect` chooses from. A socket with a range of its own is offered odd and even
/// ports alike, where others scan one half of the range to exhaustion first.
pub(crate) fn set_local_port_range(socket: BorrowedFd<'_>, low: u16, high: u16) -> io::Result<()> {
    const IP_LOCAL_PORT_RANGE: c_int = 51;
    let range = u32::from(high) << 16 | u32::from(low);
    set_option(socket, libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE, range.cast_signed())
}

/// Has the kernel cut what is written into datagrams of `length` bytes (UDP GSO); 0 turns it off.
pub(crate) fn set_udp_segment(socket: BorrowedFd<'_>, length: u16) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, length.into())
}

/// Lets the kernel hand over several datagrams as one ([`receive_coalesced`] then tells their length).
pub(crate) fn enable_udp_gro(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

fn set_option(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set_option_bytes(socket, level, name, &value.to_ne_bytes())
}

/// Sets any option of a socket to what these bytes stand for.
pub(crate) fn set_option_bytes(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &[u8],
) -> io::Result<()> {
    // SAFETY: pointer and length describe `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    })
}

/// Reads any option of a socket and tells how many bytes it has.
pub(crate) fn option_bytes(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`, which is writable; the kernel tells in `length` how much of it it has filled.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    })?;
    Ok(length as usize)
}

/// How much waits in a queue of a socket: what SIOCINQ, SIOCOUTQ and SIOCOUTQNSD tell.
pub(crate) fn queued(socket: BorrowedFd<'_>, request: libc::c_ulong) -> io::Result<c_int> {
    let mut found: c_int = 0;
    // SAFETY: these three requests write one int through the pointer, which is live.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &raw mut found) })?;
    Ok(found)
}

/// Waits for up to `timeout` until one of the descriptors is ready; `revents` tells for what. An interruption counts as the end of the time.
pub(crate) fn wait_for(polled: &mut [libc::pollfd], timeout: Duration) -> io::Result<usize> {
    let time = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: pointer and length describe `polled`, the time is live, and no mask of signals is given.
    let ready = unsafe {
        libc::ppoll(
            polled.as_mut_ptr(),
            polled.len() as libc::nfds_t,
            &raw const time,
            std::ptr::null(),
        )
    };
    match check(ready) {
        Ok(()) => Ok(ready as usize),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

/// What one read of a socket with UDP GRO found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coalesced {
    /// Bytes of all datagrams together.
    pub(crate) bytes: usize,
    /// Bytes of each datagram but the last, which may be shorter.
    pub(crate) segment: usize,
}

/// Reads one run of datagrams of equal length into `buffer`.
pub(crate) fn receive_coalesced(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Coalesced> {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: `msghdr` is plain data for which all zeros is a valid value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: the vector and the control buffer are live, writable, and as long as the header says.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let bytes = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    let mut segment = bytes;
    // SAFETY: `message` was filled in by the kernel, and `control` is alive and aligned for `cmsghdr`.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    if let Some(header) = header
        && (header.cmsg_level, header.cmsg_type) == (libc::SOL_UDP, libc::UDP_GRO)
    {
        // SAFETY: a UDP_GRO control message carries one int; it may be unaligned.
        let length = unsafe { libc::CMSG_DATA(header).cast::<c_int>().read_unaligned() };
        segment = usize::try_from(length).unwrap_or(bytes);
    }
    Ok(Coalesced { bytes, segment })
}

/// What the kernel bills the process for, all of its threads together, since it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
}

/// The bill of the process so far.
pub(crate) fn usage_of_process() -> io::Result<Usage> {
    // SAFETY: `rusage` is plain data for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live `rusage`, which the call fills in.
    check(unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) })?;
    let span = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.cast_unsigned()) + Duration::from_micros(time.tv_usec.cast_unsigned())
    };
    Ok(Usage {
        user: span(usage.ru_utime),
        system: span(usage.ru_stime),
        voluntary_switches: usage.ru_nvcsw.cast_unsigned(),
        involuntary_switches: usage.ru_nivcsw.cast_unsigned(),
        minor_faults: usage.ru_minflt.cast_unsigned(),
        major_faults: usage.ru_majflt.cast_unsigned(),
    })
}

/// An event that the processor or the kernel counts (perf_event_open(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CountedEvent {
    Cycles,
    Instructions,
    CacheMisses,
    BranchMisses,
    /// Nanoseconds for which threads ran, by the kernel's clock: no counter of the processor is needed.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "shows in tests that counting works where the processor has no counters"
        )
    )]
    TaskClock,
}

/// Counts an event of the calling thread and of all threads that it starts afterwards. A read gives three numbers of eight bytes: the
/// count, the nanoseconds for which it was wanted, and those for which it ran.
///
/// # Errors
/// `ENOENT` where the processor has no such counter, `EACCES` or `EPERM` where it may not be read.
pub(crate) fn count_event(event: CountedEvent, with_kernel: bool) -> io::Result<OwnedFd> {
    /// `struct perf_event_attr` as its first version had it.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        kind: u32,
        size: u32,
        config: u64,
        sample_period: u64,
        sample_type: u64,
        read_format: u64,
        flags: u64,
        wakeup_events: u32,
        breakpoint_type: u32,
        breakpoint_address: u64,
    }
    const HARDWARE: u32 = 0;
    const SOFTWARE: u32 = 1;
    const ENABLED_AND_RUNNING: u64 = 1 | 2;
    const INHERIT: u64 = 1 << 1;
    const EXCLUDE_KERNEL: u64 = 1 << 5;
    const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
    const CLOSE_ON_EXEC: libc::c_ulong = 8;
    let (kind, config) = match event {
        CountedEvent::Cycles => (HARDWARE, 0),
        CountedEvent::Instructions => (HARDWARE, 1),
        CountedEvent::CacheMisses => (HARDWARE, 3),
        CountedEvent::BranchMisses => (HARDWARE, 5),
        CountedEvent::TaskClock => (SOFTWARE, 1),
    };
    let attributes = Attributes {
        kind,
        size: size_of::<Attributes>() as u32,
        config,
        read_format: ENABLED_AND_RUNNING,
        flags: INHERIT | EXCLUDE_HYPERVISOR | if with_kernel { 0 } else { EXCLUDE_KERNEL },
        ..Attributes::default()
    };
    // SAFETY: the pointer is to live attributes, whose size is in them; this thread, any core, no group.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            0 as libc::pid_t,
            -1 as c_int,
            -1 as c_int,
            CLOSE_ON_EXEC,
        )
    };
    let descriptor = c_int::try_from(descriptor).map_err(io::Error::other)?;
    check(descriptor)?;
    // SAFETY: the call has just returned this descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
