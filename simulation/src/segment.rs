//! What is on the wire, read without the engine's own parsers: whoever judges must not share the defendant's mistakes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) scale: Option<u8>,
    pub(crate) mss: Option<u16>,
    pub(crate) sack_permitted: bool,
    /// Octets of text.
    pub(crate) text: u32,
}

impl Segment {
    pub(crate) fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// What a packet is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    Tcp(Segment),
    /// UDP, ICMP, or what a fault has made of something.
    Other,
}

/// Reads a whole packet. With `checks`, the error says what is wrong with it; without, lengths and checksums are not looked at.
pub(crate) fn read(packet: &[u8], checks: bool) -> Result<Wire, &'static str> {
    let version = packet.first().ok_or("the packet is empty")? >> 4;
    let (header, protocol, length) = match version {
        4 if packet.len() >= 20 => (
            usize::from(packet[0] & 15) * 4,
            packet[9],
            usize::from(u16::from_be_bytes([packet[2], packet[3]])),
        ),
        6 if packet.len() >= 40 => (
            40,
            packet[6],
            40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])),
        ),
        _ => return Err("neither IPv4 nor IPv6"),
    };
    if checks && (length != packet.len() || header > packet.len()) {
        return Err("the length in the IP header is not the packet's");
    }
    if checks && version == 4 && sum(0, &packet[..header]) != 0xffff {
        return Err("the IPv4 header checksum is wrong");
    }
    if protocol != TCP && protocol != UDP {
        return Ok(Wire::Other);
    }
    let transport = packet.get(header..).ok_or("no room for a transport header")?;
    let addresses = if version == 4 {
        &packet[12..20]
    } else {
        &packet[8..40]
    };
    let is_unsummed = protocol == UDP && version == 4 && transport.get(6..8) == Some(&[0, 0]);
    let pseudo = sum(u32::from(protocol) + transport.len() as u32, addresses);
    if checks && !is_unsummed && sum(u32::from(pseudo), transport) != 0xffff {
        return Err("the transport checksum is wrong");
    }
    if protocol == UDP {
        return Ok(Wire::Other);
    }
    let (from, to) = addresses.split_at(addresses.len() / 2);
    segment(address(from), address(to), transport).map(Wire::Tcp)
}

fn segment(from: IpAddr, to: IpAddr, tcp: &[u8]) -> Result<Segment, &'static str> {
    if tcp.len() < 20 {
        return Err("no room for a TCP header");
    }
    let header = usize::from(tcp[12] >> 4) * 4;
    if header < 20 || header > tcp.len() {
        return Err("the TCP data offset is wrong");
    }
    let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let mut segment = Segment {
        from: SocketAddr::new(from, port(0)),
        to: SocketAddr::new(to, port(2)),
        flags: tcp[13],
        seq: word(4),
        ack: word(8),
        window: port(14),
        scale: None,
        mss: None,
        sack_permitted: false,
        text: (tcp.len() - header) as u32,
    };
    let mut options = &tcp[20..header];
    while let [kind, rest @ ..] = options {
        match (kind, rest) {
            (0, _) => break,
            (1, _) => options = rest,
            (_, [length, ..]) if *length >= 2 && usize::from(*length) <= options.len() => {
                match kind {
                    2 if *length == 4 => segment.mss = Some(u16::from_be_bytes([options[2], options[3]])),
                    3 => segment.scale = options.get(2).copied(),
                    4 => segment.sack_permitted = true,
                    _ => {}
                }
                options = &options[usize::from(*length)..];
            }
            _ => return Err("a TCP option leaves the header"),
        }
    }
    Ok(segment)
}

fn address(octets: &[u8]) -> IpAddr {
    match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
        (Ok(v4), _) => Ipv4Addr::from(v4).into(),
        (_, Ok(v6)) => Ipv6Addr::from(v6).into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// The ones' complement sum of RFC 1071, folded.
fn sum(initial: u32, bytes: &[u8]) -> u16 {
    let mut total = u64::from(initial);
    let (words, rest) = bytes.as_chunks::<2>();
    for word in words {
        total += u64::from(u16::from_be_bytes(*word));
    }
    if let [last] = rest {
        total += u64::from(*last) << 8;
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}
