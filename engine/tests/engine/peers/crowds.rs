//! Many connections with the kernel's TCP: one after another, and all at once, from either end.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use handfast::application::{Event, Read as Received, Readiness, TcpHandle};
use handfast::engine::Engine;
use handfast::link::Device;
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::kernel::Host;

type Peer = Host<Box<dyn Device>>;

/// Sends back the byte that a connection has brought, and closes when the peer does. `true` when it is over.
fn serve<D: Device>(engine: &mut Engine<D>, connection: TcpHandle) -> bool {
    let mut byte = [0];
    loop {
        match engine.tcp_receive(connection, &mut byte) {
            Ok(Received::Data(_)) => {
                assert_eq!(engine.tcp_send(connection, &byte), Ok(1));
            }
            Ok(Received::WouldBlock) => return false,
            Ok(Received::End) | Err(_) => {
                engine.tcp_close(connection);
                return true;
            }
        }
    }
}

/// Serves until `count` connections have come and gone.
fn serve_all(host: &mut Peer, count: usize) {
    let mut over = 0;
    while over < count {
        over += host.run(|engine, event| match event {
            Event::Acceptable(listener) => Some(accept_all(engine, listener)),
            Event::Tcp(connection, ready) if !ready.contains(Readiness::CLOSED) => {
                Some(usize::from(serve(engine, connection)))
            }
            _ => None,
        });
    }
}

/// Accepts what waits, and says how many were over at once.
fn accept_all<D: Device>(engine: &mut Engine<D>, listener: handfast::application::ListenerHandle) -> usize {
    let accepted = std::iter::from_fn(|| engine.tcp_accept(listener)).collect::<Vec<_>>();
    accepted
        .into_iter()
        .filter(|&connection| serve(engine, connection))
        .count()
}

/// A byte there and back.
fn echo(stream: &mut TcpStream, byte: u8) {
    let mut answer = [0];
    stream.write_all(&[byte]).expect("the peer reads");
    stream.read_exact(&mut answer).expect("the peer answers");
    assert_eq!(answer, [byte]);
}

pub(super) fn kernel_connects_in_a_row(host: &mut Peer, count: usize) {
    let (listener, at) = host.listen();
    let client = thread::spawn(move || {
        for number in 0..count {
            let mut stream = TcpStream::connect(at).expect("the engine accepts");
            echo(&mut stream, number as u8);
        }
    });
    serve_all(host, count);
    host.run_until_finished(client);
    host.engine.tcp_close_listener(listener);
}

pub(super) fn engine_connects_in_a_row(host: &mut Peer, kernel: IpAddr, count: usize) {
    let listener = TcpListener::bind((kernel, 0)).expect("a port of the kernel's");
    let at = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        for _ in 0..count {
            let (mut stream, _) = listener.accept().expect("the engine connects");
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the engine asks");
            stream.write_all(&byte).expect("the engine reads");
            assert_eq!(stream.read(&mut byte).expect("the engine closes"), 0);
        }
    });
    for number in 0..count {
        let ours = host.engine.tcp_connect(None, at).expect("a free port");
        let sent = host.run(|engine, event| match event {
            Event::Tcp(connection, ready) if connection == ours && ready.contains(Readiness::CONNECTED) => {
                Some(engine.tcp_send(ours, &[number as u8]))
            }
            _ => None,
        });
        assert_eq!(sent, Ok(1));
        let mut answer = [0];
        while !matches!(host.engine.tcp_receive(ours, &mut answer), Ok(Received::Data(_))) {
            host.run(|_, event| matches!(event, Event::Tcp(..)).then_some(()));
        }
        assert_eq!(answer, [number as u8]);
        host.engine.tcp_close(ours);
    }
    host.run_until_finished(server);
}

pub(super) fn kernel_connects_at_once(host: &mut Peer, count: usize) {
    let (listener, at) = host.listen_with_backlog(count);
    let client = thread::spawn(move || {
        let mut streams: Vec<_> = (0..count)
            .map(|_| TcpStream::connect(at).expect("the engine accepts"))
            .collect();
        for round in 0..3 {
            for stream in &mut streams {
                echo(stream, round);
            }
        }
        for stream in &streams {
            SockRef::from(stream)
                .shutdown(Shutdown::Write)
                .expect("the connection stands");
        }
        streams.len()
    });
    serve_all(host, count);
    assert_eq!(host.run_until_finished(client), count);
    host.engine.tcp_close_listener(listener);
}

/// Accepts all connections before it answers any, so that all stand at the same time.
pub(super) fn engine_connects_at_once(host: &mut Peer, kernel: IpAddr, count: usize) {
    let socket = Socket::new(Domain::for_address((kernel, 0).into()), Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::new(kernel, 0).into())
        .expect("a port of the kernel's");
    socket.listen(count as i32).expect("a listener");
    let listener = TcpListener::from(socket);
    let at = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        let accept = |_| listener.accept().expect("the engine connects").0;
        for mut stream in (0..count).map(accept).collect::<Vec<_>>() {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the engine asks");
            stream.write_all(&byte).expect("the engine reads");
            assert_eq!(stream.read(&mut byte).expect("the engine closes"), 0);
        }
    });
    let ours: Vec<_> = (0..count)
        .map(|_| host.engine.tcp_connect(None, at).expect("a free port"))
        .collect();
    let mut answered = 0;
    while answered < count {
        answered += host.run(|engine, event| match event {
            Event::Tcp(connection, ready) => Some(ask(engine, &ours, connection, ready)),
            _ => None,
        });
    }
    host.run_until_finished(server);
}

/// Sends a connection's number once it stands, and closes it when that has come back; says how many have been answered, one or none.
fn ask<D: Device>(
    engine: &mut Engine<D>,
    ours: &[TcpHandle],
    connection: TcpHandle,
    ready: Readiness,
) -> usize {
    let Some(number) = ours.iter().position(|&other| other == connection) else {
        return 0;
    };
    assert!(
        !ready.contains(Readiness::FAILED),
        "connection {number}: {:?}",
        engine.tcp_error(connection)
    );
    if ready.contains(Readiness::CONNECTED) {
        assert_eq!(engine.tcp_send(connection, &[number as u8]), Ok(1));
    }
    let mut answer = [0];
    if !matches!(engine.tcp_receive(connection, &mut answer), Ok(Received::Data(_))) {
        return 0;
    }
    assert_eq!(answer, [number as u8]);
    engine.tcp_close(connection);
    1
}
