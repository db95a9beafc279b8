//! What an engine tells of itself.

use std::net::{IpAddr, SocketAddr};

use super::Engine;
use crate::internet::{EthernetCounters, InternetCounters};
use crate::link::{Device, DeviceCounters};
use crate::time::Instant;
use crate::transport::tcp::{TcpCounters, TcpMemory, TimeWaitStatus, Violation};
use crate::transport::udp::UdpCounters;

/// Counters of all layers.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Layer 1.
    pub device: DeviceCounters,
    /// Layer 2.
    pub internet: InternetCounters,
    /// Frames and neighbours.
    pub ethernet: EthernetCounters,
    /// TCP.
    pub tcp: TcpCounters,
    /// UDP.
    pub udp: UdpCounters,
}

impl<D: Device> Engine<D> {
    /// What has happened since the engine was made.
    pub fn counters(&self) -> Counters {
        Counters {
            device: self.device.counters(),
            internet: *self.internet.counters(),
            ethernet: self.internet.ethernet_counters(),
            tcp: *self.transport.tcp.counters(),
            udp: *self.transport.udp.counters(),
        }
    }

    /// What TIME_WAIT holds and what became of it.
    pub fn time_wait(&self) -> TimeWaitStatus {
        self.transport.tcp.time_wait_status()
    }

    /// Looks for a rule of the engine that does not hold: sequence numbers out of order, an octet that two places or none account for, work
    /// without a timer. For simulations, fuzzers and debugging, between any two calls; O(everything that the engine holds).
    ///
    /// # Errors
    /// The first broken rule, with the connection that breaks it. That is a defect of the engine, whatever it was fed.
    pub fn check_invariants(&self) -> Result<(), Violation> {
        self.transport.tcp.check_invariants()?;
        self.pool.audit().map_err(|rule| Violation {
            connection: None,
            rule,
        })
    }

    /// Memory that connections take.
    pub fn tcp_memory(&self) -> TcpMemory {
        self.transport.tcp.memory()
    }

    /// Fills TIME_WAIT with `count` entries towards `remotes` whose expiries are spread evenly over the next 2MSL, as if that many connections
    /// had been closed during the last one. For measurements. Returns how many were made; fewer when ports or capacity run out.
    pub fn preload_time_wait(
        &mut self,
        now: Instant,
        locals: &[IpAddr],
        remotes: &[SocketAddr],
        count: u64,
    ) -> u64 {
        self.now = self.now.max(now);
        self.transport
            .tcp
            .preload_time_wait(self.now, locals, remotes, count)
    }
}
