//! Who is woken, and when.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use handfast::application::asynchronous::UdpSocket;
use handfast::engine::Budget;
use handfast::time::Instant;

use super::world::{Flag, World};

#[test]
fn every_future_that_waits_for_a_stream_is_woken_and_the_last_poll_beside_them() {
    let mut world = World::new();
    let (near, far, _listener) = world.connect();
    let far = Rc::new(far);
    let futures: Vec<_> = (0..5)
        .map(|_| {
            let far = far.clone();
            world.spawn(async move { far.readable().await })
        })
        .collect();
    let polled = world.spawn({
        let far = far.clone();
        async move { poll_fn(|context| far.poll_read_ready(context)).await }
    });
    world.settle();
    assert!(futures.iter().all(|future| future.get().is_none()));
    near.try_write(b"news").expect("room");
    world.settle();
    for future in futures {
        future.take().expect("something to read");
    }
    polled.take().expect("something to read");
}

#[test]
fn every_call_for_the_driver_ends_his_sleep_once() {
    let mut world = World::new();
    let (near, far, listener) = world.connect();
    let flag = Arc::new(Flag::default());
    let alarm = Waker::from(flag.clone());
    let mut rings = |what: &str, action: &mut dyn FnMut()| {
        world.settle();
        assert!(
            world.server.driver.may_sleep(&alarm),
            "{what}: nothing was to be done"
        );
        action();
        assert!(flag.take(), "{what}: the driver sleeps on");
        assert!(!world.server.driver.may_sleep(&alarm), "{what}: a call waits");
        action();
        assert!(!flag.take(), "{what}: he was woken already");
    };
    rings("a write", &mut || assert!(far.try_write(b"bytes").is_ok()));
    rings("a setting", &mut || {
        far.set_nodelay(true).expect("an open connection");
    });
    let (mut far, mut listener) = (Some(far), Some(listener));
    rings("a stream's drop", &mut || drop(far.take()));
    rings("a listener's drop", &mut || drop(listener.take()));
    drop(near);
}

#[test]
fn bytes_that_are_read_are_reported_and_idle_streams_are_not_looked_at() {
    let mut world = World::new();
    let (near, far, _listener) = world.connect();
    near.try_write(&[1; 1000]).expect("room");
    world.settle();
    let flag = Arc::new(Flag::default());
    let alarm = Waker::from(flag.clone());
    assert!(world.server.driver.may_sleep(&alarm));
    assert_eq!(far.try_read(&mut [0; 400]).expect("bytes"), 400);
    assert!(!flag.take(), "a part of a packet gives nothing back");
    assert_eq!(far.try_read(&mut [0; 1000]).expect("bytes"), 600);
    assert!(flag.take(), "its frame can go back");
}

#[test]
fn a_driver_who_is_awake_is_not_woken() {
    let mut world = World::new();
    let (near, _far, _listener) = world.connect();
    let flag = Arc::new(Flag::default());
    assert!(world.client.driver.may_sleep(&Waker::from(flag.clone())));
    world.client.driver.turn(world.now, Budget::default());
    near.try_write(b"he will see it").expect("room");
    assert!(!flag.take());
    assert!(!world.client.driver.may_sleep(Waker::noop()), "he sees it");
}

#[test]
fn a_network_that_is_dropped_wakes_the_driver_so_that_he_can_go() {
    let (network, station) = handfast::application::asynchronous::network();
    let other = network.clone();
    let device = handfast::link::memory::pair(Default::default()).0;
    let mut end = super::world::End::new(&crate::support::config(1, [10, 0, 0, 1].into()), device);
    drop(station);
    let flag = Arc::new(Flag::default());
    end.driver.turn(Instant::ZERO, Budget::default());
    assert!(end.driver.may_sleep(&Waker::from(flag.clone())));
    let clone = end.network.clone();
    drop(end.network);
    assert!(!flag.take(), "a clone is left");
    drop(clone);
    assert!(flag.take());
    assert!(end.driver.is_finished());
    drop((network, other));
}

#[test]
fn a_datagram_socket_wakes_its_readers() {
    let mut world = World::new();
    let (clients, servers, at) = (
        world.client.network.clone(),
        world.server.network.clone(),
        world.server_address(),
    );
    let server = world.finish(async move { UdpSocket::bind(&servers, at).await.expect("a port") });
    let waiting = world.spawn(async move { server.readable().await.map(|()| server) });
    world.settle();
    assert!(waiting.get().is_none());
    world.finish(async move {
        let any = "0.0.0.0:0".parse().expect("an address");
        let client = UdpSocket::bind(&clients, any).await.expect("a port");
        client.send_to(b"news", at).await.expect("room");
    });
    let server = waiting.take().expect("news");
    assert_eq!(server.try_recv_from(&mut [0; 8]).expect("a datagram").0, 4);
}
