//! Datagram sockets.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use handfast::application::asynchronous::UdpSocket;
use handfast::time::Duration;

use super::world::{World, kind, pattern, poll_once};
use crate::support::Family;

fn any(family: Family) -> SocketAddr {
    match family {
        Family::V4 => "0.0.0.0:0",
        Family::V6 => "[::]:0",
    }
    .parse()
    .expect("an address")
}

#[test]
fn datagrams_of_all_lengths_come_back_whole() {
    for family in Family::BOTH {
        let wire = handfast::link::memory::pair(Default::default());
        let mut world = World::over(family, wire);
        let (clients, servers, at) = (
            world.client.network.clone(),
            world.server.network.clone(),
            world.server_address(),
        );
        let lengths = [0, 1, 1000, 1472, 1473, 9000, 60_000];
        let served = world.spawn(async move {
            let server = UdpSocket::bind(&servers, at).await.expect("a port");
            let mut buffer = vec![0; 1 << 16];
            for _ in lengths {
                let (peeked, _) = server.peek_from(&mut buffer).await.expect("a datagram");
                let (length, from) = server.recv_from(&mut buffer).await.expect("a datagram");
                assert_eq!(peeked, length);
                server.send_to(&buffer[..length], from).await.expect("room");
            }
        });
        world.finish(async move {
            let client = UdpSocket::bind(&clients, any(family)).await.expect("a port");
            client.connect(at);
            let mut buffer = vec![0; 1 << 16];
            for length in lengths {
                client.send(&pattern(length)).await.expect("room");
                let received = client.recv(&mut buffer).await.expect("a datagram");
                assert!(buffer[..received] == pattern(length), "{length} bytes");
            }
        });
        served.take();
    }
}

#[test]
fn a_burst_larger_than_the_transmit_queue_loses_nothing_on_the_way_out() {
    const COUNT: usize = 500;
    let mut world = World::new();
    let (clients, servers, at) = (
        world.client.network.clone(),
        world.server.network.clone(),
        world.server_address(),
    );
    let received = world.spawn(async move {
        let server = UdpSocket::bind(&servers, at).await.expect("a port");
        for count in 0..COUNT {
            let mut buffer = [0; 8];
            server.recv_from(&mut buffer).await.expect("a datagram");
            assert_eq!(usize::from_ne_bytes(buffer), count);
        }
    });
    world.finish(async move {
        let client = UdpSocket::bind(&clients, any(Family::V4)).await.expect("a port");
        for count in 0..COUNT {
            client
                .send_to(&count.to_ne_bytes(), at)
                .await
                .expect("room, in time");
        }
    });
    received.take();
}

#[test]
fn a_connected_socket_hears_of_a_closed_port_and_of_nobody_else() {
    let mut world = World::new();
    let (clients, servers, at) = (
        world.client.network.clone(),
        world.server.network.clone(),
        world.server_address(),
    );
    let clients = [clients.clone(), clients];
    let [connected, free] = clients.map(|network| {
        world.finish(async move { UdpSocket::bind(&network, any(Family::V4)).await.expect("a port") })
    });
    connected.connect(at);
    let refused = world.spawn(async move {
        connected.send(b"is anybody there?").await.expect("room");
        let refused = kind(connected.recv(&mut [0; 8]).await);
        (refused, connected)
    });
    world.settle();
    let (refused, connected) = refused.take();
    assert_eq!(refused, ErrorKind::ConnectionRefused);
    free.try_send_to(b"is anybody there?", at).expect("room");
    world.settle();
    let unheard = kind(free.try_recv_from(&mut [0; 8]));
    assert_eq!(unheard, ErrorKind::WouldBlock, "one of many peers");
    let to = connected.local_addr().expect("an address").port();
    let to = SocketAddr::new(Family::V4.client(), to);
    world.finish(async move {
        let stranger = UdpSocket::bind(&servers, any(Family::V4)).await.expect("a port");
        stranger.send_to(b"buy!", to).await.expect("room");
    });
    assert_eq!(kind(connected.try_recv_from(&mut [0; 8])), ErrorKind::WouldBlock);
}

#[test]
fn abandoned_receptions_take_no_datagram_with_them() {
    let mut world = World::new();
    let (clients, servers) = (world.client.network.clone(), world.server.network.clone());
    let at = world.server_address();
    let (near, far) = world.finish(async move {
        let near = UdpSocket::bind(&clients, any(Family::V4)).await.expect("a port");
        (near, UdpSocket::bind(&servers, at).await.expect("a port"))
    });
    let mut buffer = [0; 16];
    for _ in 0..3 {
        assert!(poll_once(pin!(far.recv_from(&mut buffer))).is_pending());
        assert!(poll_once(pin!(far.readable())).is_pending());
        world.settle();
    }
    let sent = poll_once(pin!(near.send_to(b"whole", at)));
    assert!(matches!(sent, Poll::Ready(Ok(5))), "{sent:?}");
    world.settle();
    let Poll::Ready(Ok((5, _))) = poll_once(pin!(far.recv_from(&mut buffer))) else {
        panic!("the datagram waits")
    };
    assert_eq!(&buffer[..5], b"whole");
    assert!(poll_once(pin!(far.recv_from(&mut buffer))).is_pending(), "once");
}

#[test]
fn what_cannot_be_sent_or_bound_says_why() {
    let mut world = World::new();
    let (clients, at) = (world.client.network.clone(), world.server_address());
    world.finish(async move {
        let first = UdpSocket::bind(&clients, any(Family::V4)).await.expect("a port");
        let taken = first.local_addr().expect("an address");
        assert_eq!(kind(UdpSocket::bind(&clients, taken).await), ErrorKind::AddrInUse);
        let foreign = "10.0.0.77:7".parse().expect("an address");
        assert_eq!(
            kind(UdpSocket::bind(&clients, foreign).await),
            ErrorKind::AddrNotAvailable
        );
        assert_eq!(kind(first.send(b"to whom?").await), ErrorKind::NotConnected);
        first.send_to(&vec![0; 70_000], at).await.expect("taken");
        assert_eq!(kind(first.recv_from(&mut [0; 8]).await), ErrorKind::InvalidInput);
    });
    world.pass(Duration::from_secs(1));
}
