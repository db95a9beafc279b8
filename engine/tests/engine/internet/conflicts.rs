//! Who has an address: stations that move, claim what is ours, or pretend to be us.

use std::net::SocketAddr;

use crate::support::station::{OUR_V4, Station, THEIR_V4, THEM, US, arp, frame, icmpv6, v6};
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
