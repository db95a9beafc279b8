use std::net::{IpAddr, Ipv4Addr};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

use super::*;
use crate::frame::PoolConfig;
use crate::link::namespace::{
    add_address, isolated, open, set_up, udp_socket, veth, veth_with_queues, without_ipv6,
};
use crate::link::packet::{PacketConfig, PacketDevice};

const NOW: Instant = Instant::ZERO;

fn pool() -> FramePool {
    FramePool::new(PoolConfig::default())
}

/// An AF_XDP device on one end of a cable, a packet socket on the other, and the pool of the former.
fn cable(config: &XdpConfig, mtu: u32) -> Option<(XdpDevice, PacketDevice, FramePool)> {
    without_ipv6();
    veth("near", "far", mtu);
    let pool = pool();
    let near = open(XdpDevice::new(config, pool.clone()))?;
    let far = open(PacketDevice::new(&PacketConfig::new("far"), self::pool()))?;
    Some((near, far, pool))
}

fn config() -> XdpConfig {
    XdpConfig::new("near")
}

/// A frame with a datagram to this address.
fn datagram(to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 0, 1], to, 64)
        .udp(5, 6)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

/// A packet with an Ethernet header inline and a body in pieces of up to `piece` bytes.
fn build(batch: &mut PacketQueue, pool: &FramePool, frame: &[u8], piece: usize) {
    let packet = batch.push().unwrap();
    packet.set_header_len(14).copy_from_slice(&frame[..14]);
    for piece in frame[14..].chunks(piece) {
        let frame = pool.copy(Purpose::Application, piece).unwrap();
        packet.push_piece(frame.freeze()).unwrap();
    }
}

fn receive(device: &mut dyn Device, wanted: usize) -> Vec<Vec<u8>> {
    let mut batch = PacketQueue::with_capacity(64);
    let mut found = Vec::new();
    for _ in 0..10_000 {
        device.receive(NOW, &mut batch);
        found.extend(batch.iter().map(|packet| {
            let mut bytes = vec![0; packet.len()];
            packet.copy_into(&mut bytes).unwrap();
            bytes
        }));
        batch.clear();
        if found.len() >= wanted {
            break;
        }
    }
    found
}

#[test]
fn what_is_not_for_the_engine_goes_on_to_the_kernel() {
    isolated(|| {
        let ours = Ipv4Addr::new(10, 0, 0, 2);
        let config = XdpConfig {
            steering: Steering::Addresses(vec![ours.into()]),
            ..config()
        };
        let Some((mut near, mut far, _)) = cable(&config, 1500) else {
            return;
        };
        let Some(mut kernel) = open(PacketDevice::new(&PacketConfig::new("near"), pool())) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        let frames = [2, 3, 2].map(|host| datagram([10, 0, 0, host], &[host; 40]));
        let sender = pool();
        for frame in &frames {
            build(&mut batch, &sender, frame, 2000);
        }
        assert_eq!(far.transmit(NOW, &mut batch), 3);
        assert_eq!(receive(&mut near, 2), [frames[0].clone(), frames[2].clone()]);
        assert_eq!(receive(&mut kernel, 1), [frames[1].clone()]);
        assert_eq!((near.counters().received, kernel.counters().received), (2, 1));
    });
}

#[test]
fn the_kernel_verifies_programs_of_every_shape() {
    isolated(|| {
        veth("near", "far", 1500);
        let mixed = |count: u8| {
            (0..count)
                .map(|host| match host % 2 {
                    0 => IpAddr::from([255, 0, 0, host]),
                    _ => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0xffff, host.into()]),
                })
                .collect::<Vec<_>>()
        };
        for steering in [
            Steering::All,
            Steering::Addresses(mixed(1)),
            Steering::Addresses(mixed(MAX_ADDRESSES as u8)),
            Steering::Ports(mixed(2), 0..=65_535),
            Steering::Ports(mixed(MAX_ADDRESSES as u8), 32_768..=40_000),
        ] {
            for attachment in [Attachment::Generic, Attachment::Native] {
                let config = XdpConfig {
                    steering: steering.clone(),
                    attachment,
                    ..config()
                };
                drop(open(XdpDevice::new(&config, pool())));
            }
        }
    });
}

#[test]
fn busy_polling_can_be_asked_for() {
    isolated(|| {
        let config = XdpConfig {
            busy_poll: Some(64),
            attachment: Attachment::Native,
            ..config()
        };
        let Some((mut near, mut far, _)) = cable(&config, 1500) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        let frame = datagram([10, 0, 0, 2], b"soon");
        build(&mut batch, &pool(), &frame, 2000);
        far.transmit(NOW, &mut batch);
        assert_eq!(receive(&mut near, 1), [frame]);
    });
}

#[test]
fn the_frames_that_the_kernel_fills_are_the_ones_that_are_read() {
    isolated(|| {
        let Some((mut near, mut far, pool)) = cable(&config(), 1500) else {
            return;
        };
        assert!(!near.is_zero_copy(), "veth has no zero-copy");
        let held = near.held_by_kernel();
        let mut batch = PacketQueue::with_capacity(4);
        build(
            &mut batch,
            &self::pool(),
            &datagram([10, 0, 0, 2], b"in place"),
            2000,
        );
        far.transmit(NOW, &mut batch);
        while near.receive(NOW, &mut batch) == 0 {}
        assert!(batch.get(0).unwrap().contiguous().ends_with(b"in place"));
        assert_eq!(near.counters().copied_bytes, 0);
        assert_eq!(pool.usage().small as usize, near.held_by_kernel() + 1);
        assert_eq!(near.held_by_kernel(), held, "the kernel has got another");
        batch.clear();
        drop(near);
        assert_eq!(pool.usage().small, 0);
        pool.audit().unwrap();
    });
}

#[test]
fn packets_longer_than_a_frame_pass_in_several_both_ways() {
    for attachment in [Attachment::Generic, Attachment::Native] {
        isolated(move || {
            let config = XdpConfig {
                attachment,
                ..config()
            };
            let Some((mut near, mut far, pool)) = cable(&config, 9000) else {
                return;
            };
            let mut batch = PacketQueue::with_capacity(8);
            let payload: Vec<u8> = (0..8972).map(|place| (place % 251) as u8).collect();
            let frames = [8972, 3000, 10].map(|len| datagram([10, 0, 0, 2], &payload[..len]));
            for frame in &frames {
                build(&mut batch, &pool, frame, 2500);
            }
            assert_eq!(near.transmit(NOW, &mut batch), 3);
            assert_eq!(receive(&mut far, 3), frames);
            let copied = frames[2].len() as u64 + 2 * 14;
            assert_eq!(
                near.counters().copied_bytes,
                copied,
                "a short packet and two headers"
            );
            for frame in &frames {
                build(&mut batch, &self::pool(), frame, 2500);
            }
            assert_eq!(far.transmit(NOW, &mut batch), 3);
            assert_eq!(receive(&mut near, 3), frames);
            drop(near);
            assert_eq!((pool.usage().small, pool.usage().large), (0, 0));
        });
    }
}

#[test]
fn a_full_ring_leaves_the_rest_in_the_batch_and_order_is_kept() {
    isolated(|| {
        let config = XdpConfig { ring: 8, ..config() };
        let Some((mut near, mut far, pool)) = cable(&config, 1500) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(64);
        let frames: Vec<_> = (0..64)
            .map(|number| datagram([10, 0, 0, 2], &[number; 100]))
            .collect();
        for frame in &frames {
            build(&mut batch, &pool, frame, 2000);
        }
        let first = near.transmit(NOW, &mut batch);
        assert_eq!((first, batch.len()), (8, 56));
        assert_eq!(near.counters().refused, 56);
        for _ in 0..10_000 {
            near.transmit(NOW, &mut batch);
            if batch.is_empty() {
                break;
            }
        }
        assert_eq!(receive(&mut far, 64), frames);
        assert_eq!(near.counters().sent, 64);
    });
}

#[test]
fn a_pool_that_is_held_loses_packets_counts_them_and_recovers() {
    isolated(|| {
        let Some((mut near, mut far, pool)) = cable(&XdpConfig { ring: 16, ..config() }, 1500) else {
            return;
        };
        let held: Vec<_> = std::iter::from_fn(|| pool.allocate(Purpose::Receive, Size::Small)).collect();
        let frame = datagram([10, 0, 0, 2], b"?");
        let mut batch = PacketQueue::with_capacity(64);
        let mut kept = Vec::new();
        let sender = self::pool();
        for _ in 0..40 {
            build(&mut batch, &sender, &frame, 2000);
            far.transmit(NOW, &mut batch);
            near.receive(NOW, &mut batch);
            while let Some(packet) = batch.get_mut(0) {
                kept.extend(packet.take_body());
                batch.pop_front();
            }
        }
        assert_eq!(kept.len(), 16, "as many as the kernel had frames");
        assert_eq!(near.counters().dropped, 24);
        drop((held, kept));
        near.receive(NOW, &mut batch);
        build(&mut batch, &sender, &frame, 2000);
        far.transmit(NOW, &mut batch);
        assert_eq!(receive(&mut near, 1), [frame]);
    });
}

#[test]
fn an_interface_that_goes_down_and_up_loses_nothing_that_waits() {
    isolated(|| {
        let Some((mut near, mut far, pool)) = cable(&config(), 1500) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        let frame = datagram([10, 0, 0, 2], b"patience");
        set_up("near", false);
        build(&mut batch, &pool, &frame, 2000);
        assert_eq!(near.transmit(NOW, &mut batch), 1);
        set_up("near", true);
        for _ in 0..1000 {
            near.transmit(NOW, &mut batch);
        }
        assert_eq!(receive(&mut far, 1), [frame]);
    });
}

#[test]
fn a_queue_has_one_device_and_is_free_again_when_that_ends() {
    isolated(|| {
        let Some((near, _far, _)) = cable(&config(), 1500) else {
            return;
        };
        drop(near);
        let near = XdpDevice::new(&config(), pool()).expect("what is left of the other is waited for");
        let second = XdpConfig { queue: 1, ..config() };
        let error = XdpDevice::new(&second, pool()).unwrap_err();
        assert!(error.to_string().contains("an XDP program on `near`"), "{error}");
        drop(near);
        let error = XdpDevice::new(&second, pool()).unwrap_err();
        assert!(error.to_string().contains("no queue 1"), "{error}");
    });
}

#[test]
fn the_kernel_can_be_told_to_finish_its_checksums() {
    isolated(|| {
        let Some((mut near, _far, _)) = cable(&config(), 1500) else {
            return;
        };
        add_address("far", Ipv4Addr::new(10, 0, 0, 1).into(), 24);
        let sender = udp_socket([10, 0, 0, 1].into(), 0);
        sender.set_broadcast(true).unwrap();
        let mut arrives_finished = || {
            sender.send_to(b"odd", "10.0.0.255:9").unwrap();
            let frames = receive(&mut near, 1);
            let sliced = SlicedPacket::from_ethernet(&frames[0]).unwrap();
            let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (sliced.net, sliced.transport)
            else {
                panic!("no datagram");
            };
            let right = udp
                .to_header()
                .calc_checksum_ipv4(&ip.header().to_header(), udp.payload());
            right == Ok(udp.checksum())
        };
        assert!(!arrives_finished());
        finish_checksums("far").unwrap();
        assert!(arrives_finished());
    });
}

#[test]
fn what_cannot_be_is_refused_with_its_value() {
    let addresses = vec![IpAddr::from([10, 0, 0, 1]); MAX_ADDRESSES + 1];
    let steered = |steering| XdpConfig { steering, ..config() };
    for (config, word) in [
        (
            XdpConfig {
                ring: 100,
                ..config()
            },
            "100",
        ),
        (steered(Steering::Addresses(addresses)), "17"),
        (steered(Steering::Ports(Vec::new(), 1..=2)), "no address"),
    ] {
        let error = XdpDevice::new(&config, pool()).unwrap_err();
        assert!(matches!(error, OpenError::Invalid(_)));
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn each_queue_of_an_interface_has_a_device_of_its_own() {
    isolated(|| {
        without_ipv6();
        veth_with_queues("near", "far", 1500, 2);
        add_address("far", Ipv4Addr::new(10, 0, 0, 1).into(), 24);
        // Behind the driver veth no longer tells its queues apart.
        let config = XdpConfig {
            attachment: Attachment::Native,
            ..config()
        };
        let Some(program) = open(XdpProgram::new(&config, 2)) else {
            return;
        };
        let mut devices = [0, 1].map(|queue| {
            let config = XdpConfig {
                queue,
                ..config.clone()
            };
            XdpDevice::sharing(&program, &config, pool()).expect("a queue")
        });
        let beyond = XdpConfig { queue: 2, ..config };
        assert!(XdpDevice::sharing(&program, &beyond, pool()).is_err());
        for port in 1..=64 {
            let sender = udp_socket([10, 0, 0, 1].into(), 0);
            sender.set_broadcast(true).unwrap();
            sender.send_to(b"spread", ("10.0.0.255", port)).unwrap();
        }
        let shares = devices.each_mut().map(|device| receive(device, usize::MAX).len());
        assert_eq!(shares.iter().sum::<usize>(), 64);
        assert!(shares.iter().all(|&datagrams| datagrams > 0), "{shares:?}");
        // The other device and the program stay when one ends.
        let [first, mut second] = devices;
        drop((first, program));
        for port in 1..=64 {
            let sender = udp_socket([10, 0, 0, 1].into(), 0);
            sender.set_broadcast(true).unwrap();
            sender.send_to(b"rest", ("10.0.0.255", port)).unwrap();
        }
        assert!(!receive(&mut second, usize::MAX).is_empty());
    });
}

#[test]
fn a_queue_that_is_taken_is_named() {
    isolated(|| {
        without_ipv6();
        veth("near", "far", 1500);
        let Some(program) = open(XdpProgram::new(&config(), 1)) else {
            return;
        };
        let _first = XdpDevice::sharing(&program, &config(), pool()).expect("the only queue");
        let error = XdpDevice::sharing(&program, &config(), pool())
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(&error, OpenError::Busy(what) if what.contains("queue 0 of `near`")),
            "{error}"
        );
    });
}

#[test]
fn a_queue_beyond_all_is_refused() {
    isolated(|| {
        veth("near", "far", 1500);
        let config = XdpConfig {
            queue: u32::MAX,
            ..config()
        };
        assert!(XdpDevice::new(&config, pool()).is_err());
    });
}
