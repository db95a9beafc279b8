//! One connection after another: connect, exchange a message where asked, close.

mod client;
mod flow;
mod occupancy;
mod server;
#[cfg(test)]
mod tests;
mod tuples;

pub(crate) use client::{Client, CycleTally};
pub(crate) use occupancy::{Occupancy, Scale};
pub(crate) use server::Server;
pub(crate) use tuples::TupleTally;

use crate::config::{Close, Closer, RunConfig};

/// What is done with each connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cycle {
    /// Connections between `connect` and their end at one time.
    pub(crate) in_flight: u32,
    /// Bytes sent each way before the connection is closed; zero for a connection without data.
    pub(crate) message: u32,
    pub(crate) close: Close,
    pub(crate) closer: Closer,
    /// TIME_WAIT entries at which the window ends early.
    pub(crate) time_wait_limit: Option<u64>,
}

impl Cycle {
    /// The cycle of a run with `message` bytes each way.
    pub(crate) fn of(config: &RunConfig, message: u32) -> Self {
        Self {
            in_flight: config.connections,
            message,
            close: config.close,
            closer: config.closer,
            time_wait_limit: None,
        }
    }

    /// Whether the server ends connections with a reset, which the client then expects.
    fn server_resets(&self) -> bool {
        self.closer == Closer::Server && self.close == Close::Rst
    }
}
