//! An address on its link, as people write it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address and how many of its leading bits it shares with its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subnet {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

impl Subnet {
    /// What its address stands for if that is not a single host: the network itself (RFC 4291 section 2.6.1 has the routers there), or everybody
    /// on it (RFC 922). On links of two hosts (RFC 3021, RFC 6164) and of one, each address is a host's.
    pub(crate) fn stands_for(&self) -> Option<&'static str> {
        let (bits, length) = match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host_bits = length - u32::from(self.prefix);
        if host_bits < 2 || self.prefix == 0 {
            return None;
        }
        let mask = (1 << host_bits) - 1;
        match bits & mask {
            0 => Some("the network itself"),
            host if host == mask && self.address.is_ipv4() => Some("everybody on the network"),
            _ => None,
        }
    }
}

impl FromStr for Subnet {
    type Err = String;

    /// `10.1.0.2/24`; without a prefix, the address is alone on its link.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("`{address}` is no IP address; write 10.1.0.2/24 or fd01::2/64"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= longest)
                .ok_or_else(|| {
                    format!("`{digits}` is no prefix length; {address} has 0 to {longest} bits")
                })?,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Subnet;

    #[test]
    fn a_host_has_neither_the_first_nor_the_last_address_of_its_network() {
        let stands_for = |text: &str| text.parse::<Subnet>().expect("a subnet").stands_for();
        for text in ["10.1.0.0/24", "10.1.0.4/30", "128.0.0.0/1", "fd01::/64"] {
            assert_eq!(stands_for(text), Some("the network itself"), "{text}");
        }
        for text in ["10.1.0.255/24", "10.1.255.255/16", "10.1.0.7/30"] {
            assert_eq!(stands_for(text), Some("everybody on the network"), "{text}");
        }
        for text in [
            "10.1.0.2/24",
            "10.1.0.255/16",
            "10.1.0.0/31",
            "10.1.0.1/31",
            "10.1.0.0",
            "127.0.0.2/0",
            "fd01::2/64",
            "fd01::ffff:ffff:ffff:ffff/64",
            "fd01::/127",
        ] {
            assert_eq!(stands_for(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_have_a_prefix_that_their_family_has() {
        let parse = |text: &str| text.parse::<Subnet>();
        assert_eq!(
            parse("10.1.0.2/24").map(|subnet| subnet.to_string()),
            Ok("10.1.0.2/24".into())
        );
        assert_eq!(parse("fd01::2/64").map(|subnet| subnet.prefix), Ok(64));
        assert_eq!(parse("127.0.0.1").map(|subnet| subnet.prefix), Ok(32));
        assert!(parse("10.1.0.2/33").unwrap_err().contains("0 to 32"));
        assert!(parse("10.1.0.2/").unwrap_err().contains("no prefix length"));
        assert!(parse("10.1.0").unwrap_err().contains("`10.1.0`"));
    }
}
