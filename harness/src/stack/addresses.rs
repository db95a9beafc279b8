//! Which addresses the two ends of a pair use: enough of them that no four-tuple comes back inside 60 s.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;

use super::Unsupported;
use crate::config::{IpVersion, Pressure, RunConfig};
use crate::path::{lab, namespace};

/// Where a pair listens, connects to and connects from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Addresses {
    /// Connect from each in turn.
    pub(super) client: Vec<IpAddr>,
    /// Listen on every one.
    pub(super) listen: Vec<SocketAddr>,
    /// Connect to each in turn.
    pub(super) server: Vec<SocketAddr>,
}

/// Client addresses of a stack in memory: with 64,512 ports each, room for 1.1 million connections/s over 60 s.
const MEMORY_CLIENTS: u16 = 1024;
/// Server addresses of a kernel in its own namespace: with the kernel's default 28,232 ports each, room for
/// 30,000 connections/s over 60 s. Many servers rather than many clients, because binding a source costs the client
/// two system calls a connection, and a server listens on all its addresses at once.
const NAMESPACE_SERVERS: u8 = 64;
/// The port of the first generator's server.
const PORT: u16 = 7007;
/// That of every process that holds connections beside a run: generators listen at any address from [`PORT`] on.
const PORT_OF_HOLDERS: u16 = PORT - 1;

/// For stacks over a wire in memory, whose generators never meet: `10.x.y.z` to `10.0.0.1`, or `fd01::x:yz` to `fd00::1`.
pub(super) fn in_memory(ip: IpVersion, generator: u32, pressure: &Pressure) -> Addresses {
    let block = Ipv4Addr::new(10, 1, 0, 0).to_bits() + generator * u32::from(MEMORY_CLIENTS) * 2;
    let client = |host: u32| -> IpAddr {
        match ip {
            IpVersion::V4 => Ipv4Addr::from_bits(block + host).into(),
            IpVersion::V6 => {
                let first = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 0).to_bits();
                Ipv6Addr::from_bits(first + u128::from(block + host)).into()
            }
        }
    };
    let server: IpAddr = match ip {
        IpVersion::V4 => Ipv4Addr::new(10, 0, 0, 1).into(),
        IpVersion::V6 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
    };
    // The first address of the block would be its network's name.
    let hosts = pressure.addresses_or(MEMORY_CLIENTS.into());
    let ports = PORT..PORT + ports_listened_on(pressure);
    let server: Vec<_> = ports.map(|port| SocketAddr::new(server, port)).collect();
    Addresses {
        client: (1..=hosts).map(client).collect(),
        listen: server.clone(),
        server,
    }
}

/// For the kernel's stack, in the process's own namespace or else beside whatever runs on this host.
///
/// # Errors
/// On the host, when the generators together could fill more than half of its TIME_WAIT table.
pub(super) fn on_loopback(
    generator: u32,
    generators: u32,
    pressure: &Pressure,
) -> Result<Addresses, Unsupported> {
    if namespace::entered() {
        return Ok(if pressure.bounds_tuples() {
            in_namespace_as_asked(generator, pressure)
        } else {
            in_namespace(generator)
        });
    }
    if pressure.bounds_tuples() || !pressure.sysctls.is_empty() {
        return Err(Unsupported(
            "addresses, ports and settings of the kernel are changed in a network namespace of the run's own only, and there is none here"
                .into(),
        ));
    }
    on_host(generator, destinations_on_host(generators)?)
}

/// For stacks over the cable of a lab. Where four-tuples are counted, one host is connected to.
pub(super) fn on_cable(config: &RunConfig, generator: u32) -> Addresses {
    let (ip, pressure) = (config.ip, &config.pressure);
    let hosts = if pressure.bounds_tuples() {
        1
    } else {
        usize::from(lab::SERVERS)
    };
    let ports = ports_of(generator, pressure);
    let any: IpAddr = match ip {
        IpVersion::V4 => Ipv4Addr::UNSPECIFIED.into(),
        IpVersion::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    Addresses {
        // Unspecified where there is one to choose: binding a source would cost the client two system calls a connection.
        client: match pressure.addresses {
            None | Some(1) => vec![any],
            Some(sources) => lab::client_addresses(ip, sources),
        },
        listen: ports.clone().map(|port| SocketAddr::new(any, port)).collect(),
        server: ports
            .flat_map(|port| lab::servers(ip, port).into_iter().take(hosts))
            .collect(),
    }
}

fn port_of(generator: u32) -> u16 {
    PORT + u16::try_from(generator).expect("a generator for each core")
}

/// The ports of a generator's server.
fn ports_of(generator: u32, pressure: &Pressure) -> Range<u16> {
    let ports = ports_listened_on(pressure);
    let first = PORT + u16::try_from(generator).expect("a generator for each core") * ports;
    first..first + ports
}

/// For a process that holds connections beside a run in the namespace of both. It listens on addresses that nobody connects from: at any
/// address, a port would have to be free of every connection that the run has opened by then.
pub(super) fn of_holder(holder: u32) -> Addresses {
    let block = Ipv4Addr::new(127, 64, 0, 0).to_bits() + (holder << 8);
    let server: Vec<_> = (1..=u32::from(NAMESPACE_SERVERS))
        .map(|host| SocketAddr::from((Ipv4Addr::from_bits(block + host), PORT_OF_HOLDERS)))
        .collect();
    Addresses {
        client: vec![Ipv4Addr::UNSPECIFIED.into()],
        listen: server.clone(),
        server,
    }
}

fn in_namespace(generator: u32) -> Addresses {
    let port = port_of(generator);
    Addresses {
        client: vec![Ipv4Addr::UNSPECIFIED.into()],
        listen: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))],
        server: (1..=NAMESPACE_SERVERS)
            .map(|host| SocketAddr::from(([127, 2, 0, host], port)))
            .collect(),
    }
}

/// One host that listens, and as many that connect as were asked for. A client with several addresses binds one for each
/// connection, which costs it two system calls.
fn in_namespace_as_asked(generator: u32, pressure: &Pressure) -> Addresses {
    let listening =
        |address: Ipv4Addr| ports_of(generator, pressure).map(move |port| SocketAddr::from((address, port)));
    let block = Ipv4Addr::new(127, 3, 0, 0).to_bits();
    let client = match pressure.addresses {
        None | Some(1) => vec![Ipv4Addr::UNSPECIFIED.into()],
        Some(hosts) => (1..=hosts)
            .map(|host| Ipv4Addr::from_bits(block + host).into())
            .collect(),
    };
    Addresses {
        client,
        listen: listening(Ipv4Addr::UNSPECIFIED).collect(),
        server: listening(Ipv4Addr::new(127, 2, 0, 1)).collect(),
    }
}

fn ports_listened_on(pressure: &Pressure) -> u16 {
    u16::try_from(pressure.ports.unwrap_or(1)).expect("the command line takes no more than there are")
}

/// As many destinations as this generator's share of half the table has room for, if every port towards each of
/// them ends up in TIME_WAIT.
fn destinations_on_host(generators: u32) -> Result<u8, Unsupported> {
    let table: u32 = namespace::sysctl("net.ipv4.tcp_max_tw_buckets")
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Unsupported("the size of the host's TIME_WAIT table is unknown".into()))?;
    let ports = local_ports().map_or(u32::from(u16::MAX), |(low, high)| u32::from(high - low) + 1);
    let destinations = table / 2 / generators.max(1) / ports;
    if destinations == 0 {
        return Err(Unsupported(format!(
            "{generators} generators with {ports} ports each could fill more than half of the host's TIME_WAIT \
             table ({table} entries), and there is no network namespace of its own"
        )));
    }
    Ok(destinations.min(u32::from(NAMESPACE_SERVERS)) as u8)
}

/// Addresses that depend on the process, so that neither a run beside this one nor the TIME_WAIT entries of the run
/// before are met.
fn on_host(generator: u32, destinations: u8) -> Result<Addresses, Unsupported> {
    let block = 64 + (std::process::id() & 0x7f) as u8;
    let third = u8::try_from(generator).map_err(|_| {
        Unsupported(format!(
            "generator {generator} is beyond the 256 blocks of 127.{block}/16"
        ))
    })?;
    let hosts = || (1..=destinations).map(|host| Ipv4Addr::new(127, block, third, host));
    let port = unused_port(Ipv4Addr::new(127, block, third, 1))
        .map_err(|error| Unsupported(format!("no port can be bound on 127.{block}.{third}.1 ({error})")))?;
    let server: Vec<_> = hosts().map(|host| SocketAddr::from((host, port))).collect();
    Ok(Addresses {
        client: vec![Ipv4Addr::UNSPECIFIED.into()],
        listen: server.clone(),
        server,
    })
}

/// A port that nobody had bound on `address` a moment ago.
fn unused_port(address: Ipv4Addr) -> std::io::Result<u16> {
    Ok(UdpSocket::bind((address, 0))?.local_addr()?.port())
}

/// The ports that the kernel chooses for connecting sockets, both bounds included.
pub(super) fn local_ports() -> Option<(u16, u16)> {
    let range = namespace::sysctl("net.ipv4.ip_local_port_range")?;
    let mut bounds = range.split_whitespace().map(str::parse);
    Some((bounds.next()?.ok()?, bounds.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::{Options, PathKind, ScenarioKind, StackKind};

    #[test]
    fn generators_share_no_client_address() {
        for ip in [IpVersion::V4, IpVersion::V6] {
            let all: Vec<_> = (0..4)
                .flat_map(|generator| in_memory(ip, generator, &Pressure::default()).client)
                .collect();
            assert_eq!(all.len(), 4 * usize::from(MEMORY_CLIENTS));
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        }
    }

    #[test]
    fn generators_share_no_server_in_a_namespace() {
        let all: Vec<_> = (0..4)
            .flat_map(|generator| in_namespace(generator).server)
            .collect();
        assert_eq!(
            all.iter().collect::<HashSet<_>>().len(),
            4 * usize::from(NAMESPACE_SERVERS)
        );
    }

    #[test]
    fn generators_share_no_port_on_a_cable_however_many_each_listens_on() {
        for (ports, hosts) in [(None, usize::from(lab::SERVERS)), (Some(1), 1), (Some(4), 1)] {
            let options = Options {
                pressure: Pressure {
                    ports,
                    ..Pressure::default()
                },
                ..Options::default()
            };
            let config =
                RunConfig::effective(ScenarioKind::Crr, StackKind::Kernel, PathKind::Veth, 1, &options);
            let all: Vec<_> = (0..3).map(|generator| on_cable(&config, generator)).collect();
            let listened: HashSet<_> = all.iter().flat_map(|one| &one.listen).collect();
            let ports = ports.unwrap_or(1) as usize;
            assert_eq!(listened.len(), 3 * ports);
            let servers: HashSet<_> = all.iter().flat_map(|one| &one.server).collect();
            assert_eq!(servers.len(), 3 * ports * hosts);
            for one in &all {
                let is_listened_on =
                    |server: &SocketAddr| one.listen.iter().any(|at| at.port() == server.port());
                assert!(one.server.iter().all(is_listened_on), "{one:?}");
            }
        }
    }

    #[test]
    fn holders_share_no_server_with_anybody() {
        let mut all: Vec<_> = [0, 1, 63, 64, 255, 1000]
            .into_iter()
            .flat_map(|holder| of_holder(holder).server)
            .collect();
        all.extend((0..4).flat_map(|generator| in_namespace(generator).server));
        assert!(all.iter().all(|server| server.ip().is_loopback()));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_host_is_never_asked_for_more_than_half_of_its_table() {
        let table: u32 = namespace::sysctl("net.ipv4.tcp_max_tw_buckets")
            .expect("Linux")
            .parse()
            .expect("number");
        let (low, high) = local_ports().expect("Linux");
        for generators in 1..8 {
            if let Ok(destinations) = destinations_on_host(generators) {
                let tuples = u32::from(destinations) * generators * (u32::from(high - low) + 1);
                assert!(
                    tuples <= table / 2,
                    "{generators} generators may leave {tuples} of {table}"
                );
            }
        }
        let refused = destinations_on_host(u32::MAX).expect_err("four billion generators");
        assert!(refused.0.contains("TIME_WAIT"), "{refused:?}");
    }
}
