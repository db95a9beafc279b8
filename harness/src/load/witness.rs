//! Watches the system around the window: the process, the machine, and the hosts that packets go through.

use crate::config::{Pairing, PathKind, RunConfig};
use crate::measure::counters::{Counters, Hardware, Snapshot, Tables};
use crate::path::host::Host;
use crate::path::{lab, namespace};

/// A host by whose it is; `None` for the one that the threads of the process are on.
type Named = (&'static str, Option<&'static Host>);

/// What is to be watched.
#[derive(Debug)]
pub(super) struct Witness {
    hardware: Hardware,
    hosts: Vec<Named>,
    /// Whether the hosts are the machine's own.
    shared: bool,
}

/// What the counters stood at when somebody looked.
#[derive(Debug)]
pub(super) struct Look {
    snapshot: Snapshot,
    tables: Vec<Tables>,
}

impl Witness {
    /// Call it in the thread that starts all others, before it does: processors count threads that are started afterwards.
    pub(super) fn of(stacks: Pairing, config: &RunConfig) -> Self {
        Self {
            hardware: Hardware::open(),
            hosts: hosts(stacks, config),
            shared: !namespace::entered(),
        }
    }

    /// Looks at the counters: the window is about to begin.
    pub(super) fn before(&self) -> Look {
        let tables = self.tables();
        Look {
            snapshot: Snapshot::take(&self.hardware),
            tables,
        }
    }

    /// Looks at them the other way round: the window has ended, and reading tables is no part of it.
    pub(super) fn after(&self) -> Look {
        let snapshot = Snapshot::take(&self.hardware);
        Look {
            snapshot,
            tables: self.tables(),
        }
    }

    /// What was counted from one look to another.
    pub(super) fn counted(&self, then: &Look, now: &Look) -> Counters {
        let tables = now.tables.iter().zip(&then.tables).zip(&self.hosts);
        let hosts = tables.map(|((now, then), (name, _))| now.since(then, name, self.shared));
        Counters {
            hosts: hosts.collect(),
            hardware_missing: self.hardware.missing().map(str::to_owned),
            ..now.snapshot.since(&then.snapshot)
        }
    }

    fn tables(&self) -> Vec<Tables> {
        let read = |(_, host): &Named| match host.map(Host::visit) {
            Some(Err(_)) => Tables::default(),
            visit => {
                let _visit = visit;
                Tables::read_here()
            }
        };
        self.hosts.iter().map(read).collect()
    }
}

/// The hosts whose kernel packets of the run pass: none when they stay in memory.
fn hosts(stacks: Pairing, config: &RunConfig) -> Vec<Named> {
    match (config.path, lab::built()) {
        (PathKind::Memory, _) if !stacks.has_kernel() => Vec::new(),
        (PathKind::Veth | PathKind::Bridge | PathKind::Wire, Some(lab)) => {
            vec![("client", None), ("server", Some(lab.host_of_server()))]
        }
        _ => vec![("both", None)],
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::config::{Options, ScenarioKind, StackKind};

    #[test]
    fn what_the_kernel_counts_is_told_for_its_host_and_for_none_in_memory() {
        let config =
            |path| RunConfig::effective(ScenarioKind::Udp, StackKind::Kernel, path, 1, &Options::default());
        let kernel = Witness::of(Pairing::of(StackKind::Kernel), &config(PathKind::Loopback));
        let memory = Witness::of(Pairing::of(StackKind::Engine), &config(PathKind::Memory));
        let (before, nothing) = (kernel.before(), memory.before());
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let own = socket.local_addr().expect("bound");
        for _ in 0..10 {
            socket.send_to(b"datagram", own).expect("loopback");
        }
        let found = kernel.counted(&before, &kernel.after());
        let [host] = &found.hosts[..] else {
            panic!("{found:?}")
        };
        assert_eq!((host.host.as_str(), host.shared), ("both", true));
        assert!(host.nstat["UdpOutDatagrams"] >= 10, "{host:?}");
        assert!(host.sockstat_after.contains_key("UDP_inuse"));
        assert!(memory.counted(&nothing, &memory.after()).hosts.is_empty());
    }
}
