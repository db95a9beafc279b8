use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

use super::*;
use crate::frame::{PoolConfig, Purpose};
use crate::link::namespace::{add_address, isolated, open, set_up, udp_socket, without_ipv6};
use crate::link::sys::option::{self, SocketOption};

const NOW: Instant = Instant::ZERO;
const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OURS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
const THEIRS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);

fn pool() -> FramePool {
    FramePool::new(PoolConfig::default())
}

/// The far end of a TUN interface whose other end has an address of each family.
fn tunnel(config: &TunConfig, pool: &FramePool) -> Option<TunDevice> {
    let device = open(TunDevice::new(config, pool.clone()))?;
    add_address(&device.name(), THEIRS.into(), 24);
    add_address(&device.name(), THEIRS_V6.into(), 64);
    Some(device)
}

/// Datagrams that `device` receives from the kernel's address, in batches of four: destination port and payload.
fn datagrams(device: &mut TunDevice, wanted: usize) -> Vec<(u16, Vec<u8>)> {
    let mut batch = PacketQueue::with_capacity(4);
    let mut found = Vec::new();
    for _ in 0..1000 {
        device.receive(NOW, &mut batch);
        for packet in batch.iter() {
            let mut bytes = vec![0; packet.len()];
            packet.copy_into(&mut bytes).unwrap();
            let sliced = SlicedPacket::from_ip(&bytes).unwrap();
            if let Some(TransportSlice::Udp(udp)) = sliced.transport {
                assert_eq!(usize::from(udp.length()), udp.payload().len() + 8);
                found.push((udp.destination_port(), udp.payload().to_vec()));
            }
        }
        batch.clear();
        if found.len() >= wanted {
            break;
        }
    }
    found
}

/// A datagram as the engine would send it: headers inline, the checksum left to the device, cut into `segment` bytes if not 0.
fn build(packet: &mut Packet, pool: &FramePool, v6: bool, payload: &[u8], segment: u16) {
    let builder = if v6 {
        PacketBuilder::ipv6(OURS_V6.octets(), THEIRS_V6.octets(), 64)
    } else {
        PacketBuilder::ipv4(OURS.octets(), THEIRS.octets(), 64)
    };
    let mut bytes = Vec::new();
    builder.udp(5, 6).write(&mut bytes, payload).unwrap();
    let (headers, body) = bytes.split_at(bytes.len() - payload.len());
    packet.set_header_len(headers.len()).copy_from_slice(headers);
    let checksum = packet.header().len() - 2;
    packet.header_mut()[checksum..].fill(0);
    for piece in body.chunks(20_000) {
        let frame = pool.copy(Purpose::Application, piece).unwrap();
        packet.push_piece(frame.freeze()).unwrap();
    }
    packet.checksum = Checksum::Offloaded;
    packet.segment_size = segment;
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (place % 251) as u8).collect()
}

#[test]
fn datagrams_that_arrive_as_one_are_taken_apart() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = tunnel(&TunConfig::default(), &pool) else {
            return;
        };
        for (ours, theirs) in [
            (IpAddr::from(OURS), IpAddr::from(THEIRS)),
            (OURS_V6.into(), THEIRS_V6.into()),
        ] {
            let sender = udp_socket(theirs, 0);
            option::set(sender.as_fd(), SocketOption::UdpSegment, 1000).unwrap();
            let sent = pattern(10_500);
            sender.send_to(&sent, (ours, 9)).unwrap();
            let expected: Vec<_> = sent.chunks(1000).map(|payload| (9, payload.to_vec())).collect();
            let calls = device.counters().system_calls;
            assert_eq!(datagrams(&mut device, 11), expected);
            let calls = device.counters().system_calls - calls;
            assert!(calls < 11, "{calls} system calls: they did not come as one");
        }
        assert_eq!(device.counters().copied_bytes, 0);
    });
}

/// The descriptor is not readable any more, so whoever sleeps until it is would leave them until the next packet comes.
#[test]
fn datagrams_that_are_left_of_a_run_are_due_at_once() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = tunnel(&TunConfig::default(), &pool) else {
            return;
        };
        // What the kernel says by itself when the interface comes up.
        while !datagrams(&mut device, 1).is_empty() {}
        let sender = udp_socket(THEIRS.into(), 0);
        option::set(sender.as_fd(), SocketOption::UdpSegment, 1000).unwrap();
        sender.send_to(&pattern(6000), (OURS, 9)).unwrap();
        let mut batch = PacketQueue::with_capacity(4);
        assert_eq!(device.receive(NOW, &mut batch), 4);
        assert_eq!(device.next_deadline(), Some(Instant::ZERO));
        batch.clear();
        assert_eq!(device.receive(NOW, &mut batch), 2);
        assert_eq!(device.next_deadline(), None);
    });
}

#[test]
fn a_virtual_segment_leaves_as_datagrams_with_their_checksums() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = tunnel(&TunConfig::default(), &pool) else {
            return;
        };
        for (theirs, v6) in [(IpAddr::from(THEIRS), false), (THEIRS_V6.into(), true)] {
            let receiver = udp_socket(theirs, 6);
            let mut batch = PacketQueue::with_capacity(4);
            let sent = pattern(40_300);
            build(batch.push().unwrap(), &pool, v6, &sent, 1400);
            build(batch.push().unwrap(), &pool, v6, b"single", 0);
            let calls = device.counters().system_calls;
            assert_eq!(device.transmit(NOW, &mut batch), 2);
            assert_eq!(device.counters().system_calls - calls, 2);
            let mut buffer = [0; 2000];
            for expected in sent.chunks(1400).chain([&b"single"[..]]) {
                let len = receiver.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..len], expected);
            }
        }
    });
}

#[test]
fn a_device_without_offloads_refuses_what_it_never_offered() {
    isolated(|| {
        let pool = pool();
        let config = TunConfig {
            offloads: false,
            ..TunConfig::default()
        };
        let Some(mut device) = tunnel(&config, &pool) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        build(batch.push().unwrap(), &pool, false, &pattern(5000), 1000);
        build(batch.push().unwrap(), &pool, false, b"unfinished", 0);
        assert_eq!(device.transmit(NOW, &mut batch), 2);
        assert_eq!((device.counters().dropped, device.counters().sent), (2, 0));
    });
}

#[test]
fn an_interface_that_goes_down_loses_packets_and_comes_back() {
    isolated(|| {
        without_ipv6();
        let pool = pool();
        let config = TunConfig::default();
        let Some(mut device) = open(TunDevice::new(&config, pool.clone())) else {
            return;
        };
        add_address(&device.name(), THEIRS.into(), 24);
        let receiver = udp_socket(THEIRS.into(), 6);
        let mut batch = PacketQueue::with_capacity(4);
        set_up(&device.name(), false);
        build(batch.push().unwrap(), &pool, false, b"lost", 0);
        assert_eq!(device.transmit(NOW, &mut batch), 1);
        assert_eq!(device.receive(NOW, &mut batch), 0);
        assert_eq!(device.counters().dropped, 1);
        set_up(&device.name(), true);
        build(batch.push().unwrap(), &pool, false, b"here", 0);
        assert_eq!(device.transmit(NOW, &mut batch), 1);
        let mut buffer = [0; 10];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 4);
        assert_eq!(device.counters().sent, 1);
    });
}

#[test]
fn bytes_that_are_no_packet_are_dropped_and_counted() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = tunnel(&TunConfig::default(), &pool) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        // Neither version 4 nor 6; nothing at all; an offload that the bytes do not bear out.
        for bytes in [&[0xff; 40][..], &[]] {
            let frame = pool.copy(Purpose::Application, bytes).unwrap();
            batch.push().unwrap().push_piece(frame.freeze()).unwrap();
        }
        let packet = batch.push().unwrap();
        packet.set_header_len(40).fill(0x45);
        packet.checksum = Checksum::Offloaded;
        assert_eq!(device.transmit(NOW, &mut batch), 3);
        assert_eq!(device.counters().dropped, 3);
    });
}

#[test]
fn a_pool_without_frames_leaves_packets_in_the_kernel() {
    isolated(|| {
        let pool = FramePool::new(PoolConfig {
            small_slots: 2,
            large_slots: 0,
            loans: 0,
            guaranteed_percent: 0,
        });
        let Some(mut device) = tunnel(&TunConfig::default(), &pool) else {
            return;
        };
        let held: Vec<_> =
            std::iter::from_fn(|| pool.allocate(Purpose::Control, crate::frame::Size::Small)).collect();
        let sender = udp_socket(THEIRS.into(), 0);
        sender.send_to(b"patience", (OURS, 9)).unwrap();
        let mut batch = PacketQueue::with_capacity(4);
        assert_eq!(device.receive(NOW, &mut batch), 0);
        drop(held);
        assert_eq!(datagrams(&mut device, 1), [(9, b"patience".to_vec())]);
    });
}

#[test]
fn several_devices_share_an_interface_with_queues_and_no_other() {
    isolated(|| {
        let shared = TunConfig {
            name: "shared".to_owned(),
            queues: Queues::Remembered,
            ..TunConfig::default()
        };
        let Some(_first) = open(TunDevice::new(&shared, pool())) else {
            return;
        };
        TunDevice::new(&shared, pool()).expect("a second queue");
        let single = TunConfig {
            name: "single".to_owned(),
            ..TunConfig::default()
        };
        let _only = TunDevice::new(&single, pool()).expect("an interface");
        let error = TunDevice::new(&single, pool()).unwrap_err();
        assert!(
            matches!(&error, OpenError::Busy(what) if what.contains("single")),
            "{error}"
        );
        let tap = TunConfig {
            medium: Medium::Ethernet,
            ..shared
        };
        let error = TunDevice::new(&tap, pool()).unwrap_err();
        assert!(error.to_string().contains("`shared` exists"), "{error}");
    });
}

#[test]
fn what_no_interface_can_be_is_refused_with_its_value() {
    let named = |name: &str| TunConfig {
        name: name.to_owned(),
        ..TunConfig::default()
    };
    let sized = |mtu| TunConfig {
        mtu,
        ..TunConfig::default()
    };
    for (config, word) in [
        (named("sixteen-letters!"), "sixteen-letters!"),
        (named("a/b"), "a/b"),
        (named("tun%s"), "tun%s"),
        (named("a b"), "a b"),
        (named(".."), ".."),
        (
            TunConfig {
                queues: Queues::Steered(Vec::new()),
                ..TunConfig::default()
            },
            "0 ranges",
        ),
        (sized(67), "67"),
        (sized(65_536), "65536"),
    ] {
        let error = TunDevice::new(&config, pool()).unwrap_err();
        assert!(matches!(error, OpenError::Invalid(_)));
        assert!(error.to_string().contains(word), "{error}");
    }
}
