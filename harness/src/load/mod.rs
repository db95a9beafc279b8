//! Load generators: threads that each drive a client and a server over a pair of stack ends.
//!
//! A scenario is a [`Script`]: it makes two [`Actor`]s, and [`generators::run`] drives them through the [`Phase`]s of a
//! run. Load is a closed loop (a fixed number of operations is outstanding, and the next one starts when one ends) unless
//! an [`open_loop`] starts operations by the clock. No actor reads a clock or allocates for an operation; time comes in once for each step.

pub(crate) mod actor;
pub(crate) mod addresses;
pub(crate) mod arrivals;
pub(crate) mod conductor;
pub(crate) mod cycle;
mod end;
pub(crate) mod exchange;
mod fill;
pub(crate) mod flooder;
pub(crate) mod flows;
pub(crate) mod generators;
pub(crate) mod holdback;
pub(crate) mod holders;
mod idleness;
pub(crate) mod in_flight;
mod meter;
pub(crate) mod open_loop;
pub(crate) mod outcome;
pub(crate) mod pace;
pub(crate) mod pattern;
pub(crate) mod phase;
mod placement;
pub(crate) mod pulse;
pub(crate) mod quiet;
pub(crate) mod relay;
pub(crate) mod tally;
mod witness;

pub(crate) use actor::{Actor, Ends, Next, Script};
pub(crate) use phase::Phase;
pub(crate) use placement::pin_to_first_core;

#[cfg(test)]
pub(crate) mod fake;
