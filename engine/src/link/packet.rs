//! Packet sockets (`AF_PACKET`): the engine shares an interface with the kernel.
//!
//! Every packet that arrives at the interface goes to both stacks. The kernel stays quiet about the engine's connections as long as it has
//! no address of the engine's and does not forward; best is an interface without any kernel address. It looks for a route for each packet all the
//! same, unless the engine is a station of its own ([`LinkConfig::hardware_address`](crate::config::LinkConfig::hardware_address)): what is for
//! another station it drops first, which saves a sixth of the processor time of short packets over virtual Ethernet. Not every network has a
//! place for a second station behind one port: clouds and wireless ones drop what it sends.
//!
//! Packets are received through a ring that the kernel fills, and sent many for one system call, from where they lie or through another ring
//! ([`Transmission`]). Several devices can share an interface ([`Share`]). The interface is made to listen to the engine's groups, and never to
//! all that is on the wire.

mod config;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{SockFilter, Socket};

use self::config::LONGEST;
pub use self::config::{Delivery, MAX_MEMBERS, PacketConfig, Share, Transmission};
use super::batch;
use super::datagrams::Datagrams;
use super::error::{OpenError, Privilege};
use super::ethernet::MacAddress;
use super::landing::Landing;
use super::sys::hearing::Hearing;
use super::sys::interface::{self, ETHERNET, Interface, InterfaceName, LOOPBACK, NO_HEADERS};
use super::sys::mmsg::{BATCH, Run, Sender};
use super::sys::option::{self, SocketOption};
use super::sys::packet::{self, ReceiveRing, TransmitRing, fanout};
use super::{Capabilities, Device, DeviceCounters, MAX_VIRTUAL_SEGMENT, Medium, virtio};
use crate::frame::{FramePool, PacketQueue};
use crate::time::Instant;

/// Receptions of nothing after which the socket is asked for errors, which would otherwise keep it readable for ever.
const PATIENCE: u32 = 64;

/// A packet socket on one interface. Its descriptor ([`AsFd`]) is readable when packets wait.
///
/// [`DeviceCounters::copied_bytes`] counts what is received: it is copied out of the ring, whose frames the kernel needs back; all but packets that
/// are longer than such a frame, each of which takes a system call ([`PacketConfig::offloads`]). With a transmit
/// ring it counts what is sent as well, and packets that wait in the ring while the interface is down are sent when it is up again.
#[derive(Debug)]
pub struct PacketDevice {
    socket: Socket,
    /// The interface's number.
    index: u32,
    capabilities: Capabilities,
    address: Option<MacAddress>,
    /// `None` where there are no stations.
    hearing: Option<Hearing>,
    offloads: bool,
    /// Times in a row that the kernel had no room for the packet in front.
    refusals: u32,
    /// Packets go past the queues of the interface, and straight to its driver.
    bypasses: bool,
    ring: ReceiveRing,
    /// `None` when packets are sent by calls.
    outgoing: Option<TransmitRing>,
    /// The kernel did not look at all that is in the transmit ring when it was asked last.
    unfinished: bool,
    pool: FramePool,
    /// For packets that are too long for the ring.
    landing: Landing,
    datagrams: Datagrams,
    sender: Sender,
    headers: Vec<[u8; virtio::HEADER_LEN]>,
    runs: Vec<Run>,
    fruitless: u32,
    counters: DeviceCounters,
}

impl PacketDevice {
    /// Opens a packet socket on an interface. Frames for what it receives come from `pool`.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing. It takes `CAP_NET_RAW` in the network namespace.
    pub fn new(config: &PacketConfig, pool: FramePool) -> Result<Self, OpenError> {
        config.validate()?;
        let interface = Interface::new(InterfaceName::new(&config.interface)?)?;
        let index = interface.index()?;
        let (medium, address) = station(&interface)?;
        let mtu = interface.mtu()?;
        let socket =
            packet::socket().map_err(OpenError::at("opening a packet socket", Privilege::NET_RAW))?;
        let frame = mtu as usize + medium.header_len();
        let (ring, outgoing) = prepare(&socket, config, frame).map_err(|source| OpenError::NotSupported {
            what: "a packet socket with rings",
            way_out: "ask for smaller rings, or for no offloads",
            source,
        })?;
        // What comes before the socket has its share is for others.
        let system = |step| move |source| OpenError::System { step, source };
        if config.share.is_some() {
            let nothing = [SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0)];
            let deafened = socket.attach_filter(&nothing);
            deafened.map_err(system("attaching a filter to a packet socket"))?;
        }
        packet::bind(&socket, index).map_err(system("binding a packet socket to its interface"))?;
        if let Some(share) = &config.share {
            join(&socket, share)?;
            let open = socket.detach_filter();
            open.map_err(system("detaching the filter of a packet socket"))?;
        }
        Ok(Self {
            index,
            capabilities: Capabilities {
                medium,
                mtu,
                // Each packet says for itself.
                verifies_checksums: false,
                computes_checksums: config.offloads,
                max_segment: if config.offloads { MAX_VIRTUAL_SEGMENT } else { 0 },
                gathers: true,
            },
            address,
            hearing: address.map(|own| Hearing::new(index, own)),
            offloads: config.offloads,
            // Older kernels pass our packets through the queues.
            bypasses: option::set(socket.as_fd(), SocketOption::PacketBypassQueues, 1).is_ok(),
            refusals: 0,
            socket,
            ring,
            outgoing,
            unfinished: false,
            landing: Landing::new(pool.clone(), LONGEST),
            pool,
            datagrams: Datagrams::default(),
            sender: Sender::new(),
            headers: Vec::with_capacity(BATCH),
            runs: Vec::with_capacity(BATCH),
            fruitless: 0,
            counters: DeviceCounters::default(),
        })
    }

    /// Clears the error that the socket was left with, if there is one.
    fn had_error(&mut self) -> bool {
        self.counters.system_calls += 1;
        matches!(self.socket.take_error(), Ok(Some(_)))
    }
}

/// What kind of interface it is, and which station.
fn station(interface: &Interface) -> Result<(Medium, Option<MacAddress>), OpenError> {
    match interface.hardware()? {
        (ETHERNET | LOOPBACK, address) => Ok((Medium::Ethernet, Some(MacAddress(address)))),
        (NO_HEADERS, _) => Ok((Medium::Ip, None)),
        (kind, _) => Err(OpenError::Invalid(format!(
            "`{}` has link headers of type {kind}; Ethernet and interfaces without link headers are known",
            interface.name()
        ))),
    }
}

/// Sets up what must be chosen before the socket receives.
fn prepare(
    socket: &Socket,
    config: &PacketConfig,
    frame: usize,
) -> io::Result<(ReceiveRing, Option<TransmitRing>)> {
    let descriptor = socket.as_fd();
    let version = match config.delivery {
        Delivery::Single => libc::tpacket_versions::TPACKET_V2,
        Delivery::Blocks(_) => libc::tpacket_versions::TPACKET_V3,
    };
    option::set(descriptor, SocketOption::PacketVersion, version as i32)?;
    option::set(
        descriptor,
        SocketOption::PacketVirtioHeader,
        config.offloads.into(),
    )?;
    // Older kernels show us our own packets, which are for nobody here.
    let _ = option::set(descriptor, SocketOption::PacketIgnoreOutgoing, 1);
    // A packet that the kernel could make nothing of would stop the transmit ring for good.
    option::set(descriptor, SocketOption::PacketLoss, 1)?;
    let shape = if config.may_queue() && queues_long_packets(socket, config.ring_bytes) {
        config.shape_beside_queue(frame)
    } else {
        config.shape(frame)
    };
    packet::rings(socket, shape, config.transmit_shape(frame))
}

/// Lets packets that are longer than a frame of the ring wait in the socket, which has room for `bytes` of them; `false` where the process may
/// not have so much.
fn queues_long_packets(socket: &Socket, bytes: usize) -> bool {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    option::set(socket.as_fd(), SocketOption::ReceiveBufferForce, bytes)
        .and_then(|()| option::set(socket.as_fd(), SocketOption::PacketCopyThreshold, 1))
        .is_ok()
}

/// Takes a part of the interface's packets from now on.
fn join(socket: &Socket, with: &Share) -> Result<(), OpenError> {
    let group = with.group;
    fanout::join(socket.as_fd(), group)
        .and_then(|()| fanout::steer(socket.as_fd(), &with.ports))
        .map_err(|source| match source.raw_os_error() {
            Some(libc::EINVAL | libc::EALREADY) => {
                OpenError::Busy(format!("group {group}, by sockets of another kind or interface,"))
            }
            Some(libc::ENOSPC) => OpenError::Busy(format!("every place in group {group}")),
            _ => OpenError::System {
                step: "sharing an interface between packet sockets",
                source,
            },
        })
}

impl Device for PacketDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.address
    }

    fn hear(&mut self, addresses: &[MacAddress]) {
        if let Some(hearing) = &mut self.hearing {
            hearing.become_one_of(self.socket.as_fd(), addresses);
        }
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let received = batch::fill(self, batch, |device| &mut device.counters, Self::take);
        self.fruitless = if received > 0 { 0 } else { self.fruitless + 1 };
        if self.fruitless == PATIENCE {
            self.fruitless = 0;
            self.had_error();
        }
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        if self.outgoing.is_none() {
            return batch::empty(self, batch, |device| &mut device.counters, Self::send);
        }
        let taken = batch::empty(self, batch, |device| &mut device.counters, Self::place);
        self.kick();
        taken
    }

    /// At once while the kernel has not looked at what it was given, for it must be asked again, and while datagrams are left of a run.
    fn next_deadline(&self) -> Option<Instant> {
        (self.unfinished || !self.datagrams.is_empty()).then_some(Instant::ZERO)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn is_gone(&self) -> bool {
        !interface::exists(self.socket.as_fd(), self.index)
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}

impl AsFd for PacketDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
