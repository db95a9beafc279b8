//! No heap allocation for a packet: every device is warmed up, and then carries packets under an allocator that counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::ops::Range;

use crate::support::{Family, Pair, STATIONS, config};
use handfast::application::{Read, TcpHandle};
use handfast::engine::Budget;
use handfast::frame::{FramePool, PacketQueue, PoolConfig, Purpose, Size};
use handfast::link::Device;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig, ethernet_pair, pair, threaded_pair};
use handfast::link::socket::{SocketConfig, SocketDevice};
use handfast::time::{Duration, Instant};

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

/// A client, a server, and what carries their packets.
type Engines = Pair<LocalEnd>;

fn engines() -> Engines {
    engines_over(Family::V4, pair(WireConfig::default()))
}

fn engines_over(family: Family, wire: (LocalEnd, LocalEnd)) -> Engines {
    let small = |secret, address| {
        let mut config = config(secret, address);
        config.tcp.time_wait = Duration::from_secs(1);
        config
    };
    Pair::with_configs(family, wire, small(1, family.client()), small(2, family.server()))
}

/// Polls until nothing moves; events are read and forgotten.
fn settle(engines: &mut Engines) {
    loop {
        let client = engines.client.poll(engines.now, Budget::default());
        let server = engines.server.poll(engines.now, Budget::default());
        while engines.client.poll_event().is_some() {}
        while engines.server.poll_event().is_some() {}
        let waiting = engines
            .next_deadline()
            .is_some_and(|deadline| deadline <= engines.now);
        if client.is_idle() && server.is_idle() && !waiting {
            return;
        }
    }
}

/// Runs `work` so often to warm up, and then so often under the counter.
fn assert_steady(mut engines: Engines, warm_up: u32, counted: u32, mut work: impl FnMut(&mut Engines)) {
    for _ in 0..warm_up {
        work(&mut engines);
    }
    let made = allocations(|| {
        for _ in 0..counted {
            work(&mut engines);
        }
    });
    assert_eq!(made, 0, "in {counted} rounds");
}

fn echo(engines: &mut Engines, client: TcpHandle, server: TcpHandle) {
    let mut bytes = [0; 64];
    assert_eq!(engines.client.tcp_send(client, &[1; 64]).unwrap(), 64);
    settle(engines);
    assert!(matches!(
        engines.server.tcp_receive(server, &mut bytes),
        Ok(Read::Data(64))
    ));
    assert_eq!(engines.server.tcp_send(server, &bytes).unwrap(), 64);
    settle(engines);
    assert!(matches!(
        engines.client.tcp_receive(client, &mut bytes),
        Ok(Read::Data(64))
    ));
}

/// Connect, request, response, close, TIME_WAIT: 20,000 to warm up, which is more than twice what TIME_WAIT holds, and 100,000 counted.
#[test]
fn connections() {
    let mut engines = engines();
    let listener = engines.listen();
    assert_steady(engines, 20_000, 100_000, |engines| {
        let client = engines
            .client
            .tcp_connect(None, engines.server_address())
            .expect("a port");
        settle(engines);
        let server = engines.server.tcp_accept(listener).expect("a connection");
        echo(engines, client, server);
        engines.client.tcp_close(client);
        settle(engines);
        engines.server.tcp_close(server);
        engines.now += Duration::from_micros(125);
        settle(engines);
    });
}

#[test]
fn requests_and_responses() {
    for family in Family::BOTH {
        let mut engines = engines_over(family, pair(WireConfig::default()));
        let (client, server) = engines.connect();
        assert_steady(engines, 1_000, 10_000, |engines| {
            echo(engines, client, server);
            engines.now += Duration::from_micros(100);
        });
    }
}

#[test]
fn streams_by_chunk() {
    let mut engines = engines();
    let (client, server) = engines.connect();
    assert_steady(engines, 1_000, 10_000, |engines| {
        let mut frame = engines.client.allocate(Size::Large).expect("a slot");
        frame.extend(60_000).expect("room").fill(7);
        let queued = engines.client.tcp_send_payload(client, frame.freeze());
        assert!(queued.expect("a living connection").is_none());
        settle(engines);
        let mut read = 0;
        while let Ok(Read::Data(chunk)) = engines.server.tcp_receive_chunk(server, usize::MAX) {
            read += chunk.len();
        }
        settle(engines);
        engines.now += Duration::from_micros(100);
        assert!(read > 0);
    });
}

#[test]
fn datagrams() {
    let mut engines = engines();
    let at = engines.server_address();
    let server = engines.server.udp_bind(at).expect("a socket");
    let client = engines
        .client
        .udp_bind(SocketAddr::new(Family::V4.client(), 9))
        .expect("a socket");
    assert_steady(engines, 1_000, 10_000, |engines| {
        for length in [0, 1, 100, 1400] {
            engines
                .client
                .udp_send(client, at, &[3; 1400][..length])
                .expect("room");
        }
        settle(engines);
        for _ in 0..4 {
            engines.server.udp_receive(server).expect("a datagram");
        }
    });
}

/// Frames around packets, and neighbours that are probed every now and then.
#[test]
fn requests_and_responses_over_ethernet() {
    let mut engines = engines_over(Family::V4, ethernet_pair(WireConfig::default(), STATIONS));
    let (client, server) = engines.connect();
    assert_steady(engines, 1_000, 10_000, |engines| {
        echo(engines, client, server);
        engines.now += Duration::from_millis(100);
    });
}
