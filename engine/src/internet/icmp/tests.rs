use super::*;
use crate::internet::datagram::{Ecn, Header, Parsed};
use crate::internet::{ipv4, ipv6};
use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::{DestUnreachableCode, ParameterProblemCode};
use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, Icmpv6Header, Icmpv6Slice, Icmpv6Type,
    PacketBuilder,
};
use proptest::prelude::*;

const OURS_V4: [u8; 4] = [10, 0, 0, 1];
const THEIRS_V4: [u8; 4] = [10, 0, 0, 2];
const OURS_V6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const THEIRS_V6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const ROUTER_V6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe];
/// Multicast groups, one of each family.
const GROUP_V4: [u8; 4] = [224, 0, 0, 251];
const GROUP_V6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb];

fn tcp_v4(src: [u8; 4], dst: [u8; 4]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(src, dst, 64)
        .tcp(1_000, 80, 0x1234_5678, 1_024)
        .write(&mut bytes, b"GET /")
        .unwrap();
    bytes
}

fn udp_v4(src: [u8; 4], dst: [u8; 4], payload_len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(src, dst, 64)
        .udp(1_000, 53)
        .write(&mut bytes, &vec![7; payload_len])
        .unwrap();
    bytes
}

fn udp_v6(src: [u8; 16], dst: [u8; 16], payload_len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(src, dst, 64)
        .udp(1_000, 53)
        .write(&mut bytes, &vec![7; payload_len])
        .unwrap();
    bytes
}

fn icmp_v4(kind: Icmpv4Type, payload: &[u8]) -> Vec<u8> {
    [
        &Icmpv4Header::with_checksum(kind, payload).to_bytes()[..],
        payload,
    ]
    .concat()
}

/// From a router to us.
fn icmp_v6(kind: Icmpv6Type, payload: &[u8]) -> Vec<u8> {
    let header = Icmpv6Header::with_checksum(kind, ROUTER_V6, OURS_V6, payload).unwrap();
    [&header.to_bytes()[..], payload].concat()
}

fn raw_v4(kind: u8, code: u8, rest: [u8; 4]) -> Icmpv4Type {
    Icmpv4Type::Unknown {
        type_u8: kind,
        code_u8: code,
        bytes5to8: rest,
    }
}

fn raw_v6(kind: u8, code: u8, rest: [u8; 4]) -> Icmpv6Type {
    Icmpv6Type::Unknown {
        type_u8: kind,
        code_u8: code,
        bytes5to8: rest,
    }
}

fn parse_from_router(message: &[u8]) -> Result<Message, Malformed> {
    parse_v6(&Address::v6(ROUTER_V6), &Address::v6(OURS_V6), message)
}

fn reason(message: Result<Message, Malformed>) -> Reason {
    match message {
        Ok(Message::Error(error)) => error.reason,
        other => panic!("{other:?} is no error"),
    }
}

#[test]
fn every_reason_of_ipv4() {
    let quote = tcp_v4(OURS_V4, THEIRS_V4);
    for (kind, code, rest, expected) in [
        (3, 0, [0; 4], Reason::NetworkUnreachable),
        (3, 1, [0; 4], Reason::HostUnreachable),
        (3, 2, [0; 4], Reason::ProtocolUnreachable),
        (3, 3, [0; 4], Reason::PortUnreachable),
        (3, 4, [0, 0, 5, 0xdc], Reason::PacketTooBig { mtu: 1_500 }),
        (3, 4, [0xff, 0xff, 0, 0], Reason::PacketTooBig { mtu: 0 }),
        (3, 5, [0; 4], Reason::NetworkUnreachable),
        (3, 7, [0; 4], Reason::HostUnreachable),
        (3, 13, [0; 4], Reason::Prohibited),
        (3, 16, [0; 4], Reason::Unknown),
        (4, 0, [0; 4], Reason::SourceQuench),
        (11, 0, [0; 4], Reason::TimeExceeded),
        (12, 0, [20, 0, 0, 0], Reason::ParameterProblem { pointer: 20 }),
    ] {
        let message = icmp_v4(raw_v4(kind, code, rest), &quote);
        assert_eq!(reason(parse_v4(&message)), expected, "type {kind} code {code}");
    }
}

#[test]
fn every_reason_of_ipv6() {
    let quote = udp_v6(OURS_V6, THEIRS_V6, 0);
    for (kind, code, rest, expected) in [
        (1, 0, [0; 4], Reason::NetworkUnreachable),
        (1, 1, [0; 4], Reason::Prohibited),
        (1, 2, [0; 4], Reason::NetworkUnreachable),
        (1, 3, [0; 4], Reason::HostUnreachable),
        (1, 4, [0; 4], Reason::PortUnreachable),
        (1, 6, [0; 4], Reason::Prohibited),
        (1, 7, [0; 4], Reason::Unknown),
        (2, 0, [0, 0, 5, 0], Reason::PacketTooBig { mtu: 1_280 }),
        (3, 0, [0; 4], Reason::TimeExceeded),
        (4, 0, [0, 0, 0, 4], Reason::ParameterProblem { pointer: 4 }),
        (4, 1, [0, 0, 0, 6], Reason::ProtocolUnreachable),
        (100, 0, [0; 4], Reason::Unknown),
    ] {
        let message = icmp_v6(raw_v6(kind, code, rest), &quote);
        assert_eq!(
            reason(parse_from_router(&message)),
            expected,
            "type {kind} code {code}"
        );
    }
}

#[test]
fn unknown_informational_types_are_for_the_bin() {
    for kind in [1, 2, 5, 9, 13, 40, 255] {
        assert_eq!(
            parse_v4(&icmp_v4(raw_v4(kind, 0, [0; 4]), &[])),
            Ok(Message::Other),
            "type {kind}"
        );
    }
    for kind in [130, 133, 137, 200, 255] {
        assert_eq!(
            parse_from_router(&icmp_v6(raw_v6(kind, 0, [0; 4]), &[])),
            Ok(Message::Other),
            "type {kind}"
        );
    }
}

#[test]
fn the_quoted_tuple_is_ours() {
    let datagram = tcp_v4(OURS_V4, THEIRS_V4);
    let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port);
    // The least that a router must quote (RFC 792): the IP header and eight octets.
    let Ok(Message::Error(Error { quoted, .. })) = parse_v4(&icmp_v4(kind, &datagram[..28])) else {
        panic!()
    };
    assert_eq!(
        (quoted.src, quoted.dst),
        (Address::v4(OURS_V4), Address::v4(THEIRS_V4))
    );
    assert_eq!(quoted.protocol, protocol::TCP);
    assert_eq!(quoted.ports(), Some((1_000, 80)));
    assert_eq!(quoted.tcp_sequence(), Some(0x1234_5678));
}

#[test]
fn the_quoted_tuple_lies_behind_extension_headers() {
    let udp = udp_v6(OURS_V6, THEIRS_V6, 4);
    let mut datagram = [&udp[..40], &[protocol::UDP, 0, 1, 4, 0, 0, 0, 0], &udp[40..]].concat();
    datagram[6] = protocol::DESTINATION_OPTIONS;
    let message = icmp_v6(raw_v6(1, 4, [0; 4]), &datagram);
    let Ok(Message::Error(Error { quoted, .. })) = parse_from_router(&message) else {
        panic!()
    };
    assert_eq!(
        (quoted.src, quoted.dst),
        (Address::v6(OURS_V6), Address::v6(THEIRS_V6))
    );
    assert_eq!((quoted.ports(), quoted.tcp_sequence()), (Some((1_000, 53)), None));
}

#[test]
fn other_protocols_have_no_ports() {
    let mut datagram = tcp_v4(OURS_V4, THEIRS_V4);
    datagram[9] = 47;
    let Ok(Message::Error(Error { quoted, .. })) = parse_v4(&icmp_v4(raw_v4(3, 2, [0; 4]), &datagram)) else {
        panic!()
    };
    assert_eq!((quoted.ports(), quoted.tcp_sequence()), (None, None));
}

#[test]
fn an_error_that_cannot_be_attributed_is_refused() {
    let datagram = tcp_v4(OURS_V4, THEIRS_V4);
    let later_fragment = {
        let mut datagram = datagram.clone();
        datagram[7] = 1;
        datagram
    };
    let mapped = {
        let mut datagram = udp_v6(OURS_V6, THEIRS_V6, 0);
        datagram[8..24].copy_from_slice(Address::v4(OURS_V4).octets());
        datagram
    };
    for quote in [&datagram[..27], &datagram[..0], &later_fragment, &mapped] {
        assert_eq!(
            parse_v4(&icmp_v4(raw_v4(3, 3, [0; 4]), quote)),
            Err(Malformed::Quote)
        );
    }
}

#[test]
fn every_truncation_and_flipped_bit_of_a_message_is_refused() {
    let message = icmp_v4(Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 1, seq: 2 }), b"ping");
    for len in 0..HEADER_LEN {
        assert_eq!(parse_v4(&message[..len]), Err(Malformed::Truncated));
    }
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse_v4(&flipped), Err(Malformed::Checksum), "bit {bit}");
    }
}

#[test]
fn the_checksum_of_ipv6_covers_the_addresses() {
    let message = icmp_v6(Icmpv6Type::EchoRequest(IcmpEchoHeader { id: 1, seq: 2 }), b"ping");
    let echo = Echo {
        identifier: 1,
        sequence: 2,
    };
    assert_eq!(parse_from_router(&message), Ok(Message::EchoRequest(echo)));
    let elsewhere = parse_v6(&Address::v6(THEIRS_V6), &Address::v6(OURS_V6), &message);
    assert_eq!(elsewhere, Err(Malformed::Checksum));
}

proptest! {
    #[test]
    fn an_echo_reply_is_what_etherparse_would_write(
        id: u16, seq: u16, data in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let echo = IcmpEchoHeader { id, seq };
        let mut v4 = icmp_v4(Icmpv4Type::EchoRequest(echo), &data);
        echo_reply_in_place(&mut v4);
        // Zero has two forms in one's complement, and the incremental update may yield the other one.
        let expected = icmp_v4(Icmpv4Type::EchoReply(echo), &data);
        prop_assert_eq!(&v4[..2], &expected[..2]);
        prop_assert_eq!(&v4[4..], &expected[4..]);
        prop_assert_eq!(parse_v4(&v4), Ok(Message::EchoReply(Echo { identifier: id, sequence: seq })));

        let mut v6 = icmp_v6(Icmpv6Type::EchoRequest(echo), &data);
        echo_reply_in_place(&mut v6);
        prop_assert!(Icmpv6Slice::from_slice(&v6).unwrap().is_checksum_valid(OURS_V6, ROUTER_V6));
        let reply = parse_v6(&Address::v6(OURS_V6), &Address::v6(ROUTER_V6), &v6);
        prop_assert_eq!(reply, Ok(Message::EchoReply(Echo { identifier: id, sequence: seq })));
    }

    #[test]
    fn random_messages_never_panic(mut message in prop::collection::vec(any::<u8>(), 0..120), quotes_v6: bool) {
        if message.len() > HEADER_LEN {
            message[HEADER_LEN] = if quotes_v6 { 0x60 } else { 0x45 };
        }
        for kind in [1, 3, 4, 11, 12] {
            if message.len() >= HEADER_LEN {
                message[0] = kind;
                message[2..4].fill(0);
                let checksum = crate::arch::checksum::Sum::zero().add_bytes(&message).finish();
                message[2..4].copy_from_slice(&checksum.to_be_bytes());
            }
            let parsed = parse_v4(&message);
            prop_assert_ne!(parsed, Err(Malformed::Checksum));
        }
        let _ = parse_from_router(&message);
    }

    #[test]
    fn random_offenders_never_panic(
        mut offender in prop::collection::vec(any::<u8>(), 0..200), is_v6: bool, room in 0_usize..300,
    ) {
        if let Some(first) = offender.first_mut() {
            *first = if is_v6 { 0x60 } else { 0x45 };
        }
        let mut out = vec![0; room];
        for refusal in [Refusal::PortUnreachable, Refusal::ProtocolUnreachable] {
            if let Some(error) = error_into(&mut out, refusal, &offender, &Address::v6(OURS_V6)) {
                prop_assert!(error.len <= room && error.len <= HEADER_LEN + offender.len());
            }
        }
    }
}

fn error_v4(refusal: Refusal, offender: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; 2_048];
    let error = error_into(&mut out, refusal, offender, &Address::v4(OURS_V4))?;
    assert_eq!(error.dst, Address::v4(THEIRS_V4));
    Some(out[..error.len].to_vec())
}

fn error_v6(refusal: Refusal, offender: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; 2_048];
    let error = error_into(&mut out, refusal, offender, &Address::v6(OURS_V6))?;
    assert_eq!(error.dst, Address::v6(THEIRS_V6));
    Some(out[..error.len].to_vec())
}

#[test]
fn ipv4_errors_quote_up_to_576_octets_in_all() {
    for (payload_len, quoted_len) in [(0, 28), (520, 548), (521, 548), (1_400, 548)] {
        let offender = udp_v4(THEIRS_V4, OURS_V4, payload_len);
        let padded = [&offender[..], &[0x55; 9]].concat();
        let message = error_v4(Refusal::PortUnreachable, &padded).unwrap();
        let foreign = Icmpv4Slice::from_slice(&message).unwrap();
        assert_eq!(
            foreign.icmp_type(),
            Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port)
        );
        assert_eq!(foreign.payload(), &offender[..quoted_len]);
        assert_eq!(reason(parse_v4(&message)), Reason::PortUnreachable);
    }
}

#[test]
fn ipv6_errors_quote_up_to_the_minimum_mtu() {
    for (payload_len, quoted_len) in [(0, 48), (1_184, 1_232), (1_185, 1_232), (1_400, 1_232)] {
        let offender = udp_v6(THEIRS_V6, OURS_V6, payload_len);
        let padded = [&offender[..], &[0x55; 9]].concat();
        let message = error_v6(Refusal::PortUnreachable, &padded).unwrap();
        let foreign = Icmpv6Slice::from_slice(&message).unwrap();
        assert!(foreign.is_checksum_valid(OURS_V6, THEIRS_V6));
        assert_eq!(
            foreign.icmp_type(),
            Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Port)
        );
        assert_eq!(foreign.payload(), &offender[..quoted_len]);
    }
}

#[test]
fn an_unknown_protocol_is_named_as_each_family_does() {
    let mut v4 = udp_v4(THEIRS_V4, OURS_V4, 4);
    v4[9] = 99;
    let message = error_v4(Refusal::ProtocolUnreachable, &v4).unwrap();
    let kind = Icmpv4Slice::from_slice(&message).unwrap().icmp_type();
    assert_eq!(
        kind,
        Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Protocol)
    );

    let udp = udp_v6(THEIRS_V6, OURS_V6, 4);
    let mut v6 = [&udp[..40], &[99, 0, 1, 4, 0, 0, 0, 0], &udp[40..]].concat();
    v6[6] = protocol::DESTINATION_OPTIONS;
    let message = error_v6(Refusal::ProtocolUnreachable, &v6).unwrap();
    let Icmpv6Type::ParameterProblem(problem) = Icmpv6Slice::from_slice(&message).unwrap().icmp_type() else {
        panic!()
    };
    assert_eq!(problem.code, ParameterProblemCode::UnrecognizedNextHeader);
    assert_eq!(problem.pointer, 40);
}

/// An IPv6 datagram with an option that the receiver must know, as the highest two bits of its type say.
fn demanding(action: u8, dst: [u8; 16]) -> Vec<u8> {
    let udp = udp_v6(THEIRS_V6, dst, 4);
    let mut bytes = [
        &udp[..40],
        &[protocol::UDP, 0, action << 6 | 0x1e, 4, 0, 0, 0, 0],
        &udp[40..],
    ]
    .concat();
    bytes[5] += 8;
    bytes[6] = protocol::HOP_BY_HOP;
    bytes
}

#[test]
fn a_refused_option_is_reported_to_its_sender() {
    let offender = demanding(3, OURS_V6);
    let problem = ipv6::parameter_problem(&offender).unwrap();
    let message = error_v6(Refusal::ParameterProblem(problem), &offender).unwrap();
    let Icmpv6Type::ParameterProblem(problem) = Icmpv6Slice::from_slice(&message).unwrap().icmp_type() else {
        panic!()
    };
    assert_eq!(problem.code, ParameterProblemCode::UnrecognizedIpv6Option);
    assert_eq!(problem.pointer, 42);
}

#[test]
fn only_one_kind_of_option_is_reported_from_a_multicast_group() {
    for (action, is_reported) in [(2, true), (3, false)] {
        let offender = demanding(action, GROUP_V6);
        let problem = ipv6::parameter_problem(&offender).unwrap();
        let message = error_v6(Refusal::ParameterProblem(problem), &offender);
        assert_eq!(message.is_some(), is_reported, "action {action}");
    }
}

/// RFC 1122 section 3.2.2.
#[test]
fn no_error_of_ipv4_answers_what_must_not_be_answered() {
    let offender = udp_v4(THEIRS_V4, OURS_V4, 4);
    let changed = |at: usize, octets: &[u8]| {
        let mut offender = offender.clone();
        offender[at..at + octets.len()].copy_from_slice(octets);
        error_v4(Refusal::PortUnreachable, &offender)
    };
    assert!(changed(0, &[0x45]).is_some());
    for dst in [GROUP_V4, [255; 4]] {
        assert_eq!(changed(16, &dst), None, "to {dst:?}");
    }
    for src in [[0; 4], [0, 0, 0, 1], GROUP_V4, [240, 0, 0, 1], [255; 4]] {
        assert_eq!(changed(12, &src), None, "from {src:?}");
    }
    assert_eq!(changed(7, &[1]), None, "a later fragment");
    assert!(changed(6, &[0x20]).is_some(), "the first fragment");
    for (kind, is_answered) in [
        (0, true),
        (8, true),
        (13, true),
        (3, false),
        (5, false),
        (11, false),
        (99, false),
    ] {
        let mut icmp = offender.clone();
        (icmp[9], icmp[20]) = (protocol::ICMP, kind);
        assert_eq!(
            error_v4(Refusal::ProtocolUnreachable, &icmp).is_some(),
            is_answered,
            "ICMP type {kind}"
        );
    }
}

/// RFC 4443 section 2.4(e).
#[test]
fn no_error_of_ipv6_answers_what_must_not_be_answered() {
    let offender = udp_v6(THEIRS_V6, OURS_V6, 4);
    let changed = |at: usize, octets: &[u8]| {
        let mut offender = offender.clone();
        offender[at..at + octets.len()].copy_from_slice(octets);
        error_v6(Refusal::PortUnreachable, &offender)
    };
    assert!(changed(0, &[0x60]).is_some());
    assert_eq!(changed(24, &GROUP_V6), None);
    assert_eq!(changed(8, &GROUP_V6), None);
    assert_eq!(changed(8, &[0; 16]), None);
    let fragment = |offset: u8| {
        [
            &offender[..40],
            &[protocol::UDP, 0, 0, offset, 0, 0, 0, 1],
            &offender[40..],
        ]
        .concat()
    };
    for (offset, is_answered) in [(0, true), (1, true), (8, false)] {
        let mut bytes = fragment(offset);
        bytes[6] = protocol::FRAGMENT;
        bytes[5] += 8;
        assert_eq!(
            error_v6(Refusal::PortUnreachable, &bytes).is_some(),
            is_answered,
            "fragment field {offset}"
        );
    }
    for (kind, is_answered) in [
        (128, true),
        (129, true),
        (200, true),
        (1, false),
        (100, false),
        (137, false),
    ] {
        let mut icmp = offender.clone();
        (icmp[6], icmp[40]) = (protocol::ICMPV6, kind);
        assert_eq!(
            error_v6(Refusal::ProtocolUnreachable, &icmp).is_some(),
            is_answered,
            "ICMP type {kind}"
        );
    }
    let mut cut = offender[..40].to_vec();
    (cut[6], cut[5]) = (protocol::ICMPV6, 0);
    assert_eq!(
        error_v6(Refusal::ProtocolUnreachable, &cut),
        None,
        "an ICMP type that is cut off"
    );
}

#[test]
fn ipv4_knows_no_parameter_problem_of_ipv6() {
    let problem = ParameterProblem::erroneous_field(0);
    assert_eq!(
        error_v4(Refusal::ParameterProblem(problem), &udp_v4(THEIRS_V4, OURS_V4, 4)),
        None
    );
}

#[test]
fn an_error_in_its_datagram_is_accepted_by_etherparse() {
    let mut out = [0; 2_048];
    let offender = udp_v4(THEIRS_V4, OURS_V4, 100);
    let refusal = Refusal::PortUnreachable;
    let error = error_into(
        &mut out[ipv4::HEADER_LEN..],
        refusal,
        &offender,
        &Address::v4(OURS_V4),
    )
    .unwrap();
    let header = Header {
        src: Address::v4(OURS_V4),
        dst: error.dst,
        protocol: protocol::ICMP,
        hop_limit: 64,
        dscp: 0,
        ecn: Ecn::NotCapable,
        payload_len: error.len as u16,
    };
    ipv4::emit(&header, out.first_chunk_mut().unwrap());
    let datagram = &out[..ipv4::HEADER_LEN + error.len];
    let Parsed { protocol, .. } = ipv4::parse(datagram, datagram.len(), false).unwrap();
    assert_eq!(protocol, protocol::ICMP);
    let foreign = etherparse::SlicedPacket::from_ip(datagram).unwrap();
    assert!(matches!(
        foreign.transport,
        Some(etherparse::TransportSlice::Icmpv4(_))
    ));
}
