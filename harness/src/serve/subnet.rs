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
