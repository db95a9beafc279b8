//! Layer 2: IPv4, IPv6 and ICMP.

pub mod address;
