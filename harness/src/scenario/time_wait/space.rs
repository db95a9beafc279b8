//! How many four-tuples there are, and how long TIME_WAIT keeps one from its next use.

use super::Run;
use crate::config::{Close, Closer};
use crate::path::namespace;

/// The port space of a run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Space {
    /// Client addresses × server ports × local ports, over all generators.
    pub(super) tuples: u64,
    pub(super) tuples_of_generator: u64,
    /// Seconds for which a closed connection keeps its four-tuple from the client; `None` when it doesn't.
    ///
    /// `connections/s × held_for ÷ tuples` is the TIME_WAIT pressure: at 1 the space is just used up.
    pub(super) held_for: Option<f64>,
}

/// 2MSL, of Linux (`TCP_TIMEWAIT_LEN`, fixed when it is compiled) and of the engine.
const TWICE_MSL: f64 = 60.0;

impl Space {
    /// `None` where memory alone bounds the table.
    pub(super) fn of(run: &Run<'_>) -> Option<Self> {
        let pressure = &run.config.pressure;
        if !run.is_kernel() && !pressure.bounds_tuples() {
            return None;
        }
        let ports = match pressure.port_range {
            Some(range) => range.len(),
            None if run.stack.client.is_kernel() => local_ports()?,
            None => u64::from(u16::MAX - 1023),
        };
        let pairs = u64::from(pressure.addresses_or(1) * pressure.ports.unwrap_or(1));
        let tuples_of_generator = pairs * ports;
        Some(Self {
            // The kernel's ports are the same for all generators, towards a port of each generator's own.
            tuples: tuples_of_generator * u64::from(run.config.generators),
            tuples_of_generator,
            held_for: held_for(run),
        })
    }
}

fn held_for(run: &Run<'_>) -> Option<f64> {
    let keeps_here = run.config.closer == Closer::Client && run.config.close == Close::Fin;
    keeps_here.then(|| match run.stack.client {
        stack if stack.is_kernel() => kernel_reuses_after().unwrap_or(TWICE_MSL),
        _ => TWICE_MSL,
    })
}

/// Seconds after which the kernel gives a tuple of 127/8 to a new connection (`tcp_tw_reuse`, which needs timestamps); `None` when
/// it doesn't before its time.
fn kernel_reuses_after() -> Option<f64> {
    let value = |name| namespace::sysctl(name)?.parse::<u32>().ok();
    let reuses = value("net.ipv4.tcp_tw_reuse") != Some(0) && value("net.ipv4.tcp_timestamps") != Some(0);
    let delay = value("net.ipv4.tcp_tw_reuse_delay").unwrap_or(1000);
    reuses.then(|| f64::from(delay) / 1000.0)
}

/// Ports that the kernel chooses from for one source and one destination.
fn local_ports() -> Option<u64> {
    let range = namespace::sysctl("net.ipv4.ip_local_port_range")?;
    let mut bounds = range.split_whitespace().map(str::parse::<u64>);
    let (low, high) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    Some(high + 1 - low)
}
