//! Packets as scripts write them: the numbers are the script's, what may be left out is optional.

use std::fmt;

/// A packet, expected, injected or seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) ip: IpInfo,
    /// Source and destination port, when the script names them.
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) body: Body,
}

/// What a script says of the IP header.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct IpInfo {
    /// The traffic class' eight bits.
    pub(crate) tos: Option<u8>,
    /// The lower two of these bits.
    pub(crate) ecn: Option<Ecn>,
    pub(crate) ttl: Option<u8>,
    pub(crate) flow_label: Option<u32>,
    /// The transport checksum is spoilt on purpose.
    pub(crate) spoilt: bool,
}

/// The ECN field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ecn {
    /// These two bits.
    Bits(u8),
    /// ECT(0) or ECT(1).
    AnyEct,
}

/// What an IP packet carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    Tcp(Tcp),
    /// A datagram of so many bytes.
    Udp(u32),
    Icmp(Icmp),
    /// An IP packet byte for byte.
    Raw(Vec<u8>),
}

/// A segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tcp {
    /// The flags as they are on the wire, with AE (RFC 7560) above the others.
    pub(crate) flags: u16,
    pub(crate) seq: u32,
    pub(crate) len: u32,
    pub(crate) ack: Option<u32>,
    pub(crate) window: Option<u16>,
    pub(crate) urgent: Option<u16>,
    /// `None` when the script does not care.
    pub(crate) options: Option<Vec<TcpOption>>,
}

pub(crate) const FIN: u16 = 1;
pub(crate) const SYN: u16 = 2;
pub(crate) const PSH: u16 = 8;
pub(crate) const ACK: u16 = 16;
pub(crate) const URG: u16 = 32;

/// The letters of the flags, from FIN on.
pub(crate) const FLAG_LETTERS: [char; 9] = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W', 'A'];

/// An option of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TcpOption {
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<(u32, u32)>),
    Timestamps {
        val: u32,
        ecr: u32,
    },
    Nop,
    Eol,
    /// Any other bytes, legal or not.
    Raw(Vec<u8>),
}

/// An ICMP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Icmp {
    /// As the script writes them, such as `unreachable port_unreachable`.
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) mtu: Option<u32>,
    pub(crate) id: Option<u16>,
    pub(crate) quoted: Option<Quoted>,
}

/// What an ICMP message brings back, or an echo carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quoted {
    Tcp { seq: u32, len: u32 },
    Udp(u32),
    Raw(u32),
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if let Some((from, to)) = self.ports {
            write!(f, "{from} > {to} ")?;
        }
        match &self.body {
            Body::Tcp(tcp) => write!(f, "{tcp}"),
            Body::Udp(len) => write!(f, "udp ({len})"),
            Body::Icmp(icmp) => write!(f, "{icmp}"),
            Body::Raw(bytes) => write!(f, "raw \"{}\"", hex(bytes)),
        }
    }
}

impl fmt::Display for IpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ecn = self.ecn.map(|ecn| match ecn {
            Ecn::Bits(0) => "noecn".to_owned(),
            Ecn::Bits(1) => "ect1".to_owned(),
            Ecn::Bits(2) => "ect0".to_owned(),
            Ecn::Bits(_) => "ce".to_owned(),
            Ecn::AnyEct => "ect01".to_owned(),
        });
        let said: Vec<String> = [
            ecn,
            self.tos.map(|tos| format!("tos {tos:#04x}")),
            self.ttl.map(|ttl| format!("ttl {ttl}")),
            self.flow_label.map(|label| format!("flowlabel {label:#x}")),
            self.spoilt.then(|| "badsum".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if said.is_empty() {
            return Ok(());
        }
        write!(f, "[{}] ", said.join(", "))
    }
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.seq.wrapping_add(self.len);
        write!(f, "{} {}:{end}({})", flags(self.flags), self.seq, self.len)?;
        for (name, value) in [
            ("ack", self.ack),
            ("win", self.window.map(u32::from)),
            ("urg", self.urgent.map(u32::from)),
        ] {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        match &self.options {
            None => write!(f, " <...>"),
            Some(options) if options.is_empty() => Ok(()),
            Some(options) => {
                let options: Vec<String> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", options.join(","))
            }
        }
    }
}

pub(crate) fn flags(bits: u16) -> String {
    if bits == 0 {
        return "-".to_owned();
    }
    let letter = |bit: usize| (bits & (1 << bit) != 0).then_some(FLAG_LETTERS[bit]);
    // The ACK's dot comes last.
    [0, 1, 2, 3, 5, 6, 7, 8, 4]
        .into_iter()
        .filter_map(letter)
        .collect()
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => write!(f, "sackOK"),
            Self::Timestamps { val, ecr } => write!(f, "TS val {val} ecr {ecr}"),
            Self::Nop => write!(f, "nop"),
            Self::Eol => write!(f, "eol"),
            Self::Raw(bytes) => write!(f, "raw \"{}\"", hex(bytes)),
            Self::Sack(blocks) => {
                write!(f, "sack")?;
                blocks
                    .iter()
                    .try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
        }
    }
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icmp {}", self.name)?;
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if let Some(id) = self.id {
            write!(f, " id {id}")?;
        }
        match self.quoted {
            None => Ok(()),
            Some(Quoted::Tcp { seq, len }) => write!(f, " [{seq}:{}({len})]", seq.wrapping_add(len)),
            Some(Quoted::Udp(len)) => write!(f, " [udp ({len})]"),
            Some(Quoted::Raw(len)) => write!(f, " [raw ({len})]"),
        }
    }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
