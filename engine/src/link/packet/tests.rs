use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::*;
use crate::frame::{Checksum, Packet, PoolConfig, Purpose, Size};
use crate::link::namespace::{add_address, isolated, open, set_mtu, set_up, udp_socket, veth, without_ipv6};
use crate::link::sys::interface::Feature;
use crate::time::Duration;

const NOW: Instant = Instant::ZERO;
/// How often is looked for a packet before it counts as lost, for seconds: the core that it waits for may be a virtual machine's whose host has
/// other work.
const LOOKS: usize = 10_000_000;

/// Two devices on the two ends of a cable, in a namespace where the kernel has nothing to say.
pub(in crate::link) fn cable(
    pools: &[FramePool; 2],
    config: &PacketConfig,
) -> Option<(PacketDevice, PacketDevice)> {
    without_ipv6();
    veth("near", "far", 1500);
    let end = |name: &str, pool: &FramePool| {
        let config = PacketConfig {
            interface: name.to_owned(),
            ..config.clone()
        };
        open(PacketDevice::new(&config, pool.clone()))
    };
    Some((end("near", &pools[0])?, end("far", &pools[1])?))
}

fn pools() -> [FramePool; 2] {
    [(); 2].map(|()| FramePool::new(PoolConfig::default()))
}

fn single() -> PacketConfig {
    PacketConfig::new("")
}

fn blocks() -> PacketConfig {
    PacketConfig {
        delivery: Delivery::Blocks(Duration::from_millis(1)),
        ..single()
    }
}

/// Frames of an EtherType that nobody knows.
fn fill(pool: &FramePool, batch: &mut PacketQueue, count: usize, bytes: usize) {
    for number in 0..count {
        let mut frame = vec![number as u8; bytes];
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        let frame = pool.copy(Purpose::Application, &frame).unwrap();
        batch.push().unwrap().push_piece(frame.freeze()).unwrap();
    }
}

fn receive_until(device: &mut PacketDevice, batch: &mut PacketQueue, wanted: usize) {
    for _ in 0..LOOKS {
        device.receive(NOW, batch);
        if batch.len() >= wanted {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_batch_is_one_system_call_and_receiving_it_is_none() {
    for config in [single(), blocks()] {
        isolated(move || {
            let pools = pools();
            let Some((mut near, mut far)) = cable(&pools, &config) else {
                return;
            };
            let mut batch = PacketQueue::with_capacity(64);
            fill(&pools[0], &mut batch, 64, 1514);
            assert_eq!(near.transmit(NOW, &mut batch), 64);
            assert_eq!(near.counters().system_calls, 1);
            receive_until(&mut far, &mut batch, 64);
            assert!(batch.iter().map(|packet| packet.contiguous()[20]).eq(0..64));
            assert_eq!(far.counters().copied_bytes, 64 * 1514);
            assert_eq!(near.counters().copied_bytes, 0);
        });
    }
}

#[test]
fn a_ring_that_overflows_loses_packets_and_says_how_many() {
    isolated(|| {
        let pools = pools();
        let config = PacketConfig {
            ring_bytes: 1,
            offloads: false,
            ..single()
        };
        let Some((mut near, mut far)) = cable(&pools, &config) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(64);
        for _ in 0..4 {
            fill(&pools[0], &mut batch, 64, 60);
            near.transmit(NOW, &mut batch);
        }
        let mut received = 0;
        while far.receive(NOW, &mut batch) > 0 {
            received += batch.len() as u64;
            batch.clear();
        }
        assert!(received < 256);
        // What was lost is told with the next packet behind it.
        fill(&pools[0], &mut batch, 1, 60);
        near.transmit(NOW, &mut batch);
        receive_until(&mut far, &mut batch, 1);
        assert_eq!(far.counters().dropped, 256 - received);
    });
}

/// Packets that the kernel has lost before any socket, of the whole machine: a thousand wait for a core that is behind, and no more.
fn lost_by_the_kernel() -> usize {
    let table = std::fs::read_to_string("/proc/net/softnet_stat").unwrap();
    let lost = |line: &str| usize::from_str_radix(line.split(' ').nth(1).unwrap(), 16).unwrap();
    table.lines().map(lost).sum()
}

/// While the engine does something else: more short packets than there would be long ones in a ring of the same size.
#[test]
fn a_burst_of_thousands_waits_with_and_without_offloads() {
    const BURST: usize = 3000;
    let without_offloads = PacketConfig {
        offloads: false,
        ..single()
    };
    for config in [single(), blocks(), without_offloads] {
        isolated(move || {
            let pools = pools();
            let Some((mut near, mut far)) = cable(&pools, &config) else {
                return;
            };
            let lost_before = lost_by_the_kernel();
            let mut batch = PacketQueue::with_capacity(50);
            for _ in 0..BURST / 50 {
                fill(&pools[0], &mut batch, 50, 60);
                assert_eq!(near.transmit(NOW, &mut batch), 50);
            }
            let mut arrived = 0;
            while arrived + (lost_by_the_kernel() - lost_before) < BURST {
                batch.clear();
                receive_until(&mut far, &mut batch, 1);
                assert!(!batch.is_empty(), "{arrived} arrived: {:?}", far.counters());
                arrived += batch.len();
            }
            assert_eq!(far.counters().dropped, 0, "{config:?}");
        });
    }
}

#[test]
fn long_packets_keep_their_place_among_short_ones() {
    isolated(|| {
        let pools = pools();
        let Some((mut near, mut far)) = cable(&pools, &single()) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(64);
        let mut lengths = Vec::new();
        for round in 0..20 {
            let long = 20_000 + 1000 * round;
            fill(&pools[0], &mut batch, 2, 60 + round);
            fill_run(&pools[0], &mut batch, long, 1400);
            lengths.extend([60 + round, 60 + round, 54 + long]);
            assert_eq!(near.transmit(NOW, &mut batch), 3);
        }
        receive_until(&mut far, &mut batch, lengths.len());
        assert!(batch.iter().map(Packet::len).eq(lengths));
        // One for each long packet; those are read to where they stay.
        let counters = far.counters();
        assert_eq!((counters.system_calls, counters.dropped), (20, 0));
        assert_eq!(
            counters.copied_bytes,
            2 * (0..20).map(|round| 60 + round).sum::<u64>()
        );
    });
}

/// The error that the socket is told of stands in front of what waits there.
#[test]
fn a_long_packet_that_waits_when_the_interface_goes_down_is_not_lost() {
    isolated(|| {
        let pools = pools();
        let Some((mut near, mut far)) = cable(&pools, &single()) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        for len in [30_000, 40_000] {
            fill_run(&pools[0], &mut batch, len, 1400);
        }
        assert_eq!(near.transmit(NOW, &mut batch), 2);
        set_up("far", false);
        receive_until(&mut far, &mut batch, 2);
        assert!(batch.iter().map(Packet::len).eq([30_054, 40_054]));
    });
}

#[test]
fn a_long_packet_without_a_frame_is_lost_and_the_short_ones_behind_it_pass() {
    isolated(|| {
        let scarce = PoolConfig {
            large_slots: 1,
            ..PoolConfig::default()
        };
        let pools = [FramePool::new(PoolConfig::default()), FramePool::new(scarce)];
        let Some((mut near, mut far)) = cable(&pools, &single()) else {
            return;
        };
        let held = pools[1].allocate(Purpose::Receive, Size::Large);
        assert!(held.is_some());
        let mut batch = PacketQueue::with_capacity(4);
        fill_run(&pools[0], &mut batch, 30_000, 1400);
        fill(&pools[0], &mut batch, 1, 60);
        near.transmit(NOW, &mut batch);
        receive_until(&mut far, &mut batch, 1);
        assert!(batch.iter().map(Packet::len).eq([60]));
        assert_eq!(far.counters().dropped, 1);
        drop(held);
        batch.clear();
        fill_run(&pools[0], &mut batch, 40_000, 1400);
        near.transmit(NOW, &mut batch);
        receive_until(&mut far, &mut batch, 1);
        assert!(batch.iter().map(Packet::len).eq([40_054]));
    });
}

#[test]
fn a_run_of_segments_crosses_as_one() {
    for config in [single(), blocks()] {
        isolated(move || {
            let pools = pools();
            let Some((mut near, mut far)) = cable(&pools, &config) else {
                return;
            };
            let mut batch = PacketQueue::with_capacity(4);
            let payload = fill_run(&pools[0], &mut batch, 60_000, 1400);
            assert_eq!(near.transmit(NOW, &mut batch), 1);
            receive_until(&mut far, &mut batch, 1);
            let packet = batch.get(0).expect("it arrived");
            assert_eq!(packet.checksum, Checksum::Offloaded);
            let mut bytes = vec![0; packet.len()];
            packet.copy_into(&mut bytes).unwrap();
            assert_eq!(bytes[54..], payload);
        });
    }
}

fn leave_uncut(interface: &str) {
    let interface = Interface::new(InterfaceName::new(interface).unwrap()).unwrap();
    interface.switch_off(Feature::TcpSegmentation).unwrap();
}

/// A run of TCP segments, numbered byte by byte.
fn fill_run(pool: &FramePool, batch: &mut PacketQueue, bytes: usize, segment_size: u16) -> Vec<u8> {
    let packet = batch.push().unwrap();
    let payload: Vec<u8> = (0..bytes).map(|place| place as u8).collect();
    let headers = tcp_headers(payload.len());
    packet.set_header_len(40).copy_from_slice(&headers);
    packet
        .push_header(14)
        .unwrap()
        .copy_from_slice(&ethernet_header());
    let frame = pool.copy(Purpose::Application, &payload).unwrap();
    packet.push_piece(frame.freeze()).unwrap();
    packet.checksum = Checksum::Offloaded;
    packet.segment_size = segment_size;
    payload
}

#[test]
fn a_run_of_segments_is_cut_on_its_way_to_an_interface_that_cuts_none() {
    for transmission in [Transmission::Calls, Transmission::Ring] {
        isolated(move || {
            let pools = pools();
            let config = PacketConfig {
                transmission,
                ..single()
            };
            let Some((mut near, mut far)) = cable(&pools, &config) else {
                return;
            };
            // Somebody may do this at any time, after the device was opened as well.
            leave_uncut("near");
            let mut batch = PacketQueue::with_capacity(64);
            let payload = fill_run(&pools[0], &mut batch, 60_000, 1400);
            near.transmit(NOW, &mut batch);
            assert!(batch.is_empty(), "{transmission:?}: it was refused");
            let segments = payload.len().div_ceil(1400);
            receive_until(&mut far, &mut batch, segments);
            assert_eq!(batch.len(), segments, "{transmission:?}");
            let mut arrived = Vec::new();
            for packet in batch.iter() {
                let mut bytes = vec![0; packet.len()];
                packet.copy_into(&mut bytes).unwrap();
                arrived.extend_from_slice(&bytes[54..]);
            }
            assert!(arrived == payload, "{transmission:?}");
        });
    }
}

/// As a cable that is pulled out at the far end: who waits for such an interface to take packets would wait in a loop.
#[test]
fn an_interface_without_a_carrier_takes_packets_and_they_are_lost() {
    for transmission in [Transmission::Calls, Transmission::Ring] {
        isolated(move || {
            let pools = pools();
            let config = PacketConfig {
                transmission,
                ..single()
            };
            let Some((mut near, mut far)) = cable(&pools, &config) else {
                return;
            };
            set_up("far", false);
            let mut batch = PacketQueue::with_capacity(64);
            fill(&pools[0], &mut batch, 64, 60);
            // Until the kernel has noticed, in its own time, it refuses each.
            for _ in 0..64 * 20 {
                near.transmit(NOW, &mut batch);
            }
            assert!(batch.is_empty(), "{transmission:?}");
            assert_eq!(near.next_deadline(), None, "{transmission:?}");
            set_up("far", true);
            while batch.is_empty() {
                fill(&pools[0], &mut batch, 1, 61);
                near.transmit(NOW, &mut batch);
                far.receive(NOW, &mut batch);
            }
            assert_eq!(batch.get(0).map(Packet::len), Some(61), "{transmission:?}");
        });
    }
}

/// The far end of the cable takes no packet of that length: the kernel loses it, and says that it has no room.
#[test]
fn a_packet_that_is_refused_for_ever_does_not_hold_up_the_others() {
    for (transmission, offloads) in [
        (Transmission::Calls, true),
        (Transmission::Ring, true),
        (Transmission::Ring, false),
    ] {
        isolated(move || {
            let pools = pools();
            let config = PacketConfig {
                transmission,
                offloads,
                ..single()
            };
            let Some((mut near, mut far)) = cable(&pools, &config) else {
                return;
            };
            set_mtu("far", 1000);
            let mut batch = PacketQueue::with_capacity(4);
            for bytes in [1400, 1300, 61] {
                fill(&pools[0], &mut batch, 1, bytes);
            }
            let mut arrived = PacketQueue::with_capacity(4);
            let mut turns = 0;
            while arrived.iter().all(|packet| packet.len() != 61) && turns < 10_000 {
                near.transmit(NOW, &mut batch);
                far.receive(NOW, &mut arrived);
                turns += 1;
            }
            assert!(batch.is_empty() && turns < 10_000, "{transmission:?} {offloads}");
            assert_eq!(near.counters().dropped, 2, "{transmission:?} {offloads}");
            assert_eq!(near.next_deadline(), None, "{transmission:?} {offloads}");
        });
    }
}

fn ethernet_header() -> [u8; 14] {
    let mut header = [2; 14];
    header[12..].copy_from_slice(&[8, 0]);
    header
}

fn tcp_headers(payload: usize) -> Vec<u8> {
    let mut headers = Vec::new();
    etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(1, 2, 3, 4)
        .write(&mut headers, &vec![0; payload])
        .unwrap();
    headers.truncate(40);
    headers
}

#[test]
fn checksums_that_the_kernel_left_unfinished_are_vouched_for_with_and_without_offloads() {
    for offloads in [true, false] {
        isolated(move || {
            without_ipv6();
            veth("near", "far", 1500);
            add_address("near", Ipv4Addr::new(10, 0, 0, 1).into(), 24);
            let config = PacketConfig {
                offloads,
                ..PacketConfig::new("far")
            };
            let pool = FramePool::new(PoolConfig::default());
            let Some(mut far) = open(PacketDevice::new(&config, pool)) else {
                return;
            };
            let sender = udp_socket([10, 0, 0, 1].into(), 0);
            sender.set_broadcast(true).unwrap();
            sender.send_to(b"unfinished", "10.0.0.255:9").unwrap();
            let mut batch = PacketQueue::with_capacity(4);
            receive_until(&mut far, &mut batch, 1);
            let packet = batch.get(0).expect("it arrived");
            assert!(packet.contiguous().ends_with(b"unfinished"));
            assert_eq!(packet.checksum, Checksum::Offloaded);
        });
    }
}

/// The ring has nothing of them any more, so whoever sleeps until it has would leave them until the next packet comes.
#[test]
fn datagrams_that_are_left_of_a_run_are_due_at_once() {
    for config in [single(), blocks()] {
        isolated(move || {
            let pools = pools();
            let Some((_, mut far)) = cable(&pools, &config) else {
                return;
            };
            add_address("near", Ipv4Addr::new(10, 0, 0, 1).into(), 24);
            let sender = udp_socket([10, 0, 0, 1].into(), 0);
            sender.set_broadcast(true).unwrap();
            option::set(sender.as_fd(), SocketOption::UdpSegment, 1000).unwrap();
            sender.send_to(&[7; 6000], "10.0.0.255:9").unwrap();
            let mut batch = PacketQueue::with_capacity(4);
            receive_until(&mut far, &mut batch, 4);
            assert_eq!(batch.len(), 4);
            assert_eq!(far.next_deadline(), Some(Instant::ZERO));
            batch.clear();
            assert_eq!(far.receive(NOW, &mut batch), 2);
            assert_eq!(far.next_deadline(), None);
        });
    }
}

#[test]
fn an_interface_that_goes_down_loses_packets_and_comes_back() {
    isolated(|| {
        let pools = pools();
        let Some((mut near, mut far)) = cable(&pools, &single()) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        set_up("near", false);
        fill(&pools[0], &mut batch, 2, 60);
        assert_eq!(near.transmit(NOW, &mut batch), 2);
        assert_eq!((near.counters().dropped, near.counters().sent), (2, 0));
        set_up("near", true);
        fill(&pools[0], &mut batch, 2, 60);
        assert_eq!(near.transmit(NOW, &mut batch), 2);
        receive_until(&mut far, &mut batch, 2);
        assert_eq!(batch.len(), 2);
    });
}

#[test]
fn frames_that_no_engine_can_read_are_dropped_and_counted() {
    isolated(|| {
        let pools = pools();
        let Some((mut near, mut far)) = cable(&pools, &single()) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        // Shorter than a header, longer than the MTU; a VLAN's; and one that arrives.
        for bytes in [14, 1515] {
            fill(&pools[0], &mut batch, 1, bytes);
        }
        let mut tagged = [0; 60];
        tagged[12..16].copy_from_slice(&[0x81, 0, 0, 5]);
        let frame = pools[0].copy(Purpose::Application, &tagged).unwrap();
        batch.push().unwrap().push_piece(frame.freeze()).unwrap();
        fill(&pools[0], &mut batch, 1, 61);
        assert_eq!(near.transmit(NOW, &mut batch), 4);
        assert_eq!((near.counters().dropped, near.counters().sent), (2, 2));
        receive_until(&mut far, &mut batch, 1);
        assert_eq!(batch.get(0).map(Packet::len), Some(61));
        assert_eq!(far.counters().dropped, 1);
    });
}

#[test]
fn a_ring_that_no_kernel_can_count_is_refused_with_its_length() {
    let config = PacketConfig {
        ring_bytes: usize::MAX,
        ..PacketConfig::new("lo")
    };
    let error = PacketDevice::new(&config, FramePool::new(PoolConfig::default()))
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains(&usize::MAX.to_string()), "{error}");
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    let pool = FramePool::new(PoolConfig::default());
    let error = PacketDevice::new(&PacketConfig::new("nowhere0"), pool).unwrap_err();
    assert!(
        matches!(&error, OpenError::NoInterface(name) if name == "nowhere0"),
        "{error}"
    );
}

/// Devices on one end of a cable that share what comes over it, and one on the other end.
fn sharing(ports: &[RangeInclusive<u16>]) -> Option<(PacketDevice, Vec<PacketDevice>)> {
    without_ipv6();
    veth("near", "far", 1500);
    let device =
        |config: &PacketConfig| open(PacketDevice::new(config, FramePool::new(PoolConfig::default())));
    let near = device(&PacketConfig::new("near"))?;
    let config = PacketConfig {
        share: Some(Share {
            group: 7,
            ports: ports.to_vec(),
        }),
        ..PacketConfig::new("far")
    };
    let members = ports.iter().map(|_| device(&config)).collect::<Option<_>>()?;
    Some((near, members))
}

/// Which of the members gets a frame.
fn receiver_of(near: &mut PacketDevice, members: &mut [PacketDevice], frame: &[u8]) -> usize {
    let pool = FramePool::new(PoolConfig::default());
    let mut batch = PacketQueue::with_capacity(1);
    let piece = pool.copy(Purpose::Application, frame).unwrap().freeze();
    batch.push().unwrap().push_piece(piece).unwrap();
    assert_eq!(near.transmit(NOW, &mut batch), 1);
    for _ in 0..LOOKS {
        for (number, member) in members.iter_mut().enumerate() {
            if member.receive(NOW, &mut batch) == 1 {
                return number;
            }
        }
        std::thread::yield_now();
    }
    panic!("nobody got it");
}

fn to_port(v6: bool, tcp: bool, from: u16, to: u16) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]);
    let builder = if v6 {
        builder.ipv6([7; 16], [9; 16], 64)
    } else {
        builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
    };
    let mut bytes = Vec::new();
    if tcp {
        builder.tcp(from, to, 1, 2).write(&mut bytes, b"text").unwrap();
    } else {
        builder.udp(from, to).write(&mut bytes, b"text").unwrap();
    }
    bytes
}

const RANGES: [RangeInclusive<u16>; 3] = [30_000..=39_999, 40_000..=49_999, 50_000..=59_999];

#[test]
fn a_flow_comes_to_the_device_in_whose_range_its_port_is() {
    isolated(|| {
        let Some((mut near, mut members)) = sharing(&RANGES) else {
            return;
        };
        for (number, range) in RANGES.iter().enumerate() {
            for port in [*range.start(), 123 + range.start(), *range.end()] {
                for (v6, tcp) in [(false, false), (false, true), (true, false), (true, true)] {
                    let mut frame = to_port(v6, tcp, 80, port);
                    assert_eq!(
                        receiver_of(&mut near, &mut members, &frame),
                        number,
                        "{port} {v6} {tcp}"
                    );
                    if !v6 {
                        // Four bytes of options.
                        frame[14] = 0x46;
                        frame.splice(34..34, [1; 4]);
                        assert_eq!(receiver_of(&mut near, &mut members, &frame), number);
                    }
                }
            }
        }
    });
}

#[test]
fn flows_to_a_common_port_are_spread_and_each_stays_whole() {
    isolated(|| {
        let Some((mut near, mut members)) = sharing(&RANGES) else {
            return;
        };
        for v6 in [false, true] {
            let mut shares = [0; RANGES.len()];
            for from in 1000..1120 {
                let first = receiver_of(&mut near, &mut members, &to_port(v6, true, from, 80));
                let second = receiver_of(&mut near, &mut members, &to_port(v6, true, from, 80));
                assert_eq!(first, second, "{from}");
                shares[first] += 1;
            }
            assert!(shares.iter().all(|&flows| flows >= 20), "{shares:?}");
        }
    });
}

#[test]
fn what_has_no_port_in_its_place_comes_to_the_first_device() {
    isolated(|| {
        let Some((mut near, mut members)) = sharing(&RANGES) else {
            return;
        };
        let mut fragment = to_port(false, false, 9, 55_000);
        fragment[20] = 0x20;
        let mut icmp = to_port(false, false, 9, 55_000);
        icmp[23] = 1;
        let mut extension = to_port(true, true, 9, 55_000);
        extension[20] = 0;
        let mut arp = vec![0; 60];
        arp[12..14].copy_from_slice(&[8, 6]);
        let cut_off = to_port(false, false, 9, 55_000)[..35].to_vec();
        for frame in [fragment, icmp, extension, arp, cut_off] {
            assert_eq!(receiver_of(&mut near, &mut members, &frame), 0);
        }
    });
}

#[test]
fn a_group_has_a_member_for_each_range_and_no_others() {
    isolated(|| {
        let Some((_near, _members)) = sharing(&RANGES) else {
            return;
        };
        let alone = PacketConfig {
            share: Some(Share {
                group: 7,
                ports: Vec::new(),
            }),
            ..PacketConfig::new("far")
        };
        let pool = FramePool::new(PoolConfig::default());
        let error = PacketDevice::new(&alone, pool.clone()).unwrap_err();
        assert!(error.to_string().contains("0 ranges"), "{error}");
        // A group belongs to one interface.
        let elsewhere = PacketConfig {
            share: Some(Share {
                group: 7,
                ports: RANGES.to_vec(),
            }),
            ..PacketConfig::new("near")
        };
        let error = PacketDevice::new(&elsewhere, pool).unwrap_err();
        assert!(
            matches!(&error, OpenError::Busy(what) if what.contains("group 7")),
            "{error}"
        );
    });
}

#[test]
fn a_transmit_ring_that_is_full_is_emptied_by_one_call_and_order_is_kept() {
    isolated(|| {
        let pools = pools();
        let config = PacketConfig {
            transmission: Transmission::Ring,
            ring_bytes: 1 << 20,
            ..single()
        };
        let Some((mut near, mut far)) = cable(&pools, &config) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(64);
        fill(&pools[0], &mut batch, 14, 1514);
        assert_eq!(near.transmit(NOW, &mut batch), 14);
        let calls = near.counters().system_calls;
        assert!(calls <= 3, "{calls} calls: half of 16 frames, so two rings full");
        assert_eq!(near.counters().copied_bytes, 14 * 1514);
        assert_eq!(near.next_deadline(), None);
        receive_until(&mut far, &mut batch, 14);
        assert!(batch.iter().map(|packet| packet.contiguous()[20]).eq(0..14));
    });
}

#[test]
fn what_waits_in_a_transmit_ring_while_the_interface_is_down_is_sent_when_it_is_up() {
    isolated(|| {
        let pools = pools();
        let config = PacketConfig {
            transmission: Transmission::Ring,
            ..single()
        };
        let Some((mut near, mut far)) = cable(&pools, &config) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(64);
        set_up("near", false);
        fill(&pools[0], &mut batch, 64, 60);
        near.transmit(NOW, &mut batch);
        let room = batch.room();
        fill(&pools[0], &mut batch, room, 60);
        near.transmit(NOW, &mut batch);
        assert!(!batch.is_empty(), "the ring is full");
        assert_eq!(near.next_deadline(), None, "nobody is to try again and again");
        set_up("near", true);
        let mut arrived = PacketQueue::with_capacity(128);
        for _ in 0..1000 {
            near.transmit(NOW, &mut batch);
            far.receive(NOW, &mut arrived);
        }
        assert!(batch.is_empty());
        assert_eq!(near.counters().sent, arrived.len() as u64);
    });
}
