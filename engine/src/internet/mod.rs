//! Layer 2: IPv4, IPv6 and ICMP.

pub mod address;
pub mod checksum;
pub mod datagram;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod protocol;
