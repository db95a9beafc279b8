//! A flood of SYNs from addresses that nobody has: what a listener hears in an attack (RFC 4987 section 2).
//!
//! In memory the flood never leaves the process: it is put in front of the server's own device, and what the server answers is swallowed
//! there. Over a cable between two hosts it comes from a packet socket, and what is answered ends at a gateway that nobody is. Its sources are drawn from 198.18.0.0/15 (RFC 2544 appendix C.2.2) or 2001:2::/48 (RFC 5180 section 8), which are reserved for
//! benchmarks, so that nothing else is ever meant.

#[cfg(test)]
mod cable_tests;
mod device;
mod plan;
mod sender;
mod syn;
#[cfg(test)]
mod tests;

pub(crate) use device::{Flooded, Tally};
pub(crate) use plan::Plan;
pub(crate) use sender::Sender;
pub(crate) use syn::sources;
