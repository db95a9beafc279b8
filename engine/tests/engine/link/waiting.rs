//! An engine with nothing to do sleeps, and wakes up for what it must.

use std::sync::mpsc;
use std::thread;

use crate::support::{Family, config};
use handfast::application::Event;
use handfast::engine::{Budget, Engine, Progress};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::memory::{WireConfig, pair};
use handfast::link::socket::{SocketConfig, SocketDevice};
use handfast::link::wait::{Waiter, Wakeup};
use handfast::time::{Duration, Instant};

const NOW: Instant = Instant::from_secs(1000);

fn engine(secret: u8, wire: SocketConfig) -> Engine<SocketDevice> {
    let pool = FramePool::new(PoolConfig::default());
    let address = if secret == 1 {
        Family::V4.client()
    } else {
        Family::V4.server()
    };
    let device = SocketDevice::new(wire, pool.clone()).unwrap();
    Engine::new(&config(secret, address), pool, device)
}

/// Polls are counted in virtual time that stands still, so that only a call can end a sleep.
#[test]
fn an_idle_engine_is_polled_once_for_each_call_and_no_more() {
    let mut engine = engine(1, SocketConfig::default());
    let mut waiter = Waiter::new(Duration::from_micros(10)).unwrap();
    let waker = waiter.waker();
    let (asked, request) = mpsc::channel::<()>();
    let caller = thread::spawn(move || {
        for () in request {
            waker.wake();
        }
    });
    for _ in 0..50 {
        let progress = engine.poll(NOW, Budget::default());
        assert!(progress.is_idle());
        asked.send(()).unwrap();
        assert_eq!(engine.wait(&mut waiter, NOW, progress).unwrap(), Wakeup::Called);
    }
    drop(asked);
    caller.join().unwrap();
}

#[test]
fn a_packet_wakes_the_engine_up() {
    let mut server = engine(2, SocketConfig::default());
    let mut waiter = Waiter::new(Duration::ZERO).unwrap();
    let peer = Some(server.device().local_address().unwrap());
    let at = (Family::V4.server(), 7).into();
    server.tcp_listen(at, 8).unwrap();
    let wire = SocketConfig {
        peer,
        ..SocketConfig::default()
    };
    let mut client = engine(1, wire);
    let progress = server.poll(NOW, Budget::default());
    client.tcp_connect(None, at).unwrap();
    client.poll(NOW, Budget::default());
    assert_eq!(server.wait(&mut waiter, NOW, progress).unwrap(), Wakeup::Ready);
    assert_eq!(server.poll(NOW, Budget::default()).received, 1, "the SYN");
}

#[test]
fn a_timer_ends_the_sleep_and_work_postpones_it() {
    let wire = SocketConfig {
        peer: Some(([127, 0, 0, 1], 9).into()),
        ..SocketConfig::default()
    };
    let mut engine = engine(1, wire);
    let mut waiter = Waiter::new(Duration::from_millis(5)).unwrap();
    engine.tcp_connect(None, (Family::V4.server(), 7).into()).unwrap();
    let progress = engine.poll(NOW, Budget::default());
    assert_eq!(progress.sent, 1, "the SYN");
    assert_eq!(engine.wait(&mut waiter, NOW, progress).unwrap(), Wakeup::Spinning);
    let retransmission = engine.next_deadline().unwrap();
    let idle = Progress::default();
    assert_eq!(
        engine.wait(&mut waiter, retransmission, idle).unwrap(),
        Wakeup::Due
    );
    engine.poll(retransmission, Budget::default());
    assert!(!matches!(engine.poll_event(), Some(Event::Tcp(..))));
}

#[test]
fn a_wire_in_memory_has_nothing_to_wait_for_and_says_so() {
    let pool = FramePool::new(PoolConfig::default());
    let (device, _far) = pair(WireConfig::default());
    let engine = Engine::new(&config(1, Family::V4.client()), pool, device);
    let mut waiter = Waiter::new(Duration::ZERO).unwrap();
    let error = engine.wait(&mut waiter, NOW, Progress::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}
