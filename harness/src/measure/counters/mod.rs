//! What the system counted in a window: for the process, for the machine, for the hosts that packets went through, and in the processor.

mod hardware;
mod machine;
mod process;
mod tables;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::hardware::{Hardware, HardwareCounters};
use self::machine::Machine;
pub(crate) use self::machine::MachineCounters;
pub(crate) use self::process::ProcessCounters;
use self::process::Usage;
use self::tables::Softnet;
pub(crate) use self::tables::{HostCounters, SoftnetCounters, Tables};

/// What was counted from the beginning of a window to its end.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Counters {
    /// All threads of the run.
    pub(crate) process: ProcessCounters,
    /// All cores, whoever used them; null where the kernel does not tell.
    pub(crate) machine: Option<MachineCounters>,
    /// Packets between devices and protocols, of the whole machine; null where the kernel does not tell.
    pub(crate) softnet: Option<SoftnetCounters>,
    /// The kernel's stack on each host that packets went through; empty where none did.
    pub(crate) hosts: Vec<HostCounters>,
    /// What the stacks count themselves, both ends together.
    pub(crate) stack: StackTotals,
    /// Of the processor; null where it has no counters, or does not let them be read.
    pub(crate) hardware: Option<HardwareCounters>,
    /// Why `hardware` is null; null when it is not.
    pub(crate) hardware_missing: Option<String>,
}

/// What the kernel counted in an interval of a window: as much of [`Counters`] as can be kept for hours.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KernelCounters {
    /// Packets between devices and protocols, of the whole machine; null where the kernel does not tell.
    pub(crate) softnet: Option<SoftnetCounters>,
    /// The kernel's stack on each host that packets went through; empty where none did.
    pub(crate) hosts: Vec<HostInterval>,
}

/// What the kernel's stack of one host counted in an interval.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HostInterval {
    /// Whose host it is: `client`, `server`, or `both`.
    pub(crate) host: String,
    /// What grew or shrank, by the names of `nstat`; what stayed as it was is left out.
    pub(crate) nstat: BTreeMap<String, i64>,
    /// `sockstat` when the interval ended: sockets, TIME_WAIT entries and pages of memory held.
    pub(crate) sockstat: BTreeMap<String, u64>,
}

impl From<Counters> for KernelCounters {
    fn from(counters: Counters) -> Self {
        let of_host = |host: HostCounters| HostInterval {
            host: host.host,
            nstat: host.nstat,
            sockstat: host.sockstat_after,
        };
        Self {
            softnet: counters.softnet,
            hosts: counters.hosts.into_iter().map(of_host).collect(),
        }
    }
}

/// What the stacks count themselves; null where they cannot tell.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StackTotals {
    pub(crate) system_calls: Option<u64>,
    pub(crate) packets: Option<u64>,
    pub(crate) useful_polls: Option<u64>,
    pub(crate) empty_polls: Option<u64>,
}

/// The system's counters at one moment, but for those of hosts, which are read where the hosts are.
#[derive(Debug)]
pub(crate) struct Snapshot {
    usage: Option<Usage>,
    machine: Option<Machine>,
    softnet: Option<Softnet>,
    hardware: Option<HardwareCounters>,
}

impl Snapshot {
    /// Takes some hundred microseconds.
    pub(crate) fn take(hardware: &Hardware) -> Self {
        Self {
            usage: Usage::of_process(),
            machine: Machine::read(),
            softnet: Softnet::read(),
            hardware: hardware.read(),
        }
    }

    /// What was counted since `earlier`, apart from hosts and stacks.
    pub(crate) fn since(&self, earlier: &Self) -> Counters {
        let process = self.usage.zip(earlier.usage);
        Counters {
            process: process.map_or_else(ProcessCounters::default, |(now, then)| now.since(then)),
            machine: both(self.machine, earlier.machine, Machine::since),
            softnet: both(self.softnet, earlier.softnet, Softnet::since),
            hardware: both(self.hardware, earlier.hardware, HardwareCounters::since),
            ..Counters::default()
        }
    }
}

fn both<T, R>(now: Option<T>, then: Option<T>, since: impl FnOnce(T, T) -> R) -> Option<R> {
    Some(since(now?, then?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_between_two_snapshots_is_counted() {
        let hardware = Hardware::open();
        let before = Snapshot::take(&hardware);
        let start = crate::measure::cpu::process_ns();
        while crate::measure::cpu::process_ns() < start + 20_000_000 {}
        // Beyond 32 MiB an allocator takes new pages, whatever other tests have freed.
        let pages: Vec<u8> = std::hint::black_box(vec![1; 40 << 20]);
        let found = Snapshot::take(&hardware).since(&before);
        assert!(
            found.process.user_seconds + found.process.system_seconds >= 0.01,
            "{found:?}"
        );
        assert!(
            found.process.minor_faults > 0,
            "{} bytes were touched",
            pages.len()
        );
        assert!(found.machine.is_some() && found.softnet.is_some());
        assert_eq!(found.hardware.is_none(), hardware.missing().is_some());
    }
}
