//! What every device, family, MTU and offload has to get through with the kernel's TCP at the other end.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;

use handfast::application::{Event, TcpInfo};
use handfast::link::Device;
use socket2::{Domain, Socket, Type};

use super::crowds::{
    engine_connects_at_once, engine_connects_in_a_row, kernel_connects_at_once, kernel_connects_in_a_row,
};
use super::lines::{Kind, Setting, amount, is_thorough};
use crate::support::Family;
use crate::support::kernel::{self, Host};
use crate::support::namespace::isolated;

type Peer = Host<Box<dyn Device>>;

/// Connections that follow each other, connections that are open at the same time, and bytes that go each way over one.
#[derive(Clone, Copy)]
pub(super) struct Load {
    in_a_row: usize,
    at_once: usize,
    amount: usize,
}

impl Load {
    /// For rows of which the number of connections is not the point.
    pub(super) fn of_bytes(amount: usize) -> Self {
        Self {
            in_a_row: 50,
            at_once: 20,
            amount,
        }
    }

    /// For one row of each device: no less than a gigabyte.
    fn of_many() -> Self {
        Self {
            in_a_row: 10_000,
            at_once: 1000,
            amount: amount().max(1 << 30),
        }
    }
}

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
                let is_representative =
                    family == Family::V4 && setting.mtu == 1500 && setting.offloads && is_thorough();
                let load = if is_representative {
                    Load::of_many()
                } else {
                    Load::of_bytes(amount())
                };
                run_row(&mut line.host(family), family, load);
            });
        }
    }
}

/// Streams both ways with half-closes, resets, closed windows, and connections one after another and all at once, from either end.
pub(super) fn run_row(host: &mut Peer, family: Family, load: Load) {
    host.amount = load.amount;
    kernel::kernel_connects_to_engine(host);
    kernel::engine_connects_to_kernel(host, family.server());
    kernel::resets_arrive(host);
    engine_waits_for_a_window_of_the_kernel(host);
    kernel_waits_for_a_window_of_the_engine(host);
    kernel_connects_in_a_row(host, load.in_a_row);
    engine_connects_in_a_row(host, family.server(), load.in_a_row);
    kernel_connects_at_once(host, load.at_once);
    engine_connects_at_once(host, family.server(), load.at_once);
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
