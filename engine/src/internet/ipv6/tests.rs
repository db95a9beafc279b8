use super::*;
use crate::internet::datagram::Fragment;
use etherparse::{IpFragOffset, IpNumber, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, Ipv6Slice};
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    super::parse(bytes, bytes.len())
}

const SRC: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DST: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const PAD_N: [u8; 6] = [1, 4, 0, 0, 0, 0];

/// A datagram whose payload is the extension headers in `chain` and 16 octets of UDP, made by etherparse.
fn datagram(chain: &[(u8, &[u8])]) -> Vec<u8> {
    let mut payload = vec![0xa5; 16];
    let mut next_header = protocol::UDP;
    for &(kind, content) in chain.iter().rev() {
        let extension = if kind == protocol::FRAGMENT {
            [&[next_header, 0], content].concat()
        } else {
            Ipv6RawExtHeader::new_raw(IpNumber(next_header), content)
                .unwrap()
                .to_bytes()
                .to_vec()
        };
        payload = [extension, payload].concat();
        next_header = kind;
    }
    let header = Ipv6Header {
        payload_length: payload.len() as u16,
        next_header: IpNumber(next_header),
        hop_limit: 64,
        source: SRC,
        destination: DST,
        ..Ipv6Header::default()
    };
    [&header.to_bytes()[..], &payload].concat()
}

fn fragment(offset: u16, more_fragments: bool, identification: u32) -> Vec<u8> {
    let fragment_offset = IpFragOffset::try_new(offset / 8).unwrap();
    Ipv6FragmentHeader::new(IpNumber::UDP, fragment_offset, more_fragments, identification).to_bytes()[2..]
        .to_vec()
}

/// An unknown option with `action` in its highest two bits, in one extension header.
fn option(action: u8) -> [u8; 6] {
    [0, action << 6 | 0x1e, 3, 0, 0, 0]
}

#[test]
fn a_chain_in_the_recommended_order_is_walked_to_its_payload() {
    let bytes = datagram(&[
        (protocol::HOP_BY_HOP, &PAD_N),
        (protocol::DESTINATION_OPTIONS, &option(0)),
        (protocol::ROUTING, &[0, 0, 0, 0, 0, 0]),
        (protocol::FRAGMENT, &fragment(0, false, 9)),
        (protocol::DESTINATION_OPTIONS, &[0; 14]),
    ]);
    let parsed = parse(&[&bytes[..], &[0x55; 6]].concat()).unwrap();
    assert_eq!((parsed.protocol, parsed.fragment), (protocol::UDP, None));
    assert_eq!(parsed.payload(), bytes.len() - 16..bytes.len());
}

#[test]
fn what_is_in_fragments_is_walked_to_its_fragment_header() {
    let bytes = datagram(&[
        (protocol::HOP_BY_HOP, &PAD_N),
        (protocol::FRAGMENT, &fragment(64, true, 0x1234_5678)),
        (protocol::DESTINATION_OPTIONS, &option(2)),
    ]);
    let parsed = parse(&bytes).unwrap();
    assert_eq!(
        parsed.fragment,
        Some(Fragment {
            identification: 0x1234_5678,
            offset: 64,
            more: true
        })
    );
    assert_eq!(
        (parsed.protocol, parsed.header_len),
        (protocol::DESTINATION_OPTIONS, 56)
    );
    assert!(Ipv6Slice::from_slice(&bytes).unwrap().is_payload_fragmented());
}

#[test]
fn no_next_header_and_unknown_protocols_are_left_to_the_caller() {
    for protocol in [protocol::NO_NEXT_HEADER, 50, 253] {
        let mut bytes = datagram(&[(protocol::HOP_BY_HOP, &PAD_N)]);
        bytes[HEADER_LEN] = protocol;
        assert_eq!(parse(&bytes).unwrap().protocol, protocol);
    }
}

fn refused(bytes: &[u8]) -> (Malformed, Option<ParameterProblem>) {
    (parse(bytes).unwrap_err(), parameter_problem(bytes))
}

#[test]
fn hop_by_hop_options_come_first_or_not_at_all() {
    let bytes = datagram(&[
        (protocol::DESTINATION_OPTIONS, &PAD_N),
        (protocol::HOP_BY_HOP, &PAD_N),
    ]);
    let problem = ParameterProblem::unrecognized_next_header(HEADER_LEN);
    assert_eq!(refused(&bytes), (Malformed::HopByHopNotFirst, Some(problem)));
}

#[test]
fn unknown_options_are_handled_as_their_type_says() {
    for kind in [protocol::HOP_BY_HOP, protocol::DESTINATION_OPTIONS] {
        let refused = |action| refused(&datagram(&[(kind, &option(action))]));
        let problem = |to_multicast| ParameterProblem::unrecognized_option(HEADER_LEN + 3, to_multicast);
        assert!(parse(&datagram(&[(kind, &option(0))])).is_ok());
        assert_eq!(refused(1), (Malformed::UnrecognizedOption, None));
        assert_eq!(refused(2), (Malformed::UnrecognizedOption, Some(problem(true))));
        assert_eq!(refused(3), (Malformed::UnrecognizedOption, Some(problem(false))));
    }
}

#[test]
fn options_may_not_reach_beyond_their_header() {
    let overlong = [0, 0x1e, 4, 0, 0, 0];
    let without_length = [0, 0, 0, 0, 0, 0x1e];
    for content in [overlong, without_length] {
        let bytes = datagram(&[(protocol::HOP_BY_HOP, &content)]);
        assert_eq!(refused(&bytes), (Malformed::ExtensionTruncated, None));
    }
}

#[test]
fn a_route_with_segments_left_is_refused_whatever_its_type() {
    for kind in [0, 2, 4, 99] {
        let bytes = datagram(&[
            (protocol::HOP_BY_HOP, &PAD_N),
            (protocol::ROUTING, &[kind, 1, 0, 0, 0, 0]),
        ]);
        let problem = ParameterProblem::erroneous_field(HEADER_LEN + 8 + 2);
        assert_eq!(refused(&bytes), (Malformed::Routing, Some(problem)));
    }
}

#[test]
fn fragments_that_cannot_be_put_together_are_refused() {
    let ragged = {
        let mut bytes = datagram(&[(protocol::FRAGMENT, &fragment(0, true, 1))]);
        bytes.pop();
        bytes[5] -= 1;
        bytes
    };
    assert_eq!(
        refused(&ragged),
        (
            Malformed::FragmentLength,
            Some(ParameterProblem::erroneous_field(4))
        )
    );

    let overrun = datagram(&[(protocol::FRAGMENT, &fragment(65_528, false, 1))]);
    let problem = ParameterProblem::erroneous_field(HEADER_LEN + 2);
    assert_eq!(refused(&overrun), (Malformed::FragmentOverrun, Some(problem)));
    assert!(parse(&datagram(&[(protocol::FRAGMENT, &fragment(65_512, false, 1))])).is_ok());
}

#[test]
fn the_length_of_a_chain_is_bounded() {
    let chain = |count| datagram(&vec![(protocol::DESTINATION_OPTIONS, &PAD_N[..]); count]);
    assert!(parse(&chain(8)).is_ok());
    assert_eq!(parse(&chain(9)), Err(Malformed::TooManyExtensions));
}

#[test]
fn jumbograms_are_refused() {
    let mut bytes = datagram(&[(protocol::HOP_BY_HOP, &[0xc2, 4, 0, 1, 0, 0])]);
    bytes[4..6].fill(0);
    assert_eq!(refused(&bytes), (Malformed::Jumbogram, None));
}

#[test]
fn an_ipv4_mapped_address_on_the_wire_is_refused() {
    for at in [8, 24] {
        let mut bytes = datagram(&[]);
        bytes[at..at + 16].copy_from_slice(Address::v4([10, 0, 0, 1]).octets());
        assert_eq!(refused(&bytes), (Malformed::MappedAddress, None));
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = datagram(&[
        (protocol::HOP_BY_HOP, &PAD_N),
        (protocol::FRAGMENT, &fragment(8, true, 1)),
    ]);
    for len in 0..bytes.len() {
        let expected = if len < HEADER_LEN {
            Malformed::Truncated
        } else {
            Malformed::TotalLength
        };
        assert_eq!(parse(&bytes[..len]), Err(expected), "{len} octets");
    }
}

#[test]
fn a_chain_that_a_short_payload_cuts_is_refused() {
    let whole = datagram(&[
        (protocol::HOP_BY_HOP, &PAD_N),
        (protocol::DESTINATION_OPTIONS, &PAD_N),
    ]);
    for payload_len in 1..16_u8 {
        let mut bytes = whole.clone();
        bytes[5] = payload_len;
        assert_eq!(
            refused(&bytes),
            (Malformed::ExtensionTruncated, None),
            "{payload_len} octets"
        );
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_refused_or_understood() {
    let bytes = datagram(&[]);
    let original = parse(&bytes).unwrap();
    for bit in 0..HEADER_LEN * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        let parsed = parse(&flipped);
        match bit {
            0..4 => assert_eq!(parsed, Err(Malformed::Version)),
            // The flow label means nothing to a host that receives it.
            12..32 => assert_eq!(parsed, Ok(original)),
            // 16 octets of payload: shorter ones are understood, longer ones have not arrived.
            43 => assert_eq!(parsed.unwrap().total_len, HEADER_LEN),
            32..48 => assert_eq!(parsed, Err(Malformed::TotalLength)),
            _ => assert!(parsed.is_err() || parsed != Ok(original), "bit {bit}"),
        }
    }
}

prop_compose! {
    fn any_header()(
        src: [u8; 16], dst: [u8; 16], protocol: u8, hop_limit: u8, dscp in 0_u8..64, ecn in 0_u8..4, payload_len: u16,
    ) -> Header {
        let (src, dst) = (Address::v6(src), Address::v6(dst));
        let ecn = Ecn::from_traffic_class(ecn);
        Header { src, dst, protocol, hop_limit, dscp, ecn, payload_len }
    }
}

proptest! {
    #[test]
    fn what_is_emitted_is_parsed_again(header in any_header()) {
        prop_assume!(!extension::is_extension(header.protocol));
        let mut bytes = vec![0; HEADER_LEN + usize::from(header.payload_len)];
        emit(&header, bytes.first_chunk_mut().unwrap());
        prop_assert_eq!(parse(&bytes), Ok(Parsed {
            src: header.src,
            dst: header.dst,
            protocol: header.protocol,
            hop_limit: header.hop_limit,
            dscp: header.dscp,
            ecn: header.ecn,
            header_len: HEADER_LEN,
            total_len: bytes.len(),
            fragment: None,
        }));
    }

    #[test]
    fn etherparse_reads_what_is_emitted(header in any_header()) {
        let mut bytes = [0; HEADER_LEN];
        emit(&header, bytes.first_chunk_mut().unwrap());
        let (foreign, _) = Ipv6Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(foreign.payload_length, header.payload_len);
        prop_assert_eq!(Address::v6(foreign.source), header.src);
        prop_assert_eq!(Address::v6(foreign.destination), header.dst);
        prop_assert_eq!((foreign.next_header.0, foreign.hop_limit), (header.protocol, header.hop_limit));
        prop_assert_eq!((foreign.dscp().value(), foreign.ecn().value()), (header.dscp, header.ecn as u8));
        prop_assert_eq!(foreign.flow_label.value(), 0);
    }

    /// Whatever is accepted, etherparse reads the same way; chains that look plausible make that likely.
    #[test]
    fn random_chains_never_panic_and_agree_with_etherparse(
        kinds in prop::collection::vec(prop::sample::select(vec![
            protocol::HOP_BY_HOP, protocol::ROUTING, protocol::FRAGMENT, protocol::DESTINATION_OPTIONS,
        ]), 0..5),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let content: Vec<(u8, &[u8])> = kinds.iter().map(|&kind| (kind, &[0; 6][..])).collect();
        let mut bytes = datagram(&content);
        for (at, octet) in noise {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        let parsed = parse(&bytes);
        prop_assert!(parsed.is_err() || parameter_problem(&bytes).is_none());
        if let (Ok(parsed), Ok(foreign)) = (parsed, Ipv6Slice::from_slice(&bytes)) {
            prop_assert!(parsed.header_len <= parsed.total_len && parsed.total_len <= bytes.len());
            prop_assert_eq!(parsed.fragment.is_some(), foreign.is_payload_fragmented());
            // Behind a fragment header that has effect etherparse reads on, into what may be the middle of a payload;
            // and it takes a payload length of zero for an unknown one.
            if parsed.fragment.is_none() && bytes[4..6] != [0; 2] {
                prop_assert_eq!(parsed.protocol, foreign.payload().ip_number.0);
                prop_assert_eq!(&bytes[parsed.payload()], foreign.payload().payload);
            }
        }
    }

    #[test]
    fn random_octets_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..62) {
        if let [first, _, _, _, high, _, next_header, ..] = &mut bytes[..] {
            (*first, *high, *next_header) = (0x60, 0, kind);
        }
        if let Ok(parsed) = parse(&bytes) {
            prop_assert!(parsed.header_len <= parsed.total_len && parsed.total_len <= bytes.len());
        }
    }
}
