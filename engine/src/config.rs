//! Every knob of the engine, with its unit, its default, and the RFC or reason for the default.

mod fragment;
mod link;
mod route;
#[cfg(test)]
mod tests;

use core::ops::RangeInclusive;
use std::net::IpAddr;

use crate::internet::address::Address;
use crate::time::Duration;

pub use self::fragment::FragmentConfig;
pub use self::link::{LinkConfig, StaticNeighbour};
pub use self::route::{Route, RouteError};

/// A block of addresses, all of which are the engine's own: `10.1.0.0/16` makes 65,536 local addresses at no cost per address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressBlock {
    first: Address,
    /// The bits that count, of the 128 of the mapped form, as they lie in memory.
    mask: u128,
}

/// A prefix length that the address family does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("prefix length {0} is longer than the address; IPv4 has 32 bits, IPv6 has 128")]
pub struct InvalidPrefix(pub u8);

impl AddressBlock {
    /// The block of all addresses that share the first `prefix_len` bits of `address`.
    ///
    /// # Errors
    /// If the family has fewer bits.
    pub fn new(address: IpAddr, prefix_len: u8) -> Result<Self, InvalidPrefix> {
        let (bits, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if prefix_len > bits {
            return Err(InvalidPrefix(prefix_len));
        }
        Ok(Self {
            first: address.into(),
            mask: leading_bits(prefix_len + offset),
        })
    }

    /// The block of this one address.
    pub fn single(address: IpAddr) -> Self {
        Self {
            first: address.into(),
            mask: u128::MAX,
        }
    }

    /// Whether `address` is in the block.
    #[inline]
    pub fn contains(&self, address: &Address) -> bool {
        let differs = u128::from_ne_bytes(*self.first.octets()) ^ u128::from_ne_bytes(*address.octets());
        differs & self.mask == 0
    }

    /// The block of all addresses of the family of `address`.
    pub(crate) fn all_of_family(address: &Address) -> Self {
        Self {
            first: *address,
            mask: leading_bits(if address.is_v4() { 96 } else { 0 }),
        }
    }

    /// Whether both blocks have the same addresses.
    pub(crate) fn is_same_prefix(&self, other: &Self) -> bool {
        self.mask == other.mask && self.contains(&other.first)
    }

    /// The bits that the addresses of the block share, of the 128 of the mapped form.
    pub(crate) fn prefix_len(&self) -> u32 {
        self.mask.count_ones()
    }

    /// The last address of the block: the directed broadcast address where an IPv4 network has this prefix.
    pub(crate) fn last(&self) -> Address {
        Address::v6((u128::from_ne_bytes(*self.first.octets()) | !self.mask).to_ne_bytes())
    }

    /// The address that the block was made with: what the engine uses when the application names none.
    pub fn preferred(&self) -> Address {
        self.first
    }
}

/// The first `count` of 128 bits, in network order.
fn leading_bits(count: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(count)).unwrap_or(0).to_be()
}

/// Everything that can be set on an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key of every keyed hash: flow table, initial sequence numbers (RFC 6528), ports (RFC 6056), timestamp offsets. Must be
    /// unpredictable and new at each start; the engine has no randomness of its own.
    pub secret: [u8; 32],
    /// The engine's own addresses. The first of each family is the default source.
    pub addresses: Vec<AddressBlock>,
    routes: Vec<Route>,
    /// The knobs of an Ethernet.
    pub link: LinkConfig,
    /// The limits of reassembly.
    pub fragments: FragmentConfig,
    /// TTL and hop limit of sent packets. 64, as RFC 1700 has it (RFC 9293 MUST-49).
    pub ttl: u8,
    /// Local ports for outgoing connections. 1024–65535 (RFC 6056 section 3.2 asks for as many as possible).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Pairs of local address and remote endpoint that outgoing connections may go to at a time. 4,096; each in use takes 8.3 KiB.
    pub destinations: u32,
    /// Packets that one device batch holds. 64: enough to hide memory latency, few enough to stay in the first-level cache.
    pub batch: usize,
    /// Packets that wait for the device. 64, as a batch: a queue that equals the device's changes hands without moving a packet.
    pub transmit_queue: usize,
    /// ICMP errors sent in a second, at most. 1,000, Linux's choice (RFC 4443 section 2.4 (f) demands a limit).
    pub icmp_errors_per_second: u32,
    /// TCP's knobs.
    pub tcp: TcpConfig,
    /// UDP's knobs.
    pub udp: UdpConfig,
}

impl Config {
    /// Defaults, with this secret and these addresses.
    pub fn new(secret: [u8; 32], addresses: impl IntoIterator<Item = AddressBlock>) -> Self {
        Self {
            secret,
            addresses: addresses.into_iter().collect(),
            routes: Vec::new(),
            link: LinkConfig::default(),
            fragments: FragmentConfig::default(),
            ttl: 64,
            ephemeral_ports: 1024..=65535,
            destinations: 4096,
            batch: 64,
            transmit_queue: 64,
            icmp_errors_per_second: 1_000,
            tcp: TcpConfig::default(),
            udp: UdpConfig::default(),
        }
    }
}

/// TCP's knobs.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Connections that can exist at a time, without TIME_WAIT. 65,536. Memory is mapped ahead and touched when used.
    pub connections: u32,
    /// Half-open connections (SYN received) that can exist at a time. 4,096.
    pub half_open: u32,
    /// Answer SYNs that find this table full with SYN cookies (RFC 4987), so that a flood keeps nobody out. True. The segment size is
    /// rounded down then, and SACK and window scaling need a peer with timestamps.
    pub syn_cookies: bool,
    /// Bytes that a connection queues for sending. 256 KiB.
    pub send_buffer: u32,
    /// Bytes that a connection queues for the application at first, and so the largest window it offers. 256 KiB.
    pub receive_buffer: u32,
    /// Bytes to which that grows by itself when path and application make use of them; not beyond a quarter of the frame pool. No larger
    /// than [`TcpConfig::receive_buffer`], it does not grow. 4 MiB, of the order of Linux's 6. Also sets the window scale.
    pub receive_buffer_limit: u32,
    /// Pieces that each of these queues holds. 1,024.
    pub queue_pieces: u32,
    /// Twice the maximum segment lifetime: how long a TIME_WAIT entry is kept. 60 s, Linux's choice (RFC 9293 says 4 minutes).
    pub time_wait: Duration,
    /// TIME_WAIT entries of each address family; when full, the oldest makes way and is counted as a violation. 8,388,608 (300 MB when full).
    pub time_wait_entries: u32,
    /// TIME_WAIT entries for which the index is sized ahead. 65,536; it grows in steps, without rehashing.
    pub time_wait_presize: u32,
    /// Send small segments at once although data is outstanding. False (RFC 9293 SHLD-7: Nagle on); also settable on a connection.
    pub no_delay: bool,
    /// How long an acknowledgment may wait for company. 40 ms, Linux's choice (RFC 9293 MUST-40: below 500 ms).
    pub delayed_ack: Duration,
    /// Segments at the start of a connection that are acknowledged at once, so that the peer's window opens fast. 16, Linux's choice;
    /// also settable on a connection.
    pub quick_acks: u8,
    /// Retransmissions of a SYN before the attempt ends. 6: 127 s (RFC 9293 MUST-23 asks for 3 minutes; Linux's choice).
    pub syn_retries: u8,
    /// Retransmissions of a SYN-ACK before the half-open entry goes. 5: 63 s, Linux's choice.
    pub syn_ack_retries: u8,
    /// Retransmissions of data before the connection is given up. 15: about 15 minutes (RFC 9293 SHLD-11: at least 100 s).
    pub retries: u8,
    /// Wait up to a quarter longer, by chance, for the answer to what a timeout has sent again, so that nobody can foresee when it is sent
    /// once more: an attacker who fills a queue for a moment once in each minimum RTO would stop a connection altogether (Kuzmanovic
    /// and Knightly, SIGCOMM 2003). True; Linux has nothing of the kind. The first timeout is that of RFC 6298.
    pub random_back_off: bool,
    /// How long a closed connection waits for the peer's FIN in FIN-WAIT-2. 60 s, Linux's choice.
    pub fin_wait_2: Duration,
    /// The largest segment that is announced and sent, options not counted, where the link would take a larger one: what others call
    /// `TCP_MAXSEG`. 65,535: what the link takes.
    pub max_segment: u16,
    /// How long an attempt to connect may take; `None` until [`TcpConfig::syn_retries`] brought nothing. `None`; also settable on a
    /// connection.
    pub connect_timeout: Option<Duration>,
    /// Closed connections that may still be getting rid of their data; beyond, closing resets. 65,536, Linux's choice for a machine of
    /// this size.
    pub orphans: u32,
    /// Retransmissions, or probes of a closed window, answered or not, before a closed connection is given up. 8, Linux's choice: some
    /// 100 s.
    pub orphan_retries: u8,
    /// Send no more than an initial window at once after a pause longer than the timeout, for which no acknowledgments are left that would
    /// clock out a whole one (RFC 5681 section 4.1). True; Linux's `tcp_slow_start_after_idle`.
    pub idle_restart: bool,
    /// Send smaller segments when full ones bring nothing but timeouts, because a router may drop them and not say so (RFC 4821). True.
    pub black_hole_detection: bool,
    /// Offer and use timestamps (RFC 7323). True.
    pub timestamps: bool,
    /// Offer and use window scaling (RFC 7323). True.
    pub window_scaling: bool,
    /// Offer and use selective acknowledgments (RFC 2018), and with them RACK-TLP (RFC 8985). True.
    pub sack: bool,
    /// Challenge acknowledgments (RFC 5961) that a connection sends in a second, at most; a half-open one, for each sending of its SYN-ACK.
    /// 10. A limit of its own for each connection tells an attacker nothing of the others (section 7, CVE-2016-5696).
    pub challenges: u8,
    /// A segment without text that is not acceptable is answered, but not sooner after the last such answer on its connection. 500 ms, Linux's
    /// choice: it could be the other end's answer to ours, and two ends would answer each other for ever.
    pub invalid_interval: Duration,
    /// Use explicit congestion notification (RFC 3168). When a peer asks, Linux's choice.
    pub ecn: Ecn,
    /// The congestion control. CUBIC, Linux's choice.
    pub congestion: Congestion,
}

impl TcpConfig {
    /// Sets how many bytes a connection queues for the application, from its beginning to its end.
    pub fn set_receive_buffer(&mut self, bytes: u32) {
        (self.receive_buffer, self.receive_buffer_limit) = (bytes, bytes);
    }
}

/// How long a connection goes on sending what nobody acknowledges (R2 of RFC 9293 section 3.8.3). Looked at whenever the retransmission
/// timer runs out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum UserTimeout {
    /// Until [`TcpConfig::retries`] retransmissions (for a SYN [`TcpConfig::syn_retries`]) brought nothing.
    #[default]
    ByRetransmissions,
    /// So long.
    After(Duration),
    /// For ever.
    Never,
}

/// When a quiet peer is asked whether it is still there (RFC 9293 section 3.8.4). Off unless set on a connection (MUST-25).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepAlive {
    /// How long the peer may be quiet before it is asked, a second at least. Two hours (MUST-28).
    pub idle: Duration,
    /// The pause between questions, a second at least. 75 s, Linux's choice.
    pub interval: Duration,
    /// Questions without an answer after which the peer counts as gone. 9, Linux's choice.
    pub probes: u8,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7200),
            interval: Duration::from_secs(75),
            probes: 9,
        }
    }
}

/// Which connections use explicit congestion notification (RFC 3168).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Ecn {
    /// None.
    Off,
    /// Those that a peer opens who asks for it.
    #[default]
    WhenAsked,
    /// Those too that we open, if the peer grants it. A SYN that gets no answer is sent again without asking.
    Always,
}

/// How a connection decides how much may be in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Congestion {
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406).
    Cubic,
    /// RFC 5681.
    NewReno,
    /// So many bytes, always. For benches and lossless wires.
    Fixed(u32),
}

/// How what the windows allow is spread over time. Set on a connection; none is paced otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Pacing {
    /// At once.
    #[default]
    Off,
    /// The congestion window over a round trip: twice as fast in slow start, 1.2 times later, as Linux does.
    ByWindow,
    /// The same, but never faster than so many bytes per second; 0 counts as 1.
    UpTo(u64),
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            connections: 65_536,
            half_open: 4096,
            syn_cookies: true,
            send_buffer: 256 << 10,
            receive_buffer: 256 << 10,
            receive_buffer_limit: 4 << 20,
            queue_pieces: 1024,
            time_wait: Duration::from_secs(60),
            time_wait_entries: 8 << 20,
            time_wait_presize: 65_536,
            no_delay: false,
            delayed_ack: Duration::from_millis(40),
            quick_acks: 16,
            syn_retries: 6,
            syn_ack_retries: 5,
            retries: 15,
            random_back_off: true,
            fin_wait_2: Duration::from_secs(60),
            max_segment: u16::MAX,
            connect_timeout: None,
            orphans: 65_536,
            orphan_retries: 8,
            idle_restart: true,
            black_hole_detection: true,
            timestamps: true,
            window_scaling: true,
            sack: true,
            challenges: 10,
            invalid_interval: Duration::from_millis(500),
            ecn: Ecn::WhenAsked,
            congestion: Congestion::Cubic,
        }
    }
}

/// UDP's knobs.
#[derive(Clone, Debug)]
pub struct UdpConfig {
    /// Sockets that can exist at a time. 1,024.
    pub sockets: u32,
    /// Datagrams that wait on a socket for the application. 1,024.
    pub receive_datagrams: u32,
    /// Bytes that wait on a socket for the application. 1 MiB.
    pub receive_bytes: u32,
    /// TTL and hop limit of what is sent to multicast groups. 1 (RFC 1112 section 6.1): the link, and no further.
    pub multicast_hops: u8,
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            sockets: 1024,
            receive_datagrams: 1024,
            receive_bytes: 1 << 20,
            multicast_hops: 1,
        }
    }
}
