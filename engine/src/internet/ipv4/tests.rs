use super::*;
use crate::internet::protocol;
use etherparse::{IpDscp, IpEcn, IpFragOffset, Ipv4Header, Ipv4HeaderSlice, Ipv4Options};
use proptest::prelude::*;

fn parse(bytes: &[u8], trust_checksum: bool) -> Result<Parsed, Malformed> {
    super::parse(bytes, bytes.len(), trust_checksum)
}

const HEADER: Header = Header {
    src: Address::v4([192, 0, 2, 1]),
    dst: Address::v4([198, 51, 100, 7]),
    protocol: protocol::UDP,
    hop_limit: 64,
    dscp: 0,
    ecn: Ecn::NotCapable,
    payload_len: 12,
};

fn datagram() -> [u8; 32] {
    let mut bytes = [0xa5; 32];
    emit(&HEADER, bytes.first_chunk_mut().unwrap());
    bytes
}

/// `bytes` after a change, with the checksum put right again.
fn resealed(mut bytes: [u8; 32], change: impl FnOnce(&mut [u8; 32])) -> [u8; 32] {
    change(&mut bytes);
    let header_len = (usize::from(bytes[0] & 0xf) * 4).clamp(HEADER_LEN, bytes.len());
    bytes[10..12].fill(0);
    let checksum = Sum::zero().add_bytes(&bytes[..header_len]).finish();
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

prop_compose! {
    fn any_header()(
        src: [u8; 4], dst: [u8; 4], protocol: u8, hop_limit: u8, dscp in 0_u8..64, ecn in 0_u8..4,
        payload_len in 0_u16..=65_515,
    ) -> Header {
        let (src, dst) = (Address::v4(src), Address::v4(dst));
        let ecn = Ecn::from_traffic_class(ecn);
        Header { src, dst, protocol, hop_limit, dscp, ecn, payload_len }
    }
}

prop_compose! {
    /// Any header that etherparse writes, options and fragments included, with its payload.
    fn any_foreign_datagram()(
        header in any_header(),
        options in (0_usize..=10).prop_flat_map(|words| prop::collection::vec(any::<u8>(), words * 4)),
        identification: u16,
        dont_fragment: bool,
        more_fragments: bool,
        units in prop_oneof![Just(0), 0_u16..8_192],
        payload in prop::collection::vec(any::<u8>(), 0..60),
    ) -> (Ipv4Header, Vec<u8>) {
        let mut foreign = Ipv4Header {
            dscp: IpDscp::try_new(header.dscp).unwrap(),
            ecn: IpEcn::try_new(header.ecn as u8).unwrap(),
            total_len: (HEADER_LEN + options.len() + payload.len()) as u16,
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset: IpFragOffset::try_new(units).unwrap(),
            time_to_live: header.hop_limit,
            protocol: header.protocol.into(),
            header_checksum: 0,
            source: header.src.v4_octets(),
            destination: header.dst.v4_octets(),
            options: Ipv4Options::try_from(&options[..]).unwrap(),
        };
        foreign.header_checksum = foreign.calc_header_checksum();
        let bytes = [&foreign.to_bytes()[..], &payload].concat();
        (foreign, bytes)
    }
}

proptest! {
    #[test]
    fn what_is_emitted_is_parsed_again(header in any_header()) {
        let mut bytes = vec![0; HEADER_LEN + usize::from(header.payload_len)];
        emit(&header, bytes.first_chunk_mut().unwrap());
        let parsed = parse(&bytes, false).unwrap();
        prop_assert_eq!(parsed, Parsed {
            src: header.src,
            dst: header.dst,
            protocol: header.protocol,
            hop_limit: header.hop_limit,
            dscp: header.dscp,
            ecn: header.ecn,
            header_len: HEADER_LEN,
            total_len: bytes.len(),
            fragment: None,
        });
    }

    #[test]
    fn etherparse_reads_what_is_emitted(header in any_header()) {
        let mut bytes = [0; HEADER_LEN];
        emit(&header, bytes.first_chunk_mut().unwrap());
        let foreign = Ipv4HeaderSlice::from_slice(&bytes).unwrap().to_header();
        prop_assert_eq!(foreign.header_checksum, foreign.calc_header_checksum());
        prop_assert_eq!(foreign.payload_len().unwrap(), header.payload_len);
        prop_assert_eq!(Address::v4(foreign.source), header.src);
        prop_assert_eq!(Address::v4(foreign.destination), header.dst);
        prop_assert_eq!(foreign.protocol.0, header.protocol);
        prop_assert_eq!(foreign.time_to_live, header.hop_limit);
        prop_assert_eq!((foreign.dscp.value(), foreign.ecn.value()), (header.dscp, header.ecn as u8));
        prop_assert!(foreign.dont_fragment && !foreign.is_fragmenting_payload());
        prop_assert_eq!(foreign.identification, 0);
    }

    #[test]
    fn what_etherparse_writes_is_read_the_same((foreign, bytes) in any_foreign_datagram()) {
        let padded = [&bytes[..], &[0x55; 6]].concat();
        let offset = foreign.fragment_offset.byte_offset();
        let expected_fragment = foreign.is_fragmenting_payload().then(|| Fragment {
            identification: u32::from(foreign.identification),
            offset,
            more: foreign.more_fragments,
        });
        let ragged = foreign.more_fragments && foreign.payload_len().unwrap() % 8 != 0;
        let overruns = foreign.is_fragmenting_payload() && usize::from(offset) + bytes.len() > MAX_LEN;
        match parse(&padded, false) {
            Ok(parsed) => {
                prop_assert!(!ragged && !overruns);
                prop_assert_eq!(parsed.payload(), foreign.header_len()..bytes.len());
                prop_assert_eq!(parsed.fragment, expected_fragment);
                prop_assert_eq!((parsed.src, parsed.dst), (Address::v4(foreign.source), Address::v4(foreign.destination)));
                prop_assert_eq!((parsed.protocol, parsed.hop_limit), (foreign.protocol.0, foreign.time_to_live));
                prop_assert_eq!((parsed.dscp, parsed.ecn as u8), (foreign.dscp.value(), foreign.ecn.value()));
            }
            Err(Malformed::FragmentLength) => prop_assert!(ragged),
            Err(Malformed::FragmentOverrun) => prop_assert!(overruns),
            Err(reason) => prop_assert!(false, "{reason}"),
        }
    }

    #[test]
    fn random_octets_never_panic_and_lengths_stay_inside(
        mut bytes in prop::collection::vec(any::<u8>(), 0..100),
        looks_right: bool,
    ) {
        if let (true, [first, _, high, _, ..]) = (looks_right, &mut bytes[..]) {
            *first = 0x40 | *first & 0xf;
            *high = 0;
        }
        for trust_checksum in [false, true] {
            if let Ok(parsed) = parse(&bytes, trust_checksum) {
                prop_assert!(parsed.header_len >= HEADER_LEN && parsed.header_len <= parsed.total_len);
                prop_assert!(parsed.total_len <= bytes.len());
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_noticed() {
    for bit in 0..HEADER_LEN * 8 {
        let mut bytes = datagram();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(parse(&bytes, false).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = datagram();
    for len in 0..bytes.len() {
        let expected = if len < HEADER_LEN {
            Malformed::Truncated
        } else {
            Malformed::TotalLength
        };
        assert_eq!(parse(&bytes[..len], false), Err(expected), "{len} octets");
    }
}

#[test]
fn a_trusted_checksum_is_not_looked_at() {
    let mut bytes = datagram();
    bytes[10] ^= 1;
    assert_eq!(parse(&bytes, false), Err(Malformed::Checksum));
    assert_eq!(parse(&bytes, true), parse(&datagram(), false));
}

#[test]
fn each_reason_for_refusal() {
    let refused = |change: fn(&mut [u8; 32])| parse(&resealed(datagram(), change), false).unwrap_err();
    assert_eq!(refused(|bytes| bytes[0] = 0x65), Malformed::Version);
    assert_eq!(refused(|bytes| bytes[0] = 0x44), Malformed::HeaderLength);
    assert_eq!(refused(|bytes| bytes[0] = 0x4f), Malformed::HeaderLength);
    assert_eq!(refused(|bytes| bytes[3] = 19), Malformed::HeaderLength);
    assert_eq!(refused(|bytes| bytes[3] = 33), Malformed::TotalLength);
    assert_eq!(refused(|bytes| bytes[6] = 0x20), Malformed::FragmentLength);
    assert_eq!(
        refused(|bytes| bytes[6..8].copy_from_slice(&[0x1f, 0xff])),
        Malformed::FragmentOverrun
    );
}

#[test]
fn the_last_fragment_may_reach_the_largest_length_exactly() {
    // A datagram of 32 octets, its header included.
    let last = |units: u16| {
        resealed(datagram(), |bytes| {
            bytes[6..8].copy_from_slice(&units.to_be_bytes());
        })
    };
    let fragment = parse(&last(65_496 / 8), false).unwrap().fragment;
    assert_eq!(
        fragment,
        Some(Fragment {
            identification: 0,
            offset: 65_496,
            more: false
        })
    );
    assert_eq!(parse(&last(65_504 / 8), false), Err(Malformed::FragmentOverrun));
}
