use super::*;
use etherparse::{UdpHeader, UdpHeaderSlice};
use proptest::collection::vec;
use proptest::prelude::*;
use smoltcp::wire::UdpPacket;

use ZeroChecksum::{IsRefused, MeansNone};

fn parse(bytes: &[u8], zero_checksum: ZeroChecksum) -> Result<Header, Malformed> {
    Header::parse(bytes, bytes.len(), zero_checksum)
}

fn datagram_bytes(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut out = [0xaa; HEADER_LEN];
    header.emit(&mut out);
    [&out[..], payload].concat()
}

#[test]
fn a_datagram_byte_by_byte() {
    let header = Header::new(0x0102, 0x0304, 2).unwrap();
    let mut out = [0xaa; HEADER_LEN];
    header.emit(&mut out);
    assert_eq!(out, [1, 2, 3, 4, 0, 10, 0, 0]);
    set_checksum(&mut out, 0xbeef);
    assert_eq!(out, [1, 2, 3, 4, 0, 10, 0xbe, 0xef]);
}

/// RFC 768, RFC 8200 section 8.1.
#[test]
fn a_zero_checksum_is_never_sent_and_means_none_over_ipv4_alone() {
    let without = datagram_bytes(&Header::new(1, 2, 0).unwrap(), &[]);
    assert_eq!(parse(&without, MeansNone).unwrap().checksum, 0);
    assert_eq!(parse(&without, IsRefused), Err(Malformed::NoChecksum));

    let mut with: [u8; HEADER_LEN] = without.try_into().unwrap();
    set_checksum(&mut with, 0);
    assert_eq!(parse(&with, IsRefused).unwrap().checksum, 0xffff);
}

#[test]
fn the_rule_for_zero_is_that_of_the_family() {
    assert_eq!(ZeroChecksum::over(&Address::v4([10, 0, 0, 1])), MeansNone);
    assert_eq!(ZeroChecksum::over(&Address::v6([0xfd; 16])), IsRefused);
}

/// RFC 768: at least 8, at most what IP carries; what lies beyond is not UDP's.
#[test]
fn the_length_field_stays_inside() {
    let bytes = datagram_bytes(&Header::new(1, 2, 4).unwrap(), &[1, 2, 3, 4]);
    for (len, expected) in [
        (0_u16, Err(Malformed::Length)),
        (7, Err(Malformed::Length)),
        (8, Ok(0)),
        (11, Ok(3)),
        (12, Ok(4)),
        (13, Err(Malformed::Length)),
        (u16::MAX, Err(Malformed::Length)),
    ] {
        let mut bytes = bytes.clone();
        bytes[4..6].copy_from_slice(&len.to_be_bytes());
        assert_eq!(
            parse(&bytes, MeansNone).map(|header| header.payload_len()),
            expected,
            "{len}"
        );
    }
}

#[test]
fn the_longest_payload_is_the_longest() {
    assert_eq!(Header::new(1, 2, MAX_PAYLOAD_LEN).unwrap().len, u16::MAX);
    assert_eq!(Header::new(1, 2, MAX_PAYLOAD_LEN + 1), Err(TooLong));
    assert_eq!(Header::new(1, 2, usize::MAX), Err(TooLong));
}

#[test]
fn a_header_stays_small() {
    assert_eq!(size_of::<Header>(), 8);
}

proptest! {
    #[test]
    fn a_datagram_reads_back_as_it_was_written(
        source_port in any::<u16>(), destination_port in any::<u16>(), computed in any::<u16>(),
        payload in vec(any::<u8>(), 0..64), padding in vec(any::<u8>(), 0..8),
    ) {
        let header = Header::new(source_port, destination_port, payload.len()).unwrap();
        let mut bytes = datagram_bytes(&header, &payload);
        set_checksum(bytes.first_chunk_mut().unwrap(), computed);

        let (theirs, rest) = UdpHeader::from_slice(&bytes).unwrap();
        prop_assert_eq!((theirs.source_port, theirs.destination_port), (source_port, destination_port));
        prop_assert_eq!((usize::from(theirs.length), theirs.checksum == 0), (bytes.len(), false));
        prop_assert_eq!(rest, &payload[..]);

        bytes.extend(padding);
        prop_assert_eq!(UdpPacket::new_checked(&bytes[..]).unwrap().payload(), &payload[..]);
        let parsed = parse(&bytes, IsRefused).unwrap();
        prop_assert_eq!(parsed, Header { checksum: theirs.checksum, ..header });
        prop_assert_eq!(&bytes[HEADER_LEN..][..parsed.payload_len()], &payload[..]);
    }

    #[test]
    fn every_truncation_is_refused(payload in vec(any::<u8>(), 0..64)) {
        let bytes = datagram_bytes(&Header::new(1, 2, payload.len()).unwrap(), &payload);
        for len in 0..bytes.len() {
            let expected = if len < HEADER_LEN { Malformed::Truncated } else { Malformed::Length };
            prop_assert_eq!(parse(&bytes[..len], MeansNone), Err(expected));
        }
    }

    #[test]
    fn random_bytes_never_panic_and_the_payload_stays_inside(bytes in vec(any::<u8>(), 0..64)) {
        match parse(&bytes, MeansNone) {
            Ok(header) => {
                prop_assert!(HEADER_LEN + header.payload_len() <= bytes.len());
                prop_assert!(UdpHeaderSlice::from_slice(&bytes).is_ok());
            }
            Err(error) => prop_assert!(matches!(error, Malformed::Truncated | Malformed::Length)),
        }
    }
}
