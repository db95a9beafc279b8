//! Several engines on one interface, each on a thread and a queue of its own, with clients and a server in the kernel.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::{fs, thread, time};

use crate::support::namespace::{add_address, isolated, open, set_hardware_address, veth_with_queues};
use crate::support::{Family, PORT, config};
use handfast::application::{Event, Read as Received, Readiness, TcpHandle};
use handfast::config::{Config, StaticNeighbour};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::error::OpenError;
use handfast::link::ethernet::MacAddress;
use handfast::link::packet::{PacketConfig, PacketDevice, Share};
use handfast::link::tun::{Queues, TunConfig, TunDevice};
use handfast::link::wait::{Waiter, Watch};
use handfast::link::xdp::{Attachment, XdpConfig, XdpDevice, XdpProgram, finish_checksums};
use handfast::link::{Device, Medium};
use handfast::time::{Duration, Instant};
use socket2::SockRef;

const ENGINES: usize = 2;
/// With so many clients the chance that chance gives one engine none is one in 32,768.
const CLIENTS: usize = 16;
/// Connections that each engine opens.
const OPENED: usize = 4;
const ROUNDS: usize = 40;
const MESSAGE: usize = 1000;
/// The kernel's station at its end of a tunnel.
const KERNELS: [u8; 6] = [2, 0, 0, 0, 0, 8];
const PATIENCE: time::Duration = time::Duration::from_secs(60);

fn ephemeral_ports(engine: usize) -> RangeInclusive<u16> {
    let first = 20_000 + 10_000 * engine as u16;
    first..=first + 9_999
}

type Made = Result<Box<dyn Device>, OpenError>;
/// Makes the device of an engine on the thread of that engine.
type Make = Arc<dyn Fn(usize, FramePool) -> Made + Send + Sync>;

/// What an engine did.
#[derive(Default, Debug)]
struct Served {
    accepted: usize,
    answered: usize,
    failed: usize,
}

/// An engine that echoes what it is sent over connections that it accepts, and says what it is to say over those that it opens.
struct Member {
    engine: Engine<Box<dyn Device>>,
    opened: Vec<(TcpHandle, usize)>,
    served: Served,
}

impl Member {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Acceptable(listener) => {
                while self.engine.tcp_accept(listener).is_some() {
                    self.served.accepted += 1;
                }
            }
            Event::Tcp(connection, ready) if ready.contains(Readiness::FAILED) => {
                self.served.failed += 1;
                self.engine.tcp_close(connection);
            }
            Event::Tcp(connection, ready) if ready.contains(Readiness::CONNECTED) => {
                let sent = self.engine.tcp_send(connection, &[7; MESSAGE]);
                assert_eq!(sent, Ok(MESSAGE));
            }
            Event::Tcp(connection, _) => self.read(connection),
            Event::Udp(_) => {}
        }
    }

    fn read(&mut self, connection: TcpHandle) {
        loop {
            match self.engine.tcp_receive_chunk(connection, usize::MAX) {
                Ok(Received::Data(chunk)) => self.answer(connection, &chunk),
                Ok(Received::WouldBlock) => return,
                Ok(Received::End) | Err(_) => {
                    self.engine.tcp_close(connection);
                    return;
                }
            }
        }
    }

    fn answer(&mut self, connection: TcpHandle, bytes: &[u8]) {
        let own = self.opened.iter_mut().find(|(opened, _)| *opened == connection);
        let Some((_, received)) = own else {
            let sent = self.engine.tcp_send(connection, bytes);
            assert_eq!(sent, Ok(bytes.len()), "a message fits the send buffer");
            return;
        };
        *received += bytes.len();
        if *received == MESSAGE {
            self.served.answered += 1;
            self.engine.tcp_close(connection);
        }
    }
}

/// One engine, until `stop` and no longer than patience lasts.
fn run(mut member: Member, stop: &AtomicBool) -> Served {
    let mut waiter = Waiter::new(Duration::ZERO).expect("a waiter");
    let start = time::Instant::now();
    while !stop.load(Ordering::Acquire) {
        assert!(start.elapsed() < PATIENCE, "{:#?}", member.engine.counters());
        let now = Instant::ZERO + start.elapsed().into();
        let progress = member.engine.poll(now, Budget::default());
        while let Some(event) = member.engine.poll_event() {
            member.handle(event);
        }
        // Short, because nobody calls when it is time to stop.
        let soon = now + Duration::from_millis(5);
        if progress.is_idle() {
            let due = member.engine.next_deadline().map_or(soon, |due| due.min(soon));
            let watch = member.engine.device().descriptor().map(Watch::readable);
            waiter.wait(now, Some(due), watch.as_slice()).expect("a sleep");
        }
    }
    member.served
}

/// The engines' threads: each makes its device when its turn has come, and serves when all have.
fn start(
    make: &Make,
    family: Family,
    settings: &Config,
    opens: bool,
    stop: &Arc<AtomicBool>,
) -> Option<Vec<thread::JoinHandle<Served>>> {
    let ready = Arc::new(Barrier::new(ENGINES + 1));
    let mut threads = Vec::new();
    for number in 0..ENGINES {
        let (make, mut settings, stop, ready) = (make.clone(), settings.clone(), stop.clone(), ready.clone());
        settings.ephemeral_ports = ephemeral_ports(number);
        let (made, heard) = mpsc::channel();
        threads.push(thread::spawn(move || {
            let pool = FramePool::new(PoolConfig::default());
            let device = open(make(number, pool.clone()));
            made.send(device.is_some()).expect("the test waits");
            let Some(device) = device else {
                return Served::default();
            };
            let mut engine = Engine::new(&settings, pool, device);
            engine
                .tcp_listen((family.server(), PORT).into(), 64)
                .expect("a listener");
            ready.wait();
            let mut member = Member {
                engine,
                opened: Vec::new(),
                served: Served::default(),
            };
            for _ in 0..if opens { OPENED } else { 0 } {
                let connection = member.engine.tcp_connect(None, (family.client(), PORT).into());
                member.opened.push((connection.expect("a connection"), 0));
            }
            run(member, &stop)
        }));
        if heard.recv() != Ok(true) {
            return None;
        }
    }
    ready.wait();
    Some(threads)
}

/// A client of the kernel: its connection must stay with the engine that accepted it, or another would reset it.
fn converse(at: (IpAddr, u16)) {
    let mut stream = TcpStream::connect_timeout(&at.into(), PATIENCE).expect("an engine accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut answer = [0; MESSAGE];
    for round in 0..ROUNDS {
        stream.write_all(&[round as u8; MESSAGE]).expect("it stands");
        stream.read_exact(&mut answer).expect("it answers");
        assert_eq!(answer, [round as u8; MESSAGE]);
    }
}

/// A server of the kernel that echoes one message over each connection.
fn echo(listener: &TcpListener, connections: usize) {
    let limited = SockRef::from(listener).set_read_timeout(Some(PATIENCE));
    limited.expect("a limit, which holds for accepting as well");
    let mut message = [0; MESSAGE];
    for _ in 0..connections {
        let (mut stream, _) = listener.accept().expect("an engine connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.read_exact(&mut message).expect("it speaks");
        stream.write_all(&message).expect("it listens");
        // Until the engine has closed.
        assert_eq!(stream.read(&mut message).expect("it stands"), 0);
    }
}

fn share_an_interface(make: &Make, family: Family, settings: &Config, opens: bool) {
    let stop = Arc::new(AtomicBool::new(false));
    // Any address, for the interface with the kernel's may not be there yet.
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let server = opens.then(|| TcpListener::bind((any, PORT)).expect("a port of the kernel's"));
    let Some(engines) = start(make, family, settings, opens, &stop) else {
        return;
    };
    let at = (family.server(), PORT);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| thread::spawn(move || converse(at)))
        .collect();
    if let Some(server) = &server {
        echo(server, ENGINES * OPENED);
    }
    for client in clients {
        client.join().expect("a whole conversation");
    }
    stop.store(true, Ordering::Release);
    let served: Vec<Served> = engines
        .into_iter()
        .map(|engine| engine.join().expect("no panic"))
        .collect();
    assert_eq!(served.iter().map(|one| one.accepted).sum::<usize>(), CLIENTS);
    for one in &served {
        assert!(one.accepted > 0 && one.failed == 0, "{served:?}");
        assert_eq!(one.answered, if opens { OPENED } else { 0 });
    }
}

fn prefix(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}

fn share_a_tunnel(medium: Medium, queues: &Queues, opens: bool) {
    for family in Family::BOTH {
        let tunnel = TunConfig {
            name: "shared".to_owned(),
            medium,
            queues: queues.clone(),
            station: (medium == Medium::Ethernet).then_some(MacAddress([2, 0, 0, 0, 0, 9])),
            ..TunConfig::default()
        };
        isolated(move || {
            let mut settings = config(9, family.server());
            settings.link.static_neighbours.push(StaticNeighbour {
                address: family.client(),
                hardware_address: KERNELS,
            });
            let make: Make = Arc::new(move |number, pool| {
                let device = TunDevice::new(&tunnel, pool)?;
                if number == 0 {
                    if medium == Medium::Ethernet {
                        set_hardware_address("shared", KERNELS);
                    }
                    add_address(&device.name(), family.client(), prefix(family));
                }
                Ok(Box::new(device))
            });
            share_an_interface(&make, family, &settings, opens);
        });
    }
}

/// Only connections that the kernel opens: it answers the first packet of a flow before it remembers the queue of that.
#[test]
fn each_queue_of_a_tunnel_has_an_engine() {
    share_a_tunnel(Medium::Ip, &Queues::Remembered, false);
}

/// Those that the engines open as well, because answers go to the queue of the engine whose port they name.
#[test]
fn answers_find_the_queue_of_the_engine_that_asked() {
    let ports = Queues::Steered((0..ENGINES).map(ephemeral_ports).collect());
    for medium in [Medium::Ip, Medium::Ethernet] {
        share_a_tunnel(medium, &ports, true);
    }
}

/// A cable whose near end is the kernel's, and the settings of engines at its far end, which know the kernel.
fn cable(family: Family) -> Option<Config> {
    veth_with_queues("near", "far", 1500, ENGINES as u32);
    add_address("near", family.client(), prefix(family));
    let kernels = open(PacketDevice::new(
        &PacketConfig::new("near"),
        FramePool::new(PoolConfig::default()),
    ))?;
    let mut settings = config(9, family.server());
    settings.link.static_neighbours.push(StaticNeighbour {
        address: family.client(),
        hardware_address: kernels.hardware_address()?.0,
    });
    Some(settings)
}

#[test]
fn packet_sockets_share_an_interface() {
    for family in Family::BOTH {
        isolated(move || {
            let Some(settings) = cable(family) else {
                return;
            };
            let share = Share {
                group: 1,
                ports: (0..ENGINES).map(ephemeral_ports).collect(),
            };
            let shared = PacketConfig {
                share: Some(share),
                ..PacketConfig::new("far")
            };
            let make: Make = Arc::new(move |_, pool| Ok(Box::new(PacketDevice::new(&shared, pool)?)));
            share_an_interface(&make, family, &settings, true);
        });
    }
}

/// Only connections that the kernel opens: it chooses the queue of an answer.
#[test]
fn each_queue_of_an_interface_has_an_engine() {
    for family in Family::BOTH {
        isolated(move || {
            let Some(settings) = cable(family) else {
                return;
            };
            // The kernel would move a connection to another queue after a retransmission, as no network card does.
            fs::write("/proc/sys/net/core/txrehash", "0").expect("the namespace is ours");
            if open(finish_checksums("near")).is_none() {
                return;
            }
            let steered = XdpConfig {
                attachment: Attachment::Native,
                ..XdpConfig::new("far")
            };
            let Some(program) = open(XdpProgram::new(&steered, ENGINES as u32)) else {
                return;
            };
            let make: Make = Arc::new(move |number, pool| {
                let queue = XdpConfig {
                    queue: number as u32,
                    ..steered.clone()
                };
                Ok(Box::new(XdpDevice::sharing(&program, &queue, pool)?))
            });
            share_an_interface(&make, family, &settings, false);
        });
    }
}
