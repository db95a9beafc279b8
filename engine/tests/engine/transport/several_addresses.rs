//! Which of its addresses a host with several connects from (RFC 9293 section 3.9.1.1).

use std::net::IpAddr;

use handfast::application::ConnectError;
use handfast::config::AddressBlock;
use handfast::time::Duration;

use crate::support::Family;
use crate::support::peer::Script;

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
