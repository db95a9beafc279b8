//! Socket options with an integer for a value.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// An option that [`set`] knows.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) enum SocketOption {
    /// Datagrams of this many bytes are cut out of every message that does not say otherwise; 0 for none (`udp(7)`).
    UdpSegment,
    /// Datagrams of one flow may be received as one message (`udp(7)`).
    UdpGro,
    /// Every message says how many were lost because the receive buffer was full (`socket(7)`).
    ReceiveOverflows,
    /// The receive buffer in bytes, beyond the system's limit (`socket(7)`).
    ReceiveBufferForce,
    /// The send buffer in bytes, beyond the system's limit (`socket(7)`).
    SendBufferForce,
    /// The layout of a packet socket's rings (`packet(7)`).
    PacketVersion,
    /// Whether packets have a `virtio_net_hdr` in front (`packet(7)`).
    PacketVirtioHeader,
    /// Whether packets that others send are not shown (`packet(7)`).
    PacketIgnoreOutgoing,
    /// Whether packets go past the interface's queues (`packet(7)`).
    PacketBypassQueues,
    /// Whether packets that are longer than a frame of the receive ring can be received from the socket (`packet(7)`).
    PacketCopyThreshold,
    /// Whether packets of a transmit ring that make no sense are passed over (`packet(7)`).
    PacketLoss,
    /// The group that shares the packets of an interface, and how (`packet(7)`).
    PacketFanout,
    /// Whether the kernel leaves an interface's interrupts off while the application polls (`socket(7)`).
    PreferBusyPoll,
    /// For how many microseconds a call polls the interface (`socket(7)`).
    BusyPoll,
    /// How many packets one poll of the interface handles.
    BusyPollBudget,
}

/// Options of `<asm-generic/socket.h>` that the crate for such constants lacks.
const SO_PREFER_BUSY_POLL: i32 = 69;
const SO_BUSY_POLL_BUDGET: i32 = 70;

/// Sets an option.
///
/// # Errors
/// What the system says; the `Force` options need a privilege.
pub(in crate::link) fn set(socket: BorrowedFd<'_>, option: SocketOption, value: i32) -> io::Result<()> {
    let (level, name) = match option {
        SocketOption::UdpSegment => (libc::SOL_UDP, libc::UDP_SEGMENT),
        SocketOption::UdpGro => (libc::SOL_UDP, libc::UDP_GRO),
        SocketOption::ReceiveOverflows => (libc::SOL_SOCKET, libc::SO_RXQ_OVFL),
        SocketOption::ReceiveBufferForce => (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE),
        SocketOption::SendBufferForce => (libc::SOL_SOCKET, libc::SO_SNDBUFFORCE),
        SocketOption::PacketVersion => (libc::SOL_PACKET, libc::PACKET_VERSION),
        SocketOption::PacketVirtioHeader => (libc::SOL_PACKET, libc::PACKET_VNET_HDR),
        SocketOption::PacketIgnoreOutgoing => (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING),
        SocketOption::PacketBypassQueues => (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS),
        SocketOption::PacketCopyThreshold => (libc::SOL_PACKET, libc::PACKET_COPY_THRESH),
        SocketOption::PacketLoss => (libc::SOL_PACKET, libc::PACKET_LOSS),
        SocketOption::PacketFanout => (libc::SOL_PACKET, libc::PACKET_FANOUT),
        SocketOption::PreferBusyPoll => (libc::SOL_SOCKET, SO_PREFER_BUSY_POLL),
        SocketOption::BusyPoll => (libc::SOL_SOCKET, libc::SO_BUSY_POLL),
        SocketOption::BusyPollBudget => (libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET),
    };
    let value: libc::c_int = value;
    // SAFETY: the address and the length are those of a live integer, which the call only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
