//! What rings add to the rules of every stack for datagrams.

use std::net::{Ipv4Addr, UdpSocket};

use super::tests::{options, poll};
use super::*;

/// Bytes of a buffer of [`end`] that are for the datagram itself, after what the kernel says of it.
const ROOM: usize = 216;

/// An end with this many receive buffers, and where its datagram socket is; `None`, loudly, where the system gives no ring.
fn end(buffers: u16) -> Option<(Uring, Datagrams, SocketAddr)> {
    let shape = Shape {
        files: 1,
        receive_buffers: buffers,
        receive_buffer: 256,
        send_buffer: 256,
    };
    let mut end = Uring::new(options(), shape)
        .inspect_err(|error| eprintln!("SKIPPED: no io_uring here: {error}"))
        .ok()?;
    let socket = end
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .expect("binds");
    let at = end.datagram_sockets[0].socket.local_addr().expect("bound");
    poll(&mut end);
    Some((end, socket, at))
}

/// The other end: a socket that is asked at once what has come.
fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    socket.set_nonblocking(true).expect("an option");
    let at = socket.local_addr().expect("bound");
    (socket, at)
}

/// Receives until `count` have come.
fn receive(end: &mut Uring, socket: Datagrams, count: usize) -> Vec<Vec<u8>> {
    let mut received = Vec::new();
    for _ in 0..1000 {
        poll(end);
        end.receive_datagrams(socket, 64, &mut |bytes| received.push(bytes.to_vec()));
        if received.len() >= count {
            return received;
        }
    }
    panic!("{} of {count} have come", received.len());
}

#[test]
fn what_finds_no_buffer_waits_in_the_socket() {
    let Some((mut end, socket, at)) = end(2) else {
        return;
    };
    let (peer, _) = peer();
    for number in 0..20 {
        peer.send_to(&[number; 30], at).expect("sent");
    }
    let received = receive(&mut end, socket, 20);
    assert!(
        (0..20)
            .zip(&received)
            .all(|(number, bytes)| *bytes == [number; 30])
    );
}

#[test]
fn a_datagram_without_a_byte_is_one_and_ends_nothing() {
    let Some((mut end, socket, at)) = end(4) else {
        return;
    };
    let (peer, _) = peer();
    for bytes in [&b"before"[..], b"", b"", b"behind"] {
        peer.send_to(bytes, at).expect("sent");
    }
    let received = receive(&mut end, socket, 4);
    assert_eq!(received, [&b"before"[..], b"", b"", b"behind"]);
}

#[test]
fn what_is_too_long_for_a_buffer_is_lost_and_the_buffer_is_not() {
    let Some((mut end, socket, at)) = end(2) else {
        return;
    };
    let (peer, _) = peer();
    for _ in 0..5 {
        peer.send_to(&[1; ROOM + 1], at).expect("sent");
    }
    peer.send_to(&[2; ROOM], at).expect("sent");
    assert_eq!(receive(&mut end, socket, 1), [[2; ROOM]]);
}

#[test]
fn a_socket_takes_what_it_may_have_in_flight_and_more_when_that_has_gone() {
    let Some((mut end, socket, _)) = end(2) else {
        return;
    };
    let (peer, to) = peer();
    let mut sent = 0;
    while sent < 100 {
        let before = end.counters().system_calls;
        let taken = end.send_datagrams(socket, to, 100 - sent, 20, &mut |index, bytes| {
            bytes.fill((sent + index) as u8);
        });
        assert!(taken <= 16, "{taken} at once");
        assert_eq!(end.counters().system_calls, before, "they go with the next poll");
        sent += taken;
        poll(&mut end);
    }
    assert_eq!(end.counters().payload_bytes, Some(2000));
    let mut bytes = [0; 32];
    for number in 0..100 {
        assert_eq!(peer.recv(&mut bytes).expect("it has come"), 20);
        assert_eq!(bytes[..20], [number; 20], "in the order in which they were sent");
    }
}

#[test]
fn one_longer_than_a_buffer_is_not_taken() {
    let Some((mut end, socket, _)) = end(2) else {
        return;
    };
    let (_, to) = peer();
    let mut fill = |_: usize, _: &mut [u8]| panic!("nothing is produced");
    assert_eq!(end.send_datagrams(socket, to, 1, 257, &mut fill), 0);
    assert_eq!(end.send_datagrams(Datagrams(7), to, 1, 20, &mut fill), 0);
    assert_eq!(end.receive_datagrams(Datagrams(7), 1, &mut |_| ()), 0);
}

#[test]
fn nothing_is_left_of_an_end_that_goes_with_receives_in_force_and_sends_queued() {
    let Some((mut end, socket, at)) = end(2) else {
        return;
    };
    let (peer, to) = peer();
    peer.send_to(b"unread", at).expect("sent");
    poll(&mut end);
    end.send_datagrams(socket, to, 3, 20, &mut |_, bytes| bytes.fill(9));
    drop(end);
    let again = UdpSocket::bind(at);
    assert!(again.is_ok(), "somebody still has {at}: {again:?}");
}
