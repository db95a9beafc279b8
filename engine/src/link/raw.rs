//! Raw sockets (`raw(7)`): the simplest way to the packets of an address, for IPv4.
//!
//! The kernel hands raw sockets a copy of what it receives for one of its addresses, and goes on to handle it itself. So it answers for the
//! engine, too: TCP segments with a reset, datagrams with an unreachable port. Its resets must be kept away, or no connection outlives its
//! handshake:
//!
//! ```text
//! nft add table ip engine
//! nft 'add chain ip engine out { type filter hook output priority 0; }'
//! nft add rule ip engine out ip saddr 127.0.0.2 meta mark != 0x48 tcp flags rst drop
//! ```
//!
//! What the engine sends carries the mark [`MARK`], by which its own resets pass such a rule. Any address of 127/8 serves on one machine;
//! others become the kernel's without an interface by `ip route add local 10.9.0.0/24 dev lo`. An interface without a kernel address
//! ([`packet`](super::packet), [`tun`](super::tun)) needs no such care.

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::batch::{self, Arrival, Departure, is_full};
use super::error::{OpenError, Privilege};
use super::landing::Landing;
use super::socket::enlarge_buffers;
use super::{Capabilities, Device, DeviceCounters, Medium};
use crate::frame::{Checksum, FramePool, MAX_PIECES, Packet, PacketQueue};
use crate::time::Instant;

/// The mark (`SO_MARK`) of what the engine sends, where the process may set one (`CAP_NET_ADMIN`).
pub const MARK: u32 = 0x48;
/// Bytes of the largest IP packet.
const MAX_MTU: u32 = 65_535;
/// Bytes that each socket may hold: a few windows, which come in packets of up to 64 KB.
const BUFFER: usize = 4 << 20;

/// What a raw device is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawConfig {
    /// The address whose packets are received, one of the kernel's; the unspecified address for all of them.
    pub local: Ipv4Addr,
    /// Bytes of the largest IP packet, up to 65,535. Longer ones, as a TCP of the kernel's sends them over loopback, are dropped and counted.
    pub mtu: u32,
    /// Whether received transport checksums need no verification. Over loopback the kernel leaves them unfinished.
    pub trusted: bool,
}

impl RawConfig {
    /// Packets of up to 65,535 bytes over loopback, whose checksums need no verification.
    pub fn loopback(local: Ipv4Addr) -> Self {
        Self {
            local,
            mtu: MAX_MTU,
            trusted: true,
        }
    }
}

/// Raw sockets for TCP, UDP and ICMP over IPv4. Its descriptor ([`AsFd`]) is readable when packets wait.
///
/// There is one system call for each packet; the kernel fills in the header's checksum and, if it is zero, the identification.
/// [`DeviceCounters::copied_bytes`] does not include the kernel's own copies.
#[derive(Debug)]
pub struct RawDevice {
    sender: Socket,
    receivers: [Socket; 3],
    /// The receiver that is asked first.
    turn: usize,
    /// Readable when one of the receivers is.
    any: OwnedFd,
    landing: Landing,
    capabilities: Capabilities,
    counters: DeviceCounters,
}

impl RawDevice {
    /// Opens the sockets. Frames for what they receive come from `pool`.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing. It takes `CAP_NET_RAW` in the network namespace.
    pub fn new(config: RawConfig, pool: FramePool) -> Result<Self, OpenError> {
        if !(68..=MAX_MTU).contains(&config.mtu) {
            return Err(OpenError::Invalid(format!(
                "an MTU of {} is not between 68 and {MAX_MTU}",
                config.mtu
            )));
        }
        // A socket for the protocol 255 sends whole packets and receives none.
        let sender = open(Protocol::from(libc::IPPROTO_RAW))?;
        // Without the privilege for a mark the engine's packets look like the kernel's own.
        let _ = sender.set_mark(MARK);
        let any = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(system("making an epoll descriptor"))?;
        let receivers = [
            receiver(Protocol::TCP, config.local, &any)?,
            receiver(Protocol::UDP, config.local, &any)?,
            receiver(Protocol::ICMPV4, config.local, &any)?,
        ];
        Ok(Self {
            sender,
            receivers,
            turn: 0,
            any,
            landing: Landing::new(pool, config.mtu as usize),
            capabilities: Capabilities {
                medium: Medium::Ip,
                mtu: config.mtu,
                verifies_checksums: config.trusted,
                computes_checksums: false,
                max_segment: 0,
                gathers: true,
            },
            counters: DeviceCounters::default(),
        })
    }

    /// Receives the next packet of any protocol, of each until it has no more.
    fn take(&mut self, packet: &mut Packet) -> Arrival {
        if !self.landing.prepare() {
            return Arrival::Nothing;
        }
        for _ in 0..self.receivers.len() {
            self.counters.system_calls += 1;
            if let Ok(bytes) = (&self.receivers[self.turn]).read_vectored(&mut self.landing.room()) {
                return self.accept(bytes, packet);
            }
            self.next_turn();
        }
        Arrival::Nothing
    }

    fn next_turn(&mut self) {
        self.turn = (self.turn + 1) % self.receivers.len();
    }

    fn accept(&mut self, bytes: usize, packet: &mut Packet) -> Arrival {
        let landed = self
            .landing
            .take(bytes)
            .filter(|_| (1..=self.capabilities.mtu as usize).contains(&bytes));
        match landed {
            Some(landed) => {
                landed.move_into(packet);
                Arrival::Received
            }
            None => Arrival::Lost,
        }
    }

    /// Sends the packet in front of `batch`.
    fn send(&mut self, batch: &mut PacketQueue) -> Departure {
        match batch.get(0).map(|packet| self.try_send(packet)) {
            Some(Ok(())) => Departure::Sent(1),
            Some(Err(error)) if is_full(&error) => Departure::Full,
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Departure::Again,
            _ => Departure::Lost(1),
        }
    }

    fn try_send(&mut self, packet: &Packet) -> io::Result<()> {
        let is_plain = packet.checksum == Checksum::InPacket && packet.segment_size == 0;
        let destination = packet
            .contiguous()
            .get(16..20)
            .and_then(|address| address.first_chunk::<4>())
            .filter(|_| is_plain && packet.contiguous()[0] >> 4 == 4 && self.capabilities.carries(packet))
            .ok_or(io::ErrorKind::InvalidInput)?;
        let to = SockAddr::from(SocketAddrV4::new(Ipv4Addr::from(*destination), 0));
        let mut parts = [IoSlice::new(&[]); 1 + MAX_PIECES];
        parts[0] = IoSlice::new(packet.header());
        for (part, piece) in parts[1..].iter_mut().zip(packet.body()) {
            *part = IoSlice::new(piece);
        }
        self.counters.system_calls += 1;
        self.sender.send_to_vectored(&parts, &to).map(drop)
    }
}

fn open(protocol: Protocol) -> Result<Socket, OpenError> {
    Socket::new(Domain::IPV4, Type::RAW.nonblocking(), Some(protocol))
        .map_err(OpenError::at("opening a raw socket", Privilege::NET_RAW))
}

/// A socket for one protocol, as raw sockets are.
fn receiver(protocol: Protocol, local: Ipv4Addr, any: &OwnedFd) -> Result<Socket, OpenError> {
    let socket = open(protocol)?;
    socket
        .bind(&SocketAddrV4::new(local, 0).into())
        .map_err(|source| match source.raw_os_error() {
            Some(libc::EADDRNOTAVAIL) => OpenError::Invalid(format!(
                "{local} is none of the kernel's addresses: give it to an interface, or add a local route"
            )),
            _ => system("binding a raw socket")(source),
        })?;
    enlarge_buffers(&socket, BUFFER).map_err(system("enlarging a raw socket's buffers"))?;
    epoll::add(any, &socket, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
        .map_err(system("watching a raw socket"))?;
    Ok(socket)
}

fn system<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> OpenError {
    move |source| OpenError::System {
        step,
        source: source.into(),
    }
}

impl Device for RawDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        // Another goes first each time, so that a flood of one protocol does not keep the others waiting for ever.
        self.next_turn();
        batch::fill(self, batch, |device| &mut device.counters, Self::take)
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        batch::empty(self, batch, |device| &mut device.counters, Self::send)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}

impl AsFd for RawDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.any.as_fd()
    }
}
