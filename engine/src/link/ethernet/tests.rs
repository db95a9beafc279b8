use etherparse::Ethernet2Header;

use super::*;

const US: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const THEM: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

fn frame(destination: MacAddress, source: MacAddress, ether_type: u16) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    Header {
        destination,
        source,
        ether_type,
    }
    .emit(&mut bytes);
    bytes
}

#[test]
fn what_is_emitted_is_read_the_same_by_etherparse_and_by_us() {
    for ether_type in [IPV4, ARP, IPV6] {
        let bytes = frame(US, THEM, ether_type);
        let (foreign, _) = Ethernet2Header::from_slice(&bytes).unwrap();
        assert_eq!(
            (foreign.destination, foreign.source, foreign.ether_type.0),
            (US.0, THEM.0, ether_type)
        );
        let header = Header::parse(&bytes, US).unwrap();
        assert_eq!(
            (header.destination, header.source, header.ether_type),
            (US, THEM, ether_type)
        );
    }
}

#[test]
fn each_reason_to_drop_a_frame() {
    let refused = |bytes: &[u8]| Header::parse(bytes, US).unwrap_err();
    for length in 0..HEADER_LEN {
        assert_eq!(refused(&frame(US, THEM, IPV4)[..length]), Refused::Runt);
    }
    assert_eq!(refused(&frame(THEM, THEM, IPV4)), Refused::NotOurs);
    for nobody in [
        MacAddress([0; 6]),
        MacAddress::BROADCAST,
        MacAddress([3, 0, 0, 0, 0, 1]),
    ] {
        assert_eq!(refused(&frame(US, nobody, IPV4)), Refused::Source, "{nobody}");
    }
    for tag in [0x8100, 0x88a8] {
        assert_eq!(refused(&frame(US, THEM, tag)), Refused::Tagged);
    }
    for other in [0, 46, 1500, 0x0805, 0x86dc, 0xffff] {
        assert_eq!(refused(&frame(US, THEM, other)), Refused::EtherType, "{other:#x}");
    }
}

#[test]
fn groups_are_heard() {
    for group in [
        MacAddress::BROADCAST,
        MacAddress::ipv4_group([224, 0, 0, 1]),
        MacAddress::ipv6_group(&[0xff; 16]),
    ] {
        assert!(Header::parse(&frame(group, THEM, IPV6), US).is_ok(), "{group}");
    }
}

/// RFC 1112 section 6.4, RFC 2464 section 7.
#[test]
fn groups_of_ip_map_to_groups_of_stations() {
    let all_ones = MacAddress::ipv4_group([239, 255, 255, 250]);
    assert_eq!(all_ones.to_string(), "01:00:5e:7f:ff:fa");
    let mut solicited_node = [0; 16];
    solicited_node[0] = 0xff;
    solicited_node[11..].copy_from_slice(&[1, 0xff, 1, 2, 3]);
    let group = MacAddress::ipv6_group(&solicited_node);
    assert_eq!(group.to_string(), "33:33:ff:01:02:03");
}
