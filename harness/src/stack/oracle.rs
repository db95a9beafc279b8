//! What the tests of the kernel's rules need of it beyond a pair of ends.

use std::net::Ipv4Addr;

use super::kernel::{Kernel, tuning};
use super::{Stack, Unsupported};
use crate::config::{Pressure, StackKind};
use crate::path::cable;
use crate::path::host::Host;
use crate::path::namespace::NotPossible;

pub(crate) use super::kernel::Options as KernelOptions;

/// One end on the calling thread's host.
pub(crate) fn kernel_end(options: KernelOptions) -> Box<dyn Stack> {
    Box::new(Kernel::new(options).expect("an epoll descriptor"))
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
