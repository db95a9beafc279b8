//! SYNs that look like those of many hosts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use handfast::arch::checksum::Sum;
use handfast::internet::address::Address;
use handfast::internet::checksum::pseudo_header_sum;
use handfast::internet::datagram::{Ecn, Header};
use handfast::internet::{ipv4, ipv6, protocol};
use handfast::transport::tcp::segment::{self, EmitHeader, Flags};
use handfast::transport::tcp::seq::SeqNumber;

use crate::config::IpVersion;
use crate::measure::statistics::SplitMix64;

/// 198.18.0.0/15 (RFC 2544 appendix C.2.2).
const V4: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 0, 0), 15);
/// 2001:2::/48 (RFC 5180 section 8).
const V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48);

/// Bytes of the options of a usual SYN, of its TCP header with them, and of the longest packet.
const OPTIONS: usize = 20;
const TCP: usize = segment::HEADER_LEN + OPTIONS;
pub(super) const LONGEST: usize = ipv6::HEADER_LEN + TCP;

/// Segment sizes that hosts announce: on Ethernet, behind PPPoE, and behind tunnels; over IPv6 20 bytes less.
const SEGMENT_SIZES: [u16; 4] = [1460, 1452, 1400, 1360];
/// Window shifts of usual systems.
const WINDOW_SHIFTS: [u8; 4] = [6, 7, 8, 10];
const WINDOW: u16 = 64_240;
const HOP_LIMIT: u8 = 64;

/// The network that a flood comes from, which is set aside for benchmarks, and the length of its prefix.
pub(crate) fn sources(ip: IpVersion) -> (IpAddr, u8) {
    match ip {
        IpVersion::V4 => (V4.0.into(), V4.1),
        IpVersion::V6 => (V6.0.into(), V6.1),
    }
}

/// Whether an address is one that a flood comes from.
pub(super) fn is_source(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => (address.to_bits() ^ V4.0.to_bits()) >> (32 - V4.1) == 0,
        IpAddr::V6(address) => (address.to_bits() ^ V6.0.to_bits()) >> (128 - V6.1) == 0,
    }
}

/// An endless sequence of SYNs, which a seed repeats.
#[derive(Debug)]
pub(super) struct Syns {
    random: SplitMix64,
    targets: Vec<SocketAddr>,
}

impl Syns {
    /// SYNs to `targets`, of which there is one at least.
    pub(super) fn new(seed: u64, targets: Vec<SocketAddr>) -> Self {
        assert!(!targets.is_empty(), "a flood has a target");
        Self {
            random: SplitMix64::new(seed),
            targets,
        }
    }
}

impl Iterator for Syns {
    type Item = Syn;

    fn next(&mut self) -> Option<Syn> {
        let target = self.targets[self.random.below(self.targets.len())];
        let [host, port, options] = [(); 3].map(|()| self.random.advance());
        let source = match target {
            SocketAddr::V4(_) => {
                let host = host as u32 >> V4.1;
                IpAddr::V4(Ipv4Addr::from_bits(V4.0.to_bits() | host))
            }
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(V6.0.to_bits() | u128::from(host))),
        };
        Some(Syn {
            source: SocketAddr::new(source, 1024 + ((port >> 32) % 64_512) as u16),
            target,
            number: SeqNumber(port as u32),
            options,
        })
    }
}

/// A SYN that is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Syn {
    pub(super) source: SocketAddr,
    target: SocketAddr,
    number: SeqNumber,
    /// Random bits that what the options say is drawn from.
    options: u64,
}

impl Syn {
    /// Bytes of the packet, the IP header included.
    pub(super) fn len(&self) -> usize {
        match self.target {
            SocketAddr::V4(_) => ipv4::HEADER_LEN + TCP,
            SocketAddr::V6(_) => LONGEST,
        }
    }

    /// Writes it to all of `bytes`, which are as many as its length, with its checksums.
    pub(super) fn write(&self, bytes: &mut [u8]) {
        let header = Header {
            src: self.source.ip().into(),
            dst: self.target.ip().into(),
            protocol: protocol::TCP,
            hop_limit: HOP_LIMIT,
            dscp: 0,
            ecn: Ecn::NotCapable,
            payload_len: TCP as u16,
        };
        let room = "the length is that of the packet";
        let tcp = match self.target {
            SocketAddr::V4(_) => {
                let (ip, tcp) = bytes.split_first_chunk_mut().expect(room);
                ipv4::emit(&header, ip);
                tcp
            }
            SocketAddr::V6(_) => {
                let (ip, tcp) = bytes.split_first_chunk_mut().expect(room);
                ipv6::emit(&header, ip);
                tcp
            }
        };
        self.write_tcp(tcp.try_into().expect(room), &header.src, &header.dst);
    }

    fn write_tcp(&self, tcp: &mut [u8; TCP], src: &Address, dst: &Address) {
        let fixed = EmitHeader {
            seq: self.number,
            ack: SeqNumber(0),
            source_port: self.source.port(),
            destination_port: self.target.port(),
            window: WINDOW,
            urgent: 0,
            flags: Flags::SYN,
        };
        let (header, options) = tcp.split_first_chunk_mut().expect("it is longer");
        fixed.emit(OPTIONS, header);
        self.write_options(options);
        let sum = pseudo_header_sum(src, dst, protocol::TCP, TCP as u32);
        let sum = sum.add_sum(Sum::zero().add_array(tcp)).finish();
        segment::set_checksum(tcp.first_chunk_mut().expect("it is longer"), sum);
    }

    /// Those of Linux, in its order: segment size, SACK, timestamps, window scale.
    fn write_options(&self, options: &mut [u8]) {
        options.copy_from_slice(&[2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 0]);
        let shorter = if self.target.is_ipv6() { 20 } else { 0 };
        let size = SEGMENT_SIZES[(self.options >> 32) as usize % SEGMENT_SIZES.len()] - shorter;
        options[2..4].copy_from_slice(&size.to_be_bytes());
        options[8..12].copy_from_slice(&(self.options as u32).to_be_bytes());
        options[19] = WINDOW_SHIFTS[(self.options >> 34) as usize % WINDOW_SHIFTS.len()];
    }
}
