//! What must be true of all connections between two calls, however hostile the peers, the network and the application are.
//!
//! Nothing here runs by itself: simulations, fuzzers and tests ask after every step, and whoever debugs an application may ask too. Each
//! structure knows the rules of its own; here are those that tie one to another.

mod connection;
mod tables;
#[cfg(test)]
mod tests;

use core::fmt;
use std::net::SocketAddr;

use super::Tcp;
use crate::transport::flow::FlowKey;

/// What became of a check: nothing, or the rule that is broken, with the values that break it.
pub(in crate::transport) type Checked = Result<(), String>;

/// Ends a check with a broken rule unless a condition holds.
macro_rules! ensure {
    ($holds:expr, $($rule:tt)+) => {
        if !$holds {
            return Err(format!($($rule)+));
        }
    };
}
pub(in crate::transport) use ensure;

/// A rule of the engine that does not hold: a defect of the engine, never of its peers or its application.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Violation {
    /// The local and the remote end of the connection that breaks it; `None` when it is about all of them.
    pub connection: Option<(SocketAddr, SocketAddr)>,
    /// The rule, with the values that break it.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.connection {
            Some((local, remote)) => write!(f, "{local} with {remote}: {}", self.rule),
            None => f.write_str(&self.rule),
        }
    }
}

impl From<String> for Violation {
    fn from(rule: String) -> Self {
        Self {
            connection: None,
            rule,
        }
    }
}

impl Violation {
    fn of(key: &FlowKey, rule: String) -> Self {
        Self {
            connection: Some((
                SocketAddr::new(key.local.into(), key.local_port),
                SocketAddr::new(key.remote.into(), key.remote_port),
            )),
            rule,
        }
    }
}

impl Tcp {
    /// Looks for a broken rule. O(connections, TIME_WAIT entries, queued pieces).
    pub(crate) fn check_invariants(&self) -> Result<(), Violation> {
        for (index, connection) in self.connections.iter() {
            self.check_connection(index, connection)
                .map_err(|rule| Violation::of(&connection.key, rule))?;
        }
        self.check_tables().map_err(Violation::from)
    }
}
