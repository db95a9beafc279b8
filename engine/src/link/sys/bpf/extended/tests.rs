//! The program that shares out packets, translated and run without the kernel.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};
use proptest::prelude::*;

use super::*;
use crate::link::sys::share;

const CLIENT: &str = "10.0.0.1";
const SERVER: &str = "10.0.0.2";
const CLIENT_V6: &str = "fd00::1";
const SERVER_V6: &str = "fd00::2";
const LOADS: [u32; 2] = [libc::BPF_ABS, libc::BPF_IND];

fn ranges() -> Vec<RangeInclusive<u16>> {
    vec![20_000..=29_999, 30_000..=39_999, 40_000..=40_000]
}

/// Which member a packet is for. The kernel counts from the network header and reads words in network order; the interpreter counts from the
/// beginning and reads them in the machine's, in which the packet must have them.
fn member(packet: &[u8]) -> u64 {
    let mut code = extend(&share::program(&ranges()));
    for instruction in &mut code {
        let operation = u32::from(instruction[0]);
        if operation & 7 == libc::BPF_LD && LOADS.contains(&(operation & 0xe0)) {
            let [.., a, b, c, d] = *instruction;
            let offset = u32::from_ne_bytes([a, b, c, d]).wrapping_sub(share::NETWORK);
            instruction[4..].copy_from_slice(&offset.to_ne_bytes());
        }
    }
    let code = code.concat();
    let machine = rbpf::EbpfVmRaw::new(Some(&code)).expect("a program that the verifier takes");
    let mut packet = packet.to_vec();
    machine
        .execute_program(&mut packet)
        .expect("no step beyond the packet")
}

/// A datagram or segment with its multi-byte fields in the machine's order.
fn packet(from: &str, to: &str, ports: (u16, u16), udp: bool) -> Vec<u8> {
    let (from, to) = (from.parse().expect("an address"), to.parse().expect("an address"));
    let builder = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
        _ => panic!("two families"),
    };
    let mut bytes = written(builder, ports, udp);
    if bytes[0] >> 4 == 4 {
        reorder(&mut bytes, &[6..8, 12..16, 16..20, 20..22, 22..24]);
    } else {
        reorder(&mut bytes, &[20..24, 36..40, 40..42, 42..44]);
    }
    bytes
}

fn written(builder: PacketBuilderStep<IpHeaders>, (from, to): (u16, u16), udp: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let done = if udp {
        builder.udp(from, to).write(&mut bytes, b"text")
    } else {
        builder.tcp(from, to, 1, 2).write(&mut bytes, b"text")
    };
    done.expect("a vector takes everything");
    bytes
}

fn reorder(bytes: &mut [u8], fields: &[std::ops::Range<usize>]) {
    for field in fields {
        if cfg!(target_endian = "little") {
            bytes[field.clone()].reverse();
        }
    }
}

#[test]
fn an_answer_goes_to_the_member_whose_port_it_names() {
    for (from, to) in [(SERVER, CLIENT), (SERVER_V6, CLIENT_V6)] {
        for udp in [true, false] {
            for (port, expected) in [(20_000, 0), (29_999, 0), (30_000, 1), (39_999, 1), (40_000, 2)] {
                assert_eq!(member(&packet(from, to, (80, port), udp)), expected, "{port}");
            }
        }
    }
}

#[test]
fn other_ports_are_spread_over_all_members_each_flow_as_a_whole() {
    for (from, to) in [(CLIENT, SERVER), (CLIENT_V6, SERVER_V6)] {
        let mut flows = [0; 3];
        for port in 50_000..50_300 {
            let one = member(&packet(from, to, (port, 80), false));
            assert_eq!(one, member(&packet(from, to, (port, 80), false)));
            flows[one as usize] += 1;
        }
        assert!(flows.iter().all(|&flows| flows > 50), "{flows:?}");
    }
}

#[test]
fn what_has_no_port_in_its_place_is_the_firsts() {
    let mut fragment = packet(SERVER, CLIENT, (80, 30_000), true);
    fragment[6..8].copy_from_slice(&0x2000_u16.to_ne_bytes());
    let mut later = packet(SERVER, CLIENT, (80, 30_000), true);
    later[6..8].copy_from_slice(&1_u16.to_ne_bytes());
    let mut icmp = packet(SERVER, CLIENT, (80, 30_000), true);
    icmp[9] = 1;
    let mut extension = packet(SERVER_V6, CLIENT_V6, (80, 30_000), true);
    extension[6] = 0;
    let neither = vec![0x55; 60];
    for packet in [fragment, later, icmp, extension, neither] {
        assert_eq!(member(&packet), 0);
    }
}

#[test]
fn ports_are_found_behind_ip_options() {
    let mut options = packet(SERVER, CLIENT, (80, 30_000), false);
    options[0] = 0x46;
    options.splice(20..20, [1; 4]);
    assert_eq!(member(&options), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands in the headers, the answer is one of the members.
    #[test]
    fn every_packet_has_a_member(mut bytes in prop::collection::vec(any::<u8>(), 104), version in 4_u8..7) {
        bytes[0] = version << 4 | bytes[0] & 0xf;
        prop_assert!(member(&bytes) < 3);
    }
}
