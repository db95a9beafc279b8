//! One engine, and a peer who says exactly what the test wants him to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TcpHeader, TransportSlice};
use handfast::config::Config;
use handfast::engine::{Budget, Engine};
use handfast::frame::{Checksum, FramePool, PacketQueue, PoolConfig, Purpose};
use handfast::link::memory::{LocalEnd, WireConfig, ethernet_pair, pair};
use handfast::link::{Device, ethernet};
use handfast::time::{Duration, Instant};

use super::{Family, STATIONS, config, station};

pub(crate) const OURS: [u8; 4] = [10, 0, 0, 1];
pub(crate) const THEIRS: [u8; 4] = [10, 0, 0, 2];
pub(crate) const OUR_PORT: u16 = 80;
pub(crate) const THEIR_PORT: u16 = 4000;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;
pub(crate) const ECE: u8 = 64;
pub(crate) const CWR: u8 = 128;

/// A segment, said or heard.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Segment {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    /// The urgent pointer.
    pub(crate) urgent: u16,
    pub(crate) mss: Option<u16>,
    pub(crate) window_scale: Option<u8>,
    /// TSval and TSecr.
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) sack_permitted: bool,
    /// Left and right edges.
    pub(crate) sack: Vec<(u32, u32)>,
    /// Groups of four options that say nothing, in front of the others.
    pub(crate) padding: usize,
    pub(crate) text: Vec<u8>,
}

/// What the peer says from his usual port to ours.
pub(crate) fn say(flags: u8, seq: u32, ack: u32) -> Segment {
    Segment {
        from: THEIR_PORT,
        to: OUR_PORT,
        flags,
        seq,
        ack,
        window: 60_000,
        ..Segment::default()
    }
}

impl Segment {
    pub(crate) fn text(mut self, text: &[u8]) -> Self {
        self.text = text.to_vec();
        self
    }

    pub(crate) fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    pub(crate) fn at(mut self, tsval: u32) -> Self {
        self.timestamps = Some((tsval, 0));
        self
    }

    /// With SACK blocks.
    pub(crate) fn sack(mut self, blocks: &[(u32, u32)]) -> Self {
        self.sack = blocks.to_vec();
        self
    }

    pub(crate) fn ports(mut self, from: u16, to: u16) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    pub(crate) fn encode(&self, family: Family) -> Vec<u8> {
        let mut options = vec![1; 4 * self.padding];
        if let Some(mss) = self.mss {
            options.extend_from_slice(&[2, 4]);
            options.extend_from_slice(&mss.to_be_bytes());
        }
        if let Some((tsval, tsecr)) = self.timestamps {
            options.extend_from_slice(&[1, 1, 8, 10]);
            options.extend_from_slice(&tsval.to_be_bytes());
            options.extend_from_slice(&tsecr.to_be_bytes());
        }
        if self.sack_permitted {
            options.extend_from_slice(&[1, 1, 4, 2]);
        }
        if let Some(shift) = self.window_scale {
            options.extend_from_slice(&[1, 3, 3, shift]);
        }
        if !self.sack.is_empty() {
            options.extend_from_slice(&[1, 1, 5, 2 + 8 * self.sack.len() as u8]);
            for (left, right) in &self.sack {
                options.extend_from_slice(&left.to_be_bytes());
                options.extend_from_slice(&right.to_be_bytes());
            }
        }
        let mut header = TcpHeader::new(self.from, self.to, self.seq, self.window);
        header.acknowledgment_number = self.ack;
        header.set_options_raw(&options).expect("at most 40 bytes");
        header.urgent_pointer = self.urgent;
        let flag = |flag| self.flags & flag != 0;
        (header.fin, header.syn, header.rst, header.psh) = (flag(FIN), flag(SYN), flag(RST), flag(PSH));
        (header.ack, header.urg, header.ece, header.cwr) = (flag(ACK), flag(URG), flag(ECE), flag(CWR));
        let ip = family.to_client();
        let mut packet = Vec::new();
        ip.tcp_header(header)
            .write(&mut packet, &self.text)
            .expect("a vector takes everything");
        packet
    }

    pub(crate) fn decode(packet: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ip(packet).expect("the engine sends valid packets");
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            return None;
        };
        let (header_len, expected) = match sliced.net {
            Some(NetSlice::Ipv4(ip)) => {
                let header = ip.header();
                let sum = tcp.calc_checksum_ipv4(header.source(), header.destination());
                (usize::from(header.ihl()) * 4, sum)
            }
            Some(NetSlice::Ipv6(ip)) => {
                let header = ip.header();
                let sum = tcp.calc_checksum_ipv6(header.source(), header.destination());
                (40, sum)
            }
            _ => return None,
        };
        let expected = expected.expect("a length that IP can carry");
        assert_eq!(tcp.checksum(), expected, "MUST-2");
        let mut heard = Self {
            from: tcp.source_port(),
            to: tcp.destination_port(),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            window: tcp.window_size(),
            urgent: tcp.urgent_pointer(),
            flags: packet[header_len + 13],
            text: tcp.payload().to_vec(),
            ..Self::default()
        };
        for option in tcp.options_iterator() {
            match option.expect("a legal option") {
                etherparse::TcpOptionElement::MaximumSegmentSize(mss) => heard.mss = Some(mss),
                etherparse::TcpOptionElement::Timestamp(tsval, tsecr) => {
                    heard.timestamps = Some((tsval, tsecr));
                }
                etherparse::TcpOptionElement::SelectiveAcknowledgementPermitted => {
                    heard.sack_permitted = true;
                }
                etherparse::TcpOptionElement::SelectiveAcknowledgement(first, others) => {
                    heard.sack = std::iter::once(first)
                        .chain(others.into_iter().flatten())
                        .collect();
                }
                etherparse::TcpOptionElement::WindowScale(shift) => heard.window_scale = Some(shift),
                etherparse::TcpOptionElement::Noop => {}
            }
        }
        Some(heard)
    }
}

/// What a router says to the engine who found one of its packets larger than `mtu`: Fragmentation Needed, or Packet Too Big.
pub(crate) fn too_big(family: Family, packet: &[u8], mtu: u32) -> Vec<u8> {
    let mut message = Vec::new();
    let quote = &packet[..packet.len().min(family.quoted())];
    match family {
        Family::V4 => family
            .to_client()
            .icmpv4_raw(3, 4, mtu.to_be_bytes())
            .write(&mut message, quote),
        Family::V6 => family
            .to_client()
            .icmpv6_raw(2, 0, mtu.to_be_bytes())
            .write(&mut message, quote),
    }
    .expect("a vector takes everything");
    message
}

/// The engine under test, and the end of the wire that the test holds.
pub(crate) struct Script {
    pub(crate) engine: Engine<LocalEnd>,
    pub(crate) now: Instant,
    pub(crate) family: Family,
    wire: LocalEnd,
    pool: FramePool,
    /// What is said takes slots of the engine's own pool, as what a device receives does, and is lost when there is none.
    is_received: bool,
    /// The wire carries frames, and the peer is a station that answers who asks for it.
    is_ethernet: bool,
    batch: PacketQueue,
}

/// Whether scripts play on an Ethernet, with the neighbour to be found first, and not on a wire that carries IP packets: nothing that TCP says
/// may depend on it. Set by `.ci/run`, which plays them on both.
fn is_ethernet() -> bool {
    std::env::var_os("HANDFAST_SCRIPTS_ON_ETHERNET").is_some()
}

impl Script {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(Family::V4, change)
    }

    /// The same, over this family: the engine is [`Family::client`], the peer [`Family::server`].
    pub(crate) fn over(family: Family, change: impl FnOnce(&mut Config)) -> Self {
        let wire = WireConfig {
            trusted: false,
            max_segment: 0,
            queue: 256,
            ..WireConfig::default()
        };
        let (near, far) = if is_ethernet() {
            ethernet_pair(wire, STATIONS)
        } else {
            pair(wire)
        };
        let mut config = config(1, family.client());
        change(&mut config);
        let pool = || FramePool::new(PoolConfig::default());
        Self {
            engine: Engine::new(&config, pool(), near),
            now: Instant::from_secs(1000),
            family,
            wire: far,
            pool: pool(),
            is_received: false,
            is_ethernet: is_ethernet(),
            batch: PacketQueue::with_capacity(256),
        }
    }

    /// As [`Script::new`], with an engine that receives into slots of its pool, of which there are so many.
    pub(crate) fn with_slots(slots: PoolConfig, change: impl FnOnce(&mut Config)) -> Self {
        let mut script = Self::new(|_| {});
        let (near, far) = pair(WireConfig {
            trusted: false,
            max_segment: 0,
            mtu: 65_535,
            queue: 256,
        });
        let mut config = config(1, script.family.client());
        change(&mut config);
        script.pool = FramePool::new(slots);
        script.engine = Engine::new(&config, script.pool.clone(), near);
        script.wire = far;
        script.is_received = true;
        script.is_ethernet = false;
        script
    }

    /// As [`Script::new`], with a device that cuts what is too long for a packet: the peer hears it in one piece.
    pub(crate) fn with_a_device_that_cuts(change: impl FnOnce(&mut Config)) -> Self {
        let mut script = Self::new(|_| {});
        let (near, far) = pair(WireConfig {
            trusted: false,
            max_segment: 65_000,
            queue: 256,
            ..WireConfig::default()
        });
        let mut config = config(1, script.family.client());
        change(&mut config);
        script.engine = Engine::new(&config, script.pool.clone(), near);
        script.wire = far;
        script.is_ethernet = false;
        script
    }

    /// Hands the engine a packet, and lets it do what it does at once.
    pub(crate) fn inject(&mut self, bytes: &[u8]) {
        self.inject_batch(&[bytes]);
    }

    /// Hands the engine packets that have all arrived when it looks.
    pub(crate) fn inject_batch(&mut self, packets: &[&[u8]]) {
        for bytes in packets {
            let bytes = self.on_the_wire(bytes);
            self.put(&bytes);
        }
        self.hand_over();
    }

    /// Hands the engine a packet whose last bytes, so many, lie apart from the others.
    pub(crate) fn inject_in_two(&mut self, bytes: &[u8], last: usize) {
        let bytes = self.on_the_wire(bytes);
        let (front, back) = bytes.split_at(bytes.len() - last);
        let pieces = [front, back].map(|bytes| {
            let frame = self.pool.copy(Purpose::Application, bytes);
            frame.expect("the test's own pool has a slot").freeze()
        });
        let packet = self.batch.push().expect("room");
        packet.checksum = Checksum::InPacket;
        for piece in pieces {
            packet.push_piece(piece).expect("two pieces");
        }
        self.hand_over();
    }

    /// The packet as the wire carries it.
    fn on_the_wire(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.is_ethernet {
            return bytes.to_vec();
        }
        let is_v4 = bytes.first().is_none_or(|first| first >> 4 == 4);
        let ether_type = if is_v4 { ethernet::IPV4 } else { ethernet::IPV6 };
        station::frame(STATIONS[0], STATIONS[1], ether_type, bytes)
    }

    fn put(&mut self, bytes: &[u8]) {
        let purpose = if self.is_received {
            Purpose::Receive
        } else {
            Purpose::Application
        };
        let Some(frame) = self.pool.copy(purpose, bytes) else {
            assert!(self.is_received, "the test's own pool has a slot");
            return;
        };
        let packet = self.batch.push().expect("room");
        packet.checksum = Checksum::InPacket;
        packet.push_piece(frame.freeze()).expect("the first piece");
    }

    fn hand_over(&mut self) {
        self.wire.transmit(self.now, &mut self.batch);
        self.batch.clear();
        self.poll();
    }

    pub(crate) fn poll(&mut self) {
        for _ in 0..4 {
            self.engine.poll(self.now, Budget::default());
        }
    }

    /// Says a segment.
    pub(crate) fn say(&mut self, segment: &Segment) {
        self.inject(&segment.encode(self.family));
    }

    /// Says a segment and returns what the engine answers at once.
    pub(crate) fn tell(&mut self, segment: &Segment) -> Vec<Segment> {
        self.say(segment);
        self.hear()
    }

    /// Says several segments at once.
    pub(crate) fn tell_all(&mut self, segments: &[Segment]) -> Vec<Segment> {
        let packets: Vec<_> = segments
            .iter()
            .map(|segment| segment.encode(self.family))
            .collect();
        self.inject_batch(&packets.iter().map(Vec::as_slice).collect::<Vec<_>>());
        self.hear()
    }

    /// Every segment that the engine has sent since it was asked last.
    pub(crate) fn hear(&mut self) -> Vec<Segment> {
        self.hear_packets()
            .iter()
            .filter_map(|packet| Segment::decode(packet))
            .collect()
    }

    /// Every IP packet that the engine has sent since it was asked last. On an Ethernet the peer answers meanwhile who asks for its address.
    pub(crate) fn hear_packets(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        loop {
            let heard = self.hear_frames();
            if !self.is_ethernet {
                return heard;
            }
            for frame in heard {
                match self.answer_of_neighbour(&frame) {
                    Some(answer) => self.put(&answer),
                    None => packets.push(frame[ethernet::HEADER_LEN..].to_vec()),
                }
            }
            if self.batch.is_empty() {
                return packets;
            }
            self.hand_over();
        }
    }

    /// What the peer answers to a question for its hardware address; `None` for any other frame.
    fn answer_of_neighbour(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let [us, them] = STATIONS;
        let payload = &frame[ethernet::HEADER_LEN..];
        match (u16::from_be_bytes([frame[12], frame[13]]), self.family.client()) {
            (ethernet::ARP, IpAddr::V4(client)) => {
                let asked = *payload[24..].first_chunk()?;
                let reply = station::arp(them, 2, asked, client.octets());
                Some(station::frame(us, them, ethernet::ARP, &reply))
            }
            (ethernet::IPV6, IpAddr::V6(client)) if payload[6] == 58 && payload[40] == 135 => {
                let asked = *payload[48..].first_chunk()?;
                let message = station::discovery(0x60, asked, 2, Some(them));
                let reply = station::icmpv6(asked, client.octets(), 255, 136, &message);
                Some(station::frame(us, them, ethernet::IPV6, &reply))
            }
            _ => None,
        }
    }

    fn hear_frames(&mut self) -> Vec<Vec<u8>> {
        self.poll();
        self.wire.receive(self.now, &mut self.batch);
        let packets = self
            .batch
            .iter()
            .map(|packet| {
                let mut bytes = vec![0; packet.len()];
                packet.copy_into(&mut bytes).expect("as long as the packet");
                bytes
            })
            .collect();
        self.batch.clear();
        packets
    }

    /// Lets time pass, from deadline to deadline, and returns what the engine sends meanwhile.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<Segment> {
        let end = self.now + span;
        let mut heard = self.hear();
        let mut rounds = 0;
        while let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            heard.extend(self.hear());
            rounds += 1;
            assert!(rounds < 100_000, "the engine always has something due");
        }
        self.now = end;
        heard.extend(self.hear());
        heard
    }

    /// Where the engine listens, over the family of this script.
    pub(crate) fn local(&self) -> SocketAddr {
        SocketAddr::new(self.family.client(), OUR_PORT)
    }

    /// Where the peer is, over the family of this script.
    pub(crate) fn remote(&self) -> SocketAddr {
        SocketAddr::new(self.family.server(), THEIR_PORT)
    }

    pub(crate) fn ours() -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(OURS).into(), OUR_PORT)
    }

    pub(crate) fn theirs() -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from(THEIRS).into(), THEIR_PORT)
    }
}
