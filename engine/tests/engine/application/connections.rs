//! How connections and listeners begin and end.

use std::io::ErrorKind;
use std::pin::pin;

use handfast::application::asynchronous::{TcpListener, TcpStream, UdpSocket};
use handfast::config::Route;
use handfast::link::memory::{WireConfig, pair};
use handfast::time::Duration;
use tokio::io::AsyncReadExt;

use super::world::{World, kind, poll_once};
use crate::support::{Family, config};

#[test]
fn a_port_without_a_listener_refuses() {
    let mut world = World::new();
    let (clients, at) = (world.client.network.clone(), world.server_address());
    let refused = world.finish(async move { TcpStream::connect(&clients, at).await });
    assert_eq!(kind(refused), ErrorKind::ConnectionRefused);
    assert_eq!(world.client.driver.engine().tcp_memory().connections, 0);
}

#[test]
fn a_silent_host_is_given_up_after_the_limit_that_begins_with_the_call() {
    let mut world = World::new();
    let clients = world.client.network.clone();
    // The engine was polled last an hour before the call.
    world.settle();
    world.now += Duration::from_secs(3600);
    let silent = "10.0.0.9:7".parse().expect("an address");
    let limit = Duration::from_millis(700);
    let outcome = world.spawn(async move { TcpStream::connect_timeout(&clients, silent, limit).await });
    world.pass(Duration::from_millis(699));
    assert!(outcome.get().is_none(), "given up too early");
    world.pass(Duration::from_millis(2));
    assert_eq!(kind(outcome.take()), ErrorKind::TimedOut);
}

#[test]
fn addresses_that_cannot_be_used_say_why() {
    let mut client = config(1, Family::V4.client());
    let on_link = Route::on_link(Family::V4.client(), 24).expect("a prefix");
    client.add_route(on_link).expect("the first route");
    let server = config(2, Family::V4.server());
    let mut world = World::with_configs(Family::V4, pair(WireConfig::default()), client, server);
    let (clients, servers, at) = (
        world.client.network.clone(),
        world.server.network.clone(),
        world.server_address(),
    );
    world.finish(async move {
        let nowhere = "192.0.2.1:7".parse().expect("an address");
        assert_eq!(
            kind(TcpStream::connect(&clients, nowhere).await),
            ErrorKind::NetworkUnreachable
        );
        let nobody = "0.0.0.0:7".parse().expect("an address");
        assert_eq!(
            kind(TcpStream::connect(&clients, nobody).await),
            ErrorKind::InvalidInput
        );
        let foreign = "10.0.0.77".parse().expect("an address");
        let from = TcpStream::connect_from(&clients, foreign, at, None).await;
        assert_eq!(kind(from), ErrorKind::AddrNotAvailable);
        let _listener = TcpListener::bind(&servers, at).await.expect("the port is free");
        assert_eq!(kind(TcpListener::bind(&servers, at).await), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_listener_without_a_port_gets_one_and_says_which() {
    let mut world = World::new();
    let (clients, servers) = (world.client.network.clone(), world.server.network.clone());
    let mut at = world.server_address();
    at.set_port(0);
    world.finish(async move {
        let listener = TcpListener::bind(&servers, at).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        assert!(at.port() >= 49_152, "{at}");
        let stream = TcpStream::connect(&clients, at).await.expect("somebody listens");
        assert_eq!(stream.peer_addr().expect("an address"), at);
    });
}

#[test]
fn as_many_connections_as_come_in_one_burst_are_all_accepted_in_order() {
    // Beyond what the driver accepts ahead, which is 32.
    const COUNT: usize = 1000;
    let mut world = World::new();
    let (clients, servers, at) = (
        world.client.network.clone(),
        world.server.network.clone(),
        world.server_address(),
    );
    let listener = world.finish(async move { TcpListener::bind(&servers, at).await.expect("a port") });
    let mut streams = Vec::new();
    for _ in 0..COUNT {
        let clients = clients.clone();
        streams.push(world.finish(async move { TcpStream::connect(&clients, at).await.expect("room") }));
    }
    let accepted = world.finish(async move {
        let mut accepted = Vec::new();
        for _ in 0..COUNT {
            accepted.push(listener.accept().await.expect("a connection"));
        }
        accepted
    });
    for (stream, (_, from)) in streams.iter().zip(&accepted) {
        assert_eq!(stream.local_addr().expect("an address"), *from);
    }
    let timeouts = world.client.driver.engine().counters().tcp.timeouts;
    assert_eq!(timeouts, 0, "nobody had to ask twice");
}

#[test]
fn a_listener_that_is_dropped_frees_its_port_and_resets_who_waits() {
    let mut world = World::new();
    let (mut near, far, listener) = world.connect();
    let (clients, at) = (world.client.network.clone(), world.server_address());
    let mut waiting = world.finish(async move { TcpStream::connect(&clients, at).await.expect("room") });
    drop(listener);
    let unaccepted = world.finish(async move { waiting.read(&mut [0; 1]).await });
    assert_eq!(kind(unaccepted), ErrorKind::ConnectionReset);
    let servers = world.server.network.clone();
    world.finish(async move {
        TcpListener::bind(&servers, at)
            .await
            .map(drop)
            .expect("the port is free again");
    });
    assert_eq!(far.try_write(b"accepted ones live on").expect("room"), 21);
    let read = world.finish(async move { near.read(&mut [0; 64]).await });
    assert_eq!(read.expect("an open connection"), 21);
}

#[test]
fn an_abandoned_attempt_leaves_nothing_behind() {
    let mut world = World::new();
    let clients = world.client.network.clone();
    let silent = "10.0.0.9:7".parse().expect("an address");
    {
        let mut attempt = pin!(TcpStream::connect(&clients, silent));
        assert!(poll_once(attempt.as_mut()).is_pending());
        world.settle();
        assert_eq!(world.client.driver.engine().tcp_memory().connections, 1);
    }
    world.settle();
    assert_eq!(world.client.driver.engine().tcp_memory().connections, 0);
    // One that is abandoned before the driver has seen it never begins.
    assert!(poll_once(pin!(TcpStream::connect(&clients, silent))).is_pending());
    world.settle();
    assert_eq!(world.client.driver.engine().counters().tcp.active_opens, 1);
}

#[test]
fn abandoned_accepts_and_reads_take_nothing_with_them() {
    let mut world = World::new();
    let (near, far, listener) = world.connect();
    assert!(poll_once(pin!(listener.accept())).is_pending());
    assert!(poll_once(pin!(far.chunk())).is_pending());
    let (clients, at) = (world.client.network.clone(), world.server_address());
    let _second = world.finish(async move { TcpStream::connect(&clients, at).await.expect("room") });
    near.try_write(b"all of it").expect("room");
    world.settle();
    assert!(
        poll_once(pin!(listener.accept())).is_ready(),
        "the connection waits"
    );
    let mut bytes = [0; 16];
    assert_eq!(far.try_read(&mut bytes).expect("the bytes wait"), 9);
}

/// Whether the driver has come by then or not, an abandoned bind holds no port.
#[test]
fn an_abandoned_bind_frees_its_port() {
    let mut world = World::new();
    let at = world.server_address();
    for has_settled in [false, true] {
        let servers = world.server.network.clone();
        let mut listening = Box::pin(TcpListener::bind(&servers, at));
        let mut waiting = Box::pin(UdpSocket::bind(&servers, at));
        assert!(poll_once(listening.as_mut()).is_pending());
        assert!(poll_once(waiting.as_mut()).is_pending());
        if has_settled {
            world.settle();
        }
        drop((listening, waiting));
        world.settle();
        let again = servers.clone();
        world.finish(async move {
            TcpListener::bind(&again, at).await.expect("the port is free");
            UdpSocket::bind(&again, at).await.expect("the port is free");
        });
    }
}

#[test]
fn without_a_driver_every_socket_fails_and_nobody_waits() {
    let mut world = World::new();
    let (near, far, listener) = world.connect();
    let servers = world.server.network.clone();
    let reading = world.spawn(async move {
        let mut far = far;
        far.read(&mut [0; 1]).await
    });
    let accepting = world.spawn(async move { listener.accept().await });
    world.settle();
    let fresh = super::world::End::new(&config(3, Family::V4.server()), pair(WireConfig::default()).0);
    drop(std::mem::replace(&mut world.server, fresh));
    world.settle();
    assert_eq!(kind(reading.take()), ErrorKind::ConnectionAborted);
    assert_eq!(kind(accepting.take()), ErrorKind::ConnectionAborted);
    let at = world.server_address();
    let late = world.finish(async move { TcpListener::bind(&servers, at).await });
    assert_eq!(kind(late), ErrorKind::ConnectionAborted);
    drop(near);
}

#[test]
fn a_driver_is_finished_when_nobody_holds_a_socket_or_could_make_one() {
    let mut world = World::new();
    let (near, far, listener) = world.connect();
    let spare = handfast::application::asynchronous::network().0;
    drop(std::mem::replace(&mut world.client.network, spare));
    world.settle();
    assert!(!world.client.driver.is_finished(), "a stream is open");
    drop(near);
    assert!(!world.client.driver.is_finished(), "its end is not sent");
    world.settle();
    assert!(!world.client.driver.is_finished(), "the peer has not closed");
    drop((far, listener));
    world.settle();
    assert!(world.client.driver.is_finished());
    assert!(!world.server.driver.is_finished(), "its network is there");
}
