//! The program's bytes, run without the kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HIGH: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 200);
const OURS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0xabcd, 0xef01);
const MAP: i32 = 77;
const QUEUE: u64 = 3;
/// What the helper returns, the kernel's `XDP_REDIRECT`.
const REDIRECTED: u64 = 4;
const PASSED: u64 = PASS as u64;

static MAP_SEEN: AtomicU64 = AtomicU64::new(0);

fn redirect_map(map: u64, queue: u64, otherwise: u64, _: u64, _: u64) -> u64 {
    MAP_SEEN.store(map, Ordering::Relaxed);
    if (queue, otherwise) == (QUEUE, PASSED) {
        REDIRECTED
    } else {
        u64::MAX
    }
}

/// What becomes of a frame. Interpreters have 64-bit addresses where the context says 32, so the two loads of them are widened, as the
/// kernel itself does.
fn verdict(steering: &Steering, frame: &[u8]) -> u64 {
    const WIDE_DATA: i16 = 32;
    const WIDE_END: i16 = 40;
    let mut code = assemble(steering, MAP);
    for instruction in &mut code {
        let load = [instruction[0], instruction[1] >> 4];
        if load == [0x61, CONTEXT] {
            let wide = match i16::from_ne_bytes([instruction[2], instruction[3]]) {
                DATA => WIDE_DATA,
                DATA_END => WIDE_END,
                _ => continue,
            };
            instruction[0] = 0x79;
            instruction[2..4].copy_from_slice(&wide.to_ne_bytes());
        }
    }
    let code = code.concat();
    let mut context = [0; 48];
    context[RX_QUEUE as usize..][..4].copy_from_slice(&(QUEUE as u32).to_ne_bytes());
    let range = frame.as_ptr_range();
    context[32..40].copy_from_slice(&(range.start as u64).to_ne_bytes());
    context[40..48].copy_from_slice(&(range.end as u64).to_ne_bytes());
    let mut machine = rbpf::EbpfVmMbuff::new(Some(&code)).unwrap();
    machine
        .register_helper(REDIRECT_MAP as u32, redirect_map)
        .unwrap();
    machine.execute_program(frame, &context).unwrap()
}

fn addresses() -> Steering {
    Steering::Addresses(vec![HIGH.into(), OURS.into(), OURS_V6.into()])
}

fn ports() -> Steering {
    Steering::Ports(vec![OURS.into(), OURS_V6.into()], 1000..=40_000)
}

fn v4(to: Ipv4Addr, port: u16, udp: bool) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], to.octets(), 64);
    written(builder, port, udp)
}

fn v6(to: Ipv6Addr, port: u16, udp: bool) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6([7; 16], to.octets(), 64);
    written(builder, port, udp)
}

fn written(builder: etherparse::PacketBuilderStep<etherparse::IpHeaders>, port: u16, udp: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if udp {
        builder.udp(9, port).write(&mut bytes, b"text").unwrap();
    } else {
        builder.tcp(9, port, 1, 2).write(&mut bytes, b"text").unwrap();
    }
    bytes
}

fn arp(target: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12..14].copy_from_slice(&[8, 6]);
    frame[38..42].copy_from_slice(&target.octets());
    frame
}

#[test]
fn everything_is_the_engines_when_all_is_asked_for() {
    for frame in [vec![0; 14], v4(OURS, 1, true), arp(HIGH)] {
        assert_eq!(verdict(&Steering::All, &frame), REDIRECTED);
    }
}

#[test]
fn the_map_is_the_one_that_was_made() {
    verdict(&Steering::All, &[0; 14]);
    assert_eq!(MAP_SEEN.load(Ordering::Relaxed) as i32, MAP);
}

#[test]
fn packets_to_our_addresses_and_questions_for_them_are_redirected() {
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xffcd, 0xef01);
    for frame in [
        v4(OURS, 1, true),
        v4(HIGH, 1, false),
        v6(OURS_V6, 1, false),
        v6(group, 1, true),
        arp(OURS),
        arp(HIGH),
    ] {
        assert_eq!(verdict(&addresses(), &frame), REDIRECTED);
    }
    let other = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0xabcd, 0xef02);
    let foreign = Ipv4Addr::new(10, 0, 0, 3);
    for frame in [
        v4(foreign, 1, true),
        v6(other, 1, true),
        arp(foreign),
        vec![0xff; 60],
    ] {
        assert_eq!(verdict(&addresses(), &frame), PASSED);
    }
}

#[test]
fn ports_are_shared_out_between_the_engine_and_the_kernel() {
    for udp in [true, false] {
        for (port, expected) in [
            (999, PASSED),
            (1000, REDIRECTED),
            (40_000, REDIRECTED),
            (40_001, PASSED),
        ] {
            assert_eq!(verdict(&ports(), &v4(OURS, port, udp)), expected, "{port}");
            assert_eq!(verdict(&ports(), &v6(OURS_V6, port, udp)), expected, "{port}");
        }
    }
    assert_eq!(verdict(&ports(), &v4(HIGH, 2000, true)), PASSED);
    assert_eq!(verdict(&ports(), &arp(OURS)), PASSED);
}

#[test]
fn what_has_no_port_in_its_place_is_the_kernels() {
    let mut fragment = v4(OURS, 2000, true);
    fragment[20] = 0x20;
    let mut later_fragment = v4(OURS, 2000, true);
    later_fragment[21] = 1;
    let mut icmp = v4(OURS, 2000, true);
    icmp[23] = 1;
    let mut extension = v6(OURS_V6, 2000, true);
    extension[20] = 0;
    for frame in [fragment, later_fragment, icmp, extension] {
        assert_eq!(verdict(&ports(), &frame), PASSED);
    }
}

#[test]
fn ports_are_found_behind_ip_options() {
    let mut frame = v4(OURS, 2000, true);
    frame[14] = 0x46;
    frame.splice(34..34, [1; 4]);
    assert_eq!(verdict(&ports(), &frame), REDIRECTED);
    // The longest header that can be claimed reaches beyond the packet.
    frame[14] = 0x4f;
    assert_eq!(verdict(&ports(), &frame), PASSED);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The interpreter refuses to read past a packet, so no cut may make the program do it; and nothing short is ours.
    #[test]
    fn no_packet_is_read_past_its_end(len in 0_usize..90, mut frame in prop::collection::vec(any::<u8>(), 90), kind in 0..4) {
        let template = match kind {
            0 => v4(OURS, 2000, true),
            1 => v6(OURS_V6, 2000, false),
            2 => arp(OURS),
            _ => Vec::new(),
        };
        frame[..template.len().min(90)].copy_from_slice(&template[..template.len().min(90)]);
        frame.truncate(len);
        for steering in [addresses(), ports(), Steering::All] {
            let verdict = verdict(&steering, &frame);
            prop_assert!(verdict == PASSED || verdict == REDIRECTED);
            if len < 34 && steering != Steering::All {
                prop_assert_eq!(verdict, PASSED);
            }
        }
    }
}

#[test]
fn addresses_are_compared_as_they_stand() {
    let all: Vec<IpAddr> = (0..MAX_ADDRESSES as u8)
        .map(|host| IpAddr::from([255, 254, 253, host]))
        .collect();
    let steering = Steering::Addresses(all.clone());
    for address in all {
        let IpAddr::V4(address) = address else { continue };
        assert_eq!(verdict(&steering, &v4(address, 1, true)), REDIRECTED);
    }
    assert_eq!(
        verdict(&steering, &v4(Ipv4Addr::new(255, 254, 253, 99), 1, true)),
        PASSED
    );
}
