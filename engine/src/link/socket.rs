//! The engine's packets inside UDP datagrams: needs no privilege, and any two processes of a machine can talk.
//!
//! A datagram is one IP packet. Between two ends of this kind on one machine the kernel's loopback device carries runs of packets
//! of one size as a single message, which is cut by the kernel only if the receiver cannot: the cost of the kernel falls on the run.

mod arrival;
mod config;
#[cfg(test)]
pub(in crate::link) mod tests;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use self::arrival::Arrivals;
pub use self::config::{MAX_MTU, SocketConfig};
use super::batch::{self, Departure, is_full};
use super::sys::mmsg::{BATCH, Run, Sender};
use super::sys::option::{self, SocketOption};
use super::{Capabilities, Device, DeviceCounters};
use crate::frame::{FramePool, PacketQueue};
use crate::time::Instant;

/// Packets that the kernel cuts out of one message (its `UDP_MAX_SEGMENTS`).
const MAX_RUN: usize = 64;
/// Bytes that fit a datagram over IPv4: 65,535 less the IP and UDP headers.
const MAX_MESSAGE: usize = 65_507;

/// One end of a tunnel of UDP datagrams. Its descriptor ([`AsFd`]) is readable when packets wait.
///
/// [`DeviceCounters::copied_bytes`] counts copies that this device makes; the kernel's own, one into and one out of
/// the socket, are not in it.
#[derive(Debug)]
pub struct SocketDevice {
    socket: Socket,
    capabilities: Capabilities,
    connected: bool,
    /// Whether the kernel takes runs of packets as one message.
    segmentation: bool,
    sender: Sender,
    runs: Vec<Run>,
    arrivals: Arrivals,
    counters: DeviceCounters,
}

impl SocketDevice {
    /// Opens a socket as `config` says, with frames for what it receives from `pool`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when the MTU is 0 or above [`MAX_MTU`], and whatever the system says.
    pub fn new(config: SocketConfig, pool: FramePool) -> io::Result<Self> {
        config.validate()?;
        let socket = Socket::new(
            Domain::for_address(config.local),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        socket.bind(&config.local.into())?;
        enlarge_buffers(&socket, config.buffer_bytes)?;
        // Older kernels lack these; a loss that is not counted or a run that is not merged is no reason to refuse service.
        let _ = option::set(socket.as_fd(), SocketOption::ReceiveOverflows, 1);
        let merges = config.offloads && option::set(socket.as_fd(), SocketOption::UdpGro, 1).is_ok();
        let segmentation =
            config.offloads && option::set(socket.as_fd(), SocketOption::UdpSegment, 0).is_ok();
        let mut device = Self {
            socket,
            capabilities: config.capabilities(),
            connected: false,
            segmentation,
            sender: Sender::new(),
            runs: Vec::with_capacity(BATCH),
            arrivals: Arrivals::new(pool, config.mtu as usize, config.trusted, merges),
            counters: DeviceCounters::default(),
        };
        if let Some(peer) = config.peer {
            device.connect(peer)?;
        }
        Ok(device)
    }

    /// The address that the peer sends to, with the port that the system chose if the configuration left it open.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        Ok(address.expect("an internet socket has an internet address"))
    }

    /// Sends to `peer`, and receives from nobody else, from now on.
    ///
    /// # Errors
    /// Whatever the system says, such as that the address is of another family.
    pub fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        self.socket.connect(&peer.into())?;
        self.connected = true;
        Ok(())
    }

    /// Takes whoever sent the datagram at the head of the socket's queue for the peer.
    fn learn_peer(&mut self) -> io::Result<()> {
        self.counters.system_calls += 2;
        let peer = self.socket.peek_sender()?;
        self.socket.connect(&peer)?;
        self.connected = true;
        Ok(())
    }

    /// Groups packets from the front of `batch` into messages: packets of one size, the last of which may be shorter.
    fn plan(&mut self, batch: &PacketQueue) {
        self.runs.clear();
        let (mut bytes, mut open) = (0, false);
        for packet in batch.iter().take(BATCH) {
            if !self.capabilities.carries(packet) {
                break;
            }
            let len = packet.len();
            match self.runs.last_mut() {
                Some(run)
                    if open
                        && len <= run.segment_size as usize
                        && run.packets < MAX_RUN
                        && bytes + len <= MAX_MESSAGE =>
                {
                    run.packets += 1;
                    bytes += len;
                    open = len == run.segment_size as usize;
                }
                _ => {
                    self.runs.push(Run {
                        packets: 1,
                        segment_size: len as u16,
                    });
                    bytes = len;
                    open = self.segmentation && len > 0;
                }
            }
        }
    }

    /// Sends what [`SocketDevice::plan`] groups, in one call.
    fn send(&mut self, batch: &mut PacketQueue) -> Departure {
        self.plan(batch);
        if self.runs.is_empty() {
            // No datagram may carry the first.
            return Departure::Lost(1);
        }
        self.counters.system_calls += 1;
        match self.sender.send(self.socket.as_fd(), batch, &self.runs, &[]) {
            Ok(messages) => Departure::Sent(self.runs[..messages].iter().map(|run| run.packets).sum()),
            Err(error) => self.handle_send_error(&error),
        }
    }

    fn handle_send_error(&mut self, error: &io::Error) -> Departure {
        let run = self.runs[0];
        match error.raw_os_error() {
            _ if is_full(error) => return Departure::Full,
            Some(libc::EINTR) => {}
            // The report on a packet that left earlier, for which nobody listened.
            Some(libc::ECONNREFUSED) => self.counters.dropped += 1,
            Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE) if run.packets > 1 => self.segmentation = false,
            _ => return Departure::Lost(run.packets),
        }
        Departure::Again
    }
}

impl Device for SocketDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        if !self.connected && self.learn_peer().is_err() {
            return 0;
        }
        let (waiting, mut more) = (batch.len(), true);
        loop {
            self.arrivals.split_into(batch, &mut self.counters);
            if !more || batch.room() == 0 {
                break;
            }
            more = self
                .arrivals
                .refill(self.socket.as_fd(), batch.room(), &mut self.counters);
        }
        let received = batch.len() - waiting;
        self.counters.received += received as u64;
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        if !self.connected {
            self.counters.refused += batch.len() as u64;
            return 0;
        }
        batch::empty(self, batch, |device| &mut device.counters, Self::send)
    }

    /// At once while packets are left of messages that were received.
    fn next_deadline(&self) -> Option<Instant> {
        self.arrivals.are_waiting().then_some(Instant::ZERO)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}

impl AsFd for SocketDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// As large as asked for with the privilege, else as large as the system's limit allows.
pub(super) fn enlarge_buffers(socket: &Socket, bytes: usize) -> io::Result<()> {
    let value = i32::try_from(bytes).unwrap_or(i32::MAX);
    if option::set(socket.as_fd(), SocketOption::ReceiveBufferForce, value).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    if option::set(socket.as_fd(), SocketOption::SendBufferForce, value).is_err() {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}
