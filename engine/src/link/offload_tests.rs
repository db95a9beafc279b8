use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;

/// A SYN from 10.0.0.1:1000 to 10.0.0.2:80 whose transport checksum is left to the device.
pub(in crate::link) const TCP_OFFLOADED: [u8; 40] = [
    0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0x26, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2, //
    0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0, 0, 0, 0, 0,
];
/// The same with its checksum.
pub(in crate::link) const TCP_COMPLETED: [u8; 40] = [
    0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0x26, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2, //
    0x03, 0xe8, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0, 0x77, 0xa7, 0, 0,
];

fn built(ipv6: bool, udp: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let ip = if ipv6 {
        PacketBuilder::ipv6([7; 16], [9; 16], 64)
    } else {
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
    };
    if udp {
        ip.udp(5, 6).write(&mut bytes, payload).unwrap();
    } else {
        ip.tcp(5, 6, 7, 8).write(&mut bytes, payload).unwrap();
    }
    bytes
}

fn checksum_field(ipv6: bool, udp: bool) -> usize {
    (if ipv6 { 40 } else { 20 }) + if udp { 6 } else { 16 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The other implementation's packets come out as they were, whatever stood in the checksum field.
    #[test]
    fn checksums_agree_with_another_implementation(
        ipv6: bool, udp: bool, junk: u16, payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let whole = built(ipv6, udp, &payload);
        let mut packet = whole.clone();
        let field = checksum_field(ipv6, udp);
        packet[field..field + 2].copy_from_slice(&junk.to_be_bytes());
        complete_checksum(&mut packet);
        prop_assert_eq!(packet, whole);
    }

    /// A virtual segment gets the header of a packet of its length.
    #[test]
    fn lengths_agree_with_another_implementation(
        ipv6: bool, udp: bool, payload in prop::collection::vec(any::<u8>(), 10..3000),
    ) {
        let whole = built(ipv6, udp, &payload);
        let mut packet = built(ipv6, udp, &payload[..10]);
        packet.extend_from_slice(&payload[10..]);
        correct_lengths(&mut packet);
        complete_checksum(&mut packet);
        prop_assert_eq!(packet, whole);
    }

    /// Whatever the bytes are, nothing panics.
    #[test]
    fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..80), version in prop::sample::select(vec![0x45_u8, 0x4f, 0x60])) {
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        correct_lengths(&mut bytes);
        complete_checksum(&mut bytes);
    }
}

#[test]
fn a_syn_is_completed() {
    let mut packet = TCP_OFFLOADED;
    complete_checksum(&mut packet);
    assert_eq!(packet, TCP_COMPLETED);
    let sliced = SlicedPacket::from_ip(&packet).unwrap();
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (sliced.net, sliced.transport) else {
        panic!("a TCP segment in IPv4");
    };
    let expected = tcp
        .calc_checksum_ipv4(ip.header().source(), ip.header().destination())
        .unwrap();
    assert_eq!(tcp.checksum(), expected);
}

#[test]
fn fragments_keep_what_they_have() {
    let mut fragment = TCP_OFFLOADED;
    fragment[6] = 0x20;
    let before = fragment;
    complete_checksum(&mut fragment);
    assert_eq!(fragment, before);
}

#[test]
fn extension_headers_are_walked() {
    let plain = built(true, true, b"payload");
    let mut packet = plain.clone();
    // A destination options header of eight bytes that holds padding.
    packet.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]);
    packet[6] = 60;
    packet[5] += 8;
    let field = 48 + 6;
    packet[field..field + 2].fill(0);
    complete_checksum(&mut packet);
    assert_eq!(packet[field..field + 2], plain[46..48]);
}

#[test]
fn what_no_length_field_can_say_stays() {
    let mut packet = built(false, true, &[]);
    packet.resize(66_000, 0);
    let before = packet.clone();
    correct_lengths(&mut packet);
    assert_eq!(packet, before);
}
