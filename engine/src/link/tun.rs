//! TUN and TAP: the engine is the far end of a network interface of the kernel.
//!
//! What the kernel routes to the interface, the engine receives; what the engine sends, arrives at the kernel through it. Addresses and
//! routes of the kernel's end are set as for any interface: `ip address add 10.0.0.1/24 dev tun0`.
//!
//! There is one system call for each packet; with offloads, a packet is up to 64 KB of a TCP connection.

mod config;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use self::config::MAX_PACKET;
pub use self::config::{Queues, TunConfig};
use super::batch::{self, Arrival, Departure, is_full};
use super::datagrams::Datagrams;
use super::error::{OpenError, Privilege};
use super::ethernet::MacAddress;
use super::landing::{Landed, Landing};
use super::sys::interface::{Interface, InterfaceName};
use super::sys::tun::{self, Kind};
use super::{Capabilities, Device, DeviceCounters, MAX_VIRTUAL_SEGMENT, Medium, virtio};
use crate::frame::{Checksum, FramePool, MAX_PIECES, Packet, PacketQueue};
use crate::time::Instant;

/// The far end of a TUN or TAP interface. Its descriptor ([`AsFd`]) is readable when packets wait.
///
/// [`DeviceCounters::copied_bytes`] stays 0: packets are read into frames and written from them; the kernel's own copies are not in it.
/// While the interface is down, packets are taken, dropped and counted, as a cable without a far end does; and for ever when it is deleted.
#[derive(Debug)]
pub struct TunDevice {
    file: File,
    name: InterfaceName,
    station: Option<MacAddress>,
    capabilities: Capabilities,
    link_header: usize,
    /// Bytes in front of each packet.
    virtio_header: usize,
    landing: Landing,
    datagrams: Datagrams,
    counters: DeviceCounters,
}

impl TunDevice {
    /// Makes the interface, or attaches to it, sets its MTU and brings it up. Frames for what it receives come from `pool`.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing. Making an interface needs `CAP_NET_ADMIN`; attaching to a persistent one that is the user's, up,
    /// and has the right MTU, needs nothing but permission on `/dev/net/tun`.
    pub fn new(config: &TunConfig, pool: FramePool) -> Result<Self, OpenError> {
        config.validate()?;
        let ethernet = config.medium == Medium::Ethernet;
        let kind = Kind {
            ethernet,
            virtio_headers: config.offloads,
            multi_queue: config.queues != Queues::One,
        };
        let (file, name) = tun::attach(InterfaceName::new(&config.name)?, kind)?;
        if config.offloads {
            tun::set_header_len(&file, virtio::HEADER_LEN as i32)
                .and_then(|()| tun::accept_offloads(&file))
                .map_err(|source| OpenError::NotSupported {
                    what: "TUN with offloads",
                    way_out: "set `offloads` to false",
                    source,
                })?;
        }
        if let Queues::Steered(ports) = &config.queues {
            tun::steer(&file, ports).map_err(OpenError::at(
                "giving a tunnel the program that chooses queues",
                Privilege::BPF,
            ))?;
        }
        let interface = Interface::new(name)?;
        interface.set_mtu(config.mtu)?;
        interface.bring_up()?;
        let link_header = config.medium.header_len();
        let longest = if config.offloads { MAX_PACKET } else { config.mtu };
        Ok(Self {
            file,
            name,
            station: if ethernet {
                Some(station(config, &interface)?)
            } else {
                None
            },
            capabilities: capabilities(config),
            link_header,
            virtio_header: if config.offloads { virtio::HEADER_LEN } else { 0 },
            landing: Landing::new(pool, longest as usize + link_header),
            datagrams: Datagrams::default(),
            counters: DeviceCounters::default(),
        })
    }

    /// The interface's name.
    pub fn name(&self) -> String {
        self.name.text()
    }

    /// Reads one packet, or takes one from a run that was read before.
    fn take(&mut self, packet: &mut Packet) -> Arrival {
        if !self.datagrams.is_empty() {
            self.datagrams.take(packet);
            return Arrival::Received;
        }
        if !self.landing.prepare() {
            return Arrival::Nothing;
        }
        let mut header = [0; virtio::HEADER_LEN];
        let [front, rest] = self.landing.room();
        self.counters.system_calls += 1;
        let mut room = [IoSliceMut::new(&mut header[..self.virtio_header]), front, rest];
        match self.file.read_vectored(&mut room) {
            // A TUN interface that is gone reads as an end.
            Ok(0) | Err(_) => Arrival::Nothing,
            Ok(bytes) if self.accept(bytes, header, packet) => Arrival::Received,
            Ok(_) => Arrival::Lost,
        }
    }

    fn accept(&mut self, bytes: usize, header: [u8; virtio::HEADER_LEN], packet: &mut Packet) -> bool {
        let landed = bytes
            .checked_sub(self.virtio_header)
            .and_then(|bytes| self.landing.take(bytes))
            .filter(|landed| landed.front.len() > self.link_header);
        landed.is_some_and(|landed| self.classify(landed, header, packet))
    }

    fn classify(&mut self, landed: Landed, header: [u8; virtio::HEADER_LEN], packet: &mut Packet) -> bool {
        match virtio::parse(&header) {
            virtio::Received::Packet(checksum) => {
                packet.checksum = checksum;
                landed.move_into(packet);
                true
            }
            virtio::Received::Datagrams(segment) => {
                let begun = self.datagrams.begin(landed, self.link_header, segment);
                if begun {
                    self.datagrams.take(packet);
                }
                begun
            }
            virtio::Received::Unknown => false,
        }
    }

    /// Sends the packet in front of `batch`.
    fn send(&mut self, batch: &mut PacketQueue) -> Departure {
        let packet = batch
            .get_mut(0)
            .filter(|packet| packet.len() > self.link_header && self.capabilities.carries(packet));
        let Some((packet, header)) = packet.and_then(|packet| {
            let header = self.describe(packet)?;
            Some((packet, header))
        }) else {
            return Departure::Lost(1);
        };
        let mut parts = [IoSlice::new(&[]); 2 + MAX_PIECES];
        parts[0] = IoSlice::new(&header[..self.virtio_header]);
        parts[1] = IoSlice::new(packet.header());
        for (part, piece) in parts[2..].iter_mut().zip(packet.body()) {
            *part = IoSlice::new(piece);
        }
        self.counters.system_calls += 1;
        match self.file.write_vectored(&parts) {
            Ok(_) => Departure::Sent(1),
            Err(error) if is_full(&error) => Departure::Full,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Departure::Again,
            Err(_) => Departure::Lost(1),
        }
    }

    /// The header in front of `packet`. `None` when the packet asks for more than this device offers.
    fn describe(&self, packet: &mut Packet) -> Option<[u8; virtio::HEADER_LEN]> {
        let plain = packet.checksum == Checksum::InPacket && packet.segment_size == 0;
        if plain || self.virtio_header == 0 {
            return plain.then_some([0; virtio::HEADER_LEN]);
        }
        virtio::describe(packet, self.link_header)
    }
}

/// The far end of the kernel's own station: the same address but for the last bit, which is administered locally as the kernel's is.
fn station(config: &TunConfig, interface: &Interface) -> Result<MacAddress, OpenError> {
    match config.station {
        Some(station) if station.is_station() => Ok(station),
        Some(other) => Err(OpenError::Invalid(format!(
            "{other} is not the address of one station"
        ))),
        None => {
            let (_, [first, middle @ .., last]) = interface.hardware()?;
            let [b, c, d, e] = middle;
            Ok(MacAddress([first & !1 | 2, b, c, d, e, last ^ 1]))
        }
    }
}

fn capabilities(config: &TunConfig) -> Capabilities {
    Capabilities {
        medium: config.medium,
        mtu: config.mtu,
        // Each packet says for itself; those from other machines that the kernel forwards are not verified.
        verifies_checksums: false,
        computes_checksums: config.offloads,
        max_segment: if config.offloads { MAX_VIRTUAL_SEGMENT } else { 0 },
        gathers: true,
    }
}

impl Device for TunDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.station
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        batch::fill(self, batch, |device| &mut device.counters, Self::take)
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        batch::empty(self, batch, |device| &mut device.counters, Self::send)
    }

    /// At once while datagrams are left of a run that was read.
    fn next_deadline(&self) -> Option<Instant> {
        (!self.datagrams.is_empty()).then_some(Instant::ZERO)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn is_gone(&self) -> bool {
        !tun::is_attached(&self.file)
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}

impl AsFd for TunDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
