//! ARP for IPv4 over Ethernet (RFC 826).

use crate::internet::address::Address;
use crate::link::ethernet::MacAddress;

/// An ARP packet for IPv4 over Ethernet, in octets.
pub(in crate::internet) const LEN: usize = 28;

/// Hardware Ethernet, protocol IPv4, addresses of six and four octets.
const SPACES: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Who asks for whom, or answers whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) struct Arp {
    pub(in crate::internet) is_request: bool,
    pub(in crate::internet) sender_mac: MacAddress,
    /// All zeros in the probe of somebody who is not sure of his address (RFC 5227).
    pub(in crate::internet) sender: [u8; 4],
    /// Meaningless in a request.
    pub(in crate::internet) target_mac: MacAddress,
    pub(in crate::internet) target: [u8; 4],
}

impl Arp {
    /// Reads a packet; what follows it is padding. `None` for other hardware, protocols or operations, and for a sender that is no station.
    pub(in crate::internet) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.first_chunk()?;
        let (spaces, rest) = bytes.split_first_chunk::<6>()?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (sender, rest) = rest.split_first_chunk::<4>()?;
        let (target_mac, rest) = rest.split_first_chunk::<6>()?;
        let is_request = match u16::from_be_bytes(*operation) {
            REQUEST => true,
            REPLY => false,
            _ => return None,
        };
        let arp = Self {
            is_request,
            sender_mac: MacAddress(*sender_mac),
            sender: *sender,
            target_mac: MacAddress(*target_mac),
            target: *rest.first_chunk()?,
        };
        let sender = Address::v4(arp.sender);
        let is_sound = *spaces == SPACES
            && arp.sender_mac.is_station()
            && !sender.is_multicast()
            && !sender.is_limited_broadcast();
        is_sound.then_some(arp)
    }

    pub(in crate::internet) fn emit(&self, out: &mut [u8; LEN]) {
        let operation = if self.is_request { REQUEST } else { REPLY };
        out[..6].copy_from_slice(&SPACES);
        out[6..8].copy_from_slice(&operation.to_be_bytes());
        out[8..14].copy_from_slice(&self.sender_mac.0);
        out[14..18].copy_from_slice(&self.sender);
        out[18..24].copy_from_slice(&self.target_mac.0);
        out[24..].copy_from_slice(&self.target);
    }
}
