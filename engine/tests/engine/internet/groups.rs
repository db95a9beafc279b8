//! Datagrams for many: multicast groups and broadcasts heard and sent, and what switches are told of it (RFC 1112, RFC 3376, RFC 3810).

use std::net::{IpAddr, SocketAddr};

use crate::support::station::{OUR_V4, Station, THEIR_V4, THEM, frame, icmpv6, solicited_node, v6};
use etherparse::{Icmpv6Slice, PacketBuilder};
use handfast::application::UdpHandle;
use handfast::config::Route;
use handfast::internet::{GroupError, MAX_GROUPS};
use handfast::link::ethernet::{IPV4, IPV6, MacAddress};
use handfast::time::Duration;

const PORT: u16 = 5353;
const GROUP_V4: [u8; 4] = [224, 0, 0, 251];
const GROUP_V6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb];
const BROADCAST: [u8; 4] = [255; 4];
const DIRECTED_BROADCAST: [u8; 4] = [10, 0, 0, 255];
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1];
const ROUTER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ALL_HOSTS: [u8; 4] = [224, 0, 0, 1];
/// The kinds of a record.
const MEMBER: u8 = 2;
const LEFT: u8 = 3;
const JOINED: u8 = 4;

/// An engine on the network 10.0.0.0/24, with a socket on all of its addresses.
fn listening(reports: bool) -> (Station, UdpHandle) {
    let mut station = Station::new(|config| {
        config.link.group_reports = reports;
        for network in [([10, 0, 0, 0].into(), 24), (v6(0).into(), 64)] {
            let route = Route::on_link(network.0, network.1).unwrap();
            config.add_route(route).unwrap();
        }
    });
    let socket = station.engine.udp_bind(SocketAddr::from(([0; 4], PORT))).unwrap();
    station.hear();
    (station, socket)
}

/// A datagram of the other station, in a frame for whom its destination says.
fn datagram(to: IpAddr) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = match to {
        IpAddr::V4(to) => PacketBuilder::ipv4(THEIR_V4, to.octets(), 1),
        IpAddr::V6(to) => PacketBuilder::ipv6(v6(2), to.octets(), 1),
    };
    builder.udp(PORT, PORT).write(&mut packet, b"everybody").unwrap();
    let (station, ether_type) = match to {
        IpAddr::V4(to) if to.is_multicast() => (MacAddress::ipv4_group(to.octets()), IPV4),
        IpAddr::V4(_) => (MacAddress::BROADCAST, IPV4),
        IpAddr::V6(to) => (MacAddress::ipv6_group(&to.octets()), IPV6),
    };
    frame(station, THEM, ether_type, &packet)
}

fn is_heard(station: &mut Station, socket: UdpHandle, to: IpAddr) -> bool {
    station.inject(&datagram(to));
    assert_eq!(
        station.hear(),
        [[0; 0]; 0],
        "nobody complains of what is sent to {to}"
    );
    let heard = station.engine.udp_receive(socket);
    heard.is_some_and(|datagram| datagram.destination() == to && *datagram.payload == *b"everybody")
}

#[test]
fn a_group_is_heard_from_joining_to_leaving() {
    for group in [IpAddr::from(GROUP_V4), IpAddr::from(GROUP_V6)] {
        let (mut station, socket) = listening(false);
        assert!(!is_heard(&mut station, socket, group));
        station.engine.join_group(group).unwrap();
        station.engine.join_group(group).unwrap();
        assert!(is_heard(&mut station, socket, group));
        station.engine.leave_group(group).unwrap();
        assert!(is_heard(&mut station, socket, group), "it was joined twice");
        station.engine.leave_group(group).unwrap();
        assert!(!is_heard(&mut station, socket, group));
        assert_eq!(
            station.engine.leave_group(group),
            Err(GroupError::NotJoined(group))
        );
    }
}

/// RFC 1122 section 3.3.6: those of all hosts and those of our network; not those of others, nor one that hides a datagram for one host.
#[test]
fn broadcasts_are_heard_when_wanted() {
    let (mut station, socket) = listening(false);
    let broadcasts = [IpAddr::from(BROADCAST), IpAddr::from(DIRECTED_BROADCAST)];
    for broadcast in broadcasts {
        assert!(!is_heard(&mut station, socket, broadcast));
    }
    station.engine.join_group(BROADCAST.into()).unwrap();
    for broadcast in broadcasts {
        assert!(is_heard(&mut station, socket, broadcast), "{broadcast}");
    }
    assert!(!is_heard(&mut station, socket, [10, 0, 1, 255].into()));
    assert!(!is_heard(&mut station, socket, OUR_V4.into()));
}

/// Only datagrams of UDP: a connection or a ping of everybody would be answered by everybody (RFC 9293 MUST-57).
#[test]
fn neither_tcp_nor_a_ping_is_heard_in_a_group() {
    let (mut station, _) = listening(false);
    let everybody = SocketAddr::from(([0; 4], 80));
    station.engine.tcp_listen(everybody, 8).unwrap();
    for group in [GROUP_V4, BROADCAST, DIRECTED_BROADCAST] {
        station.engine.join_group(BROADCAST.into()).unwrap();
        station.engine.join_group(GROUP_V4.into()).unwrap();
        let to = |packet: &[u8]| frame(MacAddress::BROADCAST, THEM, IPV4, packet);
        let (mut syn, mut ping, mut closed) = (Vec::new(), Vec::new(), Vec::new());
        let builder = || PacketBuilder::ipv4(THEIR_V4, group, 64);
        builder().tcp(7, 80, 1, 1000).syn().write(&mut syn, &[]).unwrap();
        builder()
            .icmpv4_echo_request(7, 8)
            .write(&mut ping, b"?")
            .unwrap();
        builder().udp(7, 9).write(&mut closed, b"?").unwrap();
        for packet in [syn, ping, closed] {
            station.inject(&to(&packet));
            assert_eq!(station.pass(Duration::from_secs(1)), [[0; 0]; 0]);
        }
    }
}

#[test]
fn what_is_sent_to_many_goes_to_their_stations_and_not_beyond_the_link() {
    let (mut station, socket) = listening(false);
    for (to, mac, hops) in [
        (IpAddr::from(GROUP_V4), MacAddress::ipv4_group(GROUP_V4), 1),
        (GROUP_V6.into(), MacAddress::ipv6_group(&GROUP_V6), 1),
        (BROADCAST.into(), MacAddress::BROADCAST, 64),
        (DIRECTED_BROADCAST.into(), MacAddress::BROADCAST, 64),
    ] {
        for (length, packets) in [(10, 1), (2000, 2)] {
            station
                .engine
                .udp_send(socket, SocketAddr::new(to, PORT), &vec![7; length])
                .unwrap();
            let ether_type = if to.is_ipv4() { IPV4 } else { IPV6 };
            let sent = station.hear_of(ether_type);
            assert_eq!(sent.len(), packets, "{to}");
            for (station, packet) in sent {
                assert_eq!(station, mac, "{to}");
                if to.is_ipv4() {
                    let ip = etherparse::Ipv4HeaderSlice::from_slice(&packet).unwrap();
                    assert_eq!(ip.to_header().calc_header_checksum(), ip.header_checksum());
                    assert_eq!(ip.ttl(), hops);
                } else {
                    assert_eq!(packet[7], hops);
                }
            }
        }
    }
}

#[test]
fn what_is_no_group_or_one_too_many_is_refused() {
    let (mut station, _) = listening(false);
    let one = IpAddr::from(THEIR_V4);
    assert_eq!(station.engine.join_group(one), Err(GroupError::NotAGroup(one)));
    for last in 0..MAX_GROUPS as u8 {
        station.engine.join_group([239, 1, 1, last].into()).unwrap();
    }
    let refused = station.engine.join_group(GROUP_V4.into());
    assert_eq!(refused, Err(GroupError::TooManyGroups));
}

/// What a report says: from whom, which kind of record, which group.
fn report(bytes: &[u8]) -> Option<(IpAddr, u8, IpAddr)> {
    let packet = &bytes[14..];
    match bytes[12..14] {
        [8, 0] if packet[9] == 2 => {
            assert_eq!(
                (packet[0], packet[8], &packet[20..24]),
                (0x46, 1, &[0x94, 4, 0, 0][..])
            );
            assert_eq!(bytes[..6], MacAddress::ipv4_group([224, 0, 0, 22]).0);
            let ip = etherparse::Ipv4HeaderSlice::from_slice(packet).unwrap();
            assert_eq!(ip.to_header().calc_header_checksum(), ip.header_checksum());
            let message = &packet[24..];
            assert_eq!((message[0], message[7], message.len()), (0x22, 1, 16));
            assert_eq!(ones_complement_sum(message), 0xffff);
            let group: [u8; 4] = *message[12..].first_chunk().unwrap();
            Some((ip.source_addr().into(), message[8], group.into()))
        }
        [0x86, 0xdd] if packet[6] == 0 && packet[48] == 143 => {
            assert_eq!((packet[7], &packet[40..48]), (1, &[58, 0, 5, 2, 0, 0, 1, 0][..]));
            let source: [u8; 16] = *packet[8..].first_chunk().unwrap();
            let routers: [u8; 16] = *packet[24..].first_chunk().unwrap();
            assert_eq!(bytes[..6], MacAddress::ipv6_group(&routers).0);
            let message = &packet[48..];
            let checked = Icmpv6Slice::from_slice(message).unwrap();
            assert!(checked.is_checksum_valid(source, routers));
            assert_eq!((message[7], message.len(), routers[15]), (1, 28, 0x16));
            let group: [u8; 16] = *message[12..].first_chunk().unwrap();
            Some((source.into(), message[8], group.into()))
        }
        _ => None,
    }
}

fn ones_complement_sum(bytes: &[u8]) -> u32 {
    let sum = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum::<u32>();
    (sum & 0xffff) + (sum >> 16)
}

fn reports(frames: &[Vec<u8>]) -> Vec<(IpAddr, u8, IpAddr)> {
    let mut found: Vec<_> = frames.iter().filter_map(|bytes| report(bytes)).collect();
    found.sort();
    found
}

/// RFC 3810 section 6.1, RFC 3376 section 5.1: a change is told at once, and again within a second.
#[test]
fn switches_are_told_of_groups_twice() {
    let (mut station, _) = listening(true);
    station.pass(Duration::from_secs(2));
    let groups = [
        (OUR_V4.into(), IpAddr::from(GROUP_V4)),
        (LINK_LOCAL.into(), IpAddr::from(GROUP_V6)),
    ];
    for (source, group) in groups {
        station.engine.join_group(group).unwrap();
        assert_eq!(reports(&station.hear()), [(source, JOINED, group)]);
        assert_eq!(
            reports(&station.pass(Duration::from_secs(1))),
            [(source, JOINED, group)]
        );
        station.engine.leave_group(group).unwrap();
        let told = station.pass(Duration::from_secs(1));
        assert_eq!(reports(&told), [(source, LEFT, group); 2]);
        assert_eq!(station.engine.next_deadline(), None);
    }
}

/// RFC 4862 section 5.4.2, RFC 3810 section 5.2.13: before anybody is asked about an address, as nobody while there is none.
#[test]
fn switches_learn_of_the_groups_of_solicitations_before_those_are_sent() {
    let mut station = Station::new(|config| {
        config.link.group_reports = true;
        config.link.duplicate_address_detection = 1;
    });
    let sent = station.hear();
    let nobody = IpAddr::from([0_u16; 8]);
    let groups = [solicited_node(v6(1)), solicited_node(LINK_LOCAL)].map(IpAddr::from);
    let mut expected = groups.map(|group| (nobody, JOINED, group)).to_vec();
    expected.sort();
    expected.dedup();
    assert_eq!(reports(&sent), expected);
    let is_solicitation = |bytes: &Vec<u8>| report(bytes).is_none();
    let first = sent.iter().position(is_solicitation);
    assert_eq!(first, Some(expected.len()), "reports come first");
}

/// RFC 3810 sections 5.1.3 and 6.2, RFC 3376 section 5.2: within the time that the query leaves, only what it asks for, and only from who may ask.
#[test]
fn queries_are_answered_within_their_time() {
    let (mut station, _) = listening(true);
    station.engine.join_group(GROUP_V4.into()).unwrap();
    station.engine.join_group(GROUP_V6.into()).unwrap();
    station.pass(Duration::from_secs(2));
    let mld = |from: [u8; 16], to: [u8; 16], group: [u8; 16]| {
        let rest = [&[0x03, 0xe8, 0, 0][..], &group, &[2, 125, 0, 0]].concat();
        frame(
            MacAddress::ipv6_group(&to),
            THEM,
            IPV6,
            &icmpv6(from, to, 1, 130, &rest),
        )
    };
    let ours = |group: [u8; 16]| (IpAddr::from(LINK_LOCAL), MEMBER, IpAddr::from(group));
    let mut everything = [GROUP_V6, solicited_node(v6(1)), solicited_node(LINK_LOCAL)]
        .map(ours)
        .to_vec();
    everything.sort();
    everything.dedup();
    let second = Duration::from_secs(1);
    for (query, answer) in [
        (mld(ROUTER, ALL_NODES, [0; 16]), everything),
        (mld(ROUTER, GROUP_V6, GROUP_V6), vec![ours(GROUP_V6)]),
        (mld(v6(2), ALL_NODES, [0; 16]), vec![]),
    ] {
        station.inject(&query);
        assert_eq!(reports(&station.pass(second)), answer);
    }
    let igmp = |group: [u8; 4]| {
        let mut message = [&[0x11, 10, 0, 0][..], &group, &[2, 125, 0, 0]].concat();
        let checksum = !ones_complement_sum(&message) as u16;
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        let to = if group == [0; 4] { ALL_HOSTS } else { group };
        let mut packet = Vec::new();
        PacketBuilder::ipv4(THEIR_V4, to, 1)
            .write(&mut packet, etherparse::IpNumber::IGMP, &message)
            .unwrap();
        frame(MacAddress::ipv4_group(to), THEM, IPV4, &packet)
    };
    let member = (IpAddr::from(OUR_V4), MEMBER, IpAddr::from(GROUP_V4));
    for group in [[0; 4], GROUP_V4] {
        station.inject(&igmp(group));
        assert_eq!(reports(&station.pass(second)), [member]);
    }
    let mut wrong = igmp(GROUP_V4);
    *wrong.last_mut().unwrap() ^= 1;
    station.inject(&wrong);
    assert_eq!(reports(&station.pass(second)), []);
}
