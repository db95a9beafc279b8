//! One engine on an Ethernet, and a wire on which the test says and hears every frame.

use etherparse::PacketBuilder;
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{Checksum, FramePool, PacketQueue, PoolConfig, Purpose, Size};
use handfast::link::Device;
use handfast::link::ethernet::{ARP, HEADER_LEN, Header, IPV4, IPV6, MacAddress};
use handfast::link::memory::{LocalEnd, WireConfig, ethernet_pair};
use handfast::time::{Duration, Instant};

use super::STATIONS;

pub(crate) const US: MacAddress = STATIONS[0];
pub(crate) const THEM: MacAddress = STATIONS[1];
pub(crate) const OUR_V4: [u8; 4] = [10, 0, 0, 1];
pub(crate) const THEIR_V4: [u8; 4] = [10, 0, 0, 2];

/// An IPv6 address of the network fd00::/64.
pub(crate) const fn v6(last: u8) -> [u8; 16] {
    [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

/// The group of those whose address ends as this one.
pub(crate) fn solicited_node(address: [u8; 16]) -> [u8; 16] {
    let mut group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0];
    group[13..].copy_from_slice(&address[13..]);
    group
}

pub(crate) fn frame(to: MacAddress, from: MacAddress, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER_LEN];
    Header {
        destination: to,
        source: from,
        ether_type,
    }
    .emit(&mut header);
    [&header, payload].concat()
}

/// An ARP packet as `from`: operation, sender, target.
pub(crate) fn arp(from: MacAddress, operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, operation];
    bytes.extend_from_slice(&from.0);
    bytes.extend_from_slice(&sender);
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(&target);
    bytes
}

/// An ICMPv6 message in its datagram; `rest` is what follows the checksum.
pub(crate) fn icmpv6(from: [u8; 16], to: [u8; 16], hop_limit: u8, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let first = *rest.first_chunk().expect("a word");
    PacketBuilder::ipv6(from, to, hop_limit)
        .icmpv6_raw(kind, 0, first)
        .write(&mut packet, &rest[4..])
        .expect("a vector takes everything");
    packet
}

/// What follows the checksum of a neighbor solicitation or advertisement, with a link-layer address option unless `mac` is `None`.
pub(crate) fn discovery(flags: u8, target: [u8; 16], option: u8, mac: Option<MacAddress>) -> Vec<u8> {
    let mut rest = vec![flags, 0, 0, 0];
    rest.extend_from_slice(&target);
    if let Some(mac) = mac {
        rest.extend_from_slice(&[option, 1]);
        rest.extend_from_slice(&mac.0);
    }
    rest
}

/// The engine under test, and the end of the wire that the test holds.
pub(crate) struct Station {
    pub(crate) engine: Engine<LocalEnd>,
    pub(crate) now: Instant,
    wire: LocalEnd,
    pool: FramePool,
    batch: PacketQueue,
}

impl Station {
    /// An engine with 10.0.0.1 and fd00::1.
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let (near, far) = ethernet_pair(
            WireConfig {
                trusted: false,
                max_segment: 0,
                queue: 1024,
                ..WireConfig::default()
            },
            STATIONS,
        );
        let ours = [OUR_V4.into(), v6(1).into()].map(AddressBlock::single);
        let mut config = Config::new([1; 32], ours);
        config.link.duplicate_address_detection = 0;
        config.link.group_reports = false;
        config.transmit_queue = 256;
        change(&mut config);
        let pool = || FramePool::new(PoolConfig::default());
        Self {
            engine: Engine::new(&config, pool(), near),
            now: Instant::from_secs(1000),
            wire: far,
            pool: pool(),
            batch: PacketQueue::with_capacity(1024),
        }
    }

    /// Puts a frame on the wire and lets the engine do what it does at once.
    pub(crate) fn inject(&mut self, bytes: &[u8]) {
        let mut slot = self
            .pool
            .allocate(Purpose::Application, Size::Small)
            .expect("a slot");
        slot.extend(bytes.len()).expect("room").copy_from_slice(bytes);
        let packet = self.batch.push().expect("room");
        packet.checksum = Checksum::InPacket;
        packet.push_piece(slot.freeze()).expect("the first piece");
        self.wire.transmit(self.now, &mut self.batch);
        self.poll();
    }

    /// Puts an IP packet of the other station on the wire, for the engine's.
    pub(crate) fn inject_ip(&mut self, packet: &[u8]) {
        let ether_type = if packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
        self.inject(&frame(US, THEM, ether_type, packet));
    }

    pub(crate) fn poll(&mut self) {
        for _ in 0..4 {
            self.engine.poll(self.now, Budget::default());
        }
    }

    /// Every frame that the engine has sent since it was asked last.
    pub(crate) fn hear(&mut self) -> Vec<Vec<u8>> {
        self.poll();
        self.wire.receive(self.now, &mut self.batch);
        let bytes_of = |packet: &handfast::frame::Packet| {
            let mut bytes = vec![0; packet.len()];
            packet.copy_into(&mut bytes).expect("as long as the packet");
            bytes
        };
        let frames = self.batch.iter().map(bytes_of).collect();
        self.batch.clear();
        frames
    }

    /// The frames of one EtherType that the engine has sent: where to, and what.
    pub(crate) fn hear_of(&mut self, ether_type: u16) -> Vec<(MacAddress, Vec<u8>)> {
        let frames = self.hear();
        let headed = frames.iter().map(|bytes| {
            let header = Header::parse(bytes, MacAddress(*bytes.first_chunk().expect("a header")));
            (
                header.expect("the engine sends sound frames"),
                &bytes[HEADER_LEN..],
            )
        });
        headed
            .inspect(|(header, _)| assert_eq!(header.source, US))
            .filter(|(header, _)| header.ether_type == ether_type)
            .map(|(header, rest)| (header.destination, rest.to_vec()))
            .collect()
    }

    /// Lets time pass from deadline to deadline, and returns the frames that the engine sends meanwhile.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<Vec<u8>> {
        let end = self.now + span;
        let mut heard = self.hear();
        while let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            heard.extend(self.hear());
        }
        self.now = end;
        heard.extend(self.hear());
        heard
    }

    /// Makes the other station known as 10.0.0.2 and fd00::2.
    pub(crate) fn introduce(&mut self) {
        self.inject(&frame(US, THEM, ARP, &arp(THEM, 1, THEIR_V4, OUR_V4)));
        let question = discovery(0, v6(1), 1, Some(THEM));
        self.inject_ip(&icmpv6(v6(2), v6(1), 255, 135, &question));
        self.hear();
    }
}
