//! Which of its addresses a host with several connects from (RFC 9293 section 3.9.1.1), and is asked at (RFC 1122 section 4.1.3.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::PacketBuilder;
use handfast::application::{BindError, ConnectError};
use handfast::config::AddressBlock;
use handfast::time::Duration;

use crate::support::Family;
use crate::support::peer::Script;

/// Where datagrams are asked for.
const PORT: u16 = 9;

/// The source of an IP packet.
fn source(packet: &[u8]) -> IpAddr {
    if packet[0] >> 4 == 4 {
        let address: [u8; 4] = packet[12..16].try_into().expect("four octets");
        address.into()
    } else {
        let address: [u8; 16] = packet[8..24].try_into().expect("sixteen octets");
        address.into()
    }
}

fn other(family: Family) -> IpAddr {
    match family {
        Family::V4 => [10, 0, 0, 77].into(),
        Family::V6 => [0xfd00, 0, 0, 0, 0, 0, 0, 0x77].into(),
    }
}

/// MUST-43, MUST-44, MUST-45: the address that the application names, else one that IP chooses; and each SYN comes from the same.
#[test]
fn a_connection_begins_at_the_address_that_was_asked_for_and_stays_there() {
    for family in Family::BOTH {
        for (local, expected) in [(Some(other(family)), other(family)), (None, family.client())] {
            let mut script = Script::over(family, |config| {
                config.addresses.push(AddressBlock::single(other(family)));
            });
            let remote = script.remote();
            let connection = script.engine.tcp_connect(local, remote).expect("room");
            let (ours, _) = script.engine.tcp_addresses(connection).expect("a connection");
            assert_eq!(ours.ip(), expected);
            let mut heard = script.hear_packets();
            for _ in 0..40 {
                script.now += Duration::from_millis(100);
                heard.extend(script.hear_packets());
            }
            assert_eq!(heard.len(), 3, "a SYN and two retransmissions");
            assert!(heard.iter().all(|packet| source(packet) == expected));
        }
    }
}

/// An address that is not ours, or of the other family, is none to connect from.
#[test]
fn nobody_connects_from_an_address_of_others() {
    let mut script = Script::new(|_| {});
    let remote = script.remote();
    for local in [other(Family::V4), Family::V6.client(), Family::V4.server()] {
        let refused = script.engine.tcp_connect(Some(local), remote);
        assert_eq!(refused, Err(ConnectError::InvalidLocalAddress), "{local}");
    }
}

/// A datagram for this address of ours, from the peer's port 4000.
fn datagram_to(family: Family, to: IpAddr) -> Vec<u8> {
    let mut packet = Vec::new();
    match (family.server(), to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            .udp(4000, PORT)
            .write(&mut packet, b"who?"),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            .udp(4000, PORT)
            .write(&mut packet, b"who?"),
        _ => unreachable!("both ends are of one family"),
    }
    .expect("a datagram fits into a packet");
    packet
}

/// RFC 1122 section 4.1.3.5: an application hears which address a datagram was for, and may answer from there and from no foreign one.
#[test]
fn a_datagram_tells_which_address_it_was_for_and_is_answered_from_there() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |config| {
            config.addresses.push(AddressBlock::single(other(family)));
        });
        let every = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let all = script
            .engine
            .udp_bind(SocketAddr::new(every, PORT))
            .expect("a socket");
        for ours in [family.client(), other(family)] {
            script.inject(&datagram_to(family, ours));
            let datagram = script.engine.udp_receive(all).expect("a datagram");
            assert_eq!(datagram.destination(), ours);
            let from_there = SocketAddr::new(datagram.destination(), PORT + 1);
            let answering = script.engine.udp_bind(from_there).expect("a socket");
            let to = SocketAddr::new(family.server(), 4000);
            script.engine.udp_send(answering, to, b"I").expect("room");
            let sent = script.hear_packets();
            assert_eq!((sent.len(), source(&sent[0])), (1, ours));
        }
        let foreign = SocketAddr::new(family.server(), PORT);
        assert_eq!(script.engine.udp_bind(foreign), Err(BindError::InvalidAddress));
    }
}
