//! What the tests of the kernel's rules need of it beyond a pair of ends.

use std::net::Ipv4Addr;

use super::kernel::{Kernel, tuning};
use super::uring::{self, Uring};
use super::{Stack, Unsupported};
use crate::config::{Pressure, ScenarioKind, StackKind};
use crate::load::fake::config;
use crate::path::cable;
use crate::path::host::Host;
use crate::path::namespace::NotPossible;

pub(crate) use super::kernel::Options as KernelOptions;

/// One end on the calling thread's host.
pub(crate) fn kernel_end(options: KernelOptions) -> Box<dyn Stack> {
    Box::new(Kernel::new(options).expect("an epoll descriptor"))
}

/// One end over a ring on the calling thread's host; `None`, loudly, where the system gives none.
pub(crate) fn ring_end(options: KernelOptions) -> Option<Box<dyn Stack>> {
    let shape = uring::shape(&config(ScenarioKind::TimeWait), &options);
    match Uring::new(options, shape) {
        Ok(end) => Some(Box::new(end)),
        Err(error) => {
            eprintln!("SKIPPED: no io_uring here: {error}");
            None
        }
    }
}

/// Sets up the calling thread's namespace.
pub(crate) fn apply(pressure: &Pressure) -> Result<(), Unsupported> {
    tuning::apply_sysctls(StackKind::Kernel, pressure).map(drop)
}

/// Gives the loopback device of the calling thread's namespace another address.
pub(crate) fn address_loopback(address: Ipv4Addr) -> Result<(), NotPossible> {
    let here = Host::here().map_err(|error| NotPossible(error.to_string()))?;
    cable::address_loopback(&here, address)
}
