//! What every device promises, checked for each of them by the same tests.

use super::capture::Capture;
use super::impair::{Impair, ImpairConfig};
use super::memory::{WireConfig, pair, threaded_pair};
use super::wait::{Waiter, Wakeup, Watch};
use super::{Device, socket};
use crate::arch::checksum::Sum;
use crate::frame::{FramePool, Packet, PacketQueue, PoolConfig, PoolUsage, Purpose};
use crate::time::{Duration, Instant};

const MTU: u32 = 1500;
/// Packets that a wire in memory holds in each direction.
const QUEUE: usize = 64;
const NOW: Instant = Instant::ZERO;
/// What every packet begins with where it can: to devices with stations it is the address of a group, and raw sockets read where it goes to.
const IPV4_HEADER: [u8; 20] = [
    0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2,
];

type Connected = (Box<dyn Device>, Box<dyn Device>);

/// Two connected devices and the pools behind them.
struct Ends {
    near: Box<dyn Device>,
    far: Box<dyn Device>,
    pools: [FramePool; 2],
}

impl Ends {
    fn new(connect: fn(&[FramePool; 2]) -> Connected) -> Self {
        let pools = [(); 2].map(|()| {
            FramePool::new(PoolConfig {
                small_slots: 1024,
                large_slots: 64,
                loans: 512,
                guaranteed_percent: 10,
            })
        });
        let (near, far) = connect(&pools);
        Self { near, far, pools }
    }

    /// Builds a packet of the near end: `pieces` pieces after a header, different for different `number`s, of which it begins with an IPv4
    /// header.
    fn build(&self, packet: &mut Packet, number: usize, header: usize, pieces: &[usize]) {
        let mut bytes: Vec<u8> = (0..header).map(|at| (number + at) as u8).collect();
        for (index, &len) in pieces.iter().enumerate() {
            bytes.resize(bytes.len() + len, (number * 5 + index) as u8);
        }
        begin_as_ipv4(&mut bytes);
        let (front, mut rest) = bytes.split_at(header);
        packet.set_header_len(header).copy_from_slice(front);
        for &len in pieces {
            let (piece, behind) = rest.split_at(len);
            let frame = self.pools[0].copy(Purpose::Application, piece).unwrap();
            packet.push_piece(frame.freeze()).unwrap();
            rest = behind;
        }
    }

    /// Receives at the far end until `wanted` packets have arrived, and returns their bytes.
    fn collect(&mut self, wanted: usize, batch: usize) -> Vec<Vec<u8>> {
        let mut batch = PacketQueue::with_capacity(batch);
        let mut bytes = Vec::new();
        let mut fruitless = 0;
        while fruitless < 50 {
            let received = self.far.receive(NOW, &mut batch);
            assert_eq!(received, batch.len());
            bytes.extend(batch.iter().map(bytes_of));
            batch.clear();
            if bytes.len() >= wanted {
                break;
            }
            if received == 0 {
                fruitless += 1;
                await_packets(&*self.far);
            }
        }
        bytes
    }

    /// What has arrived at the far end so far, and in the moment after.
    fn collect_now(&mut self) -> Vec<Vec<u8>> {
        await_packets(&*self.far);
        let mut batch = PacketQueue::with_capacity(64);
        self.far.receive(NOW, &mut batch);
        batch.iter().map(bytes_of).collect()
    }

    /// Ends both devices; every slot must be back.
    fn finish(self) {
        drop((self.near, self.far));
        for pool in &self.pools {
            pool.reclaim();
        }
        for pool in &self.pools {
            pool.reclaim();
            pool.audit().unwrap();
            let none = PoolUsage {
                small: 0,
                large: 0,
                borrowed: 0,
                lent: 0,
            };
            assert_eq!(pool.usage(), none);
        }
    }
}

/// The kernel fills in the length and the checksum of what a raw socket sends: right from the start, they arrive as they left.
fn begin_as_ipv4(bytes: &mut [u8]) {
    let mut header = IPV4_HEADER;
    header[2..4].copy_from_slice(&(bytes.len() as u16).to_be_bytes());
    let checksum = Sum::zero().add_array(&header).finish();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes[..20].copy_from_slice(&header);
}

/// Lets the kernel deliver what it has, for a moment at most.
fn await_packets(device: &dyn Device) {
    let moment = Some(NOW + Duration::from_millis(5));
    let watch = device.descriptor().map(Watch::readable);
    if watch.is_some() {
        let mut waiter = Waiter::new(Duration::ZERO).unwrap();
        waiter.wait(NOW, moment, watch.as_slice()).unwrap();
    }
}

fn bytes_of(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0; packet.len()];
    packet.copy_into(&mut bytes).unwrap();
    bytes
}

/// Bodies of 0 to 4 pieces, small and large, with and without a header of their own.
const SHAPES: [(usize, &[usize]); 10] = [
    (40, &[]),
    (28, &[1]),
    (40, &[200, 56]),
    (40, &[257]),
    (40, &[1460]),
    (52, &[700, 700]),
    (52, &[1, 800, 300]),
    (100, &[350, 350, 350, 350]),
    (0, &[60]),
    (0, &[1000, 500]),
];

fn packets_arrive_whole_and_in_order(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(32);
    let (mut expected, mut arrived) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let (header, pieces) = SHAPES[number % SHAPES.len()];
        let packet = batch.push().unwrap();
        ends.build(packet, number, header, pieces);
        expected.push(bytes_of(packet));
        if batch.room() == 0 || number == 199 {
            let offered = batch.len();
            assert_eq!(ends.near.transmit(NOW, &mut batch), offered);
            assert!(batch.is_empty());
            arrived.extend(ends.collect(offered, 32));
        }
    }
    assert_eq!(arrived, expected);
    assert_eq!(
        (ends.near.counters().sent, ends.far.counters().received),
        (200, 200)
    );
    ends.finish();
}

fn no_more_is_received_than_there_is_room_for(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(16);
    for number in 0..16 {
        ends.build(batch.push().unwrap(), number, 20, &[300]);
    }
    let expected: Vec<_> = batch.iter().map(bytes_of).collect();
    ends.near.transmit(NOW, &mut batch);
    let arrived = ends.collect(16, 2);
    assert_eq!(arrived, expected);
    ends.finish();
}

fn what_is_too_large_is_dropped_and_counted(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(8);
    let largest = MTU as usize + ends.near.capabilities().medium.header_len();
    let bodies = [10, largest - 19, largest - 20, largest, 12];
    for (number, body) in bodies.into_iter().enumerate() {
        ends.build(batch.push().unwrap(), number, 20, &[body]);
    }
    assert_eq!(ends.near.transmit(NOW, &mut batch), 5);
    assert!(batch.is_empty());
    let lengths: Vec<_> = ends.collect(3, 8).iter().map(Vec::len).collect();
    assert_eq!(lengths, [30, largest, 32]);
    assert_eq!(ends.near.counters().dropped, 2);
    ends.finish();
}

/// For wires in memory: a socket loses what its receiver is too slow for.
fn a_full_wire_leaves_the_rest_in_the_batch(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(2 * QUEUE);
    for number in 0..2 * QUEUE {
        ends.build(batch.push().unwrap(), number, 40, &[300 * (number % 2)]);
    }
    let expected: Vec<_> = batch.iter().map(bytes_of).collect();
    assert_eq!(ends.near.transmit(NOW, &mut batch), QUEUE);
    assert_eq!(batch.len(), QUEUE);
    assert_eq!(ends.near.transmit(NOW, &mut batch), 0);
    assert_eq!(ends.near.counters().refused, 2 * QUEUE as u64);
    let mut arrived = ends.collect(QUEUE, QUEUE);
    assert_eq!(ends.near.transmit(NOW, &mut batch), QUEUE);
    arrived.extend(ends.collect(QUEUE, QUEUE));
    assert_eq!(arrived, expected);
    ends.finish();
}

fn what_nobody_receives_comes_home(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(8);
    for number in 0..8 {
        ends.build(batch.push().unwrap(), number, 40, &[100, 400]);
    }
    assert_eq!(ends.near.transmit(NOW, &mut batch), 8);
    ends.finish();
}

fn memory() -> WireConfig {
    WireConfig {
        mtu: MTU,
        queue: QUEUE,
        ..WireConfig::default()
    }
}

macro_rules! conforms {
    ($device:ident, $connect:expr, [$($property:ident),+]) => {
        mod $device {
            use super::*;

            $(#[test]
            fn $property() {
                super::$property(Ends::new($connect));
            })+
        }
    };
    ($device:ident, $connect:expr) => {
        conforms!($device, $connect, [
            packets_arrive_whole_and_in_order,
            no_more_is_received_than_there_is_room_for,
            what_is_too_large_is_dropped_and_counted,
            what_nobody_receives_comes_home,
            a_full_wire_leaves_the_rest_in_the_batch
        ]);
    };
}

conforms!(local, |_| {
    let (near, far) = pair(memory());
    (Box::new(near), Box::new(far))
});

conforms!(threads, |pools| {
    let (near, far) = threaded_pair(memory());
    let [near_pool, far_pool] = pools.clone();
    (Box::new(near.attach(near_pool)), Box::new(far.attach(far_pool)))
});

conforms!(impair_without_impairment, |pools| {
    let (near, far) = pair(memory());
    let wrap = |end, pool: &FramePool| Impair::new(end, ImpairConfig::default(), pool.clone()).unwrap();
    (Box::new(wrap(near, &pools[0])), Box::new(wrap(far, &pools[1])))
});

conforms!(capture, |_| {
    let (near, far) = pair(memory());
    (
        Box::new(Capture::new(near, Vec::new(), 0)),
        Box::new(Capture::new(far, Vec::new(), 0)),
    )
});

#[cfg(target_os = "linux")]
mod kernel_tests;

conforms!(
    socket_with_offloads,
    |pools| sockets(pools, true),
    [
        packets_arrive_whole_and_in_order,
        no_more_is_received_than_there_is_room_for,
        what_is_too_large_is_dropped_and_counted,
        what_nobody_receives_comes_home
    ]
);

conforms!(
    socket_without_offloads,
    |pools| sockets(pools, false),
    [
        packets_arrive_whole_and_in_order,
        no_more_is_received_than_there_is_room_for,
        what_is_too_large_is_dropped_and_counted,
        what_nobody_receives_comes_home
    ]
);

fn sockets(pools: &[FramePool; 2], offloads: bool) -> Connected {
    let (near, far) = socket::tests::connected(pools, offloads, MTU);
    (Box::new(near), Box::new(far))
}
