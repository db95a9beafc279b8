//! From the bytes that the engine sent to a packet as a script would write it, checksums verified.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::build::{Ends, ICMP, ICMP_V6, TCP, UDP};
use super::checksum::{checksum, pseudo_header};
use super::icmp;
use super::packet::{ACK, Body, Ecn, Icmp, IpInfo, Packet, Quoted, Tcp, TcpOption, URG};

/// A packet that the engine sent. Sequence numbers and timestamps are the engine's.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) ends: Ends,
    pub(super) packet: Packet,
}

/// Reads a packet.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<Seen, String> {
    let (ip, from, to, protocol, transport) = match bytes.first().map(|first| first >> 4) {
        Some(4) => v4(bytes)?,
        Some(6) => v6(bytes)?,
        _ => return Err("it is neither IPv4 nor IPv6".to_owned()),
    };
    let mut ends = Ends {
        from,
        to,
        from_port: 0,
        to_port: 0,
    };
    if protocol == TCP || protocol == UDP {
        ends.from_port = u16_at(transport, 0)?;
        ends.to_port = u16_at(transport, 2)?;
    }
    let pseudo = match protocol {
        ICMP => Vec::new(),
        _ => pseudo_header(from, to, protocol, transport.len()),
    };
    if checksum(&[&pseudo, transport]) != 0 {
        return Err("its transport checksum is wrong".to_owned());
    }
    let body = match protocol {
        TCP => Body::Tcp(segment(transport)?),
        UDP => datagram(transport)?,
        ICMP | ICMP_V6 => Body::Icmp(message(transport, from.is_ipv6())?),
        other => return Err(format!("its protocol is {other}")),
    };
    Ok(Seen {
        ends,
        packet: Packet {
            ip,
            ports: None,
            body,
        },
    })
}

type Network<'a> = (IpInfo, IpAddr, IpAddr, u8, &'a [u8]);

fn v4(bytes: &[u8]) -> Result<Network<'_>, String> {
    let header: &[u8; 20] = bytes.first_chunk().ok_or("it is shorter than an IPv4 header")?;
    if header[0] != 0x45 {
        return Err("its IPv4 header has options".to_owned());
    }
    if usize::from(u16_at(bytes, 2)?) != bytes.len() {
        return Err("its total length is not its length".to_owned());
    }
    if checksum(&[header]) != 0 {
        return Err("its IPv4 header checksum is wrong".to_owned());
    }
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let ip = ip_info(header[1], header[8], None);
    Ok((
        ip,
        address(12).into(),
        address(16).into(),
        header[9],
        &bytes[20..],
    ))
}

fn v6(bytes: &[u8]) -> Result<Network<'_>, String> {
    let header: &[u8; 40] = bytes.first_chunk().ok_or("it is shorter than an IPv6 header")?;
    if usize::from(u16_at(bytes, 4)?) + 40 != bytes.len() {
        return Err("its payload length is not its length".to_owned());
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        IpAddr::from(Ipv6Addr::from(octets))
    };
    let first = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let ip = ip_info((first >> 20) as u8, header[7], Some(first & 0xf_ffff));
    Ok((ip, address(8), address(24), header[6], &bytes[40..]))
}

fn ip_info(traffic_class: u8, ttl: u8, flow_label: Option<u32>) -> IpInfo {
    IpInfo {
        tos: Some(traffic_class),
        ecn: Some(Ecn::Bits(traffic_class & 3)),
        ttl: Some(ttl),
        flow_label,
        spoilt: false,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err("it is cut off".to_owned()),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    Ok(u32::from(u16_at(bytes, at)?) << 16 | u32::from(u16_at(bytes, at + 2)?))
}

fn segment(bytes: &[u8]) -> Result<Tcp, String> {
    let word = u16_at(bytes, 12)?;
    let header_len = usize::from(word >> 12) * 4;
    let flags = word & 0x1ff;
    let options = bytes.get(20..header_len).ok_or("its data offset is wrong")?;
    let text = &bytes[header_len..];
    if word & 0xe00 != 0 {
        return Err("its reserved bits are not zero".to_owned());
    }
    if text.iter().any(|byte| *byte != 0) {
        return Err("its text is not what the application wrote".to_owned());
    }
    let urgent = u16_at(bytes, 18)?;
    Ok(Tcp {
        flags,
        seq: u32_at(bytes, 4)?,
        len: text.len() as u32,
        ack: (flags & ACK != 0).then_some(u32_at(bytes, 8)?),
        window: Some(u16_at(bytes, 14)?),
        urgent: (flags & URG != 0 || urgent != 0).then_some(urgent),
        options: Some(read_options(options)?),
    })
}

fn read_options(mut rest: &[u8]) -> Result<Vec<TcpOption>, String> {
    let mut options = Vec::new();
    while let Some(&kind) = rest.first() {
        let len = match kind {
            0 | 1 => 1,
            _ => usize::from(*rest.get(1).ok_or("an option has no length")?),
        };
        let option = rest
            .get(..len)
            .filter(|_| kind <= 1 || len >= 2)
            .ok_or("an option has an illegal length")?;
        options.push(read_option(option)?);
        rest = &rest[len..];
    }
    Ok(options)
}

fn read_option(bytes: &[u8]) -> Result<TcpOption, String> {
    Ok(match bytes {
        [0] => TcpOption::Eol,
        [1] => TcpOption::Nop,
        [2, 4, high, low] => TcpOption::Mss(u16::from_be_bytes([*high, *low])),
        [3, 3, shift] => TcpOption::WindowScale(*shift),
        [4, 2] => TcpOption::SackPermitted,
        [8, 10, ..] => TcpOption::Timestamps {
            val: u32_at(bytes, 2)?,
            ecr: u32_at(bytes, 6)?,
        },
        [5, _, blocks @ ..] if blocks.len().is_multiple_of(8) => TcpOption::Sack(
            blocks
                .chunks(8)
                .map(|block| Ok((u32_at(block, 0)?, u32_at(block, 4)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => TcpOption::Raw(other.to_vec()),
    })
}

fn datagram(bytes: &[u8]) -> Result<Body, String> {
    if usize::from(u16_at(bytes, 4)?) != bytes.len() {
        return Err("its UDP length is not its length".to_owned());
    }
    Ok(Body::Udp(bytes.len() as u32 - 8))
}

fn message(bytes: &[u8], v6: bool) -> Result<Icmp, String> {
    let (kind, code) = (u16_at(bytes, 0)? >> 8, u16_at(bytes, 0)? & 0xff);
    let (kind, code) = (kind as u8, code as u8);
    let is_echo = matches!((kind, v6), (0 | 8, false) | (128 | 129, true));
    let is_too_big = matches!((kind, code, v6), (3, 4, false) | (2, 0, true));
    let word = u32_at(bytes, 4)?;
    Ok(Icmp {
        name: icmp::name(kind, code, v6),
        kind,
        code,
        mtu: is_too_big.then_some(word),
        id: is_echo.then_some((word >> 16) as u16),
        quoted: if is_echo {
            Some(Quoted::Raw(bytes.len() as u32 - 8))
        } else {
            quotation(&bytes[8..])
        },
    })
}

/// What an error quotes, as far as it can be told.
fn quotation(bytes: &[u8]) -> Option<Quoted> {
    let (protocol, total, at) = match bytes.first()? >> 4 {
        4 => (*bytes.get(9)?, usize::from(u16_at(bytes, 2).ok()?), 20),
        _ => (*bytes.get(6)?, usize::from(u16_at(bytes, 4).ok()?) + 40, 40),
    };
    match protocol {
        UDP => Some(Quoted::Udp(total.checked_sub(at + 8)? as u32)),
        TCP => Some(Quoted::Tcp {
            seq: u32_at(bytes, at + 4).ok()?,
            len: total.checked_sub(at + 20)? as u32,
        }),
        _ => None,
    }
}
