use super::*;
use crate::frame::{PoolConfig, PoolUsage};

const NOW: Instant = Instant::ZERO;

fn pool(small: u32, loans: u32) -> FramePool {
    FramePool::new(PoolConfig {
        small_slots: small,
        large_slots: 4,
        loans,
        guaranteed_percent: 0,
    })
}

fn ends(pools: [&FramePool; 2]) -> [ThreadDevice; 2] {
    let (near, far) = threaded_pair(WireConfig {
        queue: 8,
        ..WireConfig::default()
    });
    [near.attach(pools[0].clone()), far.attach(pools[1].clone())]
}

fn push(pool: &FramePool, batch: &mut PacketQueue, byte: u8, bytes: usize) {
    let packet = batch.push().unwrap();
    packet.set_header_len(40).fill(byte);
    let frame = pool.copy(Purpose::Application, &vec![byte; bytes]).unwrap();
    packet.push_piece(frame.freeze()).unwrap();
}

fn is_filled(packet: &Packet, byte: u8, bytes: usize) -> bool {
    packet.header() == [byte; 40]
        && packet.body_len() == bytes
        && packet.body().iter().all(|piece| piece.iter().all(|&b| b == byte))
}

#[test]
fn a_descriptor_is_small() {
    assert_eq!(size_of::<Descriptor>(), 116);
}

#[test]
fn marks_travel_with_the_packet() {
    let home = pool(8, 8);
    let [mut near, mut far] = ends([&home, &home]);
    let mut batch = PacketQueue::with_capacity(4);
    push(&home, &mut batch, 1, 20_000);
    let packet = batch.get_mut(0).unwrap();
    packet.checksum = Checksum::Offloaded;
    packet.segment_size = 1448;
    packet.transport_offset = 20;
    assert_eq!(near.transmit(NOW, &mut batch), 1);
    assert_eq!(far.receive(NOW, &mut batch), 1);
    let packet = batch.get(0).unwrap();
    assert!(is_filled(packet, 1, 20_000));
    assert_eq!(packet.checksum, Checksum::Offloaded);
    assert_eq!((packet.segment_size, packet.transport_offset), (1448, 20));
    assert_eq!(near.counters().copied_bytes + far.counters().copied_bytes, 0);
}

#[test]
fn small_bodies_are_copied_once_on_each_side() {
    let pools = [pool(8, 8), pool(8, 8)];
    let [mut near, mut far] = ends([&pools[0], &pools[1]]);
    let mut batch = PacketQueue::with_capacity(4);
    push(&pools[0], &mut batch, 1, COPYBREAK);
    near.transmit(NOW, &mut batch);
    assert_eq!(pools[0].usage().small, 0, "nothing is lent");
    far.receive(NOW, &mut batch);
    assert!(is_filled(batch.get(0).unwrap(), 1, COPYBREAK));
    assert_eq!(near.counters().copied_bytes, COPYBREAK as u64);
    assert_eq!(far.counters().copied_bytes, COPYBREAK as u64);
}

#[test]
fn a_borrowed_body_is_copied_on() {
    let pools = [pool(8, 8), pool(8, 8)];
    let [mut near, mut far] = ends([&pools[0], &pools[1]]);
    let mut batch = PacketQueue::with_capacity(4);
    push(&pools[0], &mut batch, 9, 1000);
    near.transmit(NOW, &mut batch);
    far.receive(NOW, &mut batch);
    assert_eq!((far.counters().copied_bytes, pools[1].usage().borrowed), (0, 1));
    far.transmit(NOW, &mut batch);
    assert_eq!(far.counters().copied_bytes, 1000);
    near.receive(NOW, &mut batch);
    assert!(is_filled(batch.get(0).unwrap(), 9, 1000));
}

#[test]
fn when_no_more_may_be_lent_bodies_are_copied() {
    let pools = [pool(16, 2), pool(16, 16)];
    let [mut near, mut far] = ends([&pools[0], &pools[1]]);
    let mut batch = PacketQueue::with_capacity(8);
    (0..4).for_each(|byte| push(&pools[0], &mut batch, byte, 500));
    assert_eq!(near.transmit(NOW, &mut batch), 4);
    assert_eq!(near.counters().copied_bytes, 1000);
    assert_eq!(far.receive(NOW, &mut batch), 4);
    assert!((0..4).all(|byte| is_filled(batch.get(byte).unwrap(), byte as u8, 500)));
}

#[test]
fn when_no_more_may_be_borrowed_bodies_are_copied() {
    let pools = [pool(16, 16), pool(16, 1)];
    let [mut near, mut far] = ends([&pools[0], &pools[1]]);
    let mut batch = PacketQueue::with_capacity(8);
    (0..3).for_each(|byte| push(&pools[0], &mut batch, byte, 500));
    near.transmit(NOW, &mut batch);
    far.receive(NOW, &mut batch);
    assert!((0..3).all(|byte| is_filled(batch.get(byte).unwrap(), byte as u8, 500)));
    assert_eq!(
        (near.counters().copied_bytes, far.counters().copied_bytes),
        (0, 1000)
    );
}

#[test]
fn without_a_frame_the_packet_is_lost_and_those_behind_it_are_not() {
    let pools = [pool(16, 16), pool(1, 1)];
    let [mut near, mut far] = ends([&pools[0], &pools[1]]);
    let mut batch = PacketQueue::with_capacity(8);
    // Copied, lent, and then neither: both places of the receiver are taken.
    for (byte, bytes) in [100, 500, 600, 200, 0].into_iter().enumerate() {
        push(&pools[0], &mut batch, byte as u8, bytes);
    }
    near.transmit(NOW, &mut batch);
    assert_eq!(far.receive(NOW, &mut batch), 3);
    assert_eq!((far.counters().received, far.counters().dropped), (3, 2));
    assert!(is_filled(batch.get(2).unwrap(), 4, 0));
}

#[test]
fn pieces_lent_before_one_cannot_be_come_home() {
    let pools = [pool(16, 16), pool(16, 16)];
    let [mut near, mut far] = ends([&pools[0], &pools[1]]);
    let mut batch = PacketQueue::with_capacity(8);
    push(&pools[0], &mut batch, 3, 400);
    near.transmit(NOW, &mut batch);
    far.receive(NOW, &mut batch);
    let borrowed = batch.get(0).unwrap().body()[0].clone();
    batch.clear();
    push(&pools[1], &mut batch, 3, 300);
    batch.get_mut(0).unwrap().push_piece(borrowed).unwrap();
    far.transmit(NOW, &mut batch);
    near.receive(NOW, &mut batch);
    assert!(is_filled(batch.get(0).unwrap(), 3, 700));
    pools[1].reclaim();
    assert_eq!(pools[1].usage().lent, 0);
}

#[test]
fn two_threads_exchange_bodies_in_place() {
    const PACKETS: usize = 20_000;
    let (near, far) = threaded_pair(WireConfig::default());
    let echo = std::thread::spawn(move || {
        let home = pool(1024, 256);
        let mut far = far.attach(home.clone());
        let (mut batch, mut seen) = (PacketQueue::with_capacity(64), 0);
        while seen < PACKETS {
            if far.receive(NOW, &mut batch) == 0 {
                std::thread::yield_now();
            }
            for packet in batch.iter() {
                assert!(is_filled(packet, seen as u8, 40 * (seen % 32)));
                seen += 1;
            }
            batch.clear();
        }
        far.counters()
    });
    let home = pool(1024, 256);
    let mut near = near.attach(home.clone());
    let (mut batch, mut built) = (PacketQueue::with_capacity(64), 0);
    while built < PACKETS || !batch.is_empty() {
        while built < PACKETS && batch.room() > 0 && home.can_allocate(Purpose::Application, Size::Small) {
            push(&home, &mut batch, built as u8, 40 * (built % 32));
            built += 1;
        }
        if near.transmit(NOW, &mut batch) == 0 {
            home.reclaim();
            std::thread::yield_now();
        }
    }
    let there = echo.join().unwrap();
    assert_eq!(
        (near.counters().sent, there.received, there.dropped),
        (20_000, 20_000, 0)
    );
    home.reclaim();
    let none = PoolUsage {
        small: 0,
        large: 0,
        borrowed: 0,
        lent: 0,
    };
    assert_eq!(home.usage(), none);
}
