//! From a packet of a script to the bytes that arrive.

use std::net::IpAddr;

use super::checksum::{checksum, pseudo_header};
use super::packet::{ACK, Ecn, Icmp, IpInfo, Quoted, Tcp, TcpOption, URG};

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP_V6: u8 = 58;

/// The TTL of what arrives when the script names none: one router away.
const TTL: u8 = 63;

/// Where a packet comes from and goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ends {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) from_port: u16,
    pub(super) to_port: u16,
}

impl Ends {
    fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            from_port: self.to_port,
            to_port: self.from_port,
        }
    }
}

/// A segment whose numbers are the engine's, in an IP packet. `None` when its options do not fit.
pub(super) fn tcp(ends: Ends, ip: &IpInfo, tcp: &Tcp) -> Option<Vec<u8>> {
    let payload = vec![0; tcp.len as usize];
    let transport = [&segment_header(ends, tcp)?[..], &payload].concat();
    Some(packet(ends, ip, TCP, 16, transport))
}

fn segment_header(ends: Ends, tcp: &Tcp) -> Option<Vec<u8>> {
    let mut options: Vec<u8> = tcp.options.iter().flatten().flat_map(option_bytes).collect();
    while !options.len().is_multiple_of(4) {
        options.push(0);
    }
    if options.len() > 40 {
        return None;
    }
    let mut flags = tcp.flags;
    if tcp.ack.is_some() {
        flags |= ACK;
    }
    if tcp.urgent.is_some() {
        flags |= URG;
    }
    let mut header = Vec::with_capacity(60);
    header.extend(ends.from_port.to_be_bytes());
    header.extend(ends.to_port.to_be_bytes());
    header.extend(tcp.seq.to_be_bytes());
    header.extend(tcp.ack.unwrap_or(0).to_be_bytes());
    header.push(((5 + options.len() / 4) << 4) as u8 | (flags >> 8) as u8);
    header.push(flags as u8);
    header.extend(tcp.window.unwrap_or(0).to_be_bytes());
    header.extend([0, 0]);
    header.extend(tcp.urgent.unwrap_or(0).to_be_bytes());
    header.extend(options);
    Some(header)
}

fn option_bytes(option: &TcpOption) -> Vec<u8> {
    match option {
        TcpOption::Mss(mss) => [&[2, 4][..], &mss.to_be_bytes()].concat(),
        TcpOption::WindowScale(shift) => vec![3, 3, *shift],
        TcpOption::SackPermitted => vec![4, 2],
        TcpOption::Nop => vec![1],
        TcpOption::Eol => vec![0],
        TcpOption::Raw(bytes) => bytes.clone(),
        TcpOption::Timestamps { val, ecr } => [&[8, 10][..], &val.to_be_bytes(), &ecr.to_be_bytes()].concat(),
        TcpOption::Sack(blocks) => {
            let mut bytes = vec![5, (2 + 8 * blocks.len()) as u8];
            for (left, right) in blocks {
                bytes.extend(left.to_be_bytes());
                bytes.extend(right.to_be_bytes());
            }
            bytes
        }
    }
}

/// A datagram of `len` zeros.
pub(super) fn udp(ends: Ends, ip: &IpInfo, len: u32) -> Vec<u8> {
    packet(ends, ip, UDP, 6, datagram(ends, len))
}

fn datagram(ends: Ends, len: u32) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + len as usize);
    datagram.extend(ends.from_port.to_be_bytes());
    datagram.extend(ends.to_port.to_be_bytes());
    datagram.extend((8 + len as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.resize(8 + len as usize, 0);
    datagram
}

/// An ICMP message. What it quotes, we sent to where it comes from; an echo carries zeros.
pub(super) fn icmp(ends: Ends, ip: &IpInfo, icmp: &Icmp) -> Vec<u8> {
    let mut message = vec![icmp.kind, icmp.code, 0, 0];
    message.extend(
        match (icmp.id, icmp.mtu) {
            (Some(id), _) => u32::from(id) << 16 | 1,
            (None, Some(mtu)) => mtu,
            (None, None) => 0,
        }
        .to_be_bytes(),
    );
    message.extend(quotation(ends.reversed(), icmp.quoted));
    let protocol = if ends.from.is_ipv4() { ICMP } else { ICMP_V6 };
    packet(ends, ip, protocol, 2, message)
}

fn quotation(ends: Ends, quoted: Option<Quoted>) -> Vec<u8> {
    let plain = IpInfo::default();
    match quoted {
        None => Vec::new(),
        Some(Quoted::Raw(len)) => vec![0; len as usize],
        Some(Quoted::Udp(len)) => {
            let mut whole = packet(ends, &plain, UDP, 6, datagram(ends, len));
            whole.truncate(ip_header_len(ends) + 8);
            whole
        }
        Some(Quoted::Tcp { seq, len }) => {
            let mut transport = Vec::with_capacity(20 + len as usize);
            transport.extend(ends.from_port.to_be_bytes());
            transport.extend(ends.to_port.to_be_bytes());
            transport.extend(seq.to_be_bytes());
            transport.extend([0, 0, 0, 0, 5 << 4, ACK as u8, 0, 0, 0, 0, 0, 0]);
            transport.resize(20 + len as usize, 0);
            let mut whole = packet(ends, &plain, TCP, 16, transport);
            whole.truncate(ip_header_len(ends) + 8);
            whole
        }
    }
}

fn ip_header_len(ends: Ends) -> usize {
    if ends.from.is_ipv4() { 20 } else { 40 }
}

/// Puts an IP header before a transport header whose checksum, at `checksum_at`, is still zero.
fn packet(ends: Ends, ip: &IpInfo, protocol: u8, checksum_at: usize, mut transport: Vec<u8>) -> Vec<u8> {
    let pseudo = match protocol {
        ICMP => Vec::new(),
        _ => pseudo_header(ends.from, ends.to, protocol, transport.len()),
    };
    let mut sum = checksum(&[&pseudo, &transport]);
    if protocol == UDP && sum == 0 {
        sum = 0xffff;
    }
    if ip.spoilt {
        sum ^= 0x0101;
    }
    transport[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut whole = match (ends.from, ends.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            v4_header(from.octets(), to.octets(), ip, protocol, transport.len())
        }
        (from, to) => v6_header(from, to, ip, protocol, transport.len()),
    };
    whole.extend(transport);
    whole
}

fn traffic_class(ip: &IpInfo) -> u8 {
    let ecn = match ip.ecn {
        Some(Ecn::Bits(bits)) => bits,
        Some(Ecn::AnyEct) => 2,
        None => 0,
    };
    ip.tos.unwrap_or(0) | ecn
}

fn v4_header(from: [u8; 4], to: [u8; 4], ip: &IpInfo, protocol: u8, len: usize) -> Vec<u8> {
    let mut header = vec![0x45, traffic_class(ip)];
    header.extend((20 + len as u16).to_be_bytes());
    header.extend([0, 0, 0, 0, ip.ttl.unwrap_or(TTL), protocol, 0, 0]);
    header.extend(from);
    header.extend(to);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn v6_header(from: IpAddr, to: IpAddr, ip: &IpInfo, protocol: u8, len: usize) -> Vec<u8> {
    let octets = |address| match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
    };
    let first = 6 << 28 | u32::from(traffic_class(ip)) << 20 | ip.flow_label.unwrap_or(0) & 0xf_ffff;
    let mut header = first.to_be_bytes().to_vec();
    header.extend((len as u16).to_be_bytes());
    header.extend([protocol, ip.ttl.unwrap_or(TTL)]);
    header.extend(octets(from));
    header.extend(octets(to));
    header
}
