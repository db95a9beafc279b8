//! What differs between `kernel` and its tuned columns (`kernel-tuned`, `kernel-uring`): for each socket, and for the whole namespace.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::{Unsupported, addresses};
use crate::config::{Pressure, RunConfig, ScenarioKind, StackKind};
use crate::path::namespace::{self, NotPossible, Sysctl};

const CONGESTION_CONTROL: &str = "net.ipv4.tcp_congestion_control";
/// The congestion control of both columns, Linux's own default, whatever this machine was changed to.
const CUBIC: &str = "cubic";
/// Permitted in every namespace, and the same as CUBIC to connections that never fill a window, which are spared a
/// call each by a default that suits them.
const RENO: &str = "reno";
const PORT_RANGE: &str = "net.ipv4.ip_local_port_range";
/// Descriptors left for everything but connections.
const SPARE_DESCRIPTORS: u64 = 128;

/// How one end uses its sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// `TCP_NODELAY`, where small messages go back and forth.
    pub(crate) nodelay: bool,
    /// Ask `SO_ERROR` when a connect completes, as event libraries do, though epoll has said that there is no error.
    pub(crate) confirms_connect: bool,
    /// `TCP_CONGESTION` for every socket; needless where the namespace's default is right.
    pub(crate) congestion_control: Option<&'static str>,
    /// `IP_LOCAL_PORT_RANGE` for every connecting socket; needless while destinations are many.
    pub(crate) local_ports: Option<(u16, u16)>,
    /// The least backlog; the kernel cuts it to `somaxconn`.
    pub(crate) backlog: usize,
    /// `UDP_SEGMENT` and `UDP_GRO`: one call for a run of datagrams.
    pub(crate) udp_offload: bool,
    /// Connections that this end starts at most, so that the other end has descriptors to accept them.
    pub(crate) connections: usize,
    /// This end reports what the kernel counts for the namespace, all ends in it together. One end on each host does.
    pub(crate) counts_namespace: bool,
}

impl Options {
    /// What `kind` (one of the kernel columns) uses for a run.
    ///
    /// # Errors
    /// When the process may not open enough descriptors for the connections in flight.
    pub(crate) fn new(kind: StackKind, config: &RunConfig) -> Result<Self, Unsupported> {
        let tuned = kind != StackKind::Kernel;
        let default = namespace::sysctl(CONGESTION_CONTROL).unwrap_or_default();
        let default_suits = default == CUBIC || (default == RENO && config.scenario != ScenarioKind::Stream);
        Ok(Self {
            nodelay: config.scenario == ScenarioKind::Rr,
            confirms_connect: !tuned,
            congestion_control: (!default_suits).then_some(CUBIC),
            local_ports: if tuned && !namespace::entered() {
                addresses::local_ports()
            } else {
                None
            },
            backlog: if tuned { usize::MAX } else { 0 },
            udp_offload: tuned,
            connections: if kind == StackKind::KernelUring {
                connections_of_a_ring(config)?
            } else {
                connections_for_each_generator(config)?
            },
            counts_namespace: false,
        })
    }
}

/// Direct descriptors take no place among the open files of the process, but a table of them may be no larger than that limit.
fn connections_of_a_ring(config: &RunConfig) -> Result<usize, Unsupported> {
    let room = most_open_files();
    if config.scenario != ScenarioKind::Idle && u64::from(config.connections) > room {
        return Err(Unsupported(format!(
            "{} connections for each generator are more direct descriptors than a ring may have ({room}, the limit of open \
             files)",
            config.connections
        )));
    }
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}

/// Raises the limit of open files as far as it goes, and tells it.
fn most_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // A limit that cannot be raised is still a limit that one can work under.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Divides the open files of the process among the ends of all generators.
fn connections_for_each_generator(config: &RunConfig) -> Result<usize, Unsupported> {
    let descriptors = most_open_files();
    let room = descriptors.saturating_sub(SPARE_DESCRIPTORS) / 2 / u64::from(config.generators.max(1));
    // Other processes may hold those of `idle`, which reports how many it has reached; every other scenario needs all that it was asked for.
    if config.scenario != ScenarioKind::Idle && u64::from(config.connections) > room {
        return Err(Unsupported(format!(
            "{} generators with {} connections each need two descriptors a connection, and the process may open {descriptors}; \
             raise the limit (ulimit -n), or keep with --idle open what carries no load",
            config.generators, config.connections
        )));
    }
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}

/// Sets up the namespace of a run, before its sockets are made. Returns what was refused.
///
/// # Errors
/// When it was a setting that the run was asked for: without it the run would be another one.
pub(crate) fn apply_sysctls(kind: StackKind, pressure: &Pressure) -> Result<Vec<NotPossible>, Unsupported> {
    let congestion_control = |name| Sysctl::new(CONGESTION_CONTROL, name).apply();
    let chosen = congestion_control(CUBIC).or_else(|_| congestion_control(RENO));
    let tuned = if kind != StackKind::Kernel {
        tuned_sysctls()
    } else {
        Vec::new()
    };
    let refused = chosen
        .err()
        .into_iter()
        .chain(tuned.iter().filter_map(|setting| setting.apply().err()))
        .collect();
    for setting in asked_sysctls(pressure) {
        setting
            .apply()
            .map_err(|NotPossible(reason)| Unsupported(reason))?;
    }
    Ok(refused)
}

fn asked_sysctls(pressure: &Pressure) -> Vec<Sysctl> {
    let range = pressure
        .port_range
        .map(|range| Sysctl::new(PORT_RANGE, format!("{} {}", range.low, range.high)));
    let settings = pressure.sysctls.iter();
    settings
        .map(|setting| Sysctl::new(&setting.name, &setting.value))
        .chain(range)
        .collect()
}

/// Room for what the defaults of a desktop are too small for.
fn tuned_sysctls() -> Vec<Sysctl> {
    vec![
        Sysctl::new(PORT_RANGE, "1024 65535"),
        Sysctl::new("net.ipv4.tcp_max_tw_buckets", 1 << 20),
        Sysctl::new("net.core.somaxconn", u16::MAX),
        Sysctl::new("net.ipv4.tcp_max_syn_backlog", u16::MAX),
        Sysctl::new("net.ipv4.tcp_slow_start_after_idle", 0),
    ]
}
