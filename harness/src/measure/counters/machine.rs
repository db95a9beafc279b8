//! What all cores together were busy with.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seconds of all cores, in the steps of the kernel's clock (10 ms for each core).
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MachineCounters {
    /// Programs, outside of the kernel.
    pub(crate) machine_user_seconds: f64,
    /// The kernel on behalf of programs. Where the kernel does not account for interrupts by themselves, they are in it.
    pub(crate) machine_system_seconds: f64,
    /// Nothing to do.
    pub(crate) idle_seconds: f64,
    /// Hardware interrupts.
    pub(crate) irq_seconds: f64,
    /// Softirqs, in which the kernel receives packets and runs timers.
    pub(crate) softirq_seconds: f64,
    /// Another guest of the same host had the core.
    pub(crate) steal_seconds: f64,
}

/// A hundredth of a second, in which Linux counts for programs whatever its own clock is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Ticks since the machine started: user, nice, system, idle, iowait, irq, softirq, steal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Machine([u64; 8]);

impl Machine {
    pub(super) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(statistics: &str) -> Option<Self> {
        let fields = statistics.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = fields
            .split_ascii_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        Some(Self(ticks.try_into().ok()?))
    }

    pub(super) fn since(self, earlier: Self) -> MachineCounters {
        let passed = |at: usize| self.0[at].saturating_sub(earlier.0[at]) as f64 / TICKS_PER_SECOND;
        MachineCounters {
            machine_user_seconds: passed(0) + passed(1),
            machine_system_seconds: passed(2),
            idle_seconds: passed(3) + passed(4),
            irq_seconds: passed(5),
            softirq_seconds: passed(6),
            steal_seconds: passed(7),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_each_kind_are_told_apart() {
        let before = Machine::parse("cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1 2\n").expect("a line of all cores");
        let after = Machine::parse("cpu  101 202 303 404 505 606 707 808 0 0\n").expect("another");
        let found = after.since(before);
        assert_eq!(
            found,
            MachineCounters {
                machine_user_seconds: 3.0,
                machine_system_seconds: 3.0,
                idle_seconds: 9.0,
                irq_seconds: 6.0,
                softirq_seconds: 7.0,
                steal_seconds: 8.0,
            }
        );
        assert_eq!(Machine::parse("cpu  1 2 3\n"), None);
    }
}
