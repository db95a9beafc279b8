//! Makes the two ends of a stack, for one thread or for two.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::addresses::{self, Addresses};
use super::cabled;
use super::engine::{self, Between};
use super::kernel::{self, Kernel, tuning};
use super::null::Null;
use super::smoltcp::wire::{LocalWire, ThreadWire, Wire};
use super::smoltcp::{self, Smoltcp};
use super::uring::{self, Uring};
use super::{Stack, Unsupported};
use crate::config::{Checksums, Pairing, RunConfig, ScenarioKind, StackKind};
use crate::path::lab;
use crate::path::namespace::{self, NotPossible};

/// Both ends of a stack, for one thread.
pub(crate) struct Pair {
    pub(crate) client: Box<dyn Stack>,
    pub(crate) server: Box<dyn Stack>,
    /// Connect from each in turn. `0.0.0.0` leaves the choice to the stack.
    pub(crate) client_addresses: Vec<IpAddr>,
    /// Listen (or bind) on every one.
    pub(crate) listen_addresses: Vec<SocketAddr>,
    /// Connect (or send) to each in turn: a server that listens on `0.0.0.0` answers at all of them.
    pub(crate) server_addresses: Vec<SocketAddr>,
}

/// Makes an end in the thread that it will live in.
pub(crate) type MakeEnd = Box<dyn FnOnce() -> Box<dyn Stack> + Send>;

/// Both ends of a stack, for a thread each. Otherwise as [`Pair`].
pub(crate) struct SplitPair {
    pub(crate) client: MakeEnd,
    pub(crate) server: MakeEnd,
    pub(crate) client_addresses: Vec<IpAddr>,
    pub(crate) listen_addresses: Vec<SocketAddr>,
    pub(crate) server_addresses: Vec<SocketAddr>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pair")
            .field("listen", &self.listen_addresses)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SplitPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SplitPair")
            .field("listen", &self.listen_addresses)
            .finish_non_exhaustive()
    }
}

/// Gives the process what `stacks` need around them: for the kernel's stack a network namespace of its own with the
/// settings of that column, for a path through devices their hosts. Call it once, before the process has a second
/// thread and before [`pair`].
///
/// Returns what was not possible although the run can go on without: [`pair`] then keeps to addresses of its own and to
/// half of the host's TIME_WAIT table, and settings stay as the host has them.
///
/// # Errors
/// [`Unsupported`] when there is no such path here.
pub(crate) fn prepare_process(stacks: Pairing, config: &RunConfig) -> Result<Vec<NotPossible>, Unsupported> {
    if [stacks.client, stacks.server].contains(&StackKind::Engine) {
        engine::check_memory(config)?;
    }
    if config.path.leads_through_devices() {
        return prepare_hosts(stacks, config);
    }
    if !stacks.has_kernel() {
        return Ok(Vec::new());
    }
    Ok(match namespace::enter() {
        Ok(()) => tuning::apply_sysctls(stacks.client, &config.pressure)?,
        Err(reason) => vec![reason],
    })
}

fn prepare_hosts(stacks: Pairing, config: &RunConfig) -> Result<Vec<NotPossible>, Unsupported> {
    let no_path = |NotPossible(reason)| {
        Unsupported(format!(
            "no path through {} here: {reason}; `handfast doctor` says what helps",
            config.path
        ))
    };
    let lab = cabled::prepare(stacks, config).map_err(no_path)?;
    let mut refused = Vec::new();
    for (stack, host) in [
        (stacks.client, &lab.client),
        (stacks.server, lab.host_of_server()),
    ] {
        if stack.is_kernel() {
            let visit = host.visit();
            let _visit =
                visit.map_err(|error| no_path(NotPossible(format!("a host cannot be entered ({error})"))))?;
            refused.extend(tuning::apply_sysctls(stack, &config.pressure)?);
        }
    }
    Ok(refused)
}

/// The stack of both ends, on a path that does not lead through devices.
fn single(stacks: Pairing, config: &RunConfig) -> Result<StackKind, Unsupported> {
    stacks
        .single()
        .ok_or_else(|| Unsupported(stacks.misfit(config.path).unwrap_or_default()))
}

/// Both ends of `stacks` for load generator number `generator`, in one thread.
///
/// # Errors
/// [`Unsupported`] says what the stack or the system cannot do of what was asked.
pub(crate) fn pair(stacks: Pairing, config: &RunConfig, generator: u32) -> Result<Pair, Unsupported> {
    let (client, server, addresses) = ends(stacks, config, generator)?;
    let Addresses {
        client: client_addresses,
        listen: listen_addresses,
        server: server_addresses,
    } = addresses;
    Ok(Pair {
        client,
        server,
        client_addresses,
        listen_addresses,
        server_addresses,
    })
}

/// Both ends of a stack of the kernel that hold connections beside a run. No generator of the run has the number `holder`.
///
/// # Errors
/// As [`pair`].
pub(crate) fn pair_of_holder(stack: StackKind, config: &RunConfig, holder: u32) -> Result<Pair, Unsupported> {
    let ends = pair(Pairing::of(stack), config, holder)?;
    if lab::built().is_some() {
        return Ok(ends);
    }
    let Addresses {
        client,
        listen,
        server,
    } = addresses::of_holder(holder);
    Ok(Pair {
        client_addresses: client,
        listen_addresses: listen,
        server_addresses: server,
        ..ends
    })
}

/// The client's end, the server's, and who they are to each other.
type ReadyEnds = (Box<dyn Stack>, Box<dyn Stack>, Addresses);

fn ends(stacks: Pairing, config: &RunConfig, generator: u32) -> Result<ReadyEnds, Unsupported> {
    if let Some(lab) = lab::built() {
        let (client, server, addresses) = cabled::both_ends(lab, stacks, config, generator)?;
        let (client, server) = (client(), server());
        return Ok((client, server, addresses));
    }
    let kind = single(stacks, config)?;
    Ok(match kind {
        StackKind::Kernel | StackKind::KernelTuned => {
            let (client, server, addresses) = kernel_ends(kind, config, generator)?;
            (Box::new(client), Box::new(server), addresses)
        }
        StackKind::KernelUring => {
            let (client, server, addresses) = uring_ends(config, generator)?;
            (client(), server(), addresses)
        }
        StackKind::Smoltcp => {
            check_smoltcp(config)?;
            let addresses = addresses::in_memory(config.ip, generator, &config.pressure);
            let (near, far) = LocalWire::pair(config.mtu as usize);
            let client = smoltcp_end(near, addresses.client[0], config);
            let server = smoltcp_end(far, addresses.server[0].ip(), config);
            (client, server, addresses)
        }
        StackKind::Null => {
            let (client, server) = Null::pair(null_ring(config));
            (
                Box::new(client),
                Box::new(server),
                addresses::in_memory(config.ip, generator, &config.pressure),
            )
        }
        StackKind::Engine => {
            let addresses = addresses::in_memory(config.ip, generator, &config.pressure);
            let between = Between {
                generator,
                clients: &addresses.client,
                servers: &addresses.server,
            };
            let (client, server) = engine::pair(config, between)?;
            (client, server, addresses)
        }
    })
}

/// Both ends of `stacks` for load generator number `generator`, each to be made in a thread of its own.
///
/// # Errors
/// As [`pair`].
pub(crate) fn split_pair(
    stacks: Pairing,
    config: &RunConfig,
    generator: u32,
) -> Result<SplitPair, Unsupported> {
    let (client, server, addresses) = split_ends(stacks, config, generator)?;
    let Addresses {
        client: client_addresses,
        listen: listen_addresses,
        server: server_addresses,
    } = addresses;
    Ok(SplitPair {
        client,
        server,
        client_addresses,
        listen_addresses,
        server_addresses,
    })
}

fn split_ends(stacks: Pairing, config: &RunConfig, generator: u32) -> Result<cabled::BothEnds, Unsupported> {
    if let Some(lab) = lab::built() {
        return cabled::both_ends(lab, stacks, config, generator);
    }
    let kind = single(stacks, config)?;
    Ok(match kind {
        StackKind::Kernel | StackKind::KernelTuned => {
            let (client, server, addresses) = kernel_ends(kind, config, generator)?;
            (
                Box::new(|| Box::new(client)),
                Box::new(|| Box::new(server)),
                addresses,
            )
        }
        StackKind::KernelUring => uring_ends(config, generator)?,
        StackKind::Smoltcp => {
            check_smoltcp(config)?;
            let addresses = addresses::in_memory(config.ip, generator, &config.pressure);
            let (near, far) = ThreadWire::pair(config.mtu as usize);
            let client = make_smoltcp_end(near, addresses.client[0], config);
            let server = make_smoltcp_end(far, addresses.server[0].ip(), config);
            (client, server, addresses)
        }
        StackKind::Null => {
            return Err(Unsupported(
                "with no stack between them, the ends have nothing to do in two threads".into(),
            ));
        }
        StackKind::Engine => {
            let addresses = addresses::in_memory(config.ip, generator, &config.pressure);
            let between = Between {
                generator,
                clients: &addresses.client,
                servers: &addresses.server,
            };
            let (client, server) = engine::split_pair(config, between)?;
            (client, server, addresses)
        }
    })
}

fn kernel_ends(
    kind: StackKind,
    config: &RunConfig,
    generator: u32,
) -> Result<(Kernel, Kernel, Addresses), Unsupported> {
    let (client, server) = kernel_options(kind, config, generator)?;
    let end = |options| {
        Kernel::new(options)
            .map_err(|error| Unsupported(format!("the kernel gives no epoll descriptor ({error})")))
    };
    let addresses = addresses::on_loopback(generator, config.generators, &config.pressure)?;
    Ok((end(client)?, end(server)?, addresses))
}

/// What the client's end and the server's use, over loopback.
fn kernel_options(
    kind: StackKind,
    config: &RunConfig,
    generator: u32,
) -> Result<(kernel::Options, kernel::Options), Unsupported> {
    if config.checksums == Checksums::Computed {
        return Err(Unsupported(
            "the kernel's loopback device computes no checksums and cannot be told to".into(),
        ));
    }
    let server = kernel::Options::new(kind, config)?;
    let client = kernel::Options {
        counts_namespace: generator == 0,
        ..server
    };
    Ok((client, server))
}

fn uring_ends(config: &RunConfig, generator: u32) -> Result<cabled::BothEnds, Unsupported> {
    uring::check()?;
    let (client, server) = kernel_options(StackKind::KernelUring, config, generator)?;
    let addresses = addresses::on_loopback(generator, config.generators, &config.pressure)?;
    let end = |options| -> MakeEnd {
        let shape = uring::shape(config, &options);
        Box::new(move || Box::new(Uring::new(options, shape).expect("a ring was made a moment ago")))
    };
    Ok((end(client), end(server), addresses))
}

fn check_smoltcp(config: &RunConfig) -> Result<(), Unsupported> {
    let asked = u64::from(config.connections) + config.idle;
    if asked > smoltcp::MOST_CONNECTIONS {
        return Err(Unsupported(format!(
            "smoltcp matches each packet against every socket in turn, which takes longer than a run for {asked} of \
             them (the limit here is {})",
            smoltcp::MOST_CONNECTIONS
        )));
    }
    check_smoltcp_datagrams(config)?;
    if config.pressure.bounds_tuples() {
        return Err(Unsupported(
            "smoltcp leaves addresses and ports to its user, so --addresses, --ports and --port-range say nothing of it"
                .into(),
        ));
    }
    Ok(())
}

/// smoltcp is built without fragments, whose buffers are of a length that is chosen when it is compiled, and drops what would need them.
fn check_smoltcp_datagrams(config: &RunConfig) -> Result<(), Unsupported> {
    /// Bytes of the headers of IPv4 and UDP.
    const HEADERS: u32 = 28;
    let most = config.mtu.saturating_sub(HEADERS);
    if matches!(config.scenario, ScenarioKind::Udp | ScenarioKind::Reorder) && config.message > most {
        return Err(Unsupported(format!(
            "smoltcp sends no fragments here, and a datagram of {} bytes takes more than one packet: ask for --message {most} at most, or for \
             a larger --mtu",
            config.message
        )));
    }
    Ok(())
}

fn smoltcp_end<W: Wire + 'static>(wire: W, address: IpAddr, config: &RunConfig) -> Box<dyn Stack> {
    Box::new(Smoltcp::new(wire, address, smoltcp::Options::new(config)))
}

fn make_smoltcp_end(wire: ThreadWire, address: IpAddr, config: &RunConfig) -> MakeEnd {
    let options = smoltcp::Options::new(config);
    Box::new(move || Box::new(Smoltcp::new(wire, address, options)))
}

/// Bytes in flight between the two ends of the generator alone: two messages, and 64 KiB at least.
fn null_ring(config: &RunConfig) -> usize {
    (2 * config.message as usize).max(64 << 10)
}
