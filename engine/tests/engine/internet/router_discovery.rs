//! What an engine believes of routers (RFC 4861 section 6.3, RFC 4862 section 5.5), and what it does not.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::support::station::{Station, THEM, frame, icmpv6, v6};
use handfast::application::ConnectError;
use handfast::link::ethernet::{IPV6, MacAddress};
use handfast::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const ROUTER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const OTHER_ROUTER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ADVERTISEMENT: u8 = 134;
const FAR: &str = "[2001:db8:ffff::1]:80";

/// What follows the checksum of a router advertisement: lifetime in seconds, options.
fn advertisement(lifetime: u16, options: &[&[u8]]) -> Vec<u8> {
    let mut rest = vec![64, 0];
    rest.extend_from_slice(&lifetime.to_be_bytes());
    rest.extend_from_slice(&[0; 8]);
    rest.extend_from_slice(&[1, 1]);
    rest.extend_from_slice(&THEM.0);
    rest.extend(options.concat());
    rest
}

/// A prefix information option for 2001:db8:`network`::/64.
fn prefix(network: u8, flags: u8, valid: u32, preferred: u32) -> Vec<u8> {
    let mut option = vec![3, 4, 64, flags];
    option.extend_from_slice(&valid.to_be_bytes());
    option.extend_from_slice(&preferred.to_be_bytes());
    option.extend_from_slice(&[0; 4]);
    option.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, network, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    option
}

fn mtu(mtu: u32) -> Vec<u8> {
    [&[5, 1, 0, 0], &mtu.to_be_bytes()[..]].concat()
}

fn hearing() -> Station {
    let mut station = Station::new(|config| config.link.router_discovery = true);
    station.hear();
    station
}

fn tell(station: &mut Station, router: [u8; 16], rest: &[u8]) {
    let packet = icmpv6(router, ALL_NODES, 255, ADVERTISEMENT, rest);
    station.inject(&frame(MacAddress::ipv6_group(&ALL_NODES), THEM, IPV6, &packet));
    station.hear();
}

/// The source of what is sent to `to`; `None` without a route.
fn source(station: &mut Station, to: &str) -> Option<Ipv6Addr> {
    match station.engine.tcp_connect(None, to.parse().unwrap()) {
        Ok(connection) => match station.engine.tcp_addresses(connection)?.0.ip() {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        },
        Err(refusal) => {
            assert_eq!(refusal, ConnectError::NoRoute);
            None
        }
    }
}

#[test]
fn routers_are_asked_for_three_times() {
    let mut station = Station::new(|config| config.link.router_discovery = true);
    let sent = station.pass(SECOND.saturating_mul(60));
    assert_eq!(sent.len(), 3);
    for solicitation in &sent {
        assert_eq!(solicitation[..6], [0x33, 0x33, 0, 0, 0, 2]);
        assert_eq!((solicitation[14 + 7], solicitation[14 + 40]), (255, 133));
        assert_eq!(solicitation[14 + 48..], [1, 1, 2, 0, 0, 0, 0, 1]);
    }
    let mut station = hearing();
    tell(&mut station, ROUTER, &advertisement(1800, &[]));
    assert_eq!(
        station.pass(SECOND.saturating_mul(60)).len(),
        0,
        "not after an answer"
    );
}

#[test]
fn a_router_is_the_way_to_elsewhere_for_its_lifetime() {
    let mut station = hearing();
    assert_eq!(source(&mut station, FAR), None);
    tell(&mut station, ROUTER, &advertisement(1800, &[]));
    assert!(source(&mut station, FAR).is_some());
    let heard = station.hear_of(IPV6);
    assert_eq!(
        heard[0].0, THEM,
        "the SYN goes to the router at once: its advertisement named its station"
    );
    station.pass(SECOND.saturating_mul(1801));
    assert_eq!(source(&mut station, FAR), None);
    tell(&mut station, ROUTER, &advertisement(1800, &[]));
    assert!(source(&mut station, FAR).is_some());
    tell(&mut station, ROUTER, &advertisement(0, &[]));
    assert_eq!(
        source(&mut station, FAR),
        None,
        "it does not want to be one any more"
    );
}

#[test]
fn an_address_is_made_from_a_prefix_and_asked_for() {
    let mut station = Station::new(|config| {
        config.link.router_discovery = true;
        config.link.duplicate_address_detection = 1;
    });
    station.pass(SECOND.saturating_mul(2));
    let options = prefix(7, 0xc0, 86_400, 43_200);
    let packet = icmpv6(
        ROUTER,
        ALL_NODES,
        255,
        ADVERTISEMENT,
        &advertisement(1800, &[&options]),
    );
    station.inject(&frame(MacAddress::ipv6_group(&ALL_NODES), THEM, IPV6, &packet));
    let asked = station.hear_of(IPV6);
    assert_eq!((asked.len(), asked[0].1[40]), (1, 135));
    let candidate: [u8; 16] = *asked[0].1[48..64].first_chunk().unwrap();
    assert_eq!(candidate[..8], [0x20, 1, 0x0d, 0xb8, 0, 7, 0, 0]);
    let at = SocketAddr::from((candidate, 53));
    assert!(station.engine.udp_bind(at).is_err(), "not ours yet");
    station.pass(SECOND.saturating_mul(2));
    assert!(station.engine.udp_bind(at).is_ok());
}

/// RFC 4862 section 5.5.4: what became invalid while it was asked for is never assigned, for nothing would end it again.
#[test]
fn an_address_that_ends_while_it_is_asked_for_never_becomes_ours() {
    let mut station = Station::new(|config| {
        config.link.router_discovery = true;
        config.link.duplicate_address_detection = 3;
    });
    station.pass(SECOND.saturating_mul(4));
    let before = station.engine.addresses().count();
    tell(
        &mut station,
        ROUTER,
        &advertisement(1800, &[&prefix(7, 0xc0, 1, 1)]),
    );
    station.pass(SECOND.saturating_mul(10));
    assert_eq!(station.engine.addresses().count(), before);
}

/// Attack class 42: what a router cannot have said, or must not be believed.
#[test]
fn advertisements_that_break_the_rules_change_nothing() {
    let good = advertisement(1800, &[&prefix(7, 0xc0, 86_400, 43_200)]);
    let mut zero_option = good.clone();
    zero_option[13] = 0;
    for (what, from, hop_limit, rest) in [
        ("hop limit 254", ROUTER, 254, &good),
        ("not from a link-local address", v6(2), 255, &good),
        ("an option of length 0", ROUTER, 255, &zero_option),
        ("cut short", ROUTER, 255, &good[..8].to_vec()),
    ] {
        let mut station = hearing();
        let packet = icmpv6(from, ALL_NODES, hop_limit, ADVERTISEMENT, rest);
        station.inject(&frame(MacAddress::ipv6_group(&ALL_NODES), THEM, IPV6, &packet));
        assert_eq!(source(&mut station, FAR), None, "{what}");
        assert_eq!(station.engine.counters().ethernet.dropped_discovery, 1, "{what}");
    }
    // And whoever was not told to listen hears nothing.
    let mut deaf = Station::new(|_| {});
    tell(&mut deaf, ROUTER, &good);
    assert_eq!(deaf.engine.counters().ethernet.dropped_discovery, 1);
    assert!(
        deaf.engine
            .udp_bind("[2001:db8:7::1]:53".parse().unwrap())
            .is_err()
    );
}

#[test]
fn prefixes_that_make_no_sense_are_ignored() {
    let mut link_local = prefix(7, 0xc0, 86_400, 43_200);
    link_local[16..24].copy_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0]);
    let mut long = prefix(7, 0x40, 86_400, 43_200);
    long[2] = 65;
    let mut impossible = prefix(7, 0xc0, 86_400, 43_200);
    impossible[2] = 129;
    for (what, option) in [
        ("preferred longer than valid", prefix(7, 0xc0, 100, 101)),
        ("no lifetime", prefix(7, 0xc0, 0, 0)),
        ("link-local", link_local),
        ("not of 64 bits", long),
        ("longer than an address", impossible),
        ("neither on link nor for addresses", prefix(7, 0, 86_400, 43_200)),
    ] {
        let mut station = hearing();
        tell(&mut station, ROUTER, &advertisement(0, &[&option]));
        station.pass(SECOND);
        assert_eq!(source(&mut station, "[2001:db8:7::9]:80"), None, "{what}");
    }
    let mut station = hearing();
    tell(
        &mut station,
        ROUTER,
        &advertisement(0, &[&prefix(7, 0x80, 86_400, 43_200)]),
    );
    assert!(source(&mut station, "[2001:db8:7::9]:80").is_some());
}

/// RFC 4862 section 5.5.3 (e): nobody ends an address of ours within two hours.
#[test]
fn an_address_cannot_be_taken_away_at_once() {
    let mut station = hearing();
    let say = |station: &mut Station, flags, valid| {
        tell(
            station,
            ROUTER,
            &advertisement(1800, &[&prefix(7, flags, valid, 0)]),
        );
        station.pass(SECOND);
    };
    say(&mut station, 0xc0, 86_400);
    let made: Vec<_> = station
        .engine
        .addresses()
        .filter(|address| matches!(address, IpAddr::V6(v6) if v6.segments()[0] == 0x2001))
        .collect();
    assert_eq!(made.len(), 1);
    let is_ours = |station: &mut Station| station.engine.addresses().any(|address| address == made[0]);
    say(&mut station, 0xc0, 1);
    station.pass(SECOND.saturating_mul(7_100));
    assert!(is_ours(&mut station));
    station.pass(SECOND.saturating_mul(200));
    assert!(!is_ours(&mut station));
}

/// RFC 4861 section 6.3.4 and RFC 8200 section 5: an MTU between 1,280 and the link's.
#[test]
fn the_mtu_stays_within_what_ipv6_and_the_link_allow() {
    for (said, expected) in [
        (1279, 1500),
        (0, 1500),
        (1280, 1280),
        (1400, 1400),
        (1500, 1500),
        (1501, 1500),
        (u32::MAX, 1500),
    ] {
        let mut station = hearing();
        tell(&mut station, ROUTER, &advertisement(1800, &[&mtu(said)]));
        station.introduce();
        let socket = station.engine.udp_bind("10.0.0.1:9".parse().unwrap()).unwrap();
        station
            .engine
            .udp_send(socket, "10.0.0.2:9".parse().unwrap(), &[0; 2900])
            .unwrap();
        let longest = station.hear().iter().map(Vec::len).max().unwrap() - 14;
        assert_eq!(longest, 20 + (expected - 20) / 8 * 8, "{said}");
    }
}

#[test]
fn a_flood_of_advertisements_is_bounded() {
    let mut station = hearing();
    let options: Vec<_> = (0..40)
        .map(|network| prefix(network, 0xc0, u32::MAX, u32::MAX))
        .collect();
    let options: Vec<_> = options.iter().map(Vec::as_slice).collect();
    for number in 0..200 {
        let mut router = ROUTER;
        router[15] = number;
        tell(&mut station, router, &advertisement(9000, &options));
        station.pass(Duration::from_millis(1));
    }
    // Configured, link-local, and eight of forty.
    assert_eq!(station.engine.addresses().filter(IpAddr::is_ipv6).count(), 10);
}

#[test]
fn a_router_that_does_not_answer_makes_way_for_another() {
    let mut station = hearing();
    let silent = advertisement(1800, &[]);
    // Only the second says which station it is.
    tell(&mut station, OTHER_ROUTER, &[&silent[..12]].concat());
    tell(&mut station, ROUTER, &silent);
    source(&mut station, FAR);
    assert_eq!(station.hear_of(IPV6)[0].1[40], 135, "the first is asked for");
    station.pass(SECOND.saturating_mul(4));
    source(&mut station, "[2001:db8:ffff::2]:80");
    let heard = station.hear_of(IPV6);
    assert_eq!((heard[0].0, heard[0].1[6]), (THEM, 6));
}
