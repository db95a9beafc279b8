//! A flood of SYNs from addresses that nobody has: what a listener hears in an attack (RFC 4987 section 2).
//!
//! The flood never leaves the process: it is put in front of the server's own device, and what the server answers is swallowed there. Its
//! sources are drawn from 198.18.0.0/15, which is reserved for benchmarks (RFC 2544 appendix C.2.2), so that nothing else is ever meant.

mod device;
mod syn;
#[cfg(test)]
mod tests;

pub(crate) use device::{Flooded, Plan, Tally};
