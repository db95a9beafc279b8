use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

use super::*;
use crate::frame::{PoolConfig, Purpose};
use crate::link::namespace::{isolated, open, set_up, udp_socket};
use crate::link::wait::{Waiter, Wakeup, Watch};
use crate::time::Duration;

const NOW: Instant = Instant::ZERO;
const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

fn pool() -> FramePool {
    FramePool::new(PoolConfig::default())
}

fn device(mtu: u32, pool: &FramePool) -> Option<RawDevice> {
    set_up("lo", true);
    let config = RawConfig {
        mtu,
        ..RawConfig::loopback(OURS)
    };
    open(RawDevice::new(config, pool.clone()))
}

fn datagram(packet: &mut Packet, pool: &FramePool, port: u16, payload: &[u8]) {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(OURS.octets(), THEIRS.octets(), 64)
        .udp(9, port)
        .write(&mut bytes, payload)
        .unwrap();
    packet.set_header_len(28).copy_from_slice(&bytes[..28]);
    for piece in bytes[28..].chunks(10_000) {
        let frame = pool.copy(Purpose::Application, piece).unwrap();
        packet.push_piece(frame.freeze()).unwrap();
    }
}

#[test]
fn datagrams_of_all_sizes_pass_both_ways() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = device(MAX_MTU, &pool) else {
            return;
        };
        let kernel = udp_socket(THEIRS.into(), 0);
        let port = kernel.local_addr().unwrap().port();
        let mut batch = PacketQueue::with_capacity(4);
        let mut waiter = Waiter::new(Duration::ZERO).unwrap();
        for len in [1, 1400, 2020, 2021, 30_000] {
            let payload: Vec<u8> = (0..len).map(|place| (place % 251) as u8).collect();
            datagram(batch.push().unwrap(), &pool, port, &payload);
            assert_eq!(device.transmit(NOW, &mut batch), 1);
            let mut buffer = vec![0; 65_535];
            assert_eq!(kernel.recv(&mut buffer).unwrap(), len);
            assert_eq!(buffer[..len], payload);

            kernel.send_to(&payload, (OURS, 7)).unwrap();
            let watch = Watch::readable(device.descriptor().unwrap());
            assert_eq!(waiter.wait(NOW, None, &[watch]).unwrap(), Wakeup::Ready);
            assert_eq!(device.receive(NOW, &mut batch), 1);
            let mut bytes = vec![0; batch.get(0).unwrap().len()];
            batch.get(0).unwrap().copy_into(&mut bytes).unwrap();
            let Some(TransportSlice::Udp(udp)) = SlicedPacket::from_ip(&bytes).unwrap().transport else {
                panic!("no datagram")
            };
            assert_eq!((udp.destination_port(), udp.payload()), (7, &payload[..]));
            batch.clear();
        }
        assert_eq!(device.counters().copied_bytes, 0);
    });
}

#[test]
fn what_is_longer_than_the_mtu_is_dropped_and_counted_in_both_directions() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = device(1500, &pool) else {
            return;
        };
        let kernel = udp_socket(THEIRS.into(), 0);
        let mut batch = PacketQueue::with_capacity(4);
        for len in [1472, 1473, 3000] {
            kernel.send_to(&vec![7; len], (OURS, 7)).unwrap();
        }
        assert_eq!(device.receive(NOW, &mut batch), 1);
        assert_eq!(
            (batch.get(0).unwrap().len(), device.counters().dropped),
            (1500, 2)
        );
        batch.clear();
        datagram(batch.push().unwrap(), &pool, 9, &[7; 1473]);
        assert_eq!(device.transmit(NOW, &mut batch), 1);
        assert_eq!((device.counters().sent, device.counters().dropped), (0, 3));
    });
}

#[test]
fn what_is_no_packet_of_ipv4_is_dropped_and_counted() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = device(1500, &pool) else {
            return;
        };
        let mut batch = PacketQueue::with_capacity(4);
        for bytes in [&[0x45; 19][..], &[0x60; 60], &[]] {
            let frame = pool.copy(Purpose::Application, bytes).unwrap();
            batch.push().unwrap().push_piece(frame.freeze()).unwrap();
        }
        assert_eq!(device.transmit(NOW, &mut batch), 3);
        assert_eq!((device.counters().sent, device.counters().dropped), (0, 3));
    });
}

#[test]
fn only_packets_for_its_address_are_received() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = device(1500, &pool) else {
            return;
        };
        let kernel = udp_socket(THEIRS.into(), 0);
        kernel.send_to(b"other", "127.0.0.3:7").unwrap();
        kernel.send_to(b"ours", (OURS, 7)).unwrap();
        let mut batch = PacketQueue::with_capacity(8);
        device.receive(NOW, &mut batch);
        let ours = batch.iter().filter(|packet| packet.contiguous()[9] == 17);
        assert_eq!(
            ours.map(|packet| packet.contiguous()[19]).collect::<Vec<_>>(),
            [2]
        );
    });
}

#[test]
fn a_flood_of_one_protocol_does_not_keep_another_waiting() {
    isolated(|| {
        let pool = pool();
        let Some(mut device) = device(1500, &pool) else {
            return;
        };
        let kernel = udp_socket(THEIRS.into(), 0);
        let mut batch = PacketQueue::with_capacity(4);
        for _ in 0..100 {
            kernel.send_to(b"flood", (OURS, 7)).unwrap();
        }
        // Answered by ICMP: nobody listens there.
        datagram(batch.push().unwrap(), &pool, 9, b"?");
        device.transmit(NOW, &mut batch);
        let mut protocols = Vec::new();
        for _ in 0..3 {
            device.receive(NOW, &mut batch);
            protocols.extend(batch.iter().map(|packet| packet.contiguous()[9]));
            batch.clear();
        }
        assert!(protocols.contains(&1), "{protocols:?}");
    });
}

#[test]
fn an_address_that_is_not_the_kernels_is_named() {
    isolated(|| {
        set_up("lo", true);
        let config = RawConfig::loopback(Ipv4Addr::new(192, 0, 2, 1));
        match RawDevice::new(config, pool()) {
            Err(OpenError::Invalid(text)) => assert!(text.contains("192.0.2.1"), "{text}"),
            other => drop(open(other)),
        }
        let config = RawConfig {
            mtu: 10,
            ..RawConfig::loopback(OURS)
        };
        assert!(
            RawDevice::new(config, pool())
                .unwrap_err()
                .to_string()
                .contains("10")
        );
    });
}
