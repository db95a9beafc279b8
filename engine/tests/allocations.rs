//! No heap allocation for a packet: every device is warmed up, and then carries packets under an allocator that counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Range;

use handfast::frame::{FramePool, PacketQueue, PoolConfig, Purpose, Size};
use handfast::link::Device;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{WireConfig, pair, threaded_pair};
use handfast::link::socket::{SocketConfig, SocketDevice};
use handfast::time::Instant;

/// Counts the allocations of each thread, so that tests beside each other do not disturb.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came; the counter is a plain cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn pool() -> FramePool {
    FramePool::new(PoolConfig::default())
}

/// Sends packets of several shapes from `near` to `far`, a batch for each microsecond, and returns how many arrived.
fn exchange(
    near: &mut impl Device,
    far: &mut impl Device,
    pool: &FramePool,
    batch: &mut PacketQueue,
    micros: Range<u64>,
) -> u64 {
    let mut received = 0;
    for round in micros {
        let now = Instant::from_micros(round);
        for body in [0, 1, 200, 1000, 1400].into_iter().cycle().take(60) {
            let packet = batch.push().expect("60 fit");
            packet.set_header_len(40).fill(round as u8);
            let mut frame = pool.allocate(Purpose::Application, Size::Small).expect("a slot");
            frame.extend(body).expect("room").fill(round as u8);
            packet.push_piece(frame.freeze()).expect("the first piece");
        }
        near.transmit(now, batch);
        batch.clear();
        far.receive(now, batch);
        received += batch.len() as u64;
        batch.clear();
        pool.reclaim();
    }
    received
}

/// Warms up, and counts what comes then.
fn assert_no_allocation(mut near: impl Device, mut far: impl Device, pool: &FramePool) {
    let mut batch = PacketQueue::with_capacity(64);
    exchange(&mut near, &mut far, pool, &mut batch, 0..200);
    let mut received = 0;
    let made = allocations(|| received = exchange(&mut near, &mut far, pool, &mut batch, 200..400));
    assert!(received > 5_000, "only {received} packets arrived");
    assert_eq!(made, 0, "for {received} packets");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1_u8)))), 1);
}

#[test]
fn memory_on_one_thread() {
    let (near, far) = pair(WireConfig::default());
    assert_no_allocation(near, far, &pool());
}

#[test]
fn memory_between_threads() {
    let (near, far) = threaded_pair(WireConfig::default());
    let home = pool();
    assert_no_allocation(near.attach(home.clone()), far.attach(pool()), &home);
}

#[test]
fn socket() {
    let home = pool();
    let mut near = SocketDevice::new(SocketConfig::default(), home.clone()).expect("a socket");
    let peer = Some(near.local_address().expect("an address"));
    let config = SocketConfig {
        peer,
        ..SocketConfig::default()
    };
    let far = SocketDevice::new(config, pool()).expect("a socket");
    near.connect(far.local_address().expect("an address"))
        .expect("connected");
    assert_no_allocation(near, far, &home);
}

#[test]
fn impaired() {
    let home = pool();
    let (near, far) = pair(WireConfig::default());
    let config = ImpairConfig {
        loss: 0.1,
        duplication: 0.1,
        corruption: 0.1,
        reordering: 0.1,
        ..ImpairConfig::default()
    };
    let far = Impair::new(far, config, home.clone()).expect("values in range");
    assert_no_allocation(near, far, &home);
}
