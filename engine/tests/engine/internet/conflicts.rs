//! Who has an address: stations that move, claim what is ours, or pretend to be us.

use std::net::SocketAddr;

use crate::support::station::{
    OUR_V4, Station, THEIR_V4, THEM, US, arp, discovery, frame, icmpv6, solicited_node, v6,
};
use crate::support::talker::Talker;
use handfast::config::AddressBlock;
use handfast::link::ethernet::{ARP, IPV4, IPV6, MacAddress};
use handfast::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const STRANGER: MacAddress = MacAddress([2, 0, 0, 0, 0, 66]);

/// Nobody says so: the old station is probed in vain (RFC 1122 section 2.3.2.1), then everybody is asked again.
#[test]
fn an_address_that_moves_silently_is_found_within_a_minute() {
    let mut station = Station::new(|_| {});
    station.introduce();
    let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
    let remote = SocketAddr::from((THEIR_V4, 80));
    let is_request = |bytes: &[u8]| bytes[12..14] == ARP.to_be_bytes() && bytes[..6] == [0xff; 6];
    let is_datagram = |bytes: &[u8]| bytes[12..14] == IPV4.to_be_bytes();
    let mut stations = Vec::new();
    for _ in 0..60 {
        station.engine.udp_send(socket, remote, b"?").unwrap();
        let sent = station.pass(SECOND);
        if sent.iter().any(|bytes| is_request(bytes)) {
            station.inject(&frame(US, STRANGER, ARP, &arp(STRANGER, 2, THEIR_V4, OUR_V4)));
        }
        let to = |bytes: &Vec<u8>| MacAddress(*bytes.first_chunk().unwrap());
        stations.extend(sent.iter().filter(|bytes| is_datagram(bytes)).map(to));
    }
    assert_eq!(stations.first(), Some(&THEM));
    assert_eq!(stations.last(), Some(&STRANGER));
}

fn is_arp(bytes: &[u8]) -> bool {
    bytes[12..14] == ARP.to_be_bytes()
}

/// RFC 4861 section 7.3.1: the acknowledgments of a conversation are as good as answers to probes.
#[test]
fn a_neighbour_that_acknowledges_is_not_asked_whether_it_is_there() {
    let mut talker = Talker::new();
    for _ in 0..600 {
        let sent = talker.exchange(Duration::from_millis(10));
        assert!(!sent.iter().any(|bytes| is_arp(bytes)), "{sent:?}");
        let quiet = talker.station.pass(Duration::from_millis(990));
        assert!(!quiet.iter().any(|bytes| is_arp(bytes)), "{quiet:?}");
    }
}

/// The same of datagrams, whose replies the application alone understands: without its word the neighbour is probed.
#[test]
fn a_neighbour_that_an_application_vouches_for_is_not_asked_whether_it_is_there() {
    let probes = |vouches: bool| {
        let mut station = Station::new(|_| {});
        station.introduce();
        let socket = station.engine.udp_bind("0.0.0.0:53".parse().unwrap()).unwrap();
        let remote = SocketAddr::from((THEIR_V4, 80));
        let mut probes = 0;
        for _ in 0..600 {
            let sent = station.now;
            station.engine.udp_send(socket, remote, b"?").unwrap();
            let mut frames = station.pass(Duration::from_millis(10));
            if vouches {
                station.engine.udp_confirm(remote.ip(), sent);
            }
            frames.extend(station.pass(Duration::from_millis(990)));
            for probe in frames.iter().filter(|bytes| is_arp(bytes)) {
                probes += 1;
                assert_eq!(probe[..6], THEM.0);
                station.inject(&frame(US, THEM, ARP, &arp(THEM, 2, THEIR_V4, OUR_V4)));
            }
        }
        probes
    };
    assert_eq!(probes(true), 0);
    assert!(probes(false) > 5, "with the default times one in 15 s to 50 s");
}

/// What is never acknowledged has the next hop probed long before its time, and everybody asked when that is in vain: here after 6 s instead of
/// up to 53.
#[test]
fn an_address_that_moves_silently_while_it_is_talked_to_is_found_within_seconds() {
    let mut talker = Talker::new();
    for _ in 0..3 {
        talker.exchange(Duration::from_millis(10));
        talker.station.pass(SECOND);
    }
    let begin = talker.station.now;
    let Talker {
        mut station,
        connection,
        ..
    } = talker;
    station.engine.tcp_send(connection, b"are you there?").unwrap();
    let mut found = None;
    while found.is_none() {
        let sent = station.pass(Duration::from_millis(10));
        assert!(station.now < begin + SECOND.saturating_mul(53));
        if sent.iter().any(|bytes| is_arp(bytes) && bytes[..6] == [0xff; 6]) {
            station.inject(&frame(US, STRANGER, ARP, &arp(STRANGER, 2, THEIR_V4, OUR_V4)));
            let heard = station.hear_of(IPV4);
            assert_eq!(heard[0].0, STRANGER);
            assert!(heard[0].1.ends_with(b"are you there?"));
            found = Some(station.now.saturating_since(begin));
        }
    }
    assert!(found < Some(SECOND.saturating_mul(8)), "{found:?}");
}

/// RFC 1122 section 3.2.1.3, RFC 4443 section 2.2: nobody else sends from an address of ours. Whoever says that he does is not answered, for
/// the answer would be to ourselves.
#[test]
fn a_ping_that_claims_to_come_from_us_is_dropped() {
    let mut station = Station::new(|_| {});
    station.introduce();
    let ping = icmpv6(v6(1), v6(1), 64, 128, &[0, 7, 0, 8]);
    station.inject(&frame(US, THEM, IPV6, &ping));
    assert_eq!(station.pass(SECOND), [[0; 0]; 0]);
    assert_eq!(station.engine.counters().internet.dropped_source, 1);
}

/// An engine that asks before it uses an IPv4 address.
fn careful() -> Station {
    Station::new(|config| config.link.address_conflict_detection = true)
}

/// The ARP requests for everybody among these frames: sender and target.
fn requests(frames: &[Vec<u8>]) -> Vec<([u8; 4], [u8; 4])> {
    let requests = frames
        .iter()
        .filter(|bytes| bytes[..6] == [0xff; 6] && bytes[12..14] == ARP.to_be_bytes());
    requests
        .map(|bytes| {
            assert_eq!(
                (&bytes[14..22], &bytes[22..28]),
                (&[0, 1, 8, 0, 6, 4, 0, 1][..], &US.0[..])
            );
            (
                *bytes[28..].first_chunk().unwrap(),
                *bytes[38..].first_chunk().unwrap(),
            )
        })
        .collect()
}

const PROBE: ([u8; 4], [u8; 4]) = ([0; 4], OUR_V4);
const ANNOUNCEMENT: ([u8; 4], [u8; 4]) = (OUR_V4, OUR_V4);

/// RFC 5227 sections 2.1.1 and 2.3: three probes one to two seconds apart, silence for two, and two announcements.
#[test]
fn an_ipv4_address_is_asked_for_and_announced() {
    let mut station = careful();
    let ours = SocketAddr::from((OUR_V4, 53));
    assert!(station.engine.udp_bind(ours).is_err());
    let begin = station.now;
    station.inject(&frame(US, THEM, ARP, &arp(THEM, 1, THEIR_V4, OUR_V4)));
    let mut heard = Vec::new();
    while let Some(due) = station.engine.next_deadline() {
        station.now = station.now.max(due);
        heard.extend(
            requests(&station.hear())
                .into_iter()
                .map(|said| (station.now, said)),
        );
    }
    let said: Vec<_> = heard.iter().map(|(_, said)| *said).collect();
    assert_eq!(said, [PROBE, PROBE, PROBE, ANNOUNCEMENT, ANNOUNCEMENT]);
    let seconds =
        |from: usize, to: usize| heard[to].0.saturating_since(heard[from].0).as_nanos() as f64 / 1e9;
    assert!(heard[0].0 <= begin + SECOND);
    assert!((1.0..=2.0).contains(&seconds(0, 1)) && (1.0..=2.0).contains(&seconds(1, 2)));
    assert_eq!((seconds(2, 3), seconds(3, 4)), (2.0, 2.0));
    assert!(station.engine.udp_bind(ours).is_ok());
}

/// RFC 5227 section 2.1.1: the owner answers, or speaks for other reasons; or somebody wants it at the same time.
#[test]
fn an_ipv4_address_that_somebody_has_or_wants_is_never_ours() {
    let answer = arp(STRANGER, 2, OUR_V4, [0; 4]);
    let question = arp(STRANGER, 1, OUR_V4, THEIR_V4);
    let wish = arp(STRANGER, 1, [0; 4], OUR_V4);
    for objection in [answer, question, wish] {
        let mut station = careful();
        station.pass(SECOND);
        station.inject(&frame(MacAddress::BROADCAST, STRANGER, ARP, &objection));
        let afterwards = station.pass(SECOND.saturating_mul(10));
        assert_eq!(requests(&afterwards), []);
        assert!(station.engine.udp_bind(SocketAddr::from((OUR_V4, 53))).is_err());
        assert_eq!(station.engine.counters().ethernet.address_conflicts, 1);
    }
}

/// RFC 5227 section 2.4 (c): an address in use is kept and defended, but not more than once in ten seconds.
#[test]
fn an_ipv4_address_in_use_is_defended_with_restraint() {
    let mut station = careful();
    station.pass(SECOND.saturating_mul(10));
    let claim = frame(
        MacAddress::BROADCAST,
        STRANGER,
        ARP,
        &arp(STRANGER, 1, OUR_V4, OUR_V4),
    );
    for (pause, defence) in [(0, &[ANNOUNCEMENT][..]), (9, &[]), (2, &[ANNOUNCEMENT])] {
        station.pass(SECOND.saturating_mul(pause));
        station.inject(&claim);
        assert_eq!(requests(&station.hear()), defence, "{pause} s later");
    }
    assert_eq!(station.engine.counters().ethernet.address_conflicts, 3);
    assert!(station.engine.udp_bind(SocketAddr::from((OUR_V4, 53))).is_ok());
}

/// Each address of the engine's is answered for by name, whoever asks, and keeps to its own side of a conversation.
#[test]
fn several_addresses_of_one_station_are_told_apart() {
    let others = [[10, 0, 0, 7], [10, 0, 1, 7]];
    let mut station = Station::new(|config| {
        let more = others.map(|address| AddressBlock::single(address.into()));
        config.addresses.extend(more);
        config.addresses.push(AddressBlock::single(v6(7).into()));
    });
    station.introduce();
    for address in others.into_iter().chain([OUR_V4]) {
        station.inject(&frame(
            MacAddress::BROADCAST,
            THEM,
            ARP,
            &arp(THEM, 1, THEIR_V4, address),
        ));
        let answers = station.hear_of(ARP);
        assert_eq!(answers.len(), 1);
        let (to, answer) = &answers[0];
        assert_eq!((*to, &answer[14..18]), (THEM, &address[..]));
        let socket = station.engine.udp_bind(SocketAddr::from((address, 53))).unwrap();
        station
            .engine
            .udp_send(socket, SocketAddr::from((THEIR_V4, 80)), b"?")
            .unwrap();
        let sent = station.hear_of(IPV4);
        assert_eq!(sent[0].1[12..16], address);
    }
    for address in [v6(1), v6(7)] {
        let question = discovery(0, address, 1, Some(THEM));
        station.inject_ip(&icmpv6(v6(2), solicited_node(address), 255, 135, &question));
        let answer = station.hear_of(IPV6).remove(0).1;
        assert_eq!((&answer[8..24], &answer[48..64]), (&address[..], &address[..]));
    }
}
