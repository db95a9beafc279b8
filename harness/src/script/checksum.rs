//! The Internet checksum (RFC 1071), written without the engine's help so that it can judge the engine's.

use std::net::IpAddr;

/// The sum of `parts`, each padded to an even length, folded and inverted: 0 when a checksum among them is right.
pub(super) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// What TCP, UDP and ICMPv6 sum besides themselves.
pub(super) fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend(from.octets());
            header.extend(to.octets());
            header.extend([0, protocol]);
            header.extend((len as u16).to_be_bytes());
        }
        (from, to) => {
            header.extend(octets(from));
            header.extend(octets(to));
            header.extend((len as u32).to_be_bytes());
            header.extend([0, 0, 0, protocol]);
        }
    }
    header
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&bytes]), !0xddf2);
    }

    #[test]
    fn a_right_checksum_sums_to_zero() {
        let sum = checksum(&[b"abc"]);
        assert_eq!(checksum(&[b"abc", &sum.to_be_bytes()]), 0);
    }
}
