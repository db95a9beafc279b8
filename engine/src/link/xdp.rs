//! AF_XDP: the kernel receives into the engine's own frames, and sends from them.
//!
//! The pool of the engine is the memory that is shared with the kernel (its umem): the slot that the kernel, or the network card, fills is
//! the one that the application reads. Which packets are the engine's is decided by a small program that the kernel runs for each; the
//! rest stays the kernel's. Program and socket are gone when the process is, however it ends.
//!
//! It takes root: `CAP_NET_RAW`, and `CAP_BPF` with `CAP_NET_ADMIN` in the first user namespace.

mod attached;
mod config;
mod program;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Socket;

pub use self::attached::XdpProgram;
pub use self::config::{Attachment, XdpConfig};
pub use self::program::{MAX_ADDRESSES, Steering};
use super::batch::{self, Arrival, Departure};
use super::error::{OpenError, Privilege};
use super::ethernet::MacAddress;
use super::sys::hearing::Hearing;
use super::sys::interface;
use super::sys::interface::{Feature, Interface, InterfaceName};
use super::sys::option::{self, SocketOption};
use super::sys::packet;
use super::sys::xdp::{Kick, Piece, XdpSocket};
use super::{Capabilities, Device, DeviceCounters, Medium};
use crate::frame::{
    Carver, Checksum, Frame, FramePool, LARGE_SLOT, Ledger, MAX_PIECES, Packet, PacketQueue, Payload,
    Purpose, SMALL_SLOT, Size,
};
use crate::time::Instant;

/// Bytes that the kernel keeps free in front of a received packet.
const KERNEL_HEADROOM: usize = 256;
/// Pieces that the kernel sends as one packet, at most.
const MAX_SENT_PIECES: usize = 17;
/// Calls in a row that ask the kernel to send; each moves about 32 packets.
const MAX_CALLS: usize = 8;

/// A queue of an interface whose frames are the engine's. Its descriptor ([`AsFd`]) is readable when packets wait.
///
/// [`DeviceCounters::copied_bytes`] counts what is sent: a packet that fits a slot is copied into one, where the kernel finds headers and
/// body together; longer ones are sent piece by piece from where they lie. Whether the kernel copies, too, [`XdpDevice::is_zero_copy`] says.
#[derive(Debug)]
pub struct XdpDevice {
    // In the order of their drop: the socket ends, and only then the slots are free.
    _program: XdpProgram,
    socket: XdpSocket,
    ledger: Ledger,
    pool: FramePool,
    carver: Carver,
    capabilities: Capabilities,
    /// The interface's number.
    index: u32,
    address: MacAddress,
    hearing: Hearing,
    /// A packet socket that receives nothing: only such can ask an interface to listen.
    asks_to_hear: Socket,
    zero_copy: bool,
    pieces: Vec<Piece>,
    /// The kernel did not take all that is in the ring when it was asked last.
    unfinished: bool,
    counters: DeviceCounters,
}

/// Lets the kernel finish checksums, and cut segments, of what it sends through an interface, so that whoever is at the far end of a veth
/// pair with an [`XdpDevice`] sees packets as they would be on a wire. For the interface at the *other* end from the device.
///
/// # Errors
/// [`OpenError`] says what is missing. It takes `CAP_NET_ADMIN`.
pub fn finish_checksums(interface: &str) -> Result<(), OpenError> {
    let interface = Interface::new(InterfaceName::new(interface)?)?;
    for feature in [
        Feature::TcpSegmentation,
        Feature::Segmentation,
        Feature::SendChecksums,
    ] {
        interface.switch_off(feature)?;
    }
    Ok(())
}

impl XdpDevice {
    /// Opens a socket on a queue of an interface and attaches the program. The kernel receives into frames of `pool`, which belong to this
    /// device alone from then on as far as the kernel is concerned: a pool has one such device.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing.
    pub fn new(config: &XdpConfig, pool: FramePool) -> Result<Self, OpenError> {
        Self::sharing(
            &XdpProgram::new(config, config.queue.saturating_add(1))?,
            config,
            pool,
        )
    }

    /// As [`XdpDevice::new`], on an interface whose program is attached already, and decides which packets are the engine's.
    ///
    /// # Errors
    /// As for [`XdpDevice::new`], and [`OpenError::Invalid`] when the program was attached for fewer queues.
    pub fn sharing(program: &XdpProgram, config: &XdpConfig, pool: FramePool) -> Result<Self, OpenError> {
        config.validate()?;
        let interface = Interface::new(InterfaceName::new(&config.interface)?)?;
        let index = interface.index()?;
        let (interface::ETHERNET | interface::LOOPBACK, address) = interface.hardware()? else {
            return Err(OpenError::Invalid(format!(
                "`{}` is no Ethernet interface",
                config.interface
            )));
        };
        let mtu = interface.mtu()?;
        let several_pieces = mtu as usize + Medium::Ethernet.header_len() > SMALL_SLOT - KERNEL_HEADROOM;
        let mut ledger = Ledger::new(pool.clone());
        let mut socket = XdpSocket::new(&ledger, config.ring).map_err(refused_socket)?;
        // Some drivers never recover from an empty fill ring at the start.
        refill(&mut socket, &mut ledger);
        let zero_copy = socket
            .bind(index, config.queue, several_pieces)
            .map_err(|error| refused_binding(error, config))?;
        if let Some(budget) = config.busy_poll {
            prefer_busy_poll(socket.as_fd(), budget).map_err(|source| OpenError::NotSupported {
                what: "busy polling",
                way_out: "leave `busy_poll` out",
                source,
            })?;
        }
        let asks_to_hear =
            packet::socket().map_err(OpenError::at("opening a packet socket", Privilege::NET_RAW))?;
        program.point(config.queue, &socket)?;
        Ok(Self {
            _program: program.clone(),
            socket,
            ledger,
            carver: Carver::new(pool.clone(), Purpose::Control),
            pool,
            capabilities: Capabilities {
                medium: Medium::Ethernet,
                mtu,
                verifies_checksums: config.trusted,
                computes_checksums: false,
                max_segment: 0,
                gathers: several_pieces,
            },
            index,
            address: MacAddress(address),
            hearing: Hearing::new(index, MacAddress(address)),
            asks_to_hear,
            zero_copy,
            pieces: Vec::with_capacity(MAX_SENT_PIECES),
            unfinished: false,
            counters: DeviceCounters::default(),
        })
    }

    /// Whether the network card reads and writes the engine's frames itself; otherwise the kernel copies.
    pub fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// Slots that the kernel holds to receive into.
    pub fn held_by_kernel(&self) -> usize {
        self.ledger.receiving()
    }

    /// Takes back what was sent.
    fn reap(&mut self) {
        let mut any = false;
        while let Some(offset) = self.socket.completed() {
            let known = self.ledger.sent(offset);
            debug_assert!(known, "the kernel has sent what it was not given: {offset}");
            any = true;
        }
        if any {
            self.socket.publish_completed();
        }
    }

    /// Moves the next packet into `packet`.
    fn take(&mut self, packet: &mut Packet) -> Arrival {
        let Some(mut piece) = self.socket.received() else {
            return Arrival::Nothing;
        };
        let mut frames = [const { None }; MAX_SENT_PIECES];
        let (mut count, mut intact) = (0, true);
        loop {
            let frame = self.ledger.received(piece.offset, piece.len as usize);
            intact &= frame.is_some() && count < frames.len();
            if let Some(place) = frames.get_mut(count) {
                *place = frame;
            }
            count += 1;
            if !piece.continued {
                break;
            }
            // The kernel writes all pieces of a packet at once.
            let Some(next) = self.socket.received() else {
                return Arrival::Lost;
            };
            piece = next;
        }
        if intact && self.assemble(packet, &mut frames[..count]) {
            Arrival::Received
        } else {
            Arrival::Lost
        }
    }

    /// Puts the frames of a packet into `packet`, or together if they are too many.
    fn assemble(&mut self, packet: &mut Packet, frames: &mut [Option<Frame>]) -> bool {
        let len: usize = frames.iter().flatten().map(|frame| frame.len()).sum();
        if len <= Medium::Ethernet.header_len() || len > LARGE_SLOT {
            return false;
        }
        if frames.len() > MAX_PIECES {
            let Some(mut whole) = self.pool.allocate(Purpose::Receive, Size::Large) else {
                return false;
            };
            for frame in frames.iter().flatten() {
                if let Some(room) = whole.extend(frame.len()) {
                    room.copy_from_slice(frame);
                }
            }
            self.counters.copied_bytes += len as u64;
            return packet.push_piece(whole.freeze()).is_ok();
        }
        for frame in frames.iter_mut().filter_map(Option::take) {
            let pushed = packet.push_piece(frame.freeze());
            debug_assert!(pushed.is_ok(), "an empty packet takes so many pieces");
        }
        true
    }

    /// Puts the packet in front of `batch` into the ring.
    fn send(&mut self, batch: &mut PacketQueue) -> Departure {
        let Some(packet) = batch.get(0) else {
            return Departure::Full;
        };
        let is_plain = packet.checksum == Checksum::InPacket && packet.segment_size == 0;
        let is_frame = packet.len() > Medium::Ethernet.header_len();
        if !is_plain || !is_frame || !self.capabilities.carries(packet) {
            return Departure::Lost(1);
        }
        self.pieces.clear();
        let lent = if packet.len() <= SMALL_SLOT {
            self.lend_copy(packet)
        } else {
            self.lend_pieces(packet)
        };
        let fits = lent.is_some() && self.pieces.len() <= MAX_SENT_PIECES;
        if !fits || !self.socket.has_room(self.pieces.len()) {
            for piece in &self.pieces {
                self.ledger.sent(piece.offset);
            }
            return if lent.is_some() && !fits {
                Departure::Lost(1)
            } else {
                Departure::Full
            };
        }
        if let Some(last) = self.pieces.last_mut() {
            last.continued = false;
        }
        for piece in &self.pieces {
            self.socket.send(*piece);
        }
        Departure::Sent(1)
    }

    /// All of a packet in one slot.
    fn lend_copy(&mut self, packet: &Packet) -> Option<()> {
        let copy = self.carver.carve(packet.len(), |room| {
            packet.copy_into(room);
        })?;
        self.counters.copied_bytes += copy.len() as u64;
        self.lend(&copy)
    }

    /// The header in a place of its own, and the body where it lies.
    fn lend_pieces(&mut self, packet: &Packet) -> Option<()> {
        let header = packet.header();
        if !header.is_empty() {
            let copy = self
                .carver
                .carve(header.len(), |room| room.copy_from_slice(header))?;
            self.counters.copied_bytes += header.len() as u64;
            self.lend(&copy)?;
        }
        for piece in packet.body() {
            if self.lend(piece).is_none() {
                self.lend_copies(piece)?;
            }
        }
        Some(())
    }

    /// Bytes that do not lie in the shared memory.
    fn lend_copies(&mut self, bytes: &[u8]) -> Option<()> {
        for part in bytes.chunks(SMALL_SLOT) {
            let copy = self.carver.carve(part.len(), |room| room.copy_from_slice(part))?;
            self.counters.copied_bytes += part.len() as u64;
            self.lend(&copy)?;
        }
        Some(())
    }

    /// Notes the pieces of a payload that are to be sent, none of which lies across chunks.
    fn lend(&mut self, payload: &Payload) -> Option<()> {
        let mut rest = payload.clone();
        while !rest.is_empty() {
            let offset = self.ledger.lend_for_send(&rest)?;
            let len = rest.len().min(SMALL_SLOT - offset as usize % SMALL_SLOT);
            self.pieces.push(Piece {
                offset,
                len: len as u32,
                continued: true,
            });
            rest.advance(len);
        }
        Some(())
    }

    /// Lets the kernel send what is in the ring.
    fn kick(&mut self) {
        self.unfinished = false;
        for _ in 0..MAX_CALLS {
            if !self.socket.wants_send_call() {
                return;
            }
            self.counters.system_calls += 1;
            let kick = self.socket.call_for_send();
            self.reap();
            match kick {
                Kick::Done | Kick::Again => self.unfinished = kick == Kick::Again,
                Kick::Down => return,
            }
        }
    }
}

/// Gives the kernel as many slots to receive into as it has places for, and calls it when it waits for them; says whether it did.
fn refill(socket: &mut XdpSocket, ledger: &mut Ledger) -> bool {
    let room = socket.fill_room();
    for _ in 0..room {
        let Some(offset) = ledger.lend_for_receive() else {
            break;
        };
        socket.fill(offset);
    }
    socket.publish_filled();
    let wants_call = room > 0 && socket.wants_fill_call();
    if wants_call {
        socket.call_for_fill();
    }
    wants_call
}

fn refused_socket(source: io::Error) -> OpenError {
    match source.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => OpenError::NotSupported {
            what: "AF_XDP",
            way_out: "use a packet socket, or a kernel with CONFIG_XDP_SOCKETS",
            source,
        },
        Some(libc::ENOBUFS) => OpenError::lacks(
            "sharing the frame pool with the kernel (it is larger than the limit on locked memory)",
            Privilege::LOCKED_MEMORY,
        ),
        _ => OpenError::at("opening an AF_XDP socket", Privilege::NET_RAW)(source),
    }
}

fn refused_binding(source: io::Error, config: &XdpConfig) -> OpenError {
    match source.raw_os_error() {
        Some(libc::EBUSY) => OpenError::Busy(format!("queue {} of `{}`", config.queue, config.interface)),
        Some(libc::EINVAL) => OpenError::Invalid(format!(
            "`{}` has no queue {}, or packets longer than its driver can spread over frames: lower its MTU to {}",
            config.interface,
            config.queue,
            SMALL_SLOT - KERNEL_HEADROOM - Medium::Ethernet.header_len()
        )),
        _ => OpenError::System {
            step: "binding an AF_XDP socket to its queue",
            source,
        },
    }
}

fn prefer_busy_poll(socket: BorrowedFd<'_>, budget: u32) -> io::Result<()> {
    /// As long as a poll of the interface may take, in microseconds.
    const MICROSECONDS: i32 = 20;
    option::set(socket, SocketOption::PreferBusyPoll, 1)?;
    option::set(socket, SocketOption::BusyPoll, MICROSECONDS)?;
    option::set(
        socket,
        SocketOption::BusyPollBudget,
        budget.try_into().unwrap_or(i32::MAX),
    )
}

impl Device for XdpDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        Some(self.address)
    }

    fn hear(&mut self, addresses: &[MacAddress]) {
        self.hearing.become_one_of(self.asks_to_hear.as_fd(), addresses);
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        self.reap();
        let received = batch::fill(self, batch, |device| &mut device.counters, Self::take);
        self.socket.publish_received();
        let called = refill(&mut self.socket, &mut self.ledger);
        self.counters.system_calls += u64::from(called);
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        self.reap();
        let taken = batch::empty(self, batch, |device| &mut device.counters, Self::send);
        self.socket.publish_sent();
        self.kick();
        taken
    }

    /// At once while the kernel has not taken what it was given: it must be asked again.
    fn next_deadline(&self) -> Option<Instant> {
        self.unfinished.then_some(Instant::ZERO)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn is_gone(&self) -> bool {
        !interface::exists(self.asks_to_hear.as_fd(), self.index)
    }

    fn counters(&self) -> DeviceCounters {
        DeviceCounters {
            dropped: self.counters.dropped + self.socket.losses(),
            ..self.counters
        }
    }
}

impl AsFd for XdpDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
