//! What rings add to the rules of every stack.

use std::net::Ipv4Addr;

use super::*;

pub(super) fn options() -> Options {
    Options {
        nodelay: false,
        confirms_connect: false,
        congestion_control: None,
        local_ports: None,
        backlog: 0,
        udp_offload: false,
        connections: 64,
        counts_namespace: false,
    }
}

/// An end with this many receive buffers of 16 bytes; `None`, loudly, where the system gives no ring.
fn end(buffers: u16) -> Option<Uring> {
    let shape = Shape {
        files: 64,
        receive_buffers: buffers,
        receive_buffer: 16,
        send_buffer: 64,
    };
    Uring::new(options(), shape)
        .inspect_err(|error| eprintln!("SKIPPED: no io_uring here: {error}"))
        .ok()
}

pub(super) fn poll(end: &mut Uring) -> Vec<Event> {
    let mut events = Vec::new();
    end.poll(0, Duration::from_millis(10), &mut events);
    events
}

fn until(end: &mut Uring, mut wanted: impl FnMut(&Event) -> bool) -> Event {
    (0..1000)
        .find_map(|_| poll(end).into_iter().find(&mut wanted))
        .expect("it was announced")
}

#[test]
fn a_preparation_that_fails_fails_the_connect_and_leaves_nothing() {
    let Some(mut client) = end(4) else { return };
    // Of TEST-NET-1 (RFC 5737), which no host has: the bind before the connect fails.
    let foreign = Ipv4Addr::new(192, 0, 2, 1).into();
    let conn = client
        .connect(foreign, SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))
        .expect("started");
    let event = until(&mut client, |event| event.conn == conn);
    assert_eq!(event.ready, Ready::FAILED);
    assert_eq!(client.counters().connections, Some(0));
}

/// A client and a server with `buffers` receive buffers, connected `count` times.
fn connected(buffers: u16, count: usize) -> Option<(Uring, Uring, Vec<Conn>, Vec<Conn>)> {
    let (mut client, mut server) = (end(4)?, end(buffers)?);
    server
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 16)
        .expect("listens");
    let to = server.listeners[0].socket.local_addr().expect("bound");
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let conn = client.connect(Ipv4Addr::UNSPECIFIED.into(), to).expect("started");
        near.push(until(&mut client, |event| event.conn == conn).conn);
        far.push(until(&mut server, |event| event.ready.contains(Ready::ACCEPTED)).conn);
    }
    Some((client, server, near, far))
}

#[test]
fn an_end_that_goes_leaves_nobody_who_listens() {
    let Some((_client, server, _, _)) = connected(4, 2) else {
        return;
    };
    let at = server.listeners[0].socket.local_addr().expect("bound");
    drop(server);
    let again = TcpListener::bind(at);
    assert!(again.is_ok(), "somebody still listens at {at}: {again:?}");
}

#[test]
fn connections_without_buffers_go_on_when_others_are_read() {
    let Some((mut client, mut server, near, far)) = connected(2, 2) else {
        return;
    };
    // 64 bytes take four of the two buffers, and the other connection finds none.
    for &conn in &near {
        assert_eq!(client.send(conn, 64, &mut |bytes| bytes.fill(7)), Ok(64));
    }
    let mut read = [0; 2];
    for _ in 0..200 {
        poll(&mut client);
        poll(&mut server);
        for (index, &conn) in far.iter().enumerate() {
            while let Ok(Received::Bytes(length)) =
                server.receive(conn, 5, &mut |bytes| assert!(bytes.iter().all(|byte| *byte == 7)))
            {
                read[index] += length;
            }
        }
        if read == [64, 64] {
            return;
        }
    }
    panic!("{read:?} of 64 bytes were read");
}

#[test]
fn what_is_sent_in_one_step_goes_in_one_send() {
    let Some((mut client, mut server, near, far)) = connected(4, 1) else {
        return;
    };
    assert_eq!(client.send(near[0], 40, &mut |bytes| bytes.fill(1)), Ok(40));
    assert_eq!(
        client.send(near[0], 40, &mut |bytes| bytes.fill(2)),
        Ok(24),
        "the buffer is full"
    );
    assert_eq!(client.send(near[0], 40, &mut |bytes| bytes.fill(3)), Ok(0));
    until(&mut client, |event| event.ready == Ready::WRITABLE);
    assert_eq!(client.counters().payload_bytes, Some(64));
    let mut read = Vec::new();
    while read.len() < 64 {
        poll(&mut server);
        while let Ok(Received::Bytes(_)) =
            server.receive(far[0], 64, &mut |bytes| read.extend_from_slice(bytes))
        {}
    }
    assert_eq!(read, [[1; 40].as_slice(), &[2; 24]].concat());
}

#[test]
fn writes_come_in_their_order_however_sends_cut_them() {
    let Some((mut client, mut server, near, far)) = connected(4, 1) else {
        return;
    };
    let (mut sent, mut read) = (Vec::new(), Vec::new());
    while read.len() < 4_000 {
        let number = sent.len() as u8;
        let write = client.send(near[0], 40, &mut |bytes| {
            bytes.fill(number);
            sent.extend_from_slice(bytes);
        });
        write.expect("it is open");
        poll(&mut client);
        poll(&mut server);
        while let Ok(Received::Bytes(_)) =
            server.receive(far[0], 64, &mut |bytes| read.extend_from_slice(bytes))
        {}
    }
    assert_eq!(read, sent[..read.len()]);
}

#[test]
fn a_close_sends_what_was_written_before_it() {
    let Some((mut client, mut server, near, far)) = connected(4, 1) else {
        return;
    };
    client
        .send(near[0], 40, &mut |bytes| bytes.fill(1))
        .expect("it is open");
    client.close(near[0]);
    let mut read = 0;
    for _ in 0..200 {
        poll(&mut client);
        poll(&mut server);
        while let Ok(Received::Bytes(length)) = server.receive(far[0], 64, &mut |_| {}) {
            read += length;
        }
        if matches!(server.receive(far[0], 64, &mut |_| {}), Ok(Received::EndOfStream)) {
            assert_eq!(read, 40);
            return;
        }
    }
    panic!("no end came behind {read} bytes");
}

#[test]
fn a_poll_with_nothing_to_do_makes_no_system_call() {
    let Some((mut client, _server, _, _)) = connected(4, 1) else {
        return;
    };
    let mut events = Vec::new();
    client.poll(0, Duration::ZERO, &mut events);
    let before = client.counters().system_calls;
    client.poll(0, Duration::ZERO, &mut events);
    assert_eq!(client.counters().system_calls, before);
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn connects_of_one_step_share_their_system_calls() {
    let Some((mut client, server, _, _)) = connected(4, 1) else {
        return;
    };
    let to = server.listeners[0].socket.local_addr().expect("bound");
    let before = client.counters().system_calls.expect("counted");
    for _ in 0..10 {
        client.connect(Ipv4Addr::UNSPECIFIED.into(), to).expect("started");
    }
    let mut left = 10;
    until(&mut client, |event| {
        left -= usize::from(event.ready.contains(Ready::CONNECTED));
        left == 0
    });
    let calls = client.counters().system_calls.expect("counted") - before;
    assert!(calls < 10, "{calls} calls for ten connections");
}
