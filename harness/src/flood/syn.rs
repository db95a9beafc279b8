//! SYNs that look like those of many hosts.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::measure::statistics::SplitMix64;

/// Bytes of the IPv4 header, of the TCP header, and of both with the options of a usual SYN.
const IP: usize = 20;
const TCP: usize = 20;
pub(super) const LENGTH: usize = IP + TCP + 20;
/// 198.18.0.0/15.
const SOURCES: u32 = 0xc612_0000;
const SOURCE_BITS: u32 = 17;

/// Segment sizes that hosts announce: on Ethernet, behind PPPoE, and behind tunnels.
const SEGMENT_SIZES: [u16; 4] = [1460, 1452, 1400, 1360];
/// Window shifts of usual systems.
const WINDOW_SHIFTS: [u8; 4] = [6, 7, 8, 10];

/// Whether an address is one that a flood comes from.
pub(super) fn is_source(address: [u8; 4]) -> bool {
    u32::from_be_bytes(address) >> SOURCE_BITS == SOURCES >> SOURCE_BITS
}

/// An endless sequence of SYNs, which a seed repeats.
#[derive(Debug)]
pub(super) struct Syns {
    random: SplitMix64,
    targets: Vec<SocketAddrV4>,
}

impl Syns {
    /// SYNs to `targets`, of which there is one at least.
    pub(super) fn new(seed: u64, targets: Vec<SocketAddrV4>) -> Self {
        assert!(!targets.is_empty(), "a flood has a target");
        Self {
            random: SplitMix64::new(seed),
            targets,
        }
    }

    /// Writes the next SYN, with all of its checksums.
    pub(super) fn write(&mut self, bytes: &mut [u8; LENGTH]) {
        let (who, what) = (self.random.advance(), self.random.advance());
        let source = Ipv4Addr::from_bits(SOURCES | (who as u32 & ((1 << SOURCE_BITS) - 1)));
        let port = 1024 + ((who >> 32) % 64_512) as u16;
        let target = self.targets[self.random.below(self.targets.len())];
        let (ip, tcp) = bytes.split_at_mut(IP);
        write_ip(ip, source, *target.ip(), who as u16);
        write_tcp(tcp, port, target.port(), what);
        let sum = ones(&ip[12..]) + ones(tcp) + 6 + (TCP as u32 + 20);
        tcp[16..18].copy_from_slice(&complement(sum));
    }
}

fn write_ip(ip: &mut [u8], source: Ipv4Addr, target: Ipv4Addr, identification: u16) {
    ip.copy_from_slice(&[
        0x45,
        0,
        0,
        LENGTH as u8,
        0,
        0,
        0x40,
        0,
        64,
        6,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    ip[4..6].copy_from_slice(&identification.to_be_bytes());
    ip[12..16].copy_from_slice(&source.octets());
    ip[16..].copy_from_slice(&target.octets());
    let sum = complement(ones(ip));
    ip[10..12].copy_from_slice(&sum);
}

/// The options are those of Linux, in its order: segment size, SACK, timestamps, window scale.
fn write_tcp(tcp: &mut [u8], source: u16, target: u16, random: u64) {
    tcp.copy_from_slice(&[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa0, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, // Header with flag SYN.
        2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 0,
    ]);
    tcp[..2].copy_from_slice(&source.to_be_bytes());
    tcp[2..4].copy_from_slice(&target.to_be_bytes());
    tcp[4..8].copy_from_slice(&(random as u32).to_be_bytes());
    let mss = SEGMENT_SIZES[(random >> 32) as usize % SEGMENT_SIZES.len()];
    tcp[22..24].copy_from_slice(&mss.to_be_bytes());
    tcp[28..32].copy_from_slice(&((random >> 16) as u32).to_be_bytes());
    tcp[39] = WINDOW_SHIFTS[(random >> 34) as usize % WINDOW_SHIFTS.len()];
}

/// The sum of 16-bit words of an even number of bytes.
fn ones(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(2);
    words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

/// The Internet checksum (RFC 1071) of what has this sum.
fn complement(sum: u32) -> [u8; 2] {
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!(folded as u16)).to_be_bytes()
}
