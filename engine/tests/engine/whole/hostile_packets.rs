//! Packets that nobody honest sends: extension headers piled up, lengths that contradict each other, bits that fell over, senders that cannot be.

use std::net::SocketAddr;

use crate::support::Family;
use crate::support::peer::Script;
use crate::support::station::{OUR_V4, Station, THEIR_V4, v6};
use etherparse::PacketBuilder;
use handfast::application::UdpHandle;
use handfast::config::Route;
use handfast::internet::datagram::Malformed;
use handfast::link::ethernet::{ARP, IPV4};

const PORT: u16 = 53;
const UDP: u8 = 17;
const DESTINATION_OPTIONS: u8 = 60;
const ROUTING: u8 = 43;

fn listening(family: Family) -> (Script, UdpHandle) {
    let mut script = Script::over(family, |_| {});
    let socket = script
        .engine
        .udp_bind(SocketAddr::new(family.client(), PORT))
        .unwrap();
    (script, socket)
}

fn datagram(family: Family, payload: &[u8]) -> Vec<u8> {
    family.datagram_to_client(PORT, payload)
}

/// An IPv6 datagram with these octets between its header and the UDP header; the first of them is of this kind.
fn extended(kind: u8, extensions: &[u8]) -> Vec<u8> {
    let plain = datagram(Family::V6, b"x");
    let mut packet = [&plain[..40], extensions, &plain[40..]].concat();
    packet[6] = kind;
    let len = (packet.len() - 40) as u16;
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    packet
}

/// Attack class 23: every chain is walked to a bound, and answered as RFC 8200 says.
#[test]
fn extension_headers_are_walked_to_a_bound_and_answered_as_the_rfc_says() {
    let padded = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let pile = [padded(DESTINATION_OPTIONS).repeat(99), padded(UDP).to_vec()].concat();
    for (what, packet, reason, told) in [
        (
            "a hundred headers",
            extended(DESTINATION_OPTIONS, &pile),
            Malformed::TooManyExtensions,
            None,
        ),
        (
            "a length past the end",
            extended(DESTINATION_OPTIONS, &[UDP, 255, 1, 4, 0, 0, 0, 0]),
            Malformed::ExtensionTruncated,
            None,
        ),
        (
            "padding longer than its header",
            extended(DESTINATION_OPTIONS, &[UDP, 0, 1, 255, 0, 0, 0, 0]),
            Malformed::ExtensionTruncated,
            None,
        ),
        (
            "a jumbo length beside a payload length",
            extended(0, &[UDP, 0, 0xc2, 4, 0, 1, 0, 0]),
            Malformed::UnrecognizedOption,
            Some((2, 42)),
        ),
        (
            "routing type 0",
            extended(
                ROUTING,
                &[
                    UDP, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
                ],
            ),
            Malformed::Routing,
            Some((0, 42)),
        ),
        (
            "hop-by-hop options behind others",
            extended(DESTINATION_OPTIONS, &[&padded(0)[..], &padded(UDP)].concat()),
            Malformed::HopByHopNotFirst,
            Some((1, 40)),
        ),
    ] {
        let (mut script, socket) = listening(Family::V6);
        script.inject(&packet);
        assert!(script.engine.udp_receive(socket).is_none(), "{what}");
        let dropped = script.engine.counters().internet.dropped_malformed;
        assert_eq!(dropped[reason as usize], 1, "{what}");
        let answers = script.hear_packets();
        let answer = answers.first().map(|answer| {
            assert_eq!(answer[40], 4, "{what}: a parameter problem");
            (
                answer[41],
                u32::from_be_bytes(*answer[44..48].first_chunk().unwrap()),
            )
        });
        assert_eq!(answer, told, "{what}");
    }
    let (mut script, socket) = listening(Family::V6);
    script.inject(&extended(DESTINATION_OPTIONS, &padded(UDP)));
    assert!(script.engine.udp_receive(socket).is_some(), "an honest one");
}

/// Attack class 24: whatever the lengths say, a datagram is delivered as its headers agree on or not at all.
#[test]
fn lengths_that_contradict_each_other_deliver_nothing_that_was_not_sent() {
    let payload = b"eighteen octets...";
    let whole = datagram(Family::V4, payload);
    let deltas: [i32; 7] = [-1000, -19, -1, 0, 1, 19, 60_000];
    let mut delivered = 0;
    for total in deltas {
        for udp in deltas {
            for frame in [-18, -1, 0, 1, 19] {
                for ihl in [0_u8, 4, 5, 6, 15] {
                    let mut packet = whole.clone();
                    packet.resize((packet.len() as i32 + frame) as usize, 0xee);
                    let at = |packet: &mut [u8], at: usize, delta: i32| {
                        let was = i32::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
                        let is = (was + delta).clamp(0, 65_535) as u16;
                        packet[at..at + 2].copy_from_slice(&is.to_be_bytes());
                        usize::from(is)
                    };
                    let total_len = at(&mut packet, 2, total);
                    let udp_len = at(&mut packet, 24, udp);
                    packet[0] = 0x40 | ihl;
                    // No checksum over the payload, and a right one over the header, so that only lengths decide.
                    packet[26..28].fill(0);
                    packet[10..12].fill(0);
                    let header = &packet[..(usize::from(ihl) * 4).min(packet.len())];
                    let sum: u32 = header
                        .chunks_exact(2)
                        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                        .sum();
                    let sum = (sum & 0xffff) + (sum >> 16);
                    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
                    packet[10..12].copy_from_slice(&sum.to_be_bytes());
                    let (mut script, socket) = listening(Family::V4);
                    script.inject(&packet);
                    let agrees = ihl == 5
                        && total_len <= packet.len()
                        && (8..=total_len.saturating_sub(20)).contains(&udp_len);
                    let received = script.engine.udp_receive(socket);
                    let expected = agrees.then(|| packet[28..20 + udp_len].to_vec());
                    assert_eq!(
                        received.map(|datagram| datagram.payload.to_vec()),
                        expected,
                        "total {total} udp {udp} frame {frame} ihl {ihl}"
                    );
                    delivered += usize::from(agrees);
                }
            }
        }
    }
    assert!(delivered > 10, "{delivered}");
}

/// Attack class 24: what is tunnelled is not unpacked.
#[test]
fn ip_in_ip_is_refused() {
    let (mut script, socket) = listening(Family::V4);
    let inner = datagram(Family::V4, b"inside");
    let mut outer = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
        .write(&mut outer, etherparse::IpNumber::IPV4, &inner)
        .unwrap();
    script.inject(&outer);
    assert!(script.engine.udp_receive(socket).is_none());
    assert_eq!(script.hear_packets()[0][20..22], [3, 2], "protocol unreachable");
}

/// Attack class 28: one fallen bit anywhere, and the packet is gone before it makes state or is answered.
#[test]
fn a_packet_with_a_fallen_bit_is_dropped_without_a_word() {
    for family in Family::BOTH {
        let builder = || family.to_client();
        let [mut syn, mut echo] = [Vec::new(), Vec::new()];
        builder()
            .tcp(4000, 80, 7, 1000)
            .syn()
            .write(&mut syn, &[])
            .unwrap();
        match family {
            Family::V4 => builder()
                .icmpv4_echo_request(1, 2)
                .write(&mut echo, b"ping")
                .unwrap(),
            Family::V6 => builder()
                .icmpv6_echo_request(1, 2)
                .write(&mut echo, b"ping")
                .unwrap(),
        }
        let udp = datagram(family, b"text");
        // The header of IPv6 has no checksum: only what it says of addresses is covered, by the transport's.
        let first = if family == Family::V4 { 0 } else { 8 };
        let (mut script, socket) = listening(family);
        script
            .engine
            .tcp_listen(SocketAddr::new(family.client(), 80), 8)
            .unwrap();
        for packet in [&syn, &echo, &udp] {
            for bit in first * 8..packet.len() * 8 {
                let mut fallen = packet.clone();
                fallen[bit / 8] ^= 0x80 >> (bit % 8);
                script.inject(&fallen);
                assert_eq!(
                    script.hear_packets(),
                    Vec::<Vec<u8>>::new(),
                    "{family:?} bit {bit} of {packet:?}"
                );
                assert!(
                    script.engine.udp_receive(socket).is_none(),
                    "{family:?} bit {bit}"
                );
                assert_eq!(script.engine.tcp_memory().half_open, 0);
            }
        }
        script.inject(&syn);
        script.inject(&echo);
        script.inject(&udp);
        assert_eq!(script.hear_packets().len(), 2);
        assert!(script.engine.udp_receive(socket).is_some());
    }
}

/// An engine on 10.0.0.0/24 that knows the other station.
fn on_a_network() -> Station {
    let mut station = Station::new(|config| {
        config
            .add_route(Route::on_link([10, 0, 0, 0].into(), 24).unwrap())
            .unwrap();
    });
    station.introduce();
    station
}

/// Attack class 31 (smurf, fraggle, martians) and RFC 1122 section 3.2.2: nobody is answered who may not be one host, nor for many.
#[test]
fn what_is_for_many_or_from_nobody_is_not_answered() {
    let many = [[10, 0, 0, 255], [255; 4], [224, 0, 0, 1], [0; 4]];
    let nobody = [
        [10, 0, 0, 255],
        [255; 4],
        [224, 0, 0, 1],
        [0; 4],
        [127, 0, 0, 1],
        OUR_V4,
    ];
    let pairs = many
        .map(|to| (THEIR_V4, to))
        .into_iter()
        .chain(nobody.map(|from| (from, OUR_V4)));
    for (from, to) in pairs {
        let mut station = on_a_network();
        let [mut echo, mut udp, mut other] = [Vec::new(), Vec::new(), Vec::new()];
        let ip = || PacketBuilder::ipv4(from, to, 64);
        ip().icmpv4_echo_request(1, 2).write(&mut echo, b"ping").unwrap();
        ip().udp(9, 9).write(&mut udp, b"anybody?").unwrap();
        ip().write(&mut other, etherparse::IpNumber(99), b"unknown")
            .unwrap();
        for packet in [echo, udp, other] {
            station.inject_ip(&packet);
            assert_eq!(station.hear(), Vec::<Vec<u8>>::new(), "{from:?} to {to:?}");
        }
    }
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let loopback = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (from, to) in [
        (v6(2), group),
        (group, v6(1)),
        ([0; 16], v6(1)),
        (loopback, v6(1)),
    ] {
        let mut station = on_a_network();
        let [mut echo, mut udp] = [Vec::new(), Vec::new()];
        let ip = || PacketBuilder::ipv6(from, to, 64);
        ip().icmpv6_echo_request(1, 2).write(&mut echo, b"ping").unwrap();
        ip().udp(9, 9).write(&mut udp, b"anybody?").unwrap();
        for packet in [echo, udp] {
            station.inject_ip(&packet);
            assert_eq!(station.hear(), Vec::<Vec<u8>>::new(), "{from:?} to {to:?}");
        }
    }
    let mut station = on_a_network();
    let mut echo = Vec::new();
    PacketBuilder::ipv4(THEIR_V4, OUR_V4, 64)
        .icmpv4_echo_request(1, 2)
        .write(&mut echo, b"ping")
        .unwrap();
    station.inject_ip(&echo);
    assert_eq!(station.hear_of(IPV4).len(), 1, "an honest one");
    assert_eq!(station.hear_of(ARP).len(), 0);
}
