//! The UDP header on the wire (RFC 768): reading and writing it.

use crate::internet::address::Address;

/// The length of the header, in octets.
pub const HEADER_LEN: usize = 8;

/// The longest payload that the length field can tell, in octets. IPv4 carries 20 octets less.
pub const MAX_PAYLOAD_LEN: usize = u16::MAX as usize - HEADER_LEN;

const CHECKSUM_AT: usize = 6;

/// Why octets are no UDP datagram. They are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// Fewer octets than a header has.
    #[error("UDP datagram of fewer than 8 octets")]
    Truncated,
    /// The length field is below 8 or says more than there is.
    #[error("UDP length field below 8 or beyond the datagram")]
    Length,
    /// The checksum is missing where it may not be.
    #[error("UDP datagram over IPv6 without a checksum")]
    NoChecksum,
}

/// A payload of more than [`MAX_PAYLOAD_LEN`] octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("UDP payload of more than 65,527 octets")]
pub struct TooLong;

/// What a checksum field of zero says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZeroChecksum {
    /// Over IPv4 that the sender computed none (RFC 768).
    MeansNone,
    /// Over IPv6 that the datagram is to be dropped (RFC 8200 section 8.1).
    IsRefused,
}

impl ZeroChecksum {
    /// The rule of the family that `address` belongs to.
    #[inline]
    pub fn over(address: &Address) -> Self {
        if address.is_v4() {
            Self::MeansNone
        } else {
            Self::IsRefused
        }
    }
}

/// The header of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The port of the sender; 0 when no answer is expected.
    pub source_port: u16,
    /// The port of the receiver.
    pub destination_port: u16,
    /// The octets of header and payload, 8 at least.
    pub len: u16,
    /// The checksum of the whole and its pseudo-header; 0 when there is none, or none yet.
    pub checksum: u16,
}

impl Header {
    /// The header of a datagram to be sent, without a checksum.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when the length field cannot tell `payload_len`.
    #[inline]
    pub fn new(source_port: u16, destination_port: u16, payload_len: usize) -> Result<Self, TooLong> {
        let len = u16::try_from(payload_len.saturating_add(HEADER_LEN)).map_err(|_| TooLong)?;
        Ok(Self {
            source_port,
            destination_port,
            len,
            checksum: 0,
        })
    }

    /// Reads the header of the datagram at the start of `ip_payload`, of which `available` octets have arrived, here or elsewhere. The
    /// checksum is not verified.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the length field points outside of what is there, or by the rule for a zero checksum.
    #[inline]
    pub fn parse(
        ip_payload: &[u8],
        available: usize,
        zero_checksum: ZeroChecksum,
    ) -> Result<Self, Malformed> {
        let bytes = ip_payload
            .first_chunk::<HEADER_LEN>()
            .ok_or(Malformed::Truncated)?;
        let header = Self {
            source_port: u16::from_be_bytes([bytes[0], bytes[1]]),
            destination_port: u16::from_be_bytes([bytes[2], bytes[3]]),
            len: u16::from_be_bytes([bytes[4], bytes[5]]),
            checksum: u16::from_be_bytes([bytes[6], bytes[7]]),
        };
        if !(HEADER_LEN..=available).contains(&usize::from(header.len)) {
            return Err(Malformed::Length);
        }
        if header.checksum == 0 && zero_checksum == ZeroChecksum::IsRefused {
            return Err(Malformed::NoChecksum);
        }
        Ok(header)
    }

    /// The octets of the payload. What the IP packet has beyond header and payload is not UDP's.
    #[inline]
    pub const fn payload_len(&self) -> usize {
        (self.len as usize).saturating_sub(HEADER_LEN)
    }

    /// Writes the header.
    #[inline]
    pub fn emit(&self, out: &mut [u8; HEADER_LEN]) {
        let fields = [self.source_port, self.destination_port, self.len, self.checksum];
        let word = fields
            .into_iter()
            .fold(0, |word, field| word << 16 | u64::from(field));
        *out = word.to_be_bytes();
    }
}

/// Stores the checksum that was computed over the whole datagram and its pseudo-header; 0, which would say that there
/// is none, becomes its equal 0xffff (RFC 768).
#[inline]
pub fn set_checksum(header: &mut [u8; HEADER_LEN], computed: u16) {
    let checksum = if computed == 0 { u16::MAX } else { computed };
    header[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests;
