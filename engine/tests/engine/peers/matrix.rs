//! What every device, family, MTU and offload has to get through with the kernel's TCP at the other end.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use handfast::application::{Event, Read as Received, Readiness, TcpHandle, TcpInfo};
use handfast::engine::Engine;
use handfast::link::Device;
use socket2::{Domain, SockRef, Socket, Type};

use super::lines::{Kind, Setting, amount, is_thorough};
use crate::support::Family;
use crate::support::kernel::{self, Host};
use crate::support::namespace::isolated;

type Peer = Host<Box<dyn Device>>;

/// Connections that follow each other, and connections that are open at the same time.
#[derive(Clone, Copy)]
struct Crowd {
    in_a_row: usize,
    at_once: usize,
}

/// In the rows of which the number of connections is not the point.
const FEW: Crowd = Crowd {
    in_a_row: 50,
    at_once: 20,
};
/// In one row of each device.
const MANY: Crowd = Crowd {
    in_a_row: 10_000,
    at_once: 1000,
};

/// Names the row that fails.
struct Row(Setting, Family);

impl Drop for Row {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("in the row {:?} over {:?}", self.0, self.1);
        }
    }
}

fn every_row_of(kind: Kind) {
    for setting in Setting::all_of(kind) {
        for &family in kind.families() {
            isolated(move || {
                let _row = Row(setting, family);
                let Some(line) = setting.lay() else { return };
                let host = line.host(family);
                let is_representative =
                    family == Family::V4 && setting.mtu == 1500 && setting.offloads && is_thorough();
                run_row(host, family, if is_representative { MANY } else { FEW });
            });
        }
    }
}

fn run_row(mut host: Peer, family: Family, crowd: Crowd) {
    host.amount = amount();
    kernel::kernel_connects_to_engine(&mut host);
    kernel::engine_connects_to_kernel(&mut host, family.server());
    kernel::resets_arrive(&mut host);
    engine_waits_for_a_window_of_the_kernel(&mut host);
    kernel_waits_for_a_window_of_the_engine(&mut host);
    kernel_connects_in_a_row(&mut host, crowd.in_a_row);
    engine_connects_in_a_row(&mut host, family.server(), crowd.in_a_row);
    kernel_connects_at_once(&mut host, crowd.at_once);
    host.engine.check_invariants().expect("every rule holds");
    let counters = host.engine.counters();
    assert_eq!(counters.tcp.dropped_checksum + counters.tcp.dropped_malformed, 0);
}

#[test]
fn over_packet_sockets_the_engine_and_the_kernel_understand_each_other() {
    every_row_of(Kind::Packet);
}

#[test]
fn over_packet_sockets_with_a_transmit_ring_the_engine_and_the_kernel_understand_each_other() {
    every_row_of(Kind::PacketRing);
}

#[test]
fn over_af_xdp_the_engine_and_the_kernel_understand_each_other() {
    every_row_of(Kind::Xdp);
}

#[test]
fn over_tap_the_engine_and_the_kernel_understand_each_other() {
    every_row_of(Kind::Tap);
}

#[test]
fn over_tun_the_engine_and_the_kernel_understand_each_other() {
    every_row_of(Kind::Tun);
}

#[test]
fn over_raw_sockets_the_engine_and_the_kernel_understand_each_other() {
    every_row_of(Kind::Raw);
}

/// The runs of segments that the engine sends pass an interface that would not cut them.
#[test]
fn a_stream_passes_an_interface_that_cuts_no_segments() {
    for kind in [Kind::Packet, Kind::PacketRing] {
        isolated(move || {
            let setting = Setting {
                kind,
                mtu: 1500,
                offloads: true,
            };
            let _row = Row(setting, Family::V4);
            let Some(line) = setting.lay_bare() else { return };
            let mut host = line.host(Family::V4);
            kernel::kernel_connects_to_engine(&mut host);
            kernel::engine_connects_to_kernel(&mut host, Family::V4.server());
        });
    }
}

/// More than both ends of a connection hold together when the kernel's end holds little.
const BEYOND_BUFFERS: usize = 2 << 20;

/// The kernel's application does not read until the engine has found the window closed and asked whether it still is.
fn engine_waits_for_a_window_of_the_kernel(host: &mut Peer) {
    let (listener, at) = host.listen();
    let (go, gone) = mpsc::channel();
    let client = thread::spawn(move || {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(32 << 10).expect("a small buffer");
        socket.connect(&at.into()).expect("the engine accepts");
        gone.recv().expect("the window closes");
        kernel::read_stream(TcpStream::from(socket))
    });
    let connection = host.accept(listener);
    let probes_before = host.engine.counters().tcp.window_probes;
    let mut sent = 0;
    kernel::send_more(&mut host.engine, connection, &mut sent, BEYOND_BUFFERS);
    while host.engine.counters().tcp.window_probes == probes_before {
        host.turn();
    }
    assert!(sent < BEYOND_BUFFERS);
    go.send(()).expect("the client waits");
    while sent < BEYOND_BUFFERS {
        host.run(|_, event| matches!(event, Event::Tcp(..)).then_some(()));
        kernel::send_more(&mut host.engine, connection, &mut sent, BEYOND_BUFFERS);
    }
    assert_eq!(host.run_until_finished(client), BEYOND_BUFFERS);
    host.engine.tcp_close(connection);
    host.engine.tcp_close_listener(listener);
}

/// The engine's application does not read until it has offered no window any more.
fn kernel_waits_for_a_window_of_the_engine(host: &mut Peer) {
    let (listener, at) = host.listen();
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(at).expect("the engine accepts");
        kernel::write_stream(&mut stream, BEYOND_BUFFERS);
        stream.shutdown(Shutdown::Write).expect("half a close");
        stream.read(&mut [0]).expect("the engine closes")
    });
    let connection = host.accept(listener);
    host.engine
        .tcp_set_receive_buffer(connection, 64 << 10)
        .expect("the connection stands");
    // What is left may be less than the unit in which windows are told.
    let is_open = |info: TcpInfo| info.rcv_wnd >> info.rcv_wscale.unwrap_or(0) > 0;
    while host.engine.tcp_info(connection).is_some_and(is_open) {
        host.turn();
    }
    let mut checker = kernel::Checker::default();
    while !kernel::receive_more(&mut host.engine, connection, &mut checker) {
        host.run(|_, event| matches!(event, Event::Tcp(..)).then_some(()));
    }
    assert_eq!(checker.0, BEYOND_BUFFERS);
    host.engine.tcp_close(connection);
    assert_eq!(host.run_until_finished(client), 0);
    host.engine.tcp_close_listener(listener);
}

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

fn kernel_connects_in_a_row(host: &mut Peer, count: usize) {
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

fn engine_connects_in_a_row(host: &mut Peer, kernel: IpAddr, count: usize) {
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

fn kernel_connects_at_once(host: &mut Peer, count: usize) {
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
