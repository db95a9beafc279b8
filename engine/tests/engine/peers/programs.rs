//! Programs that people use, against an engine that answers them.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use handfast::application::{Event, Read as Received, TcpHandle};
use handfast::link::Device;

use super::captures::Tape;
use super::detour::Detour;
use super::forward::{Exchange, forward_until};
use super::lines::{Kind, Setting};
use crate::support::Family;
use crate::support::kernel::{Host, PORT};
use crate::support::namespace::{isolated, skip};

type Peer = Host<Box<dyn Device>>;

/// Runs a program on a thread, with `input` for it to read, and gives what it has written to both of its outputs. `None` when it is not installed.
fn start(program: &'static str, arguments: &[&str], input: Vec<u8>) -> JoinHandle<Option<String>> {
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    thread::spawn(move || {
        let started = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skip(format_args!("`{program}` is not installed"));
                return None;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        let mut to = child.stdin.take().expect("a pipe");
        let writer = thread::spawn(move || to.write_all(&input));
        let output = child.wait_with_output().expect("the program ends");
        // A program that reads nothing has closed its end.
        drop(writer.join().expect("the thread ends"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {arguments:?} ends with {}:\n{said}",
            output.status
        );
        Some(said)
    })
}

/// A line of 1500 bytes to an engine, and what passes on it.
fn recorded(kind: Kind, family: Family) -> Option<(Peer, Tape)> {
    let setting = Setting {
        kind,
        mtu: 1500,
        offloads: true,
    };
    let tape = Tape::default();
    Some((tape.record(setting.lay()?).host(family), tape))
}

/// Pings of every size: within a packet, exactly one, in fragments, and the largest that IPv4 has.
#[test]
fn ping_gets_all_its_answers() {
    for (kind, family) in Kind::with_families() {
        isolated(move || {
            let Some((mut host, tape)) = recorded(kind, family) else {
                return;
            };
            let to = family.client().to_string();
            for size in ["0", "56", "1452", "1472", "1473", "2960", "9000", "65507"] {
                if family == Family::V6 && size == "65507" {
                    continue;
                }
                expect_answers(
                    &mut host,
                    &["-n", "-c", "3", "-i", "0.02", "-w", "20", "-s", size, &to],
                );
            }
            expect_answers(&mut host, &["-n", "-f", "-c", "2000", "-w", "20", &to]);
            assert_eq!(host.engine.counters().internet.replies_lost, 0);
            tape.judge(
                &format!("ping-{kind:?}-{family:?}"),
                "icmp.type == 0 || icmpv6.type == 129",
            );
        });
    }
}

/// With a deadline (`-w`), ping ends well only when as many answers have come as were asked for; without, it waits for the last one for no
/// longer than two round trips.
fn expect_answers(host: &mut Peer, arguments: &[&str]) {
    let ping = start("ping", arguments, Vec::new());
    host.run_until_finished(ping);
}

/// Gives every connection back what it says, until `program` has ended.
fn echo_until(host: &mut Peer, program: JoinHandle<Option<String>>) -> Option<String> {
    let (listener, _) = host.listen();
    let mut pending: Vec<(TcpHandle, Vec<u8>)> = Vec::new();
    while !program.is_finished() {
        host.turn_with(|engine, event| {
            if let Event::Acceptable(_) = event {
                pending
                    .extend(std::iter::from_fn(|| engine.tcp_accept(listener)).map(|new| (new, Vec::new())));
            }
        });
        let engine = &mut host.engine;
        pending.retain_mut(|(connection, rest)| {
            let mut ended = false;
            while rest.len() < 1 << 20 && !ended {
                let mut buffer = [0; 4096];
                match engine.tcp_receive(*connection, &mut buffer) {
                    Ok(Received::Data(count)) => rest.extend_from_slice(&buffer[..count]),
                    Ok(Received::WouldBlock) => break,
                    Ok(Received::End) | Err(_) => ended = true,
                }
            }
            let sent = engine.tcp_send(*connection, rest).unwrap_or(rest.len());
            rest.drain(..sent);
            let is_over = ended && rest.is_empty();
            if is_over {
                engine.tcp_close(*connection);
            }
            !is_over
        });
    }
    host.run_until_finished(program)
}

#[test]
fn nc_gets_its_words_back() {
    for (kind, family) in Kind::with_families() {
        isolated(move || {
            let Some((mut host, tape)) = recorded(kind, family) else {
                return;
            };
            let words: String = (0..20_000).map(|number| format!("{number} ")).collect();
            let (to, port) = (family.client().to_string(), PORT.to_string());
            let nc = start("nc", &["-N", &to, &port], words.clone().into_bytes());
            let Some(heard) = echo_until(&mut host, nc) else {
                return;
            };
            assert!(heard == words, "{} of {} bytes", heard.len(), words.len());
            tape.judge(&format!("nc-{kind:?}-{family:?}"), "tcp.flags.fin == 1");
        });
    }
}

/// Waits until somebody listens on the port; `false` if the program ends instead.
fn await_listener(port: u16, program: &JoinHandle<Option<String>>) -> bool {
    let address = format!(":{port:04X} 00000000:0000 0A");
    let sockets = || fs::read_to_string("/proc/thread-self/net/tcp").expect("the kernel's sockets");
    while !program.is_finished() {
        if sockets().contains(&address) {
            return true;
        }
        thread::yield_now();
    }
    false
}

/// A server for one client, once it listens; `None` when it ended before.
fn serve_iperf3(at: SocketAddr) -> Option<JoinHandle<Option<String>>> {
    let serving = start("iperf3", &["-s", "-1", "-B", &at.ip().to_string()], Vec::new());
    await_listener(at.port(), &serving).then_some(serving)
}

/// Both directions and several streams, as people measure with it.
#[test]
fn iperf3_measures_through_the_engine() {
    for (kind, family) in Kind::with_families() {
        isolated(move || {
            let Some((mut host, tape)) = recorded(kind, family) else {
                return;
            };
            let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5201);
            let to = family.client().to_string();
            for extra in [&["-P", "2"][..], &["-R"], &["--bidir"]] {
                let Some(serving) = serve_iperf3(server) else {
                    return;
                };
                let arguments = [&["-c", &to, "-n", "4M", "-J"], extra].concat();
                let client = start("iperf3", &arguments, Vec::new());
                let Some(report) = forward_until(&mut host, server, client, |_, _| {}) else {
                    return;
                };
                assert!(!report.contains("\"error\""), "{report}");
                assert!(report.contains("\"sum_received\""), "{report}");
                host.run_until_finished(serving);
            }
            tape.judge(&format!("iperf3-{kind:?}-{family:?}"), "tcp.flags.fin == 1");
        });
    }
}

/// Datagrams that a client sends to the engine, and those that the engine sends to it.
#[test]
fn iperf3_measures_datagrams_through_the_engine() {
    /// Those of a megabyte, if half of them are lost.
    const FEW: usize = 350;
    for (kind, family) in Kind::with_families() {
        isolated(move || {
            let Some((mut host, tape)) = recorded(kind, family) else {
                return;
            };
            let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5201);
            let to = family.client().to_string();
            for extra in [&[][..], &["-R"]] {
                let Some(serving) = serve_iperf3(server) else {
                    return;
                };
                let arguments = [&["-c", &to, "-u", "-b", "20M", "-n", "1M", "-J"], extra].concat();
                let client = start("iperf3", &arguments, Vec::new());
                let mut exchange = Exchange::new(&mut host, server);
                let Some(report) = forward_until(&mut host, server, client, |host, buffer| {
                    exchange.pump(host, buffer);
                }) else {
                    return;
                };
                assert!(!report.contains("\"error\""), "{report}");
                assert!(report.contains("\"lost_packets\""), "{report}");
                assert!(exchange.passed_on > FEW, "{}: {report}", exchange.passed_on);
                exchange.end(&mut host);
                host.run_until_finished(serving);
            }
            tape.judge(
                &format!("iperf3-udp-{kind:?}-{family:?}"),
                "udp.port == 5201 && udp.length > 1000",
            );
        });
    }
}

/// A path of which a part takes smaller packets than either end is found out, from outside and by the engine, whatever the engine is behind.
#[test]
fn tracepath_finds_the_narrow_part_of_a_path_to_the_engine() {
    let over_both = |kind| Family::BOTH.map(|family| (kind, family));
    for (kind, family) in Kind::ALL.into_iter().flat_map(over_both) {
        isolated(move || {
            let Some(detour) = Detour::new(kind, 1300) else {
                return;
            };
            let mut host = detour.line.host_behind_router(family);
            let to = family.client().to_string();
            let tracepath = start("tracepath", &["-n", &to], Vec::new());
            let Some(said) = host.run_until_finished(tracepath) else {
                return;
            };
            assert!(
                said.contains("pmtu 1300 hops 3") && said.contains("reached"),
                "{kind:?}: {said}"
            );
        });
    }
}
