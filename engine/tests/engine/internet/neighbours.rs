//! An engine among the stations of an Ethernet: ARP (RFC 826), Neighbor Discovery (RFC 4861), and who abuses them.

use std::net::{IpAddr, SocketAddr};

use crate::support::station::{
    OUR_V4, Station, THEIR_V4, THEM, US, arp, discovery, frame, icmpv6, solicited_node, v6,
};
use crate::support::talker::Talker;
use etherparse::{Icmpv6Slice, Ipv6Slice, PacketBuilder};
use handfast::application::{ConnectError, ConnectionError, Readiness};
use handfast::config::{Route, StaticNeighbour};
use handfast::link::ethernet::{ARP, IPV4, IPV6, MacAddress, Refused};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

const SECOND: Duration = Duration::from_secs(1);
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const STRANGER: MacAddress = MacAddress([2, 0, 0, 0, 0, 66]);
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

fn plain() -> Station {
    Station::new(|_| {})
}

fn them(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

fn them_v6(last: u8) -> SocketAddr {
    SocketAddr::from((v6(last), 80))
}

/// The target of a neighbor solicitation or advertisement in a datagram whose checksum is right.
fn target(packet: &[u8], kind: u8) -> [u8; 16] {
    let ip = Ipv6Slice::from_slice(packet).unwrap();
    let header = ip.header();
    assert_eq!(header.hop_limit(), 255);
    let message = Icmpv6Slice::from_slice(&packet[40..]).unwrap();
    assert!(message.is_checksum_valid(header.source(), header.destination()));
    assert_eq!(packet[40], kind);
    *packet[48..64].first_chunk().unwrap()
}

#[test]
fn an_arp_request_for_us_is_answered_to_who_asked() {
    let mut station = plain();
    station.inject(&frame(
        MacAddress::BROADCAST,
        THEM,
        ARP,
        &arp(THEM, 1, THEIR_V4, OUR_V4),
    ));
    let heard = station.hear();
    let reply = arp(US, 2, OUR_V4, THEIR_V4);
    let expected = [&reply[..18], &THEM.0, &reply[24..]].concat();
    assert_eq!(heard, [frame(THEM, US, ARP, &expected)]);
    // And for others it is not.
    station.inject(&frame(
        MacAddress::BROADCAST,
        THEM,
        ARP,
        &arp(THEM, 1, THEIR_V4, [10, 0, 0, 3]),
    ));
    assert_eq!(station.hear(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_packet_waits_for_the_answer_to_an_arp_request() {
    let mut station = plain();
    station.engine.tcp_connect(None, them(2)).unwrap();
    let asked = station.hear();
    assert_eq!(
        asked,
        [frame(
            MacAddress::BROADCAST,
            US,
            ARP,
            &arp(US, 1, OUR_V4, THEIR_V4)
        )]
    );
    station.inject(&frame(US, THEM, ARP, &arp(THEM, 2, THEIR_V4, OUR_V4)));
    let heard = station.hear_of(IPV4);
    assert_eq!(heard.len(), 1, "the SYN");
    assert_eq!(heard[0].0, THEM);
}

#[test]
fn a_packet_waits_for_a_neighbor_advertisement() {
    let mut station = plain();
    station.engine.tcp_connect(None, them_v6(2)).unwrap();
    let asked = station.hear_of(IPV6);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, MacAddress::ipv6_group(&solicited_node(v6(2))));
    assert_eq!(target(&asked[0].1, SOLICITATION), v6(2));
    assert_eq!(
        asked[0].1[64..],
        [1, 1, 2, 0, 0, 0, 0, 1],
        "our link-layer address"
    );
    let answer = discovery(SOLICITED | OVERRIDE, v6(2), 2, Some(THEM));
    station.inject_ip(&icmpv6(v6(2), v6(1), 255, ADVERTISEMENT, &answer));
    let heard = station.hear_of(IPV6);
    assert_eq!((heard.len(), heard[0].0, heard[0].1[6]), (1, THEM, 6), "the SYN");
}

#[test]
fn a_neighbor_solicitation_is_answered_to_who_asked() {
    let mut station = plain();
    let question = discovery(0, v6(1), 1, Some(THEM));
    let group = MacAddress::ipv6_group(&solicited_node(v6(1)));
    let packet = icmpv6(v6(2), solicited_node(v6(1)), 255, SOLICITATION, &question);
    station.inject(&frame(group, THEM, IPV6, &packet));
    let heard = station.hear_of(IPV6);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].0, THEM);
    assert_eq!(target(&heard[0].1, ADVERTISEMENT), v6(1));
    assert_eq!(heard[0].1[44], SOLICITED | OVERRIDE);
    // A probe of an address that is ours goes to everybody, unsolicited (RFC 4861 section 7.2.4).
    let probe = discovery(0, v6(1), 1, None);
    let packet = icmpv6([0; 16], solicited_node(v6(1)), 255, SOLICITATION, &probe);
    station.inject(&frame(group, STRANGER, IPV6, &packet));
    let heard = station.hear_of(IPV6);
    assert_eq!(heard[0].0, MacAddress::ipv6_group(&ALL_NODES));
    assert_eq!(heard[0].1[44], OVERRIDE);
}

/// RFC 4861 section 7.2.2: an attempt to connect ends with an error instead of hanging.
#[test]
fn a_neighbour_that_does_not_answer_fails_the_attempt_to_connect() {
    for remote in [them(9), them_v6(9)] {
        let mut station = plain();
        let connection = station.engine.tcp_connect(None, remote).unwrap();
        let sent = station.pass(SECOND.saturating_mul(4));
        assert_eq!(sent.len(), 3, "solicitations of {remote}");
        assert_eq!(
            station.engine.tcp_error(connection),
            Some(ConnectionError::Unreachable)
        );
        let ready = std::iter::from_fn(|| station.engine.poll_event()).count();
        assert_eq!(ready, 1);
        assert_eq!(station.engine.counters().ethernet.neighbours.unreachable, 1);
    }
}

#[test]
fn a_neighbour_that_does_not_answer_is_reported_to_the_socket() {
    let mut station = plain();
    let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
    station.engine.udp_send(socket, them(9), b"anybody?").unwrap();
    station.pass(SECOND.saturating_mul(4));
    assert_eq!(
        station.engine.udp_take_error(socket),
        Some(ConnectionError::Unreachable)
    );
}

/// What the neighbour cache believes of an established connection's peer does not end it: the peer may come back.
#[test]
fn a_connection_outlives_a_neighbour_that_was_away() {
    let Talker {
        mut station,
        connection,
        ..
    } = Talker::new();
    station.engine.tcp_send(connection, b"are you there?").unwrap();
    station.pass(SECOND.saturating_mul(30));
    assert!(station.engine.counters().ethernet.neighbours.unreachable > 1);
    assert_eq!(station.engine.tcp_state(connection), Some(State::Established));
    station.inject(&frame(US, THEM, ARP, &arp(THEM, 1, THEIR_V4, OUR_V4)));
    station.hear();
    let sent = station.pass(SECOND.saturating_mul(60));
    assert!(sent.iter().any(|frame| frame.ends_with(b"are you there?")));
}

#[test]
fn as_many_packets_wait_for_a_neighbour_as_configured_and_the_oldest_makes_way() {
    let mut station = Station::new(|config| config.link.pending_per_neighbour = 3);
    let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
    for number in 0..5 {
        station.engine.udp_send(socket, them(2), &[number]).unwrap();
        station.poll();
    }
    assert_eq!(station.engine.counters().ethernet.dropped_waiting, 2);
    station.inject(&frame(US, THEM, ARP, &arp(THEM, 2, THEIR_V4, OUR_V4)));
    let heard: Vec<_> = station
        .hear_of(IPV4)
        .iter()
        .map(|(_, packet)| packet[28])
        .collect();
    assert_eq!(heard, [2, 3, 4]);
}

/// A SYN that makes way is missed for a second, which is its first timeout.
#[test]
fn as_many_connections_as_a_client_has_can_be_opened_at_once_to_a_host_not_yet_asked_for() {
    let mut station = plain();
    for _ in 0..128 {
        station.engine.tcp_connect(None, them(2)).unwrap();
        station.poll();
    }
    station.inject(&frame(US, THEM, ARP, &arp(THEM, 2, THEIR_V4, OUR_V4)));
    assert_eq!(station.hear_of(IPV4).len(), 128);
    assert_eq!(station.engine.counters().ethernet.dropped_waiting, 0);
}

/// Attack class 41: 2^16 neighbours that do not exist take neither the cache from others nor the pool's slots.
#[test]
fn a_scan_of_absent_neighbours_is_bounded() {
    let mut station = Station::new(|config| {
        config.link.neighbours = 64;
        config.link.pending = 32;
    });
    station.introduce();
    let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
    for number in 0..0xffff_u16 {
        let [high, low] = number.to_be_bytes();
        let absent = SocketAddr::from(([10, 1, high, low], 7));
        station.engine.udp_send(socket, absent, &[0; 300]).unwrap();
        station.hear();
    }
    assert!(
        station.engine.pool().usage().small <= 40,
        "{:?}",
        station.engine.pool().usage()
    );
    station.engine.udp_send(socket, them(2), b"still known").unwrap();
    assert_eq!(station.hear_of(IPV4)[0].0, THEM);
    // Every packet is accounted for: it waits, or was dropped and counted.
    let counters = station.engine.counters().ethernet;
    assert_eq!(counters.dropped_waiting + 32, 0xffff);
    station.pass(SECOND.saturating_mul(10));
    // The slot that small datagrams of a socket are cut from stays.
    assert_eq!(station.engine.pool().usage().small, 1);
}

/// Attack class 41: nobody becomes, or replaces, a neighbour by an announcement that was not asked for.
#[test]
fn announcements_make_no_entry_and_replace_none_for_good() {
    let mut station = plain();
    let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
    let announcement = frame(
        MacAddress::BROADCAST,
        STRANGER,
        ARP,
        &arp(STRANGER, 1, THEIR_V4, THEIR_V4),
    );
    station.inject(&announcement);
    station.engine.udp_send(socket, them(2), b"1").unwrap();
    assert_eq!(station.hear_of(ARP).len(), 1, "the announcement made no entry");
    station.inject(&frame(US, THEM, ARP, &arp(THEM, 2, THEIR_V4, OUR_V4)));
    assert_eq!(station.hear_of(IPV4)[0].0, THEM);
    station.inject(&announcement);
    station.engine.udp_send(socket, them(2), b"2").unwrap();
    assert_eq!(
        station.hear_of(IPV4)[0].0,
        THEM,
        "not within a second of the answer"
    );
    // Later it is taken over, for hosts do change their hardware; but it is stale, so its use makes us ask, and the owner can answer.
    station.pass(SECOND);
    station.inject(&announcement);
    station.engine.udp_send(socket, them(2), b"3").unwrap();
    assert_eq!(station.hear_of(IPV4)[0].0, STRANGER);
    let probes = station.pass(SECOND.saturating_mul(5));
    assert_eq!(probes, [frame(STRANGER, US, ARP, &arp(US, 1, OUR_V4, THEIR_V4))]);
}

/// Attack classes 41 and 22, RFC 4861 section 7.1, RFC 6980: what a neighbour cannot have sent is discarded.
#[test]
fn invalid_discovery_messages_are_discarded() {
    let mut station = plain();
    let to_us = |hop_limit, kind, rest: &[u8]| icmpv6(v6(2), v6(1), hop_limit, kind, rest);
    let question = discovery(0, v6(1), 1, Some(THEM));
    let from_nobody = icmpv6([0; 16], solicited_node(v6(1)), 255, SOLICITATION, &question);
    let mut zero_option = question.clone();
    zero_option[21] = 0;
    let mut long_option = question.clone();
    long_option[21] = 2;
    let mut bad_checksum = to_us(255, SOLICITATION, &question);
    bad_checksum[42] ^= 1;
    let mut with_code = to_us(255, SOLICITATION, &question);
    with_code[41] = 1;
    with_code[43] = with_code[43].wrapping_sub(1);
    let multicast_target = discovery(0, solicited_node(v6(1)), 1, Some(THEM));
    let sound = to_us(255, SOLICITATION, &question);
    let mut atomic = [&sound[..40], &[58, 0, 0, 0, 0, 0, 0, 1], &sound[40..]].concat();
    (atomic[5], atomic[6]) = (atomic[5] + 8, 44);
    for (what, packet) in [
        ("hop limit 254", to_us(254, SOLICITATION, &question)),
        ("hop limit 1", to_us(1, SOLICITATION, &question)),
        ("option of length 0", to_us(255, SOLICITATION, &zero_option)),
        ("option beyond the end", to_us(255, SOLICITATION, &long_option)),
        ("a group as target", to_us(255, SOLICITATION, &multicast_target)),
        ("cut short", to_us(255, SOLICITATION, &question[..16])),
        ("link-layer address of nobody", from_nobody),
        ("a code", with_code),
        ("wrong checksum", bad_checksum),
        ("a fragment header", atomic),
    ] {
        station.inject_ip(&packet);
        assert_eq!(station.hear(), Vec::<Vec<u8>>::new(), "{what}");
    }
    station.inject_ip(&sound);
    assert_eq!(station.hear().len(), 1, "the same without faults is answered");
}

#[test]
fn a_solicited_advertisement_to_a_group_is_discarded() {
    let mut station = plain();
    station.engine.tcp_connect(None, them_v6(2)).unwrap();
    station.hear();
    let answer = discovery(SOLICITED | OVERRIDE, v6(2), 2, Some(STRANGER));
    let packet = icmpv6(v6(2), ALL_NODES, 255, ADVERTISEMENT, &answer);
    station.inject(&frame(
        MacAddress::ipv6_group(&ALL_NODES),
        STRANGER,
        IPV6,
        &packet,
    ));
    assert_eq!(station.hear(), Vec::<Vec<u8>>::new());
    assert_eq!(station.engine.counters().ethernet.dropped_discovery, 1);
}

/// Attack class 42: there is no redirect that this host follows.
#[test]
fn redirects_are_ignored() {
    let mut station = plain();
    station.introduce();
    let mut rest = vec![0; 4];
    rest.extend_from_slice(&v6(66));
    rest.extend_from_slice(&v6(2));
    station.inject_ip(&icmpv6(v6(2), v6(1), 255, 137, &rest));
    assert_eq!(station.engine.counters().ethernet.dropped_discovery, 1);
    let socket = station.engine.udp_bind("[::]:53".parse().unwrap()).unwrap();
    station.engine.udp_send(socket, them_v6(2), b"x").unwrap();
    assert_eq!(station.hear_of(IPV6)[0].0, THEM);
}

#[test]
fn frames_that_are_not_for_an_ip_host_are_dropped_and_counted() {
    let mut station = plain();
    let mut udp = Vec::new();
    PacketBuilder::ipv4(THEIR_V4, OUR_V4, 64)
        .udp(9, 9)
        .write(&mut udp, b"x")
        .unwrap();
    for (bytes, reason) in [
        (frame(US, THEM, IPV4, &[])[..13].to_vec(), Refused::Runt),
        (frame(STRANGER, THEM, IPV4, &udp), Refused::NotOurs),
        (frame(US, MacAddress::BROADCAST, IPV4, &udp), Refused::Source),
        (
            frame(US, THEM, 0x8100, &[&[0, 5, 8, 0], &udp[..]].concat()),
            Refused::Tagged,
        ),
        (frame(US, THEM, 0x88cc, &udp), Refused::EtherType),
        (frame(US, THEM, IPV6, &udp), Refused::EtherType),
        (frame(MacAddress::BROADCAST, THEM, IPV4, &udp), Refused::Amplified),
    ] {
        let before = station.engine.counters().ethernet.dropped_frames[reason as usize];
        station.inject(&bytes);
        let after = station.engine.counters().ethernet.dropped_frames[reason as usize];
        assert_eq!(after, before + 1, "{reason:?}");
        assert_eq!(station.hear(), Vec::<Vec<u8>>::new(), "{reason:?}");
    }
    // The same datagram in a frame for us is heard: its port is closed.
    station.introduce();
    station.inject_ip(&udp);
    assert_eq!(station.hear().len(), 1);
}

#[test]
fn a_conflict_over_our_address_is_noticed_and_not_believed() {
    let mut station = plain();
    station.inject(&frame(
        MacAddress::BROADCAST,
        STRANGER,
        ARP,
        &arp(STRANGER, 1, OUR_V4, OUR_V4),
    ));
    let claim = discovery(OVERRIDE, v6(1), 2, Some(STRANGER));
    let packet = icmpv6(v6(1), ALL_NODES, 255, ADVERTISEMENT, &claim);
    station.inject(&frame(
        MacAddress::ipv6_group(&ALL_NODES),
        STRANGER,
        IPV6,
        &packet,
    ));
    assert_eq!(station.engine.counters().ethernet.address_conflicts, 2);
    assert_eq!(station.hear(), Vec::<Vec<u8>>::new());
}

/// RFC 4862 section 5.4: fd00::1 and the link-local address are asked for once, and ours a second later.
#[test]
fn an_address_is_ours_when_nobody_objects() {
    let mut station = Station::new(|config| config.link.duplicate_address_detection = 1);
    let refused = station.engine.udp_bind(SocketAddr::from((v6(1), 53)));
    assert!(refused.is_err());
    let asked = station.hear_of(IPV6);
    let mut targets: Vec<_> = asked
        .iter()
        .map(|(_, packet)| target(packet, SOLICITATION))
        .collect();
    targets.sort();
    let link_local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1];
    assert_eq!(targets, [v6(1), link_local]);
    assert!(
        asked
            .iter()
            .all(|(_, packet)| packet[8..24] == [0; 16] && packet.len() == 64)
    );
    assert_eq!(station.pass(Duration::from_millis(1001)), Vec::<Vec<u8>>::new());
    assert!(station.engine.udp_bind(SocketAddr::from((v6(1), 53))).is_ok());
    assert!(
        station
            .engine
            .udp_bind(SocketAddr::from((link_local, 53)))
            .is_ok()
    );
    assert_eq!(station.engine.next_deadline(), None);
}

#[test]
fn an_address_that_somebody_has_or_wants_is_never_ours() {
    let claim = discovery(OVERRIDE, v6(1), 2, Some(STRANGER));
    let has = icmpv6(v6(1), ALL_NODES, 255, ADVERTISEMENT, &claim);
    let wants = icmpv6(
        [0; 16],
        solicited_node(v6(1)),
        255,
        SOLICITATION,
        &discovery(0, v6(1), 1, None),
    );
    for objection in [has, wants] {
        let mut station = Station::new(|config| config.link.duplicate_address_detection = 1);
        station.hear();
        let group = MacAddress::ipv6_group(&objection[24..40].try_into().unwrap());
        station.inject(&frame(group, STRANGER, IPV6, &objection));
        station.pass(SECOND.saturating_mul(10));
        assert!(station.engine.udp_bind(SocketAddr::from((v6(1), 53))).is_err());
        assert_eq!(station.engine.counters().ethernet.address_conflicts, 1);
        // Nor do we answer for it.
        let question = discovery(0, v6(1), 1, Some(THEM));
        station.inject_ip(&icmpv6(v6(2), v6(1), 255, SOLICITATION, &question));
        assert_eq!(station.hear(), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn packets_for_elsewhere_go_to_the_gateway() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut station = Station::new(|config| {
        config
            .add_route(Route::on_link(ip("10.0.0.0"), 24).unwrap())
            .unwrap();
        config.add_route(Route::default_through(ip("10.0.0.2"))).unwrap();
    });
    station.introduce();
    station
        .engine
        .tcp_connect(None, "198.51.100.7:80".parse().unwrap())
        .unwrap();
    let heard = station.hear_of(IPV4);
    assert_eq!((heard[0].0, &heard[0].1[16..20]), (THEM, &[198, 51, 100, 7][..]));
    let nowhere = station
        .engine
        .tcp_connect(None, "[2001:db8::1]:80".parse().unwrap());
    assert_eq!(nowhere, Err(ConnectError::NoRoute));
    // A directed broadcast is for all stations.
    let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
    for (to, station_address) in [
        ("10.0.0.255:9", MacAddress::BROADCAST),
        ("255.255.255.255:9", MacAddress::BROADCAST),
        ("239.1.2.3:9", MacAddress([1, 0, 0x5e, 1, 2, 3])),
    ] {
        station
            .engine
            .udp_send(socket, to.parse().unwrap(), b"all")
            .unwrap();
        assert_eq!(station.hear_of(IPV4)[0].0, station_address, "{to}");
    }
}

#[test]
fn a_static_neighbour_is_never_asked_for() {
    let mut station = Station::new(|config| {
        config.link.static_neighbours.push(StaticNeighbour {
            address: THEIR_V4.into(),
            hardware_address: THEM.0,
        });
    });
    station.engine.tcp_connect(None, them(2)).unwrap();
    let heard = station.hear();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0][..6], THEM.0);
}

#[test]
fn an_unreachable_neighbour_is_news_of_the_connection() {
    let mut station = plain();
    let connection = station.engine.tcp_connect(None, them(9)).unwrap();
    station.pass(SECOND.saturating_mul(4));
    let event = station.engine.poll_event();
    let Some(handfast::application::Event::Tcp(handle, ready)) = event else {
        panic!("{event:?}")
    };
    assert_eq!(handle, connection);
    assert!(ready.contains(Readiness::FAILED));
}
