//! Where a server is found, and how one over each device ends while somebody is being served: told to, killed, or with its interface taken away;
//! and that nothing of it is left. In network namespaces, as root, or left out loudly.

#[path = "support/patience.rs"]
mod patience;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use handfast_namespace::{
    add_address, drop_resets_of, exists, isolated, remove, set_up, skip, veth, without_ipv6,
};

use patience::wait_for;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const RAW_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ECHO: u16 = 7;
/// Whoever takes longer for one thing has failed, and would hang otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// The device of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Tun,
    Tap,
    Packet,
    PacketRing,
    Xdp,
    Raw,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Tun,
        Self::Tap,
        Self::Packet,
        Self::PacketRing,
        Self::Xdp,
        Self::Raw,
    ];

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Tun => &["tun:tunnel", "--address", "10.1.0.2/24"],
            Self::Tap => &["tap:tunnel", "--address", "10.1.0.2/24"],
            Self::Packet => &["packet:far", "--address", "10.1.0.2/24"],
            Self::PacketRing => &["packet-ring:far", "--address", "10.1.0.2/24"],
            Self::Xdp => &["xdp:far", "--address", "10.1.0.2/24", "--trusted"],
            Self::Raw => &["raw", "--address", "127.0.0.2/8", "--trusted"],
        }
    }

    fn is_tunnel(self) -> bool {
        matches!(self, Self::Tun | Self::Tap)
    }

    /// What the server needs to find; `false` when it cannot be had.
    fn prepare(self) -> bool {
        without_ipv6();
        match self {
            Self::Tun | Self::Tap => {}
            Self::Packet | Self::PacketRing | Self::Xdp => {
                veth("near", "far", 1500);
                add_address("near", CLIENT, 24);
            }
            Self::Raw => {
                set_up("lo", true);
                if !drop_resets_of(RAW_SERVER) {
                    skip("the kernel has no nftables");
                    return false;
                }
            }
        }
        true
    }

    fn server(self) -> SocketAddr {
        let address = if self == Self::Raw { RAW_SERVER } else { SERVER };
        SocketAddr::new(address.into(), ECHO)
    }
}

/// A running server.
struct Server(Child);

impl Server {
    /// Starts a server and waits until it serves. `None`, loudly, where it lacks something.
    fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, kind.options())
    }

    fn start_with(kind: Kind, options: &[&str]) -> Option<Self> {
        let child = Command::new(env!("CARGO_BIN_EXE_handfast"))
            .args(["serve", "echo", "--device"])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut server = Self(child.expect("the program starts"));
        let said = server.words_until("Ctrl-C ends it");
        if !said.contains("Ctrl-C ends it") {
            assert_eq!(server.ended().code(), Some(5), "{said}");
            skip(said);
            return None;
        }
        if kind.is_tunnel() {
            add_address("tunnel", CLIENT, 24);
        }
        Some(server)
    }

    /// What it says up to these words, or to its end.
    fn words_until(&mut self, words: &str) -> String {
        let stderr = self.0.stderr.as_mut().expect("a pipe");
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(words.as_bytes()) && stderr.read(&mut byte).expect("a pipe") == 1 {
            said.push(byte[0]);
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for(PATIENCE, || self.0.try_wait().expect("a child")).expect("the server ends")
    }

    fn tell(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.0.id()).expect("a process's number");
        let id = rustix::process::Pid::from_raw(id).expect("not zero");
        rustix::process::kill_process(id, signal).expect("it is ours");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that sends and receives as fast as it can until that ends; says how many bytes came back.
struct Load {
    client: JoinHandle<usize>,
}

impl Load {
    fn begin(kind: Kind) -> Self {
        let mut stream = TcpStream::connect_timeout(&kind.server(), PATIENCE).expect("somebody serves");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit");
        let (mut piece, message) = (vec![0; 16 << 10], vec![7; 16 << 10]);
        let mut echoed = 0;
        // Once round, so that the load is there when this returns.
        stream.write_all(&message).expect("it takes it");
        stream.read_exact(&mut piece).expect("it gives it back");
        let client = thread::spawn(move || {
            while stream.write_all(&message).is_ok() && stream.read_exact(&mut piece).is_ok() {
                echoed += piece.len();
            }
            echoed
        });
        Self { client }
    }
}

/// Nothing of a server is left in this namespace.
fn assert_nothing_is_left() {
    let rows = |table: &str| {
        let path = format!("/proc/thread-self/net/{table}");
        let text = fs::read_to_string(path).expect("procfs");
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    for table in ["packet", "raw", "udp"] {
        assert_eq!(rows(table), [""; 0], "sockets in {table}");
    }
    assert!(!exists("tunnel"));
}

fn over_every_device(test: fn(Kind)) {
    for kind in Kind::ALL {
        isolated(move || {
            if kind.prepare() {
                test(kind);
            }
        });
    }
}

#[test]
fn a_server_that_is_told_to_stop_has_done_its_job_and_tells_its_clients() {
    over_every_device(|kind| {
        let Some(mut server) = Server::start(kind) else {
            return;
        };
        let load = Load::begin(kind);
        let begin = Instant::now();
        server.tell(rustix::process::Signal::TERM);
        assert_eq!(server.ended().code(), Some(0), "{kind:?}");
        load.client.join().expect("the client hears of it");
        assert!(begin.elapsed() < PATIENCE, "{kind:?}: nobody told the client");
        assert_nothing_is_left();
    });
}

/// Its place is free for the next one at once: no program stays on the interface, no queue is taken.
#[test]
fn a_server_that_is_killed_leaves_nothing_behind() {
    over_every_device(|kind| {
        let Some(mut server) = Server::start(kind) else {
            return;
        };
        let _load = Load::begin(kind);
        server.tell(rustix::process::Signal::KILL);
        assert_eq!(server.ended().code(), None, "{kind:?}: a signal ended it");
        assert_nothing_is_left();
        let next = Server::start(kind);
        assert!(next.is_some(), "{kind:?}");
        Load::begin(kind);
    });
}

#[test]
fn a_server_whose_interface_is_taken_away_says_so_and_ends() {
    over_every_device(|kind| {
        if kind == Kind::Raw {
            return;
        }
        let Some(mut server) = Server::start(kind) else {
            return;
        };
        let _load = Load::begin(kind);
        remove(if kind.is_tunnel() { "tunnel" } else { "near" });
        let said = server.words_until("the interface is gone");
        assert!(said.ends_with("the interface is gone"), "{kind:?}: {said}");
        assert_eq!(server.ended().code(), Some(5), "{kind:?}");
        assert_nothing_is_left();
    });
}

#[test]
fn a_server_that_is_a_station_of_its_own_is_found_there() {
    isolated(|| {
        if !Kind::Packet.prepare() {
            return;
        }
        let station = "02:00:00:00:00:07";
        let options = [Kind::Packet.options(), &["--hardware-address", station]].concat();
        let Some(server) = Server::start_with(Kind::Packet, &options) else {
            return;
        };
        let _load = Load::begin(Kind::Packet);
        let neighbours = fs::read_to_string("/proc/thread-self/net/arp").expect("procfs");
        let server_is_there = |row: &str| row.starts_with("10.1.0.2 ") && row.contains(station);
        assert!(neighbours.lines().any(server_is_there), "{neighbours}");
        drop(server);
    });
}
