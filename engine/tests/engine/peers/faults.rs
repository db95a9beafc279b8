//! What goes wrong on a wire while data is on its way, as the table in the documentation of `handfast::application` has it.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::thread::{self, JoinHandle};

use handfast::application::{ConnectionError, Event, Readiness, TcpHandle};
use handfast::config::UserTimeout;
use handfast::link::Device;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

use super::detour::Detour;
use super::lines::{INTERFACE, Kind, Line, Setting};
use crate::support::Family;
use crate::support::kernel::{self, Host};
use crate::support::namespace::{isolated, remove, set_hardware_address, set_mtu, set_up};

type Peer = Host<Box<dyn Device>>;

/// Bytes on their way when the fault comes, half of them acknowledged by then.
const AMOUNT: usize = 8 << 20;

/// How long it may take until a connection is given up whose user timeout is a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of the engine's to a reader of the kernel's.
struct Transfer {
    connection: TcpHandle,
    sent: usize,
    reader: JoinHandle<usize>,
}

impl Transfer {
    /// Connects to `kernel` and sends until half has been acknowledged.
    fn begin(host: &mut Peer, kernel: IpAddr) -> Self {
        let listener = TcpListener::bind((kernel, 0)).expect("a port of the kernel's");
        let at = listener.local_addr().expect("an address");
        let reader = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("the engine connects");
            kernel::read_stream(stream)
        });
        let connection = host.engine.tcp_connect(None, at).expect("a free port");
        let mut transfer = Self {
            connection,
            sent: 0,
            reader,
        };
        while host.engine.counters().tcp.bytes_sent < AMOUNT as u64 / 2 {
            transfer.go_on(host);
        }
        transfer
    }

    fn go_on(&mut self, host: &mut Peer) {
        host.turn();
        let state = host.engine.tcp_state(self.connection);
        if state.is_some_and(State::is_synchronized) && self.sent < AMOUNT {
            kernel::send_more(&mut host.engine, self.connection, &mut self.sent, AMOUNT);
        }
    }

    /// Goes on until the engine has found out by itself that nothing arrives.
    fn until_a_timeout(&mut self, host: &mut Peer) {
        let before = host.engine.counters().tcp.timeouts;
        while host.engine.counters().tcp.timeouts == before {
            self.go_on(host);
        }
    }

    /// The rest arrives, and nothing but what was sent.
    fn end(mut self, host: &mut Peer) {
        while self.sent < AMOUNT {
            self.go_on(host);
        }
        assert_eq!(host.run_until_finished(self.reader), AMOUNT);
        host.engine.tcp_close(self.connection);
    }

    /// Nothing arrives any more, and the connection says so. Returns how often the engine was asked meanwhile.
    fn fail(mut self, host: &mut Peer) -> usize {
        // All that was under way may have arrived before the fault.
        self.go_on(host);
        let mut turns = 0;
        let begin = host.now();
        let mut failed = false;
        while !failed {
            turns += 1;
            assert!(
                turns < 2_000_000 && host.now() < begin + PATIENCE,
                "{:?} {:#?}",
                host.engine.tcp_info(self.connection),
                host.engine.counters()
            );
            host.turn_with(|_, event| {
                failed |= matches!(event, Event::Tcp(_, ready) if ready.contains(Readiness::FAILED));
            });
        }
        let error = host.engine.tcp_error(self.connection);
        assert_eq!(error, Some(ConnectionError::TimedOut));
        turns
    }
}

/// A line of each kind, the addresses of both ends in IPv4, and a name for what fails.
fn on_every_line(test: fn(Peer, Kind)) {
    for kind in Kind::every() {
        isolated(move || {
            let setting = Setting {
                kind,
                mtu: 1500,
                offloads: kind != Kind::Xdp,
            };
            if let Some(line) = setting.lay() {
                test(line.host(Family::V4), kind);
            }
        });
    }
}

#[test]
fn an_interface_that_was_down_for_a_while_has_cost_time_and_no_byte() {
    on_every_line(|mut host, _| {
        let mut transfer = Transfer::begin(&mut host, Family::V4.server());
        set_up(INTERFACE, false);
        transfer.until_a_timeout(&mut host);
        assert!(!host.engine.device().is_gone(), "it may come back");
        set_up(INTERFACE, true);
        transfer.end(&mut host);
    });
}

fn give_up_after_a_second(host: &mut Peer, transfer: &Transfer) {
    let patience = UserTimeout::After(Duration::from_secs(1));
    host.engine
        .tcp_set_user_timeout(transfer.connection, patience)
        .expect("the connection stands");
}

#[test]
fn a_peer_that_vanishes_is_given_up_after_the_user_timeout() {
    on_every_line(|mut host, _| {
        let transfer = Transfer::begin(&mut host, Family::V4.server());
        give_up_after_a_second(&mut host, &transfer);
        set_up(INTERFACE, false);
        transfer.fail(&mut host);
    });
}

/// As if the peer had vanished; and the engine neither fails nor spins because its device is gone.
#[test]
fn an_interface_that_is_removed_under_load_is_a_peer_that_vanishes() {
    /// A second and a half of sleeps of at most 10 ms, and what was under way; an engine that spins takes a hundred times as many.
    const FEW_TURNS: usize = 20_000;
    on_every_line(|mut host, kind| {
        let transfer = Transfer::begin(&mut host, Family::V4.server());
        give_up_after_a_second(&mut host, &transfer);
        remove(INTERFACE);
        // A raw socket is on an address and on no interface.
        assert_eq!(host.engine.device().is_gone(), kind != Kind::Raw);
        let turns = transfer.fail(&mut host);
        assert!(turns < FEW_TURNS, "{kind:?}: {turns} turns");
    });
}

/// The kernel announces it (RFC 5227 section 3 calls that an announcement), and the engine takes it over.
#[test]
fn an_address_that_moves_to_another_station_and_says_so_is_followed() {
    for kind in [Kind::Packet, Kind::Xdp, Kind::Tap] {
        isolated(move || {
            let setting = Setting {
                kind,
                mtu: 1500,
                offloads: kind != Kind::Xdp,
            };
            let Some(line) = setting.lay() else { return };
            let mut host = line.host(Family::V4);
            let announces = format!("/proc/sys/net/ipv4/conf/{INTERFACE}/arp_notify");
            fs::write(announces, "1").expect("the namespace is ours");
            let transfer = Transfer::begin(&mut host, Family::V4.server());
            // Whoever changes his address twice in a second is not believed.
            let settled = host.now() + Duration::from_millis(1100);
            while host.now() < settled {
                host.turn();
            }
            set_hardware_address(INTERFACE, [2, 0, 0, 0, 0, 99]);
            transfer.end(&mut host);
            assert_eq!(host.engine.counters().ethernet.neighbours.changed, 1);
        });
    }
}

/// The router says so (RFC 1191, RFC 8201), and segments become smaller.
#[test]
fn a_path_that_becomes_narrow_under_way_is_found_out() {
    for family in Family::BOTH {
        isolated(move || {
            let Some(Detour { line, routers }) = Detour::new(Kind::Tun, 1500) else {
                return;
            };
            let mut host = line.host_behind_router(family);
            let transfer = Transfer::begin(&mut host, Detour::kernel(family));
            Detour::narrow(&routers, 1300);
            let connection = transfer.connection;
            transfer.end(&mut host);
            let counters = host.engine.counters().tcp;
            assert!(counters.path_mtu_reductions > 0, "{counters:?}");
            let info = host.engine.tcp_info(connection);
            assert!(info.is_none_or(|info| info.path_mtu == Some(1300)), "{info:?}");
        });
    }
}

/// The kernel says to packet sockets of each long packet that it has no room, which it never will, and short ones are not to wait behind.
#[test]
fn a_far_end_that_takes_no_long_packets_any_more_costs_time_and_no_byte() {
    for kind in [Kind::Packet, Kind::PacketRing, Kind::Xdp, Kind::Raw] {
        let has_offloads = matches!(kind, Kind::Packet | Kind::PacketRing);
        for offloads in [false, true].into_iter().take(1 + usize::from(has_offloads)) {
            isolated(move || {
                let setting = Setting {
                    kind,
                    mtu: 1500,
                    offloads,
                };
                let Some(line) = setting.lay() else { return };
                let mut host = line.host(Family::V4);
                let transfer = Transfer::begin(&mut host, Family::V4.server());
                set_mtu(INTERFACE, 1200);
                transfer.end(&mut host);
            });
        }
    }
}

/// One packet of a hundred has a wrong bit somewhere: none of it reaches an application.
#[test]
fn wrong_bits_cost_time_and_no_byte() {
    let over_its_families = |kind: Kind| kind.families().iter().map(move |&family| (kind, family));
    for (kind, family) in Kind::every().flat_map(over_its_families) {
        isolated(move || {
            let setting = Setting {
                kind,
                mtu: 1500,
                offloads: false,
            };
            let Some(line) = setting.lay() else { return };
            let config = ImpairConfig {
                seed: 1,
                corruption: 0.01,
                ..ImpairConfig::default()
            };
            let pool = line.pool.clone();
            let device = Impair::new(line.device, config, pool).expect("a probability");
            let line = Line {
                device: Box::new(device),
                ..line
            };
            let mut host = line.host(family);
            host.amount = AMOUNT;
            kernel::kernel_connects_to_engine(&mut host);
            let counters = host.engine.counters();
            assert!(counters.tcp.dropped_checksum > 0, "{kind:?}: {counters:?}");
        });
    }
}
