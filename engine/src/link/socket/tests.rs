use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::*;
use crate::frame::{Checksum, Packet, PoolConfig, Purpose};

const NOW: Instant = Instant::ZERO;

/// Two devices that send to each other over 127.0.0.1.
pub(in crate::link) fn connected(
    pools: &[FramePool; 2],
    offloads: bool,
    mtu: u32,
) -> (SocketDevice, SocketDevice) {
    let config = SocketConfig {
        mtu,
        offloads,
        ..SocketConfig::default()
    };
    let mut near = SocketDevice::new(config, pools[0].clone()).unwrap();
    let far = SocketDevice::new(
        SocketConfig {
            peer: Some(near.local_address().unwrap()),
            ..config
        },
        pools[1].clone(),
    )
    .unwrap();
    near.connect(far.local_address().unwrap()).unwrap();
    (near, far)
}

fn pools() -> [FramePool; 2] {
    [(); 2].map(|()| FramePool::new(PoolConfig::default()))
}

fn fill(pool: &FramePool, batch: &mut PacketQueue, count: usize, bytes: usize) {
    for number in 0..count {
        let mut frame = pool
            .copy(Purpose::Application, &vec![number as u8; bytes])
            .unwrap();
        frame[bytes - 1] = !(number as u8);
        batch.push().unwrap().push_piece(frame.freeze()).unwrap();
    }
}

fn receive_until(device: &mut SocketDevice, batch: &mut PacketQueue, wanted: usize) {
    for _ in 0..100_000 {
        device.receive(NOW, batch);
        if batch.len() >= wanted {
            return;
        }
    }
}

fn is_numbered(packet: &Packet, number: usize, bytes: usize) -> bool {
    let packet = packet.contiguous();
    packet.len() == bytes && packet[0] == number as u8 && packet[bytes - 1] == !(number as u8)
}

#[test]
fn a_run_of_one_size_is_one_system_call_and_no_copy() {
    let pools = pools();
    let (mut near, mut far) = connected(&pools, true, 1500);
    let mut batch = PacketQueue::with_capacity(64);
    // 43 packets of 1500 bytes fit a message; the front frame of the receiver takes one MTU, so that none lies across.
    fill(&pools[0], &mut batch, 43, 1500);
    assert_eq!(near.transmit(NOW, &mut batch), 43);
    assert_eq!(near.counters().system_calls, 1);
    receive_until(&mut far, &mut batch, 43);
    assert_eq!(batch.len(), 43);
    assert!(
        batch
            .iter()
            .enumerate()
            .all(|(number, packet)| is_numbered(packet, number, 1500))
    );
    assert!(batch.iter().all(|packet| packet.checksum == Checksum::Offloaded));
    assert_eq!(near.counters().copied_bytes + far.counters().copied_bytes, 0);
    assert_eq!(
        far.counters().system_calls,
        1,
        "fewer came than were asked for: no more wait"
    );
}

/// The socket is not readable any more, so whoever sleeps until it is would leave them until the next packet comes.
#[test]
fn packets_that_are_left_of_a_run_are_due_at_once() {
    let pools = pools();
    let (mut near, mut far) = connected(&pools, true, 1500);
    let mut batch = PacketQueue::with_capacity(64);
    fill(&pools[0], &mut batch, 6, 1500);
    near.transmit(NOW, &mut batch);
    let mut batch = PacketQueue::with_capacity(4);
    receive_until(&mut far, &mut batch, 4);
    assert_eq!(far.next_deadline(), Some(Instant::ZERO));
    batch.clear();
    receive_until(&mut far, &mut batch, 2);
    assert_eq!((batch.len(), far.next_deadline()), (2, None));
}

#[test]
fn a_packet_across_both_frames_is_brought_together() {
    let pools = pools();
    let (mut near, mut far) = connected(&pools, true, 1500);
    let mut batch = PacketQueue::with_capacity(64);
    fill(&pools[0], &mut batch, 20, 400);
    near.transmit(NOW, &mut batch);
    receive_until(&mut far, &mut batch, 20);
    assert_eq!(batch.len(), 20);
    assert!(
        batch
            .iter()
            .enumerate()
            .all(|(number, packet)| is_numbered(packet, number, 400))
    );
    assert_eq!(far.counters().copied_bytes, 400);
}

#[test]
fn packets_of_a_large_mtu_pass() {
    let pools = pools();
    let (mut near, mut far) = connected(&pools, true, MAX_MTU);
    let mut batch = PacketQueue::with_capacity(4);
    for bytes in [65_000, 20, 9000] {
        fill(&pools[0], &mut batch, 1, bytes);
    }
    assert_eq!(near.transmit(NOW, &mut batch), 3);
    receive_until(&mut far, &mut batch, 3);
    let lengths: Vec<_> = batch.iter().map(Packet::len).collect();
    assert_eq!(lengths, [65_000, 20, 9000]);
}

#[test]
fn without_large_frames_single_packets_still_pass() {
    let starved = PoolConfig {
        large_slots: 0,
        ..PoolConfig::default()
    };
    let pools = [FramePool::new(PoolConfig::default()), FramePool::new(starved)];
    let (mut near, mut far) = connected(&pools, true, 1500);
    let mut batch = PacketQueue::with_capacity(16);
    fill(&pools[0], &mut batch, 10, 1000);
    near.transmit(NOW, &mut batch);
    fill(&pools[0], &mut batch, 1, 77);
    near.transmit(NOW, &mut batch);
    receive_until(&mut far, &mut batch, 1);
    assert_eq!(batch.get(0).map(Packet::len), Some(77));
    assert_eq!(far.counters().dropped, 1, "the run had no place");
}

#[test]
fn the_first_sender_becomes_the_peer() {
    let pools = pools();
    let mut listener = SocketDevice::new(SocketConfig::default(), pools[0].clone()).unwrap();
    let config = SocketConfig {
        peer: Some(listener.local_address().unwrap()),
        ..SocketConfig::default()
    };
    let mut caller = SocketDevice::new(config, pools[1].clone()).unwrap();
    let mut batch = PacketQueue::with_capacity(4);
    fill(&pools[0], &mut batch, 1, 50);
    assert_eq!(listener.transmit(NOW, &mut batch), 0, "nobody is known yet");
    assert_eq!((batch.len(), listener.counters().refused), (1, 1));
    caller.transmit(NOW, &mut batch);
    receive_until(&mut listener, &mut batch, 1);
    assert_eq!(listener.transmit(NOW, &mut batch), 1);
    receive_until(&mut caller, &mut batch, 1);
    assert!(is_numbered(batch.get(0).unwrap(), 0, 50));
}

#[test]
fn nobody_listening_is_a_loss_and_no_end() {
    let pool = FramePool::new(PoolConfig::default());
    let vacant = SocketDevice::new(SocketConfig::default(), pool.clone())
        .unwrap()
        .local_address()
        .unwrap();
    let config = SocketConfig {
        peer: Some(vacant),
        ..SocketConfig::default()
    };
    let mut device = SocketDevice::new(config, pool.clone()).unwrap();
    let mut batch = PacketQueue::with_capacity(4);
    for _ in 0..3 {
        fill(&pool, &mut batch, 2, 60);
        assert_eq!(device.transmit(NOW, &mut batch), 2);
        assert_eq!(device.receive(NOW, &mut batch), 0);
    }
    assert!(device.counters().dropped > 0);
}

#[test]
fn what_the_socket_loses_is_counted() {
    let pools = pools();
    let config = SocketConfig {
        offloads: false,
        buffer_bytes: 1,
        ..SocketConfig::default()
    };
    let mut far = SocketDevice::new(config, pools[1].clone()).unwrap();
    let peer = Some(far.local_address().unwrap());
    let mut near = SocketDevice::new(
        SocketConfig {
            peer,
            ..SocketConfig::default()
        },
        pools[0].clone(),
    )
    .unwrap();
    let mut batch = PacketQueue::with_capacity(64);
    fill(&pools[0], &mut batch, 64, 1500);
    near.segmentation = false;
    near.transmit(NOW, &mut batch);
    batch.clear();
    far.receive(NOW, &mut batch);
    let first = batch.len();
    assert!(first < 64);
    // The loss is reported with the next message that finds room.
    batch.clear();
    fill(&pools[0], &mut batch, 1, 100);
    near.transmit(NOW, &mut batch);
    receive_until(&mut far, &mut batch, 1);
    assert_eq!(far.counters().dropped as usize, 64 - first);
}

#[test]
fn a_poller_wakes_up_for_a_packet() {
    let pools = pools();
    let (mut near, mut far) = connected(&pools, true, 1500);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
    let descriptor = far.as_fd().as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&descriptor), Token(7), Interest::READABLE)
        .unwrap();
    poll.poll(&mut events, Some(std::time::Duration::ZERO)).unwrap();
    assert!(events.is_empty());
    let mut batch = PacketQueue::with_capacity(4);
    fill(&pools[0], &mut batch, 1, 500);
    near.transmit(NOW, &mut batch);
    poll.poll(&mut events, Some(std::time::Duration::from_secs(10)))
        .unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.token() == Token(7) && event.is_readable())
    );
    assert_eq!(far.receive(NOW, &mut batch), 1);
}

#[test]
fn an_mtu_beyond_a_datagram_is_refused() {
    let pool = FramePool::new(PoolConfig::default());
    for mtu in [0, MAX_MTU + 1] {
        let config = SocketConfig {
            mtu,
            local: (Ipv4Addr::LOCALHOST, 0).into(),
            ..SocketConfig::default()
        };
        let error = SocketDevice::new(config, pool.clone()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&mtu.to_string()));
    }
}
